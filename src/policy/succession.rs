//! Who takes over when the last moderator has left, and what becomes of people who wait while nobody inside
//! can let them in.

use std::time::Duration;

use jid::BareJid;
use jiff::{SignedDuration, Timestamp};

use super::attempt::{Action, Attempt, Credential, Requester, Role, RoomView};
use super::class::Class;
use super::classify::classes;
use super::decide::Case;
use super::pressure::Pressure;
use super::rules::{Policy, Rules};
use super::verdict::{Rule, Verdict};
use super::who::Who;
use super::{access, close, moderators};

/// A way to help those who wait while nobody inside can let them in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rescue {
    /// The occupant who has been there longest becomes a moderator, if he is a successor.
    Occupant,
    /// The one who waits longest is let in as a moderator, if he is a successor.
    Knocker,
    /// All who wait are turned away.
    Refuse,
}

impl Rescue {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Occupant, Self::Knocker, Self::Refuse];

    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Occupant => "occupant",
            Self::Knocker => "knocker",
            Self::Refuse => "refuse",
        }
    }
}

/// Somebody inside or at the door.
#[derive(Clone, Copy, Debug)]
pub struct Since<'a> {
    /// Who.
    pub who: &'a Requester,
    /// Since when.
    pub since: Timestamp,
}

/// A room, with all that counts when it may have no moderator.
#[derive(Clone, Debug)]
pub struct Scene<'a> {
    /// The policy in force.
    pub policy: &'a Policy,
    /// The rules for the room.
    pub rules: &'a Rules,
    /// Its address.
    pub room: &'a BareJid,
    /// How it is.
    pub view: &'a RoomView,
    /// Who is inside, services too.
    pub occupants: Vec<Since<'a>>,
    /// Who waits to be let in.
    pub waiting: Vec<Since<'a>>,
    /// When the last moderator left or ceased to be one; `None`: there was none yet.
    pub moderated_until: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// This one, who is inside, becomes a moderator.
    Promote(BareJid),
    /// This one, who waits, is let in as a moderator.
    Admit(BareJid),
    /// These, who wait, are turned away.
    Refuse(Vec<BareJid>),
    /// Nobody is there who could take over: the operator should know.
    Nobody,
}

/// What is to be done, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The rule.
    pub rule: Rule,
    /// What.
    pub remedy: Remedy,
}

impl Plan {
    /// It names this one, or nobody whose past counts.
    pub fn is_about(&self, person: Option<&BareJid>) -> bool {
        match &self.remedy {
            Remedy::Promote(jid) | Remedy::Admit(jid) => Some(jid) == person,
            Remedy::Refuse(_) | Remedy::Nobody => true,
        }
    }
}

/// A moderator who is no service: the focus moderates every room, and lets nobody in.
pub fn is_moderator(policy: &Policy, who: &Requester) -> bool {
    who.role == Role::Moderator && !is_service(policy, who)
}

/// A service of the file.
pub fn is_service(policy: &Policy, who: &Requester) -> bool {
    who.account.is_none() && who.proved().is_some_and(|jid| policy.services.contains_key(jid))
}

/// What is to be done in this room now; `None`: nothing.
pub fn plan(scene: &Scene<'_>) -> Option<Plan> {
    let rescue = scene.rescue();
    let is_help = |plan: &Plan| plan.remedy != Remedy::Nobody;
    match rescue {
        Some(plan) if is_help(&plan) => Some(plan),
        rescue => scene.succession().filter(|plan| is_help(plan) || rescue.is_none()).or(rescue),
    }
}

