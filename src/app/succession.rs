//! Seeing to rooms that have lost their last moderator, and to people whom nobody lets in.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jid::BareJid;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::clock::now;
use super::{Shared, rooms};
use crate::component::headless::{effects, plan_again, plans};
use crate::policy::succession::{Plan, Remedy};
use crate::wire::room::LiveRoom;

/// How often we look.
const LOOK: Duration = Duration::from_secs(1);
/// Rooms that are seen to at the same time; the others have their turn a moment later.
const AT_ONCE: usize = 50;
/// What was done shows in the gate's reports before that.
const SETTLED: SignedDuration = SignedDuration::from_secs(5);
/// The longest time between two attempts at a room that cannot be helped.
const LONGEST: SignedDuration = SignedDuration::from_mins(5);

/// Watches until aborted.
pub(super) async fn watch(shared: Shared) {
    let mut trials = Trials::default();
    let mut running = JoinSet::new();
    let mut beat = interval(LOOK);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            Some(ended) = running.join_next() => {
                if let Ok((room, outcome)) = ended {
                    trials.ended(&room, outcome, now());
                }
                continue;
            }
        }
        if !shared.link.is_up() {
            continue;
        }
        let due = plans(&shared.desk(), now());
        trials.keep(&due);
        for (room, plan) in due {
            if running.len() < AT_ONCE && trials.start(&room, &plan, now()) {
                let shared = shared.clone();
                running.spawn(async move {
                    let outcome = carry_out(&shared, &room, &plan).await;
                    (room, outcome)
                });
            }
        }
    }
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is done, and has so long to take effect.
    Done(SignedDuration),
    /// Nothing can be done.
    Nobody,
    /// It was not done.
    Failed,
}

/// One room in which something is due.
#[derive(Clone, Copy, Debug)]
struct Trial {
    /// Not before then; `None`: it is being seen to.
    again: Option<Timestamp>,
    /// How often something was tried since something is due.
    attempts: u32,
    /// Nothing can be done, and that was said.
    is_told: bool,
}

/// The rooms in which something is due: no others, so they never grow beyond those that are there.
#[derive(Debug, Default)]
struct Trials(HashMap<BareJid, Trial>);

impl Trials {
    /// Forgets the rooms in which nothing is due any more.
    fn keep(&mut self, due: &[(BareJid, Plan)]) {
        let due: HashSet<_> = due.iter().map(|(room, _)| room).collect();
        self.0.retain(|room, trial| trial.again.is_none() || due.contains(room));
    }

    /// Whether it is time to see to a room; from then on it is being seen to.
    fn start(&mut self, room: &BareJid, plan: &Plan, now: Timestamp) -> bool {
        let new = Trial { again: Some(now), attempts: 0, is_told: false };
        let trial = self.0.entry(room.clone()).or_insert(new);
        let is_said = trial.is_told && plan.remedy == Remedy::Nobody;
        let is_time = trial.again.is_some_and(|again| again <= now) && !is_said;
        if is_time {
            trial.again = None;
        }
        is_time
    }

    fn ended(&mut self, room: &BareJid, outcome: Outcome, now: Timestamp) {
        let Some(trial) = self.0.get_mut(room) else { return };
        trial.is_told = outcome == Outcome::Nobody;
        trial.attempts = trial.attempts.saturating_add(1);
        // What does not help is not repeated for ever at the same pace, done or not.
        let longer = SignedDuration::from_secs(1).checked_mul(2_i32.saturating_pow(trial.attempts));
        let longer = longer.map_or(LONGEST, |wait| wait.min(LONGEST));
        let wait = match outcome {
            Outcome::Done(wait) => wait.max(longer),
            Outcome::Nobody => SignedDuration::ZERO,
            Outcome::Failed => longer,
        };
        trial.again = Some(now.checked_add(wait).unwrap_or(Timestamp::MAX));
    }
}

