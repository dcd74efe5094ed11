//! A decision of the log, explained again from its facts.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::Operator;
use super::failure::{not_found, unavailable};
use super::looks::explanation_to_json;
use crate::component::line::{Line, VERSION};
use crate::control::Failure;
use crate::policy::Policy;
use crate::policy::explain::explain;
use crate::policy::facts::Facts;
use crate::store::{Kind, Query};

impl Operator {
    /// The entry of a decision, and its explanation by the policy in force.
    pub(super) async fn why(&self, decision: String) -> Result<Value, Failure> {
        let store = self.store().ok_or_else(|| {
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
        let policy = self.shared.desk().policy().clone();
        let (explanation, note) = match again(&policy, &entry.body) {
            Ok((explanation, note)) => (Some(explanation), note),
            Err(note) => (None, Some(note)),
        };
        Ok(json!({ "entry": entry, "explanation": explanation, "note": note }))
    }
}

/// Explains a line of the log again; and what there is to say beside. It is decided by the file alone: the bans made
/// at run time that held then are among its facts, and those made since are not meant.
fn again(policy: &Policy, line: &str) -> Result<(Value, Option<&'static str>), &'static str> {
    let line: Line<'_> = serde_json::from_str(line)
        .map_err(|_| "what it rested on was not kept, or is not readable any more")?;
    if line.v != VERSION {
        return Err("another version wrote it down");
    }
    if line.again {
        return Err("somebody inside was judged again: bans and access only, by another policy");
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
    Ok((explanation_to_json(&explanation, &facts, &policy.texts), note))
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
        assert_eq!((&explained["rule"], &explained["ban"]), (&json!("ban"), &json!("b1")));
        let (_, note) = again(&policy, &line("two", "")).unwrap();
        assert!(note.unwrap().contains("another policy"));
        assert!(again(&policy, &line("one", r#","again":true"#)).is_err());
        assert!(again(&policy, "{}").is_err());
    }
}
