//! Due actions in rooms.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::desk::{Desk, Mode};
use super::registry::{Room, Watch};
use crate::jid::BareJid;
use crate::policy::hours::{AtEnd, Hours, Phase};
use crate::policy::timers::{Agenda, Deed, Due, Scene, agenda};
use crate::wire::room::LiveRoom;

/// The due actions of a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The actions that seem to be due, by what was reported. The gate knows better: see [`due_again`].
    pub due: Option<Due>,
    /// The actions that would be due if the observed rules were enforced, without notices.
    pub would: Option<Due>,
    /// The time of the next look, unless the room changes.
    pub next: Option<Timestamp>,
}

/// The state of the opening hours. Most rooms share them: they are kept for as long as their address stands for them.
#[derive(Debug)]
pub struct Phases {
    known: HashMap<*const Hours, (Arc<Hours>, Phase)>,
    now: Timestamp,
}

impl Phases {
    /// Nothing is known of that moment yet.
    pub fn at(now: Timestamp) -> Self {
        Self { known: HashMap::new(), now }
    }

    fn of(&mut self, hours: &Arc<Hours>) -> Phase {
        let found = || (Arc::clone(hours), hours.phase(self.now));
        self.known.entry(Arc::as_ptr(hours)).or_insert_with(found).1
    }
}

/// Looks at rooms that have changed or whose time has come, at most `most` of them. A room that is no more has nothing due.
pub fn timetable(desk: &mut Desk, most: usize, now: Timestamp) -> Vec<(BareJid, Look)> {
    let mut phases = Phases::at(now);
    let mut table = Vec::new();
    while table.len() < most
        && let Some(jid) = desk.take(Watch::Timers, now)
    {
        let look = look(desk, &jid, &mut phases);
        if let Some(next) = look.next {
            desk.look_by(Watch::Timers, &jid, next);
        }
        table.push((jid, look));
    }
    table
}

/// Looks at one room.
pub fn look(desk: &Desk, jid: &BareJid, phases: &mut Phases) -> Look {
    let Some(room) = desk.live().room(jid) else { return Look::default() };
    let Some(record) = &room.view.record else { return Look::default() };
    // The meeting of a found room that is empty is over. The next one begins with the first who joins.
    if desk.mode() == Mode::Observe || (record.found && room.occupants.is_empty()) {
        return Look::default();
    }
    let now = phases.now;
    let exceptions = &desk.policy().exceptions;
    let rules = desk.live().rules_in(desk.policy(), jid, room);
    let rules = exceptions.in_room(&rules, jid, now);
    let scene = Scene {
        rules: &rules,
        record,
        phase: phases.of(&rules.hours),
        unmoderated: unmoderated(desk, room),
        last_stranger: desk.last_stranger(jid),
        now,
    };
    let Agenda { due, next } = agenda(&scene);
    let mut look = Look { due, would: None, next };
    look.next = earliest([next, exceptions.next_end(jid, now), next_phase(&scene)]);
    if let Some(rules) = &rules.observed {
        let scene = Scene { rules, phase: phases.of(&rules.hours), ..scene };
        let observed = agenda(&scene);
        look.would = observed.due.filter(|would| {
            !matches!(would.deed, Deed::Warn { .. }) && due.map(|due| due.rule) != Some(would.rule)
        });
        look.next = earliest([look.next, observed.next, next_phase(&scene)]);
    }
    look
}

fn earliest(moments: impl IntoIterator<Item = Option<Timestamp>>) -> Option<Timestamp> {
    moments.into_iter().flatten().min()
}

/// Returns when the hours are to be looked at again; `None`: nothing of a room comes of them.
fn next_phase(scene: &Scene<'_>) -> Option<Timestamp> {
    let hours = &scene.rules.hours;
    (hours.at_end.value != AtEnd::Stay).then(|| hours.changes_after(scene.phase, scene.now))?
}

fn unmoderated(desk: &Desk, room: &Room) -> Option<Timestamp> {
    room.moderated_until.filter(|_| !room.is_moderated(desk.policy()))
}

/// The same for one room, as its gate shows it.
pub fn due_again(desk: &mut Desk, live: &LiveRoom, now: Timestamp) -> Option<Due> {
    let until = desk.shown(live)?;
    if live.view.is_found() && live.occupants.is_empty() {
        return None;
    }
    let rules = desk.live().rules(desk.policy(), Some(&live.jid));
    let rules = desk.policy().exceptions.in_room(&rules, &live.jid, now);
    agenda(&Scene {
        rules: &rules,
        record: live.view.record.as_ref()?,
        phase: rules.hours.phase(now),
        unmoderated: until.filter(|_| live.view.moderators == 0),
        last_stranger: desk.last_stranger(&live.jid),
        now,
    })
    .due
}
