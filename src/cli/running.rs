//! Requests to the running component, and what is shown of its replies.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::Value;
use tokio::runtime::Builder;

use super::fix;
use super::out::{Ended, confirms, note, note_error, say, status, visible, working};
use super::to_run;
use crate::app::commands::{
    Doctor, End, EndMany, Explained, Given, Password, Reopen, ReopenLog, Status, Verb, request,
};
use crate::app::{self, commands, now};
use crate::config::{Described, Environment, Loaded, counted};
use crate::control::{ClientError, Failure, Reply, Request, Shown, Typed, ask as ask_component};
use crate::doctor::in_words;
use crate::jid::BareJid;
use crate::policy::Policy;
use crate::policy::requester::Auth;
use crate::proof::policy_tests::Tried;
use crate::secret::Secret;

/// Sends a command to the component, shows the reply, and returns the exit status.
pub(super) fn ask<V: Verb>(socket: Result<PathBuf, String>, verb: &V, json: bool) -> Ended {
    give(socket, request(verb), json)
}

/// Sends a request to the component, shows the reply, and returns the exit status.
fn give(socket: Result<PathBuf, String>, request: Result<Request, Failure>, json: bool) -> Ended {
    let request = match request {
        Ok(request) => request,
        Err(failure) => return Ok(not_done(&failure)),
    };
    match reply(socket, &request)? {
        Ok(value) => show(&request, value, json),
        Err(failure) => Ok(not_done(&failure)),
    }
}

/// Shows the reply to a request, and returns the exit status.
fn show(request: &Request, value: Value, json: bool) -> Ended {
    if json {
        say(&value);
    }
    let Shown { text, is_complete } = (request.command().show)(value)?;
    if !json && !text.is_empty() {
        say(&visible(&text));
    }
    Ok(status(is_complete))
}

/// Sends a request to the component, and prints nothing. The inner error is its refusal.
pub(super) fn reply(
    socket: Result<PathBuf, String>,
    request: &Request,
) -> Result<Result<Value, Failure>, Box<dyn Error>> {
    match block_on(ask_component(&socket?, request, working()))?? {
        Reply::Failed(failure) => Ok(Err(failure)),
        Reply::Done(value) => Ok(Ok(value)),
    }
}

/// Pause between two requests for the state, while it is waited for.
const PAUSE: Duration = Duration::from_millis(250);

/// Shows the state of the component: as it is, or as soon as it is ready, or after `wait` seconds.
pub(super) fn report_status(
    socket: Result<PathBuf, String>,
    wait: Option<u64>,
    json: bool,
) -> Ended {
    let socket = socket?;
    let request = request(&Status {})?;
    let (started, wait) = (Instant::now(), Duration::from_secs(wait.unwrap_or_default()));
    loop {
        let is_over = started.elapsed() >= wait;
        match block_on(ask_component(&socket, &request, working()))? {
            Ok(Reply::Done(value)) => {
                let is_ready = value.get("ready").and_then(Value::as_bool) == Some(true);
                if is_over || is_ready {
                    return show(&request, value, json);
                }
            }
            Ok(Reply::Failed(failure)) => return Ok(not_done(&failure)),
            Err(ClientError::Unreachable(..) | ClientError::BrokenOff(_)) if !is_over => {}
            Err(error) => return Err(error.into()),
        }
        std::thread::sleep(PAUSE.min(wait.saturating_sub(started.elapsed())));
    }
}

/// Runs a future to its end.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    Ok(Builder::new_current_thread().enable_all().build()?.block_on(future))
}

pub(super) fn not_done(failure: &Failure) -> ExitCode {
    note_error(&failure);
    status(false)
}

/// Arguments of `doctor`.
#[derive(Args, Clone, Debug)]
pub(super) struct Arguments {
    /// Show the last report of the component instead of having it check now
    #[arg(long)]
    last: bool,
    /// Also show the checks that are fine
    #[arg(long)]
    all: bool,
    /// Print a shell script that looks at the server from another machine
    #[arg(long)]
    probe: bool,
    /// Show what a change of files on this machine repairs, ask, and change them
    #[arg(long, conflicts_with_all = ["last", "all", "probe"])]
    fix: bool,
    /// Take back what --fix has changed
    #[arg(long, conflicts_with_all = ["last", "all", "probe", "fix"])]
    undo: bool,
    /// Do not ask
    #[arg(long, short, requires = "fix")]
    pub(super) yes: bool,
    /// Prosody's main configuration file
    #[arg(long, value_name = "FILE", requires = "fix")]
    pub(super) prosody_config: Option<PathBuf>,
    /// Prosody's command
    #[arg(long, value_name = "FILE", default_value = "prosodyctl")]
    pub(super) prosodyctl: PathBuf,
}

