//! Drift audits: compare the live rooms with the policy, and repair what other modules of the server have changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::clock::now;
use super::rooms::{Reading, RoomError, apply, restore};
use super::{Shared, config};
use crate::component::drift::drifts;
use crate::component::engine::Mode;
use crate::jid::BareJid;
use crate::metrics::gauged;
use crate::policy::context::Drift;
use crate::policy::verdict::Effects;
use crate::wire::room::LiveRoom;

pub(super) async fn watch(shared: Shared) {
    let mut trials = Trials::default();
    loop {
        let every = shared.upkeep.lock().settings.audit.every;
        tokio::select! {
            () = tokio::time::sleep(every.unwrap_or_default()), if every.is_some() => {}
            () = shared.audit_now.notified() => {}
        }
        // In observe mode every room differs from the policy.
        if shared.link.is_up() && shared.engine().mode() == Mode::Enforce {
            audit(&shared, &mut trials).await;
        }
    }
}

/// Compares the rooms of every service once.
async fn audit(shared: &Shared, trials: &mut Trials) {
    let settings = shared.upkeep.lock().settings.audit.clone();
    let (services, revision) = {
        let engine = shared.engine();
        (engine.greeted(), engine.policy().revision.clone())
    };
    trials.begin(&revision, settings.every);
    let mut rooms: u64 = 0;
    for service in &services {
        match service_rooms(shared, service, &settings, trials).await {
            Ok(number) => rooms = rooms.saturating_add(number),
            Err(error) => {
                tracing::warn!(%service, %error, "the rooms could not be compared with the policy");
                return;
            }
        }
    }
    let present = trials.end(now());
    let engine = shared.engine();
    let metrics = &engine.drift;
    metrics.audits.inc();
    metrics.rooms.set(gauged(rooms));
    metrics.present.set(gauged(present));
}

async fn service_rooms(
    shared: &Shared,
    service: &Arc<str>,
    settings: &config::Audit,
    trials: &mut Trials,
) -> Result<u64, RoomError> {
    let _alone = shared.paging.lock().await;
    let mut reading = Reading::new(shared, service);
    let mut rooms: u64 = 0;
    while let Some(page) = reading.next().await? {
        for live in page {
            rooms = rooms.saturating_add(1);
            let found = compare(shared, &live);
            if !found.is_empty() {
                // A ban may be waiting for the end of this reading, which is started again after the ban.
                let Ok(_alone) = shared.banning.try_lock() else {
                    tokio::spawn(again(shared.clone()));
                    return Ok(rooms);
                };
                apply_repairs(shared, &live.jid, found, settings, trials).await;
            }
        }
        tokio::task::yield_now().await;
    }
    if !reading.finish().await? {
        tokio::spawn(restore(shared.clone(), Arc::clone(service)));
    }
    Ok(rooms)
}

/// Asks for another audit once no ban is in progress.
async fn again(shared: Shared) {
    drop(shared.banning.lock().await);
    shared.audit_now.notify_one();
}

fn compare(shared: &Shared, live: &LiveRoom) -> Vec<Drift> {
    let engine = shared.engine();
    let rules = engine.live().rules_at(engine.policy(), live);
    drifts(engine.policy(), &rules, live, now())
}

