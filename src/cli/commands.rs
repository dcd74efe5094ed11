//! The commands to the running component that are about rooms and people.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use super::out::{NO, confirms, fail, note};
use super::people::{Going, Whom};
use super::running::{ask, reply};
use crate::control::{ENDED, ForPeople, Length, Request, Typed};
use crate::secret::Secret;

/// The longest password that is read, in bytes.
const LONGEST_PASSWORD: u64 = 4096;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List the open rooms
    Rooms,
    /// Show one room: who is inside, who waits
    Room {
        /// The room's address
        #[arg(allow_hyphen_values = true)]
        room: String,
    },
    /// Close a room: nobody else may enter
    Close {
        /// The room's address
        #[arg(allow_hyphen_values = true)]
        room: String,
    },
    /// Let people enter a closed room again; without a room: go on in a new decision log, after the old one was moved away
    Reopen {
        /// The room's address
        #[arg(allow_hyphen_values = true)]
        room: Option<String>,
    },
    /// Suspend a meeting: nobody else may enter, only moderators speak, nothing is recorded
    Suspend {
        /// The room's address
        #[arg(allow_hyphen_values = true)]
        room: String,
        /// What those inside are told beside
        #[arg(long)]
        reason: Option<String>,
    },
    /// Resume a suspended meeting
    Resume {
        /// The room's address
        #[arg(allow_hyphen_values = true)]
        room: String,
    },
    /// End a room: everybody out
    End {
        /// The room's address
        #[arg(allow_hyphen_values = true)]
        room: String,
        /// What those inside are told
        #[arg(long, default_value = ENDED)]
        reason: String,
        /// Do not ask again
        #[arg(long, short)]
        yes: bool,
    },
    /// End all rooms that everything given is true of
    EndMany {
        /// Whose name (the part before the `@`) is like this: `*` any text, `?` any character
        #[arg(long = "match", value_name = "PATTERN")]
        pattern: Option<String>,
        /// Of this service
        #[arg(long, value_name = "DOMAIN")]
        service: Option<String>,
        /// Opened at least so long ago, like "2 hours"
        #[arg(long, value_name = "LENGTH")]
        older: Option<Length>,
        /// Without a moderator inside
        #[arg(long)]
        unmoderated: bool,
        /// Every room there is
        #[arg(long)]
        all: bool,
        /// What those inside are told
        #[arg(long, default_value = ENDED)]
        reason: String,
        /// Only say which, and end none
        #[arg(long)]
        dry_run: bool,
        /// Do not ask again
        #[arg(long, short)]
        yes: bool,
    },
    /// Let people in who wait, or one who was removed
    ///
    /// One person, or everybody who waits and of whom all that is given is true. Exit status 1: nobody was meant, or
    /// somebody waits still.
    Admit(Whom),
    /// Turn people away who wait
    ///
    /// One person, or everybody who waits and of whom all that is given is true. Exit status 1: nobody was meant, or
    /// somebody waits still.
    Reject(Whom),
    /// Remove people from a room, or one who has just left
    ///
    /// One person, or everybody who is inside or waits and of whom all that is given is true; services never, moderators and
    /// operators only with --moderators (operators also with --class operator). Exit status 1: nobody was meant, or somebody is
    /// there still.
    Remove {
        #[command(flatten)]
        going: Going,
        /// How long they stay out of this room, like "30 minutes", instead of what the file says
        #[arg(long, value_name = "LENGTH")]
        keep_out: Option<Length>,
    },
    /// Send people back to the lobby: out, and in again once a moderator lets them in
    ///
    /// One person, or everybody inside of whom all that is given is true, with the same exceptions as `remove`. It is no ban:
    /// they may knock, for as long as a removal lasts they have to, and `admit` takes it back.
    Hold(Going),
    /// Remove somebody from all rooms, and keep him out
    Ban {
        /// A JID (bob@example.org), a domain (example.org), or a network (192.0.2.0/24); with `--room`, also a nick there, or
        /// the id of a decision
        #[arg(allow_hyphen_values = true)]
        who: String,
        /// Only from rooms whose name (the part before the `@`) is like this; of an address, that part counts
        #[arg(long, value_name = "PATTERN")]
        room: Option<String>,
        /// For how long, like "7 days", instead of until it is lifted
        #[arg(long = "for", value_name = "LENGTH")]
        time: Option<Length>,
        /// Why, for the next operator; those who are banned are not told
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Take back bans that were made by `ban`
    Unban {
        /// The JID, domain or network
        #[arg(allow_hyphen_values = true)]
        who: String,
        /// Only those for this pattern
        #[arg(long, value_name = "PATTERN")]
        room: Option<String>,
    },
    /// List the bans that were made by `ban`
    Bans,
    /// Explain a decision of the audit again, by its id, from what it rested on
    Why {
        /// The decision's id
        decision: String,
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
    /// Say something to everybody in a room
    Say {
        /// The room's address
        #[arg(allow_hyphen_values = true)]
        room: String,
        /// What
        #[arg(allow_hyphen_values = true)]
        text: String,
    },
}

/// Gives the command, shows the reply, and gives the exit status for it.
pub(super) fn give(verb: Verb, socket: Result<PathBuf, String>, json: bool) -> ExitCode {
    let yes = matches!(&verb, Verb::End { yes: true, .. } | Verb::EndMany { yes: true, .. });
    let request = match verb.request() {
        Ok(request) => request,
        Err(error) => return fail(&error),
    };
    if !yes && !is_meant(&request, &socket) {
        note("nothing was done");
        return ExitCode::from(NO);
    }
    ask(socket, &request, json)
}

/// Asks again, on a terminal, before what cannot be taken back.
fn is_meant(request: &Request, socket: &Result<PathBuf, String>) -> bool {
    if let Request::End { room, .. } = request {
        return confirms(|| format!("Everybody leaves {room}, and it ends."));
    }
    let mut look = request.clone();
    let Request::EndMany { dry_run: dry_run @ false, .. } = &mut look else { return true };
    *dry_run = true;
    confirms(|| {
        // Why it fails, it says by itself when it is given.
        let rooms = reply(socket.clone(), &look).ok();
        let count = rooms.and_then(|it| it.get("rooms")?.as_array().map(Vec::len));
        format!("This ends {} rooms.", count.map_or("?".to_owned(), |count| count.to_string()))
    })
}

impl Verb {
    fn request(self) -> Result<Request, String> {
        Ok(match self {
            Self::Rooms => Request::Rooms {},
            Self::Room { room } => Request::Room { room },
            Self::Close { room } => Request::Close { room },
            Self::Reopen { room: Some(room) } => Request::Reopen { room },
            Self::Reopen { room: None } => Request::ReopenLog {},
            Self::Suspend { room, reason } => Request::Suspend { room, reason },
            Self::Resume { room } => Request::Resume { room },
            Self::End { room, reason, yes: _ } => Request::End { room, reason },
            Self::EndMany {
                pattern,
                service,
                older,
                unmoderated,
                all,
                reason,
                dry_run,
                yes: _,
            } => Request::EndMany { pattern, service, older, unmoderated, all, reason, dry_run },
            Self::Admit(whom) => Request::Admit(Box::new(whom.into())),
            Self::Reject(whom) => Request::Reject(Box::new(whom.into())),
            Self::Remove { going, keep_out } => {
                Request::Remove(Box::new(ForPeople { keep_out, ..going.into() }))
            }
            Self::Hold(going) => Request::Hold(Box::new(going.into())),
            Self::Ban { who, room, time, reason } => Request::Ban { who, room, time, reason },
            Self::Unban { who, room } => Request::Unban { who, room },
            Self::Bans => Request::Bans {},
            Self::Why { decision } => Request::Why { decision },
            Self::Rotate { room } => Request::Password { room, password: None },
            Self::SetPassword { room, file } => {
                Request::Password { room, password: Some(password(file.as_deref())?) }
            }
            Self::Say { room, text } => Request::Say { room, text },
        })
    }
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
