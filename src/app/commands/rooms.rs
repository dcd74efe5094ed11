//! `close`, `reopen`, `end`, `say` and `end-many`: commands on rooms.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use globset::GlobMatcher;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::audited::of_many;
use super::{Call, invalid, unavailable};
use crate::app::clock::now;
use crate::app::rooms::{AT_ONCE, RoomError, address, apply, catch_up, each_room, order};
use crate::component::registry::Room;
use crate::config::counted;
use crate::control::{Answer, ENDED, Failure, Length};
use crate::jid::BareJid;
use crate::policy::Rules;
use crate::policy::opinions::close::{closing, shut_by};
use crate::policy::room_name::{pattern, spellings};
use crate::policy::verdict::Effects;
use crate::schema;
use crate::wire::answer::{Only, end, only, say_to_room};
use crate::xmpp::Element;

/// The longest text that can be said, in characters.
const LONGEST: usize = 1000;

verb! {
    /// Close a room to newcomers: nobody else may enter
    Close("close", "Close to newcomers", Duty, Reversible) -> Closed { room }
    |it, call| call.close(&it.room, true).await.map(Closed)
}

/// What keeps newcomers out of a room, before and after a command.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Doors {
    /// Bare JID of the room.
    pub room: String,
    /// Why the room was closed before; null: it was not closed.
    pub was_closed: Option<String>,
    /// What still keeps newcomers out after `reopen`; null: nothing does, or the room was closed.
    pub shut: Option<Shut>,
}

/// A rule that keeps newcomers out of a room that is not closed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Shut {
    /// Name of the rule.
    pub rule: String,
    /// Line of the rule in the file; 0: the built-in default.
    pub line: u32,
    /// Message that newcomers see.
    pub told: String,
}

/// The result of closing a room.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Closed(pub Doors);

impl Answer for Closed {
    fn words(&self) -> String {
        let Doors { room, was_closed, .. } = &self.0;
        let already = if was_closed.is_some() { "was closed already" } else { "is closed" };
        format!("{room} {already}: nobody else may enter")
    }
}

verb! {
    /// Let people enter a closed room again
    Reopen("reopen", "Reopen", Duty, Reversible) -> Reopened { room }
    |it, call| call.close(&it.room, false).await.map(Reopened)
}

/// The result of reopening a room.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Reopened(pub Doors);

impl Answer for Reopened {
    fn words(&self) -> String {
        let Doors { room, was_closed, shut } = &self.0;
        let how = match (was_closed, shut) {
            (Some(_), None) => "takes people in again",
            (Some(_), Some(_)) => "is not closed any more",
            (None, _) => "was not closed",
        };
        let Some(Shut { rule, line, told }) = shut else { return format!("{room} {how}") };
        let line = if *line > 0 { format!(", line {line}") } else { String::new() };
        format!("{room} {how}\n  STILL SHUT to newcomers, by {rule}{line}: {told}")
    }
}

verb! {
    /// End a room: everybody leaves, and the room is destroyed
    End("end", "End", Duty, Irreversible) -> Ended {
        room,
        /// What those inside are told
        #[arg(long, default_value = ENDED)]
        #[serde(default = "ended")]
        pub reason: String,
    }
    |it, call| call.tell(&it.room, end(&it.reason)).await.map(Ended)
}

pub(super) fn ended() -> String {
    ENDED.to_owned()
}

/// A room, and the number of its occupants.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Inside {
    /// Bare JID of the room.
    pub room: String,
    /// Number of occupants, one for each nick, without services and visitors.
    pub inside: u32,
    /// Number of visitors in its audience, on visitors' servers (Jitsi).
    #[serde(default)]
    pub visitors: u32,
}

impl Inside {
    fn count(&self) -> String {
        let inside = match self.inside {
            0 => "nobody".to_owned(),
            1 => "1 occupant".to_owned(),
            count => format!("{count} occupants"),
        };
        match self.visitors {
            0 => inside,
            1 => format!("{inside} and 1 visitor"),
            count => format!("{inside} and {count} visitors"),
        }
    }
}

/// The room that was ended, and the number of its occupants at that time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Ended(pub Inside);

impl Answer for Ended {
    fn words(&self) -> String {
        format!("{} has ended, with {} inside", self.0.room, self.0.count())
    }
}

