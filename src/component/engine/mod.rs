//! The policy engine: answers the requests of the gates.

mod policies;
mod reports;
pub mod rooms;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use smol_str::{SmolStr, format_smolstr};

pub use self::policies::{Consequences, Judged};
use self::reports::{Admitted, Feed};
use super::audit::Audit;
use super::counters::{Arrivals, Counters};
use super::decision_record::Context;
use super::drift::DriftMetrics;
use super::metrics::{Counted, Tally};
use super::neighbours::Neighbour;
use super::registry::{Last, Lately};
use super::room_registry::RoomRegistry;
use crate::policy::attempt::{
    Action, Attempt, Credential, Held, Namesake, Pressure, RoomView, Waits,
};
use crate::policy::decide::decide;
use crate::policy::denial::Denial;
use crate::policy::facts::{Explanation, Facts, explain};
use crate::policy::names::Unique;
use crate::policy::opinions::moderators::is_silent_guess;
use crate::policy::record::{Claim, Record};
use crate::policy::verdict::{Decision, Effects, Verdict};
use crate::policy::{Policy, Rules};
use crate::wire::answer::{Material, Secrets, answer, observed};
use crate::wire::handshake::{Hello, HelloError, welcome};
use crate::wire::request::Question;
use crate::xmpp::element::Element;

/// Whether decisions are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Decisions are carried out.
    Enforce,
    /// Decisions are only recorded, and everything goes on as without a gate.
    Observe,
}

/// The policy engine, with all state that its answers depend on.
#[derive(Debug)]
pub struct PolicyEngine {
    policy: Arc<Policy>,
    mode: Mode,
    counters: Counters,
    arrivals: Arrivals,
    /// The counters as they would be if the observed rules were enforced.
    observed: Counters,
    live: RoomRegistry,
    /// People who were recently at each room.
    pub lately: Lately,
    audit: Audit,
    services: HashMap<Arc<str>, Option<Hello>>,
    /// Why a gate was refused after its handshake, by service.
    refused: HashMap<Arc<str>, HelloError>,
    feeds: HashMap<Arc<str>, Feed>,
    admitted: Admitted,
    neighbours: HashMap<Arc<str>, Vec<Neighbour>>,
    /// Counts of decisions and gate events since the start.
    pub counted: Counted,
    /// The metrics of the drift audits.
    pub drift: DriftMetrics,
    run: String,
    next: u64,
}

impl PolicyEngine {
    /// Creates an engine for these services (their domains). `run` makes decision ids unique over restarts.
    pub fn new(
        policy: Arc<Policy>,
        services: impl IntoIterator<Item = String>,
        mode: Mode,
        audit: Audit,
        run: String,
    ) -> Self {
        Self {
            policy,
            mode,
            counters: Counters::default(),
            arrivals: Arrivals::default(),
            observed: Counters::default(),
            live: RoomRegistry::default(),
            lately: Lately::default(),
            audit,
            services: services.into_iter().map(|domain| (Arc::from(domain), None)).collect(),
            refused: HashMap::new(),
            feeds: HashMap::new(),
            admitted: Admitted::default(),
            neighbours: HashMap::new(),
            counted: Counted::default(),
            drift: DriftMetrics::default(),
            run,
            next: 0,
        }
    }

    /// Returns the configured service of that address, or `None`. Only a service's own address counts: the same
    /// elements from any other sender are ignored.
    pub fn service(&self, from: &str) -> Option<Arc<str>> {
        self.services.get_key_value(from).map(|(service, _)| Arc::clone(service))
    }

    /// Returns the welcome of the policy in force, which the gate of a service needs before it may send requests.
    pub fn welcome(&self, service: &str) -> Element {
        welcome(&self.policy, service, self.mode == Mode::Observe)
    }

    /// Records which modules of a service conflict with the policy.
    pub fn found(&mut self, service: &Arc<str>, neighbours: Vec<Neighbour>) {
        self.neighbours.insert(Arc::clone(service), neighbours);
    }

