//! What was done, in words.

use std::borrow::Cow;
use std::process::ExitCode;

use serde_json::Value;

use super::explain;
use super::out::{NO, say};
use super::running::{field, text};
use crate::control::Request;

/// Characters of a nick that are shown.
const LONGEST_NICK: usize = 64;

/// Says it, and gives the exit status for it.
pub(super) fn show(request: &Request, value: &Value) -> ExitCode {
    match request {
        Request::Close { room } => {
            let already =
                if is_text(value, "was_closed") { "was closed already" } else { "is closed" };
            say(&format!("{room} {already}: nobody else may enter"));
        }
        Request::Reopen { room } => reopen(room, value),
        Request::ReopenLog {} => say(&format!("{} is begun again", field(value, "log"))),
        Request::End { room, .. } => {
            say(&format!("{room} has ended, with {} inside", occupants_of(value)));
        }
        Request::Admit(asked)
        | Request::Reject(asked)
        | Request::Remove(asked)
        | Request::Hold(asked) => people(&asked.room, value),
        Request::Say { room, .. } => {
            say(&format!("{room}: {} inside, and told", occupants_of(value)));
        }
        Request::Password { room, .. } => password(room, value),
        Request::Ban { .. } => ban(value),
        Request::Unban { .. } => {
            for ban in list(value, "lifted") {
                say(&format!("lifted: {}", ban_in_words(ban)));
            }
            not_kept(value);
        }
        Request::Bans {} => bans(value),
        Request::Why { .. } => why(value),
        Request::EndMany { .. } => end_many(value),
        Request::Log(_)
        | Request::Status {}
        | Request::Doctor { .. }
        | Request::Rooms {}
        | Request::Room { .. }
        | Request::Suspend { .. }
        | Request::Resume { .. }
        | Request::Explain { .. }
        | Request::Plan { .. }
        | Request::Reload { .. }
        | Request::Incident { .. }
        | Request::Page { .. } => {}
    }
    status(request, value)
}

/// The exit status: what was done in part is not done.
pub(super) fn status(request: &Request, value: &Value) -> ExitCode {
    let is_to_many = matches!(request, Request::Ban { .. } | Request::EndMany { .. });
    let is_reload = matches!(request, Request::Reload { .. });
    let is_undone = |person: &Value| matches!(field(person, "done"), "remains" | "banned");
    let is_stopped = value.get("stopped").is_some_and(Value::is_string);
    let is_in_part = ["failed", "unread"].iter().any(|name| !list(value, name).is_empty());
    let is_partial = is_to_many && is_in_part
        || is_stopped
        || list(value, "people").iter().any(is_undone)
        || is_reload && !list(value, "restart").is_empty();
    ExitCode::from(if is_partial { NO } else { 0 })
}

pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn is_set(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or_default()
}

fn is_text(value: &Value, name: &str) -> bool {
    value.get(name).is_some_and(Value::is_string)
}

/// How many were inside.
fn occupants_of(value: &Value) -> String {
    match value.get("inside").and_then(Value::as_u64).unwrap_or_default() {
        0 => "nobody".to_owned(),
        1 => "1 occupant".to_owned(),
        count => format!("{count} occupants"),
    }
}

fn reopen(room: &str, value: &Value) {
    let shut = value.get("shut").filter(|shut| shut.is_object());
    say(&match (is_text(value, "was_closed"), shut.is_some()) {
        (true, false) => format!("{room} takes people in again"),
        (true, true) => format!("{room} is not closed any more"),
        (false, _) => format!("{room} was not closed"),
    });
    if let Some(shut) = shut {
        let (rule, told) = (field(shut, "rule"), field(shut, "told"));
        let line = shut.get("line").and_then(Value::as_u64).filter(|line| *line > 0);
        let line = line.map_or_else(String::new, |line| format!(", line {line}"));
        say(&format!("  STILL SHUT to newcomers, by {rule}{line}: {told}"));
    }
}

fn people(room: &str, value: &Value) {
    let is_dry = is_set(value, "dry_run");
    for person in list(value, "people") {
        say(&format!("{room}: {}", person_in_words(person)));
    }
    if is_set(value, "removal_lifted") {
        say("  the removal is taken back");
    }
    if is_set(value, "room_ended") {
        say("  the room ended with the last person: anyone who opens it again opens a new one");
    }
    if let Some(reason) = value.get("stopped").and_then(Value::as_str) {
        say(&format!("STOPPED, others may be meant: {reason}"));
    }
    if is_dry {
        say("nothing was done");
    }
}

