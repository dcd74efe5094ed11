//! What entries and the lines of the decision log say of one person: finding it, and erasing it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

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
/// What stands for a text about a person that was erased.
const ERASED: &str = "erased";

/// One person, by the texts that name them: an address, or the claim of a token (`removal.subject_claim`). A name that
/// they chose is none of these: another person may have the same.
#[derive(Clone, Debug)]
pub struct Person {
    /// Bare JIDs, as entries have them.
    jids: BTreeSet<String>,
    /// Value of the claim by which the person was named, if it was one.
    subject: Option<String>,
    /// Fingerprints of addresses and claim, as 16 hex digits.
    marks: BTreeSet<String>,
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
        Self { jid: format!("{mark}@erased.invalid"), mark }
    }
}

impl Person {
    /// Reads how a person is named: an address, or the value of the claim that names them in tokens.
    ///
    /// # Errors
    /// It has an `@`, and is no address.
    pub fn named(text: &str) -> Result<Self, JidError> {
        let text = text.trim();
        let mut person = Self { jids: BTreeSet::new(), subject: None, marks: BTreeSet::new() };
        if text.contains('@') {
            person.add(text.parse::<BareJid>()?.as_str());
        } else {
            person.subject = Some(text.to_owned());
            person.marks.insert(Mark::of(By::Token.name(), text).into());
        }
        Ok(person)
    }

    fn add(&mut self, jid: &str) -> bool {
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
        let subject =
            self.subject.as_ref().map(|subject| Value::from(subject.as_str()).to_string());
        self.jids.iter().chain(&self.marks).cloned().chain(subject).collect()
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

    /// Returns whether a requester is the person: by their address, by the account that logged in for them, or by their
    /// token.
    fn is(&self, who: &Value) -> bool {
        let one_of = |name: &str| {
            who.get(name).and_then(Value::as_str).is_some_and(|jid| self.jids.contains(jid))
        };
        let mut claims =
            ["claims", "unread"].into_iter().filter_map(|name| who.get(name)?.as_array());
        one_of("jid") || one_of("account") || claims.any(|all| all.iter().any(|it| self.has(it)))
    }

    /// Returns whether this is a claim, `[name, value]`, that names the person.
    fn has(&self, claim: &Value) -> bool {
        let value = claim.get(1).and_then(Value::as_str);
        value.is_some_and(|it| self.subject.as_deref() == Some(it) || self.marks.contains(it))
    }

    /// Returns whether a text, such as the target of a ban, names the person.
    pub fn is_in(&self, text: &str) -> bool {
        self.replaced(text, &Pseudonym::of([0; 8])).is_some()
    }

    /// Returns whether a line of the decision log names the person.
    pub fn is_in_line(&self, line: &str) -> bool {
        self.erased_line(line, &Pseudonym::of([0; 8])).is_some()
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
        let is_named = |text: &String| self.replaced(text, by).is_some();
        if entry.kind == Kind::Action || entry.reason.as_ref().is_some_and(is_named) {
            kept.reason = kept.reason.map(|_| ERASED.to_owned());
        }
        kept.nick = kept.nick.map(|nick| self.replaced(&nick, by).unwrap_or(nick));
        kept.body = body.to_string();
        Some(kept)
    }

    /// Returns a line of the decision log without the person; `None`: it does not name them.
    pub fn erased_line(&self, line: &str, by: &Pseudonym) -> Option<String> {
        let folded = line.to_ascii_lowercase();
        if !self.needles().iter().any(|needle| folded.contains(&needle.to_ascii_lowercase())) {
            return None;
        }
        let mut value: Value = serde_json::from_str(line).ok()?;
        let who = value.pointer("/facts/who");
        let own = value.get("jid").and_then(Value::as_str).is_some_and(|it| self.jids.contains(it));
        if own || who.is_some_and(|who| self.is(who)) {
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
                if let [Value::String(_), Value::String(claim)] = items.as_mut_slice()
                    && self.subject.as_ref() == Some(claim)
                {
                    ERASED.clone_into(claim);
                    return true;
                }
                let mut found = false;
                for item in items {
                    found |= self.walk(item, by);
                }
                found
            }
            Value::Object(map) => {
                let is_theirs = map.values().filter_map(Value::as_str).any(|text| {
                    let bare = text.split('/').next().unwrap_or_default();
                    self.jids.contains(bare)
                });
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
        let mut now = text.to_owned();
        let jids = self.jids.iter().map(|jid| (jid, by.jid.as_str()));
        let marks = self.marks.iter().map(|mark| (mark, by.mark.as_str()));
        for (needle, new) in jids.chain(marks) {
            // Letters outside of ASCII keep their length, and so their place.
            let folded = now.to_ascii_lowercase();
            let needle = needle.to_ascii_lowercase();
            let mut whole = String::new();
            let mut from = 0;
            for (at, found) in folded.match_indices(needle.as_str()) {
                let end = at.saturating_add(found.len());
                let (before, after) = (folded.get(..at).unwrap_or_default(), folded.get(end..));
                if !ends_address(before) && !goes_on(after.unwrap_or_default()) {
                    whole.push_str(now.get(from..at).unwrap_or_default());
                    whole.push_str(new);
                    from = end;
                }
            }
            if from > 0 {
                whole.push_str(now.get(from..).unwrap_or_default());
                now = whole;
            }
        }
        (now != text).then_some(now)
    }
}

/// Returns whether what stands in front of an address is part of it.
fn ends_address(before: &str) -> bool {
    before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || "-_.+".contains(c))
}

/// Returns whether an address goes on with this text.
fn goes_on(after: &str) -> bool {
    let mut next = after.chars();
    match next.next() {
        Some('.') => next.next().is_some_and(char::is_alphanumeric),
        Some(c) => c.is_alphanumeric() || c == '-',
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
        Person::named(BOB).unwrap()
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
        assert_eq!((kept.reason.as_deref(), kept.by), (Some("erased"), banned.by));
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
            let mut person = Person::named("42").unwrap();
            let decision = who(claims);
            assert_eq!(person.concern(&decision), Some(Concern::About));
            assert!(person.learn(&decision) && !person.learn(&decision));
            assert_eq!(person.jids().collect::<Vec<_>>(), ["x1y2@guest.example.org"]);
            let joined = entry(Kind::Joined, Some("x1y2@guest.example.org"), &json!({}));
            assert_eq!(person.concern(&joined), Some(Concern::About));
        }
        let other = who(json!({ "claims": [["id", "142"]], "nick": "42" }));
        assert_eq!(Person::named("42").unwrap().concern(&other), None);
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
}
