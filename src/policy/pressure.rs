//! How much somebody has tried lately, as an input of the decision.

use std::time::Duration;

/// What the counters say about a requester at a room. They live outside the policy, in the component's
/// memory: a restart forgets them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// This address or account has to wait so long before the next password.
    pub guesses: Option<Duration>,
    /// Strangers have typed too many wrong passwords at this room; it takes none from them for so long.
    pub room: Option<Duration>,
    /// This address or account has to wait so long before the next knock.
    pub knocks: Option<Duration>,
}
