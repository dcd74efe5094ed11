//! Rooms without a moderator, and what is to be done in them.

use jiff::Timestamp;

use super::desk::{Desk, Mode};
use super::live::{Known, Room};
use crate::jid::BareJid;
use crate::policy::attempt::{Requester, RoomView};
use crate::policy::notice::Notice;
use crate::policy::record::Person;
use crate::policy::rules::{Policy, Rules};
use crate::policy::succession::{Plan, Remedy, Scene, Since, is_moderator, is_service, plan};
use crate::policy::verdict::Effects;
use crate::wire::room::LiveRoom;

/// What seems to be due in each room, from what was reported. The gate knows better: see [`plan_again`].
pub fn plans(desk: &Desk, now: Timestamp) -> Vec<(BareJid, Plan)> {
    if desk.mode() == Mode::Observe {
        return Vec::new();
    }
    let policy = desk.policy();
    desk.live()
        .rooms()
        .filter(|(_, room)| {
            !room.waiting.is_empty()
                || (room.moderated_until.is_some() && !room.is_moderated(policy))
        })
        .filter_map(|(jid, room)| {
            let count = |is_one: &dyn Fn(&Requester) -> bool| {
                let number = room.occupants.values().filter(|known| is_one(&known.who)).count();
                u32::try_from(number).unwrap_or(u32::MAX)
            };
            let view = RoomView {
                moderators: count(&|who| is_moderator(policy, who)),
                occupants: count(&|who| !is_service(policy, who)),
                ..room.view.clone()
            };
            let rules = policy.exceptions.in_room(&room.rules, jid, now);
            Some((jid.clone(), plan(&scene(policy, &rules, jid, room, &view, now))?))
        })
        .collect()
}

/// The same for one room, as its gate shows it. `asked`: of whom the gate has told what the room remembers.
pub fn plan_again(
    desk: &mut Desk,
    live: &LiveRoom,
    asked: Option<&BareJid>,
    now: Timestamp,
) -> Option<Plan> {
    let (policy, rooms) = desk.parts();
    let room = rooms.room_mut(&live.jid).filter(|room| room.generation == live.generation)?;
    room.view = live.view.clone();
    room.moderated_until = room.moderated_until.max(live.unmoderated_since);
    room.waiting.retain(|jid, _| live.waiting.iter().any(|(who, _)| who.jid.as_ref() == Some(jid)));
    if !live.occupants.iter().any(|who| who.jid.as_ref() == asked) {
        room.occupants.retain(|_, known| known.who.jid.as_ref() != asked);
    }
    for known in room.occupants.values_mut().chain(room.waiting.values_mut()) {
        if known.who.jid.as_ref() == asked {
            known.who.person.clone_from(&live.person);
        }
    }
    let rules = policy.exceptions.in_room(&room.rules, &live.jid, now);
    plan(&scene(policy, &rules, &live.jid, room, &live.view, now))
}

/// What carries a plan out; `person`: what the room remembers of whomever it names.
pub fn effects(remedy: &Remedy, person: Option<&Person>) -> Effects {
    let moderator =
        |jid: &BareJid| vec![(jid.clone(), Some(Person::admitted(person).as_moderator(true)))];
    match remedy {
        Remedy::Promote(jid) => {
            Effects { people: moderator(jid), promote: vec![jid.clone()], ..Effects::default() }
        }
        Remedy::Admit(jid) => {
            Effects { people: moderator(jid), admit: vec![jid.clone()], ..Effects::default() }
        }
        Remedy::Refuse(people) => Effects {
            reject: people.iter().map(|jid| (jid.clone(), Some(Notice::NobodyThere))).collect(),
            ..Effects::default()
        },
        Remedy::Nobody => Effects::default(),
    }
}

fn scene<'a>(
    policy: &'a Policy,
    rules: &'a Rules,
    jid: &'a BareJid,
    room: &'a Room,
    view: &'a RoomView,
    now: Timestamp,
) -> Scene<'a> {
    const fn since(known: &Known) -> Since<'_> {
        Since { who: &known.who, since: known.since }
    }
    Scene {
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
