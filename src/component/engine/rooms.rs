//! What the engine keeps of rooms: how many there are, their records, and their strangers.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::component::audit::Action as OperatorAction;
use crate::component::counters::Refused;
use crate::component::engine::PolicyEngine;
use crate::component::registry::Watch;
use crate::jid::BareJid;
use crate::password::{Context, MakingError, derive, generate, judge, means, period_at};
use crate::policy::Rules;
use crate::policy::attempt::{Action, Attempt, Pressure, Requester, RoomView, Strength};
use crate::policy::limits::Limits;
use crate::policy::moderators::HostCode;
use crate::policy::opinions::limits;
use crate::policy::opinions::limits::{is_arrival, opener};
use crate::policy::record::{Record, Source};
use crate::policy::verdict::{Decision, Effects, NewPassword, Rule, Verdict};
use crate::secret::Secret;
use crate::wire::answer::Secrets;
use crate::wire::request::Question;
use crate::wire::room::LiveRoom;

impl PolicyEngine {
    /// Sets the number of rooms for an attempt to open one, and the number of strangers for a join.
    pub(super) fn numbers(
        &self,
        attempt: &Attempt,
        rules: &Rules,
        now: Timestamp,
        pressure: &mut Pressure,
    ) {
        let is_limited =
            |limits: &Limits| limits.rooms.value > 0 || limits.rooms_per_opener.value > 0;
        let observed = rules.observed.as_ref().map(|rules| &rules.limits);
        if (is_limited(&rules.limits) || observed.is_some_and(|limits| is_limited(limits)))
            && let Some(opener) = opener(attempt)
        {
            (pressure.rooms, pressure.rooms_of_opener) = self.live.count(&self.policy, opener, now);
        }
        if let (Some(limits), Action::Join { .. }, Some(room), Some(who)) =
            (waves(rules), &attempt.action, &attempt.room, &attempt.requester.jid)
        {
            pressure.strangers = self.arrivals.count(room, who, limits, now);
        }
    }

    /// Counts a stranger who comes in or knocks.
    pub(super) fn count_stranger(
        &mut self,
        attempt: &Attempt,
        decision: &Decision,
        rules: &Rules,
        now: Timestamp,
    ) {
        if let (Some(limits), Some(room), Some(who)) =
            (waves(rules), &attempt.room, &attempt.requester.jid)
            && is_arrival(attempt, decision)
        {
            let came_in = decision.verdict == Verdict::Allow;
            self.arrivals.add(room, who, came_in, limits, now);
        }
    }

    /// Counts a join that was refused at a known room.
    pub(super) fn count_refused(
        &mut self,
        attempt: &Attempt,
        decision: &Decision,
        guess: bool,
        now: Timestamp,
    ) {
        let refused = Refused::of(attempt, decision, guess);
        if let Some(room) = attempt.room.as_ref().filter(|_| refused != Refused::default()) {
            self.live.refused(room, refused, now);
        }
    }

    /// Updates the room registry with what was decided.
    pub(super) fn remember(
        &mut self,
        service: &Arc<str>,
        question: &Question,
        attempt: &Attempt,
        room: RoomView,
        decision: &Decision,
        now: Timestamp,
    ) {
        let Some(jid) = &attempt.room else { return };
        let record = decision.effects.record.clone();
        match (&attempt.action, record) {
            (Action::Open { .. }, Some(record)) if question.generation.is_empty() => {
                self.live.expected.expect(jid, record, now);
            }
            (Action::Join { .. } | Action::Open { .. }, record)
                if !question.generation.is_empty() =>
            {
                let view = RoomView { record: record.or_else(|| room.record.clone()), ..room };
                let policy = &self.policy;
                self.live.upsert(policy, service, jid, &question.generation);
                self.live.seen(policy, jid, view);
                if let Some(feed) = self.feeds.get_mut(service) {
                    feed.decided(jid);
                }
            }
            (_, Some(record)) => self.recorded(jid, record),
            (_, None) => {}
        }
    }

