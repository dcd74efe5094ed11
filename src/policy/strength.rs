//! How good a password is, as facts. The figures are computed outside the policy.

use serde::{Deserialize, Serialize};

/// What the policy has to know of a password, without knowing it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strength {
    /// Length in characters.
    pub length: u32,
    /// zxcvbn's score, 0 (guessed at once) to 4 (very hard to guess), with the room's words as context.
    pub score: u8,
    /// It stands on the deny-list.
    pub denied: bool,
}
