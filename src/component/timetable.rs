//! Finds the actions of timers and of succession that are due in rooms.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::engine::{Mode, PolicyEngine};
use super::registry::{Room, Watch};
use super::room_registry::Known;
use crate::jid::BareJid;
use crate::policy::attempt::{Requester, RoomView};
use crate::policy::hours::{AtEnd, Hours, Phase};
use crate::policy::succession::{Plan, Since, is_moderator, is_service, next, plan};
use crate::policy::timers::{Agenda, Deed, Due, Scene, agenda};
use crate::policy::{Policy, Rules, succession};
use crate::wire::room::LiveRoom;

/// What is due in a room, and when to look again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Action that seems to be due by the reports; the gate knows better: see [`confirm_due`].
    pub due: Option<Due>,
    /// Action that would be due if the observed rules were enforced; notices are left out.
    pub would: Option<Due>,
    /// When to look again, unless the room changes before; `None`: not before it changes.
    pub next: Option<Timestamp>,
}

/// Phases of opening hours at one moment, each computed once. The kept `Arc` makes the address a valid key.
#[derive(Debug)]
pub struct Phases {
    known: HashMap<*const Hours, (Arc<Hours>, Phase)>,
    now: Timestamp,
}

impl Phases {
    /// Creates an empty cache for that moment.
    pub fn at(now: Timestamp) -> Self {
        Self { known: HashMap::new(), now }
    }

    fn of(&mut self, hours: &Arc<Hours>) -> Phase {
        let found = || (Arc::clone(hours), hours.phase(self.now));
        self.known.entry(Arc::as_ptr(hours)).or_insert_with(found).1
    }
}

/// Looks at rooms that have changed or are due, at most `most` of them. A room that has ended has nothing due.
pub fn timetable(engine: &mut PolicyEngine, most: usize, now: Timestamp) -> Vec<(BareJid, Look)> {
    let mut phases = Phases::at(now);
    look_at(engine, Watch::Timers, most, now, |engine, jid| {
        let look = look(engine, jid, &mut phases);
        (look, look.next)
    })
}

/// Looks at the next rooms, at most `most` of them; returns what is due in each, and schedules its next look.
fn look_at<T>(
    engine: &mut PolicyEngine,
    watch: Watch,
    most: usize,
    now: Timestamp,
    mut look: impl FnMut(&PolicyEngine, &BareJid) -> (T, Option<Timestamp>),
) -> Vec<(BareJid, T)> {
    let mut all = Vec::new();
    while all.len() < most
        && let Some(jid) = engine.take(watch, now)
    {
        let (due, next) = look(engine, &jid);
        if let Some(next) = next {
            engine.look_by(watch, &jid, next);
        }
        all.push((jid, due));
    }
    all
}

