//! The requester: their role, session and token, and what the room knows of them.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::affiliation::Affiliation;
use super::fields::{facts, is_unset};
use super::fingerprint::Mark;
use super::record::Person;
use crate::jid::BareJid;

/// A role (XEP-0045 §5.1), from the weakest up.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// None: not in the room.
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
    /// Returns the name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Visitor => "visitor",
            Self::Participant => "participant",
            Self::Moderator => "moderator",
        }
    }

    /// Returns the role of that name, or `None` for any other word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::None, Self::Visitor, Self::Participant, Self::Moderator]
            .into_iter()
            .find(|role| role.name() == name)
    }
}

/// How a session proved its identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// With an account on a local host.
    Account,
    /// With a token that the server verified.
    Token,
    /// Without any proof.
    Anonymous,
    /// By another server, which vouches for it.
    Server,
    /// As a component of this server.
    Component,
    /// The gate could not tell.
    #[default]
    Unknown,
}

impl Auth {
    /// Returns the name on the wire and on the command line.
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

    /// Returns the proof of that name, or [`Auth::Unknown`] for any other word.
    pub fn from_name(name: &str) -> Self {
        [Self::Account, Self::Token, Self::Anonymous, Self::Server, Self::Component]
            .into_iter()
            .find(|auth| auth.name() == name)
            .unwrap_or(Self::Unknown)
    }
}

/// Kind of client that a person uses. The client says so itself, so it only decides how an answer is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Client {
    /// A client that follows XEP-0045.
    #[default]
    Plain,
    /// A client of Jitsi Meet.
    Jitsi,
}

impl Client {
    /// Returns the name on the wire and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Jitsi => "jitsi",
        }
    }

    /// Returns the client of that name, or [`Client::Plain`] for any other word.
    pub fn from_name(name: &str) -> Self {
        if name == Self::Jitsi.name() { Self::Jitsi } else { Self::Plain }
    }
}

facts! {
    /// A person who tries something.
    pub struct Requester {
        /// Bare JID of the session. `None`: what the server sent is no JID; the attempt is refused.
        pub jid: Option<BareJid>,
        /// What the session proved: kind, host, provider, mechanism, token.
        pub session: Option<Arc<Session>>,
        /// Kind of proof, where no session was reported, as in an attempt that is only described.
        pub auth: Auth,
        /// Account that logged in to the focus for this session (Jitsi's secure domain).
        pub account: Option<Box<BareJid>>,
        /// What the session of that account proved.
        pub account_session: Option<Box<Session>>,
        /// Account of the gateway by which this person calls. Their own JID is that of the call.
        pub gateway: Option<Box<BareJid>>,
        /// Whether the connection to its own server is encrypted. `None`: unknown.
        pub secure: Option<bool>,
        /// Network address, if the server knows it.
        pub address: Option<IpAddr>,
        /// Nick, asked for or borne.
        pub nick: SmolStr,
        /// Display name of Jitsi's clients (XEP-0172), asked for or borne. Empty: none.
        pub name: SmolStr,
        /// Affiliation in the room.
        pub affiliation: Affiliation,
        /// Role in the room.
        pub role: Role,
        /// Claims of a verified token, whatever room it is for: name and value. The log keeps those that the policy looks at.
        pub claims: Vec<(String, String)>,
        /// Claims without their value: name, and the fingerprint of the value if a removal can recognise it. Only in attempts read from the log.
        pub unread: Vec<(String, Option<Mark>)>,
        /// What the room remembers of the person.
        pub person: Option<Person>,
        /// Kind of client: `jitsi` or `plain`.
        pub client: Client,
        /// Language of the stanza (BCP 47). It only chooses the words of the answer.
        pub language: Option<Box<str>>,
        /// Fingerprint of the ticket that the server gave to the client when it first asked for a room.
        pub ticket: Option<Mark>,
        /// Fingerprint of the identifier that the client made for itself. It proves nothing.
        pub device: Option<Mark>,
        /// Whether the client advertises end-to-end encryption, as Jitsi's do.
        pub e2ee: bool,
        /// Breakout room that they are in, or come into. `None`: the room itself.
        pub breakout: Option<Box<BareJid>>,
        /// Whether they are in the meeting already, and only change between its main room and its breakout rooms.
        pub changes: bool,
        /// Whether a moderator has sent them to the breakout room that they come into, and nowhere else since.
        pub sent: bool,
        /// Whether they are, or come, to the audience on a visitors' server (Jitsi): `breakout` is their room there.
        pub visitor: bool,
    }
}

