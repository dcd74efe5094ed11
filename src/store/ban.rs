//! Bans that operators have made while the component ran.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A ban, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanState {
    /// The ban.
    pub ban: Ban,
    /// It was lifted. That never ends: banning again makes another ban.
    pub lifted: bool,
}

/// A ban. Those of the policy file are not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Ban {
    /// Its id, unique over servers and restarts.
    pub id: String,
    /// The target: a bare JID, a domain, or a network (`192.0.2.0/24`).
    pub who: String,
    /// The rooms it is for, a pattern as in `[[ban]]`; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// Its end; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::schema::Moment>")]
    pub until: Option<Timestamp>,
    /// Why, for the next operator.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The operator who made it.
    pub by: String,
    /// When.
    #[schemars(with = "crate::schema::Moment")]
    pub at: Timestamp,
}
