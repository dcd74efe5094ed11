//! What is done with many rooms at once.

use futures_util::{StreamExt as _, stream};
use globset::GlobMatcher;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::Operator;
use super::deed::Deed;
use super::failure::{invalid, unavailable};
use crate::app::clock::now;
use crate::app::parts::each_room;
use crate::app::reading::catch_up;
use crate::app::rooms::{AT_ONCE, RoomError, order};
use crate::component::registry::Room;
use crate::control::{Failure, Length};
use crate::jid::BareJid;
use crate::policy::room_name::{pattern, spellings};
use crate::wire::answer::{Only, end, only};

/// Which rooms; everything that is given has to be true of a room.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) names: Option<String>,
    pub(super) service: Option<String>,
    pub(super) older: Option<Length>,
    pub(super) unmoderated: bool,
    pub(super) all: bool,
}

/// The same, ready to be compared.
struct Wanted {
    names: Option<GlobMatcher>,
    service: Option<String>,
    opened_by: Option<Timestamp>,
    unmoderated: bool,
}

/// A room that may be meant.
#[derive(Debug)]
struct Candidate {
    jid: BareJid,
    generation: String,
    /// As far as is known here, it is.
    seems: bool,
}

impl Filter {
    fn compile(self, now: Timestamp) -> Result<Wanted, Failure> {
        let Self { names, service, older, unmoderated, all } = self;
        if !all && !unmoderated && names.is_none() && service.is_none() && older.is_none() {
            return Err(invalid(
                "this would end every room there is: give `match`, `service`, `older` or `unmoderated`, or `all` \
                 if that is meant",
            ));
        }
        let names = names.map(|names| pattern(&names)).transpose().map_err(invalid)?;
        let names = names.map(|names| names.compile_matcher());
        let opened_by = older.map(|older| {
            let older = SignedDuration::try_from(older.time()).unwrap_or(SignedDuration::MAX);
            now.checked_sub(older).unwrap_or(Timestamp::MIN)
        });
        Ok(Wanted { names, service, opened_by, unmoderated })
    }
}

impl Wanted {
    fn is(&self, jid: &BareJid, room: &Room) -> bool {
        let name = jid.node().unwrap_or_default();
        let opened = room.view.record.as_ref().map(|record| record.opened);
        let is_named = |names: &GlobMatcher| spellings(name).any(|it| names.is_match(&*it));
        self.names.as_ref().is_none_or(is_named)
            && self.service.as_ref().is_none_or(|service| **service == *room.service)
            && self.opened_by.is_none_or(|by| opened.is_some_and(|opened| opened <= by))
    }
}

impl Operator {
    /// Ends every room that this is true of.
    pub(super) async fn end_many(
        &self,
        filter: Filter,
        reason: &str,
        dry_run: bool,
        deed: &Deed,
    ) -> Result<Value, Failure> {
        if !self.shared.link.is_up() {
            return Err(unavailable("there is no link to the server: see `vestibule status`"));
        }
        let wanted = filter.compile(now())?;
        if let Some((service, error)) = catch_up(&self.shared).await.first() {
            return Err(unavailable(format!("the rooms of {service} are not known: {error}")));
        }
        let rooms = self.rooms_that(&wanted)?;
        if dry_run {
            let rooms = rooms.iter().filter(|room| room.seems);
            let rooms: Vec<_> = rooms.map(|room| room.jid.as_str()).collect();
            return Ok(json!({ "dry_run": true, "rooms": rooms }));
        }
        let unmoderated = wanted.unmoderated;
        let endings = rooms.into_iter().map(|room| async move {
            let orders =
                [end(reason)].into_iter().chain(unmoderated.then(|| only(Only::Unmoderated)));
            let result = order(&self.shared, &room.jid, &room.generation, orders.collect()).await;
            (room, result)
        });
        let mut results: Vec<_> = stream::iter(endings).buffer_unordered(AT_ONCE).collect().await;
        results.sort_by(|(one, _), (other, _)| one.jid.cmp(&other.jid));
        let (mut ended, mut failed) = (Vec::new(), Vec::new());
        for (Candidate { jid, seems, .. }, result) in results {
            match result {
                // It was not meant, and nobody thought so.
                Err(RoomError::Unmet(_)) if !seems => {}
                Ok(()) => {
                    self.write_down_of_many("end", &jid, deed);
                    ended.push(jid.to_string());
                }
                Err(error) => {
                    failed.push(json!({ "room": jid.as_str(), "reason": error.to_string() }));
                }
            }
        }
        Ok(json!({ "dry_run": false, "ended": ended, "failed": failed }))
    }

