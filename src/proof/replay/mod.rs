//! Replay: decides the attempts of a decision log again.
//!
//! The log is read in pieces that end with a line. Several threads decide them, and the results are merged in the order
//! of the log. Memory does not grow with the log: changes are handed to the caller one by one, and only totals
//! are kept.

mod report;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::io::Read;
use std::sync::{Arc, mpsc};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Deserialize;

pub use self::report::{Change, Counts, Ending, Found, Skipped, Totals};
use crate::component::decision_record::{Line, VERSION, version};
use crate::jid::BareJid;
use crate::policy::attempt::{Attempt, RoomView};
use crate::policy::decide::{decide, reevaluate};
use crate::policy::denial::Denial;
use crate::policy::facts::{explain, is_read};
use crate::policy::{Policy, Rules};

/// The options of a replay.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question {
    /// The policy is the one that made the log: every decision must be the same, to the rule and its line, and its
    /// explanation must agree. Decisions of other revisions are skipped.
    pub exact: bool,
    /// Decisions before this time are skipped.
    pub since: Option<Timestamp>,
    /// Decisions at or after this time are skipped.
    pub until: Option<Timestamp>,
}

/// Decides a log again. `logs` are read one after the other. `found` is called with every change and every
/// unreadable line, in the order of the log, and `read` with the number of bytes read so far.
///
/// # Errors
/// When a log cannot be read.
pub fn replay(
    policy: &Policy,
    question: Question,
    logs: impl Iterator<Item = io::Result<Box<dyn Read + Send>>> + Send,
    mut found: impl FnMut(&Found),
    mut read: impl FnMut(u64),
) -> io::Result<Totals> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(MOST_THREADS);
    let pieces = Mutex::new(Pieces::new(logs));
    let (sender, receiver) = mpsc::sync_channel(threads);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (pieces, sender) = (&pieces, sender.clone());
            scope.spawn(move || {
                let mut judge = Judge::new(policy, question);
                loop {
                    let piece = pieces.lock().next();
                    let Some(piece) = piece else { return };
                    let done = piece.map(|piece| (piece.number, judge.piece(&piece)));
                    if sender.send(done).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut totals = Totals::default();
        let mut early = BTreeMap::new();
        let mut next = 0_u64;
        for done in receiver {
            let (number, result) = done?;
            early.insert(number, result);
            while let Some(result) = early.remove(&next) {
                next = next.saturating_add(1);
                result.found.iter().for_each(&mut found);
                totals.add(result.totals);
                read(totals.bytes);
            }
        }
        Ok(totals)
    })
}

/// More threads would only wait for the disk.
const MOST_THREADS: usize = 8;

/// Rooms whose rules are cached per thread.
const MOST_ROOMS: usize = 65_536;

pub(super) struct Judge<'a> {
    policy: &'a Policy,
    question: Question,
    rules: HashMap<BareJid, Arc<Rules>>,
}

#[derive(Default)]
pub(super) struct Result {
    pub(super) totals: Totals,
    pub(super) found: Vec<Found>,
}

/// The fields that a line of any version has.
#[derive(Deserialize)]
struct Head {
    #[serde(deserialize_with = "version")]
    v: u8,
    event: Option<String>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(policy: &'a Policy, question: Question) -> Self {
        Self { policy, question, rules: HashMap::new() }
    }

