//! `explain` and `why`: explain a described attempt, or a decision of the audit, by the policy in force.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Call, invalid, not_found, unavailable};
use crate::app::Shared;
use crate::app::clock::now;
use crate::app::rooms::{RoomError, connected, each_room, room};
use crate::component::decision_record::{Line, VERSION};
use crate::config::{Described, OTHER_PERSON, UNNAMED, Visible};
use crate::control::{Answer, Failure};
use crate::jid::BareJid;
use crate::policy::Policy;
use crate::policy::attempt::{
    Action, Attempt, Auth, Credential, Requester, Role, RoomView, Strength,
};
use crate::policy::denial::Denial;
use crate::policy::facts::{Explanation, Facts, explain};
use crate::policy::providers::Proves;
use crate::policy::requester::{Session, SessionKind};
use crate::policy::rules::fixed;
use crate::policy::texts::Texts;
use crate::policy::verdict::Rule;
use crate::store::{Entry, Kind, Query};
use crate::wire::room::LiveRoom;

/// Returns a session of that address among the occupants of all rooms.
fn session_of(shared: &Shared, jid: &BareJid) -> Option<Requester> {
    let mut found = None;
    each_room(shared, |_, _, room| {
        let mut sessions = room.occupants.values().map(|known| &known.who);
        let is_one = |who: &&Requester| who.jid.as_ref() == Some(jid) && who.session.is_some();
        if found.is_none() {
            found = sessions.find(is_one).cloned();
        }
    });
    found
}

/// Returns whether a text can only be what a person is called: it is no address, and no host of this server or another.
fn is_name(shared: &Shared, text: &str) -> bool {
    let engine = shared.engine();
    let mut hosts = engine.services().filter_map(|(_, hello)| hello).flat_map(|it| &it.hosts.hosts);
    !text.contains(['@', '.']) && !hosts.any(|host| host.name == text)
}

verb! {
    /// Explain what would be decided on an attempt, and why
    Explain("explain", "Explain", Viewer, ReadOnly) -> Explained {
        /// Attempt to explain
        #[command(flatten)]
        #[serde(flatten)]
        pub attempt: Described,
    }
    addresses |it| vec![&it.attempt.room, &it.attempt.jid];
    |it, call| it.carry_out(call).await
}

