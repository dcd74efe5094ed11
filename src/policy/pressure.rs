//! How much a person has tried lately, as an input of the decision.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::facts::is_unset;

/// As a limit: there is none, whatever the counters of others say.
pub(super) const UNLIMITED: u32 = u32::MAX;

/// What the counters say about a requester at a room. They live outside the policy, in the component's
/// memory: a restart forgets them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pressure {
    /// This address or account has to wait so long before the next password.
    #[serde(skip_serializing_if = "is_unset")]
    pub guesses: Option<Duration>,
    /// Strangers have typed too many wrong passwords at this room; it takes none from them for so long.
    #[serde(skip_serializing_if = "is_unset")]
    pub room: Option<Duration>,
    /// This address or account has to wait so long before the next knock.
    #[serde(skip_serializing_if = "is_unset")]
    pub knocks: Option<Duration>,
    /// Rooms that are there and were opened by the person who is about to open one now.
    #[serde(skip_serializing_if = "is_unset")]
    pub rooms_of_opener: u32,
    /// Rooms that are there, but those that services opened for themselves.
    #[serde(skip_serializing_if = "is_unset")]
    pub rooms: u32,
    /// Strangers who have come into this room lately (`limits.flood_within`).
    #[serde(skip_serializing_if = "is_unset")]
    pub strangers: u32,
    /// The same, as the rules that are only observed would have it.
    #[serde(skip_serializing_if = "is_unset")]
    pub observed: Waits,
}

/// How long a person would have to wait by rules that are only observed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Waits {
    /// Before the next password.
    #[serde(skip_serializing_if = "is_unset")]
    pub guesses: Option<Duration>,
    /// Until the room would take a password from strangers.
    #[serde(skip_serializing_if = "is_unset")]
    pub room: Option<Duration>,
    /// Before the next knock.
    #[serde(skip_serializing_if = "is_unset")]
    pub knocks: Option<Duration>,
}

impl Pressure {
    /// What the rules that are only observed are judged by.
    #[must_use]
    pub const fn as_observed(&self) -> Self {
        let Waits { guesses, room, knocks } = self.observed;
        Self { guesses, room, knocks, ..*self }
    }
}
