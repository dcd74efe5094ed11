//! Attempts: what a person tries to do at a room, as facts.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use strum::{EnumIter, EnumMessage, EnumString, IntoStaticStr};

use super::record::{Claim, Person, Record, Suspended};

pub use super::affiliation::Affiliation;
use super::fields::{facts, is_unset};
use super::form_field::{FormField, To};
pub use super::requester::{Auth, Client, Requester, Role};
use crate::jid::BareJid;

/// Result of comparing the password that was typed with the room's, which the gate does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// Nothing was typed.
    #[default]
    None,
    /// Something other than the room's password.
    Wrong,
    /// The room's password.
    Right,
    /// The room's host code.
    Code,
}

impl Credential {
    /// Returns the name on the wire and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Wrong => "wrong",
            Self::Right => "right",
            Self::Code => "code",
        }
    }
}

/// A change of one field of the room's configuration (XEP-0045 §10.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldChange {
    /// `muc#roomconfig_roomsecret`, sent with the password that the room has.
    PasswordKept,
    /// `muc#roomconfig_roomsecret`, sent empty.
    PasswordRemoved,
    /// `muc#roomconfig_roomsecret`, sent with another password: its strength.
    PasswordSet(Strength),
    /// `muc#roomconfig_membersonly`: whether only members may enter.
    MembersOnly(bool),
    /// `muc#roomconfig_publicroom`: whether the room is listed.
    Public(bool),
    /// `muc#roomconfig_persistentroom`: whether the room outlives its last occupant.
    Persistent(bool),
    /// Another setting that the policy knows, with its new value.
    Setting(FormField, To),
    /// A field that is sent with the value that it already has, by its name.
    Kept(String),
    /// Any other field, by its name.
    Other(String),
}

facts! {
    /// A change of a person's affiliation.
    pub struct AffiliationChange {
        /// Address of the person whose affiliation changes. `None`: not a valid JID.
        pub jid: Option<BareJid>,
        /// Affiliation before the change.
        pub from: Affiliation,
        /// Affiliation asked for. `None`: the word is no affiliation.
        pub to: Option<Affiliation>,
        /// Nick reserved with it, if any.
        pub nick: Option<String>,
        /// The person's session, if they are inside.
        pub bearer: Option<Requester>,
        /// Others inside who are affected: the bearer of the nick that it reserves; for a domain, everybody from there.
        pub displaced: Vec<Requester>,
    }
}

facts! {
    /// A change of a person's role.
    pub struct RoleChange {
        /// Address of the occupant whose role changes, if they are there.
        pub jid: Option<BareJid>,
        /// Role before the change.
        pub from: Role,
        /// Role asked for. `None`: the word is no role.
        pub to: Option<Role>,
        /// The occupant's session, if they are there.
        pub bearer: Option<Requester>,
    }
}

/// A command that a person inside wrote to the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// `!password`: show me the password.
    Password,
    /// `!invite`: tell me an invitation to pass on.
    Invite,
    /// `!help`: tell me the words.
    Help,
    /// `!close`: close the room to newcomers.
    Close,
    /// `!reopen`: open a closed room again.
    Reopen,
    /// Any other word with `!` in front.
    Unknown,
}

/// A feature of Jitsi that an occupant asks the focus or a component for. To add one: a variant here and in [`Kind`],
/// and who may use it in [`permissions`](super::rules::permissions).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, EnumIter, EnumString, IntoStaticStr,
)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[strum(serialize_all = "kebab-case")]
pub enum Feature {
    /// Record, stream or transcribe.
    Record {
        /// Whether the request is to stop that.
        stops: bool,
    },
    /// Call a telephone.
    Dial,
    /// Make, name or remove breakout rooms, or send people to them.
    Breakout {
        /// Whether the request is to remove one, or to send a person back.
        stops: bool,
    },
}

impl Feature {
    /// Returns the feature of that name, or `None` for any other; `stops`: whether the request is to stop it.
    pub fn read(name: &str, stops: bool) -> Option<Self> {
        Some(match name.parse().ok()? {
            Self::Record { .. } => Self::Record { stops },
            Self::Dial => Self::Dial,
            Self::Breakout { .. } => Self::Breakout { stops },
        })
    }

    /// Returns whether the request is to stop the feature.
    pub const fn stops(self) -> bool {
        match self {
            Self::Record { stops } | Self::Breakout { stops } => stops,
            Self::Dial => false,
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Record { .. } => Kind::Record,
            Self::Dial => Kind::Dial,
            Self::Breakout { .. } => Kind::Breakout,
        }
    }
}

