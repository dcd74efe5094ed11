//! Who takes over when the last moderator has left, and what becomes of people who wait while nobody inside
//! can let them in.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::attempt::{Action, Attempt, Credential, Requester, Role, RoomView};
use super::classify::{Place, classes};
use super::context::Case;
use super::decide::{as_excepted, is_fit, opinion_on};
use super::pressure::Pressure;
use super::record::Person;
use super::verdict::{Rule, Verdict};
use super::who::Who;
use super::{Policy, Rules};
use super::{moderators, suspended};
use crate::jid::BareJid;

/// Where nobody could take over, we look again after that time.
const AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// A way to help those who wait while nobody inside can let them in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rescue {
    /// The occupant who has been there longest becomes a moderator, if they are a successor.
    Occupant,
    /// The one who waits longest is let in as a moderator, if they are a successor.
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

/// A person inside or at the door.
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
    /// The state of the room.
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
    let identity = policy.identify(who, Place::ANY);
    identity.account.is_none() && identity.jid.is_some_and(|jid| policy.services.contains_key(jid))
}

/// Returns what is to be done in this room now; `None`: nothing.
pub fn plan(scene: &Scene<'_>) -> Option<Plan> {
    // Who speaks and who comes in is the operator's until they resume it.
    if suspended::of(scene.view).is_some() {
        return None;
    }
    let rescue = scene.rescue();
    let is_help = |plan: &Plan| plan.remedy != Remedy::Nobody;
    match rescue {
        Some(plan) if is_help(&plan) => Some(plan),
        rescue => scene.succession().filter(|plan| is_help(plan) || rescue.is_none()).or(rescue),
    }
}

/// Returns when something may be due that is not due now, unless the room changes; `None`: nothing.
pub fn next(scene: &Scene<'_>) -> Option<Timestamp> {
    if suspended::of(scene.view).is_some() {
        return None;
    }
    let moments = scene.moments();
    let (past, coming): (Vec<_>, Vec<_>) = moments.into_iter().partition(|at| *at <= scene.now);
    // Who is fit depends on the hour, too.
    let again = (!past.is_empty()).then(|| scene.now.checked_add(AGAIN).ok()).flatten();
    coming.into_iter().chain(again).min()
}

impl Scene<'_> {
    /// Returns when the time of a person who takes over comes, and of each who waits.
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

    /// Since when nobody has attended to one who waits.
    fn unattended(&self, one: &Since<'_>) -> Timestamp {
        self.moderated_until.map_or(one.since, |until| until.max(one.since))
    }

    /// After the last moderator: a person inside.
    fn succession(&self) -> Option<Plan> {
        let moderators = &self.rules.moderators;
        let after = moderators.succession_after.value?;
        let has_people = self.occupants.iter().any(|one| !is_service(self.policy, one.who));
        let is_due = has_people
            && !moderators.assign.value.is_empty()
            && self.view.moderators == 0
            && self.has_passed(self.moderated_until?, after);
        is_due.then(|| Plan {
            rule: moderators.successors.rule(),
            remedy: self.heir(|_| true).map_or(Remedy::Nobody, Remedy::Promote),
        })
    }

    /// For those who have waited too long.
    fn rescue(&self) -> Option<Plan> {
        let lobby = &self.rules.lobby;
        let is_overdue =
            |one: &Since<'_>| self.has_passed(self.unattended(one), lobby.unattended_after.value);
        if self.is_attended() || !self.waiting.iter().any(is_overdue) {
            return None;
        }
        // Where people are to wait for the first moderator, they do.
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

    /// A person inside may let people in, and is asked to.
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

    /// This one, as a moderator, may let people in.
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

    /// The successor, one of those whom `suits` takes, who has been inside longest.
    fn heir(&self, suits: impl Fn(&Requester) -> bool) -> Option<BareJid> {
        longest(&self.occupants, |who| {
            self.judge(who, |case| is_successor(case) && suits(case.who()) && is_fit(case))
        })
    }

    /// The one who waits longest and may come in as a moderator. `only_entitled`: only who moderates
    /// by the rules for everybody, like one who takes the place of an opener who never came.
    fn knocker(&self, only_entitled: bool) -> Option<BareJid> {
        longest(&self.waiting, |who| {
            self.judge(who, |case| {
                let is_one = (is_successor(case) && !only_entitled)
                    || moderators::entitlement(case).is_some();
                let person = Person::admitted(who.person.as_ref()).as_moderator(true);
                let moderator = Requester { person: Some(person), ..who.clone() };
                is_one
                    && self.would_admit(case.who())
                    && is_fit(case)
                    && opinion_on(case).verdict != Verdict::Deny
                    && opinion_on(&case.of(&moderator, case.jid)).verdict == Verdict::Allow
            })
        })
    }

    /// Returns whether `is_one` takes a person, who would come in without a word, by the rules as they hold for them.
    fn judge(&self, who: &Requester, is_one: impl FnOnce(&Case<'_>) -> bool) -> bool {
        let (Some(jid), calm) = (who.jid.as_ref(), Pressure::default()) else { return false };
        let attempt = Attempt {
            room: Some(self.room.clone()),
            requester: who.clone(),
            action: Action::Join { credential: Credential::None },
            ..Attempt::default()
        };
        // They have their place among those who wait already.
        let view = RoomView { waiting: 0, ..self.view.clone() };
        // A person who is given more by it has to prove it now.
        let place = Place { room: Some(self.room), now: Some(self.now) };
        let case = Case {
            policy: self.policy,
            rules: self.rules,
            attempt: &attempt,
            room_jid: self.room,
            who,
            jid,
            place,
            identity: self.policy.identify(who, place),
            classes: classes(self.policy, self.rules, who, place),
            room: &view,
            pressure: &calm,
            now: self.now,
            exempt: false,
            noted: None,
        };
        as_excepted(&case, is_one).0
    }

    fn has_passed(&self, since: Timestamp, time: Duration) -> bool {
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        self.now.duration_since(since) >= time
    }
}

/// Of a class that may take over. Where nobody becomes a moderator, nobody takes over.
fn is_successor(case: &Case<'_>) -> bool {
    let moderators = &case.rules.moderators;
    moderators.successors.value.meets(case.classes) && !moderators.assign.value.is_empty()
}

/// Of those whom `is_one` takes, the one who has been there longest; of several, the first by address.
fn longest(people: &[Since<'_>], is_one: impl Fn(&Requester) -> bool) -> Option<BareJid> {
    let mut people: Vec<_> = people.iter().collect();
    people.sort_by_key(|one| (one.since, one.who.jid.as_ref()));
    people.iter().find(|one| is_one(one.who)).and_then(|one| one.who.jid.clone())
}

#[cfg(test)]
mod tests;