impl Scene<'_> {
    /// After the last moderator: somebody inside.
    fn succession(&self) -> Option<Plan> {
        let moderators = &self.rules.moderators;
        let after = moderators.succession_after.value?;
        let has_people = self.occupants.iter().any(|one| !is_service(self.policy, one.who));
        let is_due = has_people
            && !moderators.become_by.value.is_empty()
            && self.view.moderators == 0
            && self.has_passed(self.moderated_until?, after);
        is_due.then(|| Plan {
            rule: Rule::new("moderators.successors", moderators.successors.line),
            remedy: self.heir(|_| true).map_or(Remedy::Nobody, Remedy::Promote),
        })
    }

    /// For those who have waited too long.
    fn rescue(&self) -> Option<Plan> {
        let lobby = &self.rules.lobby;
        let is_overdue = |one: &Since<'_>| {
            let unattended = self.moderated_until.map_or(one.since, |until| until.max(one.since));
            self.has_passed(unattended, lobby.rescue_after.value)
        };
        if self.is_attended() || !self.waiting.iter().any(is_overdue) {
            return None;
        }
        // Where people are to wait for the first moderator, they do.
        let is_early =
            self.rules.close.hold_until.value.moderator && self.moderated_until.is_none();
        let remedy = lobby.rescue.value.iter().find_map(|way| match way {
            Rescue::Occupant if is_early => None,
            Rescue::Occupant => self.heir(|who| self.would_admit(who)).map(Remedy::Promote),
            Rescue::Knocker => self.knocker(is_early).map(Remedy::Admit),
            Rescue::Refuse if is_early => None,
            Rescue::Refuse => {
                let all = self.waiting.iter().filter_map(|one| one.who.jid.clone());
                Some(Remedy::Refuse(all.collect()))
            }
        });
        let rule = Rule::new("lobby.rescue", lobby.rescue.line);
        match remedy {
            Some(remedy) => Some(Plan { rule, remedy }),
            None => (!is_early).then_some(Plan { rule, remedy: Remedy::Nobody }),
        }
    }

    /// Somebody inside may let people in, and is asked to.
    fn is_attended(&self) -> bool {
        self.view.moderators > 0
            && match self.rules.moderators.admit.value {
                Who::Moderator => true,
                Who::Operator => self
                    .occupants
                    .iter()
                    .any(|one| is_moderator(self.policy, one.who) && self.would_admit(one.who)),
                Who::Nobody => false,
            }
    }

    /// This one, as a moderator, may let people in.
    fn would_admit(&self, who: &Requester) -> bool {
        match self.rules.moderators.admit.value {
            Who::Moderator => true,
            Who::Operator => {
                who.proved().is_some_and(|jid| self.policy.operators.contains_key(jid))
            }
            Who::Nobody => false,
        }
    }

    /// The successor, one of those whom `is_fit` takes, who has been inside longest.
    fn heir(&self, is_fit: impl Fn(&Requester) -> bool) -> Option<BareJid> {
        let is_one = |case: &Case<'_>| is_successor(case) && is_fit(case.who());
        longest(&self.occupants, |who| self.judge(who, is_one).unwrap_or_default())
    }

    /// The one who waits longest and may come in as a moderator. `only_entitled`: only who moderates
    /// by the rules for everybody, like one who takes the place of an opener who never came.
    fn knocker(&self, only_entitled: bool) -> Option<BareJid> {
        longest(&self.waiting, |who| {
            let can = |case: &Case<'_>| {
                let is_one = (is_successor(case) && !only_entitled)
                    || (moderators::entitlement(case).is_some() && !case.is_service());
                let is_shut = close::join(case).is_some_and(|it| it.verdict == Verdict::Deny);
                is_one && !is_shut && access::enter(case).is_none() && self.would_admit(case.who())
            };
            self.judge(who, can).unwrap_or_default()
        })
    }

    fn judge<T>(&self, who: &Requester, opinion: impl FnOnce(&Case<'_>) -> T) -> Option<T> {
        let jid = who.jid.as_ref()?;
        let attempt = Attempt {
            room: Some(self.room.clone()),
            requester: who.clone(),
            action: Action::Join { credential: Credential::None },
            ..Attempt::default()
        };
        Some(opinion(&Case {
            policy: self.policy,
            rules: self.rules,
            attempt: &attempt,
            room_jid: self.room,
            who,
            jid,
            classes: classes(self.policy, self.rules, who),
            room: self.view,
            pressure: &Pressure::default(),
            now: self.now,
        }))
    }

    fn has_passed(&self, since: Timestamp, time: Duration) -> bool {
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        self.now.duration_since(since) >= time
    }
}

/// Of a class that may take over. Where nobody becomes a moderator, nobody takes over; and nobody does who
/// was removed from the room.
fn is_successor(case: &Case<'_>) -> bool {
    let moderators = &case.rules.moderators;
    moderators.successors.value.meets(case.classes)
        && !case.classes.has(Class::Service)
        && !moderators.become_by.value.is_empty()
        && !case.who().person.is_some_and(|person| person.is_removed())
}

