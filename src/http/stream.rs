//! `/api/v1/stream`: what happens, as it happens.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State as Of;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::access::Digest;
use super::bearer::Bearer;
use super::failure::Refused;
use super::rooms::{event, everything};
use super::router::State;
use super::site::Site;
use crate::control::FailureKind;
use crate::metrics::Raised;
use crate::store::Entry;

/// The interval at which entries are sent.
const PAUSE: Duration = Duration::from_millis(250);
/// Most entries of one event.
const AT_ONCE: usize = 200;
/// Most streams at once.
pub(super) const STREAMS: usize = 64;

/// Everything from now on, until the token is no longer good or the caller hangs up.
pub(super) async fn stream<S: Site>(
    Of(state): Of<State<S>>,
    Bearer { digest, .. }: Bearer,
) -> Result<Response, Refused> {
    let slot = Arc::clone(&state.streams).try_acquire_owned().map_err(|_| {
        Refused::new(FailureKind::Unavailable, "too many clients read the stream: try again later")
    })?;
    let watching = Watching::new(state, digest, slot);
    let events = unfold(watching, |mut watching| async {
        Some((Ok::<_, Infallible>(watching.next().await?), watching))
    });
    Ok(([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response())
}

struct Watching<S: Site> {
    state: State<S>,
    digest: Digest,
    changes: Receiver<Bytes>,
    entries: Receiver<Arc<Entry>>,
    /// The events that are sent before anything else.
    next: VecDeque<Bytes>,
    tick: Interval,
    is_over: bool,
    /// Given back when this ends.
    _slot: OwnedSemaphorePermit,
    _counted: Raised,
}

impl<S: Site> Watching<S> {
    fn new(state: State<S>, digest: Digest, slot: OwnedSemaphorePermit) -> Self {
        let mut tick = interval(PAUSE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let changes = state.changes.subscribe(&state.site);
        let entries = state.site.entries();
        let counted = Raised::new(&state.metrics.streams);
        let mut next = VecDeque::from(everything(&*state.site));
        next.push_front(Bytes::from_static(b"retry: 2000\n\n"));
        Self {
            state,
            digest,
            changes,
            entries,
            next,
            tick,
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
                    if self.state.access.caller(&self.digest).is_none() {
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

    /// The entries that are there, and how many were missed before them.
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
