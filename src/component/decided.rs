//! Decisions by kind, verdict, class and rule: sets that only the program makes larger, never what somebody sends.

use std::collections::HashMap;

use crate::policy::attempt::Action;
use crate::policy::class::Class;
use crate::policy::verdict::{Decision, Verdict};

/// The kinds of attempts, by name.
const KINDS: [&str; 14] = [
    "request",
    "open",
    "join",
    "configure",
    "affiliation",
    "role",
    "destroy",
    "invite",
    "knock",
    "rename",
    "command",
    "record",
    "dial",
    "unknown",
];
const VERDICTS: [Verdict; 4] = [Verdict::Allow, Verdict::Hold, Verdict::Prompt, Verdict::Deny];
/// Rules that are made room for before the first decision; there are fewer.
const RULES: usize = 256;

/// How many decisions there were of each sort since the start.
#[derive(Clone, Debug)]
pub struct Decided {
    counts: [[[u64; Class::ALL.len()]; VERDICTS.len()]; KINDS.len()],
    rules: HashMap<&'static str, [u64; VERDICTS.len()]>,
    by_gate: [u64; GateDeed::ALL.len()],
}

/// What a gate did by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateDeed {
    /// Refused somebody, because nobody answered.
    Refused,
    /// Let somebody through, because nobody answered: it fails open.
    FailedOpen,
    /// Could not do what it was told.
    Failed,
}

impl GateDeed {
    /// Each.
    pub const ALL: [Self; 3] = [Self::Refused, Self::FailedOpen, Self::Failed];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::FailedOpen => "failed-open",
            Self::Failed => "failed",
        }
    }

    /// The deed of that event of a gate (`docs/protocol.md`).
    pub fn of(event: &str) -> Self {
        match event {
            "refused" => Self::Refused,
            "opened-failing" => Self::FailedOpen,
            _ => Self::Failed,
        }
    }
}

impl Default for Decided {
    fn default() -> Self {
        Self {
            counts: Default::default(),
            rules: HashMap::with_capacity(RULES),
            by_gate: Default::default(),
        }
    }
}

impl Decided {
    /// Counts a decision. Allocates nothing.
    pub fn count(&mut self, action: &Action, decision: &Decision) {
        let kind = KINDS.iter().position(|kind| *kind == action.name());
        let class = Class::ALL.iter().position(|class| *class == decision.class);
        let Some(verdict) = VERDICTS.iter().position(|it| *it == decision.verdict) else { return };
        if let (Some(kind), Some(class)) = (kind, class) {
            let by_verdict = self.counts.get_mut(kind).and_then(|it| it.get_mut(verdict));
            increase(by_verdict.and_then(|it| it.get_mut(class)));
        }
        increase(self.rules.entry(decision.rule.name).or_default().get_mut(verdict));
    }

    /// Counts what a gate did by itself.
    pub fn by_gate(&mut self, deed: GateDeed) {
        increase(self.by_gate.get_mut(deed as usize));
    }

    /// Kind, verdict and class of every sort that there was, and how many.
    pub fn sorts(&self) -> impl Iterator<Item = ([&'static str; 3], u64)> {
        let sorts = KINDS.iter().zip(&self.counts).flat_map(|(kind, verdicts)| {
            VERDICTS.iter().zip(verdicts).flat_map(|(verdict, classes)| {
                Class::ALL
                    .iter()
                    .zip(classes)
                    .map(|(class, count)| ([*kind, verdict.name(), class.name()], *count))
            })
        });
        sorts.filter(|(_, count)| *count > 0)
    }

    /// How many decisions of this kind ended so.
    pub fn of(&self, kind: &str, verdict: Verdict) -> u64 {
        let sorts =
            self.sorts().filter(|([is, ends, _], _)| *is == kind && *ends == verdict.name());
        sorts.map(|(_, count)| count).fold(0, u64::saturating_add)
    }

    /// Each rule that decided anything: how often each verdict was its.
    pub fn rules(&self) -> impl Iterator<Item = (&'static str, Verdict, u64)> {
        let all = self.rules.iter().flat_map(|(rule, counts)| {
            VERDICTS.into_iter().zip(counts).map(|(verdict, count)| (*rule, verdict, *count))
        });
        all.filter(|(.., count)| *count > 0)
    }

    /// What gates did by themselves.
    pub fn gates(&self) -> impl Iterator<Item = (GateDeed, u64)> {
        GateDeed::ALL.into_iter().zip(self.by_gate)
    }
}

fn increase(count: Option<&mut u64>) {
    if let Some(count) = count {
        *count = count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::attempt::Credential;
    use crate::policy::verdict::Rule;

    #[test]
    fn decisions_are_counted_by_sort_and_by_rule() {
        let mut decided = Decided::default();
        let mut count = |action: &Action, verdict, class, rule| {
            let rule = Rule::new(rule, 0);
            let decision = Decision { verdict, class, rule, ..decision() };
            decided.count(action, &decision);
        };
        let join = Action::Join { credential: Credential::None };
        count(&join, Verdict::Deny, Class::Guest, "access.enter");
        count(&join, Verdict::Deny, Class::Guest, "access.enter");
        count(&join, Verdict::Deny, Class::Account, "ban");
        count(&Action::Destroy, Verdict::Allow, Class::Operator, "access.enter");
        decided.by_gate(GateDeed::of("opened-failing"));
        let sorts: Vec<_> = decided.sorts().collect();
        assert_eq!(
            sorts,
            [
                (["join", "deny", "account"], 1),
                (["join", "deny", "guest"], 2),
                (["destroy", "allow", "operator"], 1),
            ]
        );
        assert_eq!(decided.of("join", Verdict::Deny), 3);
        let mut rules: Vec<_> = decided.rules().collect();
        rules.sort_by_key(|(rule, _, count)| (*rule, *count));
        assert_eq!(
            rules,
            [
                ("access.enter", Verdict::Allow, 1),
                ("access.enter", Verdict::Deny, 2),
                ("ban", Verdict::Deny, 1)
            ]
        );
        let gates: Vec<_> = decided.gates().collect();
        let expected = [(GateDeed::Refused, 0), (GateDeed::FailedOpen, 1), (GateDeed::Failed, 0)];
        assert_eq!(gates, expected);
    }

    #[test]
    fn every_kind_of_attempt_has_its_place() {
        for action in
            [Action::Request, Action::Destroy, Action::Rename, Action::Dial, Action::Unknown]
        {
            assert!(KINDS.contains(&action.name()), "{}", action.name());
        }
    }

    fn decision() -> Decision {
        crate::policy::decide::decide(
            &crate::policy::rules::Policy::default(),
            &crate::policy::rules::Policy::default().base,
            &crate::policy::attempt::Attempt::default(),
            &crate::policy::attempt::RoomView::default(),
            &crate::policy::pressure::Pressure::default(),
            jiff::Timestamp::UNIX_EPOCH,
        )
    }
}
