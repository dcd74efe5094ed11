//! The audit trail: the decision log (one JSON object a line, written within a twentieth of
//! a second), the audit database, and the subscribers of the event stream.
//!
//! Decisions never wait for it: a line for which memory or disk space is missing is counted as lost. What is recorded
//! while an answer waits to be sent is [held](Audit::hold) until that is on its way.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use smol_str::SmolStr;
use tokio::sync::{broadcast, oneshot};

use super::decision_record::{Context, Line, VERSION};
use super::log_writer::LogWriter;
pub use super::log_writer::aside;
use crate::jid::BareJid;
use crate::policy::attempt::{Attempt, Requester};
use crate::policy::facts::Facts;
use crate::policy::verdict::Decision;
use crate::store::{By, Entry, Kind, Mask, Sequence, Store};
use crate::thread::Health;

/// Capacity of the event stream, in entries: a subscriber that falls further behind misses the oldest.
const BEHIND: usize = 2048;

/// Most lines and entries that are held.
const MOST_HELD: usize = 4096;

/// Bytes that a line of the decision log usually needs.
const USUAL_LINE: usize = 640;

/// The decision log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "the decision log `{}` cannot be written: set `component.state_dir` to a directory that the component may write to, or `log.decisions` to \"\" for no log", path.display()
)]
pub struct AuditError {
    path: PathBuf,
    source: io::Error,
}

/// The audit: decision log, audit database and event stream.
#[derive(Debug)]
pub struct Audit {
    log_writer: Option<LogWriter>,
    store: Option<Arc<Store>>,
    live: broadcast::Sender<Arc<Entry>>,
    sequence: Sequence,
    server: String,
    mask: Mask,
    /// What waits until the answers are sent, in its order; `None`: nothing does.
    held: Mutex<Option<Vec<Held>>>,
}

/// A record on its way.
#[derive(Debug)]
enum Held {
    /// A line of the decision log.
    Line(String),
    /// An entry of the database and of the event stream.
    Entry(Arc<Entry>),
    /// An entry whose body is a line of the decision log, too.
    Both(Arc<Entry>),
}

impl Audit {
    /// Creates an audit without a log and a database: only subscribers of the event stream get entries.
    pub fn none() -> Self {
        let (live, _) = broadcast::channel(BEHIND);
        let (sequence, server, mask, held) = Default::default();
        Self { log_writer: None, store: None, live, sequence, server, mask, held }
    }

