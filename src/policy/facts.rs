//! The facts of an attempt, for the log and for people.

use serde_json::{Map, Value};

use super::attempt::{Action, Attempt, RoomView};
use super::pressure::Pressure;

/// What the decision rested on, by name. Never a password, and no claim's value: it may be a token's.
pub fn facts(attempt: &Attempt, room: &RoomView, pressure: &Pressure) -> Map<String, Value> {
    let mut facts = Map::new();
    let mut put = |name: &str, value: Value| {
        facts.insert(name.to_owned(), value);
    };
    let who = &attempt.requester;
    put("auth", who.auth.name().into());
    if let Some(secure) = who.secure {
        put("secure", secure.into());
    }
    if let Some(address) = who.address {
        put("address", address.to_string().into());
    }
    put("affiliation", who.affiliation.name().into());
    if let Some(entry) = who.person.and_then(|person| person.entry) {
        put("entered", format!("{entry:?}").to_lowercase().into());
    }
    if who.person.is_some_and(|person| person.moderator) {
        put("granted_moderator", true.into());
    }
    if !who.claims.is_empty() {
        let names: Vec<Value> = who.claims.iter().map(|(name, _)| name.as_str().into()).collect();
        put("claims", names.into());
    }
    match &attempt.action {
        Action::Open { typed } => {
            put("typed_a_password", typed.is_some().into());
            if let Some(strength) = typed {
                put("password_length", strength.length.into());
                put("password_score", strength.score.into());
            }
        }
        Action::Join { credential } => put("password", credential.name().into()),
        Action::Configure { .. }
        | Action::Affiliation { .. }
        | Action::Role { .. }
        | Action::Destroy
        | Action::Invite { .. }
        | Action::Knock { .. }
        | Action::Command(_)
        | Action::Unknown => put("role", who.role.name().into()),
    }
    if room.exists || room.record.is_some() {
        put("occupants", room.occupants.into());
        put("moderators", room.moderators.into());
        put("waiting", room.waiting.into());
        put("room_has_password", room.has_password.into());
    }
    if let Some(closed) = room.record.as_ref().and_then(|record| record.closed) {
        put("closed_by", closed.name().into());
    }
    for (name, wait) in [
        ("guesses_wait", pressure.guesses),
        ("room_guesses_wait", pressure.room),
        ("knocks_wait", pressure.knocks),
    ] {
        if let Some(wait) = wait {
            put(name, wait.as_secs().into());
        }
    }
    facts
}
