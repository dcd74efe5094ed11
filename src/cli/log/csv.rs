//! Entries for a spreadsheet (RFC 4180).

use serde_json::Value;

use crate::store::Entry;

/// The columns.
pub(super) const HEAD: [&str; 22] = [
    "seq",
    "at",
    "server",
    "kind",
    "id",
    "room",
    "person",
    "nick",
    "attempt_kind",
    "class",
    "verdict",
    "rule",
    "line",
    "denial",
    "observed",
    "revision",
    "command",
    "by",
    "outcome",
    "reason",
    "event",
    "body",
];

/// An entry in one line, without its end.
pub(super) fn line(entry: &Entry) -> String {
    let entry = serde_json::to_value(entry).unwrap_or_default();
    let cells = HEAD.map(|column| match (column, entry.get(column)) {
        (_, Some(Value::String(text))) => cell(text),
        ("by", Some(by)) => {
            let part = |name| by.get(name).and_then(Value::as_str).unwrap_or_default();
            cell(&format!("{} ({}, {})", part("name"), part("role"), part("interface")))
        }
        ("event", _) => {
            let event = entry.get("body").and_then(|body| body.get("event")?.as_str());
            cell(event.unwrap_or_default())
        }
        (_, Some(value)) => cell(&value.to_string()),
        (_, None) => String::new(),
    });
    cells.join(",")
}

/// A cell. What a spreadsheet would take for a formula gets an apostrophe; what would break the line, a blank.
fn cell(text: &str) -> String {
    let is_formula = text
        .trim_start()
        .starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    let mut cell = String::from(if is_formula { "'" } else { "" });
    cell.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
    if cell.contains([',', '"', ';', '\'']) {
        cell = format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::store::Kind;

    #[test]
    fn nothing_becomes_a_formula_or_another_cell() {
        for (text, written) in [
            ("Bob", "Bob"),
            ("a, \"b\"", r#""a, ""b""""#),
            ("=1+1", r#""'=1+1""#),
            ("+1", r#""'+1""#),
            ("-1", r#""'-1""#),
            ("@x", r#""'@x""#),
            ("\t=1", r#""' =1""#),
            ("a\r\n=1", "a  =1"),
            ("", ""),
        ] {
            assert_eq!(cell(text), written, "{text:?}");
        }
    }

    #[test]
    fn each_line_has_each_column() {
        let entry = Entry {
            seq: 5,
            nick: Some("=cmd()".into()),
            body: r#"{"event":"timer"}"#.into(),
            ..Entry::new(Kind::Timer, Timestamp::UNIX_EPOCH)
        };
        assert_eq!(
            line(&entry),
            "5,1970-01-01T00:00:00Z,,timer,,,,\"'=cmd()\",,,,,,,,,,,,,timer,\"{\"\"event\"\":\"\"timer\"\"}\""
        );
    }
}
