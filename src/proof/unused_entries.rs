//! Unused entries: overrides, bans and exceptions of a file that no line of a decision log matches.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, BufRead};

use jiff::Timestamp;

use crate::component::decision_record::{Line, VERSION};
use crate::config::counted;
use crate::jid::BareJid;
use crate::policy::Policy;
use crate::policy::attempt::{Attempt, Pressure, RoomView};
use crate::policy::decide::decide;
use crate::policy::rules::fixed;

/// The entries of a file that a log has matched, and the extent of the log.
#[derive(Debug, Default)]
pub struct Seen {
    decisions: u64,
    period: Option<(Timestamp, Timestamp)>,
    /// Lines of the file whose entries some decision matched.
    lines: BTreeSet<u32>,
    rooms: BTreeSet<BareJid>,
}

/// Decides every line of a log again by this policy, and adds the entries that match to `seen`. Lines that are not
/// decisions of this version are skipped.
///
/// # Errors
/// When the log cannot be read.
pub fn see(policy: &Policy, mut log: impl BufRead, seen: &mut Seen) -> io::Result<()> {
    let mut bytes = Vec::new();
    while log.read_until(b'\n', &mut bytes)? > 0 {
        if let Ok(line) = serde_json::from_slice::<Line<'_>>(&bytes)
            && line.v == VERSION
        {
            let at = line.at;
            let room = line.room.map(std::borrow::Cow::into_owned);
            let (attempt, view, pressure) = line.facts.into_owned().into_parts(line.attempt, room);
            seen.one(policy, &attempt, &view, &pressure, at);
        }
        bytes.clear();
    }
    Ok(())
}

impl Seen {
    fn one(
        &mut self,
        policy: &Policy,
        attempt: &Attempt,
        view: &RoomView,
        pressure: &Pressure,
        at: Timestamp,
    ) {
        self.decisions = self.decisions.saturating_add(1);
        self.period = Some(match self.period {
            None => (at, at),
            Some((first, last)) => (first.min(at), last.max(at)),
        });
        if let Some(room) = &attempt.room {
            let matching = policy.rooms.matching(room, &policy.claims_of(attempt, view, at));
            self.lines.extend(matching.iter().map(|found| found.line));
            self.rooms.insert(room.clone());
        }
        let rules = policy.rules_of(attempt, view, at);
        let decision = decide(policy, &rules, attempt, view, pressure, at);
        if decision.rule.name == fixed::BAN.name {
            self.lines.insert(decision.rule.line);
        }
        self.lines.extend(decision.exceptions);
    }

    /// Reports the entries that the log did not match, one in each line, and the extent of the log.
    pub fn words(&self, file: &str, policy: &Policy) -> String {
        let mut words = String::new();
        let overrides =
            policy.rooms.iter().map(|room| (room.line, format!("room `{}`", room.selector)));
        let bans = policy.bans.lines().map(|line| (line, fixed::BAN.name.to_owned()));
        let exceptions = policy.exceptions.lines().map(|line| (line, "exception".to_owned()));
        let all: BTreeSet<_> = overrides.chain(bans).chain(exceptions).collect();
        for (line, what) in all.iter().filter(|(line, _)| !self.lines.contains(line)) {
            _ = writeln!(words, "unseen: {file}:{line}: {what}: nothing in the log has met it");
        }
        let decisions = counted(self.decisions, "decision", "decisions");
        let rooms = counted(self.rooms.len(), "room", "rooms");
        _ = match self.period {
            None => writeln!(words, "the log has no decisions that this version can read"),
            Some((first, last)) => {
                writeln!(words, "the log has {decisions} on {rooms}, from {first} to {last}")
            }
        };
        words
    }
}
