//! `replay`: the decision log, decided again.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::json;

use super::out::{Ended, Progress, say, status};
use crate::config::Loaded;
use crate::proof::replay::{Question, replay};
use crate::store::sqlite::Sqlite;
use crate::store::{Connection, Database as _, Kind, Query};

/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Decide by this file instead of that of --config
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    /// Decision logs or audit databases, the oldest first; - for the standard input. None: the database of the
    /// component that runs by the file of --config
    #[arg(value_name = "LOG")]
    logs: Vec<PathBuf>,
    /// The policy made the log: fail unless every decision is the same, to the rule and its line
    #[arg(long)]
    exact: bool,
    /// Leave out decisions before this time
    #[arg(long, value_name = "RFC3339")]
    since: Option<Timestamp>,
    /// Leave out decisions at this time or later
    #[arg(long, value_name = "RFC3339")]
    until: Option<Timestamp>,
    /// Number of changed decisions to show
    #[arg(long, value_name = "N", default_value_t = 20)]
    first: u64,
    /// Show every changed decision
    #[arg(long, conflicts_with = "first")]
    all: bool,
}

/// Decides the attempts of the logs again by a policy file, and prints the decisions that change.
pub(super) fn by_file(
    loaded: &Loaded,
    arguments: &Arguments,
    database: impl FnOnce() -> Option<PathBuf>,
    json: bool,
) -> Ended {
    let Arguments { policy: _, logs, exact, since, until, first, all } = arguments;
    let kept: Vec<_> = if logs.is_empty() { database().into_iter().collect() } else { Vec::new() };
    if logs.is_empty() && kept.is_empty() {
        return Err("the file has no audit database (`store.file`): name a decision log".into());
    }
    let logs: Vec<_> = logs.iter().chain(&kept).collect();
    let question = Question { exact: *exact, since: *since, until: *until };
    let sizes = logs.iter().map(|path| path.metadata().map(|file| file.len()).unwrap_or_default());
    let mut progress = Progress::new(sizes.sum());
    let mut shown = 0_u64;
    let result = replay(
        &loaded.policy,
        question,
        logs.iter().map(|path| decisions(path)),
        |found| {
            if *all || shown < *first {
                if json {
                    say(&json!(found));
                } else {
                    say(&found.words());
                }
            }
            shown = shown.saturating_add(1);
        },
        |bytes| progress.at(bytes),
    );
    progress.end();
    let totals = result?;
    if json {
        say(&json!({ "totals": totals }));
    } else {
        if !*all && shown > *first {
            say(&format!("... {} more: show them with --all", shown.saturating_sub(*first)));
        }
        say(&totals.words(*exact));
    }
    Ok(status(!*exact || totals.is_exact()))
}

/// Opens a decision log, an audit database, or the standard input.
///
/// # Errors
/// Fails if it cannot be read; the error names the path.
pub(super) fn decisions(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    match File::open(path) {
        Ok(file) if is_database(&file) => Ok(Box::new(Kept::open(path)?)),
        Ok(file) => Ok(Box::new(file)),
        Err(error) => {
            Err(io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display())))
        }
    }
}

fn is_database(file: &File) -> bool {
    let mut magic = [0; 16];
    file.read_exact_at(&mut magic, 0).is_ok() && magic == *b"SQLite format 3\0"
}

/// The decisions of an audit database, as a log.
struct Kept {
    connection: Box<dyn Connection>,
    after: i64,
    lines: io::Cursor<Vec<u8>>,
}

impl Kept {
    fn open(path: &Path) -> io::Result<Self> {
        let connection = Sqlite::read_only(path).connect().map_err(|error| {
            io::Error::other(format!("cannot read {}: {error}", path.display()))
        })?;
        Ok(Self { connection, after: 0, lines: io::Cursor::default() })
    }
}

impl Read for Kept {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.lines.read(buffer)?;
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        let query = Query {
            kind: Some(Kind::Decision),
            after: Some(self.after),
            limit: Some(Query::MOST),
            ..Query::default()
        };
        let entries = self.connection.search(&query).map_err(io::Error::other)?;
        let Some(last) = entries.last() else { return Ok(0) };
        self.after = last.seq;
        let lines: String = entries.iter().flat_map(|entry| [&entry.body, "\n"]).collect();
        self.lines = io::Cursor::new(lines.into_bytes());
        self.lines.read(buffer)
    }
}
