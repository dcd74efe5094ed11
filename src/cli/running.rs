//! Asking the running component, and showing what it says.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;

use super::out::{NO, fail, note_error, say, working};
use super::plan;
use super::{doctor, done, explain, log};
use crate::control::{LogIn, Plan, Reply, Request, ServiceStatus, Status, ask as ask_component};
use crate::store::SharedState;

/// Asks, shows the reply, and gives the exit status for it.
pub(super) fn ask(socket: Result<PathBuf, String>, request: &Request, json: bool) -> ExitCode {
    match reply(socket, request) {
        Ok(value) => show(request, &value, json),
        Err(status) => status,
    }
}

/// Asks; what there is to say, or what went wrong has been said, and the exit status for it.
pub(super) fn reply(socket: Result<PathBuf, String>, request: &Request) -> Result<Value, ExitCode> {
    let socket = socket.map_err(|reason| fail(&reason))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| fail(&error))?;
    match runtime.block_on(ask_component(&socket, request, working())) {
        Err(error) => Err(fail(&error)),
        Ok(Reply::Failed(failure)) => {
            note_error(&failure);
            Err(ExitCode::from(NO))
        }
        Ok(Reply::Done(value)) => Ok(value),
    }
}

fn show(request: &Request, value: &Value, json: bool) -> ExitCode {
    if let Request::Doctor { .. } = request {
        return doctor::show(value, false, json);
    }
    if json {
        say(value);
    }
    match request {
        Request::Status {} => match serde_json::from_value::<Status>(value.clone()) {
            Err(error) => return fail(&error),
            Ok(status) => {
                if !json {
                    say(&status_in_words(&status));
                }
                return ExitCode::from(if status.ready { 0 } else { NO });
            }
        },
        Request::Plan { .. } => match serde_json::from_value::<Plan>(value.clone()) {
            Err(error) => return fail(&error),
            Ok(plan) => {
                if !json {
                    say(&plan::in_words(&plan));
                }
                return ExitCode::from(if plan.refused { NO } else { 0 });
            }
        },
        _ if json => return done::status(request, value),
        Request::Doctor { .. } => {}
        Request::Rooms {} => rooms(value),
        Request::Room { .. } => room(value),
        Request::Log(_) => log::show(value),
        Request::Explain { .. } => say(&explain::in_words(value, None)),
        Request::Suspend { room, .. } => suspended(room, value),
        Request::Resume { room } => {
            let closed = value.get("closed").is_some_and(|closed| !closed.is_null());
            let closed = if closed { ", and stays closed as it was before" } else { "" };
            say(&format!("{room} is resumed{closed}"));
        }
        Request::Incident { .. } => say(value),
        Request::Page { .. } => say(value.get("url").map_or("?", text)),
        Request::Reload { .. } => {
            let removed = value.get("removed").and_then(Value::as_u64).unwrap_or_default();
            say(&format!("policy {} is in force", value.get("revision").map_or("?", text)));
            if removed > 0 {
                say(&format!("{removed} people may no longer be inside, and are removed"));
            }
            let restart = done::list(value, "restart").iter().map(text);
            let restart: Vec<_> = restart.collect();
            if !restart.is_empty() {
                say(&format!("NOT IN FORCE until a restart: {}", restart.join(", ")));
            }
            return done::status(request, value);
        }
        Request::Close { .. }
        | Request::Reopen { .. }
        | Request::ReopenLog {}
        | Request::End { .. }
        | Request::Admit(_)
        | Request::Reject(_)
        | Request::Remove(_)
        | Request::Hold(_)
        | Request::Ban { .. }
        | Request::Unban { .. }
        | Request::Bans {}
        | Request::Why { .. }
        | Request::Password { .. }
        | Request::Say { .. }
        | Request::EndMany { .. } => return done::show(request, value),
    }
    ExitCode::SUCCESS
}

fn suspended(room: &str, value: &Value) {
    say(&format!("{room} is suspended"));
    for (key, mark) in [("done", "done"), ("not", "NOT ")] {
        let lines = value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for line in lines {
            say(&format!("  {mark}  {}", text(line)));
        }
    }
}