impl Explain {
    /// Explains the attempt with the current state of the room and the person; the reply lists what was assumed.
    async fn carry_out(self, call: &Call<'_>) -> Result<Explained, Failure> {
        let mut described = self.attempt;
        let jid = described.room().map_err(invalid)?;
        if is_name(&call.shared, &described.jid) {
            described.jid = call.whom(&jid, &described.jid).await?.to_string();
        }
        let described = &described;
        let mut attempt = described.attempt().map_err(invalid)?;
        let Some(person) = attempt.requester.jid.clone() else {
            return Err(invalid("nobody is described"));
        };
        let live = match room(&call.shared, &jid, Some(&person)).await {
            Ok(live) => Some(live),
            Err(RoomError::None(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let connected = connected(&call.shared, &jid, &person).await?;
        let elsewhere = session_of(&call.shared, &person);
        let engine = call.shared.engine();
        let mut notes = Vec::new();
        let asks_focus = engine.policy().asks_focus(&jid, &person);
        if !is_at(&mut attempt, live.as_ref(), asks_focus, &mut notes) {
            return Err(not_found(format!(
                "there is no room `{jid}`: at a room that is not open, only `--do join`, `open` and `request` can be explained"
            )));
        }
        let inside = live.iter().flat_map(|live| &live.occupants);
        let inside: Vec<_> = inside.filter(|who| who.jid.as_ref() == Some(&person)).collect();
        if described.auth.is_none() && described.claims.is_empty() {
            let mut known = inside.iter().copied().chain(&connected.sessions).chain(&elsewhere);
            let who = &mut attempt.requester;
            match known.find(|who| is_known(who)).cloned() {
                Some(there) => as_there(who, there, described),
                None => {
                    let supposed = connected.supposed.and_then(|who| who.session);
                    let supposed = supposed.unwrap_or_default();
                    as_supposed(who, &supposed, engine.policy(), described, &mut notes);
                }
            }
        }
        as_inside(&mut attempt, &inside, described, &mut notes);
        let is_told_all = matches!(attempt.action, Action::Open { .. } | Action::Request);
        let view = live.map_or_else(RoomView::default, |live| {
            let who = &mut attempt.requester;
            who.person = who.person.take().or(live.person);
            if !described.moderator {
                who.affiliation = live.affiliation;
            }
            RoomView { exists: is_told_all, ..live.view }
        });
        let (attempt, view) = engine.complete(attempt, view, now());
        let (explanation, facts) = engine.explain(&attempt, &view, now());
        let explained = Explained::new(&explanation, &facts, &engine.policy().texts);
        Ok(Explained { assumed: Some(notes), ..explained })
    }
}

/// A decision with its reasons.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    /// Verdict of the decision.
    #[schemars(extend("enum" = ["allow", "hold", "prompt", "deny"]))]
    pub verdict: String,
    /// Rule that decided.
    pub rule: String,
    /// Line of the rule in the file; 0: the built-in default.
    pub line: u32,
    /// Id of the runtime ban that decided; null: no such ban did.
    pub ban: Option<String>,
    /// Class that the policy puts the requester in.
    pub class: String,
    /// Code of the denial; null: the attempt is allowed.
    pub denial: Option<String>,
    /// Message that the requester sees, in the server's default language; null: none.
    pub told: Option<String>,
    /// Lines of the exceptions that were applied.
    pub exceptions: Vec<u32>,
    /// Outcome if the observed rules were enforced; null: it would be the same.
    pub would_have_been: Option<Outcome>,
    /// Abilities inside: `yes`, `given` (by a moderator), `moderator` (while moderating) or `no`.
    pub may: BTreeMap<String, String>,
    /// Facts that the decision is based on, as in the decision log (docs/replay.md).
    pub facts: Map<String, Value>,
    /// Changes that would lead to another decision.
    pub would_change_it: Vec<Change>,
    /// Assumptions about what could not be looked up; absent in replies of `why`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumed: Option<Vec<String>>,
}

/// The outcome of an attempt.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// Verdict of the decision.
    #[schemars(extend("enum" = ["allow", "hold", "prompt", "deny"]))]
    pub verdict: String,
    /// Rule that decides.
    pub rule: String,
    /// Line of the rule in the file; 0: the built-in default.
    pub line: u32,
    /// Code of the denial; null: the attempt would be allowed.
    pub denial: Option<String>,
}

/// A change of the attempt or the room that would lead to another decision.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Description of the change.
    pub with: String,
    /// Verdict after the change.
    #[schemars(extend("enum" = ["allow", "hold", "prompt", "deny"]))]
    pub verdict: String,
    /// Rule that would decide.
    pub rule: String,
    /// Line of the rule in the file; 0: the built-in default.
    pub line: u32,
}

/// The rule of a decision that a runtime ban made.
const MADE: Rule = fixed::BAN.at(0);

impl Explained {
    /// Makes the reply of an explanation.
    pub fn new(explanation: &Explanation, facts: &Facts<'_>, texts: &Texts) -> Self {
        let decision = &explanation.decision;
        let may = decision.effects.may.iter().flat_map(|(_, may)| may.iter());
        let told = serde_json::to_value(facts).and_then(serde_json::from_value);
        let denial = |denial: Option<Denial>| denial.map(|denial| denial.code().to_owned());
        Self {
            verdict: decision.verdict.name().to_owned(),
            rule: decision.rule.name.to_owned(),
            line: decision.rule.line,
            ban: facts.ban().filter(|_| decision.rule == MADE).map(str::to_owned),
            class: decision.class.name().to_owned(),
            denial: denial(decision.denial),
            told: decision.denial.map(|denial| texts.denial(denial, None).text.into_owned()),
            exceptions: decision.exceptions.clone(),
            would_have_been: decision.would.as_ref().map(|would| Outcome {
                verdict: would.verdict.name().to_owned(),
                rule: would.rule.name.to_owned(),
                line: would.rule.line,
                denial: denial(would.denial),
            }),
            may: may
                .map(|(ability, degree)| (ability.name().to_owned(), degree.name().to_owned()))
                .collect(),
            facts: told.unwrap_or_default(),
            would_change_it: explanation
                .changes
                .iter()
                .map(|change| Change {
                    with: change.what.to_string(),
                    verdict: change.decision.verdict.name().to_owned(),
                    rule: change.decision.rule.name.to_owned(),
                    line: change.decision.rule.line,
                })
                .collect(),
            assumed: None,
        }
    }

