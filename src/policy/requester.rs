//! Who somebody is, to a room.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::facts::is_unset;
use super::mark::Mark;
use super::record::Person;
use super::session::Session;
use crate::jid::BareJid;

/// An affiliation (XEP-0045 §5.2), from the weakest up.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Affiliation {
    /// Banned from the room.
    Outcast,
    /// No standing.
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
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Outcast => "outcast",
            Self::None => "none",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The affiliation of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Outcast, Self::None, Self::Member, Self::Admin, Self::Owner]
            .into_iter()
            .find(|affiliation| affiliation.name() == name)
    }
}

/// A role (XEP-0045 §5.1), from the weakest up.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Not in the room.
    #[default]
    None,
    /// May listen.
    Visitor,
    /// May speak.
    Participant,
    /// May remove people and give voice.
    Moderator,
}

impl Role {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Visitor => "visitor",
            Self::Participant => "participant",
            Self::Moderator => "moderator",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::None, Self::Visitor, Self::Participant, Self::Moderator]
            .into_iter()
            .find(|role| role.name() == name)
    }
}

/// How a session proved who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// With an account on a local host.
    Account,
    /// With a token that the server verified.
    Token,
    /// Not at all.
    Anonymous,
    /// Another server vouches for it.
    Server,
    /// A component of this server.
    Component,
    /// The gate could not tell.
    #[default]
    Unknown,
}

impl Auth {
    /// The name on the wire and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Token => "token",
            Self::Anonymous => "anonymous",
            Self::Server => "server",
            Self::Component => "component",
            Self::Unknown => "unknown",
        }
    }

    /// The proof of that name; [`Auth::Unknown`] for any other.
    pub fn from_name(name: &str) -> Self {
        [Self::Account, Self::Token, Self::Anonymous, Self::Server, Self::Component]
            .into_iter()
            .find(|auth| auth.name() == name)
            .unwrap_or(Self::Unknown)
    }
}

/// What kind of client somebody uses. A client says so itself, so it only picks the way an answer is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Client {
    /// One that knows rooms by XEP-0045.
    #[default]
    Plain,
    /// Jitsi Meet.
    Jitsi,
}

impl Client {
    /// The name on the wire and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Jitsi => "jitsi",
        }
    }

    /// The client of that name; [`Client::Plain`] for any other.
    pub fn from_name(name: &str) -> Self {
        if name == Self::Jitsi.name() { Self::Jitsi } else { Self::Plain }
    }
}

/// Who tries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Requester {
    /// The real bare JID. `None`: what the server sent has not the form of one, and is refused.
    #[serde(skip_serializing_if = "is_unset")]
    pub jid: Option<BareJid>,
    /// By what the session proved it, as the gate tells it.
    #[serde(skip_serializing_if = "is_unset")]
    pub session: Option<Box<Session>>,
    /// How it was proved, of somebody of whom no session is told: one who is only supposed. Else unset.
    #[serde(skip_serializing_if = "is_unset")]
    pub auth: Auth,
    /// The account with which somebody logged in to the focus and came back without (Jitsi's secure domain).
    #[serde(skip_serializing_if = "is_unset")]
    pub account: Option<BareJid>,
    /// By what that account was proved.
    #[serde(skip_serializing_if = "is_unset")]
    pub account_session: Option<Box<Session>>,
    /// Whether the connection to its own server is encrypted; `None`: unknown.
    #[serde(skip_serializing_if = "is_unset")]
    pub secure: Option<bool>,
    /// Where it connects from, if the server knows.
    #[serde(skip_serializing_if = "is_unset")]
    pub address: Option<IpAddr>,
    /// The nick asked for or borne.
    #[serde(skip_serializing_if = "is_unset")]
    pub nick: String,
    /// The name that Jitsi's clients show (XEP-0172), asked for or borne; empty: none.
    #[serde(skip_serializing_if = "is_unset")]
    pub name: String,
    /// Affiliation in the room now.
    #[serde(skip_serializing_if = "is_unset")]
    pub affiliation: Affiliation,
    /// Role in the room now.
    #[serde(skip_serializing_if = "is_unset")]
    pub role: Role,
    /// Claims of a verified token, whatever room it is for: name and value.
    #[serde(skip_serializing_if = "is_unset")]
    pub claims: Vec<(String, String)>,
    /// Claims that were there, and of which the decision log did not keep the value: the name and, if somebody
    /// can be recognised by it, the mark of the value. Empty unless an attempt was read from the log.
    #[serde(skip_serializing_if = "is_unset")]
    pub unread: Vec<(String, Option<Mark>)>,
    /// What the room remembers of this person.
    #[serde(skip_serializing_if = "is_unset")]
    pub person: Option<Person>,
    /// What kind of client.
    #[serde(skip_serializing_if = "is_unset")]
    pub client: Client,
    /// The language that it wants to be answered in (BCP 47), if it says so. Only words follow from it.
    #[serde(skip_serializing_if = "is_unset")]
    pub language: Option<Box<str>>,
    /// The ticket that the server gave to this client when it first asked for a room.
    #[serde(skip_serializing_if = "is_unset")]
    pub ticket: Option<Mark>,
    /// A lasting mark that the client made itself.
    #[serde(skip_serializing_if = "is_unset")]
    pub device: Option<Mark>,
    /// His client says that it can encrypt end to end, as Jitsi's do.
    #[serde(skip_serializing_if = "is_unset")]
    pub e2ee: bool,
}