verb! {
    /// Say something to everybody in a room, as the room
    Say("say", "Say", Duty, Reversible) -> Said {
        room,
        /// Text to say: one line of plain text
        #[arg(allow_hyphen_values = true)]
        pub text: String,
    }
    |it, call| {
        let text = it.text.trim();
        unspeakable(text).map_or(Ok(()), |wrong| Err(invalid(wrong)))?;
        call.tell(&it.room, say_to_room(text)).await.map(Said)
    }
}

/// The room in which the text was said, and the number of its occupants.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Said(pub Inside);

impl Answer for Said {
    fn words(&self) -> String {
        format!("{}: {} inside, and told", self.0.room, self.0.count())
    }
}

impl Call<'_> {
    /// Closes or reopens a room; returns its state before, and what still keeps newcomers out.
    async fn close(&self, room: &str, close: bool) -> Result<Doors, Failure> {
        let jid = address(room)?;
        let live = apply(&self.shared, &jid, None, |live| {
            (closing(&live.view, close, now()), Vec::new(), live.clone())
        })
        .await?;
        let was = live.view.record.as_ref().and_then(|record| record.closed);
        let shut = Some(live).filter(|_| !close).and_then(|live| {
            let engine = self.shared.engine();
            let rules = engine.live().rules_at(engine.policy(), &live);
            let (rule, denial) = shut_by(&rules, &live.view, now())?;
            let told = engine.policy().texts.denial(denial, None).text.into_owned();
            Some(Shut { rule: rule.name.to_owned(), line: rule.line, told })
        });
        let was_closed = was.map(|closed| closed.name().to_owned());
        Ok(Doors { room: jid.to_string(), was_closed, shut })
    }

    /// Sends an order to the gate for everyone inside. Returns the numbers of occupants and of visitors.
    async fn tell(&self, room: &str, order: Element) -> Result<Inside, Failure> {
        let jid = address(room)?;
        let (inside, visitors) = apply(&self.shared, &jid, None, |live| {
            let visitors = live.occupants.iter().filter(|who| who.visitor).count();
            let visitors = u32::try_from(visitors).unwrap_or(u32::MAX);
            (Effects::default(), vec![order.clone()], (live.view.occupants, visitors))
        })
        .await?;
        Ok(Inside { room: jid.to_string(), inside, visitors })
    }

    /// Returns the rules for a room, as far as the registry knows it.
    pub(super) fn rules(&self, room: &str) -> Arc<Rules> {
        let engine = self.shared.engine();
        engine.live().rules(engine.policy(), room.parse().ok().as_ref())
    }

    /// Returns the rooms that match, as far as the registry knows. The gate checks for moderators when it ends a room.
    fn rooms_that(&self, wanted: &Wanted) -> Result<Vec<Candidate>, Failure> {
        if let Some(service) = &wanted.service
            && self.shared.engine().service(service).is_none()
        {
            return Err(invalid(format!(
                "the file that this component was started with names no service `{service}`"
            )));
        }
        let mut rooms = Vec::new();
        each_room(&self.shared, |engine, jid, room| {
            if wanted.is(jid, room) {
                let seems = !wanted.unmoderated || !room.is_moderated(engine.policy());
                let (jid, generation) = (jid.clone(), room.generation.clone());
                rooms.push(Candidate { jid, generation, seems });
            }
        });
        Ok(rooms)
    }
}

/// Returns why a text cannot be said, or `None` if it can.
fn unspeakable(text: &str) -> Option<String> {
    // These change the order or look of the text around them.
    let is_unseen = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.is_empty() {
        Some("there is nothing to say".to_owned())
    } else if text.chars().count() > LONGEST {
        Some(format!("that is too long: at most {LONGEST} characters"))
    } else if text.chars().any(is_unseen) {
        Some("it has control characters: write one line of plain text".to_owned())
    } else {
        let is_brace = |c| matches!(c, '{' | '}');
        text.contains(is_brace)
            .then(|| "leave out the braces: a gate puts other words there".to_owned())
    }
}

