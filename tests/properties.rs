//! Properties of the decision on any attempt, room and policy.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

#[path = "support/any.rs"]
mod any;

use std::borrow::Cow;
use std::sync::Arc;

use any::{
    Parts, attempt, credential, moment, parts, person, pressure, record, requester, room, rules,
};
use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use vestibule::component::decision_record::{Context, Line};
use vestibule::jid::BareJid;
use vestibule::policy::attempt::{
    Action, Affiliation, AffiliationChange, Attempt, Auth, Credential, FieldChange, Pressure,
    Requester, Role, RoleChange, RoomView, Word,
};
use vestibule::policy::class::{Class, ClassSet};
use vestibule::policy::decide::{decide, reevaluate};
use vestibule::policy::denial::Denial;
use vestibule::policy::facts::{Facts, explain};
use vestibule::policy::form_field::{FormField, To};
use vestibule::policy::hours::AtEnd;
use vestibule::policy::lobby::Admission;
use vestibule::policy::moderators::{Become, HostCode};
use vestibule::policy::record::{Closed, Person, Proof, Record, Source, Suspended};
use vestibule::policy::removal::{By, keep_out, lift};
use vestibule::policy::requester::{Session, SessionKind};
use vestibule::policy::room_form::{PersistentBy, SubjectBy};
use vestibule::policy::rules::kinds::Who;
use vestibule::policy::rules::moderators::Protected;
use vestibule::policy::succession::{Remedy, Scene, Since, is_service, plan};
use vestibule::policy::verdict::{Decision, Verdict};
use vestibule::policy::{Policy, Rules};

/// Everything that a decision rests on.
#[derive(Clone, Debug)]
struct World {
    parts: Parts,
    attempt: Attempt,
    room: RoomView,
    pressure: Pressure,
    now: Timestamp,
}

impl World {
    fn decide(&self) -> Decision {
        let policy = self.parts.policy();
        let rules = self.rules(&policy);
        decide(&policy, &rules, &self.attempt, &self.room, &self.pressure, self.now)
    }

    fn rules(&self, policy: &Policy) -> Arc<Rules> {
        policy.rules_of(&self.attempt, &self.room, self.now)
    }

    /// The same with these rules for every room.
    fn under(mut self, rules: Rules) -> Self {
        self.parts.overrides.clear();
        self.parts.base = rules;
        self
    }

    fn trying(mut self, action: Action) -> Self {
        self.attempt.action = action;
        self
    }

    /// Brings a room under the policy, which lets nobody in.
    fn applies_policy(&self) -> bool {
        matches!(self.attempt.action, Action::Open { .. }) && self.room.exists
    }

    /// A verified token for the room of the attempt, `tea` or another, which has not run out, or of somebody inside.
    fn has_token(&self, session: &Session) -> bool {
        let Some(token) = session.token.as_ref().filter(|_| &*session.provider == "token") else {
            return false;
        };
        let Some(room) = &self.attempt.room else { return true };
        let name = room.node().unwrap_or_default();
        let claimed = token.room.as_deref().map(str::to_lowercase);
        let is_named = match claimed.as_deref() {
            None => token.domain.is_none(),
            Some("*") => true,
            Some(_) if token.pattern => name == "tea",
            Some(claimed) => name == claimed,
        };
        let is_domain = claimed.is_none()
            || token.domain.is_none()
            || (room.domain() == "rooms.example.org"
                && ["*", "example.org"].contains(&&*token.subject));
        let comes = matches!(
            self.attempt.action,
            Action::Request | Action::Open { .. } | Action::Join { .. } | Action::Unknown
        );
        let is_inside = !comes && self.attempt.requester.role != Role::None;
        let is_over = token.expires.is_some_and(|at| self.now.as_second() >= at);
        !name.is_empty() && is_named && is_domain && (is_inside || !is_over)
    }

