//! Which rules of a policy its tests have reached.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::Tried;
use crate::policy::rules::{SWITCHES, Trait};
use crate::policy::{Policy, Rules};

/// The family of rules on single settings of a room: an attempt is described without them.
const SETTINGS: &str = "settings";

/// Which rules and overrides of a policy were reached.
#[derive(Clone, Debug)]
pub struct Coverage {
    rules: BTreeMap<&'static str, bool>,
    overrides: Vec<(String, u32, bool)>,
}

impl Coverage {
    /// Of a policy that nobody has tried yet. A rule is in a policy if it would be another without.
    pub fn of(policy: &Policy) -> Self {
        let mut all: Vec<&Rules> = vec![&policy.base];
        let mut seen = HashSet::from([Arc::as_ptr(&policy.base)]);
        for one in policy.rooms.iter() {
            if seen.insert(Arc::as_ptr(&one.rules)) {
                all.push(&one.rules);
            }
        }
        let in_force = |off: fn(&mut Rules)| {
            all.iter().any(|rules| {
                let mut without = (*rules).clone();
                off(&mut without);
                format!("{without:?}") != format!("{rules:?}")
            })
        };
        // With "keep", `settings.persistent` decides.
        let is_left = all.iter().all(|rules| rules.access.persistent.value.fixed().is_none());
        let rules = SWITCHES
            .iter()
            .filter(|switch| {
                let is_beyond = switch.traits.contains(&Trait::Undescribed)
                    || switch.family() == SETTINGS
                    || (is_left && switch.name == "access.persistent");
                !is_beyond && in_force(switch.off)
            })
            .map(|switch| (switch.name, false));
        let overrides =
            policy.rooms.iter().map(|one| (one.selector.to_string(), one.line, false)).collect();
        Self { rules: rules.collect(), overrides }
    }

    /// An attempt was decided.
    pub(super) fn reached(&mut self, policy: &Policy, tried: &Tried) {
        if let Some(reached) = self.rules.get_mut(tried.explanation.decision.rule.name) {
            *reached = true;
        }
        for (one, (.., reached)) in policy.rooms.iter().zip(&mut self.overrides) {
            *reached |= Arc::ptr_eq(&one.rules, &tried.rules);
        }
    }

    /// Returns what no test reached: the names of rules, and of overrides with their line.
    pub fn missed(&self) -> Vec<String> {
        let rules = self.rules.iter().filter(|(_, reached)| !**reached);
        let overrides = self.overrides.iter().filter(|(.., reached)| !reached);
        rules
            .map(|(rule, _)| (*rule).to_owned())
            .chain(overrides.map(|(pattern, line, _)| format!("[[room]] {pattern} (line {line})")))
            .collect()
    }

    /// Returns the number of rules and overrides.
    pub fn all(&self) -> usize {
        self.rules.len().saturating_add(self.overrides.len())
    }

    /// Returns the percentage that was reached, rounded down; 100 where there is none.
    pub fn percent(&self) -> usize {
        let reached = self.all().saturating_sub(self.missed().len());
        reached.saturating_mul(100).checked_div(self.all()).unwrap_or(100)
    }
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