/// Of those whom `is_one` takes, the one who has been there longest; of several, the first by address.
fn longest(people: &[Since<'_>], is_one: impl Fn(&Requester) -> bool) -> Option<BareJid> {
    let mut people: Vec<_> = people.iter().collect();
    people.sort_by_key(|one| (one.since, one.who.jid.as_ref()));
    people.iter().find(|one| is_one(one.who)).and_then(|one| one.who.jid.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::attempt::Auth;
    use crate::policy::class::ClassSet;
    use crate::policy::close::Conditions;
    use crate::policy::record::{Closed, Person, Record};

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
            nick: "N".to_owned(),
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
        assert_eq!(room.remedy(1060), None, "somebody came back");
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
        room.rules.moderators.successors.value = ClassSet::of(&[Class::Service, Class::Account]);
        assert_eq!(room.remedy(2000), Some(Remedy::Nobody));
        room.inside.pop();
        assert_eq!(room.remedy(2000), None, "nobody is there whom it concerns");

        let removed = Requester { person: Some(Person::removed()), ..account(BOB) };
        assert_eq!(Room::new(&[(removed, 1)], &[]).remedy(2000), Some(Remedy::Nobody));

        let mut room = Room::new(&[(account(BOB), 1)], &[]);
        room.rules.moderators.become_by.value = Vec::new();
        assert_eq!(room.remedy(2000), None);
        let mut room = Room::new(&[(account(BOB), 1)], &[]);
        room.rules.moderators.succession_after.value = None;
        assert_eq!(room.remedy(2000), None);
    }

    #[test]
    fn the_steps_for_those_who_wait_are_tried_in_the_order_of_the_file() {
        let waiting = [(guest(GUEST), 1000), (account(EVE), 1030)];
        let mut room = Room::new(&[(account(BOB), 1), (guest("h@guest.example.org"), 0)], &waiting);
        room.rules.moderators.succession_after.value = None;
        assert_eq!(room.remedy(1059), None);
        assert_eq!(room.remedy(1060), promote(BOB));
        assert_eq!(room.plan(1060).unwrap().rule.name, "lobby.rescue");
        room.inside.remove(0);
        assert_eq!(room.remedy(1060), admit(EVE));
        room.waiting.pop();
        assert_eq!(room.remedy(1060), refuse(&[GUEST]));
        room.rules.lobby.rescue.value = vec![Rescue::Refuse, Rescue::Occupant];
        room.inside.push((account(BOB), 1));
        assert_eq!(room.remedy(1060), refuse(&[GUEST]));
        room.rules.lobby.rescue.value = Vec::new();
        assert_eq!(room.remedy(1060), Some(Remedy::Nobody));
    }

    #[test]
    fn nobody_is_rescued_before_the_moderators_have_had_the_time() {
        let mut room = Room::new(&[], &[(account(BOB), 100)]);
        assert_eq!(room.remedy(1059), None, "the last one has just left");
        assert_eq!(room.remedy(1060), admit(BOB));
        room.view.moderators = 1;
        assert_eq!(room.remedy(5000), None, "there is one to ask");
        room.rules.moderators.admit.value = Who::Nobody;
        assert_eq!(room.remedy(5000), refuse(&[BOB]), "he may let nobody in");
        room.rules.moderators.admit.value = Who::Operator;
        room.waiting.push((account("op@example.org"), 200));
        assert_eq!(room.remedy(5000), admit("op@example.org"));
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
        assert_eq!(room.remedy(2000), admit(GUEST));
        room.rules.access.open.value = ClassSet::of(&[Class::Account]);
        assert_eq!(room.remedy(2000), refuse(&[GUEST]));
    }

    #[test]
    fn where_people_are_to_wait_for_the_first_moderator_they_do() {
        let mut room = Room::new(&[(account(EVE), 1)], &[(account(BOB), 1000)]);
        room.until = None;
        room.rules.close.hold_until.value = Conditions { password: true, moderator: true };
        assert_eq!(room.remedy(9000), None);
        room.until = Some(1000);
        assert_eq!(room.remedy(9000), promote(EVE), "there was one");
    }
}
