//! `rooms` and `room`: the open rooms, and the people in one of them.

use std::collections::HashSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::unavailable;
use crate::app::Shared;
use crate::app::rooms::{address, each_room, room};
use crate::component::engine::PolicyEngine;
use crate::component::room_registry;
use crate::control::{Answer, OccupantLine, RoomDetails, RoomLine, RoomState, WaitingLine};
use crate::jid::BareJid;
use crate::policy::attempt::{Place, Requester, RoomView};
use crate::policy::classify::class;
use crate::policy::succession::is_moderator;
use crate::policy::{Policy, Rules};
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
            let RoomLine { room, state, people, opened, opener, closed, .. } = line;
            let closed = match (state, closed) {
                (RoomState::Suspended, _) => ", SUSPENDED",
                (_, Some(_)) => ", closed",
                (_, None) => "",
            };
            let opened = opening(opened.as_deref(), opener.as_deref());
            format!("{room}  {people} inside{closed}, {opened}")
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Describes when a room was opened and by whom, as far as that is known.
fn opening(opened: Option<&str>, opener: Option<&str>) -> String {
    match (opened, opener.filter(|opener| !opener.is_empty())) {
        (Some(at), Some(by)) => format!("opened {at} by {by}"),
        (Some(at), None) => format!("under the policy since {at}"),
        (None, _) => "under no policy yet".to_owned(),
    }
}

impl Answer for RoomDetails {
    fn words(&self) -> String {
        let opened = opening(self.opened.as_deref(), self.opener.as_deref());
        let mut told = format!("{}, {opened}", self.room);
        for (is_so, words) in [
            (self.password, ", has a password"),
            (self.lobby, ", members only"),
            (self.closed.is_some(), ", CLOSED"),
            (self.state == RoomState::Suspended, ", SUSPENDED"),
        ] {
            told += if is_so { words } else { "" };
        }
        for who in &self.occupants {
            let jid = who.jid.as_deref().unwrap_or("?");
            told += &format!("\n  inside   {}  {jid}  {}", who.nick, who.role);
        }
        for who in &self.waiting {
            told += &format!("\n  waiting  {}  {}", who.nick, who.jid.as_deref().unwrap_or("?"));
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
        let waiting = room.waiting.len();
        lines.push(line(engine.policy(), &rules, (jid, &room.view), inside, waiting));
    });
    lines
}

/// Returns the details of a room as its gate reports it, with occupants (services included) and people who wait.
pub(super) fn shown(engine: &PolicyEngine, live: &LiveRoom) -> RoomDetails {
    let policy = engine.policy();
    let rules = engine.live().rules_at(policy, live);
    let since = |who: &Requester| {
        let known = engine.live().room(&live.jid)?;
        let mut same = known.occupants.values().filter(|known| known.who.nick == who.nick);
        same.next().map(|known| at(known.since))
    };
    let mut occupants: Vec<_> = live
        .occupants
        .iter()
        .map(|who| OccupantLine {
            nick: who.nick.clone(),
            jid: who.jid.as_ref().map(BareJid::to_string),
            role: who.role.name().to_owned(),
            affiliation: who.affiliation.name().to_owned(),
            class: class(policy, &rules, who, Place::inside(&live.jid)).name().to_owned(),
            since: since(who),
        })
        .collect();
    occupants.sort_by(|one, other| one.nick.cmp(&other.nick));
    // One for each nick, which may have several sessions.
    occupants.dedup_by(|one, other| one.nick == other.nick);
    let waiting = live.waiting.iter().map(|(who, since)| WaitingLine {
        nick: who.nick.clone(),
        jid: who.jid.as_ref().map(BareJid::to_string),
        since: since.map(at),
    });
    let waiting: Vec<_> = waiting.collect();
    let inside = live.occupants.iter();
    let line = line(policy, &rules, (&live.jid, &live.view), inside, waiting.len());
    RoomDetails {
        room: line.room,
        service: line.service,
        state: line.state,
        occupants,
        people: line.people,
        moderators: line.moderators,
        waiting,
        password: line.password,
        lobby: line.lobby,
        opened: line.opened,
        opener: line.opener,
        closed: line.closed,
    }
}

fn line<'a>(
    policy: &Policy,
    rules: &Rules,
    (jid, view): (&BareJid, &RoomView),
    inside: impl Iterator<Item = &'a Requester>,
    waiting: usize,
) -> RoomLine {
    let is_person =
        |who: &&Requester| who.jid.as_ref().is_none_or(|jid| !policy.services.contains_key(jid));
    let sessions: Vec<_> = inside.filter(is_person).collect();
    // Several sessions can share a nick.
    let nicks = |is_one: &dyn Fn(&Requester) -> bool| {
        let named = sessions.iter().filter(|who| is_one(who)).map(|who| who.nick.as_str());
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
    RoomLine {
        room: jid.to_string(),
        service: jid.domain().to_string(),
        state,
        occupants,
        people: room_registry::count(sessions),
        moderators,
        waiting,
        password,
        lobby: view.members_only,
        opened: record.map(|record| at(record.opened)),
        opener: record.map(|record| record.opener.clone()),
        closed: record.and_then(|record| record.closed).map(|closed| closed.name().to_owned()),
    }
}

fn at(moment: Timestamp) -> String {
    format!("{moment:.0}")
}