/// Action that a person tries, with what it needs to be judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Ask the conference focus for a room: on Jitsi, what comes before every join.
    Request,
    /// Join a room that does not exist, or that no policy was applied to yet.
    Open {
        /// Strength of the password that was typed, if one was.
        typed: Option<Strength>,
    },
    /// Join a room.
    Join {
        /// Result of comparing the password that was typed.
        credential: Credential,
    },
    /// Submit the configuration form.
    Configure {
        /// Every field that was sent.
        fields: Vec<FieldChange>,
    },
    /// Set affiliations.
    Affiliation {
        /// Every item of the list that was sent.
        items: Vec<AffiliationChange>,
        /// Whether the requester asks for their own membership (`jabber:iq:register`).
        register: bool,
    },
    /// Set roles.
    Role {
        /// Every item of the list that was sent.
        items: Vec<RoleChange>,
    },
    /// Destroy the room.
    Destroy,
    /// Invite a person (XEP-0045 §7.8.2).
    Invite {
        /// The people invited. `None`: not a valid JID.
        to: Vec<Option<BareJid>>,
    },
    /// Answer a person who waits in the lobby.
    Knock {
        /// The person who waits. `None`: not a valid JID.
        target: Option<BareJid>,
        /// Whether to admit them; otherwise they are rejected.
        admit: bool,
    },
    /// Answer everybody who waits: `!admit all`, `!reject all`.
    AnswerAll {
        /// The people who wait.
        waiting: Vec<BareJid>,
        /// Whether to let them in; otherwise they are turned away.
        admit: bool,
    },
    /// Change nick or display name inside the room. The requester has the new ones.
    Rename,
    /// Write a command to the room, like `!close`.
    Command(Word),
    /// A kind of attempt that this version does not know.
    #[default]
    Unknown,
    /// Use a feature of Jitsi, like recording.
    #[serde(untagged)]
    Feature(Feature),
}

/// A kind of attempt, one row each: what it is (`docs/protocol.md`), its name on the wire, in the log and in the metrics,
/// and what the report of an incident calls it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, EnumMessage, EnumString, IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Kind {
    /// Ask the conference focus for a room: on Jitsi, before every join.
    #[strum(message = "asked for the room")]
    Request,
    /// Join a room that does not exist, or to which no policy was applied yet.
    #[strum(message = "tried to open the room")]
    Open,
    /// Join a room.
    #[strum(message = "tried to enter")]
    Join,
    /// Submit the configuration form.
    #[strum(message = "tried to change the room's settings")]
    Configure,
    /// Set affiliations.
    #[strum(message = "tried to change an affiliation")]
    Affiliation,
    /// Set roles.
    #[strum(message = "tried to change a role")]
    Role,
    /// Destroy the room.
    #[strum(message = "tried to end the room")]
    Destroy,
    /// Invite a person (XEP-0045 §7.8.2).
    #[strum(message = "tried to invite a person")]
    Invite,
    /// Answer a person who waits in the lobby.
    #[strum(message = "answered a person in the lobby")]
    Knock,
    /// Change nick or display name.
    #[strum(message = "tried to change their name")]
    Rename,
    /// Write a command to the room, like `!close`.
    #[strum(message = "gave a command in the room")]
    Command,
    /// Ask the focus to record, stream or transcribe (Jitsi).
    #[strum(message = "tried to record")]
    Record,
    /// Ask the focus to call a telephone (Jitsi).
    #[strum(message = "tried to call a telephone")]
    Dial,
    /// Change the breakout rooms, or send people there (Jitsi).
    #[strum(message = "tried to change the breakout rooms")]
    Breakout,
    /// A kind that this version does not know.
    #[strum(message = "tried something that this version does not know")]
    Unknown,
}

impl Kind {
    /// Returns the name on the wire, in the log and in the metrics.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl Action {
    /// Returns the kind of attempt.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Request => Kind::Request,
            Self::Open { .. } => Kind::Open,
            Self::Join { .. } => Kind::Join,
            Self::Configure { .. } => Kind::Configure,
            Self::Affiliation { .. } => Kind::Affiliation,
            Self::Role { .. } => Kind::Role,
            Self::Destroy => Kind::Destroy,
            Self::Invite { .. } => Kind::Invite,
            Self::Knock { .. } => Kind::Knock,
            Self::Rename => Kind::Rename,
            Self::Command(_) | Self::AnswerAll { .. } => Kind::Command,
            Self::Feature(feature) => feature.kind(),
            Self::Unknown => Kind::Unknown,
        }
    }

    /// Returns the name of the kind of attempt.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }
}

