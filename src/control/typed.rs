//! Values of a request that are more than a text.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config::{LONGEST, length};
use crate::secret::Secret;

/// A length of time of at least a second, as the file has them: "2 hours".
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Length {
    text: String,
    #[serde(skip)]
    time: Duration,
}

impl Length {
    /// Reads one.
    ///
    /// # Errors
    /// It is none, or shorter than a second, or longer than a hundred years.
    pub fn read(text: &str) -> Result<Self, String> {
        let is_one = |time: &Duration| (Duration::from_secs(1)..=LONGEST).contains(time);
        let time = length(text).filter(is_one).ok_or_else(|| {
            format!("`{text}` is no length of time like \"30 minutes\", \"2 hours\" or \"7 days\"")
        })?;
        Ok(Self { text: text.to_owned(), time })
    }

    /// Returns the duration.
    pub const fn time(&self) -> Duration {
        self.time
    }
}

impl std::str::FromStr for Length {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::read(text)
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A secret that a person typed. It is sent over the socket as it is: that is the operator's own, and nothing of
/// what passes over it is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed(pub Secret);

impl Serialize for Typed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for Typed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_sent_as_it_was_typed_and_has_bounds() {
        let two: Length = serde_json::from_str("\"2 hours\"").unwrap();
        assert_eq!(two.time(), Duration::from_secs(7200));
        assert_eq!(serde_json::to_string(&two).unwrap(), "\"2 hours\"");
        for wrong in ["", "2", "0s", "999 milliseconds", "-1h", "101 years", "soon"] {
            assert!(Length::read(wrong).unwrap_err().contains("no length of time"), "{wrong}");
        }
    }

    #[test]
    fn a_typed_secret_does_not_show_itself() {
        let typed: Typed = serde_json::from_str("\"hunter2\"").unwrap();
        assert!(!format!("{typed:?}").contains("hunter2"));
        assert_eq!(serde_json::to_string(&typed).unwrap(), "\"hunter2\"");
    }
}
