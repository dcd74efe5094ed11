//! What entries and the lines of the decision log say of one person: finding it, and erasing it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::backend::FORGOTTEN;
use super::entry::{Entry, Kind};
use crate::jid::{BareJid, JidError};
use crate::policy::fingerprint::Mark;
use crate::policy::rules::removal::By;

/// Keys of an object that has the address of a person, whose values say more of that person.
const PERSONAL: [&str; 15] = [
    "account",
    "account_session",
    "address",
    "called",
    "claims",
    "device",
    "language",
    "name",
    "nick",
    "note",
    "proof",
    "reason",
    "session",
    "ticket",
    "unread",
];
/// Keys whose value says whom an object is about. What people are called, and what is said of them, is none of these:
/// another person may be called by their address.
const IDENTIFYING: [&str; 5] = ["account", "jid", "person", "target", "who"];
/// Keys with the claims of a token: pairs of a name and a value, or its fingerprint.
const CLAIMS: [&str; 2] = ["claims", "unread"];
/// Length of a fingerprint in hex digits.
const MARK: usize = 16;
/// What stands for a text about a person that was erased.
const ERASED: &str = "erased";

/// One person, by the texts that name them: an address, or the claim of a token (`removal.subject_claim`). A name that
/// they chose is none of these: another person may have the same.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// Bare JIDs, as entries have them.
    jids: BTreeSet<String>,
    /// Lengths of the parts of the addresses before and after the `@`, in bytes: where in a text to look for one.
    lengths: BTreeSet<(usize, usize)>,
    /// The claim by which the person was named, if it was one.
    subject: Option<Subject>,
    /// Fingerprints of addresses and claim, as 16 hex digits.
    marks: BTreeSet<String>,
}

/// The claim of a token that names a person.
#[derive(Clone, Debug)]
struct Subject {
    name: String,
    value: String,
    /// Fingerprint of the value.
    mark: String,
}

impl Subject {
    /// Returns whether this is the claim, `[name, value]` or `[name, fingerprint]`.
    fn is(&self, claim: &Value) -> bool {
        let [Some(name), Some(value)] = [0, 1].map(|at| claim.get(at).and_then(Value::as_str))
        else {
            return false;
        };
        name == self.name && (value == self.value || value == self.mark)
    }
}

/// What an entry has to do with a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// It is about them.
    About,
    /// It is about something else, and names them.
    Names,
    /// It is a command that they gave as an operator.
    Gave,
    /// It is a policy file that names them.
    Policy,
}

/// What stands for a person who was erased: it leads back to nobody.
#[derive(Clone, Debug)]
pub struct Pseudonym {
    jid: String,
    mark: String,
}

impl Pseudonym {
    /// Makes a pseudonym of random bytes.
    pub fn of(random: [u8; 8]) -> Self {
        let mark = hex::encode(random);
        Self { jid: format!("{mark}@{FORGOTTEN}"), mark }
    }

    /// Returns whether an address is a pseudonym.
    pub fn is(jid: &str) -> bool {
        jid.split_once('@').is_some_and(|(_, domain)| domain == FORGOTTEN)
    }
}

impl Person {
    /// Reads how a person is named: an address, or the value of the `claim` that names them in tokens.
    ///
    /// # Errors
    /// It has an `@`, and is no address.
    pub fn named(text: &str, claim: &str) -> Result<Self, JidError> {
        let text = text.trim();
        let mut person = Self::default();
        if text.contains('@') {
            person.add(text.parse::<BareJid>()?.as_str());
        } else {
            let mark = String::from(Mark::of(By::Token.name(), text));
            person.marks.insert(mark.clone());
            person.subject = Some(Subject { name: claim.to_owned(), value: text.to_owned(), mark });
        }
        Ok(person)
    }

    /// Adds an address; returns whether it was not known. A domain alone is nobody.
    fn add(&mut self, jid: &str) -> bool {
        let Some((before, after)) = jid.split_once('@') else { return false };
        self.lengths.insert((before.len(), after.len()));
        self.marks.insert(Mark::of(By::Account.name(), jid).into());
        self.jids.insert(jid.to_owned())
    }

