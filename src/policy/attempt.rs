//! What somebody tries to do, as facts.

use serde::{Deserialize, Serialize};

use super::facts::is_unset;
use super::made::Held;
use super::names::Namesake;
use super::record::{Person, Record};
pub use super::requester::{Affiliation, Auth, Client, Requester, Role};
use super::setting::{Setting, To};
use super::strength::Strength;
use crate::jid::BareJid;

/// What was typed as the room's password, compared with it by the gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// Nothing was typed.
    #[default]
    None,
    /// Something else than the room's password.
    Wrong,
    /// The room's password.
    Right,
}

impl Credential {
    /// The name on the wire and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Wrong => "wrong",
            Self::Right => "right",
        }
    }
}

/// A change of one field of the room's configuration (XEP-0045 §10.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldChange {
    /// `muc#roomconfig_roomsecret` with the password the room has.
    PasswordKept,
    /// `muc#roomconfig_roomsecret` empty.
    PasswordRemoved,
    /// `muc#roomconfig_roomsecret` with another password, judged by its strength.
    PasswordSet(Strength),
    /// `muc#roomconfig_membersonly`.
    MembersOnly(bool),
    /// `muc#roomconfig_publicroom`.
    Public(bool),
    /// `muc#roomconfig_persistentroom`.
    Persistent(bool),
    /// Another setting that we know.
    Setting(Setting, To),
    /// A field that is sent with the value that it has, by its name.
    Kept(String),
    /// Any other field, by its name.
    Other(String),
}

/// A change of somebody's affiliation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AffiliationChange {
    /// Whose. `None`: not a JID by our rules.
    #[serde(skip_serializing_if = "is_unset")]
    pub jid: Option<BareJid>,
    /// From.
    #[serde(skip_serializing_if = "is_unset")]
    pub from: Affiliation,
    /// To. `None`: the word is no affiliation.
    #[serde(skip_serializing_if = "is_unset")]
    pub to: Option<Affiliation>,
    /// The nick reserved with it, if any.
    #[serde(skip_serializing_if = "is_unset")]
    pub nick: Option<String>,
    /// Who it is, if inside.
    #[serde(skip_serializing_if = "is_unset")]
    pub bearer: Option<Requester>,
    /// Who else inside is affected: the bearer of the nick that it reserves; of a whole domain, everybody from there.
    #[serde(skip_serializing_if = "is_unset")]
    pub displaced: Vec<Requester>,
}

/// A change of somebody's role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoleChange {
    /// Whose, if the occupant is there.
    #[serde(skip_serializing_if = "is_unset")]
    pub jid: Option<BareJid>,
    /// From.
    #[serde(skip_serializing_if = "is_unset")]
    pub from: Role,
    /// To. `None`: the word is no role.
    #[serde(skip_serializing_if = "is_unset")]
    pub to: Option<Role>,
    /// Who it is.
    #[serde(skip_serializing_if = "is_unset")]
    pub bearer: Option<Requester>,
}

/// A word that a person inside wrote to the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// `!password`: tell me the password.
    Password,
    /// `!close`: nobody else may enter.
    Close,
    /// `!reopen`.
    Reopen,
    /// Any other word.
    Unknown,
}

/// What is tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Ask the conference focus for a room: on Jitsi, what comes before every join.
    Request,
    /// Join a room that does not exist, or that no policy was applied to yet.
    Open {
        /// The password typed, by its strength.
        typed: Option<Strength>,
    },
    /// Join.
    Join {
        /// What was typed as password.
        credential: Credential,
    },
    /// Submit the configuration form.
    Configure {
        /// Every field sent.
        fields: Vec<FieldChange>,
    },
    /// Set affiliations.
    Affiliation {
        /// Every item of the list.
        items: Vec<AffiliationChange>,
        /// The requester asks for his own membership (`jabber:iq:register`).
        register: bool,
    },
    /// Set roles.
    Role {
        /// Every item of the list.
        items: Vec<RoleChange>,
    },
    /// Destroy the room.
    Destroy,
    /// Invite somebody (XEP-0045 §7.8.2).
    Invite {
        /// The invited. `None`: not a JID by our rules.
        to: Vec<Option<BareJid>>,
    },
    /// Answer somebody who waits.
    Knock {
        /// Who waits. `None`: not a JID by our rules.
        target: Option<BareJid>,
        /// Let him in, or turn him away.
        admit: bool,
    },
    /// Answer everybody who waits: `!admit all`, `!reject all`.
    AnswerAll {
        /// Who waits.
        waiting: Vec<BareJid>,
        /// Let them in, or turn them away.
        admit: bool,
    },
    /// Be called otherwise, inside: by the nick and the name of the requester.
    Rename,
    /// A word to the room.
    Command(Word),
    /// Ask the focus to record, stream or transcribe (Jitsi).
    Record {
        /// To stop that.
        stops: bool,
    },
    /// Ask the focus to call a telephone (Jitsi).
    Dial,
    /// A kind of attempt that this version does not know.
    #[default]
    Unknown,
}

