//! Succession: who takes over when the last moderator has left, and what becomes of people who wait while nobody inside
//! can let them in.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::attempt::{Action, Attempt, Credential, Place, Pressure, Requester, Role, RoomView};
use super::context::Case;
use super::decide::{as_excepted, is_fit, opinion_on};
use super::notice::Notice;
use super::record::Person;
use super::rules::kinds::Who;
use super::rules::lobby::Rescue;
use super::verdict::{Audience, Effects, Rule, Verdict};
use super::{Policy, Rules};
use crate::jid::BareJid;
use crate::policy::opinions::moderators;

/// How long to wait before looking again where nobody could take over.
const AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// A person inside or in the lobby.
#[derive(Clone, Copy, Debug)]
pub struct Since<'a> {
    /// The person and their session.
    pub who: &'a Requester,
    /// When they came in, or began to wait.
    pub since: Timestamp,
}

/// A room, with everything that counts when it may have no moderator.
#[derive(Clone, Debug)]
pub struct Scene<'a> {
    /// The policy in force.
    pub policy: &'a Policy,
    /// The rules for the room.
    pub rules: &'a Rules,
    /// Address of the room.
    pub room: &'a BareJid,
    /// The state of the room.
    pub view: &'a RoomView,
    /// People inside, services included.
    pub occupants: Vec<Since<'a>>,
    /// People who wait to be let in.
    pub waiting: Vec<Since<'a>>,
    /// When the last moderator left or lost that role; `None`: there was none yet.
    pub moderated_until: Option<Timestamp>,
    /// The present time.
    pub now: Timestamp,
}

/// What to do for a room that nobody moderates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Make this occupant a moderator.
    Promote(BareJid),
    /// Let this person, who waits, in as a moderator.
    Admit(BareJid),
    /// Turn these people, who wait, away.
    Refuse(Vec<BareJid>),
    /// Report to the operator that nobody could take over.
    Nobody,
}

impl Remedy {
    /// Returns the effects of the remedy; `person`: what the room remembers of the person whom it names.
    pub fn effects(&self, person: Option<&Person>) -> Effects {
        let moderator =
            |jid: &BareJid| vec![(jid.clone(), Some(Person::admitted(person).as_moderator(true)))];
        match self {
            Self::Promote(jid) => {
                Effects { people: moderator(jid), promote: vec![jid.clone()], ..Effects::default() }
            }
            Self::Admit(jid) => {
                Effects { people: moderator(jid), admit: vec![jid.clone()], ..Effects::default() }
            }
            Self::Refuse(people) => {
                Effects::rejecting(people.iter().cloned(), Some(Notice::NobodyThere))
            }
            Self::Nobody => Effects {
                notices: vec![(Audience::Room, Notice::Unattended)],
                ..Effects::default()
            },
        }
    }
}

/// What to do, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The rule that asks for it.
    pub rule: Rule,
    /// What to do.
    pub remedy: Remedy,
}

impl Plan {
    /// Returns whether it names this person, or nobody whose past counts.
    pub fn is_about(&self, person: Option<&BareJid>) -> bool {
        match &self.remedy {
            Remedy::Promote(jid) | Remedy::Admit(jid) => Some(jid) == person,
            Remedy::Refuse(_) | Remedy::Nobody => true,
        }
    }
}

/// Returns whether a person moderates and is no service: the focus moderates every room, and lets nobody in.
pub fn is_moderator(policy: &Policy, who: &Requester) -> bool {
    who.role == Role::Moderator && !is_service(policy, who)
}

/// Returns whether a person is a service of the file.
pub fn is_service(policy: &Policy, who: &Requester) -> bool {
    let identity = policy.identify(who, Place::ANY);
    identity.account.is_none() && identity.jid.is_some_and(|jid| policy.services.contains_key(jid))
}

/// Returns what to do in this room now; `None`: nothing.
pub fn plan(scene: &Scene<'_>) -> Option<Plan> {
    // In a suspended meeting, who speaks and who comes in is the operator's to decide.
    if scene.view.suspended().is_some() {
        return None;
    }
    let rescue = scene.rescue();
    let is_help = |plan: &Plan| plan.remedy != Remedy::Nobody;
    match rescue {
        Some(plan) if is_help(&plan) => Some(plan),
        rescue => scene.succession().filter(|plan| is_help(plan) || rescue.is_none()).or(rescue),
    }
}