    /// Opens the decision log `path`, created with its directory, readable by its owner only.
    ///
    /// # Errors
    /// When the file or its directory cannot be opened or created.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        match LogWriter::open(path) {
            Ok(log_writer) => Ok(Self { log_writer: Some(log_writer), ..Self::none() }),
            Err(source) => Err(AuditError { path: path.to_owned(), source }),
        }
    }

    /// Sets the name of the server, the masking of addresses, and the audit database, if there is one.
    #[must_use]
    pub fn with_store(self, server: String, mask: Mask, store: Option<Arc<Store>>) -> Self {
        let sequence =
            store.as_ref().map_or_else(Sequence::default, |it| Sequence::after(it.last()));
        Self { server, mask, store, sequence, ..self }
    }

    /// Subscribes to every entry from now on. A slow subscriber misses some; its channel reports how many.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.live.subscribe()
    }

    /// Domain of the component that writes the entries.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The audit database, or `None` if there is none.
    pub const fn store(&self) -> Option<&Arc<Store>> {
        self.store.as_ref()
    }

    /// Holds what is recorded from now on, until [`Audit::release`]: the answer goes out first.
    pub fn hold(&self) {
        self.held.lock().get_or_insert_default();
    }

    /// Passes on everything that was held, in its order.
    pub fn release(&self) {
        let held = self.held.lock().take();
        held.into_iter().flatten().for_each(|record| self.pass(record));
    }

    fn keep(&self, record: Held) {
        let mut held = self.held.lock();
        match held.as_mut() {
            Some(records) if records.len() < MOST_HELD => records.push(record),
            Some(_) | None => {
                drop(held);
                self.release();
                self.pass(record);
            }
        }
    }

    fn pass(&self, record: Held) {
        match record {
            Held::Line(line) => self.write_line(&line),
            Held::Both(entry) => {
                self.write_line(&entry.body);
                self.pass_entry(entry);
            }
            Held::Entry(entry) => self.pass_entry(entry),
        }
    }

    fn write_line(&self, line: &str) {
        self.log_writer.iter().for_each(|log| log.line(line));
    }

    fn pass_entry(&self, mut entry: Arc<Entry>) {
        let own = Arc::make_mut(&mut entry);
        own.seq = self.sequence.next(own.at);
        own.server.clone_from(&self.server);
        if let Some(store) = &self.store {
            store.leave(Arc::clone(&entry));
        }
        // Sending fails only without subscribers, which is no error.
        let _ = self.live.send(entry);
    }

    /// Records a decision in the log, the database and the event stream. Never blocks.
    pub fn decision(
        &self,
        decision: &Decision,
        attempt: &Attempt,
        facts: &Facts<'_>,
        context: Context<'_>,
    ) {
        let mut line = Vec::with_capacity(USUAL_LINE);
        if serde_json::to_writer(&mut line, &Line::new(decision, attempt, facts, context)).is_err()
        {
            return;
        }
        let Ok(line) = String::from_utf8(line) else { return };
        let line = self.mask.line(line);
        if !self.takes_entries() {
            self.log(line);
            return;
        }
        let who = &attempt.requester;
        let entry = Arc::new(Entry {
            id: Some(context.id.to_owned()),
            room: attempt.room.as_ref().map(ToString::to_string),
            person: who.jid.as_ref().map(ToString::to_string),
            nick: (!who.nick.is_empty()).then(|| who.nick.to_string()),
            name: (!who.name.is_empty()).then(|| who.name.to_string()),
            attempt_kind: Some(attempt.action.name().into()),
            class: Some(decision.class.name().into()),
            verdict: Some(decision.verdict.name().into()),
            rule: Some(decision.rule.name.into()),
            line: Some(decision.rule.line),
            denial: decision.denial.map(|denial| denial.code().into()),
            observed: context.observed,
            revision: Some(context.revision.to_owned()),
            body: line,
            ..Entry::new(Kind::Decision, context.now)
        });
        let is_logged = self.log_writer.is_some();
        self.keep(if is_logged { Held::Both(entry) } else { Held::Entry(entry) });
    }

    /// Records what a gate did by itself, or what was done to a room. Never blocks.
    pub fn event(&self, event: &str, room: &str, details: Map<String, Value>, now: Timestamp) {
        if self.takes_entries()
            && let Some(entry) = event_entry(event, room, &details, now)
        {
            self.record(entry);
        }
        if self.log_writer.is_some() {
            let line = json!({
                "v": VERSION, "at": now.to_string(), "event": event, "room": room, "details": details,
            });
            self.log(line.to_string());
        }
    }

    /// Records that a person joined, left, or began or stopped waiting in the lobby. Never blocks.
    pub fn person(
        &self,
        kind: Kind,
        room: &BareJid,
        session: &str,
        who: &Requester,
        now: Timestamp,
    ) {
        if !self.takes_entries() {
            return;
        }
        let mut body = json!({
            "session": session,
            "proof": who.session,
            "role": who.role.name(),
            "affiliation": who.affiliation.name(),
        });
        let address = who.address.and_then(|address| self.mask.address(address));
        let address = address.map(|address| ("address", address.to_string()));
        let name = (!who.name.is_empty()).then(|| who.name.to_string());
        let apart = who.breakout.as_ref().map(|room| ("breakout", room.to_string()));
        let more = address.into_iter().chain(name.clone().map(|name| ("name", name))).chain(apart);
        if let Some(body) = body.as_object_mut() {
            body.extend(more.map(|(key, value)| (key.to_owned(), value.into())));
        }
        self.record(Entry {
            room: Some(room.to_string()),
            person: who.jid.as_ref().map(ToString::to_string),
            nick: (!who.nick.is_empty()).then(|| who.nick.to_string()),
            name,
            body: body.to_string(),
            ..Entry::new(kind, now)
        });
    }

    /// Records that a room was opened or has ended. Never blocks.
    pub fn room(&self, kind: Kind, room: &BareJid, now: Timestamp) {
        self.record(Entry { room: Some(room.to_string()), ..Entry::new(kind, now) });
    }

    /// Records a command of an operator, whether it succeeded or failed. Never blocks.
    pub fn action(&self, action: Action<'_>, now: Timestamp) {
        let outcome = if action.outcome.is_ok() { "done" } else { "failed" };
        self.record(Entry {
            id: Some(action.id.into()),
            room: action.room.map(str::to_owned),
            person: action.person.map(str::to_owned),
            command: Some(action.command.into()),
            by: Some(action.by),
            outcome: Some(outcome.into()),
            reason: action.outcome.err().map(str::to_owned),
            nick: of(&action.details, "nick"),
            name: of(&action.details, "name"),
            body: Value::Object(action.details).to_string(),
            ..Entry::new(Kind::Action, now)
        });
    }

    /// Numbers an entry, writes it into the database, and sends it to the event stream. Never blocks.
    /// The entry must not contain a secret.
    pub fn record(&self, entry: Entry) {
        if self.takes_entries() {
            self.keep(Held::Entry(Arc::new(entry)));
        }
    }

    /// Sends an entry of another server to the event stream, and nowhere else.
    pub fn show(&self, entry: Arc<Entry>) {
        let _ = self.live.send(entry);
    }

    /// Reopens the decision log after it was moved away, and returns its path.
    ///
    /// # Errors
    /// When there is no decision log, or it cannot be opened; then the old file stays in use.
    pub fn reopen(&self) -> Result<PathBuf, String> {
        let log_writer = self.log_writer.as_ref();
        let log_writer =
            log_writer.ok_or("there is no decision log: see `log.decisions` in the file")?;
        let failed = |error| format!("`{}` cannot be opened: {error}", log_writer.path.display());
        log_writer.reopen().map(|()| log_writer.path.clone()).map_err(failed)
    }

    /// Path of the decision log, or `None` if there is none.
    pub fn log_path(&self) -> Option<&Path> {
        self.log_writer.as_ref().map(|log_writer| log_writer.path.as_path())
    }

    /// Replaces lines of the decision log; `line` returns the new one, or `None` for one that stays. Never
    /// blocks: sends how many were replaced, or why the log could not be read or written. `None`: there is no log.
    pub fn rewrite_log(
        &self,
        line: impl Fn(&[u8]) -> Option<String> + Send + 'static,
    ) -> Option<oneshot::Receiver<io::Result<u64>>> {
        self.log_writer.as_ref().map(|log_writer| log_writer.rewrite(line))
    }

    /// Returns whether anything is recorded: there is a log, a database or a subscriber.
    pub fn is_kept(&self) -> bool {
        self.log_writer.is_some() || self.takes_entries()
    }

    /// Returns how many lines of the decision log were lost since the start.
    pub fn lost(&self) -> u64 {
        self.log_writer.as_ref().map_or(0, LogWriter::lost)
    }

    /// Returns the health of each writing thread, with its name: `log` or `database`.
    pub fn threads(&self) -> impl Iterator<Item = (&'static str, &Health)> {
        let log = self.log_writer.iter().map(|log_writer| ("log", &log_writer.health));
        log.chain(self.store.iter().map(|store| ("database", &store.health)))
    }

    fn takes_entries(&self) -> bool {
        self.store.is_some() || self.live.receiver_count() > 0
    }

    fn log(&self, line: String) {
        if self.log_writer.is_some() {
            self.keep(Held::Line(line));
        }
    }
}

