//! Rooms without a moderator, and what is to be done in them.

use jiff::Timestamp;

use super::desk::{Desk, Mode};
use super::live::Known;
use super::registry::{Room, Watch};
use crate::jid::BareJid;
use crate::policy::attempt::{Requester, RoomView};
use crate::policy::notice::Notice;
use crate::policy::record::Person;
use crate::policy::succession::{Plan, Remedy, Scene, Since, is_moderator, is_service, next, plan};
use crate::policy::verdict::Effects;
use crate::policy::{Policy, Rules};
use crate::wire::room::LiveRoom;

/// Looks at rooms that have changed or whose time has come, at most `most` of them: what seems to be due in each, from what
/// was reported. The gate knows better: see [`plan_again`].
pub fn plans(desk: &mut Desk, most: usize, now: Timestamp) -> Vec<(BareJid, Option<Plan>)> {
    let mut all = Vec::new();
    while all.len() < most
        && let Some(jid) = desk.take(Watch::Succession, now)
    {
        let (plan, next) = look(desk, &jid, now);
        if let Some(next) = next {
            desk.look_by(Watch::Succession, &jid, next);
        }
        all.push((jid, plan));
    }
    all
}

/// Returns what seems to be due in one room, and when to look again, unless it changes.
pub fn look(desk: &Desk, jid: &BareJid, now: Timestamp) -> (Option<Plan>, Option<Timestamp>) {
    let policy = desk.policy();
    let may_need_help = |room: &&Room| {
        let was_moderated = room.moderated_until.is_some();
        !room.waiting.is_empty() || (was_moderated && !room.is_moderated(policy))
    };
    let room = desk.live().room(jid).filter(|_| desk.mode() == Mode::Enforce);
    let Some(room) = room.filter(may_need_help) else { return (None, None) };
    let count = |is_one: &dyn Fn(&Requester) -> bool| {
        let number = room.occupants.values().filter(|known| is_one(&known.who)).count();
        u32::try_from(number).unwrap_or(u32::MAX)
    };
    let view = RoomView {
        moderators: count(&|who| is_moderator(policy, who)),
        occupants: count(&|who| !is_service(policy, who)),
        ..room.view.clone()
    };
    let rules = desk.live().rules_in(policy, jid, room);
    let rules = policy.exceptions.in_room(&rules, jid, now);
    let scene = scene(policy, &rules, jid, room, &view, now);
    let end = policy.exceptions.next_end(jid, now);
    (plan(&scene), next(&scene).into_iter().chain(end).min())
}

/// The same for one room, as its gate shows it. `asked`: of whom the gate has told what the room remembers.
pub fn plan_again(
    desk: &mut Desk,
    live: &LiveRoom,
    asked: Option<&BareJid>,
    now: Timestamp,
) -> Option<Plan> {
    desk.shown(live)?;
    let waits = |jid: &BareJid| live.waiting.iter().any(|(who, _)| who.jid.as_ref() == Some(jid));
    let is_inside = live.occupants.iter().any(|who| who.jid.as_ref() == asked);
    desk.live_mut().change(&live.jid, |room| {
        room.waiting.retain(|jid, _| waits(jid));
        room.occupants.retain(|_, known| is_inside || known.who.jid.as_ref() != asked);
        for known in room.occupants.values_mut().chain(room.waiting.values_mut()) {
            if known.who.jid.as_ref() == asked {
                known.who.person.clone_from(&live.person);
            }
        }
    });
    let policy = desk.policy();
    let room = desk.live().room(&live.jid)?;
    let rules = desk.live().rules_in(policy, &live.jid, room);
    let rules = policy.exceptions.in_room(&rules, &live.jid, now);
    plan(&scene(policy, &rules, &live.jid, room, &live.view, now))
}

/// Returns the effects of a plan; `person`: what the room remembers of the person it names.
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