    /// The classes, worked out anew.
    fn classes(&self, rules: &Rules) -> ClassSet {
        let who = &self.attempt.requester;
        let Some(jid) = &who.jid else { return ClassSet::of(&[Class::Guest]) };
        let is_account = |session: &Session, jid: &BareJid| {
            session.kind == SessionKind::Client
                && *session.host == *jid.domain()
                && match session.mechanism.as_deref() {
                    None => *session.provider == *"internal_hashed",
                    Some("ANONYMOUS") => false,
                    Some(_) => ["internal_hashed", "ours"].contains(&&*session.provider),
                }
        };
        let auth = match &who.session {
            None => who.auth,
            Some(session) => match session.kind {
                SessionKind::Server => Auth::Server,
                SessionKind::Unknown => Auth::Unknown,
                _ if *session.host != *jid.domain() => Auth::Unknown,
                SessionKind::Component => Auth::Component,
                SessionKind::Client if is_account(session, jid) => Auth::Account,
                SessionKind::Client if self.has_token(session) => Auth::Token,
                SessionKind::Client => Auth::Anonymous,
            },
        };
        let account = who.account.as_deref().filter(|account| {
            auth == Auth::Anonymous
                && match &who.account_session {
                    Some(session) => is_account(session, account),
                    None => who.session.is_none(),
                }
        });
        let session = !matches!(auth, Auth::Anonymous | Auth::Unknown);
        let proved = if session { Some(jid) } else { account };
        let is = |name: &str| proved.is_some_and(|jid| jid.as_str() == name);
        let access = &rules.access;
        let listed = proved.is_some_and(|jid| {
            access.listed.value.jids.contains(jid)
                || access.listed.value.domains.contains(jid.domain())
        });
        let by_session = match auth {
            Auth::Token => Class::Token,
            Auth::Account => Class::Account,
            Auth::Server => Class::Federated,
            Auth::Anonymous if account.is_some() => Class::Account,
            Auth::Anonymous | Auth::Component | Auth::Unknown => Class::Guest,
        };
        [
            (Class::Service, account.is_none() && is("focus@auth.example.org")),
            (Class::Operator, is("op@example.org")),
            (Class::Listed, listed),
            (Class::Returning, who.person.as_ref().is_some_and(|person| person.has_been_inside())),
            (by_session, true),
        ]
        .into_iter()
        .filter(|(_, is_one)| *is_one)
        .fold(ClassSet::NONE, |classes, (class, _)| classes.with(class))
    }
}

