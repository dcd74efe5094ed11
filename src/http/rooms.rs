//! Changes of rooms, computed once for all readers of the event stream.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::broadcast;
use tokio::time::{MissedTickBehavior, interval};

use super::site::Site;
use crate::control::{RoomLine, Status};

/// The interval at which rooms are compared.
const LOOK: Duration = Duration::from_millis(500);
/// The number of looks after which the status is sent again, changed or not.
const STATUS_AGAIN: u32 = 20;
/// The capacity of the stream of changes: a reader further behind is sent everything again.
const BEHIND: usize = 64;

/// Sends changes of rooms and of the status, while there are readers.
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

/// An event of a stream (WHATWG HTML §9.2.5).
pub(super) fn event(name: &str, data: &impl serde::Serialize) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n").into()
}

/// Everything, for a new reader.
pub(super) fn everything(site: &impl Site) -> [Bytes; 2] {
    [event("status", &site.status()), event("rooms", &json!({ "rooms": site.rooms() }))]
}

impl Changes {
    /// Every change from now on. Changes are looked for while there is a reader.
    pub(super) fn subscribe<S: Site>(
        self: &Arc<Self>,
        site: &Arc<S>,
    ) -> broadcast::Receiver<Bytes> {
        let receiver = self.events.subscribe();
        let mut is_watched = self.is_watched.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_watched {
            *is_watched = true;
            // What the first of them is told next is not older than this.
            let known = by_address(site.rooms());
            tokio::spawn(Arc::clone(self).watch(Arc::clone(site), known, site.status()));
        }
        receiver
    }

    async fn watch<S: Site>(self: Arc<Self>, site: Arc<S>, mut known: Rooms, mut told: Status) {
        let mut looks = 0_u32;
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            {
                let mut is_watched = self.is_watched.lock().unwrap_or_else(PoisonError::into_inner);
                if self.events.receiver_count() == 0 {
                    *is_watched = false;
                    return;
                }
            }
            let rooms = by_address(site.rooms());
            if let Some(event) = change(&known, &rooms) {
                // A reader who hangs up meanwhile misses nothing.
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

/// Nothing but what always grows differs.
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
    use crate::control::RoomState;

    fn room(name: &str, occupants: usize) -> RoomLine {
        RoomLine {
            room: name.to_owned(),
            service: "conference.example.org".to_owned(),
            state: RoomState::Open,
            occupants,
            people: occupants,
            moderators: 1,
            waiting: 0,
            password: true,
            lobby: false,
            opened: None,
            opener: None,
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
