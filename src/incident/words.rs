//! Sentences that describe the entries of the audit.

use serde_json::{Map, Value};
use strum::EnumMessage as _;

use crate::policy::attempt;
use crate::policy::denial::Denial;
use crate::policy::messages::placeholders;
use crate::store::{Entry, Kind};

/// Returns a sentence that describes an entry. Names in it are not escaped.
pub(super) fn sentence(entry: &Entry) -> String {
    let who = who(entry);
    let body = serde_json::from_str::<Map<String, Value>>(&entry.body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    match entry.kind {
        Kind::Decision => decision(entry, &who),
        Kind::Action => action(entry, &body),
        Kind::Revision => {
            let revision = entry.revision.as_deref().unwrap_or("?");
            match text("why") {
                Some("start") => format!("The component started with policy {revision}."),
                _ => format!("Policy {revision} came into force."),
            }
        }
        Kind::Joined => match text("breakout") {
            Some(apart) => format!("{who} joined {apart}."),
            None => format!("{who} joined."),
        },
        Kind::Left => match text("breakout") {
            Some(apart) => format!("{who} left {apart}."),
            None => format!("{who} left."),
        },
        Kind::Waiting => format!("{who} began to wait."),
        Kind::Gone => format!("{who} stopped waiting."),
        Kind::Opened => "The room was opened.".to_owned(),
        Kind::Ended => "The room ended.".to_owned(),
        Kind::Gate | Kind::Timer | Kind::Drift | Kind::Doctor => {
            let event = text("event").unwrap_or_else(|| entry.kind.name());
            let rule = entry.rule.as_ref().map(|rule| format!(" by {rule}")).unwrap_or_default();
            let is_about = entry.person.is_some() || !entry.called().is_empty();
            let about = if is_about { format!(", about {who}") } else { String::new() };
            let reason = entry.reason.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
            format!("{}{rule}{about}{reason}.", event_in_words(event))
        }
    }
}

/// Returns the built-in English message of a denial, with `…` for each placeholder, or `None` for an unknown code.
pub fn denial(code: &str) -> Option<String> {
    let template = Denial::EVERY.iter().find(|denial| denial.code() == code)?.template();
    let open = |text: String, name: &str| text.replace(&format!("{{{name}}}"), "…");
    Some(placeholders(template).fold(template.to_owned(), open))
}

/// Returns whether the decision is on a person who is inside already: they were judged again after a ban or a reload.
pub fn is_judged_again(entry: &Entry) -> bool {
    entry.attempt_kind.as_deref() == Some("unknown")
        && entry.denial.as_deref() != Some("unknown-attempt")
}

fn who(entry: &Entry) -> String {
    let called = entry.called().join(", ");
    match (called.as_str(), entry.person.as_deref()) {
        ("", None) => "A person".to_owned(),
        ("", Some(person)) => person.to_owned(),
        (called, None) => called.to_owned(),
        (called, Some(person)) => format!("{called} ({person})"),
    }
}

fn decision(entry: &Entry, who: &str) -> String {
    let kind = entry.attempt_kind.as_deref().and_then(|kind| kind.parse().ok());
    let tried = if is_judged_again(entry) {
        "was judged again"
    } else {
        kind.unwrap_or(attempt::Kind::Unknown).get_message().unwrap_or_default()
    };
    let verdict = match entry.verdict.as_deref().unwrap_or_default() {
        "allow" => "allowed",
        "hold" => "sent to the lobby",
        "prompt" => "asked for the password",
        "deny" => "refused",
        other => other,
    };
    let rule = entry.rule.as_deref().unwrap_or("?");
    let line = match (entry.line, rule) {
        (None | Some(0), "ban") => "made at run time".to_owned(),
        (None | Some(0), _) => "the built-in default".to_owned(),
        (Some(line), _) => format!("line {line}"),
    };
    let why = entry.denial.as_deref().and_then(denial);
    let why = why.map(|why| format!(": {why}")).unwrap_or_else(|| ".".to_owned());
    let observed = if entry.observed { " It was only observed." } else { "" };
    format!("{who} {tried}: {verdict} by {rule} ({line}){why}{observed}")
}

fn action(entry: &Entry, body: &Map<String, Value>) -> String {
    let command = entry.command.as_deref().unwrap_or("?");
    if entry.by.as_ref().is_some_and(|by| &*by.face == "policy") {
        return format!("By the policy, {} was {command}.", who(entry));
    }
    let by = entry.by.as_ref().map_or_else(
        || "A person".to_owned(),
        |by| format!("{} ({}, {})", by.name, by.role, by.face),
    );
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let given: Vec<String> = body
        .iter()
        .filter(|(name, _)| !["by", "event", "room", "nick", "name"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}", shown(value)))
        .collect();
    let on = entry.person.as_ref().map(|_| format!(" on {}", who(entry))).unwrap_or_default();
    let given = if given.is_empty() { String::new() } else { format!(" ({})", given.join("; ")) };
    let end = match (entry.outcome.as_deref(), &entry.reason) {
        (Some("failed"), Some(reason)) => format!(", which failed: {reason}"),
        (Some("failed"), None) => ", which failed.".to_owned(),
        _ => ".".to_owned(),
    };
    format!("{by} gave the command {command}{on}{given}{end}")
}

fn event_in_words(event: &str) -> &str {
    match event {
        "timer" => "A time of the policy had come",
        "no-moderator" => "The room was without a moderator",
        "drift" => "The room differed from the policy",
        "refused" => "The gate refused, without the component",
        "opened-failing" => "The gate let in, without the component",
        "failed" => "The gate could not carry something out",
        "carried-out" => "Another module of the server changed something",
        "doctor" => "The doctor looked at the server",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::store::By;

    #[test]
    fn a_refusal_says_who_what_by_which_line_and_why() {
        let entry = Entry {
            person: Some("bob@example.org".into()),
            nick: Some("Bob".into()),
            attempt_kind: Some("join".into()),
            verdict: Some("deny".into()),
            rule: Some("close.members".into()),
            line: Some(41),
            denial: Some("too-many-guesses".into()),
            ..Entry::new(Kind::Decision, Timestamp::UNIX_EPOCH)
        };
        assert_eq!(
            sentence(&entry),
            "Bob (bob@example.org) tried to enter: refused by close.members (line 41): \
             Too many wrong passwords. Please try again in …."
        );
    }

    #[test]
    fn what_follows_a_ban_is_no_attempt_of_the_person_and_no_command() {
        let person = Entry {
            person: Some("bob@example.org".into()),
            ..Entry::new(Kind::Decision, Timestamp::UNIX_EPOCH)
        };
        let judged = Entry {
            attempt_kind: Some("unknown".into()),
            verdict: Some("deny".into()),
            rule: Some("ban".into()),
            line: Some(0),
            denial: Some("banned".into()),
            ..person.clone()
        };
        let words = sentence(&judged);
        let expected = "bob@example.org was judged again: refused by ban (made at run time): ";
        assert!(words.starts_with(expected), "{words}");
        let removed = Entry {
            kind: Kind::Action,
            command: Some("removed".into()),
            by: Some(By { face: "policy".into(), name: "reload".into(), role: "operator".into() }),
            outcome: Some("done".into()),
            ..person
        };
        assert_eq!(sentence(&removed), "By the policy, bob@example.org was removed.");
    }

    #[test]
    fn every_denial_has_words() {
        for known in Denial::EVERY {
            assert!(denial(known.code()).is_some_and(|text| !text.contains('{')), "{known:?}");
        }
    }

    #[test]
    fn an_action_says_who_gave_it_and_how_it_ended() {
        let entry = Entry {
            person: Some("x1@example.org".into()),
            nick: Some("45fc3d31".into()),
            name: Some("Bob".into()),
            command: Some("remove".into()),
            by: Some(By { face: "http".into(), name: "anna".into(), role: "duty".into() }),
            outcome: Some("failed".into()),
            reason: Some("there is no room".into()),
            body: r#"{"reason":"noise","name":"Bob"}"#.into(),
            ..Entry::new(Kind::Action, Timestamp::UNIX_EPOCH)
        };
        assert_eq!(
            sentence(&entry),
            "anna (duty, http) gave the command remove on Bob, 45fc3d31 (x1@example.org) (reason: noise), \
             which failed: there is no room"
        );
    }
}
