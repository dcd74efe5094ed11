//! The decision log: one JSON object a line, complete up to the last fifth of a second.
//!
//! Decisions never wait for it: lines go through a bounded queue to a thread of their own, and a line
//! that finds the queue full, or the disk, is counted as lost.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::policy::facts::Facts;
use crate::policy::verdict::Decision;

/// The version of the line format.
const VERSION: u8 = 1;
/// Lines that may wait to be written.
const QUEUE: usize = 65_536;
/// The longest a line stays in memory.
const FLUSH: Duration = Duration::from_millis(200);

/// The log cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error(
    "the decision log `{}` cannot be written: set `component.state_dir` to a directory that the component may write to, or `log.decisions` to \"\" for no log", path.display()
)]
pub struct AuditError {
    path: PathBuf,
    source: io::Error,
}

enum Entry {
    Line(String),
    Reopen,
}

/// Where decisions are written down.
#[derive(Debug)]
pub struct Audit {
    queue: Option<SyncSender<Entry>>,
    lost: Arc<AtomicU64>,
    writer: Option<JoinHandle<()>>,
}

/// What stands in a line beside the decision itself.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The decision's id.
    pub id: &'a str,
    /// The policy's revision.
    pub revision: &'a str,
    /// It was only observed, not carried out.
    pub observed: bool,
    /// When.
    pub now: Timestamp,
}

/// The line of a decision.
#[derive(Serialize)]
struct Line<'a> {
    v: u8,
    at: Timestamp,
    id: &'a str,
    attempt: &'a str,
    kind: &'static str,
    room: Option<&'a str>,
    jid: Option<&'a str>,
    nick: &'a str,
    class: &'static str,
    verdict: &'static str,
    rule: &'static str,
    line: u32,
    denial: Option<&'static str>,
    observed: bool,
    revision: &'a str,
    facts: Facts<'a>,
}

impl Audit {
    /// Writes nothing down.
    pub fn none() -> Self {
        Self { queue: None, lost: Arc::default(), writer: None }
    }

    /// Appends to `path`, which is made, with its directory, readable by its owner only.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let file = append(path).map_err(|source| AuditError { path: path.to_owned(), source })?;
        let (queue, lines) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = {
            let (path, lost) = (path.to_owned(), Arc::clone(&lost));
            std::thread::spawn(move || write(&lines, file, &path, &lost))
        };
        Ok(Self { queue: Some(queue), lost, writer: Some(writer) })
    }

    /// Writes a decision down. Never blocks.
    pub fn decision(&self, decision: &Decision, facts: Facts<'_>, context: Context<'_>) {
        let attempt = facts.attempt;
        let line = Line {
            v: VERSION,
            at: context.now,
            id: context.id,
            attempt: &attempt.id,
            kind: attempt.action.name(),
            room: attempt.room.as_ref().map(|room| room.as_str()),
            jid: attempt.requester.jid.as_ref().map(|jid| jid.as_str()),
            nick: &attempt.requester.nick,
            class: decision.class.name(),
            verdict: decision.verdict.name(),
            rule: decision.rule.name,
            line: decision.rule.line,
            denial: decision.denial.map(|denial| denial.code()),
            observed: context.observed,
            revision: context.revision,
            facts,
        };
        self.line(&line);
    }

    /// Writes down what the gate did by itself, or what an operator did. Never blocks.
    pub fn event(&self, event: &str, room: &str, details: Map<String, Value>, now: Timestamp) {
        self.line(&json!({
            "v": VERSION, "at": now.to_string(), "event": event, "room": room, "details": details,
        }));
    }

    /// Starts the file anew, after a log rotation has moved it away.
    pub fn reopen(&self) {
        if let Some(queue) = &self.queue {
            let _ = queue.try_send(Entry::Reopen);
        }
    }

    /// Something is written down at all.
    pub const fn is_kept(&self) -> bool {
        self.queue.is_some()
    }

    /// How many lines were lost since the start.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn line(&self, line: &impl Serialize) {
        let Some(queue) = &self.queue else { return };
        let sent =
            serde_json::to_string(line).is_ok_and(|line| queue.try_send(Entry::Line(line)).is_ok());
        if !sent {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn append(path: &Path) -> io::Result<BufWriter<File>> {
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(BufWriter::new)
}

fn write(lines: &Receiver<Entry>, mut file: BufWriter<File>, path: &Path, lost: &AtomicU64) {
    while let Ok(first) = lines.recv() {
        // More may follow: they go to the disk together.
        std::thread::sleep(FLUSH);
        let mut unflushed = 0_u64;
        for entry in std::iter::once(first).chain(lines.try_iter()) {
            match entry {
                Entry::Line(line) => match writeln!(file, "{line}") {
                    Ok(()) => unflushed = unflushed.saturating_add(1),
                    Err(error) => {
                        lost.fetch_add(1, Ordering::Relaxed);
                        tracing::error!(%error, "a decision could not be written down");
                    }
                },
                Entry::Reopen => match append(path) {
                    Ok(fresh) => file = fresh,
                    Err(error) => {
                        tracing::error!(%error, "the decision log could not be opened anew");
                    }
                },
            }
        }
        if let Err(error) = file.flush() {
            lost.fetch_add(unflushed, Ordering::Relaxed);
            tracing::error!(%error, lost = unflushed, "decisions could not be written down");
        }
    }
}
