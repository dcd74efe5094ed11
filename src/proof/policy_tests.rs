//! Policy tests: described attempts with the decisions that are expected.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use quick_xml::Writer;
use quick_xml::events::BytesText;

use crate::config::{Described, DescribedError, Effect, Expected, Trial};
use crate::policy::attempt::{Affiliation, Attempt, Pressure, Role, RoomView};
use crate::policy::facts::{Explanation, Facts, explain};
use crate::policy::rules::family::Change;
use crate::policy::rules::{SWITCHES, Trait};
use crate::policy::verdict::{Decision, Effects};
use crate::policy::{Policy, Rules};

/// A described attempt with the decision on it.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The attempt that was described.
    pub attempt: Attempt,
    /// State of the room that the attempt is about.
    pub room: RoomView,
    /// Rules that apply to the attempt.
    pub rules: Arc<Rules>,
    /// The decision, and which changes would have led to another.
    pub explanation: Explanation,
}

impl Tried {
    /// Decides a described attempt as of `now`.
    ///
    /// # Errors
    /// When the description is not a valid attempt.
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

    /// Returns the facts on which the decision is based.
    pub fn facts(&self, policy: &Policy) -> Facts<'_> {
        Facts::of(policy, &self.rules, &self.attempt, &self.room, &Pressure::default())
    }
}

/// The result of one test.
#[derive(Clone, Debug)]
pub struct Outcome<'a> {
    /// The test that was run.
    pub trial: &'a Trial,
    /// The decided attempt, or why its description is invalid.
    pub tried: Result<Tried, DescribedError>,
    /// Differences, each with the aspect, the expected and the actual value; empty: the test has passed.
    pub wrong: Vec<(String, String, String)>,
}

/// Runs every test and measures its coverage of the policy; `now` is the time of tests that give none.
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
        Effect::Code => effects.code.is_some(),
        Effect::Lobby => effects.lobby == Some(true),
        Effect::MembersOnly => effects.members_only == Some(true),
        Effect::Hidden => effects.hidden == Some(true),
        Effect::Persistent => effects.persistent == Some(true),
    }
}

/// The family of rules on single room settings, which test attempts do not describe.
const SETTINGS: &str = "settings";

/// The rules and overrides of a policy, and which of them the tests have reached.
#[derive(Clone, Debug)]
pub struct Coverage {
    rules: BTreeMap<&'static str, bool>,
    overrides: Vec<(String, u32, bool)>,
}

impl Coverage {
    /// Returns the coverage before any test. A rule counts if switching it off would change the policy.
    pub fn of(policy: &Policy) -> Self {
        let mut all: Vec<&Rules> = vec![&policy.base];
        let mut seen = HashSet::from([Arc::as_ptr(&policy.base)]);
        for one in policy.rooms.iter() {
            if seen.insert(Arc::as_ptr(&one.rules)) {
                all.push(&one.rules);
            }
        }
        let in_force = |off: &Change<Rules>| {
            all.iter().any(|rules| {
                let mut without = (*rules).clone();
                off(&mut without);
                format!("{without:?}") != format!("{rules:?}")
            })
        };
        // With "keep", `settings.persistent` decides instead of `access.persistent`.
        let is_left = all.iter().all(|rules| rules.access.persistent.value.fixed().is_none());
        let rules = SWITCHES
            .iter()
            .filter(|switch| {
                let is_beyond = switch.traits.contains(&Trait::Undescribed)
                    || switch.family() == SETTINGS
                    || (is_left && switch.name == "access.persistent");
                !is_beyond && in_force(&switch.off)
            })
            .map(|switch| (switch.name, false));
        let overrides =
            policy.rooms.iter().map(|one| (one.selector.to_string(), one.line, false)).collect();
        Self { rules: rules.collect(), overrides }
    }

