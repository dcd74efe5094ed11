//! What somebody can be recognised by, without keeping it.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Hex digits of a mark: 64 bits.
const DIGITS: usize = 16;

/// The beginning of a SHA-256 of something that recognises a person or a client.
///
/// It is compared and kept in a room's record, and does not bring back what it was made of: a ticket lets its
/// bearer in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mark(String);

impl Mark {
    /// The mark of `text`; `kind` keeps the same text apart that means different things.
    pub fn of(kind: &str, text: &str) -> Self {
        let digest =
            Sha256::new().chain_update(kind).chain_update([0]).chain_update(text).finalize();
        Self(hex::encode(digest).chars().take(DIGITS).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_the_same_for_the_same_thing_and_for_nothing_else() {
        assert_eq!(Mark::of("ticket", "k3v9"), Mark::of("ticket", "k3v9"));
        assert_ne!(Mark::of("ticket", "k3v9"), Mark::of("device", "k3v9"));
        assert_ne!(Mark::of("a", "b"), Mark::of("ab", ""));
    }
}
