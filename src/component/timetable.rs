//! What is due in the rooms.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use jid::BareJid;
use jiff::Timestamp;

use super::desk::{Desk, Mode};
use crate::policy::rules::Rules;
use crate::policy::timers::{Agenda, Due, Scene, agenda};
use crate::wire::room::LiveRoom;

/// What is due in all rooms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timetable {
    /// What seems to be due now, from what was reported. The gate knows better: see [`due_again`].
    pub due: Vec<(BareJid, Due)>,
    /// When to look again, unless a room changes.
    pub next: Option<Timestamp>,
}

/// What is due in the rooms now.
pub fn timetable(desk: &Desk, now: Timestamp) -> Timetable {
    let mut table = Timetable::default();
    if desk.mode() == Mode::Observe {
        return table;
    }
    // Most rooms share their hours.
    let mut phases = HashMap::new();
    for (jid, room) in desk.live().rooms() {
        let rules = desk.policy().exceptions.in_room(&room.rules, jid, now);
        let phase = match &rules {
            Cow::Borrowed(Rules { hours, .. }) => {
                *phases.entry(Arc::as_ptr(hours)).or_insert_with(|| hours.phase(now))
            }
            Cow::Owned(rules) => rules.hours.phase(now),
        };
        let Some(record) = &room.view.record else { continue };
        let scene = Scene {
            rules: &rules,
            record,
            phase,
            unmoderated: room.moderated_until.filter(|_| !room.is_moderated(desk.policy())),
            last_stranger: desk.last_stranger(jid),
            now,
        };
        let Agenda { due, next } = agenda(&scene);
        table.due.extend(due.map(|due| (jid.clone(), due)));
        table.next = table.next.into_iter().chain(next).min();
    }
    table
}

/// The same for one room, as its gate shows it.
pub fn due_again(desk: &mut Desk, live: &LiveRoom, now: Timestamp) -> Option<Due> {
    let (policy, rooms) = desk.parts();
    let room = rooms.room_mut(&live.jid).filter(|room| room.generation == live.generation)?;
    room.view = live.view.clone();
    let unmoderated = room.moderated_until.filter(|_| live.view.moderators == 0);
    let rules = policy.exceptions.in_room(&room.rules, &live.jid, now).into_owned();
    agenda(&Scene {
        rules: &rules,
        record: live.view.record.as_ref()?,
        phase: rules.hours.phase(now),
        unmoderated,
        last_stranger: desk.last_stranger(&live.jid),
        now,
    })
    .due
}
