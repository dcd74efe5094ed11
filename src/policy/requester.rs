//! Who a person is, to a room.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::facts::facts;
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

/// What kind of client a person uses. A client says so itself, so it only picks the way an answer is shown.
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

facts! {
    /// Who tries.
    pub struct Requester {
        /// Bare JID of the session. `None`: what the server sent is no JID; the attempt is refused.
        pub jid: Option<BareJid>,
        /// What the session proved: kind, host, provider, mechanism, token.
        pub session: Option<Box<Session>>,
        /// Kind of proof, where no session was reported, as in an attempt that is only described.
        pub auth: Auth,
        /// Account that logged in to the focus for this session (Jitsi's secure domain).
        pub account: Option<BareJid>,
        /// What that account proved.
        pub account_session: Option<Box<Session>>,
        /// Whether the connection to its own server is encrypted. `None`: unknown.
        pub secure: Option<bool>,
        /// Network address, if the server knows it.
        pub address: Option<IpAddr>,
        /// Nick, asked for or borne.
        pub nick: String,
        /// Display name of Jitsi's clients (XEP-0172), asked for or borne. Empty: none.
        pub name: String,
        /// Affiliation in the room.
        pub affiliation: Affiliation,
        /// Role in the room.
        pub role: Role,
        /// Claims of a verified token, whatever room it is for: name and value. The log keeps those that the policy looks at.
        pub claims: Vec<(String, String)>,
        /// Claims without their value: name, and the mark of the value if a removal can recognise it. Only in attempts read from the log.
        pub unread: Vec<(String, Option<Mark>)>,
        /// What the room remembers of the person.
        pub person: Option<Person>,
        /// Kind of client: `jitsi` or `plain`.
        pub client: Client,
        /// Language of the stanza (BCP 47). It only chooses the words of the answer.
        pub language: Option<Box<str>>,
        /// Mark of the ticket that the server gave to the client when it first asked for a room.
        pub ticket: Option<Mark>,
        /// Mark of the identifier that the client made for itself. It proves nothing.
        pub device: Option<Mark>,
        /// Whether the client advertises end-to-end encryption, as Jitsi's do.
        pub e2ee: bool,
    }
}
