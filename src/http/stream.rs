//! `/api/v1/stream`: events as they happen.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State as Of;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::access::{Proof, SignedIn};
use super::api::ApiBackend;
use super::router::{Refused, State};
use crate::control::{FailureKind, RoomLine, Status};
use crate::metrics::Raised;
use crate::store::Entry;

/// Interval at which new entries are sent.
const PAUSE: Duration = Duration::from_millis(250);
/// Most entries in one event.
const AT_ONCE: usize = 200;
/// Time after which a stream that a proxy let through ends, so that the page asks the proxy again.
const BY_PROXY: Duration = Duration::from_secs(60 * 60);
/// Most streams at once.
pub(super) const STREAMS: usize = 64;

/// Streams events from now on, until the token is no longer valid or the client hangs up.
pub(super) async fn stream<S: ApiBackend>(
    Of(state): Of<State<S>>,
    SignedIn { proof, .. }: SignedIn,
) -> Result<Response, Refused> {
    let slot = Arc::clone(&state.streams).try_acquire_owned().map_err(|_| {
        Refused::new(FailureKind::Unavailable, "too many clients read the stream: try again later")
    })?;
    let watching = Watching::new(state, proof, slot);
    let events = unfold(watching, |mut watching| async {
        Some((Ok::<_, Infallible>(watching.next().await?), watching))
    });
    Ok(([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response())
}

struct Watching<S: ApiBackend> {
    state: State<S>,
    proof: Proof,
    changes: Receiver<Bytes>,
    entries: Receiver<Arc<Entry>>,
    /// Events to send before any other.
    next: VecDeque<Bytes>,
    tick: Interval,
    begun: Instant,
    is_over: bool,
    /// Frees the place of this stream when it ends.
    _slot: OwnedSemaphorePermit,
    _counted: Raised,
}

impl<S: ApiBackend> Watching<S> {
    fn new(state: State<S>, proof: Proof, slot: OwnedSemaphorePermit) -> Self {
        let mut tick = interval(PAUSE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let changes = state.changes.subscribe(&state.site);
        let entries = state.site.entries();
        let counted = Raised::new(&state.metrics.streams);
        let mut next = VecDeque::from(everything(&*state.site));
        next.push_front(Bytes::from_static(b"retry: 2000\n\n"));
        Self {
            state,
            proof,
            changes,
            entries,
            next,
            tick,
            begun: Instant::now(),
            is_over: false,
            _slot: slot,
            _counted: counted,
        }
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.next.pop_front() {
                return Some(event);
            }
            if self.is_over {
                return None;
            }
            tokio::select! {
                changed = self.changes.recv() => match changed {
                    Ok(event) => return Some(event),
                    Err(RecvError::Lagged(_)) => self.next.extend(everything(&*self.state.site)),
                    Err(RecvError::Closed) => return None,
                },
                _ = self.tick.tick() => {
                    if matches!(self.proof, Proof::Proxy(_)) && self.begun.elapsed() >= BY_PROXY {
                        return None;
                    }
                    if self.state.access.caller(&self.proof).is_none() {
                        self.is_over = true;
                        let reason = "this token is not valid any longer";
                        return Some(event("over", &json!({ "reason": reason })));
                    }
                    if let Some(event) = self.entries() {
                        return Some(event);
                    }
                }
            }
        }
    }

    /// Returns an event of new entries, and how many were missed before them; `None` without either.
    fn entries(&mut self) -> Option<Bytes> {
        let (mut entries, mut dropped) = (Vec::new(), 0_u64);
        while entries.len() < AT_ONCE {
            match self.entries.try_recv() {
                Ok(entry) => entries.push(entry),
                Err(TryRecvError::Lagged(missed)) => dropped = dropped.saturating_add(missed),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if dropped > 0 {
            self.state.metrics.entries_dropped.inc_by(dropped);
        }
        let entries: Vec<_> = entries.iter().map(|entry| &**entry).collect();
        let is_any = !entries.is_empty() || dropped > 0;
        is_any.then(|| event("entries", &json!({ "entries": entries, "dropped": dropped })))
    }
}

/// Interval at which rooms and status are compared.
const LOOK: Duration = Duration::from_millis(500);
/// Comparisons after which the status is sent again, changed or not.
const STATUS_AGAIN: u32 = 20;
/// Capacity of the stream of changes: a client that falls further behind gets the full state again.
const BEHIND: usize = 64;

/// Sends changes of the rooms and of the status, while there are clients.
#[derive(Debug)]
pub(super) struct Changes {
    events: broadcast::Sender<Bytes>,
    is_watched: Mutex<bool>,
}

impl Default for Changes {
    fn default() -> Self {
        Self { events: broadcast::Sender::new(BEHIND), is_watched: Mutex::default() }
    }
}

/// Formats an event of the stream (WHATWG HTML §9.2.5).
pub(super) fn event(name: &str, data: &impl serde::Serialize) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n").into()
}

/// Returns the full state, for a new client.
pub(super) fn everything(site: &impl ApiBackend) -> [Bytes; 2] {
    [event("status", &site.status()), event("rooms", &json!({ "rooms": site.rooms() }))]
}

impl Changes {
    /// Subscribes to changes from now on. Rooms and status are compared only while there are subscribers.
    pub(super) fn subscribe<S: ApiBackend>(self: &Arc<Self>, site: &Arc<S>) -> Receiver<Bytes> {
        let receiver = self.events.subscribe();
        let mut is_watched = self.is_watched.lock();
        if !*is_watched {
            *is_watched = true;
            // The client gets its first state after this, so it misses no change.
            let known = by_address(site.rooms());
            tokio::spawn(Arc::clone(self).watch(Arc::clone(site), known, site.status()));
        }
        receiver
    }

    async fn watch<S: ApiBackend>(
        self: Arc<Self>,
        site: Arc<S>,
        mut known: Rooms,
        mut told: Status,
    ) {
        let mut looks = 0_u32;
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let mut is_watched = self.is_watched.lock();
            if self.events.receiver_count() == 0 {
                *is_watched = false;
                return;
            }
            drop(is_watched);
            let rooms = by_address(site.rooms());
            if let Some(event) = change(&known, &rooms) {
                // Sending fails only when all clients have hung up.
                let _ = self.events.send(event);
            }
            known = rooms;
            let status = site.status();
            looks = looks.saturating_add(1);
            if looks >= STATUS_AGAIN || !is_same(&told, &status) {
                looks = 0;
                let _ = self.events.send(event("status", &status));
                told = status;
            }
        }
    }
}

type Rooms = BTreeMap<String, RoomLine>;

fn by_address(rooms: Vec<RoomLine>) -> Rooms {
    rooms.into_iter().map(|room| (room.room.clone(), room)).collect()
}

fn change(before: &Rooms, after: &Rooms) -> Option<Bytes> {
    let changed: Vec<_> = after
        .iter()
        .filter(|(jid, room)| before.get(*jid) != Some(room))
        .map(|(_, it)| it)
        .collect();
    let gone: Vec<_> = before.keys().filter(|jid| !after.contains_key(*jid)).collect();
    let is_any = !changed.is_empty() || !gone.is_empty();
    is_any.then(|| event("rooms", &json!({ "changed": changed, "gone": gone })))
}

/// Returns whether the two differ only in uptime, number of rooms, and decisions.
fn is_same(one: &Status, other: &Status) -> bool {
    let calm = |status: &Status| Status {
        uptime: 0,
        rooms: 0,
        decisions: Default::default(),
        ..status.clone()
    };
    calm(one) == calm(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::counters::Refused;
    use crate::control::RoomState;

    fn room(name: &str, occupants: usize) -> RoomLine {
        RoomLine {
            room: name.to_owned(),
            looks_like: None,
            service: "conference.example.org".to_owned(),
            state: RoomState::Open,
            occupants,
            people: occupants,
            moderators: 1,
            waiting: 0,
            waiting_since: None,
            refused: Refused::default(),
            password: true,
            lobby: false,
            door: "password".to_owned(),
            opened: None,
            opener: None,
            opener_name: None,
            closed: None,
        }
    }

    #[test]
    fn what_changed_is_told_and_nothing_else() {
        let before = by_address(vec![room("a", 1), room("b", 1), room("c", 1)]);
        let after = by_address(vec![room("a", 1), room("b", 2), room("d", 1)]);
        assert_eq!(change(&before, &before), None);
        let told = change(&before, &after).unwrap();
        let told = std::str::from_utf8(&told).unwrap();
        let data = told.strip_prefix("event: rooms\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(data, json!({ "changed": [room("b", 2), room("d", 1)], "gone": ["c"] }));
    }
}