    /// Decides every line of a piece.
    pub(super) fn piece(&mut self, piece: &Piece) -> Result {
        let mut result = Result::default();
        let mut rest = piece.bytes.as_slice();
        result.totals.bytes = u64::try_from(rest.len()).unwrap_or(u64::MAX);
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest);
            let (line, after) = match end.and_then(|end| rest.split_at_checked(end)) {
                Some((line, after)) => (line, after.get(1..).unwrap_or_default()),
                None => (rest, &[][..]),
            };
            rest = after;
            if line.trim_ascii().is_empty() {
                continue;
            }
            result.totals.lines = result.totals.lines.saturating_add(1);
            self.line(line, piece.is_last && end.is_none(), &mut result);
        }
        result
    }

    fn line(&mut self, bytes: &[u8], may_be_torn: bool, result: &mut Result) {
        let totals = &mut result.totals;
        match serde_json::from_slice::<Line<'_>>(bytes) {
            Ok(line) if line.v == VERSION => self.decision(line, result),
            Ok(_) => totals.skip(Skipped::OtherVersion),
            Err(error) => match serde_json::from_slice::<Head>(bytes) {
                Ok(Head { event: Some(_), .. }) => totals.skip(Skipped::Event),
                Ok(Head { v, .. }) if v != VERSION => totals.skip(Skipped::OtherVersion),
                Err(_) if may_be_torn => totals.skip(Skipped::Torn),
                Ok(_) | Err(_) => {
                    totals.skip(Skipped::Unreadable);
                    let text = String::from_utf8_lossy(bytes).chars().take(200).collect();
                    result.found.push(Found::Unreadable { text, why: error.to_string() });
                }
            },
        }
    }

    fn decision(&mut self, line: Line<'_>, result: &mut Result) {
        let totals = &mut result.totals;
        let Question { exact, since, until } = self.question;
        if since.is_some_and(|since| line.at < since) || until.is_some_and(|until| line.at >= until)
        {
            return totals.skip(Skipped::OtherTime);
        }
        if line.denial.as_deref() == Some(Denial::Fault.code()) {
            return totals.skip(Skipped::Fault);
        }
        let is_of_another = line.revision != self.policy.revision;
        if exact && is_of_another {
            return totals.skip(Skipped::OtherRevision);
        }
        let at = line.at;
        let room = line.room.map(Cow::into_owned);
        let unread: Vec<String> = line.facts.unread_claims().map(str::to_owned).collect();
        let (attempt, view, pressure) = line.facts.into_owned().into_parts(line.attempt, room);
        let rules = self.rules(&attempt, &view, at);
        // The same policy has logged every claim that chooses its rules.
        let chooses =
            |name: &str| is_of_another && view.record.is_none() && self.policy.rooms.asks_for(name);
        if unread.iter().any(|name| is_read(&rules, name) || chooses(name)) {
            return totals.skip(Skipped::Claim);
        }
        let now = if line.again {
            match reevaluate(self.policy, &rules, &attempt, &view, at) {
                Some(decision) => Ending::of(&decision),
                None => Ending::stays(),
            }
        } else {
            let decision = decide(self.policy, &rules, &attempt, &view, &pressure, at);
            let is_explained = !exact
                || explain(self.policy, &rules, &attempt, &view, &pressure, at).decision
                    == decision;
            if !is_explained {
                totals.unexplained();
                result.found.push(Found::Unexplained { id: line.id.clone().into_owned() });
            }
            Ending::of(&decision)
        };
        let then = Ending {
            verdict: line.verdict.into_owned().into(),
            rule: line.rule.into_owned().into(),
            line: line.line,
            denial: line.denial.map(|denial| denial.into_owned().into()),
            class: line.class.into_owned().into(),
            would: line.would.map(|would| would.to_string()),
        };
        totals.decided(line.observed, is_of_another);
        let is_same = if exact { then == now } else { then.is_same_end(&now) };
        if is_same {
            return totals.same(then.rule == now.rule);
        }
        let change = Change {
            at,
            id: line.id.into_owned(),
            kind: line.kind.into_owned(),
            room: attempt.room.map(|room| room.to_string()),
            jid: line.jid.map(Cow::into_owned),
            then,
            now,
        };
        totals.changed(&change);
        result.found.push(Found::Change(Box::new(change)));
    }

    fn rules(&mut self, attempt: &Attempt, view: &RoomView, at: Timestamp) -> Arc<Rules> {
        let Some(room) = &attempt.room else { return Arc::clone(&self.policy.base) };
        let claims = self.policy.claims_of(attempt, view, at);
        if !claims.is_empty() || view.is_found() {
            return self.policy.rules_in(room, &claims, view.is_found());
        }
        if let Some(rules) = self.rules.get(room) {
            return Arc::clone(rules);
        }
        if self.rules.len() >= MOST_ROOMS {
            self.rules.clear();
        }
        let rules = self.policy.rules_for(room, &[]);
        self.rules.insert(room.clone(), Arc::clone(&rules));
        rules
    }
}