verb! {
    /// End all rooms of which everything given is true
    EndMany("end-many", "End many rooms", Operator, Irreversible) -> ManyEnded {
        /// Rooms whose name (the part before the `@`) matches this: `*` any text, `?` any character
        #[arg(long, value_name = "PATTERN")]
        pub r#match: Option<String>,
        /// Rooms of this service
        #[arg(long, value_name = "DOMAIN")]
        pub service: Option<String>,
        /// Rooms that were opened at least this long ago, like "2 hours"
        #[arg(long, value_name = "LENGTH")]
        #[schemars(with = "Option<schema::Length>")]
        pub older: Option<Length>,
        /// Rooms without a moderator inside
        #[arg(long)]
        #[serde(default)]
        pub unmoderated: bool,
        /// Every room
        #[arg(long)]
        #[serde(default)]
        pub all: bool,
        /// What those inside are told
        #[arg(long, default_value = ENDED)]
        #[serde(default = "ended")]
        pub reason: String,
        /// Only list the rooms, and end none
        #[arg(long)]
        #[serde(default)]
        pub dry_run: bool,
    }
    addresses |it| it.service.iter().map(String::as_str).collect();
    |it, call| it.carry_out(call).await
}

/// The criteria of [`EndMany`], parsed.
struct Wanted {
    names: Option<GlobMatcher>,
    service: Option<String>,
    opened_by: Option<Timestamp>,
    unmoderated: bool,
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

#[derive(Debug)]
struct Candidate {
    jid: BareJid,
    generation: SmolStr,
    /// Whether the room matches as far as the registry knows, including its moderators.
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

    async fn carry_out(self, call: &Call<'_>) -> Result<ManyEnded, Failure> {
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
                // The room was not expected to match, and the gate confirms that.
                Err(RoomError::Unmet(_)) if !seems => {}
                Ok(()) => {
                    call.write_down_part("end", (&jid, None), of_many(), Ok(()));
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

/// The result of ending many rooms, or of a dry run.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ManyEnded {
    /// Whether it was a dry run, which ends no room.
    pub dry_run: bool,
    /// Rooms that would end, in a dry run; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rooms: Option<Vec<String>>,
    /// Rooms that have ended; absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Vec<String>>,
    /// Rooms that could not be ended; absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<Vec<NotEnded>>,
}

/// A room that could not be ended.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NotEnded {
    /// Bare JID of the room.
    pub room: String,
    /// Why the room could not be ended.
    pub reason: String,
}

impl Answer for ManyEnded {
    fn is_complete(&self) -> bool {
        self.failed.as_ref().is_none_or(Vec::is_empty)
    }

    fn words(&self) -> String {
        if let Some(rooms) = &self.rooms {
            let each: String = rooms.iter().map(|room| format!("would end: {room}\n")).collect();
            return format!("{each}{} would end", counted(rooms.len(), "room", "rooms"));
        }
        let failed = self.failed.as_deref().unwrap_or_default();
        let each = failed.iter().map(|it| format!("NOT ENDED: {}: {}\n", it.room, it.reason));
        let ended = self.ended.as_ref().map_or(0, Vec::len);
        let each = each.collect::<String>();
        let ended = counted(ended, "room has", "rooms have");
        format!("{each}{ended} ended, {} not", failed.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::component::room_registry::RoomRegistry;
    use crate::policy::Policy;
    use crate::policy::attempt::{Auth, Requester, Role, RoomView};
    use crate::policy::record::Record;

    #[test]
    fn only_a_line_of_plain_text_is_said() {
        for good in ["Two minutes left.", "Zwei Minuten \u{2014} bitte", &"x".repeat(LONGEST)] {
            assert_eq!(unspeakable(good), None);
        }
        for wrong in [
            "",
            "a\nb",
            "a\u{7}b",
            "\u{202e}drow",
            "it is {password}",
            "{nick}",
            &"x".repeat(LONGEST + 1),
        ] {
            assert!(unspeakable(wrong).is_some(), "{wrong:?}");
        }
    }

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    /// Tea, old and unmoderated; Board, new and moderated; and Odd, of which no record is known.
    fn chosen(filter: EndMany) -> Vec<String> {
        let (mut live, policy) = (RoomRegistry::default(), Policy::default());
        for (name, at, moderated) in
            [("tea", -7200, false), ("board", -60, true), ("odd", 1, false)]
        {
            let service: Arc<str> =
                Arc::from(if name == "odd" { "b.example" } else { "a.example" });
            let jid: BareJid = format!("{name}@{service}").parse().unwrap();
            let opened = Timestamp::from_second(at).unwrap();
            let record = (at <= 0).then(|| Record::new(opened, String::new(), None));
            live.upsert(&policy, &service, &jid, "1");
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
        let older = "1 hour".parse::<Length>().ok();
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
