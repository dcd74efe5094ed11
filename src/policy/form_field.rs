//! Settings of a room in its configuration form (XEP-0045 §10.2), without those that other
//! families govern: password, members only, listing, persistence.

use serde::{Deserialize, Serialize};

names! {
    /// A setting of a room, whatever its field is called in the form.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum FormField {
        /// The room's name.
        Name = "name",
        /// The room's description.
        Description = "description",
        /// The room's language.
        Language = "language",
        /// The room's subject (XEP-0045 §8.1): no field of the form, but a message.
        Subject = "subject",
        /// Whether participants may change the subject.
        SubjectChange = "subject_change",
        /// Whether only those with voice may speak.
        Moderated = "moderated",
        /// Who sees the addresses of people inside.
        Whois = "whois",
        /// How many messages newcomers are shown.
        History = "history",
        /// Whether members may invite.
        MemberInvites = "member_invites",
        /// Who may write private messages.
        PrivateMessages = "private_messages",
        /// Whose presence is shown.
        Presence = "presence",
        /// Whether the conversation is archived.
        Archive = "archive",
        /// Greatest number of occupants.
        MaxOccupants = "max_occupants",
        /// Any other setting.
        Other = "other",
    }
}

/// New value of a setting, as far as a rule may look at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum To {
    /// Length of a text, in characters.
    Text(u32),
    /// A number; `None`: unlimited, or not a number.
    Number(Option<u32>),
    /// A word of a list, in lower case.
    Word(String),
    /// A switch, on or off.
    Flag(bool),
    /// A value that no rule looks at.
    Anything,
}

/// Kind of value that a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Word,
    Flag,
    Anything,
}

/// Fields of the form, with the setting of each, by XEP-0045 §10.2 and §15.5.4, and as Prosody names them.
const FIELDS: [(&str, FormField, Kind); 20] = [
    ("muc#roomconfig_roomname", FormField::Name, Kind::Text),
    ("muc#roomconfig_roomdesc", FormField::Description, Kind::Text),
    ("muc#roomconfig_lang", FormField::Language, Kind::Word),
    (FormField::SUBJECT_FIELD, FormField::Subject, Kind::Text),
    ("muc#roominfo_subject", FormField::Subject, Kind::Text),
    ("muc#roomconfig_changesubject", FormField::SubjectChange, Kind::Flag),
    ("muc#roominfo_subjectmod", FormField::SubjectChange, Kind::Flag),
    ("muc#roomconfig_moderatedroom", FormField::Moderated, Kind::Flag),
    ("muc#roomconfig_whois", FormField::Whois, Kind::Word),
    ("muc#roomconfig_historylength", FormField::History, Kind::Number),
    ("muc#roomconfig_defaulthistorymessages", FormField::History, Kind::Number),
    ("muc#maxhistoryfetch", FormField::History, Kind::Number),
    ("muc#roomconfig_allowinvites", FormField::MemberInvites, Kind::Flag),
    (
        "{http://prosody.im/protocol/muc}roomconfig_allowmemberinvites",
        FormField::MemberInvites,
        Kind::Flag,
    ),
    ("muc#roomconfig_allowpm", FormField::PrivateMessages, Kind::Word),
    ("{xmpp:prosody.im}muc#allow_modpm", FormField::PrivateMessages, Kind::Flag),
    ("muc#roomconfig_presencebroadcast", FormField::Presence, Kind::Anything),
    ("muc#roomconfig_enablelogging", FormField::Archive, Kind::Flag),
    ("muc#roomconfig_enablearchiving", FormField::Archive, Kind::Flag),
    ("muc#roomconfig_maxusers", FormField::MaxOccupants, Kind::Number),
];

/// Words of servers for the values that XEP-0045 §15.5.4 gives to `muc#roomconfig_allowpm`.
const SAME_WORDS: [(&str, &str); 5] = [
    ("visitor", "anyone"),
    ("everyone", "anyone"),
    ("participant", "participants"),
    ("moderator", "moderators"),
    ("affiliated", "members"),
];

impl FormField {
    /// Name under which a gate asks about the subject.
    pub const SUBJECT_FIELD: &str = "subject";

    /// Returns the setting that a form field stands for, and what this value means; `None` for an unknown field.
    pub fn of_field(var: &str, value: &str) -> Option<(Self, To)> {
        let (_, setting, kind) = FIELDS.iter().find(|(name, ..)| *name == var)?;
        let to = match kind {
            Kind::Text => To::Text(u32::try_from(value.chars().count()).unwrap_or(u32::MAX)),
            // A maximum of 0 means that there is none; a history of 0 means no messages.
            Kind::Number if *setting == Self::MaxOccupants => {
                To::Number(value.trim().parse().ok().filter(|number| *number > 0))
            }
            Kind::Number => To::Number(value.trim().parse().ok()),
            Kind::Word => {
                let word = value.trim().to_lowercase();
                let same = SAME_WORDS.iter().find(|(other, _)| *other == word);
                To::Word(same.map_or(word, |(_, same)| (*same).to_owned()))
            }
            Kind::Flag => To::Flag(matches!(value.trim(), "1" | "true")),
            Kind::Anything => To::Anything,
        };
        Some((*setting, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_as_a_room_reads_it() {
        let of = |var: &str, value: &str| FormField::of_field(var, value).map(|(_, to)| to);
        assert_eq!(of("muc#roomconfig_roomname", "Täglich"), Some(To::Text(7)));
        assert_eq!(of("muc#roomconfig_roomname", &"x".repeat(4096)), Some(To::Text(4096)));
        assert_eq!(of("muc#roomconfig_historylength", "20"), Some(To::Number(Some(20))));
        assert_eq!(of("muc#roomconfig_historylength", "-1"), Some(To::Number(None)));
        assert_eq!(of("muc#roomconfig_maxusers", "none"), Some(To::Number(None)));
        assert_eq!(of("muc#roomconfig_maxusers", "0"), Some(To::Number(None)));
        assert_eq!(of("muc#roomconfig_maxusers", "1"), Some(To::Number(Some(1))));
        assert_eq!(of("muc#roomconfig_historylength", "0"), Some(To::Number(Some(0))));
        assert_eq!(of("muc#roomconfig_allowpm", "visitor"), Some(To::Word("anyone".to_owned())));
        assert_eq!(of("muc#roomconfig_allowpm", " Nobody"), Some(To::Word("nobody".to_owned())));
        assert_eq!(of("x", "y"), None);
    }
}