/// Does what the plan says, if that is still what the room needs when its gate is asked.
async fn carry_out(shared: &Shared, room: &BareJid, plan: &Plan) -> Outcome {
    let person = match &plan.remedy {
        Remedy::Promote(jid) | Remedy::Admit(jid) => Some(jid),
        Remedy::Refuse(_) => None,
        Remedy::Nobody => {
            write_down(shared, room, plan);
            return Outcome::Nobody;
        }
    };
    let done = Mutex::new(None);
    let make = |live: &LiveRoom| {
        let again = plan_again(&mut shared.desk(), live, person, now());
        // Of another person it is not known what the room remembers.
        let again = again.filter(|again| again.is_about(person));
        let effects = again.as_ref().map(|plan| effects(&plan.remedy, live.person));
        *done.lock().unwrap_or_else(PoisonError::into_inner) = again;
        (effects.unwrap_or_default(), Vec::new())
    };
    let result = rooms::apply(shared, room, person, make).await;
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    match (result, done) {
        (Ok(()), Some(plan)) => {
            write_down(shared, room, &plan);
            match plan.remedy {
                Remedy::Nobody => Outcome::Nobody,
                // He is invited, and has to come.
                Remedy::Admit(_) => Outcome::Done(patience(shared, room)),
                Remedy::Promote(_) | Remedy::Refuse(_) => Outcome::Done(SETTLED),
            }
        }
        (Ok(()), None) => Outcome::Failed,
        (Err(error), _) => {
            tracing::warn!(room = room.as_str(), %error, "a room without a moderator could not be helped");
            Outcome::Failed
        }
    }
}

fn patience(shared: &Shared, room: &BareJid) -> SignedDuration {
    let desk = shared.desk();
    let rules = desk.live().rules(desk.policy(), Some(room));
    SignedDuration::try_from(rules.lobby.rescue_after.value).unwrap_or(LONGEST)
}

fn write_down(shared: &Shared, room: &BareJid, plan: &Plan) {
    let (done, people) = match &plan.remedy {
        Remedy::Promote(jid) => ("promoted", std::slice::from_ref(jid)),
        Remedy::Admit(jid) => ("admitted", std::slice::from_ref(jid)),
        Remedy::Refuse(all) => ("refused", all.as_slice()),
        Remedy::Nobody => ("nothing", [].as_slice()),
    };
    let people: Vec<&str> = people.iter().map(|jid| jid.as_str()).collect();
    let (rule, line) = (plan.rule.name, plan.rule.line);
    tracing::warn!(
        room = room.as_str(),
        done,
        people = people.join(", "),
        rule,
        line,
        "no moderator is in the room"
    );
    let mut details = Map::new();
    details.insert("done".to_owned(), Value::from(done));
    details.insert("people".to_owned(), Value::from(people));
    details.insert("rule".to_owned(), Value::from(rule));
    details.insert("line".to_owned(), Value::from(line));
    shared.desk().audit().event("no-moderator", room.as_str(), details, now());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::verdict::Rule;

    fn plan(remedy: Remedy) -> Plan {
        Plan { rule: Rule::new("lobby.rescue", 0), remedy }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn tea() -> BareJid {
        "tea@conference.example.org".parse().unwrap()
    }

    #[test]
    fn what_fails_is_tried_again_later_and_later() {
        let (mut trials, refuse) = (Trials::default(), plan(Remedy::Refuse(Vec::new())));
        let mut times = Vec::new();
        for second in 0..1000 {
            if trials.start(&tea(), &refuse, at(second)) {
                assert!(!trials.start(&tea(), &refuse, at(second)), "it is being seen to");
                trials.ended(&tea(), Outcome::Failed, at(second));
                times.push(second);
            }
        }
        assert_eq!(times, [0, 2, 6, 14, 30, 62, 126, 254, 510, 810]);
    }

    #[test]
    fn that_nothing_can_be_done_is_said_once() {
        let (mut trials, nobody) = (Trials::default(), plan(Remedy::Nobody));
        assert!(trials.start(&tea(), &nobody, at(0)));
        trials.ended(&tea(), Outcome::Nobody, at(0));
        assert!(!trials.start(&tea(), &nobody, at(1000)));
        let promote = plan(Remedy::Promote("ann@example.org".parse().unwrap()));
        assert!(trials.start(&tea(), &promote, at(1000)), "somebody came");
    }

    #[test]
    fn a_room_in_which_nothing_is_due_is_forgotten() {
        let (mut trials, nobody) = (Trials::default(), plan(Remedy::Nobody));
        trials.start(&tea(), &nobody, at(0));
        trials.keep(&[]);
        assert_eq!(trials.0.len(), 1, "it is being seen to");
        trials.ended(&tea(), Outcome::Nobody, at(0));
        trials.keep(&[(tea(), nobody)]);
        assert_eq!(trials.0.len(), 1);
        trials.keep(&[]);
        assert!(trials.0.is_empty());
    }
}
