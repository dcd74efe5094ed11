//! A report in words.

use std::fmt::Write as _;

use super::{Report, Row, State};

/// The report, the worst first. `all`: with what is fine, too.
pub fn in_words(report: &Report, all: bool) -> String {
    let mut text = String::new();
    for row in report.checks.iter().filter(|row| row.state == State::Found) {
        found(&mut text, row);
    }
    let unknown: Vec<_> = report.checks.iter().filter(|row| !row.unknown.is_empty()).collect();
    if !unknown.is_empty() {
        _ = writeln!(text, "NOT KNOWN");
        // Where there is one reason for all, it is said at the end.
        let reason = report.incomplete.as_ref();
        let (alike, others): (Vec<_>, Vec<_>) = unknown
            .iter()
            .flat_map(|row| row.unknown.iter().map(|why| (row.id.as_str(), why)))
            .partition(|(_, why)| Some(*why) == reason);
        for (id, reason) in others {
            _ = writeln!(text, "  {id}: {reason}");
        }
        if !alike.is_empty() {
            let ids: Vec<_> = alike.into_iter().map(|(id, _)| id).collect();
            _ = writeln!(text, "  without the server: {}", ids.join(", "));
        }
        text.push('\n');
    }
    if all {
        _ = writeln!(text, "FINE");
        for row in report.checks.iter().filter(|row| row.state == State::Fine) {
            _ = writeln!(text, "  {}: {}", row.id, row.looks_at);
        }
        text.push('\n');
    }
    let counts = report.counts;
    _ = write!(
        text,
        "{} critical, {} warnings, {} notes; {} not known, {} ignored, {} fine",
        counts.critical, counts.warning, counts.note, counts.unknown, counts.ignored, counts.fine
    );
    if let Some(reason) = &report.incomplete {
        _ = write!(text, "\nthis is a part of it: {reason}");
    }
    text
}

fn found(text: &mut String, row: &Row) {
    let ignored = if row.ignored { " (ignored)" } else { "" };
    _ = writeln!(text, "{}{ignored}  {}", row.severity.name().to_uppercase(), row.id);
    for finding in &row.findings {
        _ = writeln!(text, "  {}: {}", finding.about, finding.found);
        _ = writeln!(text, "    {}: {}", finding.file, finding.line);
    }
    _ = writeln!(text, "  why: {}", row.why);
    _ = writeln!(text, "  see: {}\n", row.source);
}
