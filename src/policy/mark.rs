//! What a person can be recognised by, without keeping it.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The beginning of a SHA-256 of something that recognises a person or a client: 64 bits.
///
/// It is compared and kept in a room's record, and does not bring back what it was made of: a ticket lets its
/// bearer in. Written as 16 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Mark([u8; 8]);

impl Mark {
    /// The mark of `text`; `kind` keeps the same text apart that means different things.
    pub fn of(kind: &str, text: &str) -> Self {
        let digest =
            Sha256::new().chain_update(kind).chain_update([0]).chain_update(text).finalize();
        let mut mark = [0; 8];
        mark.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(mark)
    }
}

impl From<Mark> for String {
    fn from(mark: Mark) -> Self {
        hex::encode(mark.0)
    }
}

impl TryFrom<String> for Mark {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut mark = [0; 8];
        hex::decode_to_slice(text, &mut mark)?;
        Ok(Self(mark))
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

    #[test]
    fn a_mark_reads_back() {
        let mark = Mark::of("ticket", "k3v9");
        let written = serde_json::to_string(&mark).unwrap();
        assert_eq!(written.len(), 18);
        assert_eq!(serde_json::from_str::<Mark>(&written).unwrap(), mark);
        assert!(serde_json::from_str::<Mark>("\"k3v9\"").is_err());
    }
}