fn person_in_words(person: &Value) -> String {
    let (jid, nick) = (field(person, "jid"), field(person, "nick"));
    // Anybody may choose a nick that reads like the rest of the line.
    let nick: String = nick.chars().take(LONGEST_NICK).collect();
    let who = if matches!(&*nick, "" | "?") { jid.to_owned() } else { format!("{nick:?} ({jid})") };
    let by: Vec<_> = list(person, "known_by").iter().map(text).collect();
    let class = field(person, "class");
    let known =
        if by.is_empty() { class.to_owned() } else { format!("{class} by {}", by.join(", ")) };
    let found = match field(person, "found") {
        "inside" => "inside",
        "waits" => "waiting",
        "refused" => "refused lately as removed",
        "left" => "there lately",
        _ => "not seen lately",
    };
    let would = person.get("would").and_then(Value::as_str);
    let done = match would.unwrap_or_else(|| field(person, "done")) {
        "admitted" => "let in",
        "may-enter" => "may enter now",
        "rejected" => "turned away",
        "removed" => "removed",
        "held" => "sent back to the lobby",
        "must-knock" => "has to be let in from now on",
        "kept-out" => "kept out from now on",
        "banned" => "still kept out: banned",
        "demoted" => "has no affiliation any more",
        "spared" => "spared: moderates, or is an operator",
        "remains" => "STILL THERE, OR AGAIN",
        _ => "nothing to do",
    };
    let ban = match person.get("ban").and_then(Value::as_str) {
        Some(ban) => format!(" ({ban})"),
        None => String::new(),
    };
    let would = if would.is_some() { "would be: " } else { "" };
    let is_forgotten = person.get("kept_out").is_some_and(|kept| kept == &Value::Bool(false));
    let forgotten = if is_forgotten
        && matches!(field(person, "done"), "removed" | "rejected" | "held")
    {
        match class {
            "operator" | "service" => "; MAY COME BACK AT ONCE, as one whom the file names",
            _ => {
                "; NOT REMEMBERED: the room has no place for more, or `removal.by` names nothing that proves who they are"
            }
        }
    } else {
        ""
    };
    let is_shut = person.get("may_knock").is_some_and(|may| may == &Value::Bool(false));
    let shut =
        if is_shut { "; CANNOT WAIT THERE, the lobby is off: `admit` lets them in" } else { "" };
    format!("{who}: {known}, {found}; {would}{done}{ban}{shut}{forgotten}")
}

fn password(room: &str, value: &Value) {
    let told = if is_set(value, "told") {
        "its moderators are told"
    } else {
        "nobody is told, as the file says"
    };
    say(&format!("{room} has another password: {told}"));
    if let Some(admission) = value.get("unasked").and_then(Value::as_str) {
        say(&format!(
            "  nothing asks for it there: people come in by `lobby.admission = \"{admission}\"`"
        ));
    }
}

fn ban_in_words(ban: &Value) -> String {
    let text = |name: &str| ban.get(name).and_then(Value::as_str);
    let rooms = text("room").map_or(String::new(), |room| format!(" from rooms like `{room}`"));
    let until = text("until")
        .map_or("until it is lifted".to_owned(), |at| format!("until {}", to_the_second(at)));
    let reason = text("reason").map_or(String::new(), |reason| format!(": {reason}"));
    let with = text("with").map_or(String::new(), |who| format!(" with the ban on {who}"));
    format!(
        "{} ({}){with}{rooms}, {until}, by {} at {}, id {}{reason}",
        field(ban, "who"),
        field(ban, "kind"),
        field(ban, "by"),
        to_the_second(field(ban, "at")),
        field(ban, "id"),
    )
}

/// A moment (RFC 3339, UTC) without the parts of its second.
fn to_the_second(at: &str) -> Cow<'_, str> {
    at.split_once('.').map_or(Cow::Borrowed(at), |(whole, _)| Cow::Owned(format!("{whole}Z")))
}

fn ban(value: &Value) {
    if let Some(called) = value.get("called").and_then(Value::as_str) {
        // Anybody may choose a nick that reads like the rest of the line.
        let called: String = called.chars().take(LONGEST_NICK).collect();
        say(&format!("{called:?} is {}", field(value, "who")));
    }
    say(&format!("banned: {}", ban_in_words(value)));
    for one in list(value, "removed") {
        say(&format!("  removed from {}: {}", field(one, "room"), field(one, "jid")));
    }
    for one in list(value, "failed") {
        let (room, jid) = (field(one, "room"), field(one, "jid"));
        say(&format!("  STILL IN {room}: {jid}: {}", field(one, "reason")));
    }
    for one in list(value, "turned_away") {
        say(&format!("  turned away from {}: {}", field(one, "room"), field(one, "jid")));
    }
    for one in list(value, "unread") {
        let (service, reason) = (field(one, "service"), field(one, "reason"));
        say(&format!("  NOT KNOWN who is in rooms of {service}: {reason}"));
    }
    let marks = value.get("marks").and_then(Value::as_u64).unwrap_or_default();
    if marks > 0 {
        say(&format!("  and {marks} on marks by which they would come back under another address"));
    }
    not_kept(value);
}

fn not_kept(value: &Value) {
    if !is_set(value, "kept") {
        let reason = value.get("not_kept").map_or("?", text);
        say(&format!("  NOT STORED, so that it ends with the component: {reason}"));
    }
}

fn bans(value: &Value) {
    let bans = list(value, "bans");
    for ban in bans {
        say(&ban_in_words(ban));
    }
    if bans.is_empty() {
        say("no operator has banned anybody");
    }
    let file = value.get("file").and_then(Value::as_u64).unwrap_or_default();
    if file > 0 {
        say(&format!("{file} more stand in the file"));
    }
}

fn why(value: &Value) {
    let entry = value.get("entry").unwrap_or(&Value::Null);
    let (id, at, revision) = (field(entry, "id"), field(entry, "at"), field(entry, "revision"));
    say(&format!("decision {id} at {at}, by policy {revision}: {}", field(entry, "verdict")));
    if let Some(note) = value.get("note").and_then(Value::as_str) {
        say(&format!("note: {note}"));
    }
    if let Some(explanation) = value.get("explanation").filter(|it| it.is_object()) {
        say(&explain::in_words(explanation, None));
    }
}

fn end_many(value: &Value) {
    if is_set(value, "dry_run") {
        let rooms = list(value, "rooms");
        for room in rooms {
            say(&format!("would end: {}", room.as_str().unwrap_or("?")));
        }
        say(&format!("{} rooms would end", rooms.len()));
        return;
    }
    for one in list(value, "failed") {
        say(&format!("NOT ENDED: {}: {}", field(one, "room"), field(one, "reason")));
    }
    let (ended, failed) = (list(value, "ended").len(), list(value, "failed").len());
    say(&format!("{ended} rooms have ended, {failed} have not"));
}