impl Requester {
    /// Returns the addresses other than their own by which a ban can name the person: the account that logged in for
    /// them, and that of the gateway by which they call.
    pub(in crate::policy) fn behind(&self) -> impl Iterator<Item = &BareJid> {
        [&self.account, &self.gateway].into_iter().flatten().map(|jid| &**jid)
    }
}

/// Most characters of a name that are shown, so that it hides nothing of the line that it stands in.
const LONGEST_NAME: usize = 64;

/// Returns what others call a person, for people to read: the display name, then the nick. Without one of them, or where
/// both are the same, it is the other alone. Names are bounded, and may hold any character.
pub fn called(name: &str, nick: &str) -> Vec<String> {
    // A session of which the gate knows no nick has `?`.
    let nick = Some(nick).filter(|nick| *nick != "?" && *nick != name);
    let names = Some(name).into_iter().chain(nick).filter(|name| !name.is_empty());
    let bounded = |name: &str| {
        let mut rest = name.chars();
        let mut shown: String = rest.by_ref().take(LONGEST_NAME).collect();
        if rest.next().is_some() {
            shown.push('\u{2026}');
        }
        shown
    };
    names.map(bounded).collect()
}

/// Kind of session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionKind {
    /// A client of this server.
    Client,
    /// Another server, which vouches for its own addresses.
    Server,
    /// A component of this server.
    Component,
    /// The gate could not tell.
    #[default]
    Unknown,
}

impl SessionKind {
    /// Returns the name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Component => "component",
            Self::Unknown => "unknown",
        }
    }

    /// Returns the kind of that name, or [`SessionKind::Unknown`] for any other word.
    pub fn from_name(name: &str) -> Self {
        [Self::Client, Self::Server, Self::Component]
            .into_iter()
            .find(|kind| kind.name() == name)
            .unwrap_or_default()
    }
}

/// A session and how it logged in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Session {
    /// Kind of session.
    pub kind: SessionKind,
    /// The host of this server that it logged in to.
    #[serde(skip_serializing_if = "is_unset")]
    pub host: SmolStr,
    /// The authentication provider of that host, by the name of its module without `mod_auth_`.
    #[serde(skip_serializing_if = "is_unset")]
    pub provider: SmolStr,
    /// The SASL mechanism (RFC 4422). `None`: the session is older than the gate.
    #[serde(skip_serializing_if = "is_unset")]
    pub mechanism: Option<SmolStr>,
    /// The token that the server verified.
    #[serde(skip_serializing_if = "is_unset")]
    pub token: Option<Box<Token>>,
}

