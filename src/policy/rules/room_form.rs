//! Rules on the configuration form: what may be changed of a room's settings, by whom and within which bounds.

use std::collections::BTreeSet;

use serde_json::json;

use super::family::family;
use super::kinds::{Who, words_in_list};
use crate::setting::kind::{list, some_text, whole, word};
use crate::setting::{Item, Kind, values};

/// Who may change the subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SubjectBy {
    /// People whom the room itself lets: moderators, and participants where the room is set so.
    #[default]
    Room,
    /// Only these people.
    Only(Who),
}

impl SubjectBy {
    /// Every value that the file may have.
    pub const ALL: [Self; 4] = [
        Self::Room,
        Self::Only(Who::Moderator),
        Self::Only(Who::Operator),
        Self::Only(Who::Nobody),
    ];

    /// Returns the name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::Only(who) => who.name(),
        }
    }
}

/// Who may have a room outlive its last occupant, or no longer, where `access.persistent` leaves that open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PersistentBy {
    /// Moderators who have an account on this server, and operators.
    #[default]
    Account,
    /// Only these people.
    Only(Who),
    /// Anyone whom the room service lets. No word in the file: it is what remains of a rule that is off.
    Anybody,
}

impl PersistentBy {
    /// Every value that the file may have.
    pub const ALL: [Self; 4] = [
        Self::Account,
        Self::Only(Who::Moderator),
        Self::Only(Who::Operator),
        Self::Only(Who::Nobody),
    ];

    /// Returns the name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Only(who) => who.name(),
            Self::Anybody => Who::Anybody.name(),
        }
    }
}

family! {
    /// The rules on the configuration form: who may change each field, and to what. A bound of 0 is none, an empty list allows all.
    "settings" [r#"Who may change the settings of a room: "moderator", "operator" or "nobody". The password, the lobby, listing and"#, "persistence have their rules above. Bounds hold for everybody who changes a setting; 0 is no bound."]: RoomForm {
        /// Who may change the name of the room.
        name: Who = Who::Moderator, word(),
            rule "Who may change the room's name."
            [off Who::Anybody];
        /// Greatest length of the name, in characters.
        name_length: u32 = 0, whole(0..=LONGEST),
            rule "The name is too long."
            [off 0];
        /// Who may change the description.
        description: Who = Who::Moderator, word(),
            rule "Who may change the description."
            [off Who::Anybody];
        /// Greatest length of the description, in characters.
        description_length: u32 = 0, whole(0..=LONGEST),
            rule "The description is too long."
            [off 0];
        /// Who may change the subject; "room": anyone whom the room itself lets, participants too where it is set so.
        subject: SubjectBy = SubjectBy::Room, word(),
            rule "Who may change the subject, in addition to what the room itself says."
            [off SubjectBy::Room];
        /// Greatest length of the subject, in characters.
        subject_length: u32 = 0, whole(0..=LONGEST),
            rule "The subject is too long."
            [off 0];
        /// Who may change whether participants may change the subject.
        subject_change: Who = Who::Moderator, word(),
            rule "Who may change whether participants change the subject."
            [off Who::Anybody];
        /// Who may change the language of the room.
        language: Who = Who::Moderator, word(),
            rule "Who may change the room's language."
            [off Who::Anybody];
        /// Languages to choose from, like "de" (which is "de-CH" too); none: any.
        languages: BTreeSet<String> = BTreeSet::new(), languages(),
            rule "The room's language is none of these."
            [off BTreeSet::new()];
        /// Who may change whether only those with voice may speak.
        moderated: Who = Who::Moderator, word(),
            rule "Who may change whether only those with voice speak."
            [off Who::Anybody];
        /// Who may change who sees the addresses of people inside.
        whois: Who = Who::Moderator, word(),
            rule "Who may change who sees addresses."
            [off Who::Anybody];
        /// Choices for that, "moderators" or "anyone"; none: any.
        whois_choices: BTreeSet<String> = BTreeSet::new(), choices(&WHOIS),
            rule "That choice is not to be had here."
            [off BTreeSet::new()];
        /// Who may change how much newcomers see of what was said before.
        history: Who = Who::Moderator, word(),
            rule "Who may change how much newcomers are shown."
            [off Who::Anybody];
        /// Most messages that newcomers may be shown, up to 1000 (0: 1000).
        history_max: u32 = 0, whole(0..=LONGEST_HISTORY),
            rule "So many messages are not shown here."
            [off 0];
        /// Who may change whether members may invite.
        member_invites: Who = Who::Moderator, word(),
            rule "Who may change whether members invite."
            [off Who::Anybody];
        /// Who may change who writes private messages.
        private_messages: Who = Who::Moderator, word(),
            rule "Who may change who writes private messages."
            [off Who::Anybody];
        /// Choices for that, "anyone", "participants", "members", "moderators" or "none"; none: any.
        private_message_choices: BTreeSet<String> = BTreeSet::new(), choices(&PRIVATE_MESSAGES),
            rule "That choice is not to be had here."
            [off BTreeSet::new()];
        /// Who may change whose presence is shown.
        presence: Who = Who::Moderator, word(),
            rule "Who may change whose presence is shown."
            [off Who::Anybody];
        /// Who may change whether the conversation is archived.
        archive: Who = Who::Moderator, word(),
            rule "Who may change whether the conversation is kept."
            [off Who::Anybody];
        /// Who may change how many people may be inside, where the room service has such a setting.
        max_occupants: Who = Who::Moderator, word(),
            rule "Who may change how many may be inside."
            [off Who::Anybody];
        /// Least number that they may set ...
        max_occupants_min: u32 = 0, whole(0..=1_000_000),
            rule "A moderator may not set fewer."
            [off 0];
        /// ... and the greatest.
        max_occupants_max: u32 = 0, whole(0..=1_000_000),
            rule "A moderator may not set more."
            [off 0];
        /// Who may change whether the room outlives its last occupant, where [policy.access] leaves that open: "account"
        /// (moderators who have an account on this server), or as above.
        persistent: PersistentBy = PersistentBy::Account, word(),
            rule r#"Who may have a room outlive its last occupant, or no longer, where `access.persistent` is `"keep"`."#
            [off PersistentBy::Anybody];
        /// Who may change any other field of the configuration form.
        other: Who = Who::Moderator, word(),
            rule "Who may change any other field of the configuration form."
            [off Who::Anybody];
    }
}

