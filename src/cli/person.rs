//! `vestibule person`: hands out, or erases, what is kept on one person.

use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

use super::out::{Ended, confirms, note, say, status, visible};
use super::running::{not_done, reply};
use crate::app::commands::{Erasure, Kept, PersonErase, PersonExport, called, request, unreadable};
use crate::app::{now, write_new};
use crate::component::audit::aside;
use crate::control::{Answer as _, Failure};
use crate::store::Person;

/// What is to be done with what is kept on a person.
#[derive(Debug, Subcommand)]
pub(super) enum Asked {
    /// Write everything that is kept on a person into one JSON file
    ///
    /// Entries of the audit that are about them or name them, bans, what open and stored rooms remember, and lines of the
    /// decision log.
    Export {
        /// The person's address, or the value of the claim that names them in tokens
        #[arg(allow_hyphen_values = true)]
        who: String,
        /// The file to write, which must not be there; by default the standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Erase what is kept on a person, after it was counted; what happened stays, without them
    ///
    /// A ban in force stays, and is named.
    Erase {
        /// The person's address, or the value of the claim that names them in tokens
        #[arg(allow_hyphen_values = true)]
        who: String,
        /// Only count
        #[arg(long)]
        dry_run: bool,
        /// Do not ask again
        #[arg(long, short)]
        yes: bool,
    },
}

/// Exports or erases a person.
pub(super) fn run(asked: Asked, socket: Result<PathBuf, String>, json: bool) -> Ended {
    let socket = socket?;
    let done = match asked {
        Asked::Export { who, out } => export(&who, out.as_deref(), &socket),
        Asked::Erase { who, dry_run, yes } => erase(&who, (dry_run, yes), &socket, json),
    };
    // A request that is refused is an answer.
    done.or_else(|error| Ok(not_done(&*error.downcast::<Failure>()?)))
}

fn erase(who: &str, (dry_run, yes): (bool, bool), socket: &Path, json: bool) -> Ended {
    let ask = |dry_run| -> Result<(Value, Erasure), Box<dyn std::error::Error>> {
        let request = request(&PersonErase { who: who.to_owned(), dry_run })?;
        let value = reply(Ok(socket.to_owned()), &request)??;
        Ok((value.clone(), serde_json::from_value(value)?))
    };
    let show = |(value, erasure): (Value, Erasure)| {
        if json {
            say(&value)
        } else {
            say(&visible(&erasure.words()))
        }
        Ok(status(erasure.is_complete()))
    };
    if dry_run {
        return show(ask(true)?);
    }
    if !yes {
        let counted = ask(true)?.1;
        note(&counted.words());
        if !counted.is_complete() {
            return Ok(status(false));
        }
        if !confirms(|| "Nothing brings it back.".to_owned())? {
            note("nothing was done");
            return Ok(status(false));
        }
    }
    show(ask(false)?)
}

fn export(who: &str, out: Option<&Path>, socket: &Path) -> Ended {
    let (mut first, mut entries, mut after) = (None::<Kept>, Vec::new(), None);
    loop {
        let request = request(&PersonExport { who: who.to_owned(), after })?;
        let value = reply(Ok(socket.to_owned()), &request)??;
        let mut page: Kept = serde_json::from_value(value)?;
        entries.append(&mut page.entries);
        after = page.next;
        first.get_or_insert(page);
        if after.is_none() {
            break;
        }
    }
    let Some(mut kept) = first else { return Ok(status(false)) };
    let person = Person::named(who, &kept.claim).map_err(|error| error.to_string())?;
    let person = person.with(kept.addresses.iter().map(String::as_str));
    let lines = kept.log.as_deref().map(|path| lines(Path::new(path), &person)).transpose()?;
    let (lines, unread) = lines.unzip();
    let unread = unreadable(unread.unwrap_or_default()).map(|what| format!("not in it: {what}"));
    kept.note = kept.note.into_iter().chain(unread).reduce(|one, other| format!("{one}; {other}"));
    kept.note.iter().for_each(note);
    let is_nothing = entries.is_empty() && kept.bans.is_empty() && kept.rooms.is_empty();
    if is_nothing && lines.as_ref().is_none_or(Vec::is_empty) {
        let of_what =
            if kept.note.is_some() { "of what could be read, nothing" } else { "nothing" };
        note(&format!("{of_what} is kept that names a person by that address or token"));
        called(&kept.called).iter().for_each(note);
        return Ok(status(false));
    }
    let all = json!({
        "person": who,
        "addresses": kept.addresses,
        "at": now(),
        "entries": entries,
        "bans": kept.bans,
        "rooms": kept.rooms,
        "decision_log": lines,
        "missing": kept.note,
    });
    match out {
        None => say(&format!("{all:#}")),
        Some(path) => {
            write_new(path, &format!("{all:#}\n"))
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
            note(&format!("{}: look through it first: it names others", path.display()));
        }
    }
    Ok(status(kept.note.is_none()))
}

/// Returns the lines of the decision log that name a person, those of the file that was renamed before first, and how many
/// lines cannot be read.
fn lines(path: &Path, person: &Person) -> Result<(Vec<Value>, u64), String> {
    let (mut found, mut unread) = (Vec::new(), 0_u64);
    for path in [&*aside(path), path] {
        let failed = |error| format!("cannot read {}: {error}", path.display());
        // The component names the file, and may put anything there: a pipe must not make it wait.
        let file = match File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            opened => opened.map_err(failed)?,
        };
        if !file.metadata().is_ok_and(|found| found.is_file()) {
            return Err(format!("cannot read {}: it is no regular file", path.display()));
        }
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(failed)?;
            match Person::readable(&line) {
                Some(line) if person.is_in_line(line) => {
                    found.extend(serde_json::from_str::<Value>(line).ok());
                }
                Some(_) => {}
                None => unread = unread.saturating_add(u64::from(!line.is_empty())),
            }
        }
    }
    Ok((found, unread))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_log_is_a_regular_file() {
        let folder = tempfile::tempdir().unwrap();
        let (log, pipe) = (folder.path().join("log"), folder.path().join("pipe"));
        let person = Person::named("bob@example.org", "id").unwrap();
        std::fs::write(&log, "{\"jid\":\"bob@example.org\"}\n{\"jid\":\"ann@example.org\"}\n{torn")
            .unwrap();
        let (found, unread) = lines(&log, &person).unwrap();
        assert_eq!((found, unread), (vec![json!({ "jid": "bob@example.org" })], 1));
        assert_eq!(lines(&folder.path().join("none"), &person), Ok((Vec::new(), 0)));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        for path in [&*pipe, folder.path(), Path::new("/dev/zero")] {
            assert!(lines(path, &person).is_err(), "{}", path.display());
        }
    }
}
