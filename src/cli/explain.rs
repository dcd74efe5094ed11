//! `explain`: a described attempt, and why it ends as it does.

use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

use super::out::{fail, say};
use crate::app::{explanation_to_json, now};
use crate::config::{Described, Loaded};
use crate::proof::trials::Tried;

/// Explains an attempt by a file.
pub(super) fn by_file(file: &Path, loaded: &Loaded, described: &Described, json: bool) -> ExitCode {
    let tried = match Tried::new(&loaded.policy, described, now()) {
        Ok(tried) => tried,
        Err(error) => return fail(&error),
    };
    let value =
        explanation_to_json(&tried.explanation, &tried.facts(&loaded.policy), &loaded.policy.texts);
    if json {
        say(&value);
    } else {
        say(&in_words(&value, Some(file)));
    }
    ExitCode::SUCCESS
}

/// A value as people write it: `moderators 1, record (opener ann@example.org)`.
fn plain(value: &Value) -> String {
    let all = |values: &mut dyn Iterator<Item = String>| values.collect::<Vec<_>>().join(", ");
    let inner = |value: &Value| match value {
        Value::Object(_) => format!("({})", plain(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            plain(value)
        }
    };
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => format!("[{}]", all(&mut values.iter().map(plain))),
        Value::Object(values) => {
            all(&mut values.iter().map(|(name, value)| format!("{name} {}", inner(value))))
        }
        Value::Null => "?".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// An explanation in words.
pub(super) fn in_words(value: &Value, file: Option<&Path>) -> String {
    let text = |value: &Value, name: &str| {
        value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let place = |value: &Value| match (value.get("line").and_then(Value::as_u64), file) {
        (Some(0) | None, _) => "built-in default".to_owned(),
        (Some(line), Some(file)) => format!("{}:{line}", file.display()),
        (Some(line), None) => format!("line {line} of its file"),
    };
    let by = match value.get("ban").and_then(Value::as_str) {
        Some(id) => format!("ban {id} (made at run time)"),
        None => format!("{} ({})", text(value, "rule"), place(value)),
    };
    let mut lines = vec![format!("{}, by {by}", text(value, "verdict"))];
    if let Some(told) = value.get("told").and_then(Value::as_str) {
        lines.push(format!("  the requester is told: {told}"));
    }
    if let Some(would) = value.get("would_have_been").filter(|would| would.is_object()) {
        lines.push(format!(
            "  would have been: {}, by {} ({}), if what is observed were enforced",
            text(would, "verdict"),
            text(would, "rule"),
            place(would)
        ));
    }
    for line in value.get("exceptions").and_then(Value::as_array).into_iter().flatten() {
        lines.push(format!(
            "  with the exception of {}",
            place(&serde_json::json!({ "line": line }))
        ));
    }
    lines.push(format!("  taken for: {}", text(value, "class")));
    for assumed in value.get("assumed").and_then(Value::as_array).into_iter().flatten() {
        lines.push(format!("  assumed: {}", assumed.as_str().unwrap_or("?")));
    }
    let may = value.get("may").and_then(Value::as_object).into_iter().flatten();
    for (what, degree) in may.filter(|(_, degree)| *degree != "yes") {
        let degree = if degree == "moderator" { "while moderating" } else { "no" };
        lines.push(format!("  inside, {what}: {degree}"));
    }
    if let Some(facts) = value.get("facts").and_then(Value::as_object) {
        for (of, facts) in facts {
            lines.push(format!("  {of}: {}", plain(facts)));
        }
    }
    let changes = value.get("would_change_it").and_then(Value::as_array);
    for change in changes.into_iter().flatten() {
        lines.push(format!(
            "  with {}: {}, by {} ({})",
            text(change, "with"),
            text(change, "verdict"),
            text(change, "rule"),
            place(change)
        ));
    }
    lines.join("\n")
}
