//! The scope of an incident.

use jiff::fmt::temporal::DateTimeParser;
use jiff::{SpanRelativeTo, Timestamp};

use crate::store::{Entry, Kind};

/// The scope of an incident: a room, a person, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The room's bare JID.
    pub room: Option<String>,
    /// The person's bare JID.
    pub person: Option<String>,
    /// From that moment on.
    pub since: Timestamp,
    /// Before that moment.
    pub until: Timestamp,
    /// The operator's note.
    pub note: Option<String>,
}

impl About {
    /// Returns whether an entry of its time belongs to it. Where it is about a person, what was decided on others is left out;
    /// who else was there is not.
    pub fn is_met_by(&self, entry: &Entry) -> bool {
        let Some(person) = &self.person else { return true };
        entry.person.as_ref() == Some(person)
            || !matches!(entry.kind, Kind::Decision | Kind::Gate | Kind::Doctor)
    }
}

/// A moment: as RFC 3339 has it, or so long ago (`2 hours`).
pub fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(moment) = DateTimeParser::new().parse_timestamp(text) {
        return Some(moment);
    }
    let span = jiff::fmt::friendly::SpanParser::new().parse_span(text).ok()?;
    let ago = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    now.checked_sub(ago.abs()).ok()
}

#[cfg(test)]
mod tests {
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
}