    /// Whether a moderator is inside, the gate knows when the room is to end; here it only seems so.
    fn rooms_that(&self, wanted: &Wanted) -> Result<Vec<Candidate>, Failure> {
        if let Some(service) = &wanted.service
            && self.shared.desk().service(service).is_none()
        {
            return Err(invalid(format!(
                "the file that this component was started with names no service `{service}`"
            )));
        }
        let mut rooms = Vec::new();
        each_room(&self.shared, |desk, jid, room| {
            if wanted.is(jid, room) {
                let seems = !wanted.unmoderated || !room.is_moderated(desk.policy());
                let (jid, generation) = (jid.clone(), room.generation.clone());
                rooms.push(Candidate { jid, generation, seems });
            }
        });
        Ok(rooms)
    }

    /// One of many rooms of which a command was: it stands in the history of each.
    fn write_down_of_many(&self, command: &'static str, room: &BareJid, deed: &Deed) {
        let mut details = Map::new();
        details.insert("of_many".to_owned(), true.into());
        deed.part(command, (room.as_str(), None), details, Ok(()), &self.shared, now());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::component::live::Live;
    use crate::policy::Policy;
    use crate::policy::attempt::{Auth, Requester, Role, RoomView};
    use crate::policy::record::Record;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    /// Tea, old and unmoderated; Board, new and moderated; and one of which nothing is known.
    fn chosen(filter: Filter) -> Vec<String> {
        let (mut live, policy) = (Live::default(), Policy::default());
        for (name, at, moderated) in
            [("tea", -7200, false), ("board", -60, true), ("odd", 1, false)]
        {
            let service: Arc<str> =
                Arc::from(if name == "odd" { "b.example" } else { "a.example" });
            let jid: BareJid = format!("{name}@{service}").parse().unwrap();
            let opened = Timestamp::from_second(at).unwrap();
            let record = (at <= 0).then(|| Record::new(opened, String::new(), None));
            live.heard_of(&policy, &service, &jid, "1");
            let view = RoomView { exists: true, record, ..RoomView::default() };
            live.seen(&policy, &jid, view);
            let who = Requester {
                jid: "ann@example.org".parse().ok(),
                auth: Auth::Account,
                role: if moderated { Role::Moderator } else { Role::Participant },
                ..Requester::default()
            };
            live.joined(&jid, "ann@example.org/x", who, NOW);
        }
        let wanted = filter.compile(NOW).unwrap_or_else(|failure| panic!("{failure}"));
        let is = |room: &Room| !wanted.unmoderated || !room.is_moderated(&policy);
        let rooms = live.rooms().filter(|(jid, room)| wanted.is(jid, room) && is(room));
        let mut names: Vec<_> = rooms.map(|(jid, _)| jid.to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_room_is_ended_when_everything_is_true_of_it() {
        let older = Length::read("1 hour").ok();
        let [tea, board, odd] = ["tea@a.example", "board@a.example", "odd@b.example"];
        let pattern = |it: &str| Filter { names: Some(it.to_owned()), ..Filter::default() };
        let service = Some("a.example".to_owned());
        assert_eq!(chosen(Filter { all: true, ..Filter::default() }), [board, odd, tea]);
        assert_eq!(chosen(pattern("T*")), [tea]);
        assert_eq!(chosen(Filter { service: service.clone(), ..Filter::default() }), [board, tea]);
        assert_eq!(chosen(Filter { older: older.clone(), ..Filter::default() }), [tea]);
        assert_eq!(chosen(Filter { unmoderated: true, ..Filter::default() }), [odd, tea]);
        let all_of_it = Filter { service, unmoderated: true, older, ..pattern("b*") };
        assert!(chosen(all_of_it).is_empty());
    }

    #[test]
    fn every_room_has_to_be_asked_for() {
        assert!(Filter::default().compile(NOW).is_err());
    }
}
