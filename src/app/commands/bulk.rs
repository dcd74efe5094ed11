//! What is done with many rooms at once.

use std::fmt;

use clap::Args;
use futures_util::{StreamExt as _, stream};
use globset::GlobMatcher;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::deed::Deed;
use super::failure::{invalid, unavailable};
use super::rooms::ended;
use super::{Call, Operator, Verb};
use crate::app::clock::now;
use crate::app::parts::each_room;
use crate::app::reading::catch_up;
use crate::app::rooms::{AT_ONCE, RoomError, order};
use crate::component::registry::Room;
use crate::config::Role;
use crate::control::{Answer, ENDED, Failure, Impact, Length};
use crate::jid::BareJid;
use crate::policy::room_name::{pattern, spellings};
use crate::schema;
use crate::wire::answer::{Only, end, only};

/// End all rooms of which everything given is true
#[derive(Clone, Debug, Default, Serialize, Deserialize, Args, JsonSchema)]
pub struct EndMany {
    /// Whose name (the part before the `@`) is like this: `*` any text, `?` any character
    #[arg(long, value_name = "PATTERN")]
    pub r#match: Option<String>,
    /// Of this service
    #[arg(long, value_name = "DOMAIN")]
    pub service: Option<String>,
    /// Opened at least so long ago, like "2 hours"
    #[arg(long, value_name = "LENGTH")]
    #[schemars(with = "Option<schema::Length>")]
    pub older: Option<Length>,
    /// Without a moderator inside
    #[arg(long)]
    #[serde(default)]
    pub unmoderated: bool,
    /// Every room there is
    #[arg(long)]
    #[serde(default)]
    pub all: bool,
    /// What those inside are told
    #[arg(long, default_value = ENDED)]
    #[serde(default = "ended")]
    pub reason: String,
    /// Only list them, and end none
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,
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

impl EndMany {
    fn compile(&self, now: Timestamp) -> Result<Wanted, Failure> {
        let Self { r#match: names, service, older, unmoderated, all, .. } = self;
        if !all && !unmoderated && names.is_none() && service.is_none() && older.is_none() {
            return Err(invalid(
                "this would end every room there is: give `match`, `service`, `older` or `unmoderated`, or `all` \
                 if that is meant",
            ));
        }
        let names = names.as_deref().map(pattern).transpose().map_err(invalid)?;
        let names = names.map(|names| names.compile_matcher());
        let opened_by = older.as_ref().map(|older| {
            let older = SignedDuration::try_from(older.time()).unwrap_or(SignedDuration::MAX);
            now.checked_sub(older).unwrap_or(Timestamp::MIN)
        });
        Ok(Wanted { names, service: service.clone(), opened_by, unmoderated: *unmoderated })
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

impl Verb for EndMany {
    const NAME: &'static str = "end-many";
    const TITLE: &'static str = "End many rooms";
    const ROLE: Role = Role::Operator;
    const IMPACT: Impact = Impact::Irreversible;
    type Reply = ManyEnded;

    fn addresses(&self) -> Vec<&str> {
        self.service.iter().map(String::as_str).collect()
    }

    async fn run(self, call: &Call<'_>) -> Result<ManyEnded, Failure> {
        if !call.shared.link.is_up() {
            return Err(unavailable("there is no link to the server: see `vestibule status`"));
        }
        let wanted = self.compile(now())?;
        if let Some((service, error)) = catch_up(&call.shared).await.first() {
            return Err(unavailable(format!("the rooms of {service} are not known: {error}")));
        }
        let rooms = call.rooms_that(&wanted)?;
        if self.dry_run {
            let rooms = rooms.iter().filter(|room| room.seems);
            let rooms = Some(rooms.map(|room| room.jid.to_string()).collect());
            return Ok(ManyEnded { dry_run: true, rooms, ..ManyEnded::default() });
        }
        let (unmoderated, reason) = (wanted.unmoderated, &self.reason);
        let endings = rooms.into_iter().map(|room| async move {
            let orders =
                [end(reason)].into_iter().chain(unmoderated.then(|| only(Only::Unmoderated)));
            let result = order(&call.shared, &room.jid, &room.generation, orders.collect()).await;
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
                    call.write_down_of_many("end", &jid, call.deed);
                    ended.push(jid.to_string());
                }
                Err(error) => {
                    let (room, reason) = (jid.to_string(), error.to_string());
                    failed.push(NotEnded { room, reason });
                }
            }
        }
        let (ended, failed) = (Some(ended), Some(failed));
        Ok(ManyEnded { dry_run: false, rooms: None, ended, failed })
    }
}

/// The rooms that ended, and those that did not; in a dry run, those that would end.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ManyEnded {
    /// Nothing was done.
    pub dry_run: bool,
    /// In a dry run: the rooms that would end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rooms: Option<Vec<String>>,
    /// The rooms that ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Vec<String>>,
    /// Those that did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<Vec<NotEnded>>,
}

/// A room that did not end.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NotEnded {
    /// The room.
    pub room: String,
    /// Why not.
    pub reason: String,
}

impl Answer for ManyEnded {
    fn is_complete(&self) -> bool {
        self.failed.as_ref().is_none_or(Vec::is_empty)
    }
}

impl fmt::Display for ManyEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(rooms) = &self.rooms {
            rooms.iter().try_for_each(|room| writeln!(f, "would end: {room}"))?;
            return write!(f, "{} rooms would end", rooms.len());
        }
        let failed = self.failed.as_deref().unwrap_or_default();
        for NotEnded { room, reason } in failed {
            writeln!(f, "NOT ENDED: {room}: {reason}")?;
        }
        let ended = self.ended.as_ref().map_or(0, Vec::len);
        write!(f, "{ended} rooms have ended, {} have not", failed.len())
    }
}

impl Operator {
    /// Returns whether a moderator is inside, the gate knows when the room is to end; here it only seems so.
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
    fn chosen(filter: EndMany) -> Vec<String> {
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
        let pattern = |it: &str| EndMany { r#match: Some(it.to_owned()), ..EndMany::default() };
        let service = Some("a.example".to_owned());
        assert_eq!(chosen(EndMany { all: true, ..EndMany::default() }), [board, odd, tea]);
        assert_eq!(chosen(pattern("T*")), [tea]);
        assert_eq!(
            chosen(EndMany { service: service.clone(), ..EndMany::default() }),
            [board, tea]
        );
        assert_eq!(chosen(EndMany { older: older.clone(), ..EndMany::default() }), [tea]);
        assert_eq!(chosen(EndMany { unmoderated: true, ..EndMany::default() }), [odd, tea]);
        let all_of_it = EndMany { service, unmoderated: true, older, ..pattern("b*") };
        assert!(chosen(all_of_it).is_empty());
    }

    #[test]
    fn every_room_has_to_be_asked_for() {
        assert!(EndMany::default().compile(NOW).is_err());
    }
}
