//! Metrics of decisions. Every label value comes from the program, none from a stanza.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::registry::Watch;
use crate::metrics::{Counter, Family, Labels, metrics, zeroed};
use crate::policy::attempt::{Action, Kind};
use crate::policy::class::Class;
use crate::policy::denial::Denial;
use crate::policy::rules::family::family_of;
use crate::policy::verdict::{Decision, Verdict};

metrics! {
    /// Metrics of the policy engine.
    pub struct DeskMetrics {
        /// Decisions, by what was tried, the verdict and the class of the requester
        decisions: Family<Labels<3>, Counter> = "vestibule_decisions";
        /// Decisions, by the family of the rule that they rest on
        by_rule: Family<Labels<2>, Counter> = "vestibule_decisions_by_rule";
        /// Decisions that would differ if the observed rules were enforced
        observed: Family<Labels<1>, Counter> = "vestibule_decisions_observed", by_verdict();
        /// Events in which gates acted without an answer, or could not carry one out
        gate_events: Family<Labels<1>, Counter> = "vestibule_gate_deeds", zeroed(GateEvent::ALL.map(GateEvent::label));
        /// Rooms looked at because they changed or their time had come
        room_looks: Family<Labels<1>, Counter> = "vestibule_room_looks", zeroed(Watch::ALL.map(Watch::label));
        /// Decisions, by verdict
        verdicts: Family<Labels<1>, Counter>;
        /// Attempts that gates refused or let through because nobody answered
        without_answer: Counter;
        /// Affiliations set by the focus that were denied (jicofo's `enable-auto-owner`)
        elections: Counter;
    }
}

names! {
    /// What a gate did without an answer from the component.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum GateEvent {
        /// Refused an attempt, because nobody answered.
        Refused = "refused",
        /// Let an attempt through, because nobody answered: it fails open.
        FailedOpen = "failed-open",
        /// Failed to carry out an answer or a command.
        Failed = "failed",
    }
}

impl GateEvent {
    fn label(self) -> Labels<1> {
        [("deed", self.name())]
    }

    /// Returns the event that a gate's report names (`docs/protocol.md`); any other name counts as failed.
    pub fn of(event: &str) -> Self {
        match event {
            "refused" => Self::Refused,
            "opened-failing" => Self::FailedOpen,
            _ => Self::Failed,
        }
    }
}

/// Decisions by verdict, for `status`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Tally {
    /// Attempts that were allowed.
    pub allow: u64,
    /// Attempts that were sent to the lobby.
    pub hold: u64,
    /// Attempts that were answered by asking for a password.
    pub prompt: u64,
    /// Attempts that were denied.
    pub deny: u64,
    /// Attempts that a gate refused or let through, because nobody answered.
    pub by_gate: u64,
    /// Affiliations set by the focus that were denied (jicofo's `enable-auto-owner`).
    #[serde(default)]
    pub elections: u64,
    /// Verdicts of the observed rules, where they differ.
    #[serde(default)]
    pub would: Would,
}

/// Decisions by the verdict that the observed rules would have given, where it differs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Would {
    /// Attempts that would have been allowed.
    pub allow: u64,
    /// Attempts that would have been sent to the lobby.
    pub hold: u64,
    /// Attempts that would have been answered by asking for a password.
    pub prompt: u64,
    /// Attempts that would have been denied.
    pub deny: u64,
}

impl Would {
    /// Returns whether any verdict would have been different.
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

/// Number of rules for which memory is reserved at the start; there are fewer.
const RULES: usize = 256;

/// Counts decisions and gate events.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Metrics of the policy engine.
    pub metrics: DeskMetrics,
    /// Denials and wrong passwords by rule, for the page: the metrics count only the rule's family.
    denials: HashMap<&'static str, u64>,
}

impl Default for Counted {
    fn default() -> Self {
        Self { metrics: DeskMetrics::default(), denials: HashMap::with_capacity(RULES) }
    }
}

impl Counted {
    /// Counts a decision.
    pub fn decision(&mut self, action: &Action, decision: &Decision) {
        let Decision { verdict, class, rule, .. } = decision;
        let metrics = &self.metrics;
        metrics.decisions.get_or_create(&labels(action.kind(), *verdict, *class)).inc();
        let of_rule = [("family", family_of(rule.name)), ("verdict", verdict.name())];
        metrics.by_rule.get_or_create(&of_rule).inc();
        metrics.verdicts.get_or_create(&by(*verdict)).inc();
        let would = decision.would.as_ref().map(|would| would.verdict);
        if let Some(would) = would.filter(|would| would != verdict) {
            metrics.observed.get_or_create(&by(would)).inc();
        }
        if *verdict == Verdict::Deny || decision.denial == Some(Denial::PasswordWrong) {
            let denials = self.denials.entry(rule.name).or_default();
            *denials = denials.saturating_add(1);
        }
    }

