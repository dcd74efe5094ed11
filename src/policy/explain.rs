//! Why a decision is as it is, and what would change it.

use jiff::Timestamp;

use super::attempt::{Action, Attempt, Auth, Credential, RoomView};
use super::decide::decide;
use super::pressure::Pressure;
use super::record::{Entry, Person};
use super::strength::Strength;
use super::verdict::{Decision, Verdict};
use super::{Policy, Rules};

/// One thing that would have been otherwise, and the verdict then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What would have to be so.
    pub what: &'static str,
    /// The decision then.
    pub decision: Decision,
}

/// A decision and its alternatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The decision, the same that is made in earnest.
    pub decision: Decision,
    /// Single changes of the facts that would lead to another verdict.
    pub changes: Vec<Change>,
}

type Variation = (&'static str, fn(&mut Attempt, &mut RoomView, &mut Pressure));

/// Each changes one fact; those that apply and lead to another verdict are shown.
const VARIATIONS: [Variation; 13] = [
    ("the right password", |attempt, _, _| {
        if let Action::Join { credential } = &mut attempt.action {
            *credential = Credential::Right;
        }
    }),
    ("no password", |attempt, _, _| {
        if let Action::Join { credential } = &mut attempt.action {
            *credential = Credential::None;
        }
    }),
    ("a good password typed", |attempt, _, _| {
        if let Action::Open { typed } = &mut attempt.action {
            *typed = Some(Strength { length: 40, score: 4, denied: false });
        }
    }),
    ("being let in by a moderator", |attempt, room, _| {
        if let Some(record) = &mut room.record {
            record.removed.clear();
        }
        let knew = attempt.requester.person.as_ref().is_some_and(|person| person.knew_password());
        let entry = if knew { Entry::Both } else { Entry::Admitted };
        attempt.requester.person = Some(Person::entered(entry));
    }),
    ("having been made a moderator", |attempt, _, _| {
        attempt.requester.person = Some(Person::entered(Entry::Both).as_moderator(true));
    }),
    ("being a moderator inside", |attempt, _, _| {
        attempt.requester.role = super::attempt::Role::Moderator;
    }),
    ("logging in with an account of this server", |attempt, _, _| {
        attempt.requester.session = None;
        attempt.requester.auth = Auth::Account;
    }),
    ("a client that can encrypt end to end", |attempt, _, _| attempt.requester.e2ee = true),
    ("an encrypted connection", |attempt, _, _| attempt.requester.secure = Some(true)),
    ("the room being open again", |_, room, _| {
        if let Some(record) = &mut room.record {
            record.closed = None;
            record.suspended = None;
        }
    }),
    ("a moderator being present", |_, room, _| room.moderators = room.moderators.max(1)),
    ("waiting until the limit is over", |_, _, pressure| *pressure = Pressure::default()),
    ("the affiliation `member`", |attempt, _, _| {
        attempt.requester.affiliation =
            attempt.requester.affiliation.max(super::attempt::Affiliation::Member);
    }),
];

/// Decides, and tries what else could have been.
pub fn explain(
    policy: &Policy,
    rules: &Rules,
    attempt: &Attempt,
    room: &RoomView,
    pressure: &Pressure,
    now: Timestamp,
) -> Explanation {
    let decision = decide(policy, rules, attempt, room, pressure, now);
    let changes = VARIATIONS
        .iter()
        .filter_map(|(what, change)| {
            let (mut attempt, mut room, mut pressure) = (attempt.clone(), room.clone(), *pressure);
            change(&mut attempt, &mut room, &mut pressure);
            let then = decide(policy, rules, &attempt, &room, &pressure, now);
            // What would make it worse is no help, unless all was well.
            let counts = match decision.verdict {
                Verdict::Allow => then.verdict != Verdict::Allow,
                Verdict::Hold | Verdict::Prompt | Verdict::Deny => then.verdict < decision.verdict,
            };
            counts.then_some(Change { what, decision: then })
        })
        .collect();
    Explanation { decision, changes }
}
