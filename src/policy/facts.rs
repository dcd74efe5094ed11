//! The facts that a decision rested on, for the log and to decide again; and the explanation of a decision.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::attempt::{
    Action, AffiliationChange, Attempt, Auth, Credential, Held, Namesake, Pressure, Requester,
    RoleChange, RoomView, Strength,
};
use super::decide::decide;
use super::fields::is_unset;
use super::record::{Claim, Entry, Person};
use super::removal::Removal;
use super::verdict::{Decision, Verdict};
use super::{Policy, Rules};
use crate::jid::BareJid;

/// Every input of [`decide`] but the policy, the room's address and the time: what
/// an attempt's line in the decision log holds, and what is needed to decide it again.
///
/// Never a password. Of a token's claims, the value only of those that the rules look at, the fingerprint only of the one
/// that a person is recognised by, and the name of all others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts<'a> {
    who: Cow<'a, Requester>,
    #[serde(rename = "try")]
    action: Cow<'a, Action>,
    #[serde(default, rename = "on_behalf_of", alias = "behind", skip_serializing_if = "is_unset")]
    behind: Option<Cow<'a, Requester>>,
    #[serde(
        default,
        rename = "target_records",
        alias = "others",
        skip_serializing_if = "is_unset"
    )]
    others: Cow<'a, [(BareJid, Person)]>,
    #[serde(default, skip_serializing_if = "is_unset")]
    room: Cow<'a, RoomView>,
    #[serde(default, skip_serializing_if = "is_unset")]
    pressure: Pressure,
    #[serde(default, rename = "runtime_bans", alias = "banned", skip_serializing_if = "is_unset")]
    banned: Cow<'a, Held>,
    #[serde(default, skip_serializing_if = "is_unset")]
    namesake: Option<Namesake>,
}

impl<'a> Facts<'a> {
    /// Returns the facts of an attempt that is judged by these rules.
    pub fn of(
        policy: &Policy,
        rules: &Rules,
        attempt: &'a Attempt,
        room: &'a RoomView,
        pressure: &Pressure,
    ) -> Self {
        // Every part is named, so that a new one does not compile before it is decided how it is logged.
        let look = Look { policy, rules };
        let Attempt { id: _, room: _, requester, action, behind, others, banned, namesake } =
            attempt;
        Self {
            who: session(look, requester),
            action: tried(look, action),
            behind: behind.as_ref().map(|who| session(look, who)),
            others: Cow::Borrowed(others),
            room: Cow::Borrowed(room),
            pressure: *pressure,
            banned: Cow::Borrowed(banned),
            namesake: *namesake,
        }
    }

    /// Returns the attempt again, with its `id` and the address of its `room`, the room as it was, and the counters.
    pub fn into_parts(
        self,
        id: impl Into<SmolStr>,
        room: Option<BareJid>,
    ) -> (Attempt, RoomView, Pressure) {
        let attempt = Attempt {
            id: id.into(),
            room,
            requester: self.who.into_owned(),
            action: self.action.into_owned(),
            behind: self.behind.map(Cow::into_owned),
            others: self.others.into_owned(),
            banned: self.banned.into_owned(),
            namesake: self.namesake,
        };
        (attempt, self.room.into_owned(), self.pressure)
    }

    /// Returns the id of the runtime ban that matched, if one did.
    pub fn ban(&self) -> Option<&str> {
        let Held { requester, behind } = &*self.banned;
        requester.as_ref().or(behind.as_ref()).map(|ban| ban.id.as_str())
    }

    /// Returns the names of the claims whose values were not logged.
    pub fn unread_claims(&self) -> impl Iterator<Item = &str> {
        let sessions = std::iter::once(&self.who).chain(&self.behind);
        sessions.flat_map(|who| &who.unread).map(|(name, _)| name.as_str())
    }
}

/// What decides which claims are logged with their values.
#[derive(Clone, Copy)]
struct Look<'a> {
    policy: &'a Policy,
    rules: &'a Rules,
}

impl Look<'_> {
    fn reads(self, (name, value): &Claim) -> bool {
        is_read(self.rules, name) || self.policy.rooms.wants(name, value)
    }
}

