//! `log`: searches the audit, and formats its entries.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Call, unavailable};
use crate::config::{Visible, counted};
use crate::control::{Answer, Failure};
use crate::incident::{denial, is_judged_again};
use crate::store::{Entry, Kind, Query, Store};

verb! {
    /// Search the audit: what was decided, what operators did, who came and went
    Log("log", "Log", Viewer, ReadOnly) -> Entries {
        /// Search criteria
        #[arg(skip)]
        #[serde(flatten)]
        pub query: Query,
    }
    |it, call| {
        let found = call.audit_database()?.search_all(it.query).await.map_err(unavailable)?;
        Ok(Entries { entries: found.entries, note: found.note })
    }
}

impl Call<'_> {
    pub(super) fn audit_database(&self) -> Result<Arc<Store>, Failure> {
        let missing = || unavailable("there is no audit database: the file says so (`store.file`)");
        self.store().ok_or_else(missing)
    }
}

/// The entries that match a search, in the order of their numbers.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Entries {
    /// Entries of the audit.
    pub entries: Vec<Entry>,
    /// What may be missing from the result, and why; null: it is complete.
    pub note: Option<String>,
}

impl Answer for Entries {
    fn words(&self) -> String {
        self.entries.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Formats an entry as a single line. Control characters in names cannot affect a terminal.
pub fn line(entry: &Entry) -> String {
    let mut words = vec![entry.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()];
    words.extend(entry.room.clone());
    let called = entry.called().join(", ");
    words.extend(match (&entry.person, called.is_empty()) {
        (Some(person), false) => Some(format!("{person} ({called})")),
        (Some(person), true) => Some(person.clone()),
        (None, is_nobody) => (!is_nobody).then_some(called),
    });
    words.push(what(entry));
    Visible(&words.join("  ")).to_string()
}

fn what(entry: &Entry) -> String {
    let body: Value = serde_json::from_str(&entry.body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    match entry.kind {
        Kind::Decision => decision(entry),
        Kind::Action => action(entry),
        Kind::Revision => {
            let changes = body.get("changes").and_then(Value::as_array);
            let changes = match changes.map(Vec::len) {
                None => String::new(),
                Some(0) => ", nothing new in it".to_owned(),
                Some(1) => ", 1 key is new".to_owned(),
                Some(count) => format!(", {count} keys are new"),
            };
            let revision = entry.revision.as_deref().unwrap_or("?");
            format!("policy {revision} is in force ({}{changes})", text("why"))
        }
        Kind::Joined => match text("breakout") {
            "" => format!("joined as {}", text("role")),
            apart => format!("joined as {}, in {apart}", text("role")),
        },
        Kind::Left => format!("left {}", text("breakout")).trim_end().to_owned(),
        Kind::Waiting => "waits".to_owned(),
        Kind::Gone => "stopped waiting".to_owned(),
        Kind::Opened => "the room is open".to_owned(),
        Kind::Ended => "the room has ended".to_owned(),
        Kind::Gate => {
            let reason = entry.reason.as_deref().unwrap_or_default();
            match text("event") {
                "carried-out" => reason.to_owned(),
                event if reason.is_empty() => format!("{event} by the gate{}", rule(entry)),
                event => format!("{event} by the gate: {reason}{}", rule(entry)),
            }
        }
        Kind::Timer => {
            let people = body.get("people").and_then(Value::as_array).map(Vec::as_slice);
            let people = people.filter(|_| entry.person.is_none()).unwrap_or_default();
            let people: Vec<_> = people.iter().filter_map(Value::as_str).collect();
            let people =
                if people.is_empty() { String::new() } else { format!(" {}", people.join(", ")) };
            format!("by itself: {}{people}{}{}", text("done"), rule(entry), observed(entry))
        }
        Kind::Drift => {
            let repaired = body.get("repaired") == Some(&Value::Bool(true));
            let then = if repaired { "repaired" } else { "not repaired" };
            format!(
                "is \"{}\", should be \"{}\"{}, {then}",
                text("is"),
                text("should"),
                rule(entry)
            )
        }
        Kind::Doctor => doctor(&body),
    }
}

fn doctor(body: &Value) -> String {
    let count = |name: &str| body.pointer(&format!("/counts/{name}")).and_then(Value::as_u64);
    let found = body.get("found").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let counts = found.iter().filter(|row| row.get("ignored") != Some(&Value::Bool(true)));
    let ids: Vec<_> = counts.filter_map(|row| row.get("id")?.as_str()).collect();
    let names = if ids.is_empty() { String::new() } else { format!(": {}", ids.join(", ")) };
    let part = if body.get("complete") == Some(&Value::Bool(false)) { ", of a part" } else { "" };
    let [critical, warnings, notes] =
        ["critical", "warning", "note"].map(|name| count(name).unwrap_or_default());
    let warnings = counted(warnings, "warning", "warnings");
    let notes = counted(notes, "note", "notes");
    format!("the doctor found {critical} critical, {warnings}, {notes}{part}{names}")
}

fn decision(entry: &Entry) -> String {
    let verdict = entry.verdict.as_deref().unwrap_or("?");
    let mut tried = entry.attempt_kind.as_deref().unwrap_or("?").to_owned();
    let told = |code: &str| denial(code).unwrap_or_else(|| code.to_owned());
    let why = entry.denial.as_deref().map(|code| format!(": {}", told(code)));
    let id = entry.id.as_deref().unwrap_or("?");
    let why = why.unwrap_or_default();
    let body: Value = serde_json::from_str(&entry.body).unwrap_or_default();
    let fact = |path: &str| body.pointer(path).and_then(Value::as_str);
    if let Some(apart) = fact("/facts/who/breakout").filter(|_| tried == "join") {
        tried = format!("join of {apart}");
    }
    if is_judged_again(entry) {
        "judged again".clone_into(&mut tried);
    }
    let namesake = fact("/facts/namesake");
    let alike = match namesake {
        Some("moderator") => ", the name looks like a moderator's",
        Some(_) => ", the name looks like another's",
        None => "",
    };
    format!("{tried}: {verdict}{}{}{alike}{why} [{id}]", rule(entry), observed(entry))
}

fn action(entry: &Entry) -> String {
    let by = entry.by.as_ref();
    let by = by.map(|by| match &*by.face {
        "policy" => ", by the policy".to_owned(),
        face => format!(", by {} ({}, {face})", by.name, by.role),
    });
    let body: Value = serde_json::from_str(&entry.body).unwrap_or_default();
    let given = |name: &str| body.get(name).and_then(Value::as_str).filter(|it| !it.is_empty());
    let whom = given("who").map(|who| format!(" {who}"));
    let why = given("reason").map(|reason| format!(", because {reason:?}"));
    let failure = entry.reason.as_deref().map(|reason| format!(": {reason}"));
    let is_dry = body.get("dry_run") == Some(&Value::Bool(true));
    let outcome = match (is_dry, entry.outcome.as_deref().unwrap_or("?")) {
        (true, "done") => "dry run".to_owned(),
        (true, outcome) => format!("dry run {outcome}"),
        (false, outcome) => outcome.to_owned(),
    };
    format!(
        "{}{} {}{}{}{}",
        entry.command.as_deref().unwrap_or("?"),
        whom.unwrap_or_default(),
        outcome,
        by.unwrap_or_default(),
        why.unwrap_or_default(),
        failure.unwrap_or_default()
    )
}

fn rule(entry: &Entry) -> String {
    match (entry.rule.as_deref(), entry.line) {
        (Some("ban"), None | Some(0)) => " by ban (made at run time)".to_owned(),
        (Some(rule), None | Some(0)) => format!(" by {rule} (built in)"),
        (Some(rule), Some(line)) => format!(" by {rule} (line {line})"),
        (None, _) => String::new(),
    }
}

const fn observed(entry: &Entry) -> &'static str {
    if entry.observed { ", only observed" } else { "" }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::store::By;

    fn entry(kind: Kind) -> Entry {
        Entry {
            room: Some("tea@conference.example.org".into()),
            person: Some("bob@example.org".into()),
            nick: Some("45fc3d31".into()),
            name: Some("Bob\u{1b}[2J\u{202e}".into()),
            ..Entry::new(kind, Timestamp::UNIX_EPOCH)
        }
    }

    #[test]
    fn a_decision_says_who_where_what_by_which_line_and_why() {
        let denied = Entry {
            id: Some("c41-19".into()),
            attempt_kind: Some("join".into()),
            verdict: Some("deny".into()),
            rule: Some("password.guesses.burst".into()),
            line: Some(41),
            denial: Some("too-many-guesses".into()),
            ..entry(Kind::Decision)
        };
        assert_eq!(
            line(&denied),
            "1970-01-01 00:00:00Z  tea@conference.example.org  bob@example.org (Bob\u{fffd}[2J\u{fffd}, 45fc3d31)  \
             join: deny by password.guesses.burst (line 41): Too many wrong passwords. Please try again in …. [c41-19]"
        );
    }

    #[test]
    fn a_name_that_looks_like_a_moderators_is_marked() {
        let entry = Entry {
            id: Some("c41-19".into()),
            attempt_kind: Some("rename".into()),
            verdict: Some("allow".into()),
            body: r#"{"facts":{"namesake":"moderator"}}"#.into(),
            ..entry(Kind::Decision)
        };
        assert!(
            line(&entry).ends_with("rename: allow, the name looks like a moderator's [c41-19]"),
            "{}",
            line(&entry)
        );
    }

    #[test]
    fn a_breakout_room_is_named_with_those_who_come_and_go() {
        let there = r#"{"role":"participant","breakout":"one@breakout.example.org"}"#;
        for (kind, words) in [
            (Kind::Joined, "joined as participant, in one@breakout.example.org"),
            (Kind::Left, "left one@breakout.example.org"),
        ] {
            let entry = Entry { body: there.into(), ..entry(kind) };
            assert!(line(&entry).ends_with(words), "{}", line(&entry));
        }
        assert!(line(&entry(Kind::Left)).ends_with("  left"));
        let joins = Entry {
            attempt_kind: Some("join".into()),
            verdict: Some("allow".into()),
            body: r#"{"facts":{"who":{"breakout":"one@breakout.example.org"}}}"#.into(),
            ..entry(Kind::Decision)
        };
        assert!(line(&joins).contains("join of one@breakout.example.org: allow"));
    }

    #[test]
    fn what_follows_a_ban_says_that_it_was_made_at_run_time_and_who_carried_it_out() {
        let judged = Entry {
            attempt_kind: Some("unknown".into()),
            verdict: Some("deny".into()),
            rule: Some("ban".into()),
            line: Some(0),
            denial: Some("banned".into()),
            ..entry(Kind::Decision)
        };
        let words = "judged again: deny by ban (made at run time): You have been banned";
        assert!(line(&judged).contains(words), "{}", line(&judged));
        let removed = Entry {
            command: Some("removed".into()),
            by: Some(By { face: "policy".into(), name: "reload".into(), role: "operator".into() }),
            outcome: Some("done".into()),
            ..entry(Kind::Action)
        };
        assert!(line(&removed).ends_with("removed done, by the policy"), "{}", line(&removed));
    }

    #[test]
    fn an_action_says_who_did_it_and_what_came_of_it() {
        let failed = Entry {
            command: Some("close".into()),
            by: Some(By { face: "http".into(), name: "anna".into(), role: "duty".into() }),
            outcome: Some("failed".into()),
            reason: Some("there is no room".into()),
            person: None,
            nick: None,
            name: None,
            ..entry(Kind::Action)
        };
        let done = Entry {
            command: Some("suspend".into()),
            outcome: Some("done".into()),
            reason: None,
            body: r#"{"reason":"fire alarm","room":"tea@conference.example.org"}"#.into(),
            ..failed.clone()
        };
        assert!(
            line(&done).ends_with("  suspend done, by anna (duty, http), because \"fire alarm\"")
        );
        let ban = Entry { room: None, body: r#"{"who":"bob@example.org"}"#.into(), ..done };
        assert!(line(&ban).ends_with("Z  suspend bob@example.org done, by anna (duty, http)"));
        assert!(line(&failed).ends_with(
            "tea@conference.example.org  close failed, by anna (duty, http): there is no room"
        ));
    }
}
