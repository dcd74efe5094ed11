//! The facts of an attempt, for the log and for people.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::attempt::{Action, Attempt, Client, FieldChange, RoomView, Word};
use super::pressure::Pressure;
use super::record::Entry;

/// What a decision rested on, by name. Never a password, and no claim's value: it may be a token's.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What was tried.
    pub attempt: &'a Attempt,
    /// The room at that moment.
    pub room: &'a RoomView,
    /// What the counters said.
    pub pressure: &'a Pressure,
}

impl Serialize for Facts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.requester(&mut map)?;
        if let Some(jid) = self.attempt.behind.as_ref().and_then(|behind| behind.jid.as_ref()) {
            map.serialize_entry("for", jid.as_str())?;
        }
        self.action(&mut map)?;
        self.room(&mut map)?;
        for (name, wait) in [
            ("guesses_wait", self.pressure.guesses),
            ("room_guesses_wait", self.pressure.room),
            ("knocks_wait", self.pressure.knocks),
        ] {
            if let Some(wait) = wait {
                map.serialize_entry(name, &wait.as_secs())?;
            }
        }
        map.end()
    }
}

impl Facts<'_> {
    fn requester<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let who = &self.attempt.requester;
        map.serialize_entry("auth", who.auth.name())?;
        if let Some(account) = &who.account {
            map.serialize_entry("account", account.as_str())?;
        }
        if let Some(secure) = who.secure {
            map.serialize_entry("secure", &secure)?;
        }
        if let Some(address) = who.address {
            map.serialize_entry("address", &address)?;
        }
        if who.client != Client::Plain {
            map.serialize_entry("client", who.client.name())?;
        }
        map.serialize_entry("affiliation", who.affiliation.name())?;
        if let Some(entry) = who.person.and_then(|person| person.entry) {
            map.serialize_entry("entered", entered(entry))?;
        }
        if who.person.is_some_and(|person| person.moderator) {
            map.serialize_entry("granted_moderator", &true)?;
        }
        if !who.claims.is_empty() {
            let names: Vec<&str> = who.claims.iter().map(|(name, _)| name.as_str()).collect();
            map.serialize_entry("claims", &names)?;
        }
        Ok(())
    }

    fn action<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let action = &self.attempt.action;
        match action {
            Action::Open { typed } => {
                map.serialize_entry("typed_a_password", &typed.is_some())?;
                if let Some(strength) = typed {
                    map.serialize_entry("password_length", &strength.length)?;
                    map.serialize_entry("password_score", &strength.score)?;
                }
                return Ok(());
            }
            Action::Join { credential } => {
                return map.serialize_entry("password", credential.name());
            }
            Action::Configure { fields } => {
                map.serialize_entry("fields", &fields.iter().map(field).collect::<Vec<_>>())?;
            }
            Action::Affiliation { items, .. } => {
                let items = items.iter().map(|item| {
                    let to = item.to.map_or("?", |to| to.name());
                    change(item.jid.as_ref(), item.from.name(), to)
                });
                map.serialize_entry("items", &items.collect::<Vec<_>>())?;
            }
            Action::Role { items } => {
                let items = items.iter().map(|item| {
                    let to = item.to.map_or("?", |to| to.name());
                    change(item.jid.as_ref(), item.from.name(), to)
                });
                map.serialize_entry("items", &items.collect::<Vec<_>>())?;
            }
            Action::Invite { to } => {
                let to = to.iter().map(|jid| jid.as_ref().map_or("?", |jid| jid.as_str()));
                map.serialize_entry("invited", &to.collect::<Vec<_>>())?;
            }
            Action::Knock { target, admit } => {
                map.serialize_entry("target", target.as_ref().map_or("?", |jid| jid.as_str()))?;
                map.serialize_entry("answer", if *admit { "admit" } else { "reject" })?;
            }
            Action::Command(word) => map.serialize_entry("word", word_name(*word))?,
            Action::Request | Action::Destroy | Action::Unknown => {}
        }
        map.serialize_entry("role", self.attempt.requester.role.name())
    }

    fn room<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let room = self.room;
        if room.exists || room.record.is_some() {
            map.serialize_entry("occupants", &room.occupants)?;
            map.serialize_entry("moderators", &room.moderators)?;
            map.serialize_entry("waiting", &room.waiting)?;
            map.serialize_entry("room_has_password", &room.has_password)?;
        }
        if room.lobby {
            map.serialize_entry("lobby", &true)?;
        }
        if let Some(closed) = room.record.as_ref().and_then(|record| record.closed) {
            map.serialize_entry("closed_by", closed.name())?;
        }
        let removed = room.record.as_ref().map_or(0, |record| record.removed.len());
        if removed > 0 {
            map.serialize_entry("removed_from_it", &removed)?;
        }
        Ok(())
    }
}

fn change(jid: Option<&jid::BareJid>, from: &str, to: &str) -> String {
    format!("{}: {from} to {to}", jid.map_or("?", |jid| jid.as_str()))
}

const fn entered(entry: Entry) -> &'static str {
    match entry {
        Entry::Opened => "opened",
        Entry::Password => "password",
        Entry::Admitted => "admitted",
        Entry::Both => "both",
        Entry::Proved => "proved",
    }
}

fn field(field: &FieldChange) -> &str {
    match field {
        FieldChange::PasswordKept => "password kept",
        FieldChange::PasswordRemoved => "password removed",
        FieldChange::PasswordSet(_) => "password set",
        FieldChange::MembersOnly(true) => "members only",
        FieldChange::MembersOnly(false) => "not members only",
        FieldChange::Public(true) => "public",
        FieldChange::Public(false) => "hidden",
        FieldChange::Persistent(true) => "persistent",
        FieldChange::Persistent(false) => "not persistent",
        FieldChange::Other(name) => name,
    }
}

const fn word_name(word: Word) -> &'static str {
    match word {
        Word::Password => "password",
        Word::Close => "close",
        Word::Reopen => "reopen",
        Word::Unknown => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::attempt::{Affiliation, AffiliationChange, Auth, Requester, Role};

    fn shown(action: Action) -> String {
        let attempt = Attempt {
            id: "a".to_owned(),
            room: "tea@conference.example.org".parse().ok(),
            requester: Requester {
                jid: "ann@example.org".parse().ok(),
                auth: Auth::Token,
                secure: Some(true),
                address: "192.0.2.7".parse().ok(),
                nick: "Ann".to_owned(),
                affiliation: Affiliation::Owner,
                role: Role::Moderator,
                claims: vec![("email".to_owned(), "canary".to_owned())],
                ..Requester::default()
            },
            action,
            ..Attempt::default()
        };
        let facts =
            Facts { attempt: &attempt, room: &RoomView::default(), pressure: &Pressure::default() };
        serde_json::to_string(&facts).unwrap()
    }

    #[test]
    fn claims_are_named_and_not_quoted() {
        let shown = shown(Action::Destroy);
        assert!(shown.contains(r#""claims":["email"]"#), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn whose_affiliation_was_to_change_is_a_fact() {
        let shown = shown(Action::Affiliation {
            items: vec![AffiliationChange {
                jid: "bob@example.org".parse().ok(),
                from: Affiliation::None,
                to: Some(Affiliation::Owner),
                nick: None,
                bearer: None,
            }],
            register: false,
        });
        assert!(shown.contains("bob@example.org: none to owner"), "{shown}");
    }
}