/// A JSON Web Token (RFC 7519) that a module of the server verified for Jitsi.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Token {
    /// Issuer (`iss`).
    #[serde(skip_serializing_if = "is_unset")]
    pub issuer: Option<Box<str>>,
    /// Audience (`aud`).
    #[serde(skip_serializing_if = "is_unset")]
    pub audience: Option<Box<str>>,
    /// Subject (`sub`): the tenant that it is for, or the domain; `*`: any.
    pub subject: Box<str>,
    /// Room that it is for (`room`); `*`: any. `None`: it names none.
    #[serde(skip_serializing_if = "is_unset")]
    pub room: Option<Box<str>>,
    /// Whether `room` is a pattern.
    #[serde(skip_serializing_if = "is_unset")]
    pub pattern: bool,
    /// What the pattern matched in the name of the attempt's room.
    #[serde(skip_serializing_if = "is_unset")]
    pub found: Option<Box<str>>,
    /// Tenant of its bearer (`context.tenant`).
    #[serde(skip_serializing_if = "is_unset")]
    pub tenant: Option<Box<str>>,
    /// Tenant that the client asked for in its address.
    #[serde(skip_serializing_if = "is_unset")]
    pub asked_tenant: Option<Box<str>>,
    /// Whether the room takes tokens of its own tenant only.
    #[serde(skip_serializing_if = "is_unset")]
    pub strict: bool,
    /// Expiry (`exp`), in seconds since 1970.
    #[serde(skip_serializing_if = "is_unset")]
    pub expires: Option<i64>,
    /// How its subject is compared with the room's address, where the room service asks for that.
    #[serde(skip_serializing_if = "is_unset")]
    pub domain: Option<Box<Domain>>,
    /// Main room, which the token has to be for, where the room is a breakout room.
    #[serde(skip_serializing_if = "is_unset")]
    pub main: Option<BareJid>,
}

/// How Jitsi's modules compare a token's `sub` with a room's address (`enable_domain_verification`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Domain {
    /// Domain of the room service (`muc_mapper_domain`).
    pub service: Box<str>,
    /// Part before the domain in a service's address (`muc_mapper_domain_prefix`).
    pub prefix: Box<str>,
    /// Whether a token has to name a room (`asap_require_room_claim`).
    #[serde(skip_serializing_if = "is_unset")]
    pub names_room: bool,
}

impl Token {
    /// Returns whether the token has not expired at that time.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now.as_second() < expires)
    }

    /// Returns whether the token is for this room, as Jitsi's own verification has it (`verify_room`).
    ///
    /// One difference: a pattern that does not match is never for the room, even where the server asks for no room.
    pub fn is_for(&self, room: &BareJid) -> bool {
        let room = self.main.as_ref().unwrap_or(room);
        let Some(name) = room.node() else { return false };
        let (tenant, plain) = split(name);
        let claimed = self.room.as_deref().map(str::to_ascii_lowercase);
        let claimed = match claimed.as_deref() {
            Some("*") => plain,
            Some(_) if self.pattern => match self.found.as_deref() {
                Some(found) => found,
                None => return false,
            },
            Some(claimed) => claimed,
            None => return self.domain.as_ref().is_none_or(|domain| !domain.names_room),
        };
        if self.strict
            && let Some(own) = self.tenant.as_deref()
            && self.asked_tenant.as_deref() != Some(&own.to_ascii_lowercase())
        {
            return false;
        }
        let Some(domain) = &self.domain else {
            return claimed == name || claimed == plain;
        };
        let subject = self.subject.to_ascii_lowercase();
        let (name, service) = match tenant {
            Some(tenant) => {
                let tenant = if subject == "*" { tenant } else { &subject };
                (format!("[{tenant}]{claimed}"), domain.service.to_string())
            }
            None if subject == "*" => (claimed.to_owned(), domain.service.to_string()),
            None => (claimed.to_owned(), format!("{}.{subject}", domain.prefix)),
        };
        room.as_str() == format!("{name}@{service}")
    }
}

/// Splits the name of a room, `[tenant]name`, into its tenant, if it has one, and the name without it.
fn split(name: &str) -> (Option<&str>, &str) {
    let parts = name.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    match parts.filter(|(tenant, plain)| !tenant.is_empty() && !plain.is_empty()) {
        Some((tenant, plain)) => (Some(tenant), plain),
        None => (None, name),
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
    fn a_person_is_called_by_name_and_nick() {
        for (name, nick, shown) in [
            ("Zina", "45fc3d31", vec!["Zina", "45fc3d31"]),
            ("", "Bob", vec!["Bob"]),
            ("Bob", "Bob", vec!["Bob"]),
            ("Zina", "?", vec!["Zina"]),
            ("", "", vec![]),
        ] {
            assert_eq!(called(name, nick), shown);
        }
        assert_eq!(called(&"a".repeat(65), ""), [format!("{}\u{2026}", "a".repeat(64))]);
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
