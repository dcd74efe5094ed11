//! Tests of a policy: attempts, and how they have to end.

mod coverage;
mod junit;

use std::sync::Arc;

use jiff::Timestamp;

pub use self::coverage::Coverage;
pub use self::junit::junit;
use crate::config::{Described, DescribedError, Effect, Expected, Trial};
use crate::policy::attempt::{Affiliation, Attempt, Role, RoomView};
use crate::policy::explain::{Explanation, explain};
use crate::policy::facts::Facts;
use crate::policy::pressure::Pressure;
use crate::policy::verdict::{Decision, Effects};
use crate::policy::{Policy, Rules};

/// A described attempt, decided.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The attempt.
    pub attempt: Attempt,
    /// The room.
    pub room: RoomView,
    /// The rules for it.
    pub rules: Arc<Rules>,
    /// The decision, and what would have changed it.
    pub explanation: Explanation,
}

impl Tried {
    /// Decides a described attempt.
    ///
    /// # Errors
    /// When the description cannot be understood.
    pub fn new(
        policy: &Policy,
        described: &Described,
        now: Timestamp,
    ) -> Result<Self, DescribedError> {
        let (attempt, room) = (described.attempt()?, described.view(now));
        let rules = policy.rules_of(&attempt, &room, now);
        let pressure = Pressure::default();
        let explanation = explain(policy, &rules, &attempt, &room, &pressure, now);
        Ok(Self { attempt, room, rules, explanation })
    }

    /// Returns what the decision rested on.
    pub fn facts(&self, policy: &Policy) -> Facts<'_> {
        Facts::of(policy, &self.rules, &self.attempt, &self.room, &Pressure::default())
    }
}

/// The result of one test.
#[derive(Clone, Debug)]
pub struct Outcome<'a> {
    /// The test.
    pub trial: &'a Trial,
    /// The attempt, decided; an error where it cannot be understood.
    pub tried: Result<Tried, DescribedError>,
    /// What is not as expected: what, what was expected, what was found. Empty: all is well.
    pub wrong: Vec<(String, String, String)>,
}

/// Runs every test; `now` is the time of those that give none.
pub fn run<'a>(
    policy: &Policy,
    trials: &'a [Trial],
    now: Timestamp,
) -> (Vec<Outcome<'a>>, Coverage) {
    let mut coverage = Coverage::of(policy);
    let outcomes = trials.iter().map(|trial| {
        let tried = Tried::new(policy, &trial.attempt, trial.at.unwrap_or(now));
        let wrong = match &tried {
            Ok(tried) => {
                coverage.reached(policy, tried);
                compare(&trial.expected, &tried.explanation.decision)
            }
            Err(error) => vec![("attempt".to_owned(), "one".to_owned(), error.to_string())],
        };
        Outcome { trial, tried, wrong }
    });
    (outcomes.collect(), coverage)
}

fn compare(expected: &Expected, decision: &Decision) -> Vec<(String, String, String)> {
    let Expected { verdict, rule, denial, class, effects } = expected;
    let mut wrong = Vec::new();
    let mut same = |what: &str, expected: &str, found: &str| {
        if expected != found {
            wrong.push((what.to_owned(), expected.to_owned(), found.to_owned()));
        }
    };
    same("verdict", verdict.name(), decision.verdict.name());
    if let Some(rule) = rule {
        same("rule", rule, decision.rule.name);
    }
    if let Some(denial) = denial {
        same("denial", denial, decision.denial.map_or("none", |denial| denial.code()));
    }
    if let Some(class) = class {
        same("class", class.name(), decision.class.name());
    }
    for (effect, expected) in effects {
        let found = follows(*effect, &decision.effects);
        same(effect.name(), &expected.to_string(), &found.to_string());
    }
    wrong
}

fn follows(effect: Effect, effects: &Effects) -> bool {
    match effect {
        Effect::Moderator => {
            effects.role == Some(Role::Moderator) || effects.affiliation >= Some(Affiliation::Admin)
        }
        Effect::Password => effects.password.is_some(),
        Effect::Lobby => effects.lobby == Some(true),
        Effect::MembersOnly => effects.members_only == Some(true),
        Effect::Hidden => effects.hidden == Some(true),
        Effect::Persistent => effects.persistent == Some(true),
    }
}
