//! The report of a replay: changed decisions and totals.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::component::decision_record::Would;
use crate::policy::class::Class;
use crate::policy::verdict::{Decision, Verdict};

/// The number of names shown for each total.
const SHOWN: usize = 10;

impl Found {
    /// Formats the finding for the command line, on one to three lines.
    pub fn words(&self) -> String {
        match self {
            Self::Change(change) => change.words(),
            Self::Unexplained { id } => format!("{id}: explained otherwise than decided"),
            Self::Unreadable { text, why } => format!("unreadable: {why}\n  {text}"),
        }
    }
}

impl Change {
    fn words(&self) -> String {
        let Self { at, id, kind, room, jid, then, now } = self;
        let [room, jid] = [room, jid].map(|name| name.as_deref().unwrap_or("?"));
        format!("{at:.0} {id} {kind} {room} by {jid}\n  was {}\n  now {}", end(then), end(now))
    }
}

fn end(ending: &Ending) -> String {
    let Ending { verdict, rule, line, denial, class, would } = ending;
    let place = if *line == 0 { "default".to_owned() } else { format!("line {line}") };
    let denial = denial.as_ref().map(|denial| format!(", {denial}")).unwrap_or_default();
    let would = would.as_ref().map(|would| format!("; would be {would}")).unwrap_or_default();
    format!("{verdict}, by {rule} ({place}){denial}; class {class}{would}")
}

impl Totals {
    /// Formats the totals for the command line, on several lines.
    pub fn words(&self, exact: bool) -> String {
        let mut lines = vec![format!(
            "{} lines, {} decided again: {} the same, {} {}",
            self.lines,
            self.decided,
            self.same,
            self.changed,
            if exact { "DIFFERENT" } else { "would be decided differently" }
        )];
        let mut told = |count: u64, what: &str| {
            if count > 0 {
                lines.push(format!("  {count} {what}"));
            }
        };
        if !exact {
            told(self.by_another_rule, "of the same end, but by another rule");
            told(self.by_another_revision, "decided by another revision of the policy then");
        }
        told(self.unexplained, "EXPLAINED otherwise than decided");
        told(self.observed, "only observed then");
        for (why, count) in &self.skipped {
            told(*count, &format!("not decided again: {why}"));
        }
        for (of, counts) in [
            ("verdict", &self.by_verdict),
            ("rule", &self.by_rule),
            ("kind", &self.by_kind),
            ("class", &self.by_class),
            ("room", &self.by_room),
        ] {
            if !counts.is_empty() {
                lines.push(format!("by {of}:"));
                lines.extend(table(counts));
            }
        }
        lines.join("\n")
    }

    /// Returns whether an exact replay passed: no difference, no unreadable line, and decisions, if any, replayed.
    pub fn is_exact(&self) -> bool {
        let unreadable = self.skipped(Skipped::Unreadable);
        let decisions = self.lines.saturating_sub(self.skipped(Skipped::Event));
        self.changed == 0
            && self.unexplained == 0
            && unreadable == 0
            && (self.decided > 0 || decisions == 0)
    }
}

/// Formats counts as lines, the most frequent first.
fn table(counts: &Counts) -> Vec<String> {
    let mut rows: Vec<_> = counts.iter().collect();
    rows.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let more = rows.len().saturating_sub(SHOWN);
    rows.truncate(SHOWN);
    let mut lines: Vec<_> =
        rows.into_iter().map(|(of, count)| format!("  {count:>8}  {of}")).collect();
    if more > 0 {
        lines.push(format!("            and {more} more"));
    }
    lines
}