/// A command of an operator, done or failed. It must not contain a secret.
#[derive(Clone, Debug)]
pub struct Action<'a> {
    /// Id of the action, as in its audit entry.
    pub id: SmolStr,
    /// Name of the command.
    pub command: &'static str,
    /// Operator who gave the command, and the interface they used.
    pub by: By,
    /// Room that the command concerned, if any.
    pub room: Option<&'a str>,
    /// Person whom the command concerned, if any.
    pub person: Option<&'a str>,
    /// Success, or why the command failed.
    pub outcome: Result<(), &'a str>,
    /// Further details, which become the body of the entry.
    pub details: Map<String, Value>,
}

fn of(details: &Map<String, Value>, name: &str) -> Option<String> {
    details.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// Returns the entry of a decision log event, or `None` for an operator's command, which has an entry of its own.
fn event_entry(
    event: &str,
    room: &str,
    details: &Map<String, Value>,
    now: Timestamp,
) -> Option<Entry> {
    let by_itself =
        |name: &str| By { face: "policy".into(), name: name.to_owned(), role: "operator".into() };
    let entry = match event {
        "timer" | "no-moderator" => Entry::new(Kind::Timer, now),
        "drift" => Entry::new(Kind::Drift, now),
        "refused" | "opened-failing" | "failed" | "carried-out" => Entry::new(Kind::Gate, now),
        "removed" | "admitted" | "rejected" => Entry {
            command: Some(event.to_owned().into()),
            by: Some(by_itself("reload")),
            outcome: Some("done".into()),
            ..Entry::new(Kind::Action, now)
        },
        _ => return None,
    };
    let text = |name: &str| of(details, name);
    let person = text("jid").as_deref().and_then(BareJid::stamped);
    let line = details.get("line").and_then(Value::as_u64);
    let mut body = details.clone();
    body.insert("event".to_owned(), event.into());
    let by_module = text("change").map(|change| {
        format!("{change} by the module {}", text("module").as_deref().unwrap_or("?"))
    });
    Some(Entry {
        room: Some(room.to_owned()),
        person: person.map(|jid| jid.to_string()),
        nick: text("nick"),
        name: text("name"),
        rule: text("rule").map(Into::into),
        line: line.and_then(|line| u32::try_from(line).ok()),
        reason: by_module.or_else(|| text("reason")),
        observed: details.get("observed").and_then(Value::as_bool).unwrap_or_default(),
        body: Value::Object(body).to_string(),
        ..entry
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_passed_on_in_its_order_and_nothing_is_held_after_that() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("decisions.log");
        let audit = Audit::open(&path).unwrap();
        let mut entries = audit.subscribe();
        let room = |number: usize| format!("r{number}@rooms.example.org");
        let record = |number: usize| {
            let jid = BareJid::stamped(&room(number)).unwrap();
            audit.room(Kind::Opened, &jid, Timestamp::UNIX_EPOCH);
            audit.event("drift", &room(number), Map::new(), Timestamp::UNIX_EPOCH);
        };
        audit.hold();
        record(0);
        audit.hold();
        record(1);
        assert!(entries.try_recv().is_err());
        audit.release();
        record(2);
        audit.hold();
        audit.release();
        let seen: Vec<_> = std::iter::from_fn(|| entries.try_recv().ok()).collect();
        assert!(seen.is_sorted_by_key(|entry| entry.seq));
        let rooms: Vec<_> = seen.iter().map(|entry| entry.room.clone().unwrap()).collect();
        let expected: Vec<_> = (0..3).flat_map(|at| [room(at), room(at)]).collect();
        assert_eq!(rooms, expected);
        // However long the answers take, no more than so much is held, and nothing is lost.
        audit.hold();
        let last = 3 + MOST_HELD;
        (3..last).for_each(record);
        assert!(!entries.is_empty());
        audit.release();
        drop(audit);
        let log = std::fs::read_to_string(&path).unwrap();
        assert_eq!(log.lines().count(), last);
        assert!(log.lines().enumerate().all(|(at, line)| line.contains(&room(at))));
    }
}
