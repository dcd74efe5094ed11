//! Audit events as entries.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::line::Context;
use crate::jid::BareJid;
use crate::policy::attempt::{Attempt, Requester};
use crate::policy::verdict::Decision;
use crate::store::{By, Entry, Kind};

/// The entry of a decision; `line`: as in the decision log.
pub(super) fn decision(
    decision: &Decision,
    attempt: &Attempt,
    context: Context<'_>,
    line: String,
) -> Entry {
    let who = &attempt.requester;
    Entry {
        id: Some(context.id.to_owned()),
        room: attempt.room.as_ref().map(ToString::to_string),
        person: who.jid.as_ref().map(ToString::to_string),
        nick: (!who.nick.is_empty()).then(|| who.nick.clone()),
        attempt_kind: Some(attempt.action.name().into()),
        class: Some(decision.class.name().into()),
        verdict: Some(decision.verdict.name().into()),
        rule: Some(decision.rule.name.into()),
        line: Some(decision.rule.line),
        denial: decision.denial.map(|denial| denial.code().into()),
        observed: context.observed,
        revision: Some(context.revision.to_owned()),
        body: line,
        ..Entry::new(Kind::Decision, context.now)
    }
}

/// The entry of a person in a room or before it, with their session and the address that may be kept.
pub(super) fn person(
    kind: Kind,
    room: &BareJid,
    (session, address): (&str, Option<IpAddr>),
    who: &Requester,
    now: Timestamp,
) -> Entry {
    let mut body = json!({
        "session": session,
        "proof": who.session,
        "role": who.role.name(),
        "affiliation": who.affiliation.name(),
    });
    if let (Some(address), Some(body)) = (address, body.as_object_mut()) {
        body.insert("address".to_owned(), address.to_string().into());
    }
    Entry {
        room: Some(room.to_string()),
        person: who.jid.as_ref().map(ToString::to_string),
        nick: (!who.nick.is_empty()).then(|| who.nick.clone()),
        body: body.to_string(),
        ..Entry::new(kind, now)
    }
}

/// A command of an operator, done or failed. There must be no secret in it.
#[derive(Clone, Debug)]
pub struct Action<'a> {
    /// Its id.
    pub id: String,
    /// The command's name.
    pub command: &'static str,
    /// The caller.
    pub by: By,
    /// In which room.
    pub room: Option<&'a str>,
    /// To whom.
    pub person: Option<&'a str>,
    /// Why it failed, if it did.
    pub outcome: Result<(), &'a str>,
    /// Further details.
    pub details: Map<String, Value>,
}

/// The entry of what an operator did.
pub(super) fn action(action: Action<'_>, now: Timestamp) -> Entry {
    let outcome = if action.outcome.is_ok() { "done" } else { "failed" };
    Entry {
        id: Some(action.id),
        room: action.room.map(str::to_owned),
        person: action.person.map(str::to_owned),
        command: Some(action.command.into()),
        by: Some(action.by),
        outcome: Some(outcome.into()),
        reason: action.outcome.err().map(str::to_owned),
        body: Value::Object(action.details).to_string(),
        ..Entry::new(Kind::Action, now)
    }
}

/// The entry of an event of the decision log; `None`: an operator's command, which has an entry of its own.
pub(super) fn event(
    event: &str,
    room: &str,
    details: &Map<String, Value>,
    now: Timestamp,
) -> Option<Entry> {
    let by_itself =
        |name: &str| By { face: "policy".into(), name: name.to_owned(), role: "operator".into() };
    let entry = match event {
        "timer" | "no-moderator" => Entry::new(Kind::Timer, now),
        "drift" => Entry::new(Kind::Drift, now),
        "refused" | "opened-failing" | "failed" => Entry::new(Kind::Gate, now),
        "removed" | "admitted" | "rejected" => Entry {
            command: Some(event.to_owned().into()),
            by: Some(by_itself("reload")),
            outcome: Some("done".into()),
            ..Entry::new(Kind::Action, now)
        },
        _ => return None,
    };
    let text = |name: &str| details.get(name).and_then(Value::as_str);
    let person = text("jid").and_then(BareJid::stamped);
    let line = details.get("line").and_then(Value::as_u64);
    let mut body = details.clone();
    body.insert("event".to_owned(), event.into());
    Some(Entry {
        room: Some(room.to_owned()),
        person: person.map(|jid| jid.to_string()),
        nick: text("nick").map(str::to_owned),
        rule: text("rule").map(|rule| rule.to_owned().into()),
        line: line.and_then(|line| u32::try_from(line).ok()),
        reason: text("reason").map(str::to_owned),
        observed: details.get("observed").and_then(Value::as_bool).unwrap_or_default(),
        body: Value::Object(body).to_string(),
        ..entry
    })
}
