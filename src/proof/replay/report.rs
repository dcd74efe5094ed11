//! The report of a replay.

use super::found::{Change, Counts, Ending, Found, Skipped, Totals};

/// Names shown of each total.
const SHOWN: usize = 10;

impl Found {
    /// In words, on a line or two.
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
    format!("{verdict}, by {rule} ({place}){denial}; taken for {class}{would}")
}

impl Totals {
    /// In words, on several lines.
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
            told(*count, &format!("not decided again: {}", why.words()));
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

    /// Every decision of this policy in the log is the same, there was one, and every line could be read.
    pub fn is_exact(&self) -> bool {
        let unreadable = self.skipped(Skipped::Unreadable);
        let decisions = self.lines.saturating_sub(self.skipped(Skipped::Event));
        self.changed == 0
            && self.unexplained == 0
            && unreadable == 0
            && (self.decided > 0 || decisions == 0)
    }
}

/// The most frequent first.
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