/// Returns when something may be due that is not due now, unless the room changes; `None`: never.
pub fn next(scene: &Scene<'_>) -> Option<Timestamp> {
    if scene.view.suspended().is_some() {
        return None;
    }
    let moments = scene.moments();
    let (past, coming): (Vec<_>, Vec<_>) = moments.into_iter().partition(|at| *at <= scene.now);
    // Whether a person is fit depends on the hour, too.
    let again = (!past.is_empty()).then(|| scene.now.checked_add(AGAIN).ok()).flatten();
    coming.into_iter().chain(again).min()
}

impl Scene<'_> {
    /// Returns when succession is due, and when each person who waits has waited too long.
    fn moments(&self) -> Vec<Timestamp> {
        let mut moments = Vec::new();
        let mut add = |since: Timestamp, time: Duration| {
            let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
            moments.extend(since.checked_add(time));
        };
        if let (Some(after), Some(until), 0) = (
            self.rules.moderators.succession_after.value,
            self.moderated_until,
            self.view.moderators,
        ) {
            add(until, after);
        }
        if !self.is_attended() {
            for one in &self.waiting {
                add(self.unattended(one), self.rules.lobby.unattended_after.value);
            }
        }
        moments
    }

    /// Returns since when nobody has attended to a person who waits.
    fn unattended(&self, one: &Since<'_>) -> Timestamp {
        self.moderated_until.map_or(one.since, |until| until.max(one.since))
    }

    /// Plans for a room whose last moderator has left: a person inside takes over.
    fn succession(&self) -> Option<Plan> {
        let moderators = &self.rules.moderators;
        let after = moderators.succession_after.value?;
        let has_people = self.occupants.iter().any(|one| {
            let who = one.who;
            !is_service(self.policy, who) && !who.visitor
        });
        let is_due = has_people
            && !moderators.assign.value.is_empty()
            && self.view.moderators == 0
            && self.has_passed(self.moderated_until?, after);
        is_due.then(|| Plan {
            rule: moderators.successors.rule(),
            remedy: self.heir(|_| true).map_or(Remedy::Nobody, Remedy::Promote),
        })
    }

    /// Plans for people who have waited too long.
    fn rescue(&self) -> Option<Plan> {
        let lobby = &self.rules.lobby;
        let is_overdue =
            |one: &Since<'_>| self.has_passed(self.unattended(one), lobby.unattended_after.value);
        if self.is_attended() || !self.waiting.iter().any(is_overdue) {
            return None;
        }
        // Where people are to wait for the first moderator, nobody else takes that place.
        let is_early =
            self.rules.close.hold_until.value.moderator && self.moderated_until.is_none();
        let remedy = lobby.unattended.value.iter().find_map(|way| match way {
            Rescue::Occupant if is_early => None,
            Rescue::Occupant => self.heir(|who| self.would_admit(who)).map(Remedy::Promote),
            Rescue::Knocker => self.knocker(is_early).map(Remedy::Admit),
            Rescue::Refuse if is_early => None,
            Rescue::Refuse => {
                let all = self.waiting.iter().filter_map(|one| one.who.jid.clone());
                Some(Remedy::Refuse(all.collect()))
            }
        });
        let rule = lobby.unattended.rule();
        match remedy {
            Some(remedy) => Some(Plan { rule, remedy }),
            None => (!is_early).then_some(Plan { rule, remedy: Remedy::Nobody }),
        }
    }

    /// Returns whether a person inside may let people in, and is expected to.
    fn is_attended(&self) -> bool {
        self.view.moderators > 0
            && match self.rules.moderators.admit.value {
                Who::Moderator | Who::Anybody => true,
                Who::Operator => self
                    .occupants
                    .iter()
                    .any(|one| is_moderator(self.policy, one.who) && self.would_admit(one.who)),
                Who::Nobody => false,
            }
    }

    /// Returns whether this person, as a moderator, might let people in.
    fn would_admit(&self, who: &Requester) -> bool {
        match self.rules.moderators.admit.value {
            Who::Moderator | Who::Anybody => true,
            Who::Operator => {
                let identity = self.policy.identify(who, Place::inside(self.room));
                identity.jid.is_some_and(|jid| self.policy.operators.contains_key(jid))
            }
            Who::Nobody => false,
        }
    }

    /// Returns the successor who has been inside longest, among those whom `suits` accepts.
    fn heir(&self, suits: impl Fn(&Requester) -> bool) -> Option<BareJid> {
        longest(&self.occupants, |who| {
            self.judge(who, |case| is_successor(case) && suits(case.who) && is_fit(case))
        })
    }

    /// Returns the person who waits longest and may come in as a moderator. `only_entitled`: only one who moderates
    /// by the rules for everybody, like a person who takes the place of an opener who never came.
    fn knocker(&self, only_entitled: bool) -> Option<BareJid> {
        longest(&self.waiting, |who| {
            self.judge(who, |case| {
                let is_one = (is_successor(case) && !only_entitled)
                    || moderators::entitlement(case).is_some();
                let person = Person::admitted(who.person.as_ref()).as_moderator(true);
                let moderator = Requester { person: Some(person), ..who.clone() };
                is_one
                    && self.would_admit(case.who)
                    && is_fit(case)
                    && opinion_on(case).verdict != Verdict::Deny
                    && opinion_on(&case.of(&moderator, case.jid)).verdict == Verdict::Allow
            })
        })
    }

    /// Returns whether `is_one` accepts a person, who would join without a password, by the rules as they hold for them.
    fn judge(&self, who: &Requester, is_one: impl FnOnce(&Case<'_>) -> bool) -> bool {
        let calm = Pressure::default();
        let attempt = Attempt {
            room: Some(self.room.clone()),
            requester: who.clone(),
            action: Action::Join { credential: Credential::None },
            ..Attempt::default()
        };
        // They already have their place among those who wait.
        let view = RoomView { waiting: 0, ..self.view.clone() };
        // A person who gains rights by this has to prove their identity now.
        let place = Place { room: Some(self.room), now: Some(self.now) };
        let when = (place, self.now);
        Case::new(self.policy, self.rules, &attempt, &view, &calm, when)
            .is_some_and(|case| as_excepted(&case, is_one).0)
    }

    fn has_passed(&self, since: Timestamp, time: Duration) -> bool {
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        self.now.duration_since(since) >= time
    }
}

