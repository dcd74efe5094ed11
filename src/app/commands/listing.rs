//! `rooms` and `room`: the open rooms, and the people in one of them.

use std::collections::HashSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::unavailable;
use crate::app::Shared;
use crate::app::clock::now;
use crate::app::rooms::{address, each_room, room};
use crate::component::counters::Refused;
use crate::component::engine::PolicyEngine;
use crate::component::registry::namesakes;
use crate::component::room_registry;
use crate::config::{Visible, counted};
use crate::control::{Answer, Called, OccupantLine, RoomDetails, RoomLine, RoomState, WaitingLine};
use crate::jid::BareJid;
use crate::policy::Rules;
use crate::policy::attempt::{Place, Requester, RoomView};
use crate::policy::classify::{class, class_inside};
use crate::policy::opinions::lobby::door;
use crate::policy::requester::called;
use crate::policy::succession::is_moderator;
use crate::wire::room::LiveRoom;

verb! {
    /// List the open rooms
    Rooms("rooms", "Rooms", Viewer, ReadOnly) -> RoomList {}
    |_, call| match call.shared.link.is_up() {
        true => Ok(RoomList(listed(&call.shared))),
        false => Err(unavailable(
            "the rooms are not known without a link to the server: see `vestibule status`",
        )),
    }
}

verb! {
    /// Show one room: who is inside, and who waits
    Room("room", "One room", Viewer, ReadOnly) -> RoomDetails { room }
    |it, call| {
        let live = room(&call.shared, &address(&it.room)?, None).await?;
        Ok(shown(&call.shared.engine(), &live))
    }
}

/// The open rooms, sorted by address.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RoomList(pub Vec<RoomLine>);

