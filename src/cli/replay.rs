//! `replay`: the decision log, decided again.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::json;

use super::out::{NO, Progress, fail, say};
use crate::config::Loaded;
use crate::proof::replay::{Question, replay};

/// Which log, and what to look for.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Decide by this file instead of that of --config
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    /// The decision logs, the oldest first; - for the standard input
    #[arg(required = true, value_name = "LOG")]
    logs: Vec<PathBuf>,
    /// The policy made the log: fail unless every decision is the same, to the rule and its line
    #[arg(long)]
    exact: bool,
    /// Leave out what was decided before
    #[arg(long, value_name = "RFC3339")]
    since: Option<Timestamp>,
    /// Leave out what was decided then or later
    #[arg(long, value_name = "RFC3339")]
    until: Option<Timestamp>,
    /// How many of the changed decisions are shown
    #[arg(long, value_name = "N", default_value_t = 20)]
    first: u64,
    /// Show every changed decision
    #[arg(long, conflicts_with = "first")]
    all: bool,
}

/// Decides the logs again by a file.
pub(super) fn by_file(loaded: &Loaded, arguments: &Arguments, json: bool) -> ExitCode {
    let Arguments { policy: _, logs, exact, since, until, first, all } = arguments;
    let question = Question { exact: *exact, since: *since, until: *until };
    let sizes = logs.iter().map(|path| path.metadata().map(|file| file.len()).unwrap_or_default());
    let mut progress = Progress::new(sizes.sum());
    let mut shown = 0_u64;
    let result = replay(
        &loaded.policy,
        question,
        logs.iter().map(|path| open(path)),
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
    let totals = match result {
        Ok(totals) => totals,
        Err(error) => return fail(&error),
    };
    if json {
        say(&json!({ "totals": totals }));
    } else {
        if !*all && shown > *first {
            say(&format!("... {} more: show them with --all", shown.saturating_sub(*first)));
        }
        say(&totals.words(*exact));
    }
    if *exact && !totals.is_exact() { ExitCode::from(NO) } else { ExitCode::SUCCESS }
}

fn open(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    match File::open(path) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => {
            Err(io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display())))
        }
    }
}