    /// Records the beginning of a join flood, in which strangers have to knock, so that operators see why.
    pub(super) fn tell_of_wave(
        &self,
        attempt: &Attempt,
        room: &RoomView,
        decision: &Decision,
        rules: &Rules,
        now: Timestamp,
    ) {
        let is_one = |record: Option<&Record>| record.is_some_and(|record| record.wave.is_some());
        let begins = is_one(decision.effects.record.as_ref()) && !is_one(room.record.as_ref());
        if let Some(jid) = attempt.room.as_ref().filter(|_| begins) {
            self.timed("raised", jid, limits::rule(rules), false, now);
        }
    }

    /// Returns the person of that address at a room, as last known: inside, waiting, or there recently.
    pub fn person(&self, room: &BareJid, jid: &BareJid) -> Option<&Requester> {
        let known = self.live.room(room);
        let there =
            known.into_iter().flat_map(|it| it.occupants.values().chain(it.waiting.values()));
        let there = there.map(|known| &known.who);
        let lately = self.lately.of(room).map(|seen| &seen.who);
        there.chain(lately).find(|who| who.jid.as_ref() == Some(jid))
    }

    /// Adds to the details of an event or an action what others call the person whom they are about.
    fn name(&self, room: &str, jid: Option<&str>, details: &mut Map<String, Value>) {
        let (room, jid) = (BareJid::stamped(room), jid.and_then(BareJid::stamped));
        let Some(who) = room.zip(jid).and_then(|(room, jid)| self.person(&room, &jid)) else {
            return;
        };
        for (key, value) in [("nick", &who.nick), ("name", &who.name)] {
            if !value.is_empty() && !details.contains_key(key) {
                details.insert(key.to_owned(), value.as_str().into());
            }
        }
    }

    /// Records what was done to a room, with the names of the person whom the details are about.
    pub fn write_event(
        &self,
        event: &str,
        room: &str,
        mut details: Map<String, Value>,
        now: Timestamp,
    ) {
        let jid = details.get("jid").and_then(Value::as_str).map(str::to_owned);
        self.name(room, jid.as_deref(), &mut details);
        self.audit.event(event, room, details, now);
    }

    /// Records a command of an operator, with the names of the person whom it is about.
    pub fn write_action(&self, mut action: OperatorAction<'_>, now: Timestamp) {
        let room = action.room.unwrap_or_default();
        self.name(room, action.person, &mut action.details);
        self.audit.action(action, now);
    }

    /// Records what a timer did in a room; `observed`: what it would have done if that rule were enforced.
    pub fn timed(&self, done: &str, room: &BareJid, rule: Rule, observed: bool, now: Timestamp) {
        let (name, line) = (rule.name, rule.line);
        tracing::info!(room = room.as_str(), done, rule = name, line, observed, "by itself");
        let mut details = Map::new();
        details.insert("done".to_owned(), Value::from(done));
        details.insert("rule".to_owned(), Value::from(name));
        details.insert("line".to_owned(), Value::from(line));
        if observed {
            details.insert("observed".to_owned(), Value::from(true));
        }
        self.audit.event("timer", room.as_str(), details, now);
    }

    /// Ends a join flood: the strangers who caused it start no new one.
    pub fn calmed(&mut self, room: &BareJid) {
        self.arrivals.forget(room);
        self.look_by(Watch::Timers, room, Timestamp::MIN);
    }

    /// Takes the next room that has changed or is due for this watcher.
    pub(in crate::component) fn take(&mut self, watch: Watch, now: Timestamp) -> Option<BareJid> {
        let room = self.live.rooms.take(watch, now)?;
        if self.live.room(&room).is_some() {
            self.counted.metrics.room_looks.get_or_create(&watch.label()).inc();
        }
        Some(room)
    }

    /// Schedules a look at a room by that time at the latest; returns whether the room is known.
    pub fn look_by(&mut self, watch: Watch, room: &BareJid, at: Timestamp) -> bool {
        self.live.rooms.look_by(watch, room, at)
    }

    /// Returns when the next room is due for this watcher, unless one changes before.
    pub fn next_look(&self, watch: Watch) -> Option<Timestamp> {
        self.live.rooms.next_look(watch)
    }

    /// Returns how many rooms this watcher has looked at since the start.
    pub fn looks(&self, watch: Watch) -> u64 {
        self.counted.metrics.room_looks.get_or_create(&watch.label()).get()
    }