/// The number of names for which a total is kept; further names are counted together as [`REST`].
const MOST_NAMES: usize = 10_000;
/// The name under which further names are counted.
const REST: &str = "(all others)";

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ending {
    /// Name of the verdict: `allow`, `hold`, `prompt` or `deny`.
    pub verdict: Cow<'static, str>,
    /// Name of the rule that decided.
    pub rule: Cow<'static, str>,
    /// Line of the rule in the file; 0: a built-in default.
    pub line: u32,
    /// Code of the denial; `None` if the attempt was allowed.
    pub denial: Option<Cow<'static, str>>,
    /// Class of the requester.
    pub class: Cow<'static, str>,
    /// Opinion of the rules that are only observed, if it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would: Option<String>,
}

impl Ending {
    pub(super) fn of(decision: &Decision) -> Self {
        Self {
            verdict: decision.verdict.name().into(),
            rule: decision.rule.name.into(),
            line: decision.rule.line,
            denial: decision.denial.map(|denial| denial.code().into()),
            class: decision.class.name().into(),
            would: decision.would.as_ref().map(|would| Would::of(would).to_string()),
        }
    }

    /// Returns the outcome for an occupant who was judged again and may stay.
    pub(super) fn stays() -> Self {
        Self {
            verdict: Verdict::Allow.name().into(),
            rule: "no-objection".into(),
            line: 0,
            denial: None,
            class: Class::Guest.name().into(),
            would: None,
        }
    }

    /// Returns whether both outcomes are the same for the requester.
    pub(super) fn is_same_end(&self, other: &Self) -> bool {
        (&self.verdict, &self.denial) == (&other.verdict, &other.denial)
    }
}

/// A decision that the policy of the replay makes differently.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// Time of the decision.
    pub at: Timestamp,
    /// Id of the decision in the log.
    pub id: String,
    /// Kind of attempt, such as `join`.
    pub kind: String,
    /// Bare JID of the room.
    pub room: Option<String>,
    /// JID of the requester.
    pub jid: Option<String>,
    /// Outcome in the log.
    pub then: Ending,
    /// Outcome by the policy of the replay.
    pub now: Ending,
}

/// A finding about one line of the log.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// A decision that has changed.
    Change(Box<Change>),
    /// The explanation of a decision contradicts it.
    Unexplained {
        /// Id of the decision in the log.
        id: String,
    },
    /// The line cannot be read.
    Unreadable {
        /// Beginning of the line, at most 200 characters.
        text: String,
        /// Why the line cannot be parsed.
        why: String,
    },
}

/// Why a line was not decided again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
pub enum Skipped {
    /// The line is no decision.
    #[strum(to_string = "no decisions (what a gate or an operator did)")]
    Event,
    /// The decision is outside of the requested time.
    #[strum(to_string = "outside the time asked for")]
    OtherTime,
    /// Another policy made the decision (only where all decisions have to be the same).
    #[strum(to_string = "decided by another revision of the policy")]
    OtherRevision,
    /// Another version of the program wrote the line, with other facts.
    #[strum(to_string = "written by another version, with other facts")]
    OtherVersion,
    /// The component failed to carry the decision out, and refused.
    #[strum(to_string = "refused because the component failed")]
    Fault,
    /// The policy reads a claim that the policy of that time did not, so its value is not in the log.
    #[strum(to_string = "not decidable: this policy looks at a claim whose value was not logged")]
    Claim,
    /// The last line of a log is incomplete.
    #[strum(to_string = "torn at the end of a log")]
    Torn,
    /// The line is not of a decision log.
    #[strum(to_string = "UNREADABLE")]
    Unreadable,
}

/// Counts by name.
pub type Counts = BTreeMap<String, u64>;