/// Returns whether the rules look at the value of a token's claim of this name.
pub fn is_read(rules: &Rules, claim: &str) -> bool {
    rules.moderators.claim.value == claim
}

fn tried<'a>(look: Look<'_>, action: &'a Action) -> Cow<'a, Action> {
    let part = |bearer: &Option<Requester>| {
        bearer.as_ref().map(|bearer| session(look, bearer).into_owned())
    };
    match action {
        Action::Affiliation { items, register } => {
            let items = items.iter().map(|item| AffiliationChange {
                bearer: part(&item.bearer),
                displaced: item
                    .displaced
                    .iter()
                    .map(|who| session(look, who).into_owned())
                    .collect(),
                ..item.clone()
            });
            Cow::Owned(Action::Affiliation { items: items.collect(), register: *register })
        }
        Action::Role { items } => {
            let items =
                items.iter().map(|item| RoleChange { bearer: part(&item.bearer), ..item.clone() });
            Cow::Owned(Action::Role { items: items.collect() })
        }
        Action::Request
        | Action::Open { .. }
        | Action::Join { .. }
        | Action::Configure { .. }
        | Action::Destroy
        | Action::Invite { .. }
        | Action::Knock { .. }
        | Action::Rename
        | Action::Command(_)
        | Action::AnswerAll { .. }
        | Action::Feature(_)
        | Action::Unknown => Cow::Borrowed(action),
    }
}

fn session<'a>(look: Look<'_>, who: &'a Requester) -> Cow<'a, Requester> {
    if who.claims.iter().all(|claim| look.reads(claim)) {
        return Cow::Borrowed(who);
    }
    let subject = &look.rules.removal.subject_claim.value;
    let mut kept = who.clone();
    for claim in std::mem::take(&mut kept.claims) {
        let (name, value) = &claim;
        if look.reads(&claim) {
            kept.claims.push(claim);
        } else {
            let mark = if name == subject { Removal::mark_of_claim(value) } else { None };
            kept.unread.push((claim.0, mark));
        }
    }
    Cow::Owned(kept)
}

/// A change of the facts that leads to another verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Description of the change, like `the right password`.
    pub what: &'static str,
    /// The decision after the change.
    pub decision: Decision,
}

/// A decision, and the changes that would lead to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The decision, as [`decide`] makes it.
    pub decision: Decision,
    /// Changes of one fact each that would lead to another verdict.
    pub changes: Vec<Change>,
}

