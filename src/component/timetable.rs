//! What is due in the rooms.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::desk::{Desk, Mode};
use crate::jid::BareJid;
use crate::policy::hours::Hours;
use crate::policy::timers::{Agenda, Deed, Due, Scene, agenda};
use crate::wire::room::LiveRoom;

/// What is due in all rooms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timetable {
    /// What seems to be due now, from what was reported. The gate knows better: see [`due_again`].
    pub due: Vec<(BareJid, Due)>,
    /// What would be due if the rules that are only observed were enforced, but for what people are told.
    pub would: Vec<(BareJid, Due)>,
    /// When to look again, unless a room changes.
    pub next: Option<Timestamp>,
}

/// What is due in the rooms now.
pub fn timetable(desk: &Desk, now: Timestamp) -> Timetable {
    let mut table = Timetable::default();
    if desk.mode() == Mode::Observe {
        return table;
    }
    // Most rooms share their hours. They are kept for as long as their address stands for them.
    let mut phases = HashMap::new();
    let mut phase_of = |hours: &Arc<Hours>| {
        let found = || (Arc::clone(hours), hours.phase(now));
        phases.entry(Arc::as_ptr(hours)).or_insert_with(found).1
    };
    for (jid, room) in desk.live().rooms() {
        let rules = desk.policy().exceptions.in_room(&room.rules, jid, now);
        let Some(record) = &room.view.record else { continue };
        if record.found && room.occupants.is_empty() {
            // Its meeting is over. The next one begins with whoever comes first.
            continue;
        }
        let scene = Scene {
            rules: &rules,
            record,
            phase: phase_of(&rules.hours),
            unmoderated: room.moderated_until.filter(|_| !room.is_moderated(desk.policy())),
            last_stranger: desk.last_stranger(jid),
            now,
        };
        let Agenda { due, next } = agenda(&scene);
        table.next = table.next.into_iter().chain(next).min();
        if let Some(rules) = &rules.observed {
            let observed = agenda(&Scene { rules, phase: phase_of(&rules.hours), ..scene });
            let would = observed.due.filter(|would| {
                !matches!(would.deed, Deed::Warn { .. })
                    && due.map(|due| due.rule) != Some(would.rule)
            });
            table.would.extend(would.map(|would| (jid.clone(), would)));
            table.next = table.next.into_iter().chain(observed.next).min();
        }
        table.due.extend(due.map(|due| (jid.clone(), due)));
    }
    table
}

/// The same for one room, as its gate shows it.
pub fn due_again(desk: &mut Desk, live: &LiveRoom, now: Timestamp) -> Option<Due> {
    let (policy, rooms) = desk.parts();
    let room = rooms.room_mut(&live.jid).filter(|room| room.generation == live.generation)?;
    room.view = live.view.clone();
    if live.view.is_found() && live.occupants.is_empty() {
        return None;
    }
    room.moderated_until = room.moderated_until.max(live.unmoderated_since);
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