    /// Formats the explanation for the command line. `file` is the path of the policy file, if known.
    pub fn in_words(&self, file: Option<&Path>) -> String {
        let place = |line: u32| match (line, file) {
            (0, _) => "built-in default".to_owned(),
            (line, Some(file)) => format!("{}:{line}", file.display()),
            (line, None) => format!("line {line}"),
        };
        let by = match &self.ban {
            Some(id) => format!("ban {id} (made at run time)"),
            None => format!("{} ({})", self.rule, place(self.line)),
        };
        let mut lines = vec![format!("{}, by {by}", self.verdict)];
        if let Some(told) = &self.told {
            lines.push(format!("  the requester is told: {told}"));
        }
        if let Some(Outcome { verdict, rule, line, .. }) = &self.would_have_been {
            let place = place(*line);
            lines.push(format!(
                "  would have been: {verdict}, by {rule} ({place}), if what is observed were enforced"
            ));
        }
        let exceptions = self.exceptions.iter();
        lines.extend(exceptions.map(|line| format!("  with the exception of {}", place(*line))));
        lines.push(format!("  class: {}", self.class));
        let assumed = self.assumed.iter().flatten();
        lines.extend(assumed.map(|assumed| format!("  assumed: {assumed}")));
        for (what, degree) in self.may.iter().filter(|(_, degree)| *degree != "yes") {
            let degree = if degree == "moderator" { "while moderating" } else { "no" };
            lines.push(format!("  inside, {}: {degree}", in_the_file(what)));
        }
        let facts = self.facts.iter();
        lines.extend(facts.map(|(of, facts)| format!("  {of}: {}", plain(facts))));
        for Change { with, verdict, rule, line } in &self.would_change_it {
            lines.push(format!("  with {with}: {verdict}, by {rule} ({})", place(*line)));
        }
        lines.join("\n")
    }
}

impl Answer for Explained {
    fn words(&self) -> String {
        self.in_words(None)
    }
}

/// Returns what the policy file calls an ability, or words for one that has no key.
fn in_the_file(ability: &str) -> &str {
    match ability {
        "desktop" => "screen_share",
        "alone" => "breakout_alone",
        "form" => "reading the settings",
        "secret" => "reading the password",
        key => key,
    }
}