    /// Adds addresses that are known to be theirs.
    #[must_use]
    pub fn with<'a>(mut self, jids: impl IntoIterator<Item = &'a str>) -> Self {
        for jid in jids {
            self.add(jid);
        }
        self
    }

    /// Returns the addresses of the person, as far as they are known.
    pub fn jids(&self) -> impl Iterator<Item = &str> {
        self.jids.iter().map(String::as_str)
    }

    /// Returns texts of which an entry that names the person contains one.
    pub fn needles(&self) -> Vec<String> {
        let escaped = self.jids.iter().filter(|jid| jid.contains('\\'));
        let escaped = escaped.map(|jid| jid.replace('\\', r"\\"));
        self.jids.iter().chain(&self.marks).cloned().chain(escaped).chain(self.quoted()).collect()
    }

    /// Returns the value of the claim as JSON.
    fn quoted(&self) -> Option<String> {
        self.subject.as_ref().map(|subject| Value::from(subject.value.as_str()).to_string())
    }

    /// Takes over the address that a decision has for the person: with a token or an account behind it, it may be
    /// another each time. Returns whether it was not known.
    pub fn learn(&mut self, entry: &Entry) -> bool {
        let Some(jid) = entry.person.as_deref() else { return false };
        !self.jids.contains(jid) && entry.kind == Kind::Decision && {
            let body = body(entry);
            body.pointer("/facts/who").is_some_and(|who| self.is(who)) && self.add(jid)
        }
    }

    /// Returns whether an object, such as a requester, is about the person: by its addresses, or by the claim of its token.
    fn is(&self, it: &Value) -> bool {
        it.as_object().is_some_and(|it| self.owns(it))
    }

    fn owns(&self, it: &Map<String, Value>) -> bool {
        let mut texts = IDENTIFYING.iter().filter_map(|key| it.get(*key)?.as_str());
        let mut claims = CLAIMS.iter().filter_map(|key| it.get(*key)?.as_array()).flatten();
        texts.any(|text| self.jids.contains(text.split('/').next().unwrap_or_default()))
            || self.subject.as_ref().is_some_and(|subject| claims.any(|claim| subject.is(claim)))
    }

    /// Returns whether a text, such as the target of a ban, names the person.
    pub fn is_in(&self, text: &str) -> bool {
        self.replaced(text, &Pseudonym::of([0; 8])).is_some()
    }

    /// Returns a line of the decision log as text; `None`: it is no whole JSON, and nobody knows whom it names.
    pub fn readable(line: &[u8]) -> Option<&str> {
        let text = std::str::from_utf8(line).ok()?;
        serde_json::from_str::<serde::de::IgnoredAny>(text).ok().map(|_| text)
    }

    /// Returns whether a line of the decision log names the person.
    pub fn is_in_line(&self, line: &str) -> bool {
        self.erased_line(line, &Pseudonym::of([0; 8])).is_some()
    }

    /// Returns whether a line may name the person, without reading it.
    fn may_be_in(&self, line: &str) -> bool {
        let plain = line.replace(r"\\", "\\");
        self.is_in(&plain) || self.quoted().is_some_and(|value| line.contains(&value))
    }

    /// Returns what an entry has to do with the person; `None`: nothing.
    pub fn concern(&self, entry: &Entry) -> Option<Concern> {
        let is_theirs = entry.person.as_ref().is_some_and(|jid| self.jids.contains(jid));
        let mut body = body(entry);
        if is_theirs
            || entry.kind == Kind::Decision
                && body.pointer("/facts/who").is_some_and(|it| self.is(it))
        {
            return Some(Concern::About);
        }
        let nobody = Pseudonym::of([0; 8]);
        let in_text = |text: &Option<String>| {
            text.as_ref().is_some_and(|text| self.replaced(text, &nobody).is_some())
        };
        let names = self.walk(&mut body, &nobody) || in_text(&entry.reason) || in_text(&entry.nick);
        match (entry.kind, names) {
            (Kind::Revision, true) => Some(Concern::Policy),
            (_, true) => Some(Concern::Names),
            (_, false) => {
                let by = entry.by.as_ref().is_some_and(|by| self.jids.contains(&by.name));
                by.then_some(Concern::Gave)
            }
        }
    }

    /// Returns an entry without the person; `None`: it stays as it is. What happened stays, and when: of a decision its
    /// verdict and rule, of a command who gave it.
    pub fn erased(&self, entry: &Entry, by: &Pseudonym) -> Option<Entry> {
        let concern = self.concern(entry)?;
        let mut body = body(entry);
        let mut kept = entry.clone();
        let is_theirs = concern == Concern::About || self.is(&body);
        match concern {
            Concern::Gave | Concern::Policy => return None,
            Concern::About => {
                kept.person = Some(by.jid.clone());
                kept.nick = None;
                kept.name = None;
                if entry.kind == Kind::Decision {
                    body = json!({ "event": ERASED });
                }
                without(&mut body, &PERSONAL);
            }
            Concern::Names => {}
        }
        self.walk(&mut body, by);
        // What is said of another person stays, but for the address.
        let without = |text: String| self.replaced(&text, by).unwrap_or(text);
        let said = |text: String| if is_theirs { ERASED.to_owned() } else { without(text) };
        kept.reason = kept.reason.map(said);
        kept.nick = kept.nick.map(without);
        kept.body = body.to_string();
        Some(kept)
    }

    /// Returns a line of the decision log without the person; `None`: it does not name them.
    pub fn erased_line(&self, line: &str, by: &Pseudonym) -> Option<String> {
        if !self.may_be_in(line) {
            return None;
        }
        let mut value: Value = serde_json::from_str(line).ok()?;
        let own = value.get("jid").and_then(Value::as_str).is_some_and(|it| self.jids.contains(it));
        if own || value.pointer("/facts/who").is_some_and(|who| self.is(who)) {
            let part = |name: &str| value.get(name).cloned().unwrap_or_default();
            let (v, at, room) = (part("v"), part("at"), part("room"));
            return Some(
                json!({ "v": v, "at": at, "event": ERASED, "room": room, "details": {} })
                    .to_string(),
            );
        }
        self.walk(&mut value, by).then(|| value.to_string())
    }

    /// Replaces the person in every text of a value; returns whether there was something to replace.
    fn walk(&self, value: &mut Value, by: &Pseudonym) -> bool {
        match value {
            Value::String(text) => match self.replaced(text, by) {
                Some(new) => {
                    *text = new;
                    true
                }
                None => false,
            },
            Value::Array(items) => {
                let claim = |subject: &&Subject| items.len() == 2 && subject.is(&json!(items));
                if self.subject.as_ref().filter(claim).is_some() {
                    *items = vec![items.swap_remove(0), ERASED.into()];
                    return true;
                }
                let mut found = false;
                for item in items {
                    found |= self.walk(item, by);
                }
                found
            }
            Value::Object(map) => {
                let is_theirs = self.owns(map);
                if is_theirs {
                    map.retain(|key, _| !PERSONAL.contains(&key.as_str()));
                }
                let mut found = is_theirs;
                let all = std::mem::take(map).into_iter().map(|(key, mut value)| {
                    found |= self.walk(&mut value, by);
                    let new = self.replaced(&key, by);
                    found |= new.is_some();
                    (new.unwrap_or(key), value)
                });
                *map = all.collect::<Map<_, _>>();
                found
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// Returns a text with each address and fingerprint of the person replaced; `None`: it has none. An address that is
    /// part of a longer one is another.
    fn replaced(&self, text: &str, by: &Pseudonym) -> Option<String> {
        // Of a text that is an address it is known where it begins, whatever characters are in it.
        let Some((bare, rest)) = address(text) else { return self.replaced_within(text, by) };
        let is_theirs = self.jids.contains(&bare.to_ascii_lowercase());
        let new = self.replaced_within(rest, by);
        if !is_theirs && new.is_none() {
            return None;
        }
        let bare = if is_theirs { &by.jid } else { bare };
        Some(format!("{bare}{}", new.as_deref().unwrap_or(rest)))
    }

    fn replaced_within(&self, text: &str, by: &Pseudonym) -> Option<String> {
        // Letters outside of ASCII keep their length, and so their place.
        let folded = text.to_ascii_lowercase();
        let (mut whole, mut from) = (String::new(), 0);
        for (at, found) in self.found(&folded) {
            let end = at.saturating_add(found.len());
            let (before, after) = (folded.get(..at), folded.get(end..));
            if at < from
                || ends_address(before.unwrap_or_default())
                || goes_on(after.unwrap_or_default())
            {
                continue;
            }
            whole.push_str(text.get(from..at).unwrap_or_default());
            whole.push_str(if found.contains('@') { &by.jid } else { &by.mark });
            from = end;
        }
        (from > 0).then(|| whole + text.get(from..).unwrap_or_default())
    }

    /// Returns where in a text in small letters an address or a fingerprint of the person stands, in order. However many
    /// they are, the text is read once.
    fn found<'a>(&self, text: &'a str) -> Vec<(usize, &'a str)> {
        let addresses = text.match_indices('@').flat_map(|(at, _)| {
            self.lengths.iter().filter_map(move |(before, after)| {
                let from = at.checked_sub(*before)?;
                Some((from, text.get(from..at.checked_add(after.checked_add(1)?)?)?))
            })
        });
        let mut at = 0_usize;
        let runs = text.split_inclusive(|c: char| !c.is_ascii_hexdigit()).map(|run| {
            let from = at;
            at = at.saturating_add(run.len());
            (from, run.trim_end_matches(|c: char| !c.is_ascii_hexdigit()))
        });
        let runs = runs.filter(|(_, run)| run.len() == MARK && self.marks.contains(*run));
        let addresses = addresses.filter(|(_, jid)| self.jids.contains(*jid));
        let mut all: Vec<_> = addresses.chain(runs).collect();
        all.sort_unstable();
        all
    }
}

/// Splits a text that is nothing but an address before its resource.
fn address(text: &str) -> Option<(&str, &str)> {
    let (bare, rest) = text.split_at(text.find('/').unwrap_or(text.len()));
    let (node, domain) = bare.split_once('@')?;
    let is_node = |c: char| !c.is_whitespace() && !"\"&':<>@".contains(c);
    let is_domain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    let is_address = !node.is_empty() && node.chars().all(is_node) && domain.chars().all(is_domain);
    (is_address && !domain.ends_with('.')).then_some((bare, rest))
}

/// Returns whether what stands in front of an address is part of it.
fn ends_address(before: &str) -> bool {
    before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || "-_.+!#$%~^".contains(c))
}

