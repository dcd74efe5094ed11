//! Affiliations: what a person is to a room for good (XEP-0045 §5.2).

use serde::{Deserialize, Serialize};

/// An affiliation (XEP-0045 §5.2), from the weakest up.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Affiliation {
    /// Banned from the room.
    Outcast,
    /// No affiliation.
    #[default]
    None,
    /// May enter a members-only room.
    Member,
    /// May manage members and roles.
    Admin,
    /// May do everything, configure and destroy included.
    Owner,
}

impl Affiliation {
    /// Returns the name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Outcast => "outcast",
            Self::None => "none",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// Returns the affiliation of that name, or `None` for any other word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Outcast, Self::None, Self::Member, Self::Admin, Self::Owner]
            .into_iter()
            .find(|affiliation| affiliation.name() == name)
    }
}
