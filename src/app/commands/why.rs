//! A decision of the log, explained again from its facts.

use std::borrow::Cow;
use std::fmt;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::explain::Explained;
use super::failure::{not_found, unavailable};
use super::{Call, Verb};
use crate::component::line::{Line, VERSION};
use crate::config::Role;
use crate::control::{Answer, Failure, Impact};
use crate::policy::Policy;
use crate::policy::explain::explain;
use crate::policy::facts::Facts;
use crate::store::{Entry, Kind, Query};

/// Explain a decision of the audit again, from the facts it was made on
#[derive(Clone, Debug, Default, Serialize, Deserialize, Args, JsonSchema)]
pub struct Why {
    /// The decision's id
    pub decision: String,
}

impl Verb for Why {
    const NAME: &'static str = "why";
    const TITLE: &'static str = "Why";
    const ROLE: Role = Role::Viewer;
    const IMPACT: Impact = Impact::ReadOnly;
    type Reply = Reason;

    async fn run(self, call: &Call<'_>) -> Result<Reason, Failure> {
        let decision = self.decision;
        let store = call.store().ok_or_else(|| {
            unavailable("there is no audit database: the file says so (`store.file`)")
        })?;
        let query = Query {
            id: Some(decision.clone()),
            kind: Some(Kind::Decision),
            limit: Some(1),
            ..Query::default()
        };
        let found = store.search_all(query).await.map_err(unavailable)?;
        let Some(entry) = found.entries.into_iter().next() else {
            return Err(not_found(format!("the audit has no decision `{decision}`")));
        };
        let policy = call.shared.desk().policy().clone();
        let (explanation, note) = match again(&policy, &entry.body) {
            Ok((explanation, note)) => (Some(explanation), note),
            Err(note) => (None, Some(note)),
        };
        Ok(Reason { entry, explanation, note: note.map(str::to_owned) })
    }
}

/// The entry, its explanation by the policy in force, and a remark.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// The entry of the audit.
    pub entry: Entry,
    /// The explanation; null: there is none, as the note says.
    pub explanation: Option<Explained>,
    /// A remark.
    pub note: Option<String>,
}

impl Answer for Reason {}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry { id, at, revision, verdict, .. } = &self.entry;
        let [id, revision] = [id, revision].map(|it| it.as_deref().unwrap_or("?"));
        let verdict = verdict.as_deref().unwrap_or("?");
        write!(f, "decision {id} at {at}, by policy {revision}: {verdict}")?;
        self.note.iter().try_for_each(|note| write!(f, "\nnote: {note}"))?;
        self.explanation.iter().try_for_each(|explained| write!(f, "\n{explained}"))
    }
}

/// Explains a line of the log again, with a note. It is decided by the file alone: the bans made
/// at run time that held then are among its facts, and those made since are not meant.
fn again(policy: &Policy, line: &str) -> Result<(Explained, Option<&'static str>), &'static str> {
    let line: Line<'_> = serde_json::from_str(line)
        .map_err(|_| "what it rested on was not kept, or is not readable any more")?;
    if line.v != VERSION {
        return Err("another version wrote it down");
    }
    if line.again {
        return Err("a person inside was judged again: bans and access only, by another policy");
    }
    let policy = &Policy { made: std::sync::Arc::default(), ..policy.clone() };
    let room = line.room.map(Cow::into_owned);
    let (attempt, view, pressure) =
        line.facts.into_owned().into_parts(line.attempt.into_owned(), room);
    let rules = policy.rules_of(&attempt, &view, line.at);
    let explanation = explain(policy, &rules, &attempt, &view, &pressure, line.at);
    let facts = Facts::of(policy, &rules, &attempt, &view, &pressure);
    let now = &explanation.decision;
    let is_same = (now.verdict.name(), now.rule.name) == (&*line.verdict, &*line.rule);
    let note = match (is_same, line.revision == policy.revision) {
        (true, true) => None,
        (true, false) => Some("another policy decided it; the one in force would decide the same"),
        (false, true) => Some("decided again, it ends otherwise: see `vestibule replay --exact`"),
        (false, false) => Some("another policy decided it; this is how the one in force would"),
    };
    Ok((Explained::new(&explanation, &facts, &policy.texts), note))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(revision: &str, more: &str) -> String {
        format!(
            r#"{{"v":2,"at":"2026-01-01T12:00:00Z","id":"r-1","attempt":"a1","kind":"join","room":"tea@rooms.example.org","jid":"bob@example.org","class":"account","verdict":"deny","rule":"ban","line":0,"denial":"banned"{more},"revision":"{revision}","facts":{{"who":{{"jid":"bob@example.org","auth":"account","secure":true}},"try":{{"join":{{"credential":"right"}}}},"banned":{{"requester":{{"id":"b1","account":true}}}}}}}}"#
        )
    }

    #[test]
    fn a_logged_decision_is_explained_from_its_facts() {
        let policy = Policy { revision: "one".to_owned(), ..Policy::default() };
        let (explained, note) = again(&policy, &line("one", "")).unwrap();
        assert_eq!(note, None);
        assert_eq!((&*explained.rule, explained.ban.as_deref()), ("ban", Some("b1")));
        let (_, note) = again(&policy, &line("two", "")).unwrap();
        assert!(note.unwrap().contains("another policy"));
        assert!(again(&policy, &line("one", r#","again":true"#)).is_err());
        assert!(again(&policy, "{}").is_err());
    }
}
