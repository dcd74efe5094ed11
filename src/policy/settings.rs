//! What may be changed of a room's settings, by whom and within which bounds.

use std::collections::BTreeSet;

use super::attempt::Auth;
use super::decide::Case;
use super::denial::Denial;
use super::moderators::{self, require};
use super::set::Set;
use super::setting::{Setting, To};
use super::verdict::{Opinion, Rule};
use super::who::Who;

/// Who may change the subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SubjectBy {
    /// Whom the room itself lets: moderators, and participants where the room is set so.
    #[default]
    Room,
    /// Nobody else than these.
    Only(Who),
}

impl SubjectBy {
    /// Every value.
    pub const ALL: [Self; 4] = [
        Self::Room,
        Self::Only(Who::Moderator),
        Self::Only(Who::Operator),
        Self::Only(Who::Nobody),
    ];

    /// The name in the file.
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
    /// Any of these.
    Only(Who),
    /// Whomever the room service lets. No word in the file: it is what remains of a rule that is off.
    Anybody,
}

impl PersistentBy {
    /// Every value of the file.
    pub const ALL: [Self; 4] = [
        Self::Account,
        Self::Only(Who::Moderator),
        Self::Only(Who::Operator),
        Self::Only(Who::Nobody),
    ];

    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Only(who) => who.name(),
            Self::Anybody => Who::Anybody.name(),
        }
    }
}

/// The rules on settings: who may change each, and to what. A bound of 0 is none, an empty list allows all.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The name.
    pub name: Set<Who>,
    /// Its greatest length, in characters.
    pub name_length: Set<u32>,
    /// The description.
    pub description: Set<Who>,
    /// Its greatest length, in characters.
    pub description_length: Set<u32>,
    /// The subject.
    pub subject: Set<SubjectBy>,
    /// Its greatest length, in characters.
    pub subject_length: Set<u32>,
    /// Whether participants may change the subject.
    pub subject_change: Set<Who>,
    /// The language.
    pub language: Set<Who>,
    /// The languages to choose from, as BCP 47 tags in lower case.
    pub languages: Set<BTreeSet<String>>,
    /// Whether only those with voice may speak.
    pub moderated: Set<Who>,
    /// Who sees the addresses of those inside.
    pub whois: Set<Who>,
    /// The choices for that: `moderators`, `anyone`.
    pub whois_choices: Set<BTreeSet<String>>,
    /// How many messages newcomers are shown.
    pub history: Set<Who>,
    /// The most messages.
    pub history_max: Set<u32>,
    /// Whether members may invite.
    pub member_invites: Set<Who>,
    /// Who may write private messages.
    pub private_messages: Set<Who>,
    /// The choices for that: `anyone`, `participants`, `members`, `moderators`, `none`.
    pub private_message_choices: Set<BTreeSet<String>>,
    /// Whose presence is shown.
    pub presence: Set<Who>,
    /// Whether the conversation is kept.
    pub archive: Set<Who>,
    /// How many may be inside.
    pub max_occupants: Set<Who>,
    /// At least.
    pub max_occupants_least: Set<u32>,
    /// At most.
    pub max_occupants_most: Set<u32>,
    /// Whether the room outlives its last occupant.
    pub persistent: Set<PersistentBy>,
    /// Every field that has no key here.
    pub other: Set<Who>,
}

/// Judges a change of whether the room outlives its last occupant.
pub(super) fn persistent(case: &Case<'_>) -> Opinion {
    let persistent = case.rules.settings.persistent;
    let rule = Rule::new("settings.persistent", persistent.line);
    let has_account = case.identity.auth == Auth::Account || case.identity.account.is_some();
    let may = match persistent.value {
        PersistentBy::Anybody => true,
        PersistentBy::Only(by) => moderators::may(case, by),
        PersistentBy::Account => {
            moderators::may(case, Who::Operator)
                || (has_account && moderators::may(case, Who::Moderator))
        }
    };
    if may { Opinion::allow(rule) } else { Opinion::deny(rule, Denial::PersistenceLocked) }
}

/// Judges a change of a setting.
pub(super) fn change(case: &Case<'_>, setting: Setting, to: &To) -> Option<Opinion> {
    let by = by(case, setting).filter(|opinion| opinion.denial.is_some());
    by.or_else(|| beyond(case, setting, to).map(|(rule, denial)| Opinion::deny(rule, denial)))
}

