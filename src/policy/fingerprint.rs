//! Fingerprints: to recognise a person without keeping what they are recognised by.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A fingerprint: the first 64 bits of the SHA-256 of something that identifies a person or a client.
///
/// It is compared and kept in a room's record, and does not reveal what it was made of, like a ticket that lets its
/// bearer in. Written as 16 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Mark([u8; 8]);

impl Mark {
    /// Returns the fingerprint of `text`; `kind` keeps apart equal texts that mean different things.
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