/// An attempt: a person tries something at a room.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attempt {
    /// Id that the gate gave to it; the same when it is asked again.
    pub id: SmolStr,
    /// Address of the room. `None`: not a valid JID.
    pub room: Option<BareJid>,
    /// The person who tries it.
    pub requester: Requester,
    /// What they try.
    pub action: Action,
    /// The person for whom a focus opens the room: the last who asked for it.
    pub behind: Option<Requester>,
    /// What the room remembers of other people whom the action names.
    pub others: Vec<(BareJid, Person)>,
    /// Runtime bans that matched, as far as they were noted ([`Policy::held`](super::Policy::held)).
    pub banned: Held,
    /// Whether another person inside has a name like one of the requester's; a moderator counts most. Looked for only
    /// where the rules ask for it.
    pub namesake: Option<Namesake>,
}

impl Attempt {
    /// Returns what the room remembers of a person whom the action names, if anything.
    pub fn other(&self, jid: &BareJid) -> Option<&Person> {
        self.others.iter().find(|(other, _)| other == jid).map(|(_, person)| person)
    }
}

facts! {
    /// The room as it is at the time of the attempt.
    pub struct RoomView {
        /// Occupants that are not services, one for each nick: a person with two sessions can be two.
        pub occupants: u32,
        /// People inside, without services and the requester, however many sessions each has. `None`: not reported.
        pub others: Option<u32>,
        /// Occupants who moderate.
        pub moderators: u32,
        /// People in the lobby.
        pub waiting: u32,
        /// Whether the room has a password.
        pub has_password: bool,
        /// Whether the room service admits members only (XEP-0045 §3).
        pub members_only: bool,
        /// Whether the service has a lobby of its own, a separate room (Jitsi's `muc_lobby_rooms`).
        pub lobby: bool,
        /// Whether nobody logs in to this server with an account or a token, services apart.
        pub nobody_logs_in: bool,
        /// Whether the room exists, also without an applied policy.
        pub exists: bool,
        /// Whether the room outlives its last occupant, and not only because Jitsi's lobby or breakout rooms need that.
        pub persistent: bool,
        /// Whether the room came under the gate without an answer: while the component was away, or by another module.
        pub unasked: bool,
        /// Stored affiliations: owners, admins, members and outcasts.
        pub affiliations: u32,
        /// What the policy recorded about the room. `None`: nothing, or it is unreadable.
        pub record: Option<Record>,
        /// Whether there is a record that this version cannot read.
        pub unreadable: bool,
    }
}

impl RoomView {
    /// Returns the suspension of the meeting, or `None` if its record has none.
    pub fn suspended(&self) -> Option<Suspended> {
        self.record.as_ref().and_then(|record| record.suspended)
    }

    /// Returns the claims of the opener, as they are recorded.
    pub fn claims(&self) -> &[Claim] {
        self.record.as_ref().map(|record| record.claims.as_slice()).unwrap_or_default()
    }

    /// Returns whether the room was there before the policy.
    pub fn is_found(&self) -> bool {
        let is_older = self.exists && self.persistent && !self.unasked;
        self.record.as_ref().map_or(is_older, |record| record.found)
    }

    /// Returns the number of people inside, without services and the requester; where that is not reported, the number
    /// of occupants.
    pub fn others(&self) -> u32 {
        self.others.unwrap_or(self.occupants)
    }
}

/// Strength of a password: what the policy has to know of one, without knowing it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strength {
    /// Length of the password, in characters.
    pub length: u32,
    /// zxcvbn's score, 0 (guessed at once) to 4 (very hard to guess), with the room's words as context.
    pub score: u8,
    /// Whether it is on the deny-list.
    pub denied: bool,
    /// Whether it is the room's host code.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub code: bool,
}

/// A limit that no counter reaches, so that it limits nothing.
pub(crate) const UNLIMITED: u32 = u32::MAX;

/// What the counters say about a requester at a room. They live outside the policy, in the component's
/// memory: a restart forgets them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pressure {
    /// How long this address or account has to wait before the next password.
    #[serde(skip_serializing_if = "is_unset")]
    pub guesses: Option<Duration>,
    /// How long the room takes no passwords from strangers, who have typed too many wrong ones.
    #[serde(skip_serializing_if = "is_unset")]
    pub room: Option<Duration>,
    /// How long this address or account has to wait before the next knock.
    #[serde(skip_serializing_if = "is_unset")]
    pub knocks: Option<Duration>,
    /// Number of existing rooms that were opened by the person who is about to open one now.
    #[serde(skip_serializing_if = "is_unset")]
    pub rooms_of_opener: u32,
    /// Number of existing rooms, without those that services opened for themselves.
    #[serde(skip_serializing_if = "is_unset")]
    pub rooms: u32,
    /// Number of strangers who have come into this room within `limits.flood_within`.
    #[serde(skip_serializing_if = "is_unset")]
    pub strangers: u32,
    /// The same waits by rules that are only observed.
    #[serde(skip_serializing_if = "is_unset")]
    pub observed: Waits,
}