    /// Takes a room as its gate shows it; returns when its last moderator left, if known. `None`: it is another room.
    pub(in crate::component) fn shown(&mut self, live: &LiveRoom) -> Option<Option<Timestamp>> {
        let known = self.live.room(&live.jid).filter(|room| room.generation == live.generation)?;
        let until = known.moderated_until.max(live.unmoderated_since);
        self.live.seen(&self.policy, &live.jid, live.view.clone());
        self.live.rooms.change(&live.jid, |room| room.moderated_until = until);
        Some(until)
    }

    /// Returns when the last stranger joined a room or knocked, or `None` if none is remembered.
    pub fn last_stranger(&self, room: &BareJid) -> Option<Timestamp> {
        self.arrivals.last(room)
    }

    /// Stores the new record of a room.
    pub fn recorded(&mut self, room: &BareJid, record: Record) {
        let service = self.live.room(room).map(|room| Arc::clone(&room.service));
        if let Some(feed) = service.and_then(|service| self.feeds.get_mut(&service)) {
            feed.decided(room);
        }
        self.live.recorded(&self.policy, room, record);
    }
}

/// Returns the limits that detect join floods, or `None`: those in force, or else those that are observed.
fn waves(rules: &Rules) -> Option<&Limits> {
    let observed = rules.observed.as_ref().map(|rules| &rules.limits);
    let limits = [Some(&rules.limits), observed].into_iter().flatten();
    limits.map(|limits| &**limits).find(|limits| limits.flood_strangers.value > 0)
}

/// Returns the password that a decision requires for a room; `typed` is what the requester typed for it.
fn password(
    new: NewPassword,
    room: Option<&BareJid>,
    typed: Option<&Secret>,
    rules: &Rules,
    now: Timestamp,
) -> Result<Secret, MakingError> {
    let settings = &rules.password;
    match new {
        NewPassword::Typed | NewPassword::Made(Source::Creator) => {
            typed.cloned().ok_or(MakingError::Missing)
        }
        NewPassword::Made(Source::Generated) => generate(settings.words.value),
        NewPassword::Made(Source::Preset) => {
            settings.preset.value.clone().ok_or(MakingError::Missing)
        }
        NewPassword::Made(Source::Derived) => derived(Context::Password, room, rules, now),
    }
}

fn derived(
    context: Context,
    room: Option<&BareJid>,
    rules: &Rules,
    now: Timestamp,
) -> Result<Secret, MakingError> {
    let settings = &rules.password;
    let secret = settings.secret.value.as_ref().ok_or(MakingError::Missing)?;
    let room = room.ok_or(MakingError::Missing)?;
    let period = period_at(settings.period.value, now);
    derive(context, secret, room, period, settings.words.value)
}

/// Returns the password and the host code that effects require for a room; `typed` is what a person typed for a password,
/// and `code` the room's present host code, where it is known.
///
/// # Errors
/// When one of them could not be made, or the password would be the host code.
pub fn secrets(
    effects: &Effects,
    room: Option<&BareJid>,
    (typed, code): (Option<&Secret>, Option<&Secret>),
    rules: &Rules,
    now: Timestamp,
) -> Result<Secrets, MakingError> {
    let make = |new| password(new, room, typed, rules, now);
    let password = effects.password.map(make).transpose()?;
    let new = match effects.code {
        Some(Source::Derived) => Some(derived(Context::Code, room, rules, now)?),
        Some(_) => Some(generate(rules.password.words.value)?),
        None => None,
    };
    let is_same = |code: &Secret| password.as_ref().is_some_and(|it| means(it, code));
    if new.as_ref().or(code).is_some_and(is_same) {
        return Err(MakingError::Same);
    }
    Ok(Secrets { password, code: new })
}

/// Returns the strength of the password typed in this request, or `None` if none was typed. Of a room that is opened by it,
/// only a derived host code can be known already.
///
/// Takes up to about 12 ms.
pub fn strength(question: &Question, rules: &Rules, now: Timestamp) -> Option<Strength> {
    let typed = question.typed.as_ref()?;
    let room = question.attempt.room.as_ref()?;
    let is_derived = rules.moderators.code.value == HostCode::Derived
        && matches!(question.attempt.action, Action::Open { .. });
    let code = is_derived.then(|| derived(Context::Code, Some(room), rules, now).ok()).flatten();
    let strength = judge(typed, room, &rules.password.deny_list.value);
    Some(Strength { code: code.is_some_and(|code| means(typed, &code)), ..strength })
}