/// Bytes of a piece: enough to make handing it over cheap, few enough to stay in the cache.
const PIECE: usize = 256 * 1024;
/// The longest line in bytes: far more than a gate's request can fill.
const LONGEST_LINE: usize = 4 * 1024 * 1024;

/// Consecutive lines of a log.
pub(super) struct Piece {
    /// Number of pieces before this one, over all logs.
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
    /// Whether the log ends here, so that the last line may be incomplete.
    pub(super) is_last: bool,
}

/// Several logs, one after the other, split into pieces.
pub(super) struct Pieces<L> {
    logs: L,
    log: Option<Box<dyn Read + Send>>,
    /// The incomplete line after the last piece.
    rest: Vec<u8>,
    number: u64,
}

impl<L: Iterator<Item = io::Result<Box<dyn Read + Send>>>> Pieces<L> {
    pub(super) const fn new(logs: L) -> Self {
        Self { logs, log: None, rest: Vec::new(), number: 0 }
    }

    /// Returns the next piece or an error, or `None` at the end of the last log.
    pub(super) fn next(&mut self) -> Option<io::Result<Piece>> {
        loop {
            let log = match &mut self.log {
                Some(log) => log,
                None => match self.logs.next()? {
                    Ok(log) => self.log.insert(log),
                    Err(error) => return Some(Err(error)),
                },
            };
            let mut bytes = std::mem::take(&mut self.rest);
            bytes.reserve(PIECE);
            let is_last = match fill(log, &mut bytes) {
                Ok(is_last) => is_last,
                Err(error) => {
                    self.log = None;
                    return Some(Err(error));
                }
            };
            if is_last {
                self.log = None;
            } else {
                let end =
                    memchr::memrchr(b'\n', &bytes).map_or(bytes.len(), |at| at.saturating_add(1));
                self.rest = bytes.split_off(end);
            }
            if !bytes.is_empty() {
                let number = self.number;
                self.number = self.number.saturating_add(1);
                return Some(Ok(Piece { number, bytes, is_last }));
            }
        }
    }
}

/// Reads until the buffer has a full piece with a whole line, or an overlong line (which is cut, and then cannot be
/// parsed). Returns whether the log has ended.
fn fill(log: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let space = PIECE.saturating_sub(bytes.len()).max(PIECE / 4);
        let space = u64::try_from(space).unwrap_or(u64::MAX);
        if log.by_ref().take(space).read_to_end(bytes)? == 0 {
            return Ok(true);
        }
        let is_full = bytes.len() >= PIECE && memchr::memrchr(b'\n', bytes).is_some();
        if is_full || bytes.len() >= LONGEST_LINE {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(logs: &[&str]) -> Vec<(String, bool)> {
        let logs = logs.iter().map(|log| {
            Ok(Box::new(io::Cursor::new(log.as_bytes().to_vec())) as Box<dyn Read + Send>)
        });
        let mut pieces = Pieces::new(logs.collect::<Vec<_>>().into_iter());
        std::iter::from_fn(|| pieces.next())
            .map(|piece| piece.unwrap())
            .map(|piece| (String::from_utf8(piece.bytes).unwrap(), piece.is_last))
            .collect()
    }

    #[test]
    fn every_byte_is_in_a_piece_and_no_line_in_two() {
        let log: String = (0..200_000).map(|n| format!("line {n}\n")).collect();
        let pieces = cut(&[&log, "", "torn"]);
        assert!(pieces.len() > 5);
        assert_eq!(pieces.iter().map(|(text, _)| text.as_str()).collect::<String>(), log + "torn");
        for (text, is_last) in &pieces {
            assert!(*is_last || text.ends_with('\n'));
        }
        assert_eq!(pieces.last(), Some(&("torn".to_owned(), true)));
    }

    #[test]
    fn a_line_without_end_takes_no_memory_without_end() {
        let pieces = cut(&[&"x".repeat(3 * LONGEST_LINE)]);
        assert!(pieces.iter().all(|(text, _)| text.len() <= LONGEST_LINE + PIECE));
    }
}