    pub(super) fn reached(&mut self, policy: &Policy, tried: &Tried) {
        if let Some(reached) = self.rules.get_mut(tried.explanation.decision.rule.name) {
            *reached = true;
        }
        for (one, (.., reached)) in policy.rooms.iter().zip(&mut self.overrides) {
            *reached |= Arc::ptr_eq(&one.rules, &tried.rules);
        }
    }

    /// Returns what no test reached: the names of rules, and the patterns of overrides with their line.
    pub fn missed(&self) -> Vec<String> {
        let rules = self.rules.iter().filter(|(_, reached)| !**reached);
        let overrides = self.overrides.iter().filter(|(.., reached)| !reached);
        rules
            .map(|(rule, _)| (*rule).to_owned())
            .chain(overrides.map(|(pattern, line, _)| format!("[[room]] {pattern} (line {line})")))
            .collect()
    }

    /// Returns the number of rules and overrides that tests can reach.
    pub fn all(&self) -> usize {
        self.rules.len().saturating_add(self.overrides.len())
    }

    /// Returns the percentage that was reached, rounded down; 100 if there is nothing to reach.
    pub fn percent(&self) -> usize {
        let reached = self.all().saturating_sub(self.missed().len());
        reached.saturating_mul(100).checked_div(self.all()).unwrap_or(100)
    }
}

/// Returns the outcomes of the tests in `file` as JUnit XML; `policy` is the name of the policy file.
///
/// # Errors
/// Never, unless memory runs out.
pub fn junit(file: &str, policy: &str, outcomes: &[Outcome<'_>]) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 1);
    let count = |wanted: bool| {
        outcomes.iter().filter(|outcome| wanted || !outcome.wrong.is_empty()).count().to_string()
    };
    let (tests, failures) = (count(true), count(false));
    let name = visible(&format!("{file}, by {policy}"));
    let counts = [("name", &*name), ("tests", &tests), ("failures", &failures)];
    writer.create_element("testsuites").with_attributes(counts).write_inner_content(|writer| {
        writer.create_element("testsuite").with_attributes(counts).write_inner_content(
            |writer| outcomes.iter().try_for_each(|outcome| case(writer, file, outcome)),
        )?;
        Ok(())
    })?;
    let mut xml = writer.into_inner();
    xml.push(b'\n');
    Ok(xml)
}

fn case(writer: &mut Writer<Vec<u8>>, file: &str, outcome: &Outcome<'_>) -> io::Result<()> {
    let trial = outcome.trial;
    let (name, file, line) = (visible(&trial.name), visible(file), trial.line.to_string());
    let attributes =
        [("name", &*name), ("classname", &trial.attempt.what), ("file", &file), ("line", &line)];
    let element = writer.create_element("testcase").with_attributes(attributes);
    if outcome.wrong.is_empty() {
        element.write_empty()?;
        return Ok(());
    }
    let told: Vec<String> = outcome
        .wrong
        .iter()
        .map(|(what, expected, found)| format!("{what}: expected {expected}, found {found}"))
        .collect();
    let message = visible(&told.join("; "));
    element.write_inner_content(|writer| {
        let failure = writer.create_element("failure").with_attribute(("message", &*message));
        failure.write_text_content(BytesText::new(&visible(&told.join("\n"))))?;
        Ok(())
    })?;
    Ok(())
}

/// Replaces characters that XML cannot contain (XML 1.0, section 2.2).
fn visible(text: &str) -> String {
    let is_char = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if is_char(c) { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_in_a_policy_that_would_be_another_without_it() {
        let mut policy = Policy::default();
        let has = |policy: &Policy, rule| Coverage::of(policy).rules.contains_key(rule);
        assert!(has(&policy, "lobby.admission") && !has(&policy, "close.at_occupants"));
        let rules = Arc::make_mut(&mut policy.base);
        Arc::make_mut(&mut rules.close).at_occupants.value = 3;
        assert!(has(&policy, "close.at_occupants"));
    }
}