    /// Counts a report of a gate that concerns this many attempts.
    pub fn gate_event(&self, event: GateEvent, attempts: u64) {
        self.metrics.gate_events.get_or_create(&event.label()).inc();
        self.metrics.without_answer.inc_by(attempts);
    }

    /// Returns the number of joins that ended with this verdict.
    pub fn joins(&self, verdict: Verdict) -> u64 {
        let by_class = Class::ALL.map(|class| labels(Kind::Join, verdict, class));
        let count = |labels| self.metrics.decisions.get(labels).map_or(0, |count| count.get());
        by_class.iter().map(count).fold(0, u64::saturating_add)
    }

    /// Returns the number of denials and wrong passwords since the start, by rule.
    pub const fn denials(&self) -> &HashMap<&'static str, u64> {
        &self.denials
    }

    /// Returns the counts that `status` shows.
    pub fn tally(&self) -> Tally {
        let metrics = &self.metrics;
        let of = |verdict| count(&metrics.verdicts, verdict);
        let would = |verdict| count(&metrics.observed, verdict);
        Tally {
            allow: of(Verdict::Allow),
            hold: of(Verdict::Hold),
            prompt: of(Verdict::Prompt),
            deny: of(Verdict::Deny),
            by_gate: metrics.without_answer.get(),
            elections: metrics.elections.get(),
            would: Would {
                allow: would(Verdict::Allow),
                hold: would(Verdict::Hold),
                prompt: would(Verdict::Prompt),
                deny: would(Verdict::Deny),
            },
        }
    }
}

fn labels(kind: Kind, verdict: Verdict, class: Class) -> Labels<3> {
    [("kind", kind.name()), ("verdict", verdict.name()), ("class", class.name())]
}

fn by(verdict: Verdict) -> Labels<1> {
    [("verdict", verdict.name())]
}

fn by_verdict() -> Family<Labels<1>, Counter> {
    zeroed(Verdict::ALL.map(by))
}

fn count(family: &Family<Labels<1>, Counter>, verdict: Verdict) -> u64 {
    family.get(&by(verdict)).map_or(0, |count| count.get())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::attempt::Credential;
    use crate::policy::verdict::Rule;

    #[test]
    fn decisions_are_counted_by_kind_verdict_class_and_rule() {
        let mut counted = Counted::default();
        let mut count = |action: &Action, verdict, class, rule| {
            let rule = Rule::new(rule, 0);
            counted.decision(action, &Decision { verdict, class, rule, ..decision() });
        };
        let join = Action::Join { credential: Credential::None };
        count(&join, Verdict::Deny, Class::Guest, "access.enter");
        count(&join, Verdict::Deny, Class::Guest, "access.enter");
        count(&join, Verdict::Deny, Class::Account, "ban");
        count(&Action::Destroy, Verdict::Allow, Class::Operator, "access.enter");
        counted.gate_event(GateEvent::of("opened-failing"), 3);
        let decisions = |labels| counted.metrics.decisions.get(&labels).map(|count| count.get());
        assert_eq!(decisions(labels(Kind::Join, Verdict::Deny, Class::Guest)), Some(2));
        assert_eq!(decisions(labels(Kind::Destroy, Verdict::Allow, Class::Operator)), Some(1));
        assert_eq!(decisions(labels(Kind::Destroy, Verdict::Deny, Class::Operator)), None);
        assert_eq!(counted.joins(Verdict::Deny), 3);
        let denials = counted.denials();
        assert_eq!((denials.len(), denials["access.enter"], denials["ban"]), (2, 2, 1));
        let tally = counted.tally();
        assert_eq!((tally.allow, tally.deny, tally.by_gate, tally.would.any()), (1, 3, 3, false));
        let of_rule = [("family", "access"), ("verdict", "deny")];
        assert_eq!(counted.metrics.by_rule.get(&of_rule).map(|count| count.get()), Some(2));
        let failed_open = GateEvent::FailedOpen.label();
        let events = &counted.metrics.gate_events;
        assert_eq!(events.get(&failed_open).map(|count| count.get()), Some(1));
    }

    fn decision() -> Decision {
        crate::policy::decide::decide(
            &crate::policy::Policy::default(),
            &crate::policy::Policy::default().base,
            &crate::policy::attempt::Attempt::default(),
            &crate::policy::attempt::RoomView::default(),
            &crate::policy::attempt::Pressure::default(),
            jiff::Timestamp::UNIX_EPOCH,
        )
    }
}
