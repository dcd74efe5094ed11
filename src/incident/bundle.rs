//! Everything about an incident, as one JSON value.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::about::About;
use super::presence::presences;
use super::words::sentence;
use crate::store::{By, Entry};

/// The name of the form that a bundle has.
pub const FORMAT: &str = "vestibule-incident-1";
/// Most entries in a bundle; the newest of more are left out, and it says so.
pub const MOST: usize = 10_000;

/// The header of a bundle.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The operator who asked for it.
    pub by: &'a By,
    /// The time.
    pub now: Timestamp,
    /// The component that made it, by its domain.
    pub server: &'a str,
    /// Whether there were more entries than [`MOST`].
    pub is_cut: bool,
    /// Entries that the audit has lost since the component started.
    pub lost: u64,
}

/// The bundle. `entries`: those of its time, in order; `before`: who came and went before; `policies`: the policy at its
/// beginning, and each that came into force.
pub fn bundle(
    about: &About,
    entries: &[Entry],
    before: &[Entry],
    policies: &[Entry],
    context: &Context<'_>,
) -> Value {
    let About { room, person, since, until, note } = about;
    json!({
        "format": FORMAT,
        "made": context.now,
        "by": context.by,
        "server": context.server,
        "version": env!("CARGO_PKG_VERSION"),
        "about": { "room": room, "person": person, "since": since, "until": until, "note": note },
        "cut": context.is_cut,
        "lost": context.lost,
        "presence": presences(before.iter().chain(entries), about),
        "policies": policies,
        "entries": entries.iter().map(told).collect::<Vec<_>>(),
    })
}

/// An entry, and what it says.
fn told(entry: &Entry) -> Value {
    let mut value = serde_json::to_value(entry).unwrap_or_default();
    if let Some(value) = value.as_object_mut() {
        value.insert("in_words".to_owned(), sentence(entry).into());
    }
    value
}