fn status_in_words(status: &Status) -> String {
    let mut lines = vec![format!(
        "vestibule {}, policy {}, up {} s: {}",
        status.version,
        status.revision,
        status.uptime,
        match (status.ready, status.observe) {
            (true, false) => "ready",
            (true, true) => "ready, only observing: nothing is enforced",
            (false, _) => "NOT READY",
        }
    )];
    if !status.linked {
        let trouble = status.trouble.as_deref().unwrap_or("not connected yet");
        lines.push(format!("no link to the server: {trouble}"));
    } else if let Some(trouble) = &status.trouble {
        lines.push(trouble.clone());
    }
    let down = status
        .down
        .iter()
        .map(|down| format!("{} is DOWN since {:.0}: {}", down.task, down.since, down.reason));
    lines.extend(down);
    lines.extend(status.file.clone());
    lines.extend(status.unlisted.iter().cloned());
    for service in &status.services {
        lines.push(match (&service.gate, &service.server) {
            (Some(gate), Some(server)) => format!(
                "{}: gate {gate} on {server}; joins while this component is away: {}{}",
                service.domain,
                service.failure.as_deref().unwrap_or("?"),
                if service.unread { "; its rooms are NOT READ yet" } else { "" }
            ),
            _ if !status.linked => format!("{}: not known without a link", service.domain),
            _ if service.refused.is_some() => format!(
                "{}: the gate is REFUSED, and lets nobody in: {}",
                service.domain,
                service.refused.as_deref().unwrap_or_default()
            ),
            _ => format!("{}: NO GATE has greeted, its rooms are under no policy", service.domain),
        });
    }
    for service in &status.services {
        let opening = service.opening.iter();
        lines.extend(opening.map(|who| format!("{}: rooms are opened by {who}", service.domain)));
        lines.extend(log_ins(service));
        let told = service.neighbours.iter();
        lines.extend(told.map(|neighbour| format!("{}: warning: {neighbour}", service.domain)));
    }
    let decided = status.decisions;
    lines.push(format!(
        "{} rooms open; decided: {} allowed, {} held, {} asked for a password, {} denied; {} settled by a gate alone",
        status.rooms, decided.allow, decided.hold, decided.prompt, decided.deny, decided.by_gate
    ));
    let would = decided.would;
    if would.any() {
        lines.push(format!(
            "of these, if what is observed were enforced: {} would have been allowed, {} held, {} asked for a \
             password, {} denied",
            would.allow, would.hold, would.prompt, would.deny
        ));
    }
    let drift = status.drift;
    lines.push(format!(
        "rooms compared with the policy {} times, {} the last time: {} differences found, {} repaired, {} there now",
        drift.audits, drift.rooms, drift.found, drift.repaired, drift.present
    ));
    if let Some(counts) = status.doctor.filter(|counts| counts.critical > 0 || counts.warning > 0) {
        lines.push(format!(
            "the doctor found {} critical and {} other defects: `vestibule doctor` says which",
            counts.critical, counts.warning
        ));
    }
    if status.log_lines_lost > 0 {
        lines.push(format!("{} LINES of the decision log are LOST", status.log_lines_lost));
    }
    if let Some(store) = &status.store {
        if let Some(trouble) = &store.trouble {
            lines.push(format!(
                "the AUDIT DATABASE takes no entries, {} wait: {trouble}",
                store.waiting
            ));
        }
        if store.lost > 0 {
            lines.push(format!("{} ENTRIES of the audit database are LOST", store.lost));
        }
        lines.extend(store.shared.as_ref().map(servers));
    }
    lines.join("\n")
}

/// What a log-in to each host proves, in one line.
fn log_ins(service: &ServiceStatus) -> Option<String> {
    let hosts = service.log_ins.iter().map(|LogIn { host, provider, proves, line, .. }| {
        let proves = proves.as_deref().map_or("NOT KNOWN", |proves| proves);
        let line = if *line > 0 { format!(", line {line}") } else { String::new() };
        format!("{host} {proves} (by {provider}{line})")
    });
    let hosts: Vec<_> = hosts.collect();
    (!hosts.is_empty())
        .then(|| format!("{}: a log-in proves, at {}", service.domain, hosts.join(", ")))
}

/// How the database that several servers have in common is.
fn servers(shared: &SharedState) -> String {
    let SharedState { server, away_since, trouble, waiting, refused } = shared;
    let refused = match refused {
        0 => String::new(),
        refused => format!("; it has REFUSED {refused}"),
    };
    match (away_since, trouble) {
        (Some(since), Some(trouble)) => format!(
            "the servers' database is AWAY since {since:.0}, {waiting} entries wait in the file: {trouble}{refused}"
        ),
        (Some(_), None) => "the servers' database is being reached".to_owned(),
        (None, _) => format!("the servers' database is there, this server is `{server}`{refused}"),
    }
}

fn rooms(value: &Value) {
    let rooms = value.as_array().map(Vec::as_slice).unwrap_or_default();
    if rooms.is_empty() {
        say("no rooms are open");
    }
    for room in rooms {
        let closed = if room.get("closed").is_some_and(|closed| !closed.is_null()) {
            ", closed"
        } else {
            ""
        };
        let closed = if is_suspended(room) { ", SUSPENDED" } else { closed };
        say(&format!(
            "{}  {} inside{closed}, {}",
            field(room, "room"),
            room.get("people").and_then(Value::as_u64).unwrap_or_default(),
            opened(room),
        ));
    }
}

/// When a room was opened, and by whom, as far as that is known.
fn opened(room: &Value) -> String {
    let known = |name: &str| room.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    match (known("opened"), known("opener")) {
        (Some(at), Some(by)) => format!("opened {at} by {by}"),
        (Some(at), None) => format!("under the policy since {at}"),
        (None, _) => "under no policy yet".to_owned(),
    }
}

fn room(value: &Value) {
    let on = |name: &str| value.get(name).and_then(Value::as_bool).unwrap_or_default();
    say(&format!(
        "{}, {}{}{}{}{}",
        field(value, "room"),
        opened(value),
        if on("password") { ", has a password" } else { "" },
        if on("lobby") { ", members only" } else { "" },
        if value.get("closed").is_some_and(|closed| !closed.is_null()) { ", CLOSED" } else { "" },
        if is_suspended(value) { ", SUSPENDED" } else { "" },
    ));
    let list = |name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    for who in list("occupants") {
        say(&format!(
            "  inside   {}  {}  {}",
            field(&who, "nick"),
            field(&who, "jid"),
            field(&who, "role")
        ));
    }
    for who in list("waiting") {
        say(&format!("  waiting  {}  {}", field(&who, "nick"), field(&who, "jid")));
    }
}

fn is_suspended(room: &Value) -> bool {
    room.get("state").is_some_and(|state| state == "suspended")
}

pub(super) fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).map_or("?", text)
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}