/// Shows the report of the running component. Without one, checks only the file and this machine.
pub(super) fn look(
    file: &Path,
    socket: Result<PathBuf, String>,
    environment: &Environment,
    arguments: Arguments,
    json: bool,
) -> Ended {
    if arguments.undo {
        return fix::undo(file, arguments);
    }
    let reply = match socket {
        Err(reason) => Err(reason),
        Ok(socket) => {
            let request = request(&Doctor { fresh: !arguments.last })?;
            match block_on(ask_component(&socket, &request, working()))? {
                Err(error @ ClientError::Forbidden(_)) => return Err(error.into()),
                reply => reply.map_err(|error| error.to_string()),
            }
        }
    };
    let report = match reply {
        Ok(Reply::Done(value)) => serde_json::from_value(value)?,
        Ok(Reply::Failed(failure)) => return Err(failure.into()),
        Err(reason) => {
            let reason = reason.trim_end_matches(['.', '?']);
            let reason = format!("{reason}; what the server is made of needs `vestibule run`");
            app::alone(file, environment, &to_run(file, environment)?, &reason)
        }
    };
    if arguments.fix {
        let loaded = to_run(file, environment)?;
        return fix::fix(file, environment, &loaded.settings, &report, arguments);
    }
    if arguments.probe {
        let script =
            report.probe.ok_or("the name of the server is not known: no gate has told it")?;
        say(script.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    if json {
        say(&serde_json::to_string(&report)?);
    } else {
        say(&visible(&in_words(&report, arguments.all)));
    }
    Ok(ExitCode::from(report.exit()))
}

/// Returns the explanation of a decision, with the facts that it rests on.
pub(super) fn explained(tried: &Tried, policy: &Policy) -> Explained {
    Explained::new(&tried.explanation, &tried.facts(policy), &policy.texts)
}

/// Returns the address of a room that the file is asked about: typed as an address, or, where the file names one
/// service, by its name alone.
///
/// # Errors
/// It is no address, or on no service of the file.
pub(super) fn room_of(loaded: &Loaded, typed: &str) -> Result<BareJid, String> {
    let services: Vec<_> = loaded.settings.services.iter().map(|it| it.domain.as_str()).collect();
    let whole = match services.as_slice() {
        [only] if !typed.contains('@') => format!("{typed}@{only}"),
        _ => typed.to_owned(),
    };
    let room = whole.parse::<BareJid>().ok();
    let is_there = |room: &BareJid| room.node().is_some() && services.contains(&room.domain());
    room.filter(is_there).ok_or_else(|| {
        let services: Vec<_> = services.iter().map(|service| format!("`ROOM@{service}`")).collect();
        format!("`{typed}` is no room of the file: write it as {}", services.join(" or "))
    })
}

/// Supposes how a person logs in of whom only the address is given: to another server if the address is of no host of a
/// service's server, as its name shows, else with an account. Returns what was supposed.
fn suppose(loaded: &Loaded, described: &mut Described) -> Option<String> {
    let host = described.jid.parse::<BareJid>().ok()?.domain().to_owned();
    let is_own = |service: &str| {
        let (_, above) = service.split_once('.').unwrap_or(("", service));
        host.strip_suffix(above).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let services = &loaded.settings.services;
    let is_described = described.auth.is_some() || !described.claims.is_empty();
    if is_described {
        return None;
    }
    if services.iter().any(|service| is_own(service.domain.as_str())) {
        let note = "a person with an account here (`--auth anonymous`: a guest; `--live`: as the server knows them)";
        return Some(note.to_owned());
    }
    described.auth = Some(Auth::Server.name().to_owned());
    Some(format!("{host} is another server (`--auth account`: its people have accounts here)"))
}

/// Explains an attempt by a file.
pub(super) fn by_file(file: &Path, loaded: &Loaded, described: &Described, json: bool) -> Ended {
    let room = room_of(loaded, &described.room)?.to_string();
    let mut described = Described { room, ..described.clone() };
    let note = suppose(loaded, &mut described);
    let tried = Tried::new(&loaded.policy, &described, now())?;
    let explained =
        Explained { assumed: note.map(|note| vec![note]), ..explained(&tried, &loaded.policy) };
    if json {
        say(&serde_json::to_string(&explained)?);
    } else {
        say(&explained.in_words(Some(file)));
    }
    Ok(ExitCode::SUCCESS)
}

/// Longest password that is read, in bytes.
const LONGEST_PASSWORD: u64 = 4096;

/// Commands whose command line differs from their declaration.
#[derive(Debug, Subcommand)]
pub(super) enum Other {
    /// Let people enter a closed room again; without a room: go on in a new decision log, after the old one was moved away
    Reopen {
        /// The room's address
        ///
        /// Its name alone is enough where the file names one service.
        #[arg(allow_hyphen_values = true)]
        room: Option<String>,
    },
    /// Make a new password for a room; the moderators inside are told, others who come in have to type it
    Rotate {
        /// The room's address
        ///
        /// Its name alone is enough where the file names one service.
        #[arg(allow_hyphen_values = true)]
        room: String,
    },
    /// Give a room the password that stands in a file, or is typed; the moderators inside are told, others who come in have to type it
    SetPassword {
        /// The room's address
        ///
        /// Its name alone is enough where the file names one service.
        #[arg(allow_hyphen_values = true)]
        room: String,
        /// Read it from this file instead of the standard input
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// Sends a declared command, once it is confirmed where that is needed, and returns the exit status.
pub(super) fn give_command(given: Given, socket: Result<PathBuf, String>, json: bool) -> Ended {
    let Given { request, is_confirmed } = given;
    match &request {
        Ok(asked) if !is_confirmed && !is_meant(asked, &socket)? => {
            note("nothing was done");
            Ok(status(false))
        }
        _ => give(socket, request, json),
    }
}

/// Sends one of the [`Other`] commands, and returns the exit status.
pub(super) fn give_other(other: Other, socket: Result<PathBuf, String>, json: bool) -> Ended {
    match other {
        Other::Reopen { room: Some(room) } => ask(socket, &Reopen { room }, json),
        Other::Reopen { room: None } => ask(socket, &ReopenLog {}, json),
        Other::Rotate { room } => ask(socket, &Password { room, password: None }, json),
        Other::SetPassword { room, file } => {
            let password = Some(password(file.as_deref())?);
            ask(socket, &Password { room, password }, json)
        }
    }
}

/// Asks for confirmation before what cannot be undone. Returns whether to go on.
///
/// # Errors
/// There is no terminal to ask on.
fn is_meant(request: &Request, socket: &Result<PathBuf, String>) -> Result<bool, String> {
    if request.name() == End::NAME {
        let room = request.arguments().get("room").and_then(|room| room.as_str());
        return confirms(|| format!("Everybody leaves {}, and it ends.", room.unwrap_or("?")));
    }
    let many = request.clone().parse::<EndMany>().ok().filter(|_| request.name() == EndMany::NAME);
    let Some(many) = many.filter(|many| !many.dry_run) else { return Ok(true) };
    confirms(|| {
        // An error is not shown here: the command itself reports it afterwards.
        let dry = commands::request(&EndMany { dry_run: true, ..many }).ok();
        let rooms = dry.and_then(|dry| reply(socket.clone(), &dry).ok()?.ok());
        let count = rooms.and_then(|it| it.get("rooms")?.as_array().map(Vec::len));
        let rooms = count.map_or("? rooms".to_owned(), |it| counted(it, "room", "rooms"));
        format!("This ends {rooms}.")
    })
}

/// Reads a password from the first line of a file or of the standard input: everybody on the machine sees arguments.
pub(super) fn password(file: Option<&Path>) -> Result<Typed, String> {
    let mut text = String::new();
    let read = match file {
        Some(path) => File::open(path)
            .and_then(|file| file.take(LONGEST_PASSWORD).read_to_string(&mut text))
            .map_err(|error| format!("cannot read {}: {error}", path.display())),
        None => io::stdin()
            .take(LONGEST_PASSWORD)
            .read_to_string(&mut text)
            .map_err(|error| format!("cannot read the password: {error}")),
    };
    let text = Secret::new(text);
    read?;
    let line = text.expose().lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err("there is no password: give it on the standard input, or in a file".to_owned());
    }
    Ok(Typed(Secret::new(line)))
}
