//! Joins and what comes of them.

use std::collections::HashSet;

use vestibule_rivals::stanza::{attribute, has};
use vestibule_rivals::stream::Stream;
use vestibule_rivals::{Result, SERVICE};

/// What a presence says about its receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// In that room.
    Joined(String),
    /// In that room no more.
    Left(String),
    /// Refused by that room, with that stanza.
    Refused(String, String),
}

/// The address of a room.
pub fn room(prefix: &str, number: usize) -> String {
    format!("{prefix}{number}@{SERVICE}")
}

/// A join.
pub fn enter(room: &str, nick: &str, password: &str) -> String {
    format!(
        "<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'><password>{password}</password></x></presence>"
    )
}

/// A leave.
pub fn leave(room: &str, nick: &str) -> String {
    format!("<presence to='{room}/{nick}' type='unavailable'/>")
}

/// What the stanza says about its receiver, if anything.
pub fn judge(stanza: &[u8]) -> Option<Seen> {
    if !stanza.starts_with(b"<presence") {
        return None;
    }
    let from = attribute(stanza, "from");
    let room = || from.split('/').next().unwrap_or_default().to_owned();
    match attribute(stanza, "type") {
        "error" => Some(Seen::Refused(room(), String::from_utf8_lossy(stanza).into_owned())),
        _ if !has(stanza, "code='110'") => None,
        "" => Some(Seen::Joined(room())),
        "unavailable" => Some(Seen::Left(room())),
        _ => None,
    }
}

/// The next thing that a session learns about itself.
pub async fn next(stream: &mut Stream) -> Result<Seen> {
    loop {
        if let Some(seen) = judge(&stream.next().await?) {
            return Ok(seen);
        }
    }
}

/// Sends what `write` gives for each room, `window` unanswered at a time, until each has its answer.
///
/// # Errors
/// When a room refuses.
pub async fn each(
    stream: &mut Stream,
    rooms: &[String],
    window: usize,
    write: impl Fn(&str) -> String,
    is_answer: impl Fn(&Seen) -> Option<&str>,
) -> Result<()> {
    let mut due = HashSet::new();
    let mut remaining = rooms.iter();
    loop {
        let mut text = String::new();
        while due.len() < window
            && let Some(room) = remaining.next()
        {
            due.insert(room.as_str());
            text.push_str(&write(room));
        }
        if !text.is_empty() {
            stream.send(&text).await?;
        }
        if due.is_empty() {
            return Ok(());
        }
        let seen = next(stream).await?;
        if let Seen::Refused(_, stanza) = &seen {
            return Err(format!("refused: {stanza}").into());
        }
        if let Some(room) = is_answer(&seen) {
            due.remove(room);
        }
    }
}

/// The room that a person is in now.
pub fn joined(seen: &Seen) -> Option<&str> {
    if let Seen::Joined(room) = seen { Some(room) } else { None }
}

/// The room that a person is in no more.
pub fn left(seen: &Seen) -> Option<&str> {
    if let Seen::Left(room) = seen { Some(room) } else { None }
}
