//! How much somebody has tried lately, as an input of the decision.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::facts::is_unset;

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
}