/// Reports new differences, and repairs those that the settings let it repair.
async fn apply_repairs(
    shared: &Shared,
    room: &BareJid,
    found: Vec<Drift>,
    settings: &config::Audit,
    trials: &mut Trials,
) {
    let mut wanted = Vec::new();
    for drift in found {
        let key = Key::new(room, &drift);
        let repairs = drift.effects != Effects::default() && settings.repairs(drift.rule.name);
        match trials.meet(&key, repairs, now()) {
            Turn::Repair => wanted.push(drift),
            Turn::Report => write_down(shared, room, &drift, false),
            Turn::Wait => {}
        }
    }
    if wanted.is_empty() {
        return;
    }
    let (repaired, error) = match repair(shared, room, &wanted).await {
        Ok(repaired) => (repaired, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    for drift in &wanted {
        let is_repaired = repaired.iter().any(|done| done.is_same_as(drift));
        if let Some(error) = &error {
            tracing::warn!(room = room.as_str(), rule = drift.rule.name, %error, "a room could not be repaired");
        } else if !is_repaired {
            // The difference was gone before the repair.
            continue;
        }
        write_down(shared, room, drift, is_repaired);
        if trials.tried(&Key::new(room, drift), is_repaired, now()) {
            tracing::warn!(
                room = room.as_str(),
                rule = drift.rule.name,
                "a repair does not last: something else on the server changes the room back. It is tried again, more and more rarely"
            );
        }
    }
}

/// Repairs the differences that the gate still has, and returns these.
async fn repair(
    shared: &Shared,
    room: &BareJid,
    wanted: &[Drift],
) -> Result<Vec<Drift>, RoomError> {
    let make = |live: &LiveRoom| {
        let mut still = compare(shared, live);
        still.retain(|drift| wanted.iter().any(|one| one.is_same_as(drift)));
        let mut effects = Effects::default();
        for drift in &still {
            effects.merge(drift.effects.clone());
        }
        (effects, Vec::new(), still)
    };
    apply(shared, room, None, make).await
}

fn write_down(shared: &Shared, room: &BareJid, drift: &Drift, repaired: bool) {
    let Drift { rule, who, is, should, effects: _ } = drift;
    let who = who.as_ref().map(|jid| jid.as_str());
    tracing::warn!(
        room = room.as_str(),
        rule = rule.name,
        line = rule.line,
        who,
        is,
        should,
        repaired,
        "a room differs from its rules"
    );
    let mut details = Map::new();
    details.insert("rule".to_owned(), Value::from(rule.name));
    details.insert("line".to_owned(), Value::from(rule.line));
    if let Some(who) = who {
        details.insert("jid".to_owned(), Value::from(who));
    }
    details.insert("is".to_owned(), Value::from(*is));
    details.insert("should".to_owned(), Value::from(*should));
    details.insert("repaired".to_owned(), Value::from(repaired));
    let engine = shared.engine();
    let metrics = &engine.drift;
    metrics.found.inc();
    metrics.repaired.inc_by(u64::from(repaired));
    engine.write_event("drift", room.as_str(), details, now());
}

/// The longest time between two repairs of a difference that comes back.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);
/// The pace of repairs if no audit interval is set.
const PACE: SignedDuration = SignedDuration::from_mins(1);

/// Identifies a difference: the room, the rule, and the person concerned, if any.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(BareJid, &'static str, Option<BareJid>);

impl Key {
    pub(super) fn new(room: &BareJid, drift: &Drift) -> Self {
        Self(room.clone(), drift.rule.name, drift.who.clone())
    }
}

/// What to do about a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Repair the difference.
    Repair,
    /// Report it without a repair.
    Report,
    /// Nothing for now.
    Wait,
}

#[derive(Clone, Copy, Debug)]
struct Trial {
    /// When the next repair may be tried.
    again: Timestamp,
    /// Number of repairs so far.
    attempts: u32,
    /// Whether the current audit has found the difference and it was not repaired.
    is_there: bool,
    /// When a difference that is gone is forgotten.
    until: Timestamp,
}

/// The differences that exist or existed recently, and the attempts to repair them.
#[derive(Debug, Default)]
pub(super) struct Trials {
    known: HashMap<Key, Trial>,
    revision: String,
    pace: SignedDuration,
}

impl Trials {
    /// Begins an audit by this policy. With another policy, all differences are new.
    pub(super) fn begin(&mut self, revision: &str, every: Option<Duration>) {
        if self.revision != revision {
            self.known.clear();
            revision.clone_into(&mut self.revision);
        }
        let pace = every.and_then(|every| SignedDuration::try_from(every).ok());
        self.pace = pace.unwrap_or(PACE).min(LONGEST);
        for trial in self.known.values_mut() {
            trial.is_there = false;
        }
    }

    /// Records that a difference exists, and returns what to do about it.
    pub(super) fn meet(&mut self, key: &Key, repairs: bool, now: Timestamp) -> Turn {
        let is_new = !self.known.contains_key(key);
        let new = Trial { again: now, attempts: 0, is_there: true, until: now };
        let trial = self.known.entry(key.clone()).or_insert(new);
        trial.is_there = true;
        match (repairs, is_new) {
            (true, _) if trial.again <= now => Turn::Repair,
            (false, true) => Turn::Report,
            (true | false, _) => Turn::Wait,
        }
    }

    /// Records an attempt to repair. Returns true on the second attempt: time to report that repairs do not last.
    pub(super) fn tried(&mut self, key: &Key, is_done: bool, now: Timestamp) -> bool {
        let Some(trial) = self.known.get_mut(key) else { return false };
        trial.attempts = trial.attempts.saturating_add(1);
        // The first two repairs follow the pace of the audits; after that, the interval doubles each time.
        let factor = 2_i32.saturating_pow(trial.attempts.saturating_sub(2));
        let wait = match trial.attempts {
            1 => SignedDuration::ZERO,
            _ => self.pace.checked_mul(factor).map_or(LONGEST, |wait| wait.min(LONGEST)),
        };
        let later = |wait: SignedDuration| now.checked_add(wait).unwrap_or(Timestamp::MAX);
        trial.again = later(wait);
        trial.until = later(wait.max(self.pace).checked_mul(2).unwrap_or(LONGEST));
        trial.is_there = !is_done;
        trial.attempts == 2
    }

    /// Ends an audit; returns how many differences exist. One that is gone is remembered for a while, so that a
    /// difference that comes and goes is not repaired at the first pace again.
    pub(super) fn end(&mut self, now: Timestamp) -> u64 {
        self.known.retain(|_, trial| trial.is_there || trial.until > now);
        let present = self.known.values().filter(|trial| trial.is_there).count();
        u64::try_from(present).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: u64 = 60;

    fn key() -> Key {
        Key("tea@conference.example.org".parse().unwrap(), "password.required", None)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Runs an audit each minute; the difference exists when `is_there` says so. Returns the minutes of repairs, and
    /// those in which it was reported that repairs do not last.
    fn run(minutes: i64, is_there: impl Fn(i64) -> bool) -> (Vec<i64>, Vec<i64>) {
        let (mut trials, mut repaired, mut said) = (Trials::default(), Vec::new(), Vec::new());
        for minute in 0..minutes {
            let now = at(minute.saturating_mul(60));
            trials.begin("1", Some(Duration::from_secs(PACE)));
            if is_there(minute) && trials.meet(&key(), true, now) == Turn::Repair {
                repaired.push(minute);
                if trials.tried(&key(), true, now) {
                    said.push(minute);
                }
            }
            trials.end(now);
        }
        (repaired, said)
    }

    #[test]
    fn what_does_not_last_is_repaired_more_and_more_rarely_and_said_once() {
        let (repaired, said) = run(400, |_| true);
        assert_eq!(repaired, [0, 1, 2, 4, 8, 16, 32, 64, 124, 184, 244, 304, 364]);
        assert_eq!(said, [1]);
    }

    #[test]
    fn what_comes_and_goes_is_no_news_each_time() {
        let (repaired, said) = run(60, |minute| minute % 2 == 0);
        assert_eq!(repaired, [0, 2, 4, 6, 10, 18, 34]);
        let (repaired, said_of_two) = run(60, |minute| minute == 5 || minute == 50);
        assert_eq!((repaired, said_of_two.len()), (vec![5, 50], 0));
        assert_eq!(said, [2]);
    }

    #[test]
    fn what_is_not_repaired_is_reported_once_while_it_lasts() {
        let (mut trials, mut turns) = (Trials::default(), Vec::new());
        for second in 0..4 {
            trials.begin("1", None);
            if second != 2 {
                turns.push(trials.meet(&key(), false, at(second)));
            }
            assert_eq!(trials.end(at(second)), u64::from(second != 2));
        }
        assert_eq!(turns, [Turn::Report, Turn::Wait, Turn::Report]);
        assert_eq!(trials.known.len(), 1);
        assert!(!trials.tried(&key(), true, at(4)));
        assert_eq!(trials.end(at(4)), 0, "it was repaired");
    }

    #[test]
    fn under_another_policy_all_is_new() {
        let mut trials = Trials::default();
        trials.begin("1", None);
        assert_eq!(trials.meet(&key(), false, at(0)), Turn::Report);
        trials.begin("2", None);
        assert_eq!(trials.meet(&key(), false, at(0)), Turn::Report);
    }
}