/// Whether it is the requester's to change.
fn by(case: &Case<'_>, setting: Setting) -> Option<Opinion> {
    let rules = &case.rules.settings;
    let denial = Denial::SettingLocked(setting);
    Some(match setting {
        Setting::Name => require(case, "settings.name", rules.name, denial),
        Setting::Description => require(case, "settings.description", rules.description, denial),
        Setting::Language => require(case, "settings.language", rules.language, denial),
        Setting::Subject => match rules.subject.value {
            SubjectBy::Room => return None,
            SubjectBy::Only(who) => {
                require(case, "settings.subject", Set::at(who, rules.subject.line), denial)
            }
        },
        Setting::SubjectChange => {
            require(case, "settings.subject_change", rules.subject_change, denial)
        }
        Setting::Moderated => require(case, "settings.moderated", rules.moderated, denial),
        Setting::Whois => require(case, "settings.whois", rules.whois, denial),
        Setting::History => require(case, "settings.history", rules.history, denial),
        Setting::MemberInvites => {
            require(case, "settings.member_invites", rules.member_invites, denial)
        }
        Setting::PrivateMessages => {
            require(case, "settings.private_messages", rules.private_messages, denial)
        }
        Setting::Presence => require(case, "settings.presence", rules.presence, denial),
        Setting::Archive => require(case, "settings.archive", rules.archive, denial),
        Setting::MaxOccupants => {
            require(case, "settings.max_occupants", rules.max_occupants, denial)
        }
        Setting::Other => require(case, "settings.other", rules.other, denial),
    })
}

/// The bound that the value is beyond, if it is. They bind whoever changes it: nobody is above a bound.
fn beyond(case: &Case<'_>, setting: Setting, to: &To) -> Option<(Rule, Denial)> {
    let rules = &case.rules.settings;
    let length = |rule: Rule, most: u32, length: u32| {
        let denial = Denial::SettingTooLong { setting, most };
        (most > 0 && length > most).then_some((rule, denial))
    };
    let choice = |rule: Rule, choices: &BTreeSet<String>, is_one: bool| {
        (!choices.is_empty() && !is_one).then_some((rule, Denial::SettingChoice(setting)))
    };
    match (setting, to) {
        (Setting::Name, To::Text(characters)) => {
            let most = rules.name_length;
            length(Rule::new("settings.name_length", most.line), most.value, *characters)
        }
        (Setting::Description, To::Text(characters)) => {
            let most = rules.description_length;
            length(Rule::new("settings.description_length", most.line), most.value, *characters)
        }
        (Setting::Subject, To::Text(characters)) => {
            let most = rules.subject_length;
            length(Rule::new("settings.subject_length", most.line), most.value, *characters)
        }
        (Setting::History, To::Number(number)) => {
            let most = rules.history_max;
            let rule = Rule::new("settings.history_max", most.line);
            let denial = Denial::SettingTooHigh { setting, most: most.value };
            let is_more = number.is_none_or(|number| number > most.value);
            (most.value > 0 && is_more).then_some((rule, denial))
        }
        (Setting::MaxOccupants, To::Number(number)) => {
            let (least, most) = (rules.max_occupants_least, rules.max_occupants_most);
            if most.value > 0 && number.is_none_or(|number| number > most.value) {
                let rule = Rule::new("settings.max_occupants_most", most.line);
                Some((rule, Denial::SettingTooHigh { setting, most: most.value }))
            } else if number.is_some_and(|number| number < least.value) {
                let rule = Rule::new("settings.max_occupants_least", least.line);
                Some((rule, Denial::SettingTooLow { setting, least: least.value }))
            } else {
                None
            }
        }
        (Setting::Language, To::Word(word)) => {
            let choices = &rules.languages;
            let is_one = choices.value.iter().any(|choice| is_that_language(word, choice));
            choice(Rule::new("settings.languages", choices.line), &choices.value, is_one)
        }
        (Setting::Whois, To::Word(word)) => {
            let choices = &rules.whois_choices;
            let is_one = choices.value.contains(word);
            choice(Rule::new("settings.whois_choices", choices.line), &choices.value, is_one)
        }
        (Setting::PrivateMessages, To::Word(word)) => {
            let choices = &rules.private_message_choices;
            let is_one = choices.value.contains(word);
            let rule = Rule::new("settings.private_message_choices", choices.line);
            choice(rule, &choices.value, is_one)
        }
        _ => None,
    }
}

/// `de-ch` is `de` (RFC 4647 §3.3.1, basic filtering); both in lower case.
pub fn is_that_language(tag: &str, range: &str) -> bool {
    tag.strip_prefix(range).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}