impl Answer for RoomList {
    fn words(&self) -> String {
        if self.0.is_empty() {
            return "no rooms are open".to_owned();
        }
        let lines = self.0.iter().map(|line| {
            let RoomLine { room, state, people, moderators, closed, .. } = line;
            let alike = line.looks_like.as_ref();
            let alike = alike.map(|other| format!(", LOOKS LIKE {other}")).unwrap_or_default();
            let moderators = match (people, moderators) {
                (1.., 0) => ", NO MODERATOR",
                _ => "",
            };
            let waiting = match (line.waiting, &line.waiting_since) {
                (0, _) => String::new(),
                (waiting, None) => format!(", {waiting} waiting"),
                (1, Some(since)) => format!(", 1 waiting since {since}"),
                (waiting, Some(since)) => format!(", {waiting} waiting, the first since {since}"),
            };
            let refused = refused(&line.refused);
            let closed = match (state, closed) {
                (RoomState::Suspended, _) => ", SUSPENDED",
                (_, Some(_)) => ", closed",
                (_, None) => "",
            };
            let opened = opening([&line.opened, &line.opener, &line.opener_name]);
            format!(
                "{room}  {people} inside{alike}{moderators}{waiting}{refused}{closed}, {opened}"
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Describes wrong passwords and denials of the last five minutes; empty without any.
fn refused(refused: &Refused) -> String {
    let wrong = match refused.wrong_passwords {
        0 => String::new(),
        wrong => format!(", {}", counted(wrong, "wrong password", "wrong passwords")),
    };
    let denied = match refused.denied {
        0 => String::new(),
        denied => format!(", {denied} refused"),
    };
    let both = wrong + &denied;
    if both.is_empty() { both } else { both + " in five minutes" }
}

/// Describes when a room was opened and by whom, as far as that is known.
fn opening([opened, opener, name]: [&Option<String>; 3]) -> String {
    match (opened, opener.as_deref().filter(|opener| !opener.is_empty())) {
        (Some(at), Some(by)) => {
            let name = name.clone().unwrap_or_default();
            let called = Called { name, ..Called::default() };
            format!("opened {at} by {}", called.with_jid(by))
        }
        (Some(at), None) => format!("under the policy since {at}"),
        (None, _) => "under no policy yet".to_owned(),
    }
}

impl Answer for RoomDetails {
    fn words(&self) -> String {
        let opened = opening([&self.opened, &self.opener, &self.opener_name]);
        let mut told = format!("{}, {opened}", self.room);
        for (is_so, words) in [
            (self.password, ", has a password"),
            (self.lobby, ", members only"),
            (self.closed.is_some(), ", CLOSED"),
            (self.state == RoomState::Suspended, ", SUSPENDED"),
        ] {
            told += if is_so { words } else { "" };
        }
        told += &refused(&self.refused);
        if let Some(other) = &self.looks_like {
            told += &format!("\n  LOOKS LIKE {other}");
        }
        let person = |what: &str, called: &Called, jid: &Option<String>| {
            let names = self::called(&called.name, &called.nick).join("  ");
            let jid = jid.as_deref().unwrap_or("?");
            Visible(&format!("  {what:8} {names}  {jid}")).to_string()
        };
        let alike = |whose: &Option<String>| match whose.as_deref() {
            Some("moderator") => "  LOOKS LIKE A MODERATOR'S NAME",
            Some(_) => "  looks like another's name",
            None => "",
        };
        for who in &self.occupants {
            let line = person("inside", &who.called, &who.jid);
            let apart = who.breakout.as_ref().map(|breakout| format!(", in {breakout}"));
            let apart = apart.unwrap_or_default();
            told += &format!("\n{line}  {}{apart}{}", who.role, alike(&who.looks_like));
        }
        for who in &self.waiting {
            let line = person("waiting", &who.called, &who.jid);
            told += &format!("\n{line}{}", alike(&who.looks_like));
        }
        for who in &self.services {
            told += &format!("\n{}", person("service", &who.called, &who.jid));
        }
        told
    }
}

/// Returns the list of all rooms, sorted by address.
pub(in crate::app) fn listed(shared: &Shared) -> Vec<RoomLine> {
    let mut lines = Vec::new();
    each_room(shared, |engine, jid, room| {
        let inside = room.occupants.values().map(|known| &known.who);
        let rules = engine.live().rules_in(engine.policy(), jid, room);
        let waiting = (room.waiting.len(), room.waiting_since());
        lines.push(line(engine, &rules, (jid, &room.view), inside, waiting));
    });
    lines
}

/// Returns the details of a room as its gate reports it, with occupants (services included) and people who wait.
pub(super) fn shown(engine: &PolicyEngine, live: &LiveRoom) -> RoomDetails {
    let policy = engine.policy();
    let rules = engine.live().rules_at(policy, live);
    let since = |who: &Requester| {
        let known = engine.live().room(&live.jid)?;
        let mut same = known.occupants.values().filter(|known| seat(&known.who) == seat(who));
        same.next().map(|known| at(known.since))
    };
    let services = policy.services.keys().map(|jid| jid.as_str());
    let services: HashSet<_> = services.collect();
    let is_named = |jid: &Option<String>| jid.as_deref().is_some_and(|it| services.contains(it));
    let inside = || live.occupants.iter();
    let waits = || live.waiting.iter().map(|(who, _)| who);
    let mut alike = namesakes(policy, inside(), inside().chain(waits())).into_iter();
    let mut looks_like = || alike.next().flatten().map(|whose| whose.name().to_owned());
    let mut occupants: Vec<_> = inside()
        .map(|who| OccupantLine {
            called: who.into(),
            looks_like: looks_like(),
            jid: who.jid.as_ref().map(BareJid::to_string),
            role: who.role.name().to_owned(),
            affiliation: who.affiliation.name().to_owned(),
            class: class_inside(policy, &rules, who, Place::inside(&live.jid)).name().to_owned(),
            breakout: who.breakout.as_deref().map(BareJid::to_string),
            since: since(who),
        })
        .collect();
    let seat = |line: &OccupantLine| (line.called.nick.clone(), line.breakout.clone());
    occupants.sort_by_key(seat);
    // One for each nick, which may have several sessions.
    occupants.dedup_by_key(|line| seat(line));
    let (services, occupants) = occupants.into_iter().partition(|it| is_named(&it.jid));
    let waiting = live.waiting.iter().map(|(who, since)| WaitingLine {
        called: who.into(),
        looks_like: looks_like(),
        jid: who.jid.as_ref().map(BareJid::to_string),
        class: class(policy, &rules, who, Place::inside(&live.jid)).name().to_owned(),
        since: since.map(at),
    });
    let waiting: Vec<_> = waiting.collect();
    let since = live.waiting.iter().filter_map(|(_, since)| *since).min();
    let line = line(engine, &rules, (&live.jid, &live.view), inside(), (waiting.len(), since));
    RoomDetails {
        room: line.room,
        looks_like: line.looks_like,
        service: line.service,
        state: line.state,
        occupants,
        services,
        people: line.people,
        moderators: line.moderators,
        waiting,
        refused: line.refused,
        password: line.password,
        lobby: line.lobby,
        door: line.door,
        opened: line.opened,
        opener: line.opener,
        opener_name: line.opener_name,
        closed: line.closed,
    }
}

/// Returns what identifies an occupant: their nick, and the breakout room if they are in one.
fn seat(who: &Requester) -> (&str, Option<&BareJid>) {
    (&who.nick, who.breakout.as_deref())
}

fn line<'a>(
    engine: &PolicyEngine,
    rules: &Rules,
    (jid, view): (&BareJid, &RoomView),
    inside: impl Iterator<Item = &'a Requester>,
    (waiting, waiting_since): (usize, Option<Timestamp>),
) -> RoomLine {
    let policy = engine.policy();
    let is_person =
        |who: &&Requester| who.jid.as_ref().is_none_or(|jid| !policy.services.contains_key(jid));
    let sessions: Vec<_> = inside.filter(is_person).collect();
    // Several sessions can share a nick.
    let nicks = |is_one: &dyn Fn(&Requester) -> bool| {
        let named = sessions.iter().filter(|who| is_one(who)).map(|who| seat(who));
        named.collect::<HashSet<_>>().len()
    };
    let (occupants, moderators) = (nicks(&|_| true), nicks(&|who| is_moderator(policy, who)));
    let record = view.record.as_ref();
    // The first report on a new room does not yet say whether it was opened with a password.
    let password = view.has_password || record.is_some_and(|it| it.password.is_some());
    let awaited = rules.close.hold_until.value;
    let state = match record {
        Some(record) if record.suspended.is_some() => RoomState::Suspended,
        Some(record) if record.closed.is_some() => RoomState::Closed,
        Some(_) if awaited.password && !password => RoomState::Held,
        Some(_) if awaited.moderator && moderators == 0 => RoomState::Held,
        Some(_) => RoomState::Open,
        None => RoomState::Held,
    };
    let refused = engine.live().room(jid).map(|room| room.refused(now()));
    RoomLine {
        room: jid.to_string(),
        looks_like: engine.live().like(jid).map(BareJid::to_string),
        service: jid.domain().to_string(),
        state,
        occupants,
        people: room_registry::count(sessions),
        moderators,
        waiting,
        waiting_since: waiting_since.map(at),
        refused: refused.unwrap_or_default(),
        password,
        lobby: view.members_only,
        door: door(rules, view).name().to_owned(),
        opened: record.map(|record| at(record.opened)),
        opener: record.map(|record| record.opener.to_string()),
        opener_name: record.and_then(|record| {
            let who = engine.person(jid, &BareJid::stamped(&record.opener)?)?;
            called(&who.name, &who.nick).into_iter().next()
        }),
        closed: record.and_then(|record| record.closed).map(|closed| closed.name().to_owned()),
    }
}

fn at(moment: Timestamp) -> String {
    format!("{moment:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_rooms_without_a_moderator() {
        let line = |people, moderators, waiting| RoomLine {
            room: "tea@conference.example.org".to_owned(),
            looks_like: None,
            service: "conference.example.org".to_owned(),
            state: RoomState::Open,
            occupants: people,
            people,
            moderators,
            waiting,
            waiting_since: None,
            refused: Refused::default(),
            password: true,
            lobby: true,
            door: "password-or-lobby".to_owned(),
            opened: None,
            opener: None,
            opener_name: None,
            closed: None,
        };
        for (line, shown) in [
            (line(1, 0, 0), "  1 inside, NO MODERATOR, "),
            (line(2, 0, 1), "  2 inside, NO MODERATOR, 1 waiting, "),
            (line(2, 1, 0), "  2 inside, "),
            (line(0, 0, 1), "  0 inside, 1 waiting, "),
        ] {
            let words = RoomList(vec![line]).words();
            assert!(words.contains(shown), "{words}");
        }
        let refused = Refused { wrong_passwords: 16, asked: 3, denied: 1 };
        let since = Some("2026-11-29T10:00:00Z".to_owned());
        let looks_like = Some("tee@conference.example.org".to_owned());
        let line = RoomLine { refused, waiting_since: since, looks_like, ..line(2, 1, 3) };
        let words = RoomList(vec![line]).words();
        assert!(
            words.contains(
                "  2 inside, LOOKS LIKE tee@conference.example.org, 3 waiting, the first since \
                 2026-11-29T10:00:00Z, 16 wrong passwords, 1 refused in five minutes, "
            ),
            "{words}"
        );
    }
}
