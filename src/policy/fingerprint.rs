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

impl TryFrom<String> for Mark {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut mark = [0; 8];
        hex::decode_to_slice(text, &mut mark)?;
        Ok(Self(mark))
    }
}

impl From<Mark> for String {
    fn from(mark: Mark) -> Self {
        hex::encode(mark.0)
    }
}