/// Returns whether an address goes on with this text.
fn goes_on(after: &str) -> bool {
    let mut next = after.chars();
    match next.next() {
        Some('.') => next.next().is_some_and(char::is_alphanumeric),
        Some(c) => c.is_alphanumeric() || c == '-' || c == '_',
        None => false,
    }
}

fn without(body: &mut Value, keys: &[&str]) {
    if let Some(map) = body.as_object_mut() {
        map.retain(|key, _| !keys.contains(&key.as_str()));
    }
}

fn body(entry: &Entry) -> Value {
    serde_json::from_str(&entry.body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::store::By as Operator;

    const BOB: &str = "bob@example.org";

    fn by() -> Pseudonym {
        Pseudonym::of([7; 8])
    }

    fn bob() -> Person {
        Person::named(BOB, "id").unwrap()
    }

    fn entry(kind: Kind, person: Option<&str>, body: &Value) -> Entry {
        Entry {
            person: person.map(str::to_owned),
            nick: person.map(|_| "Bobby".to_owned()),
            name: body.get("name").and_then(Value::as_str).map(str::to_owned),
            body: body.to_string(),
            ..Entry::new(kind, Timestamp::UNIX_EPOCH)
        }
    }

    #[test]
    fn an_address_is_not_part_of_another_one() {
        let replaced = |text: &str| bob().replaced(text, &by());
        let new = "0707070707070707@erased.invalid";
        for text in
            ["jimbob@example.org", "b.bob@example.org", "bob@example.org.uk", "bob@example.organ"]
        {
            assert_eq!(replaced(text), None, "{text}");
        }
        for (text, whole) in [
            (BOB.to_owned(), new.to_owned()),
            (format!("{BOB}/phone"), format!("{new}/phone")),
            (format!("`{BOB}`: Bob@Example.org."), format!("`{new}`: {new}.")),
            (format!("\u{e9}{BOB}"), String::new()),
        ] {
            assert_eq!(replaced(&text).unwrap_or_default(), whole, "{text}");
        }
    }

    #[test]
    fn whose_address_has_odd_characters_before_theirs_is_another() {
        let new = "0707070707070707@erased.invalid";
        for text in
            ["=bob@example.org", "`bob@example.org/x", "(bob@example.org", "x!bob@example.org"]
        {
            assert_eq!(bob().replaced(text, &by()), None, "{text}");
        }
        for (text, whole) in [
            ("of ~bob@example.org and bob@example.org_x", None),
            ("jid=bob@example.org", None),
            ("by jid=bob@example.org, (bob@example.org)", Some(format!("by jid={new}, ({new})"))),
            ("tea@x.example/bob@example.org", Some(format!("tea@x.example/{new}"))),
            ("BOB@example.org/tea@x.example", Some(format!("{new}/tea@x.example"))),
        ] {
            assert_eq!(bob().replaced(text, &by()), whole, "{text}");
        }
        let other = entry(
            Kind::Decision,
            Some("=bob@example.org"),
            &json!({ "facts": { "who": { "jid": "=bob@example.org" } } }),
        );
        assert_eq!((bob().concern(&other), bob().erased(&other, &by())), (None, None));
    }

    #[test]
    fn of_a_decision_about_them_what_came_of_it_stays() {
        let facts = json!({ "jid": BOB, "facts": { "who": { "jid": BOB, "address": "192.0.2.7", "nick": "Bobby" } } });
        let decision = Entry {
            id: Some("c-1".to_owned()),
            verdict: Some("deny".into()),
            ..entry(Kind::Decision, Some(BOB), &facts)
        };
        assert_eq!(bob().concern(&decision), Some(Concern::About));
        let kept = bob().erased(&decision, &by()).unwrap();
        assert_eq!((kept.id.as_deref(), kept.verdict.as_deref()), (Some("c-1"), Some("deny")));
        assert_eq!(kept.body, r#"{"event":"erased"}"#);
        let written = serde_json::to_string(&kept).unwrap();
        for gone in ["bob", "Bobby", "192.0.2.7"] {
            assert!(!written.contains(gone), "{gone}: {written}");
        }
        assert_eq!(bob().concern(&kept), None);
    }

    #[test]
    fn who_is_named_by_others_is_taken_out_and_the_rest_stays() {
        let body = json!({
            "facts": {
                "who": { "jid": "ann@example.org", "nick": "Ann" },
                "room": { "record": { "opener": BOB, "v": 2 } },
                "try": { "items": [{ "jid": "bob@example.org/x", "nick": "Bobby" }] },
            },
        });
        let decision = entry(Kind::Decision, Some("ann@example.org"), &body);
        assert_eq!(bob().concern(&decision), Some(Concern::Names));
        let kept = bob().erased(&decision, &by()).unwrap();
        assert_eq!(kept.person.as_deref(), Some("ann@example.org"));
        assert!(!kept.body.contains("bob@") && !kept.body.contains(r#""Bobby""#), "{}", kept.body);
        assert!(kept.body.contains(r#""nick":"Ann""#), "{}", kept.body);
        let left = entry(
            Kind::Left,
            Some(BOB),
            &json!({ "session": "bob@example.org/x", "name": "Bob B.", "role": "none" }),
        );
        assert_eq!(bob().erased(&left, &by()).unwrap().body, r#"{"role":"none"}"#);
    }

    #[test]
    fn what_they_did_as_an_operator_and_what_the_file_says_stays() {
        let closed = Entry {
            by: Some(Operator { face: "ad-hoc".into(), name: BOB.into(), role: "operator".into() }),
            ..entry(Kind::Action, None, &json!({}))
        };
        assert_eq!(bob().concern(&closed), Some(Concern::Gave));
        assert_eq!(bob().erased(&closed, &by()), None);
        let policy =
            entry(Kind::Revision, None, &json!({ "text": format!("operators = [\"{BOB}\"]") }));
        assert_eq!(bob().concern(&policy), Some(Concern::Policy));
        assert_eq!(bob().erased(&policy, &by()), None);
        let banned = Entry { reason: Some(format!("`{BOB}` is no")), ..closed };
        let kept = bob().erased(&banned, &by()).unwrap();
        assert_eq!(
            (kept.reason.as_deref(), kept.by),
            (Some("`0707070707070707@erased.invalid` is no"), banned.by)
        );
    }

    #[test]
    fn a_token_names_a_person_whatever_their_address() {
        let mark = String::from(Mark::of(By::Token.name(), "42"));
        let who = |claims: Value| {
            let jid = "x1y2@guest.example.org";
            entry(
                Kind::Decision,
                Some(jid),
                &json!({ "jid": jid, "v": 42, "facts": { "who": claims } }),
            )
        };
        for claims in [json!({ "claims": [["id", "42"]] }), json!({ "unread": [["id", mark]] })] {
            let mut person = Person::named("42", "id").unwrap();
            let decision = who(claims);
            assert_eq!(person.concern(&decision), Some(Concern::About));
            assert!(person.learn(&decision) && !person.learn(&decision));
            assert_eq!(person.jids().collect::<Vec<_>>(), ["x1y2@guest.example.org"]);
            let joined = entry(Kind::Joined, Some("x1y2@guest.example.org"), &json!({}));
            assert_eq!(person.concern(&joined), Some(Concern::About));
        }
        for claims in [
            json!({ "claims": [["id", "142"]], "nick": "42" }),
            json!({ "claims": [["role", "42"]] }),
            json!({ "claims": [["id", "7"], ["role", "42"]], "nick": "42" }),
        ] {
            let (mut person, other) = (Person::named("42", "id").unwrap(), who(claims));
            assert_eq!((person.concern(&other), person.learn(&other)), (None, false));
            assert_eq!(person.erased_line(&other.body, &by()), None);
        }
    }

    #[test]
    fn a_line_of_the_decision_log_is_erased_as_an_entry_is() {
        let line = |jid: &str, opener: &str| {
            json!({ "v": 3, "at": "1970-01-01T00:00:00Z", "room": "tea@x.example", "jid": jid,
                "facts": { "who": { "jid": jid }, "room": { "record": { "opener": opener } } } })
            .to_string()
        };
        let own = bob().erased_line(&line(BOB, BOB), &by()).unwrap();
        assert!(own.contains(r#""event":"erased""#) && !own.contains("bob"), "{own}");
        let others = bob().erased_line(&line("ann@example.org", BOB), &by()).unwrap();
        assert!(others.contains("ann@example.org") && !others.contains("bob"), "{others}");
        assert_eq!(bob().erased_line(&line("ann@example.org", "ann@example.org"), &by()), None);
        assert_eq!(bob().erased_line("{torn bob@example.org", &by()), None);
    }

    #[test]
    fn who_is_called_by_the_address_of_another_keeps_everything() {
        let mallory = "mallory@example.org";
        let who = json!({ "jid": mallory, "nick": BOB, "name": BOB, "address": "192.0.2.0", "account": mallory,
            "session": "s1", "claims": [["role", "teacher"]] });
        let body = json!({ "v": 3, "jid": mallory, "facts": { "who": who,
            "room": { "record": { "opener": BOB, "note": "n", "reason": "Is noisy" } } } });
        let decision = entry(Kind::Decision, Some(mallory), &body);
        assert_eq!(bob().concern(&decision), Some(Concern::Names));
        let want = body.to_string().replace(BOB, "0707070707070707@erased.invalid");
        let kept = bob().erased(&decision, &by()).unwrap();
        assert_eq!(kept.body, want);
        assert_eq!((kept.person.as_deref(), kept.nick.as_deref()), (Some(mallory), Some("Bobby")));
        assert_eq!(bob().erased_line(&body.to_string(), &by()).unwrap(), want);
        let action = Entry {
            reason: Some("shouts".to_owned()),
            ..entry(Kind::Action, Some(mallory), &json!({ "who": mallory, "called": BOB }))
        };
        assert_eq!(bob().erased(&action, &by()).unwrap().reason.as_deref(), Some("shouts"));
    }

    #[test]
    fn a_person_with_thousands_of_addresses_is_found_as_fast() {
        let jids: Vec<_> =
            (0..5000).map(|number| format!("{number:x}@guest.example.org")).collect();
        let many = bob().with(jids.iter().map(String::as_str));
        let text = "ann@example.org, 1387@guest.example.org, 1388@guest.example.org";
        let new = "0707070707070707@erased.invalid";
        let begun = std::time::Instant::now();
        for _ in 0..2000 {
            let replaced = many.replaced(text, &by()).unwrap();
            assert_eq!(replaced, format!("ann@example.org, {new}, 1388@guest.example.org"));
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(4), "{:?}", begun.elapsed());
    }
}