/// The totals of a replay.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// Number of bytes read.
    pub bytes: u64,
    /// Number of lines read, without blank ones.
    pub lines: u64,
    /// Number of decisions that were made again.
    pub decided: u64,
    /// How many of these were only observed, not enforced.
    pub observed: u64,
    /// How many of these another revision of the policy had made.
    pub by_another_revision: u64,
    /// Number of decisions with the same verdict and denial.
    pub same: u64,
    /// How many of these are now made by another rule.
    pub by_another_rule: u64,
    /// Number of decisions that would be different.
    pub changed: u64,
    /// Number of decisions that their explanation contradicts.
    pub unexplained: u64,
    /// Number of lines that were skipped, by reason.
    pub skipped: BTreeMap<Skipped, u64>,
    /// Changes by verdict, such as `allow -> deny`.
    pub by_verdict: Counts,
    /// Changes by rule, such as `lobby.admission -> access.enter`.
    pub by_rule: Counts,
    /// Changes by kind of attempt.
    pub by_kind: Counts,
    /// Changes by the class that the requester had in the log.
    pub by_class: Counts,
    /// Changes by the room's bare JID.
    pub by_room: Counts,
}

impl Totals {
    /// Returns the number of lines that were skipped for this reason.
    pub fn skipped(&self, why: Skipped) -> u64 {
        self.skipped.get(&why).copied().unwrap_or_default()
    }

    pub(super) fn skip(&mut self, why: Skipped) {
        count(self.skipped.entry(why).or_default(), 1);
    }

    pub(super) fn decided(&mut self, observed: bool, by_another_revision: bool) {
        count(&mut self.decided, 1);
        count(&mut self.observed, observed.into());
        count(&mut self.by_another_revision, by_another_revision.into());
    }

    pub(super) fn same(&mut self, by_same_rule: bool) {
        count(&mut self.same, 1);
        count(&mut self.by_another_rule, (!by_same_rule).into());
    }

    pub(super) fn unexplained(&mut self) {
        count(&mut self.unexplained, 1);
    }

    pub(super) fn changed(&mut self, change: &Change) {
        let Change { at: _, id: _, kind, room, jid: _, then, now } = change;
        count(&mut self.changed, 1);
        let end = |of: &Ending| match &of.denial {
            None => of.verdict.to_string(),
            Some(denial) => format!("{} {denial}", of.verdict),
        };
        name(&mut self.by_verdict, &format!("{} -> {}", end(then), end(now)), 1);
        name(&mut self.by_rule, &format!("{} -> {}", then.rule, now.rule), 1);
        name(&mut self.by_kind, kind, 1);
        name(&mut self.by_class, &then.class, 1);
        name(&mut self.by_room, room.as_deref().unwrap_or("?"), 1);
    }

    pub(super) fn add(&mut self, more: Self) {
        let Self {
            bytes,
            lines,
            decided,
            observed,
            by_another_revision,
            same,
            by_another_rule,
            changed,
            unexplained,
            skipped,
            by_verdict,
            by_rule,
            by_kind,
            by_class,
            by_room,
        } = more;
        for (total, more) in [
            (&mut self.bytes, bytes),
            (&mut self.lines, lines),
            (&mut self.decided, decided),
            (&mut self.observed, observed),
            (&mut self.by_another_revision, by_another_revision),
            (&mut self.same, same),
            (&mut self.by_another_rule, by_another_rule),
            (&mut self.changed, changed),
            (&mut self.unexplained, unexplained),
        ] {
            count(total, more);
        }
        for (why, more) in skipped {
            count(self.skipped.entry(why).or_default(), more);
        }
        for (total, more) in [
            (&mut self.by_verdict, by_verdict),
            (&mut self.by_rule, by_rule),
            (&mut self.by_kind, by_kind),
            (&mut self.by_class, by_class),
            (&mut self.by_room, by_room),
        ] {
            more.iter().for_each(|(of, more)| name(total, of, *more));
        }
    }
}

const fn count(total: &mut u64, more: u64) {
    *total = total.saturating_add(more);
}

fn name(totals: &mut Counts, of: &str, more: u64) {
    let of = if totals.len() < MOST_NAMES || totals.contains_key(of) { of } else { REST };
    match totals.get_mut(of) {
        Some(total) => count(total, more),
        None => {
            totals.insert(of.to_owned(), more);
        }
    }
}