type Variation = (&'static str, fn(&mut Attempt, &mut RoomView, &mut Pressure));

/// Each changes one fact; those that apply and lead to another verdict are shown.
const VARIATIONS: [Variation; 14] = [
    ("the right password", |attempt, _, _| {
        if let Action::Join { credential } = &mut attempt.action {
            *credential = Credential::Right;
        }
    }),
    ("the host code", |attempt, room, _| {
        let has_code = room.record.as_ref().is_some_and(|record| record.code.is_some());
        if let Action::Join { credential } = &mut attempt.action
            && has_code
        {
            *credential = Credential::Code;
        }
    }),
    ("no password", |attempt, _, _| {
        if let Action::Join { credential } = &mut attempt.action {
            *credential = Credential::None;
        }
    }),
    ("a good password typed", |attempt, _, _| {
        if let Action::Open { typed } = &mut attempt.action {
            *typed = Some(Strength { length: 40, score: 4, denied: false, code: false });
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

/// Decides an attempt, and tries which changes of the facts would lead to another verdict.
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
            // A change for the worse is no help, unless the attempt is allowed.
            let counts = match decision.verdict {
                Verdict::Allow => then.verdict != Verdict::Allow,
                Verdict::Hold | Verdict::Prompt | Verdict::Deny => then.verdict < decision.verdict,
            };
            counts.then_some(Change { what, decision: then })
        })
        .collect();
    Explanation { decision, changes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::attempt::{Affiliation, Auth, Client, Credential, Role, Word};

    fn claimant() -> Requester {
        let claim = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Requester {
            jid: "ann@example.org".parse().ok(),
            auth: Auth::Token,
            secure: Some(true),
            claims: vec![
                claim("moderator", "true"),
                claim("email", "canary"),
                claim("id", "canary"),
            ],
            ..Requester::default()
        }
    }

    fn written(attempt: &Attempt) -> String {
        let (policy, rules) = (Policy::default(), Rules::default());
        let (room, pressure) = (RoomView::default(), Pressure::default());
        serde_json::to_string(&Facts::of(&policy, &rules, attempt, &room, &pressure)).unwrap()
    }

    #[test]
    fn claims_that_no_rule_looks_at_are_named_and_not_quoted() {
        let bearer = Some(claimant());
        let role = Action::Role { items: vec![RoleChange { bearer, ..RoleChange::default() }] };
        let bearer = Some(claimant());
        let items = vec![AffiliationChange { bearer, ..AffiliationChange::default() }];
        let affiliation = Action::Affiliation { items, register: false };
        for action in [Action::Destroy, role, affiliation] {
            let behind = Some(claimant());
            let attempt = Attempt { requester: claimant(), behind, action, ..Attempt::default() };
            let written = written(&attempt);
            assert!(!written.contains("canary"), "{written}");
            assert!(written.contains(r#""claims":[["moderator","true"]]"#), "{written}");
            assert!(written.contains(r#"["email",null],["id",""#), "{written}");
        }
    }

    #[test]
    fn what_is_as_usual_takes_no_room() {
        let action = Action::Join { credential: Credential::Wrong };
        let attempt = Attempt {
            requester: Requester { claims: Vec::new(), ..claimant() },
            action,
            ..Attempt::default()
        };
        assert_eq!(
            written(&attempt),
            r#"{"who":{"jid":"ann@example.org","auth":"token","secure":true},"try":{"join":{"credential":"wrong"}}}"#
        );
    }

    #[test]
    fn the_documents_list_each_fact_once() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/replay.md");
        let text = std::fs::read_to_string(file).unwrap();
        for (key, facts) in [("who", Requester::FACTS), ("room", RoomView::FACTS)] {
            let table = text.split(&format!("| fact of `{key}` | meaning |\n|---|---|\n")).nth(1);
            let rows = table.unwrap().lines().take_while(|line| line.starts_with('|'));
            let row = |(name, meaning): &(&str, &str)| format!("| `{name}` | {} |", meaning.trim());
            let expected = facts.iter().map(row);
            assert_eq!(rows.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn names_in_the_log_are_the_names_on_the_wire() {
        fn named<T: Serialize>(value: T, name: &str) {
            assert_eq!(serde_json::to_value(value).unwrap(), name);
        }
        for affiliation in ["outcast", "none", "member", "admin", "owner"] {
            named(Affiliation::from_name(affiliation).unwrap(), affiliation);
        }
        for role in ["none", "visitor", "participant", "moderator"] {
            named(Role::from_name(role).unwrap(), role);
        }
        for auth in ["account", "token", "anonymous", "server", "component", "unknown"] {
            named(Auth::from_name(auth), auth);
        }
        for credential in [Credential::None, Credential::Wrong, Credential::Right] {
            named(credential, credential.name());
        }
        named(Client::Jitsi, Client::Jitsi.name());
        named(Action::Destroy, Action::Destroy.name());
        for action in [
            Action::Open { typed: None },
            Action::Join { credential: Credential::None },
            Action::Command(Word::Close),
        ] {
            let written = serde_json::to_value(&action).unwrap();
            assert!(written.get(action.name()).is_some(), "{written}");
        }
    }

    #[test]
    fn claims_without_a_value_are_told_by_name() {
        let unread = |name: &str| vec![(name.to_owned(), None)];
        let attempt = Attempt {
            requester: Requester { unread: unread("email"), ..claimant() },
            behind: Some(Requester { unread: unread("group"), ..claimant() }),
            ..Attempt::default()
        };
        let (policy, rules, room) = (Policy::default(), Rules::default(), RoomView::default());
        let facts = Facts::of(&policy, &rules, &attempt, &room, &Pressure::default());
        assert!(facts.unread_claims().any(|name| name == "email"));
        assert!(facts.unread_claims().any(|name| name == "group"));
        assert!(!facts.unread_claims().any(|name| name == "moderator"));
    }
}
