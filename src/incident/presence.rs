//! The presence of people over time, derived from their joins and leaves.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::bundle::About;
use crate::store::{Entry, Kind};

/// The opener may be reported this long before the room. An occupant who joined earlier than that was in a previous
/// room of the same name, the end of which was not recorded.
const OPENING: SignedDuration = SignedDuration::from_secs(5);

/// The stay of a person in a room or its lobby.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Presence {
    /// Bare JID of the room.
    pub room: String,
    /// Bare JID of the person; empty: not known.
    pub person: String,
    /// Nick when the stay began, or when it ended if the beginning is not known.
    pub nick: String,
    /// Display name when the stay ended, as far as it has; empty: none.
    pub name: String,
    /// `inside` or `waiting`.
    pub what: &'static str,
    /// Beginning of the stay; `None`: not recorded.
    pub from: Option<Timestamp>,
    /// End of the stay; `None`: they were still there at the end of the incident's time.
    pub until: Option<Timestamp>,
}

/// Returns the stays within the time of the incident, by room and beginning. `entries` are in the order of time;
/// earlier ones may be among them, and show who was already there.
pub fn presences<'a>(entries: impl IntoIterator<Item = &'a Entry>, about: &About) -> Vec<Presence> {
    let mut all: Vec<Presence> = Vec::new();
    // The index in `all` of each stay that has not ended, by room, session or person, and kind.
    let mut open: HashMap<(String, String, &'static str), usize> = HashMap::new();
    for entry in entries {
        let Some(room) = &entry.room else { continue };
        let (what, begins) = match entry.kind {
            Kind::Joined => ("inside", true),
            Kind::Left => ("inside", false),
            Kind::Waiting => ("waiting", true),
            Kind::Gone => ("waiting", false),
            Kind::Opened | Kind::Ended => {
                open.retain(|(of, _, _), at| {
                    let Some(presence) = all.get_mut(*at).filter(|_| of == room) else {
                        return true;
                    };
                    let since = presence.from.map(|from| entry.at.duration_since(from));
                    if entry.kind == Kind::Opened && since.is_some_and(|it| it < OPENING) {
                        return true;
                    }
                    presence.until = Some(entry.at);
                    false
                });
                continue;
            }
            Kind::Decision
            | Kind::Action
            | Kind::Revision
            | Kind::Gate
            | Kind::Timer
            | Kind::Drift
            | Kind::Doctor => continue,
        };
        // A person waits once, however many of their clients knock.
        let person = entry.person.clone().filter(|_| what == "waiting");
        let key = (room.clone(), person.unwrap_or_else(|| session(entry)), what);
        let presence = |from, until| Presence {
            room: room.clone(),
            person: entry.person.clone().unwrap_or_default(),
            nick: entry.nick.clone().unwrap_or_default(),
            name: entry.name.clone().unwrap_or_default(),
            what,
            from,
            until,
        };
        if begins {
            open.entry(key).or_insert_with(|| {
                all.push(presence(Some(entry.at), None));
                all.len().saturating_sub(1)
            });
        } else if let Some(known) = open.remove(&key).and_then(|at| all.get_mut(at)) {
            known.until = Some(entry.at);
            // The last one: people may change it inside.
            if let Some(name) = &entry.name {
                known.name.clone_from(name);
            }
        } else if entry.at >= about.since {
            all.push(presence(None, Some(entry.at)));
        }
    }
    all.retain(|it| {
        it.from.is_none_or(|from| from < about.until)
            && it.until.is_none_or(|until| until >= about.since)
    });
    all.sort_by_key(|it| (it.room.clone(), it.from));
    all
}

/// Returns the client session of an entry, or else its person or nick.
fn session(entry: &Entry) -> String {
    let body: Option<Value> = serde_json::from_str(&entry.body).ok();
    let session = body.as_ref().and_then(|body| body.get("session")?.as_str());
    let session = session.or(entry.person.as_deref()).or(entry.nick.as_deref());
    session.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn entry(second: i64, kind: Kind, who: &str) -> Entry {
        Entry {
            room: Some("tea@conference.example".into()),
            person: Some(format!("{who}@example")),
            nick: Some(who.to_owned()),
            body: format!(r#"{{"session":"{who}@example/x"}}"#),
            ..Entry::new(kind, at(second))
        }
    }

    fn times(entries: &[Entry]) -> Vec<(String, &'static str, Option<i64>, Option<i64>)> {
        let about = About { since: at(100), until: at(200), ..About::default() };
        let second = |moment: Option<Timestamp>| moment.map(Timestamp::as_second);
        presences(entries, &about)
            .into_iter()
            .map(|it| (it.nick, it.what, second(it.from), second(it.until)))
            .collect()
    }

    #[test]
    fn who_came_before_and_stayed_is_there_and_who_left_before_is_not() {
        let entries = [
            entry(10, Kind::Joined, "early"),
            entry(20, Kind::Joined, "gone"),
            entry(30, Kind::Left, "gone"),
            entry(110, Kind::Joined, "bob"),
            entry(115, Kind::Joined, "bob"),
            entry(120, Kind::Left, "unseen"),
            entry(150, Kind::Left, "bob"),
        ];
        assert_eq!(
            times(&entries),
            [
                ("unseen".to_owned(), "inside", None, Some(120)),
                ("early".to_owned(), "inside", Some(10), None),
                ("bob".to_owned(), "inside", Some(110), Some(150)),
            ]
        );
    }

    #[test]
    fn the_end_of_a_room_is_the_end_for_all_and_waiting_is_not_being_inside() {
        let entries = [
            entry(110, Kind::Waiting, "eve"),
            entry(120, Kind::Gone, "eve"),
            entry(120, Kind::Joined, "eve"),
            entry(130, Kind::Ended, ""),
            entry(140, Kind::Joined, "opener"),
            entry(140, Kind::Opened, ""),
            entry(160, Kind::Opened, ""),
        ];
        assert_eq!(
            times(&entries),
            [
                ("eve".to_owned(), "waiting", Some(110), Some(120)),
                ("eve".to_owned(), "inside", Some(120), Some(130)),
                ("opener".to_owned(), "inside", Some(140), Some(160)),
            ]
        );
    }
}