/// Returns whether a person is of a class that may take over. Where nobody becomes a moderator, nobody takes over.
fn is_successor(case: &Case<'_>) -> bool {
    let moderators = &case.rules.moderators;
    moderators.successors.value.meets(case.classes) && !moderators.assign.value.is_empty()
}

/// Returns the person who has been there longest, of those whom `is_one` accepts; of several, the first by address.
fn longest(people: &[Since<'_>], is_one: impl Fn(&Requester) -> bool) -> Option<BareJid> {
    let mut people: Vec<_> = people.iter().collect();
    people.sort_by_key(|one| (one.since, one.who.jid.as_ref()));
    people.iter().find(|one| is_one(one.who)).and_then(|one| one.who.jid.clone())
}

#[cfg(test)]
mod tests {
    use crate::policy::access::Opening;
    use std::sync::Arc;

    use super::*;
    use crate::policy::attempt::Auth;
    use crate::policy::bans::{Ban, Banned, Bans, Origin};
    use crate::policy::class::{Class, ClassSet};
    use crate::policy::close::Conditions;
    use crate::policy::record::{Closed, Entry, Person, Proof, Record, Suspended};
    use crate::policy::removal::{Removal, keep_out};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn jid(text: &str) -> BareJid {
        text.parse().unwrap()
    }

    fn who(jid: &str, auth: Auth) -> Requester {
        Requester {
            jid: jid.parse().ok(),
            auth,
            secure: Some(true),
            nick: "N".into(),
            role: Role::Participant,
            ..Requester::default()
        }
    }

    fn account(jid: &str) -> Requester {
        who(jid, Auth::Account)
    }

    fn guest(jid: &str) -> Requester {
        who(jid, Auth::Anonymous)
    }

    /// A room that lost its moderator at 1000, and what is asked about it.
    struct Room {
        policy: Policy,
        rules: Rules,
        view: RoomView,
        inside: Vec<(Requester, i64)>,
        waiting: Vec<(Requester, i64)>,
        until: Option<i64>,
    }

    impl Room {
        fn new(inside: &[(Requester, i64)], waiting: &[(Requester, i64)]) -> Self {
            let mut policy = Policy::default();
            policy.services.insert(jid("focus@auth.example.org"), 1);
            policy.operators.insert(jid("op@example.org"), 2);
            let record = Record::new(at(0), "ann@example.org".to_owned(), None);
            let view = RoomView {
                exists: true,
                has_password: true,
                record: Some(record),
                ..RoomView::default()
            };
            let (inside, waiting) = (inside.to_vec(), waiting.to_vec());
            Self { policy, rules: Rules::default(), view, inside, waiting, until: Some(1000) }
        }

        fn plan(&self, now: i64) -> Option<Plan> {
            let since = |(who, second): &(Requester, i64)| (who.clone(), at(*second));
            let inside: Vec<_> = self.inside.iter().map(since).collect();
            let waiting: Vec<_> = self.waiting.iter().map(since).collect();
            fn each(people: &[(Requester, Timestamp)]) -> Vec<Since<'_>> {
                people.iter().map(|(who, since)| Since { who, since: *since }).collect()
            }
            plan(&Scene {
                policy: &self.policy,
                rules: &self.rules,
                room: &jid("tea@conference.example.org"),
                view: &self.view,
                occupants: each(&inside),
                waiting: each(&waiting),
                moderated_until: self.until.map(at),
                now: at(now),
            })
        }

        fn remedy(&self, now: i64) -> Option<Remedy> {
            self.plan(now).map(|plan| plan.remedy)
        }
    }

    fn promote(who: &str) -> Option<Remedy> {
        Some(Remedy::Promote(jid(who)))
    }

    fn admit(who: &str) -> Option<Remedy> {
        Some(Remedy::Admit(jid(who)))
    }

    fn refuse(all: &[&str]) -> Option<Remedy> {
        Some(Remedy::Refuse(all.iter().map(|who| jid(who)).collect()))
    }

    const BOB: &str = "bob@example.org";
    const EVE: &str = "eve@example.org";
    const GUEST: &str = "g@guest.example.org";

    #[test]
    fn the_successor_who_has_been_inside_longest_takes_over_when_the_time_is_up() {
        let inside = [
            (account(EVE), 20),
            (account(BOB), 10),
            (guest(GUEST), 1),
            (account("focus@auth.example.org"), 0),
        ];
        let mut room = Room::new(&inside, &[]);
        assert_eq!(room.remedy(1059), None);
        assert_eq!(room.remedy(1060), promote(BOB));
        assert_eq!(room.plan(1060).unwrap().rule.name, "moderators.successors");
        room.view.moderators = 1;
        assert_eq!(room.remedy(1060), None, "a person came back");
        room.view.moderators = 0;
        room.until = None;
        assert_eq!(room.remedy(1060), None, "there never was one");
    }

    #[test]
    fn of_two_who_came_at_the_same_moment_the_first_by_address_takes_over() {
        let room = Room::new(&[(account(EVE), 5), (account(BOB), 5)], &[]);
        assert_eq!(room.remedy(2000), promote(BOB));
    }

    #[test]
    fn nobody_takes_over_who_may_not() {
        let focus = (account("focus@auth.example.org"), 0);
        let mut room = Room::new(&[focus, (guest(GUEST), 1)], &[]);
        Arc::make_mut(&mut room.rules.moderators).successors.value =
            ClassSet::of(&[Class::Service, Class::Account]);
        assert_eq!(room.remedy(2000), Some(Remedy::Nobody));
        room.inside.pop();
        assert_eq!(room.remedy(2000), None, "nobody is there whom it concerns");

        let visitor = |jid| Requester { visitor: true, ..account(jid) };
        let room = Room::new(&[(visitor(BOB), 0), (account(EVE), 1)], &[]);
        assert_eq!(room.remedy(2000), promote(EVE), "the audience takes over from nobody");
        assert_eq!(Room::new(&[(visitor(BOB), 1)], &[]).remedy(2000), None);

        let removed = Requester { person: Some(Person::removed()), ..account(BOB) };
        assert_eq!(Room::new(&[(removed, 1)], &[]).remedy(2000), Some(Remedy::Nobody));

        let mut room = Room::new(&[(account(BOB), 1)], &[]);
        Arc::make_mut(&mut room.rules.moderators).assign.value = Vec::new();
        assert_eq!(room.remedy(2000), None);
        let mut room = Room::new(&[(account(BOB), 1)], &[]);
        Arc::make_mut(&mut room.rules.moderators).succession_after.value = None;
        assert_eq!(room.remedy(2000), None);
    }

    /// What keeps a person out keeps them from being made a moderator, inside and at the door.
    #[test]
    fn nobody_is_made_a_moderator_who_could_not_come_in() {
        type Change = fn(&mut Room, &mut Requester);
        fn network(room: &mut Room) {
            let other = Requester { address: "192.0.2.7".parse().ok(), ..account(EVE) };
            let rules = Removal::default();
            keep_out(room.view.record.as_mut().unwrap(), &rules, &other, Proof::Account, at(1900));
        }
        fn ban(whom: &str) -> Arc<Bans> {
            let ban = Ban {
                origin: Origin::Made("b1".to_owned()),
                until: None,
                rooms: None,
                reason: String::new(),
            };
            let mut bans = Bans::default();
            bans.ban(Banned::read(whom).unwrap(), ban);
            Arc::new(bans)
        }
        let changes: [(&str, Change); 7] = [
            ("banned at run time", |room, _| room.policy.made = ban(BOB)),
            ("a domain banned at run time", |room, _| room.policy.made = ban("example.org")),
            ("not encrypted", |_, who| who.secure = Some(false)),
            ("outside the hours", |room, _| {
                Arc::make_mut(&mut room.rules.hours).closed_on.value =
                    vec![jiff::civil::date(1970, 1, 1)];
            }),
            ("certainly removed", |room, _| {
                let rules = Removal::default();
                keep_out(
                    room.view.record.as_mut().unwrap(),
                    &rules,
                    &account(BOB),
                    Proof::Account,
                    at(1900),
                );
            }),
            ("perhaps removed", |room, who| {
                who.address = "192.0.2.9".parse().ok();
                network(room);
            }),
            ("perhaps removed, and let in since", |room, who| {
                who.address = "192.0.2.9".parse().ok();
                who.person = Some(Person::entered(Entry::Admitted));
                network(room);
            }),
        ];
        for (what, change) in changes {
            let mut bob = account(BOB);
            let mut room = Room::new(&[], &[]);
            change(&mut room, &mut bob);
            room.inside = vec![(bob.clone(), 1)];
            assert_eq!(room.remedy(2000), Some(Remedy::Nobody), "{what}, inside");
            room.inside = vec![(guest(GUEST), 1)];
            room.waiting = vec![(bob, 1000)];
            Arc::make_mut(&mut room.rules.lobby).unattended.value = vec![Rescue::Knocker];
            assert_eq!(room.remedy(2000), Some(Remedy::Nobody), "{what}, at the door");
        }
        let mut room = Room::new(&[(guest(GUEST), 1)], &[(account(BOB), 1000)]);
        assert_eq!(room.remedy(2000), admit(BOB), "with nothing against it");
        room.waiting.clear();
        room.inside.push((account(BOB), 1));
        assert_eq!(room.remedy(2000), promote(BOB));
    }

    #[test]
    fn the_steps_for_those_who_wait_are_tried_in_the_order_of_the_file() {
        let waiting = [(guest(GUEST), 1000), (account(EVE), 1030)];
        let mut room = Room::new(&[(account(BOB), 1), (guest("h@guest.example.org"), 0)], &waiting);
        Arc::make_mut(&mut room.rules.moderators).succession_after.value = None;
        assert_eq!(room.remedy(1059), None);
        assert_eq!(room.remedy(1060), promote(BOB));
        assert_eq!(room.plan(1060).unwrap().rule.name, "lobby.unattended");
        room.inside.remove(0);
        assert_eq!(room.remedy(1060), admit(EVE));
        room.waiting.pop();
        assert_eq!(room.remedy(1060), refuse(&[GUEST]));
        Arc::make_mut(&mut room.rules.lobby).unattended.value =
            vec![Rescue::Refuse, Rescue::Occupant];
        room.inside.push((account(BOB), 1));
        assert_eq!(room.remedy(1060), refuse(&[GUEST]));
        Arc::make_mut(&mut room.rules.lobby).unattended.value = Vec::new();
        assert_eq!(room.remedy(1060), Some(Remedy::Nobody));
    }

    #[test]
    fn nobody_is_rescued_before_the_moderators_have_had_the_time() {
        let mut room = Room::new(&[], &[(account(BOB), 100)]);
        assert_eq!(room.remedy(1059), None, "the last one has just left");
        assert_eq!(room.remedy(1060), admit(BOB));
        room.view.moderators = 1;
        assert_eq!(room.remedy(5000), None, "there is one to ask");
        Arc::make_mut(&mut room.rules.moderators).admit.value = Who::Nobody;
        assert_eq!(room.remedy(5000), refuse(&[BOB]), "they may let nobody in");
        Arc::make_mut(&mut room.rules.moderators).admit.value = Who::Operator;
        room.waiting.push((account("op@example.org"), 200));
        assert_eq!(room.remedy(5000), admit("op@example.org"));
        room.inside.push((Requester { role: Role::Moderator, ..account(EVE) }, 1));
        assert_eq!(room.remedy(5000), admit("op@example.org"), "one who moderates is no operator");
        room.inside.push((account("op@example.org"), 1));
        assert_eq!(
            room.remedy(5000),
            promote("op@example.org"),
            "an operator moderates only if asked"
        );
    }

    #[test]
    fn of_two_remedies_the_one_for_those_who_wait_comes_first() {
        let mut room = Room::new(&[(account(BOB), 1)], &[(guest(GUEST), 1000)]);
        Arc::make_mut(&mut room.rules.lobby).unattended.value = vec![Rescue::Refuse];
        assert_eq!(room.remedy(1060), refuse(&[GUEST]));
        Arc::make_mut(&mut room.rules.lobby).unattended.value = Vec::new();
        assert_eq!(room.remedy(1060), promote(BOB), "where that helps nobody, the other");
    }

    #[test]
    fn a_closed_room_opens_to_nobody_who_waits() {
        let mut room = Room::new(&[], &[(account(BOB), 1000)]);
        room.view.record.as_mut().unwrap().closed = Some(Closed::Command);
        assert_eq!(room.remedy(2000), refuse(&[BOB]));
    }

    #[test]
    fn whoever_was_removed_does_not_come_back_as_a_moderator() {
        let removed = Requester { person: Some(Person::removed()), ..account(BOB) };
        let room = Room::new(&[], &[(removed, 1000)]);
        assert_eq!(room.remedy(2000), refuse(&[BOB]));
    }

    #[test]
    fn who_waits_takes_the_place_of_an_opener_who_never_came() {
        let mut room = Room::new(&[], &[(guest(GUEST), 1000)]);
        room.until = None;
        room.view.record.as_mut().unwrap().awaited = Some(at(900));
        assert_eq!(room.remedy(2000), refuse(&[GUEST]), "people log in there");
        room.view.nobody_logs_in = true;
        assert_eq!(room.remedy(2000), admit(GUEST));
        Arc::make_mut(&mut room.rules.access).create.value =
            Opening::Classes(ClassSet::of(&[Class::Account]));
        assert_eq!(room.remedy(2000), refuse(&[GUEST]));
    }

    #[test]
    fn where_people_are_to_wait_for_the_first_moderator_they_do() {
        let mut room = Room::new(&[(account(EVE), 1)], &[(account(BOB), 1000)]);
        room.until = None;
        Arc::make_mut(&mut room.rules.close).hold_until.value =
            Conditions { password: true, moderator: true };
        assert_eq!(room.remedy(9000), None);
        room.until = Some(1000);
        assert_eq!(room.remedy(9000), promote(EVE), "there was one");
    }

    #[test]
    fn in_a_suspended_room_nobody_takes_over_and_nobody_is_let_in() {
        let mut room = Room::new(&[(account(BOB), 10)], &[(account(EVE), 1000)]);
        assert!(room.plan(5000).is_some());
        let record = room.view.record.as_mut().unwrap();
        record.suspended = Some(Suspended { since: at(1000), raised: true });
        assert_eq!(room.plan(5000), None);
    }

    #[test]
    fn a_plan_is_about_whom_it_names_or_about_everybody() {
        let (bob, eve) = (jid("bob@example.org"), jid("eve@example.org"));
        let about = |remedy, person: Option<&BareJid>| {
            Plan { rule: Rule::new("moderators.successors", 1), remedy }.is_about(person)
        };
        for remedy in [Remedy::Promote(bob.clone()), Remedy::Admit(bob.clone())] {
            assert!(about(remedy.clone(), Some(&bob)));
            assert!(!about(remedy.clone(), Some(&eve)) && !about(remedy, None));
        }
        assert!(about(Remedy::Nobody, None) && about(Remedy::Refuse(vec![bob]), Some(&eve)));
    }

    #[test]
    fn a_moderator_is_who_has_that_role_and_is_no_service() {
        let room = Room::new(&[], &[]);
        let moderator = |jid| Requester { role: Role::Moderator, ..account(jid) };
        assert!(is_moderator(&room.policy, &moderator("bob@example.org")));
        assert!(!is_moderator(&room.policy, &account("bob@example.org")));
        assert!(!is_moderator(&room.policy, &moderator("focus@auth.example.org")));
    }
}