/// Greatest bound on the length of a text, in characters.
const LONGEST: u32 = 1000;
/// The most messages of history, whatever the file says: a gate refuses a form that asks for more.
const LONGEST_HISTORY: u32 = 1000;
/// The choices of XEP-0045 §15.5.4 for `muc#roomconfig_whois`.
static WHOIS: [&str; 2] = ["moderators", "anyone"];
/// Choices of XEP-0045 §15.5.4 for `muc#roomconfig_allowpm`, and those that Prosody has in addition.
static PRIVATE_MESSAGES: [&str; 5] = ["anyone", "participants", "members", "moderators", "none"];

/// Reads a list of some of these words.
fn choices(all: &'static [&'static str]) -> Kind<BTreeSet<String>> {
    let read = move |item: &Item<'_>| {
        let words = values::list(values::word(all, |word| word))(item)?;
        Ok(words.into_iter().map(str::to_owned).collect())
    };
    let write = |words: &BTreeSet<String>| words_in_list(words.iter().map(String::as_str));
    Kind::new(read, write, json!({ "type": "array", "items": { "enum": all } }))
}

/// Reads language tags, in lower case.
fn languages() -> Kind<BTreeSet<String>> {
    list(some_text()).map(
        |tags| tags.iter().map(|tag| tag.to_lowercase()).collect(),
        |tags: &BTreeSet<String>| tags.iter().cloned().collect(),
    )
}

/// Returns whether a tag is in a range, like `de-ch` in `de` (RFC 4647 §3.3.1, basic filtering); both in lower case.
pub fn is_that_language(tag: &str, range: &str) -> bool {
    tag.strip_prefix(range).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}