impl Action {
    /// The name on the wire and in the log.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Open { .. } => "open",
            Self::Join { .. } => "join",
            Self::Configure { .. } => "configure",
            Self::Affiliation { .. } => "affiliation",
            Self::Role { .. } => "role",
            Self::Destroy => "destroy",
            Self::Invite { .. } => "invite",
            Self::Knock { .. } => "knock",
            Self::Rename => "rename",
            Self::Command(_) | Self::AnswerAll { .. } => "command",
            Self::Record { .. } => "record",
            Self::Dial => "dial",
            Self::Unknown => "unknown",
        }
    }
}

/// Somebody tries something.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attempt {
    /// The gate's name for it; the same when it is asked again.
    pub id: String,
    /// The room. `None`: not a JID by our rules.
    pub room: Option<BareJid>,
    /// Who.
    pub requester: Requester,
    /// What.
    pub action: Action,
    /// For whom a focus opens the room: whoever asked it last.
    pub behind: Option<Requester>,
    /// What the room remembers of the others that the action names.
    pub others: Vec<(BareJid, Person)>,
    /// The bans made at run time that held, as far as it was noted ([`Policy::held`](super::rules::Policy::held)).
    pub banned: Held,
    /// Somebody else inside with a name like one of the requester's, the one who counts most; looked for only where the
    /// rules ask for it.
    pub namesake: Option<Namesake>,
}

impl Attempt {
    /// What the room remembers of somebody whom the action names.
    pub fn other(&self, jid: &BareJid) -> Option<&Person> {
        self.others.iter().find(|(other, _)| other == jid).map(|(_, person)| person)
    }
}

/// The room as it is at that moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoomView {
    /// Occupants that are not services: one for each nick, so somebody with two sessions can be two.
    #[serde(skip_serializing_if = "is_unset")]
    pub occupants: u32,
    /// People inside, services and the requester apart, however many sessions each has; `None`: not told. See
    /// [`others`](Self::others).
    #[serde(skip_serializing_if = "is_unset")]
    pub others: Option<u32>,
    /// Of these, moderators.
    #[serde(skip_serializing_if = "is_unset")]
    pub moderators: u32,
    /// How many wait to be let in.
    #[serde(skip_serializing_if = "is_unset")]
    pub waiting: u32,
    /// The room has a password.
    #[serde(skip_serializing_if = "is_unset")]
    pub has_password: bool,
    /// The room service itself lets nobody in who is no member (XEP-0045 §3).
    #[serde(skip_serializing_if = "is_unset")]
    pub members_only: bool,
    /// The service has a lobby of its own, where people wait in a room beside (Jitsi's `muc_lobby_rooms`).
    #[serde(skip_serializing_if = "is_unset")]
    pub lobby: bool,
    /// Nobody logs in to this server with an account or a token, services apart.
    #[serde(skip_serializing_if = "is_unset")]
    pub nobody_logs_in: bool,
    /// The room exists (also when no policy was applied to it yet).
    #[serde(skip_serializing_if = "is_unset")]
    pub exists: bool,
    /// The room outlives its last occupant, and not only because Jitsi's lobby or breakout rooms need that.
    #[serde(skip_serializing_if = "is_unset")]
    pub persistent: bool,
    /// It came to be under the gate, and nobody was asked: while the component was away, or by another module.
    #[serde(skip_serializing_if = "is_unset")]
    pub unasked: bool,
    /// How many affiliations it has stored: owners, admins, members and outcasts.
    #[serde(skip_serializing_if = "is_unset")]
    pub affiliations: u32,
    /// What was written down when the policy was applied; `None`: never, or unreadable.
    #[serde(skip_serializing_if = "is_unset")]
    pub record: Option<Record>,
    /// Something was written down that this program cannot read.
    #[serde(skip_serializing_if = "is_unset")]
    pub unreadable: bool,
}

impl RoomView {
    /// Returns whether the room was there before the policy.
    pub fn is_found(&self) -> bool {
        let is_older = self.exists && self.persistent && !self.unasked;
        self.record.as_ref().map_or(is_older, |record| record.found)
    }

    /// Returns the number of people inside who are not the requester, services apart; of occupants, where nobody has
    /// told who they are.
    pub fn others(&self) -> u32 {
        self.others.unwrap_or(self.occupants)
    }
}