/// Formats a value for people: `moderators 1, record (opener ann@example.org)`.
fn plain(value: &Value) -> String {
    let all = |values: &mut dyn Iterator<Item = String>| values.collect::<Vec<_>>().join(", ");
    let inner = |value: &Value| match value {
        Value::Object(_) => format!("({})", plain(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            plain(value)
        }
    };
    match value {
        Value::String(text) => Visible(text).to_string(),
        Value::Array(values) => format!("[{}]", all(&mut values.iter().map(plain))),
        Value::Object(values) => {
            let time = |name: &str, value: &Value| {
                if let Some(seconds) = value.as_i64().filter(|_| name == "until") {
                    return Timestamp::from_second(seconds).ok().map(|it| it.to_string());
                }
                let moment: Timestamp = value.as_str()?.parse().ok()?;
                Some(format!("{moment:.0}"))
            };
            let told = values.iter().filter(|(name, value)| !is_filler(name, value));
            let shown =
                |name: &str, value: &Value| time(name, value).unwrap_or_else(|| inner(value));
            all(&mut told.map(|(name, value)| format!("{name} {}", shown(name, value))))
        }
        Value::Null => "?".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Returns whether a fact says nothing about the attempt: the schema of the record, and what stands for a name that was
/// not given.
fn is_filler(name: &str, value: &Value) -> bool {
    match name {
        "v" => true,
        "nick" => value == UNNAMED,
        "opener" => value == OTHER_PERSON,
        _ => false,
    }
}

/// Turns a join of a room that is not open into an attempt to open it, and the other way round, as the gate does.
/// With `asks_focus`, the person has to ask Jitsi's focus for the room first. Returns false if the gate would ask for no
/// decision, since the room does not exist.
fn is_at(
    attempt: &mut Attempt,
    live: Option<&LiveRoom>,
    asks_focus: bool,
    notes: &mut Vec<String>,
) -> bool {
    match (&attempt.action, live) {
        (Action::Join { .. }, None) if asks_focus => {
            let first = "the room is not open: the person asks Jitsi's focus for it first, and that is judged";
            notes.push(first.to_owned());
            attempt.action = Action::Request;
        }
        (Action::Join { credential }, None) => {
            notes.push("the room is not open: a join opens it, and is judged as that".to_owned());
            let typed = *credential != Credential::None;
            let good = Strength { length: 40, score: 4, denied: false, code: false };
            attempt.action = Action::Open { typed: typed.then_some(good) };
        }
        (Action::Open { typed }, Some(_)) => {
            notes.push("the room is open: who comes joins it, and is judged so".to_owned());
            let credential = if typed.is_some() { Credential::Right } else { Credential::None };
            attempt.action = Action::Join { credential };
        }
        (Action::Open { .. } | Action::Request, None) | (_, Some(_)) => {}
        (_, None) => return false,
    }
    let joins = matches!(attempt.action, Action::Join { .. });
    if joins && live.is_some_and(|live| live.generation.is_empty()) {
        let first =
            "no policy was applied to the room yet: judged as the join that follows once one is";
        notes.push(first.to_owned());
    }
    true
}

/// Returns whether the gate knows what kind of session this is.
fn is_known(who: &Requester) -> bool {
    who.session.as_ref().is_some_and(|session| session.kind != SessionKind::Unknown)
}

/// Takes over identity and connection from a session that exists.
fn as_there(who: &mut Requester, there: Requester, described: &Described) {
    who.auth = Auth::Unknown;
    who.session = there.session;
    who.account = there.account;
    who.account_session = there.account_session;
    who.gateway = there.gateway;
    who.claims = there.claims;
    who.secure = if described.unencrypted { Some(false) } else { there.secure };
    who.address = who.address.or(there.address);
    who.ticket = there.ticket;
    who.device = there.device;
    if !described.jitsi {
        who.client = there.client;
    }
}

/// Assumes that a person who is not connected would log in like others of that host.
fn as_supposed(
    who: &mut Requester,
    supposed: &Session,
    policy: &Policy,
    described: &Described,
    notes: &mut Vec<String>,
) {
    let Session { kind, host, provider, .. } = supposed;
    let (auth, note) = match kind {
        SessionKind::Client => {
            let (auth, how) = match policy.proves(provider) {
                Some(Proves::Account) => (Auth::Account, ""),
                Some(Proves::Token) => (Auth::Anonymous, ", without a token"),
                Some(Proves::Guest) => (Auth::Anonymous, ""),
                None => (Auth::Anonymous, ", of which the file does not say what it proves"),
            };
            let note =
                format!("not connected: as the users of {host} log in (mod_auth_{provider}{how})");
            (auth, note)
        }
        SessionKind::Server => {
            (Auth::Server, "as a person of another server: this one has no such host".to_owned())
        }
        SessionKind::Component => {
            (Auth::Component, format!("as the component {host} of this server"))
        }
        SessionKind::Unknown => (Auth::Unknown, "as a person of whom nothing is known".to_owned()),
    };
    notes.push(note);
    who.auth = auth;
    let is_client = *kind == SessionKind::Client;
    who.secure = match (described.unencrypted, is_client) {
        (true, _) => Some(false),
        (false, true) => {
            notes.push("an encrypted connection".to_owned());
            Some(true)
        }
        (false, false) => None,
    };
    if who.address.is_none() && is_client {
        notes.push("a network address that no ban is on (`--address` says which)".to_owned());
    }
}

/// Takes over nick and role from the person's sessions in the room.
fn as_inside(
    attempt: &mut Attempt,
    inside: &[&Requester],
    described: &Described,
    notes: &mut Vec<String>,
) {
    let who = &mut attempt.requester;
    let comes =
        matches!(attempt.action, Action::Request | Action::Open { .. } | Action::Join { .. });
    match (inside.first(), &described.nick) {
        (_, Some(_)) => {}
        (Some(there), None) => {
            who.nick.clone_from(&there.nick);
            who.name.clone_from(&there.name);
        }
        (None, None) if !matches!(attempt.action, Action::Request) => {
            notes.push("a nick that nobody else has (`--nick` says which)".to_owned());
        }
        (None, None) => {}
    }
    if comes || described.moderator {
        return;
    }
    match inside.iter().max_by_key(|there| there.role) {
        Some(there) => {
            who.role = there.role;
            who.breakout.clone_from(&there.breakout);
        }
        None => {
            who.role = Role::Participant;
            notes.push("a person who is inside and does not moderate".to_owned());
        }
    }
}

verb! {
    /// Explain a decision of the audit again, from the facts it was made on
    Why("why", "Why", Viewer, ReadOnly) -> Reason {
        /// Id of the decision
        pub decision: String,
    }
    |it, call| it.carry_out(call).await
}

impl Why {
    async fn carry_out(self, call: &Call<'_>) -> Result<Reason, Failure> {
        let decision = self.decision;
        let store = call.audit_database()?;
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
        let policy = call.shared.engine().policy().clone();
        let (explanation, note) = match again(&policy, &entry.body) {
            Ok((explanation, note)) => (Some(explanation), note),
            Err(note) => (None, Some(note)),
        };
        Ok(Reason { entry, explanation, note: note.map(str::to_owned) })
    }
}

/// An entry of the audit, and its explanation by the policy in force.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// Entry of the audit with the decision.
    pub entry: Entry,
    /// Explanation of the decision; null: there is none, as the note says.
    pub explanation: Option<Explained>,
    /// How the explanation relates to the decision, or why there is none; null: both agree.
    pub note: Option<String>,
}

impl Answer for Reason {
    fn words(&self) -> String {
        let Entry { id, at, revision, verdict, .. } = &self.entry;
        let [id, revision] = [id, revision].map(|it| it.as_deref().unwrap_or("?"));
        let verdict = verdict.as_deref().unwrap_or("?");
        let mut lines = vec![format!("decision {id} at {at:.0}, by policy {revision}: {verdict}")];
        lines.extend(self.note.iter().map(|note| format!("note: {note}")));
        lines.extend(self.explanation.iter().map(Explained::words));
        lines.join("\n")
    }
}

/// Explains a line of the decision log, with a note. Runtime bans of that time are among its facts, and later ones must
/// not count, so only the file decides.
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
    let (attempt, view, pressure) = line.facts.into_owned().into_parts(line.attempt, room);
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
    fn an_ability_is_called_what_the_file_calls_it() {
        let keys = ["chat", "screen_share", "breakout_alone", "dial"];
        assert_eq!(["chat", "desktop", "alone", "dial"].map(in_the_file), keys);
    }

    #[test]
    fn the_end_of_a_removal_is_a_time() {
        let facts = serde_json::json!({ "removed": [{ "until": 9, "fingerprints": ["f"] }], "moderators": 9 });
        assert_eq!(
            plain(&facts),
            "moderators 9, removed [fingerprints [f], until 1970-01-01T00:00:09Z]"
        );
        let record = serde_json::json!({ "opened": "2026-01-01T12:00:00.366434772Z", "v": 2 });
        assert_eq!(plain(&record), "opened 2026-01-01T12:00:00Z");
    }

    #[test]
    fn a_name_that_was_not_given_is_not_told() {
        let facts =
            serde_json::json!({ "opener": OTHER_PERSON, "nick": UNNAMED, "auth": "account" });
        assert_eq!(plain(&facts), "auth account");
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
