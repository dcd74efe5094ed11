//! `vestibule incident`: acts on an incident, writes everything about it into a file, and verifies such a file.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::out::{Ended, note, say, status, working};
use super::running::block_on;
use crate::app::commands::{Ban, Close, End, Incident, request};
use crate::app::write_new;
use crate::config::counted;
use crate::control::{ENDED, Failure, FailureKind, Length, Reply, Request, ask};
use crate::incident::{check, page};

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").args(["room", "person", "verify"]).required(true).multiple(true))]
pub(super) struct Arguments {
    /// The room it happened in
    #[arg(long, value_name = "JID")]
    room: Option<String>,
    /// The person it is about
    #[arg(long, value_name = "JID")]
    person: Option<String>,
    /// From this time on: RFC 3339, or a duration before now
    #[arg(long, value_name = "WHEN", default_value = "24 hours")]
    since: String,
    /// Until this time: RFC 3339, or a duration before now; by default until now
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// A remark, for the file and as the reason of --ban
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// First remove the person from all rooms, and keep them out for this time
    #[arg(long, value_name = "HOW LONG", requires = "person")]
    ban: Option<String>,
    /// First let nobody else into the room
    #[arg(long, requires = "room")]
    close: bool,
    /// First end the room
    #[arg(long, requires = "room", conflicts_with = "close")]
    end: bool,
    /// The file to write, which must not be there; with a name in `.json`, the JSON alone
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only check whether such a file is unchanged
    #[arg(long, value_name = "FILE", exclusive = true)]
    verify: Option<PathBuf>,
}

/// Carries out the steps that the arguments request, and reports each.
pub(super) fn run(arguments: &Arguments, socket: Result<PathBuf, String>, json: bool) -> Ended {
    match &arguments.verify {
        Some(file) => verify(file),
        None => block_on(steps(arguments, &socket?, json))?,
    }
}

async fn steps(arguments: &Arguments, socket: &Path, json: bool) -> Ended {
    let mut is_all_done = true;
    for (told, step) in measures(arguments) {
        let reply = match step {
            Ok(request) => ask(socket, &request, working()).await?,
            Err(failure) => Reply::Failed(failure),
        };
        match reply {
            Reply::Done(_) => note(&format!("done: {told}")),
            Reply::Failed(failure) => {
                note(&format!("NOT DONE: {told}: {failure}"));
                is_all_done = false;
            }
        }
    }
    let Arguments { room, person, since, until, note: remark, .. } = arguments;
    let incident = Incident {
        room: room.clone(),
        person: person.clone(),
        since: Some(since.clone()),
        until: until.clone(),
        note: remark.clone(),
    };
    let sealed = match ask(socket, &request(&incident)?, working()).await? {
        Reply::Done(sealed) => sealed,
        Reply::Failed(failure) => {
            note(&format!("error: {failure}"));
            return Ok(status(false));
        }
    };
    if json && arguments.out.is_none() {
        say(&sealed);
    } else {
        write(&sealed, arguments.out.as_deref(), json)?;
    }
    Ok(status(is_all_done))
}

/// Returns the actions that precede the collection: what to report of each, and its request.
fn measures(arguments: &Arguments) -> Vec<(String, Result<Request, Failure>)> {
    let mut steps = Vec::new();
    if let (Some(time), Some(person)) = (&arguments.ban, &arguments.person) {
        let reason = arguments.note.clone().unwrap_or_else(|| "an incident".to_owned());
        let told = format!("{person} is removed from all rooms, and banned for {time}");
        let time =
            time.parse::<Length>().map_err(|reason| Failure::new(FailureKind::Invalid, reason));
        let ban = time.and_then(|time| {
            request(&Ban { who: person.clone(), room: None, r#for: Some(time), reason })
        });
        steps.push((told, ban));
    }
    if let Some(room) = arguments.room.clone() {
        if arguments.close {
            steps.push((format!("{room} is closed"), request(&Close { room })));
        } else if arguments.end {
            let told = format!("{room} has ended");
            steps.push((told, request(&End { room, reason: ENDED.to_owned() })));
        }
    }
    steps
}

/// Writes the file, and prints its name and the SHA-256 by which it can be verified.
fn write(sealed: &Value, out: Option<&Path>, json: bool) -> Result<(), String> {
    let bundle = sealed.get("incident").ok_or("the component sent no incident")?;
    let sha256 = sealed.get("sha256").and_then(Value::as_str).unwrap_or_default();
    let short: String = sha256.chars().take(12).collect();
    let path = out.map_or_else(|| PathBuf::from(format!("incident-{short}.html")), Path::to_owned);
    let is_json = json || path.extension().is_some_and(|it| it == "json");
    let text = if is_json { format!("{sealed}\n") } else { page(bundle) };
    write_new(&path, &text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    let count = |name: &str| bundle.get(name).and_then(Value::as_array).map_or(0, Vec::len);
    say(&format!(
        "{}: {}, {}\nSHA-256 {sha256}",
        path.display(),
        counted(count("entries"), "entry", "entries"),
        counted(count("policies"), "policy", "policies")
    ));
    if bundle.get("cut") == Some(&Value::Bool(true)) {
        note(
            "There was more than fits: the oldest is left out. Ask for a shorter time with --since and --until.",
        );
    }
    Ok(())
}

fn verify(file: &Path) -> Ended {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| format!("cannot read {name}: {error}"))?;
    let checked = check(&text).map_err(|error| format!("{name}: {error}"))?;
    if checked.sha256 != checked.said {
        say(&format!(
            "CHANGED: it says SHA-256 {}, and what it holds has {}",
            checked.said, checked.sha256
        ));
    } else {
        say(&format!("SHA-256 {}, as it says: compare it with what you were told", checked.sha256));
    }
    match checked.page {
        Some(true) => say("the page shows what the JSON in it says"),
        Some(false) => say("CHANGED: the page shows something else than the JSON in it says"),
        None => {}
    }
    Ok(status(checked.is_whole()))
}
