//! The commands to the running component that are about rooms and people.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use super::out::{NO, confirms, fail, note};
use super::running::{ask, give as give_request, reply};
use crate::app::commands::{self, End, EndMany, Given, Password, Reopen, ReopenLog, Verb};
use crate::control::{Request, Typed};
use crate::secret::Secret;

/// The longest password that is read, in bytes.
const LONGEST_PASSWORD: u64 = 4096;

/// Commands whose form on the command line is another than the declared one.
#[derive(Debug, Subcommand)]
pub(super) enum Other {
    /// Let people enter a closed room again; without a room: go on in a new decision log, after the old one was moved away
    Reopen {
        /// The room's address
        #[arg(allow_hyphen_values = true)]
        room: Option<String>,
    },
    /// Make a new password for a room; the moderators inside are told, others who come in have to type it
    Rotate {
        /// The room's address
        #[arg(allow_hyphen_values = true)]
        room: String,
    },
    /// Give a room the password that stands in a file, or is typed; the moderators inside are told, others who come in have to type it
    SetPassword {
        /// The room's address
        #[arg(allow_hyphen_values = true)]
        room: String,
        /// Read it from this file instead of the standard input
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// Gives a command with its declared arguments, shows the reply, and returns the exit status for it.
pub(super) fn give(given: Given, socket: Result<PathBuf, String>, json: bool) -> ExitCode {
    let Given { request, is_confirmed } = given;
    if !is_confirmed && request.as_ref().is_ok_and(|request| !is_meant(request, &socket)) {
        note("nothing was done");
        return ExitCode::from(NO);
    }
    give_request(socket, request, json)
}

/// Gives one of the others.
pub(super) fn give_other(other: Other, socket: Result<PathBuf, String>, json: bool) -> ExitCode {
    match other {
        Other::Reopen { room: Some(room) } => ask(socket, &Reopen { room }, json),
        Other::Reopen { room: None } => ask(socket, &ReopenLog {}, json),
        Other::Rotate { room } => ask(socket, &Password { room, password: None }, json),
        Other::SetPassword { room, file } => match password(file.as_deref()) {
            Ok(typed) => ask(socket, &Password { room, password: Some(typed) }, json),
            Err(error) => fail(&error),
        },
    }
}

/// Asks again, on a terminal, before what cannot be undone.
fn is_meant(request: &Request, socket: &Result<PathBuf, String>) -> bool {
    if request.name() == End::NAME {
        let room = request.arguments().get("room").and_then(|room| room.as_str());
        return confirms(|| format!("Everybody leaves {}, and it ends.", room.unwrap_or("?")));
    }
    let many = request.clone().parse::<EndMany>().ok().filter(|_| request.name() == EndMany::NAME);
    let Some(many) = many.filter(|many| !many.dry_run) else { return true };
    confirms(|| {
        // Why it fails, it says by itself when it is given.
        let dry = commands::request(&EndMany { dry_run: true, ..many }).ok();
        let rooms = dry.and_then(|dry| reply(socket.clone(), &dry).ok());
        let count = rooms.and_then(|it| it.get("rooms")?.as_array().map(Vec::len));
        format!("This ends {} rooms.", count.map_or("?".to_owned(), |count| count.to_string()))
    })
}

/// The first line of the file, or of the standard input: never an argument, which everybody on the machine can see.
fn password(file: Option<&Path>) -> Result<Typed, String> {
    let mut text = String::new();
    let read = match file {
        Some(path) => std::fs::File::open(path)
            .and_then(|file| file.take(LONGEST_PASSWORD).read_to_string(&mut text))
            .map_err(|error| format!("cannot read {}: {error}", path.display())),
        None => std::io::stdin()
            .take(LONGEST_PASSWORD)
            .read_to_string(&mut text)
            .map_err(|error| format!("cannot read the password: {error}")),
    };
    let text = Secret::new(text);
    read?;
    let line = text.expose().lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err("there is no password: give it on the standard input, or by --file".to_owned());
    }
    Ok(Typed(Secret::new(line)))
}