fn world() -> impl Strategy<Value = World> {
    (parts(), attempt(), room(), pressure(), moment()).prop_map(
        |(parts, attempt, room, pressure, now)| World { parts, attempt, room, pressure, now },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_attempt_is_decided_and_always_alike(world in world()) {
        prop_assert_eq!(world.decide(), world.decide());
    }

    #[test]
    fn what_the_log_holds_of_an_attempt_is_enough_to_decide_it_again(world in world()) {
        let policy = world.parts.policy();
        let rules = world.rules(&policy);
        let facts = Facts::of(&policy, &rules, &world.attempt, &world.room, &world.pressure);
        let decided = world.decide();
        let context =
            Context { id: "d", revision: "r", observed: false, again: false, now: world.now };
        let line = Line::new(&decided, &world.attempt, &facts, context);
        let written = serde_json::to_string(&line).unwrap();

        let read: Line<'_> = serde_json::from_str(&written).unwrap();
        let (attempt, room, pressure) = read
            .facts
            .into_owned()
            .into_parts(read.attempt, read.room.map(Cow::into_owned));
        let again = policy.rules_of(&attempt, &room, world.now);
        prop_assert!(room.is_found() || Arc::ptr_eq(&again, &rules));
        prop_assert_eq!(&decide(&policy, &rules, &attempt, &room, &pressure, read.at), &decided);
        prop_assert_eq!(read.verdict, decided.verdict.name());
        if !world.attempt.requester.claims.is_empty() {
            return Ok(());
        }
        let read = World { attempt, room, pressure, ..world.clone() };
        prop_assert_eq!(&read.attempt.requester, &world.attempt.requester);
        prop_assert_eq!((read.room, read.pressure), (world.room, world.pressure));
    }

    #[test]
    fn an_explanation_explains_the_decision(world in world()) {
        let policy = world.parts.policy();
        let rules = world.rules(&policy);
        let explained =
            explain(&policy, &rules, &world.attempt, &world.room, &world.pressure, world.now);
        prop_assert_eq!(&explained.decision, &world.decide());
        for change in explained.changes {
            prop_assert_ne!(change.decision.verdict, explained.decision.verdict);
        }
    }

    #[test]
    fn whoever_may_not_stay_may_not_come_in_either(world in world(), credential in credential()) {
        let world = world.trying(Action::Join { credential });
        let policy = world.parts.policy();
        let rules = world.rules(&policy);
        if let Some(removed) = reevaluate(&policy, &rules, &world.attempt, &world.room, world.now) {
            let join = world.decide();
            prop_assert_eq!((removed.verdict, removed.denial), (Verdict::Deny, join.denial));
        }
    }

    #[test]
    fn only_what_is_not_allowed_has_a_denial(world in world()) {
        let decision = world.decide();
        prop_assert_eq!(decision.verdict == Verdict::Allow, decision.denial.is_none());
        if matches!(decision.verdict, Verdict::Prompt | Verdict::Deny) {
            prop_assert_eq!(decision.effects, vestibule::policy::verdict::Effects::default());
        }
    }

    #[test]
    fn the_order_of_bans_does_not_matter(world in world()) {
        let mut other = world.clone();
        other.parts.bans.reverse();
        let (one, other) = (world.decide(), other.decide());
        // Of two bans on the same person the first is named.
        prop_assert_eq!((one.verdict, one.denial, one.effects), (other.verdict, other.denial, other.effects));
    }

    #[test]
    fn the_order_of_overrides_does_not_matter(world in world()) {
        let mut other = world.clone();
        other.parts.overrides.reverse();
        prop_assert_eq!(world.decide(), other.decide());
    }

    #[test]
    fn the_order_of_lists_does_not_matter(world in world()) {
        let mut other = world.clone();
        Arc::make_mut(&mut other.parts.base.moderators).assign.value.reverse();
        Arc::make_mut(&mut other.parts.base.moderators).claim_values.value.reverse();
        other.attempt.requester.claims.reverse();
        prop_assert_eq!(world.decide(), other.decide());
    }

    #[test]
    fn a_further_ban_weakens_nothing(world in world(), ban in any::ban()) {
        let before = world.decide();
        let mut banned = world.clone();
        banned.parts.bans.push(ban);
        let after = banned.decide();
        prop_assert!(after.verdict >= before.verdict, "{:?} became {:?}", before, after);
    }

    #[test]
    fn a_ban_is_stronger_than_every_proof(world in world(), until in proptest::option::of(Just(Timestamp::MAX))) {
        prop_assume!(world.now < Timestamp::MAX && !world.applies_policy());
        let Some(jid) = world.attempt.requester.jid.clone() else { return Ok(()) };
        let mut banned = world;
        let ban = vestibule::policy::bans::Ban { origin: vestibule::policy::bans::Origin::Line(1), until, rooms: None, reason: String::new() };
        banned.parts.bans.push((any::Target::Jid(jid), ban));
        let decision = banned.decide();
        prop_assert!(decision.verdict == Verdict::Deny || decision.class == Class::Service);

        // It also ends the visit of somebody who is inside.
        let policy = banned.parts.policy();
        let rules = banned.rules(&policy);
        let stays = reevaluate(&policy, &rules, &banned.attempt, &banned.room, banned.now).is_none();
        let is_room = banned.attempt.room.as_ref().is_some_and(|room| room.node().is_some());
        prop_assert_eq!(stays, is_room && decision.class == Class::Service);
    }

    #[test]
    fn one_item_more_weakens_nothing(
        world in world(),
        fields in vec(any::field(), 1..4),
        affiliations in vec(any::affiliation_change(), 1..4),
        roles in vec(any::role_change(), 1..4),
        register: bool,
    ) {
        type Make = Box<dyn Fn(usize) -> Action>;
        let (f, a, r) = (fields.len(), affiliations.len(), roles.len());
        let makers: [(usize, Make); 3] = [
            (f, Box::new(move |n| Action::Configure { fields: fields[..n].to_vec() })),
            (a, Box::new(move |n| Action::Affiliation { items: affiliations[..n].to_vec(), register })),
            (r, Box::new(move |n| Action::Role { items: roles[..n].to_vec() })),
        ];
        for (len, make) in makers {
            for n in 1..len {
                let fewer = world.clone().trying(make(n)).decide().verdict;
                let more = world.clone().trying(make(n + 1)).decide().verdict;
                prop_assert!(more >= fewer, "{} items: {:?}, {:?}", n, fewer, more);
            }
        }
    }

    #[test]
    fn nobody_comes_in_without_a_proof(
        (world, mut rules, mut record) in (world(), rules(), record()), wrong: bool, unknown: bool,
    ) {
        let credential = if wrong { Credential::Wrong } else { Credential::None };
        // A file that says that guests need nothing means it.
        let lobby = Arc::make_mut(&mut rules.lobby);
        let password = Arc::make_mut(&mut rules.password);
        if lobby.admission.value == Admission::Open {
            lobby.admission.value = Admission::default();
        }
        for bypass in [&mut lobby.bypass.value, &mut password.bypass.value] {
            let others: Vec<Class> = bypass.iter().filter(|class| *class != Class::Guest).collect();
            *bypass = ClassSet::of(&others);
        }
        let mut world = world.under(rules).trying(Action::Join { credential });
        // Where the policy asks for none, only the room's own password counts; in a room that was there, always.
        world.room.has_password |= !world.parts.base.password.required.value || record.found;
        record.password = Some(Source::Creator);
        world.room.record = Some(record);
        let who = &mut world.attempt.requester;
        who.session = None;
        who.auth = if unknown { Auth::Unknown } else { Auth::Anonymous };
        who.account = None;
        who.person = None;
        who.affiliation = Affiliation::None;
        let decision = world.decide();
        prop_assert_ne!(decision.verdict, Verdict::Allow, "{:?}", decision);
    }

    #[test]
    fn a_room_under_attack_does_not_tell_a_right_password_from_a_wrong_one(world in world(), wait in 1_u64..1000) {
        let mut world = world;
        world.pressure.room = Some(std::time::Duration::from_secs(wait));
        let right = world.clone().trying(Action::Join { credential: Credential::Right }).decide();
        let code = world.clone().trying(Action::Join { credential: Credential::Code }).decide();
        let wrong = world.trying(Action::Join { credential: Credential::Wrong }).decide();
        for other in [right, code] {
            prop_assert_eq!((other.verdict, other.denial), (wrong.verdict, wrong.denial));
        }
    }

    #[test]
    fn the_host_code_opens_only_the_password_and_the_lobby((world, mut rules, mut record) in (world(), rules(), record())) {
        Arc::make_mut(&mut rules.moderators).code.value = HostCode::Generated;
        record.code = Some(Source::Generated);
        let mut world = world.under(rules).trying(Action::Join { credential: Credential::Code });
        world.room.record = Some(record);
        world.pressure.guesses = None;
        world.pressure.room = None;
        let decision = world.decide();
        if decision.verdict != Verdict::Allow || decision.rule.name != "moderators.code" {
            return Ok(());
        }
        prop_assert_eq!(decision.effects.role, Some(Role::Moderator));
        let mut other = world.trying(Action::Join { credential: Credential::Right });
        let lobby = Arc::make_mut(&mut other.parts.base.lobby);
        lobby.bypass.value = ClassSet::ALL;
        lobby.admission.value = Admission::Open;
        other.room.moderators = other.room.moderators.max(1);
        let other = other.decide();
        prop_assert_eq!(other.verdict, Verdict::Allow, "{:?}", other);
    }

    #[test]
    fn a_typed_password_never_harms_more_than_none(world in world()) {
        let mut world = world;
        world.pressure = Pressure::default();
        let right = world.clone().trying(Action::Join { credential: Credential::Right });
        let none = world.trying(Action::Join { credential: Credential::None }).decide();
        let right = right.decide();
        // Behind the password there may be a lobby; that may be full, or not for this client.
        if matches!(right.denial, Some(Denial::LobbyFull | Denial::NoLobby)) {
            return Ok(());
        }
        prop_assert!(right.verdict <= none.verdict, "{:?} but {:?}", right, none);
    }

    #[test]
    fn what_is_locked_stays_locked(world in world(), rules in rules(), fields in vec(any::field(), 0..5)) {
        let mut world = world.under(rules).trying(Action::Configure { fields: fields.clone() });
        // Somebody whom nothing else keeps from it.
        world.parts.bans.clear();
        Arc::make_mut(&mut world.parts.base.access).enter.value = ClassSet::ALL;
        world.attempt.requester.secure = Some(true);
        world.attempt.requester.affiliation = Affiliation::Owner;
        let decision = world.decide();
        if decision.verdict != Verdict::Allow || decision.class == Class::Service {
            return Ok(());
        }
        let policy = world.parts.policy();
        let rules = world.rules(&policy);
        let record = world.room.record.as_ref();
        let has_code = record.is_some_and(|record| record.code.is_some())
            && rules.moderators.code.value != HostCode::Nowhere;
        for field in fields {
            let locked = match field {
                FieldChange::PasswordRemoved => rules.password.required.value,
                FieldChange::PasswordSet(strength) => {
                    rules.password.change.value == Who::Nobody || strength.length < 8
                        || strength.score < 3 || strength.denied || (strength.code && has_code)
                }
                FieldChange::MembersOnly(on) => !on && rules.lobby.admission.value.is_members_only(),
                FieldChange::Public(on) => on && rules.access.hidden.value == Some(true),
                FieldChange::Persistent(on) => match rules.access.persistent.value.fixed() {
                    Some(wanted) => on != wanted,
                    None => rules.settings.persistent.value == PersistentBy::Only(Who::Nobody),
                },
                FieldChange::Setting(FormField::History, To::Number(number)) => {
                    let most = rules.settings.history_max.value;
                    rules.settings.history.value == Who::Nobody
                        || (most > 0 && number.is_none_or(|number| number > most))
                }
                FieldChange::Setting(FormField::Subject, _) => {
                    rules.settings.subject.value == SubjectBy::Only(Who::Nobody)
                }
                FieldChange::Other(_) => rules.settings.other.value == Who::Nobody,
                FieldChange::Setting(..) | FieldChange::PasswordKept | FieldChange::Kept(_) => false,
            };
            prop_assert!(!locked, "{:?} was allowed", field);
        }
    }

    #[test]
    fn a_closed_room_admits_only_whom_the_rule_names(world in world(), credential in credential()) {
        let mut world = world.trying(Action::Join { credential });
        // In a room that was there, another meeting begins with the first who comes.
        world.room.occupants = world.room.occupants.max(1);
        let policy = world.parts.policy();
        let rules = world.rules(&policy);
        let is_closed = |record: &Record| match record.closed {
            None => false,
            Some(Closed::Command) => rules.close.by.value != Who::Anybody,
            Some(Closed::Count) => rules.close.at_occupants.value > 0,
            Some(Closed::Time) => rules.close.after.value.is_some(),
            Some(Closed::Unmoderated) => rules.close.when_unmoderated.value.is_some(),
            Some(Closed::Hours) => rules.hours.at_end.value == AtEnd::Close,
        };
        prop_assume!(world.room.record.as_ref().is_none_or(is_closed));
        let classes = world.classes(&rules);
        let may_enter = rules.close.may_enter.value.meets(classes);
        let decision = world.decide();
        if decision.verdict != Verdict::Deny && !classes.has(Class::Service) && !may_enter {
            prop_assert!(rules.close.moderators_enter.value, "{:?}", decision);
            prop_assert!(decision.rule.name.starts_with("moderators."), "{:?}", decision);
        }
    }

    #[test]
    fn a_suspended_room_is_taken_back_by_nobody_inside(
        world in world(), rules in rules(), suspended in moment(), raised: bool,
    ) {
        let mut world = world.under(rules);
        let record = world.room.record.get_or_insert(Record::new(suspended, String::new(), None));
        record.suspended = Some(Suspended { since: suspended, raised });
        world.room.exists = true;
        let rules = world.rules(&world.parts.policy());
        let classes = world.classes(&rules);
        let (decision, inside) = (world.decide(), &world.attempt.action);
        if decision.verdict != Verdict::Allow || classes.has(Class::Service) {
            return Ok(());
        }
        if let Action::Join { .. } = inside {
            let close = &rules.close;
            let may_enter = close.may_enter.value.meets(classes) || close.moderators_enter.value;
            prop_assert!(may_enter, "{:?}", decision);
        } else if !classes.has(Class::Operator) {
            let risen = |from: Affiliation, to: Affiliation| to > from && to >= Affiliation::Member;
            let undoes = match inside {
                Action::Configure { fields } => fields.contains(&FieldChange::MembersOnly(false)),
                Action::Affiliation { items, .. } => {
                    items.iter().any(|item| item.to.is_some_and(|to| risen(item.from, to)))
                }
                Action::Role { items } => items.iter().any(|item| {
                    matches!(item.to, Some(Role::Participant | Role::Moderator)) && item.from != Role::Moderator
                }),
                Action::Knock { admit, .. } | Action::AnswerAll { admit, .. } => *admit,
                Action::Feature(feature) => !feature.stops(),
                Action::Command(word) => *word == Word::Reopen,
                Action::Destroy | Action::Invite { .. } => true,
                Action::Request
                | Action::Open { .. }
                | Action::Join { .. }
                | Action::Rename
                | Action::Unknown => false,
            };
            prop_assert!(!undoes, "{:?} was allowed", inside);
        }
        // Nor does anything that is allowed end it.
        let after = decision.effects.record.as_ref().or(world.room.record.as_ref());
        let opens_anew = matches!(inside, Action::Open { .. });
        prop_assert!(opens_anew || after.is_some_and(|record| record.suspended.is_some()));
    }

    #[test]
    fn whoever_was_removed_stays_out_until_it_is_over(
        world in world(), rules in rules(), record in record(), credential in credential(), asks: bool,
    ) {
        let action = if asks { Action::Request } else { Action::Join { credential } };
        let mut world = world.under(rules).trying(action);
        world.room.exists = true;
        Arc::make_mut(&mut world.parts.base.removal).keep_out_for.value = Some(std::time::Duration::from_secs(60));
        Arc::make_mut(&mut world.parts.base.removal).by.value = By::ALL.to_vec();
        let (removal, who) = (&world.parts.base.removal, &world.attempt.requester);
        let mut record = record;
        record.removed.clear();
        let mut with = record.clone();
        keep_out(&mut with, removal, who, Proof::Guest, world.now);
        let is_free = matches!(world.decide().class, Class::Service | Class::Operator);
        world.room.record = Some(with);
        let decision = world.decide();
        let runs = world.now < Timestamp::MAX;
        prop_assert!(decision.verdict == Verdict::Deny || is_free || !runs, "{:?}", decision);

        // With it over, or lifted, everything is as if it had not been.
        let mut lifted = world.room.record.clone().unwrap();
        if world.attempt.requester.jid.is_some() {
            lift(&mut lifted, &world.parts.base.removal, &world.attempt.requester);
            prop_assert_eq!(&lifted, &record);
        }
        world.room.record.as_mut().unwrap().removed[0].until = Timestamp::MIN;
        let over = world.decide();
        world.room.record = Some(record);
        let never = world.decide();
        prop_assert_eq!((over.verdict, over.rule, over.denial), (never.verdict, never.rule, never.denial));
    }

    #[test]
    fn whoever_was_removed_or_banned_is_allowed_nothing(
        world in world(), rules in rules(), record in record(), banned: bool,
    ) {
        prop_assume!(world.now < Timestamp::MAX && !world.applies_policy());
        let mut world = world.under(rules);
        let removal = Arc::make_mut(&mut world.parts.base.removal);
        removal.keep_out_for.value = Some(std::time::Duration::from_secs(60));
        removal.by.value = By::ALL.to_vec();
        let Some(jid) = world.attempt.requester.jid.clone() else { return Ok(()) };
        if banned {
            let ban = vestibule::policy::bans::Ban { origin: vestibule::policy::bans::Origin::Line(1), until: None, rooms: None, reason: String::new() };
            world.parts.bans.push((any::Target::Jid(jid), ban));
        } else {
            let mut record = record;
            keep_out(&mut record, &world.parts.base.removal, &world.attempt.requester, Proof::Guest, world.now);
            world.room.record = Some(record);
        }
        let decision = world.decide();
        let is_free = decision.class == Class::Service || (!banned && decision.class == Class::Operator);
        prop_assert!(decision.verdict == Verdict::Deny || is_free, "{:?}", decision);
    }

    #[test]
    fn authority_needs_presence_or_the_file(world in world()) {
        let mut world = world;
        world.attempt.requester.role = Role::None;
        let needs_none = matches!(
            &world.attempt.action,
            Action::Request | Action::Open { .. } | Action::Join { .. } | Action::Rename
                | Action::Unknown | Action::Affiliation { register: true, .. }
        );
        let decision = world.decide();
        if needs_none || decision.verdict != Verdict::Allow {
            return Ok(());
        }
        prop_assert!(matches!(decision.class, Class::Service | Class::Operator), "{:?}", decision);
    }

    #[test]
    fn nothing_is_taken_from_a_moderator_of_the_file_by_one_made_by_hand(
        world in world(),
        rules in rules(),
        from in select(vec![Affiliation::None, Affiliation::Member, Affiliation::Admin, Affiliation::Owner]),
        to in select(vec![Affiliation::Outcast, Affiliation::None, Affiliation::Member, Affiliation::Admin]),
        role in select(vec![Role::None, Role::Visitor, Role::Participant]),
        bearer in proptest::option::of(requester()),
        others in vec(any::affiliation_change(), 0..3),
        by_role: bool,
        by_nick: bool,
    ) {
        let chair: BareJid = "chair@example.org".parse().unwrap();
        let mut world = world.under(rules);
        let moderators = Arc::make_mut(&mut world.parts.base.moderators);
        moderators.assign.value = vec![Become::Operator, Become::Listed, Become::Opener];
        moderators.protect.value = vec![Protected::File];
        moderators.jids.value = [chair.clone()].into();
        moderators.domains.value.clear();
        world.attempt.requester.jid = "hand@example.org".parse().ok();
        world.attempt.requester.account = None;
        let bearer = bearer.map(|bearer| Requester {
            jid: Some(chair.clone()),
            // Nothing by which the two are one person.
            claims: Vec::new(), unread: Vec::new(), ticket: None, account: None,
            ..bearer
        });
        let action = if by_role {
            Action::Role { items: vec![RoleChange {
                jid: Some(chair), from: Role::Moderator, to: Some(role), bearer,
            }] }
        } else if by_nick {
            let displaced = vec![Requester { jid: Some(chair), ..bearer.unwrap_or_default() }];
            let nick = Some("Chair".to_owned());
            let item = AffiliationChange {
                jid: "late@example.org".parse().ok(), to: Some(Affiliation::Member), nick, displaced,
                ..AffiliationChange::default()
            };
            Action::Affiliation { items: others.into_iter().chain([item]).collect(), register: false }
        } else {
            prop_assume!(to < from);
            let item = AffiliationChange {
                jid: Some(chair), from, to: Some(to), bearer, ..AffiliationChange::default()
            };
            Action::Affiliation { items: others.into_iter().chain([item]).collect(), register: false }
        };
        let decision = world.trying(action).decide();
        prop_assert_eq!(decision.verdict, Verdict::Deny);
    }

    #[test]
    fn a_removal_weakens_nothing(world in world(), removed in any::removed()) {
        prop_assume!(matches!(world.attempt.action, Action::Join { .. } | Action::Request));
        let before = world.decide();
        let mut world = world;
        if let Some(record) = &mut world.room.record {
            record.removed.push(removed);
        }
        let after = world.decide();
        prop_assert!(after.verdict >= before.verdict, "{:?} became {:?}", before, after);
    }

    #[test]
    fn the_class_is_the_strongest_that_was_proved(world in world()) {
        let policy = world.parts.policy();
        let rules = world.rules(&policy);
        prop_assert_eq!(world.decide().class, world.classes(&rules).strongest());
    }

    #[test]
    fn nobody_becomes_a_moderator_where_nobody_does(world in world(), credential in credential()) {
        let mut world = world.trying(Action::Join { credential });
        world.parts.overrides.clear();
        let moderators = Arc::make_mut(&mut world.parts.base.moderators);
        moderators.assign.value = Vec::<Become>::new();
        moderators.code.value = HostCode::Nowhere;
        world.attempt.requester.affiliation = Affiliation::Member;
        let person = world.attempt.requester.person;
        world.attempt.requester.person = person.map(|p| p.as_moderator(false).restored());
        prop_assert_ne!(world.decide().effects.affiliation, Some(Affiliation::Owner));
    }

    #[test]
    fn services_and_operators_are_never_removed_by_people_inside(
        world in world(),
        affiliations in vec(any::affiliation_change(), 1..4),
        roles in vec(any::role_change(), 1..4),
        register: bool,
    ) {
        let protected = ["op@example.org", "focus@auth.example.org"];
        // Everybody may step down, from whatever session they are recognised in.
        let own = world.attempt.requester.jid.clone();
        let affiliations: Vec<_> = affiliations
            .into_iter()
            .filter(|item| item.jid.is_none() || item.jid != own)
            .map(|item| AffiliationChange { bearer: None, ..item })
            .collect();
        let roles: Vec<_> = roles
            .into_iter()
            .filter(|item| item.jid.is_none() || item.jid != own)
            .map(|item| RoleChange { bearer: None, ..item })
            .collect();
        let by_affiliation = affiliations.iter().any(|item| {
            item.jid.as_ref().is_some_and(|jid| protected.contains(&jid.as_str()))
                && item.to.is_some_and(|to| to < item.from)
        });
        let by_role = roles.iter().any(|item| {
            item.jid.as_ref().is_some_and(|jid| protected.contains(&jid.as_str()))
                && item.to == Some(Role::None)
        });
        let lists = [
            (by_affiliation && !register, Action::Affiliation { items: affiliations, register }),
            (by_role, Action::Role { items: roles }),
        ];
        for (removes, action) in lists {
            let decision = world.clone().trying(action).decide();
            if removes && decision.class != Class::Service {
                prop_assert_eq!(decision.verdict, Verdict::Deny);
            }
        }
    }

    #[test]
    fn whoever_is_rescued_was_there_and_may_come_in(
        world in world(),
        inside in vec((requester(), moment()), 0..4),
        waiting in vec((requester(), moment()), 0..4),
        moderated_until in proptest::option::of(moment()),
        headless: bool,
    ) {
        let room = world.attempt.room.as_ref().filter(|room| room.node().is_some());
        let Some(room) = room else { return Ok(()) };
        let policy = world.parts.policy();
        let rules = world.rules(&policy);
        let mut view = RoomView { exists: true, ..world.room.clone() };
        if headless {
            view.moderators = 0;
        }
        let mut scene = Scene {
            policy: &policy,
            rules: &rules,
            room,
            view: &view,
            occupants: inside.iter().map(|(who, since)| Since { who, since: *since }).collect(),
            waiting: waiting.iter().map(|(who, since)| Since { who, since: *since }).collect(),
            moderated_until,
            now: world.now,
        };
        let planned = plan(&scene);
        scene.occupants.reverse();
        let again = plan(&scene);
        let is_there = |people: &[(Requester, Timestamp)], jid| {
            people.iter().any(|(who, _)| {
                who.jid.as_ref() == Some(jid) && !is_service(&policy, who)
            })
        };
        match planned.as_ref().map(|plan| &plan.remedy) {
            None | Some(Remedy::Nobody) => {}
            Some(Remedy::Promote(jid)) => prop_assert!(is_there(&inside, jid)),
            Some(Remedy::Refuse(all)) => prop_assert!(!waiting.is_empty() && all.len() <= waiting.len()),
            Some(Remedy::Admit(jid)) => {
                prop_assert!(is_there(&waiting, jid));
                let comes_in = waiting.iter().any(|(who, _)| {
                    let mut attempt = world.attempt.clone();
                    attempt.requester = who.clone();
                    attempt.requester.person = Some(Person::admitted(who.person.as_ref()).as_moderator(true));
                    // Whose name somebody inside has is told by name, and may choose another.
                    attempt.namesake = None;
                    attempt.action = Action::Join { credential: Credential::None };
                    let pressure = Pressure::default();
                    let joined = decide(&policy, &rules, &attempt, &view, &pressure, world.now);
                    who.jid.as_ref() == Some(jid) && joined.verdict == Verdict::Allow
                });
                prop_assert!(comes_in);
            }
        }
        prop_assert_eq!(again, planned);
    }

    #[test]
    fn a_record_reads_back(record in record()) {
        prop_assert_eq!(Record::read(&record.write()), Some(record));
    }

    #[test]
    fn a_person_reads_back(person in person()) {
        prop_assert_eq!(Person::read(&person.write()), Some(person));
    }

    #[test]
    fn whatever_a_gate_kept_is_read_or_is_nothing(text in ".{0,200}") {
        let _ = (Record::read(&text), Person::read(&text));
    }
}
