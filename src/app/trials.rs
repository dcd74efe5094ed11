//! Rooms in which something is due: what fails is tried again later and later.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use crate::jid::BareJid;

/// The longest time between two attempts at a room that cannot be helped.
pub(super) const LONGEST: SignedDuration = SignedDuration::from_mins(5);

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
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
pub(super) struct Trials(HashMap<BareJid, Trial>);

impl Trials {
    /// Forgets the rooms in which nothing is due any more.
    pub(super) fn keep<'a>(&mut self, due: impl Iterator<Item = &'a BareJid>) {
        let due: HashSet<_> = due.collect();
        self.0.retain(|room, trial| trial.again.is_none() || due.contains(room));
    }

    /// Whether it is time to see to a room; from then on it is being seen to. `is_hopeless`: nothing can be
    /// done, which is said once.
    pub(super) fn start(&mut self, room: &BareJid, is_hopeless: bool, now: Timestamp) -> bool {
        let new = Trial { again: Some(now), attempts: 0, is_told: false };
        let trial = self.0.entry(room.clone()).or_insert(new);
        let is_said = trial.is_told && is_hopeless;
        let is_time = trial.again.is_some_and(|again| again <= now) && !is_said;
        if is_time {
            trial.again = None;
        }
        is_time
    }

    pub(super) fn ended(&mut self, room: &BareJid, outcome: Outcome, now: Timestamp) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn tea() -> BareJid {
        "tea@conference.example.org".parse().unwrap()
    }

    #[test]
    fn what_fails_is_tried_again_later_and_later() {
        let mut trials = Trials::default();
        let mut times = Vec::new();
        for second in 0..1000 {
            if trials.start(&tea(), false, at(second)) {
                assert!(!trials.start(&tea(), false, at(second)), "it is being seen to");
                trials.ended(&tea(), Outcome::Failed, at(second));
                times.push(second);
            }
        }
        assert_eq!(times, [0, 2, 6, 14, 30, 62, 126, 254, 510, 810]);
    }

    #[test]
    fn that_nothing_can_be_done_is_said_once() {
        let mut trials = Trials::default();
        assert!(trials.start(&tea(), true, at(0)));
        trials.ended(&tea(), Outcome::Nobody, at(0));
        assert!(!trials.start(&tea(), true, at(1000)));
        assert!(trials.start(&tea(), false, at(1000)), "somebody came");
    }

    #[test]
    fn a_room_in_which_nothing_is_due_is_forgotten() {
        let mut trials = Trials::default();
        trials.start(&tea(), true, at(0));
        trials.keep([].into_iter());
        assert_eq!(trials.0.len(), 1, "it is being seen to");
        trials.ended(&tea(), Outcome::Nobody, at(0));
        trials.keep([tea()].iter());
        assert_eq!(trials.0.len(), 1);
        trials.keep([].into_iter());
        assert!(trials.0.is_empty());
    }
}
