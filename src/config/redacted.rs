//! A file as it may be kept: without its secrets.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::environment::Environment;
use super::load::read_keys;
use super::notes::Notes;
use super::outside::Outside;
use super::syntax;

/// What stands in the place of a secret.
const HIDDEN: &str = "\"…\"";

/// The text of a file, each line where it was, without the values of secrets and without remarks, for nobody knows
/// what stands in them. Of what is no TOML nothing is left.
pub fn redacted(text: &str) -> String {
    let notes = Notes::new("", text);
    let Some(table) = syntax::parse(&notes, text) else { return String::new() };
    let read = |_: &std::path::Path| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
    let environment = Environment::default();
    // Reading it says which values are secrets.
    read_keys(&notes, &table, &Outside { environment: &environment, read: &read, exposed: false });
    let mut spans = Vec::new();
    in_table(&table, &mut spans);
    spans.sort_by_key(|span| span.start);

    let (mut kept, mut at) = (String::with_capacity(text.len()), 0);
    for span in spans {
        if span.start < at {
            continue;
        }
        kept.push_str(&without_remarks(text.get(at..span.start).unwrap_or_default()));
        let value = text.get(span.clone()).unwrap_or_default();
        if notes.is_hidden(&span) {
            kept.push_str(HIDDEN);
            kept.extend(value.matches('\n'));
        } else {
            kept.push_str(value);
        }
        at = span.end;
    }
    kept.push_str(&without_remarks(text.get(at..).unwrap_or_default()));
    kept
}

fn in_table(table: &DeTable<'_>, spans: &mut Vec<Range<usize>>) {
    for (key, value) in table {
        spans.push(key.span());
        in_value(value.get_ref(), value.span(), spans);
    }
}

fn in_value(value: &DeValue<'_>, span: Range<usize>, spans: &mut Vec<Range<usize>>) {
    match value {
        DeValue::Table(inner) => in_table(inner, spans),
        DeValue::Array(items) => {
            for item in items.iter() {
                in_value(item.get_ref(), item.span(), spans);
            }
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => spans.push(span),
    }
}

/// What stands between keys and values, where every `#` begins a remark.
fn without_remarks(between: &str) -> String {
    let lines = between.split_inclusive('\n').map(|line| match line.split_once('#') {
        Some((before, rest)) if rest.ends_with('\n') => format!("{}\n", before.trim_end()),
        Some((before, _)) => before.to_owned(),
        None => line.to_owned(),
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::super::outline::changes;
    use super::*;

    #[test]
    fn a_file_without_its_secrets_is_the_same_file_line_by_line() {
        let shipped = include_str!("../../component.toml");
        let kept = redacted(shipped);
        assert_eq!(kept.lines().count(), shipped.lines().count());
        let told_apart = changes(shipped, &kept);
        let told_apart: Vec<_> = told_apart.iter().map(|change| &*change.key).collect();
        assert!(told_apart.iter().all(|key| key.contains("secret") || key.ends_with("preset")));
        assert!(told_apart.contains(&"component.secret"));
        assert!(!kept.contains('#'));
    }

    #[test]
    fn secrets_and_remarks_are_not_kept() {
        let file = r##"
[component] # secret = "canary"
secret = """canary
canary"""
domain = "a#b.example"
[policy.password]
#preset = "canary"
preset = 'canary#'
deny_list = [ # canary
  "x#y", # canary
]
[[room]]
match = "a" # canary
password = { preset = "canary", words = 5 }
# canary"##;
        let kept = redacted(file);
        assert!(!kept.contains("canary"), "{kept}");
        for part in ["\"a#b.example\"", "\"x#y\"", "words = 5", "preset = \"…\"", "match = \"a\""]
        {
            assert!(kept.contains(part), "{part}: {kept}");
        }
        assert_eq!(kept.matches('\n').count(), file.matches('\n').count());
        assert_eq!(redacted("secret = canary"), "");
    }
}
