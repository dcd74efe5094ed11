//! The decision log: one JSON object a line, complete up to the last twentieth of a second.
//!
//! Decisions never wait for it; a line that finds no place, in memory or on the disk, is counted as lost.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::line::{Context, Line, VERSION};
use super::spool::Spool;
use crate::policy::attempt::Attempt;
use crate::policy::facts::Facts;
use crate::policy::verdict::Decision;

/// The log cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error(
    "the decision log `{}` cannot be written: set `component.state_dir` to a directory that the component may write to, or `log.decisions` to \"\" for no log", path.display()
)]
pub struct AuditError {
    path: PathBuf,
    source: io::Error,
}

/// Where decisions are written down.
#[derive(Debug)]
pub struct Audit {
    spool: Option<Spool>,
}

impl Audit {
    /// Writes nothing down.
    pub const fn none() -> Self {
        Self { spool: None }
    }

    /// Appends to `path`, which is made, with its directory, readable by its owner only.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        match Spool::open(path) {
            Ok(spool) => Ok(Self { spool: Some(spool) }),
            Err(source) => Err(AuditError { path: path.to_owned(), source }),
        }
    }

    /// Writes a decision down. Never blocks.
    pub fn decision(
        &self,
        decision: &Decision,
        attempt: &Attempt,
        facts: &Facts<'_>,
        context: Context<'_>,
    ) {
        self.line(&Line::new(decision, attempt, facts, context));
    }

    /// Writes down what the gate did by itself, or what an operator did. Never blocks.
    pub fn event(&self, event: &str, room: &str, details: Map<String, Value>, now: Timestamp) {
        self.line(&json!({
            "v": VERSION, "at": now.to_string(), "event": event, "room": room, "details": details,
        }));
    }

    /// Starts the file anew, after a log rotation has moved it away.
    pub fn reopen(&self) {
        if let Some(spool) = &self.spool {
            spool.reopen();
        }
    }

    /// Something is written down at all.
    pub const fn is_kept(&self) -> bool {
        self.spool.is_some()
    }

    /// How many lines were lost since the start.
    pub fn lost(&self) -> u64 {
        self.spool.as_ref().map_or(0, Spool::lost)
    }

    fn line(&self, line: &impl Serialize) {
        if let Some(spool) = &self.spool {
            spool.line(line);
        }
    }
}
