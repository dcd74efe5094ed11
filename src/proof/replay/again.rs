//! Reevaluation of one line of the log.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::Question;
use super::found::{Change, Ending, Found, Skipped, Totals};
use super::pieces::Piece;
use crate::component::line::{Line, VERSION, version};
use crate::jid::BareJid;
use crate::policy::attempt::{Attempt, RoomView};
use crate::policy::decide::{decide, rejudge};
use crate::policy::denial::Denial;
use crate::policy::explain::explain;
use crate::policy::facts::is_read;
use crate::policy::{Policy, Rules};

/// Rooms whose rules are kept.
const MOST_ROOMS: usize = 65_536;

/// Decides lines by a policy.
pub(super) struct Judge<'a> {
    policy: &'a Policy,
    question: Question,
    rules: HashMap<BareJid, Arc<Rules>>,
}

/// The result for a piece of the log.
#[derive(Default)]
pub(super) struct Result {
    pub(super) totals: Totals,
    pub(super) found: Vec<Found>,
}

/// The fields of a line of any version.
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
        let Line {
            at,
            id,
            attempt,
            kind,
            room,
            jid,
            class,
            verdict,
            rule,
            denial,
            would,
            facts,
            ..
        } = line;
        let room = room.map(Cow::into_owned);
        let unread: Vec<String> = facts.unread_claims().map(str::to_owned).collect();
        let (attempt, view, pressure) = facts.into_owned().into_parts(attempt.into_owned(), room);
        let rules = self.rules(&attempt, &view, at);
        // By the same policy nothing was left unread that chooses the rules.
        let chooses =
            |name: &str| is_of_another && view.record.is_none() && self.policy.rooms.asks_for(name);
        if unread.iter().any(|name| is_read(&rules, name) || chooses(name)) {
            return totals.skip(Skipped::Claim);
        }
        let now = if line.again {
            match rejudge(self.policy, &rules, &attempt, &view, at) {
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
                result.found.push(Found::Unexplained { id: id.clone().into_owned() });
            }
            Ending::of(&decision)
        };
        let then = Ending {
            verdict: verdict.into_owned().into(),
            rule: rule.into_owned().into(),
            line: line.line,
            denial: denial.map(|denial| denial.into_owned().into()),
            class: class.into_owned().into(),
            would: would.map(|would| would.to_string()),
        };
        totals.decided(line.observed, is_of_another);
        let is_same = if exact { then == now } else { then.is_same_end(&now) };
        if is_same {
            return totals.same(then.rule == now.rule);
        }
        let change = Change {
            at,
            id: id.into_owned(),
            kind: kind.into_owned(),
            room: attempt.room.map(|room| room.to_string()),
            jid: jid.map(Cow::into_owned),
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
