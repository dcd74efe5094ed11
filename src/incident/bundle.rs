//! The bundle of an incident: everything that the audit knows about it, as one JSON value.

use jiff::fmt::temporal::DateTimeParser;
use jiff::{SpanRelativeTo, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::page::{self, page};
use super::presence::presences;
use super::words::sentence;
use crate::store::{By, Entry, Kind};

/// The name and version of the bundle format, its `format` key.
pub const FORMAT: &str = "vestibule-incident-1";
/// The largest number of entries in a bundle. If there are more, the oldest are left out, and `cut` is set.
pub const MOST: usize = 10_000;

/// The circumstances under which a bundle is made.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// Operator who asked for the bundle.
    pub by: &'a By,
    /// Time at which the bundle is made.
    pub now: Timestamp,
    /// Domain of the component that makes the bundle.
    pub server: &'a str,
    /// Whether entries were left out because there were more than [`MOST`].
    pub is_cut: bool,
    /// Number of entries that could not be stored since the component started.
    pub lost: u64,
}

/// Makes the bundle of the `entries` of its time, in order. `before` has the joins and leaves before that time,
/// `policies` the policy at its beginning and each one that came into force later.
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

/// Returns an entry as JSON, with a sentence that describes it under `in_words`.
fn told(entry: &Entry) -> Value {
    let mut value = serde_json::to_value(entry).unwrap_or_default();
    if let Some(value) = value.as_object_mut() {
        value.insert("in_words".to_owned(), sentence(entry).into());
    }
    value
}

/// The scope of an incident: a room, a person, or both, and a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Bare JID of the room; `None`: every room.
    pub room: Option<String>,
    /// Bare JID of the person; `None`: everyone.
    pub person: Option<String>,
    /// Beginning of the time, inclusive.
    pub since: Timestamp,
    /// End of the time, exclusive.
    pub until: Timestamp,
    /// The operator's note about the incident.
    pub note: Option<String>,
}

impl About {
    /// Returns whether an entry of the incident's time belongs to it. If it is about one person, decisions about others
    /// are left out, but not who else was there.
    pub fn is_met_by(&self, entry: &Entry) -> bool {
        let Some(person) = &self.person else { return true };
        entry.person.as_ref() == Some(person)
            || !matches!(entry.kind, Kind::Decision | Kind::Gate | Kind::Doctor)
    }
}

/// Parses a point in time: RFC 3339, or a duration before `now` such as `2 hours`.
pub fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(moment) = DateTimeParser::new().parse_timestamp(text) {
        return Some(moment);
    }
    let span = jiff::fmt::friendly::SpanParser::new().parse_span(text).ok()?;
    let ago = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    now.checked_sub(ago.abs()).ok()
}

/// The result of verifying a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Computed checksum of the bundle in the file.
    pub sha256: String,
    /// Checksum that the file states.
    pub said: String,
    /// Whether the page matches the bundle in it. `None`: it is no page, or another version made it, which may render
    /// it differently.
    pub page: Option<bool>,
}

impl Checked {
    /// Returns whether the file is unchanged, as far as the file alone can show.
    pub fn is_whole(&self) -> bool {
        self.sha256 == self.said && self.page != Some(false)
    }
}

/// The file is neither a page nor the JSON of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no incident: neither the page nor the JSON that `vestibule incident` writes")]
pub struct Unreadable;

/// Verifies the text of a file: a page or the JSON of an incident.
///
/// # Errors
/// The file is neither of the two.
pub fn check(text: &str) -> Result<Checked, Unreadable> {
    let json = if text.trim_start().starts_with('{') {
        text
    } else {
        let (_, rest) = text.split_once(page::OPENING).ok_or(Unreadable)?;
        rest.split_once(page::CLOSING).ok_or(Unreadable)?.0
    };
    let sealed: Value = serde_json::from_str(json).map_err(|_| Unreadable)?;
    let said = sealed.get("sha256").and_then(Value::as_str).ok_or(Unreadable)?;
    let bundle = sealed.get("incident").ok_or(Unreadable)?;
    let is = |name: &str, value: &str| bundle.get(name).and_then(Value::as_str) == Some(value);
    if !is("format", FORMAT) {
        return Err(Unreadable);
    }
    let can_compare = json.len() < text.len() && is("version", env!("CARGO_PKG_VERSION"));
    Ok(Checked {
        sha256: seal(bundle),
        said: said.to_owned(),
        page: can_compare.then(|| page(bundle) == text),
    })
}

/// Returns a value as canonical JSON: no spaces, keys sorted by their bytes, strings and numbers as `serde_json` writes
/// them. Python's `json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)` writes the same.
pub fn canonical(value: &Value) -> String {
    let mut sorted = value.clone();
    sorted.sort_all_objects();
    sorted.to_string()
}

/// Returns the SHA-256 checksum of a bundle's canonical JSON, in hexadecimal.
pub fn seal(bundle: &Value) -> String {
    hex::encode(Sha256::digest(canonical(bundle)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_moment_is_one_or_so_long_ago() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let at = |text| moment(text, now).map(|moment| moment.to_string());
        assert_eq!(at("2026-11-24T09:30:00+01:00").as_deref(), Some("2026-11-24T08:30:00Z"));
        assert_eq!(at("2 hours").as_deref(), Some("2026-11-24T10:00:00Z"));
        assert_eq!(at(" 1 day ago ").as_deref(), Some("2026-11-23T12:00:00Z"));
        for wrong in ["", "soon", "2", "yesterday", "9999999 years"] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_order_of_keys_and_the_spaces_make_no_difference() {
        let one: Value =
            serde_json::from_str(r#"{"b": [1, {"z": null, "y": "é<"}], "a": 2}"#).unwrap();
        let other = json!({"a": 2, "b": [1, {"y": "é<", "z": null}]});
        assert_eq!(canonical(&one), r#"{"a":2,"b":[1,{"y":"é<","z":null}]}"#);
        assert_eq!(seal(&one), seal(&other));
        assert_ne!(seal(&one), seal(&json!({"a": 2, "b": [1, {"y": "é>", "z": null}]})));
    }

    #[test]
    fn the_checksum_is_what_others_make_of_it() {
        // printf '{"a":1}' | sha256sum
        let known = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862";
        assert_eq!(seal(&json!({"a": 1})), known);
    }
}