/// Returns what is due in one room, and when to look again.
pub fn look(engine: &PolicyEngine, jid: &BareJid, phases: &mut Phases) -> Look {
    let Some(room) = engine.live().room(jid) else { return Look::default() };
    let Some(record) = &room.view.record else { return Look::default() };
    // The meeting of a found room that is empty is over. The next one begins with the first join.
    if engine.mode() == Mode::Observe || (record.found && room.occupants.is_empty()) {
        return Look::default();
    }
    let now = phases.now;
    let exceptions = &engine.policy().exceptions;
    let rules = engine.live().rules_in(engine.policy(), jid, room);
    let rules = exceptions.in_room(&rules, jid, now);
    let scene = Scene {
        rules: &rules,
        record,
        phase: phases.of(&rules.hours),
        unmoderated: unmoderated(engine, room),
        last_stranger: engine.last_stranger(jid),
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

/// Returns when the phase of the hours changes next, or `None` if their end has no effect on rooms.
fn next_phase(scene: &Scene<'_>) -> Option<Timestamp> {
    let hours = &scene.rules.hours;
    (hours.at_end.value != AtEnd::Stay).then(|| hours.changes_after(scene.phase, scene.now))?
}

fn unmoderated(engine: &PolicyEngine, room: &Room) -> Option<Timestamp> {
    room.moderated_until.filter(|_| !room.is_moderated(engine.policy()))
}

/// Returns the action that is due in a room, by its state as its gate shows it.
pub fn confirm_due(engine: &mut PolicyEngine, live: &LiveRoom, now: Timestamp) -> Option<Due> {
    let until = engine.shown(live)?;
    if live.view.is_found() && live.occupants.is_empty() {
        return None;
    }
    let rules = engine.live().rules(engine.policy(), Some(&live.jid));
    let rules = engine.policy().exceptions.in_room(&rules, &live.jid, now);
    agenda(&Scene {
        rules: &rules,
        record: live.view.record.as_ref()?,
        phase: rules.hours.phase(now),
        unmoderated: until.filter(|_| live.view.moderators == 0),
        last_stranger: engine.last_stranger(&live.jid),
        now,
    })
    .due
}

/// Plans succession in rooms that have changed or are due, at most `most` of them, by the reports. The gate knows
/// better: see [`confirm_plan`].
pub fn plans(
    engine: &mut PolicyEngine,
    most: usize,
    now: Timestamp,
) -> Vec<(BareJid, Option<Plan>)> {
    look_at(engine, Watch::Succession, most, now, |engine, jid| plan_succession(engine, jid, now))
}

/// Returns the plan for one room, if it needs one, and when to look again, unless it changes.
pub fn plan_succession(
    engine: &PolicyEngine,
    jid: &BareJid,
    now: Timestamp,
) -> (Option<Plan>, Option<Timestamp>) {
    let policy = engine.policy();
    let may_need_help = |room: &&Room| {
        let was_moderated = room.moderated_until.is_some();
        !room.waiting.is_empty() || (was_moderated && !room.is_moderated(policy))
    };
    let room = engine.live().room(jid).filter(|_| engine.mode() == Mode::Enforce);
    let Some(room) = room.filter(may_need_help) else { return (None, None) };
    let count = |is_one: &dyn Fn(&Requester) -> bool| {
        let number = room.occupants.values().filter(|known| is_one(&known.who)).count();
        u32::try_from(number).unwrap_or(u32::MAX)
    };
    let view = RoomView {
        moderators: count(&|who| is_moderator(policy, who)),
        occupants: count(&|who| !is_service(policy, who) && !who.visitor),
        ..room.view.clone()
    };
    let rules = engine.live().rules_in(policy, jid, room);
    let rules = policy.exceptions.in_room(&rules, jid, now);
    let scene = scene(policy, &rules, jid, room, &view, now);
    let end = policy.exceptions.next_end(jid, now);
    (plan(&scene), next(&scene).into_iter().chain(end).min())
}

/// Returns the plan for a room as its gate shows it. `asked`: the person whose stored data the gate has reported.
pub fn confirm_plan(
    engine: &mut PolicyEngine,
    live: &LiveRoom,
    asked: Option<&BareJid>,
    now: Timestamp,
) -> Option<Plan> {
    engine.shown(live)?;
    let waits = |jid: &BareJid| live.waiting.iter().any(|(who, _)| who.jid.as_ref() == Some(jid));
    let is_inside = live.occupants.iter().any(|who| who.jid.as_ref() == asked);
    engine.live_mut().rooms.change(&live.jid, |room| {
        room.waiting.retain(|jid, _| waits(jid));
        room.occupants.retain(|_, known| is_inside || known.who.jid.as_ref() != asked);
        for known in room.occupants.values_mut().chain(room.waiting.values_mut()) {
            if known.who.jid.as_ref() == asked {
                known.who.person.clone_from(&live.person);
            }
        }
    });
    let policy = engine.policy();
    let room = engine.live().room(&live.jid)?;
    let rules = engine.live().rules_in(policy, &live.jid, room);
    let rules = policy.exceptions.in_room(&rules, &live.jid, now);
    plan(&scene(policy, &rules, &live.jid, room, &live.view, now))
}

fn scene<'a>(
    policy: &'a Policy,
    rules: &'a Rules,
    jid: &'a BareJid,
    room: &'a Room,
    view: &'a RoomView,
    now: Timestamp,
) -> succession::Scene<'a> {
    const fn since(known: &Known) -> Since<'_> {
        Since { who: &known.who, since: known.since }
    }
    succession::Scene {
        policy,
        rules,
        room: jid,
        view,
        occupants: room.occupants.values().map(|known| since(known)).collect(),
        waiting: room.waiting.values().map(|known| since(known)).collect(),
        moderated_until: room.moderated_until,
        now,
    }
}