    /// Returns the conflicting modules of a service, as of its last handshake.
    pub fn neighbours(&self, service: &str) -> &[Neighbour] {
        self.neighbours.get(service).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns whether all gates have greeted, all their rooms were read since, and no host's provider is unknown.
    pub fn is_ready(&self) -> bool {
        self.services.values().all(Option::is_some)
            && self.unread().next().is_none()
            && self.unlisted().is_empty()
    }

    /// Returns whether there are only guests on the server of that service: none of its hosts has log-ins.
    pub fn nobody_logs_in(&self, service: &str) -> bool {
        let hello = self.services.get(service).and_then(Option::as_ref);
        hello.is_some_and(|hello| self.policy.nobody_logs_in(service, &hello.hosts))
    }

    /// Returns what to write into the file for each unknown authentication provider, sorted and without duplicates.
    pub fn unlisted(&self) -> Vec<String> {
        let hosts =
            self.services.values().flatten().flat_map(|hello| self.policy.unlisted(&hello.hosts));
        let lines = hosts.map(|host| {
            format!(
                "nobody knows what a log-in to {} by mod_auth_{} proves, so it proves nothing: write \
                 [[provider]] name = \"{}\", proves = \"account\" (or \"guest\") into the file",
                host.name, host.provider, host.provider
            )
        });
        let mut lines: Vec<_> = lines.collect();
        lines.sort();
        lines.dedup();
        lines
    }

    /// Answers a request of a gate. The strength of a typed password must have been measured before.
    pub fn question(&mut self, service: &Arc<str>, question: &Question, now: Timestamp) -> Element {
        let (attempt, mut room) = match self.mode {
            Mode::Enforce => (Cow::Borrowed(&question.attempt), question.room.clone()),
            Mode::Observe => as_if_enforced(question, self.live.claims(question), now),
        };
        room.nobody_logs_in = self.nobody_logs_in(service);
        let mut attempt = self.noted(attempt, now);
        let rules = self.live.rules_of(&self.policy, &attempt, &room, now);
        self.look_for_namesake(&mut attempt, &rules);
        let attempt = &*attempt;
        if self.mode == Mode::Observe {
            room.has_password |= rules.password.required.value && room.exists;
        }
        let pressure = self.pressure(attempt, &rules, now);
        let mut decision = decide(&self.policy, &rules, attempt, &room, &pressure, now);
        let (jid, typed) = (attempt.room.as_ref(), question.typed.as_ref());
        let made = rooms::secrets(&decision.effects, jid, (typed, None), &rules, now);
        let made = made.unwrap_or_else(|error| {
            tracing::error!(%error, "no password could be made, so the room is not opened");
            decision.verdict = Verdict::Deny;
            decision.rule = rules.password.source.rule();
            decision.denial = Some(Denial::Fault);
            decision.effects = Effects::default();
            Secrets::default()
        });
        let guess = is_silent_guess(&rules, attempt, &room, &decision);
        self.counters.count(&self.policy, attempt, (decision.denial, guess), &rules, now);
        self.count_stranger(attempt, &decision, &rules, now);
        self.count_refused(attempt, &decision, guess, now);
        if let Some(observed) = &rules.observed {
            let would = decision.would.as_ref().map_or(decision.denial, |would| would.denial);
            self.observed.count(&self.policy, attempt, (would, false), observed, now);
        }
        let id = self.next_id();
        let facts = Facts::of(&self.policy, &rules, attempt, &room, &pressure);
        self.write_down(&decision, (attempt, &facts), &id, None, now);
        if self.mode == Mode::Enforce {
            self.tell_of_wave(attempt, &room, &decision, &rules, now);
            if let (Some(Denial::Removed { .. }), Some(jid)) = (decision.denial, &attempt.room) {
                let who = attempt.requester.clone();
                let proof = self.policy.proof(&who);
                self.lately.note(jid, (who, proof), Last::Refused, now);
            }
        }
        self.remember(service, question, attempt, room, &decision, now);
        match self.mode {
            Mode::Observe => observed(question, &id),
            Mode::Enforce => {
                let material = Material {
                    secrets: &made,
                    texts: &self.policy.texts,
                    language: question.attempt.requester.language.as_deref(),
                };
                answer(question, &decision, &id, material)
            }
        }
    }

    /// Returns the attempt with the runtime bans that match it.
    fn noted<'a>(&self, mut attempt: Cow<'a, Attempt>, now: Timestamp) -> Cow<'a, Attempt> {
        let held = self.policy.held(&attempt, now);
        if held != Held::default() {
            attempt.to_mut().banned = held;
        }
        attempt
    }

    /// Records whether a moderator inside has a similar name; where `names.unique` covers everybody, any occupant.
    fn look_for_namesake(&self, attempt: &mut Cow<'_, Attempt>, rules: &Rules) {
        if !matches!(attempt.action, Action::Join { .. } | Action::Rename) {
            return;
        }
        let matters = |rules: &Rules| rules.names.unique.value == Unique::Everybody;
        let least = match matters(rules) || rules.observed.as_deref().is_some_and(matters) {
            true => Namesake::Occupant,
            false => Namesake::Moderator,
        };
        let room = attempt.room.as_ref().and_then(|room| self.live.room(room));
        let found = room.and_then(|room| room.namesake(&self.policy, &attempt.requester, least));
        if found.is_some() {
            attempt.to_mut().namesake = found;
        }
    }

    /// The rooms, as they are known from reports and decisions.
    pub const fn live(&self) -> &RoomRegistry {
        &self.live
    }

    /// The rooms, to be changed.
    pub(super) const fn live_mut(&mut self) -> &mut RoomRegistry {
        &mut self.live
    }

    /// The policy in force.
    pub const fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Returns the decisions since the start, by verdict.
    pub fn tally(&self) -> Tally {
        self.counted.tally()
    }

    /// The audit: decision log, database and event stream.
    pub const fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Returns the mode: enforce or observe.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Returns a new id for a decision or an operator's action, unique over restarts.
    pub fn next_id(&mut self) -> SmolStr {
        self.next = self.next.wrapping_add(1);
        format_smolstr!("{}-{}", self.run, self.next)
    }

    /// Returns whether a text has the form of a decision's id: hexadecimal digits, a hyphen, and a number.
    pub fn may_be_id(text: &str) -> bool {
        text.split_once('-').is_some_and(|(run, number)| {
            !run.is_empty()
                && run.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    }

    fn pressure(&self, attempt: &Attempt, rules: &Rules, now: Timestamp) -> Pressure {
        let mut pressure = self.counters.pressure(&self.policy, attempt, rules, now);
        self.numbers(attempt, rules, now, &mut pressure);
        if let Some(observed) = &rules.observed {
            let Pressure { guesses, room, knocks, .. } =
                self.observed.pressure(&self.policy, attempt, observed, now);
            pressure.observed = Waits { guesses, room, knocks };
        }
        pressure
    }

    /// Records a decision. `again`: revision of the policy that judged an occupant or a waiting person again.
    fn write_down(
        &mut self,
        decision: &Decision,
        (attempt, facts): (&Attempt, &Facts<'_>),
        id: &str,
        again: Option<&str>,
        now: Timestamp,
    ) {
        self.counted.decision(&attempt.action, decision);
        let is_focus = |jid| self.policy.focuses.values().any(|focus| focus == jid);
        if matches!(attempt.action, Action::Affiliation { .. })
            && decision.verdict == Verdict::Deny
            && attempt.requester.jid.as_ref().is_some_and(is_focus)
        {
            self.counted.metrics.elections.inc();
        }
        if self.audit.is_kept() {
            let context = Context {
                id,
                revision: again.unwrap_or(&self.policy.revision),
                observed: self.mode == Mode::Observe,
                again: again.is_some(),
                now,
            };
            self.audit.decision(decision, attempt, facts, context);
        }
        tracing::debug!(
            decision = id,
            kind = attempt.action.name(),
            verdict = decision.verdict.name(),
            rule = decision.rule.name,
            line = decision.rule.line,
            class = decision.class.name(),
            would_have_been = ?decision.would.as_ref().map(|it| (it.verdict.name(), it.rule.name)),
            room = ?attempt.room.as_ref().map(|room| room.as_str()),
            "decided"
        );
    }
}

/// Returns the attempt and the room as if the policy were enforced. In observe mode nothing is written into rooms, so
/// an existing room is taken for an open one, and a person who opens it for a person who joins.
/// `claims`: the opener's claims that the room's record would keep.
pub(super) fn as_if_enforced<'a>(
    question: &'a Question,
    claims: &[Claim],
    now: Timestamp,
) -> (Cow<'a, Attempt>, RoomView) {
    let mut attempt = Cow::Borrowed(&question.attempt);
    let mut room = question.room.clone();
    if room.exists && matches!(attempt.action, Action::Open { .. }) {
        attempt.to_mut().action = Action::Join { credential: question.credential };
    }
    if !matches!(attempt.action, Action::Open { .. }) {
        as_if_open(&mut room, claims, now);
    }
    (attempt, room)
}

/// Gives a room without a record the one of a room that is open.
pub(super) fn as_if_open(room: &mut RoomView, claims: &[Claim], now: Timestamp) {
    if room.record.is_none() {
        let mut record = Record::new(now, "", None);
        record.claims = claims.to_vec();
        record.found = room.is_found();
        room.record = Some(record);
    }
}

impl PolicyEngine {
    /// Completes an attempt that an operator described with what is known, as for a gate's request, and brings the room
    /// into the state in which the request would be answered.
    pub fn complete(
        &self,
        attempt: Attempt,
        mut room: RoomView,
        now: Timestamp,
    ) -> (Attempt, RoomView) {
        let Some(jid) = attempt.room.clone() else { return (attempt, room) };
        room.nobody_logs_in = self.nobody_logs_in(jid.domain());
        let mut attempt = self.noted(Cow::Owned(attempt), now);
        let joins = matches!(attempt.action, Action::Join { .. });
        if self.mode == Mode::Enforce && joins && room.record.is_none() {
            room = self.adopted(&attempt, room, now);
        }
        if let Action::Join { credential } = &mut attempt.to_mut().action
            && !room.has_password
            && room.record.as_ref().is_none_or(|record| record.code.is_none())
        {
            *credential = Credential::None;
        }
        if self.mode == Mode::Observe && !matches!(attempt.action, Action::Open { .. }) {
            let known = self.live.room(&jid).map(|room| room.claims()).unwrap_or_default();
            as_if_open(&mut room, known, now);
        }
        let rules = self.live.rules_of(&self.policy, &attempt, &room, now);
        self.look_for_namesake(&mut attempt, &rules);
        if self.mode == Mode::Observe && !matches!(attempt.action, Action::Open { .. }) {
            room.has_password |= rules.password.required.value;
        }
        (attempt.into_owned(), room)
    }

    /// Returns a room without a policy as it is once the first join has brought it under this one.
    fn adopted(&self, attempt: &Attempt, room: RoomView, now: Timestamp) -> RoomView {
        let open = Attempt { action: Action::Open { typed: None }, ..attempt.clone() };
        let before = RoomView { exists: true, ..room };
        let rules = self.live.rules_of(&self.policy, &open, &before, now);
        let decided = decide(&self.policy, &rules, &open, &before, &Pressure::default(), now);
        let effects = decided.effects;
        RoomView {
            has_password: before.has_password || effects.password.is_some(),
            members_only: effects.members_only.unwrap_or(before.members_only),
            persistent: effects.persistent.unwrap_or(before.persistent),
            record: effects.record,
            exists: false,
            unasked: false,
            ..before
        }
    }

    /// Explains how an attempt would be decided in this state of the room, and returns the facts.
    pub fn explain<'a>(
        &self,
        attempt: &'a Attempt,
        room: &'a RoomView,
        now: Timestamp,
    ) -> (Explanation, Facts<'a>) {
        let rules = self.live.rules_of(&self.policy, attempt, room, now);
        let pressure = self.pressure(attempt, &rules, now);
        let explanation = explain(&self.policy, &rules, attempt, room, &pressure, now);
        (explanation, Facts::of(&self.policy, &rules, attempt, room, &pressure))
    }
}