/// How long a person would have to wait by rules that are only observed. `None`: not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Waits {
    /// Wait before the next password.
    #[serde(skip_serializing_if = "is_unset")]
    pub guesses: Option<Duration>,
    /// Wait until the room takes a password from strangers.
    #[serde(skip_serializing_if = "is_unset")]
    pub room: Option<Duration>,
    /// Wait before the next knock.
    #[serde(skip_serializing_if = "is_unset")]
    pub knocks: Option<Duration>,
}

impl Pressure {
    /// Returns the counters by which rules that are only observed are judged.
    #[must_use]
    pub const fn as_observed(&self) -> Self {
        let Waits { guesses, room, knocks } = self.observed;
        Self { guesses, room, knocks, ..*self }
    }
}

/// Kind of the other person in the room whose name looks like one of the requester's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Namesake {
    /// A person who does not moderate.
    Occupant,
    /// A person who moderates.
    Moderator,
}

impl Namesake {
    /// Returns the name in replies and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Occupant => "occupant",
            Self::Moderator => "moderator",
        }
    }
}

/// A runtime ban that matched a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noted {
    /// Id of the ban.
    pub id: String,
    /// Whether it is on the account itself, not on a domain or network: then no exception lifts it.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub account: bool,
}

/// The runtime bans that matched the people of an attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Held {
    /// The ban on the requester.
    #[serde(skip_serializing_if = "is_unset")]
    pub requester: Option<Noted>,
    /// The ban on the person behind them.
    #[serde(rename = "on_behalf_of", alias = "behind", skip_serializing_if = "is_unset")]
    pub behind: Option<Noted>,
}

/// Room and time for which an identity is judged: a token is valid for a room, and for a time.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The room. `None`: any room that the token is for.
    pub room: Option<&'a BareJid>,
    /// The time. `None`: not checked, of a person who is inside and keeps what they came in with.
    pub now: Option<Timestamp>,
}

impl<'a> Place<'a> {
    /// Any room, at any time.
    pub const ANY: Self = Self { room: None, now: None };

    /// Returns the place of a person who is inside that room.
    pub const fn inside(room: &'a BareJid) -> Self {
        Self { room: Some(room), now: None }
    }

    /// Returns the room and the time of an attempt. An occupant keeps what they came in with: a token that
    /// has expired is judged when its bearer comes again.
    pub fn of(attempt: &'a Attempt, now: Timestamp) -> Self {
        let comes = matches!(
            attempt.action,
            Action::Request | Action::Open { .. } | Action::Join { .. } | Action::Unknown
        );
        let now = (comes || attempt.requester.role == Role::None).then_some(now);
        Self { room: attempt.room.as_ref(), now }
    }
}

#[cfg(test)]
mod tests {
    use strum::{EnumMessage as _, IntoEnumIterator as _};

    use super::*;

    #[test]
    fn the_protocol_lists_each_kind_once_and_the_page_has_words_for_it() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/protocol.md");
        let text = std::fs::read_to_string(file).unwrap();
        let table = text.split("| kind | asked when |").nth(1).unwrap();
        let rows =
            table.lines().skip(2).map_while(|row| row.strip_prefix("| `")?.split('`').next());
        let known = Kind::iter().filter(|kind| *kind != Kind::Unknown).map(Kind::name);
        assert_eq!(rows.collect::<Vec<_>>(), known.collect::<Vec<_>>());
        let page = include_str!("../http/www/entry.js");
        for kind in Kind::iter() {
            assert!(kind == Kind::Unknown || page.contains(&format!(" {}: '", kind.name())));
            assert_eq!(kind.name().parse(), Ok(kind));
            assert!(kind.get_message().is_some(), "{kind:?}");
        }
    }
    #[test]
    fn a_feature_is_written_down_under_its_own_name() {
        for (written, feature) in [
            (r#"{"record":{"stops":true}}"#, Feature::Record { stops: true }),
            (r#""dial""#, Feature::Dial),
            (r#"{"breakout":{"stops":false}}"#, Feature::Breakout { stops: false }),
        ] {
            let action: Action = serde_json::from_str(written).unwrap();
            assert_eq!(action, Action::Feature(feature));
            assert_eq!(serde_json::to_string(&action).unwrap(), written);
        }
        for unknown in [r#""record""#, r#""nothing""#, r#"{"record":{"stops":true,"more":1}}"#] {
            serde_json::from_str::<Action>(unknown).unwrap_err();
        }
        for feature in Feature::iter() {
            assert_eq!(Feature::read(feature.kind().name(), feature.stops()), Some(feature));
        }
    }
}
