//! `rooms` and `room`: the open rooms, and the people in one of them.

use std::fmt;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::failure::unavailable;
use super::{Call, Verb};
use crate::app::listed::{listed, shown};
use crate::app::rooms::{address, room};
use crate::config::Role;
use crate::control::{Answer, Failure, Impact, RoomDetails, RoomLine, RoomState};
use crate::schema;

/// List the open rooms
#[derive(Clone, Debug, Default, Serialize, Deserialize, Args, JsonSchema)]
pub struct Rooms {}

impl Verb for Rooms {
    const NAME: &'static str = "rooms";
    const TITLE: &'static str = "Rooms";
    const ROLE: Role = Role::Viewer;
    const IMPACT: Impact = Impact::ReadOnly;
    type Reply = RoomList;

    async fn run(self, call: &Call<'_>) -> Result<RoomList, Failure> {
        if !call.shared.link.is_up() {
            return Err(unavailable(
                "the rooms are not known without a link to the server: see `vestibule status`",
            ));
        }
        Ok(RoomList(listed(&call.shared)))
    }
}

/// Show one room: who is inside, and who waits
#[derive(Clone, Debug, Default, Serialize, Deserialize, Args, JsonSchema)]
pub struct Room {
    /// The room's address
    #[arg(allow_hyphen_values = true)]
    #[schemars(with = "schema::Room")]
    pub room: String,
}

impl Verb for Room {
    const NAME: &'static str = "room";
    const TITLE: &'static str = "One room";
    const ROLE: Role = Role::Viewer;
    const IMPACT: Impact = Impact::ReadOnly;
    type Reply = RoomDetails;

    fn addresses(&self) -> Vec<&str> {
        vec![&self.room]
    }

    async fn run(self, call: &Call<'_>) -> Result<RoomDetails, Failure> {
        let jid = address(&self.room)?;
        let live = room(&call.shared, &jid, None).await?;
        Ok(shown(&call.shared.desk(), &live))
    }
}

/// The open rooms, by address.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RoomList(pub Vec<RoomLine>);

impl Answer for RoomList {}

impl fmt::Display for RoomList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no rooms are open");
        }
        for (at, line) in self.0.iter().enumerate() {
            let RoomLine { room, state, people, opened, opener, closed, .. } = line;
            let closed = match (state, closed) {
                (RoomState::Suspended, _) => ", SUSPENDED",
                (_, Some(_)) => ", closed",
                (_, None) => "",
            };
            let opened = opening(opened.as_deref(), opener.as_deref());
            let end = if at > 0 { "\n" } else { "" };
            write!(f, "{end}{room}  {people} inside{closed}, {opened}")?;
        }
        Ok(())
    }
}

/// Returns when a room was opened, and by whom, as far as that is known.
fn opening(opened: Option<&str>, opener: Option<&str>) -> String {
    match (opened, opener.filter(|opener| !opener.is_empty())) {
        (Some(at), Some(by)) => format!("opened {at} by {by}"),
        (Some(at), None) => format!("under the policy since {at}"),
        (None, _) => "under no policy yet".to_owned(),
    }
}

impl Answer for RoomDetails {}

impl fmt::Display for RoomDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let opened = opening(self.opened.as_deref(), self.opener.as_deref());
        write!(f, "{}, {opened}", self.room)?;
        for (is_so, words) in [
            (self.password, ", has a password"),
            (self.lobby, ", members only"),
            (self.closed.is_some(), ", CLOSED"),
            (self.state == RoomState::Suspended, ", SUSPENDED"),
        ] {
            f.write_str(if is_so { words } else { "" })?;
        }
        for who in &self.occupants {
            let jid = who.jid.as_deref().unwrap_or("?");
            write!(f, "\n  inside   {}  {jid}  {}", who.nick, who.role)?;
        }
        for who in &self.waiting {
            let jid = who.jid.as_deref().unwrap_or("?");
            write!(f, "\n  waiting  {}  {jid}", who.nick)?;
        }
        Ok(())
    }
}
