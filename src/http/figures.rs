//! Everything that is counted, at one moment.

use crate::component::decided::Decided;
use crate::component::measures::Taken;
use crate::control::{RoomLine, Status};

/// Everything that is counted, at one moment.
#[derive(Clone, Debug)]
pub struct Figures {
    /// How the component is.
    pub status: Status,
    /// The rooms.
    pub rooms: Vec<RoomLine>,
    /// How often rooms were looked at, by what looks.
    pub looks: [(&'static str, u64); 2],
    /// Bans of the file.
    pub bans: usize,
    /// When the process started, in seconds since 1970.
    pub started: f64,
    /// Decisions, by sort.
    pub decided: Decided,
    /// How long answers took.
    pub answers: Taken,
    /// Questions whose password is being judged.
    pub judging: u64,
    /// Reloads that put a file in force, and those that did not.
    pub reloads: [u64; 2],
    /// Commands by face, in the order of [`crate::control::Face::ALL`]: done, and failed.
    pub commands: [[u64; 2]; 3],
    /// Requests without a valid token.
    pub logins_failed: u64,
    /// Those who look on.
    pub streams: u64,
    /// Entries that somebody who looks on was too slow for.
    pub entries_dropped: u64,
    /// Times the link came up.
    pub links: u64,
    /// Stanzas received, sent, and dropped: not sent, unreadable or too large.
    pub stanzas: [u64; 3],
}
