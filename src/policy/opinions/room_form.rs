//! Opinions on the configuration form: what moderators may set there.

use std::collections::BTreeSet;

use super::moderators::{may, require};
use super::{limits, lobby, moderators};
use crate::policy::attempt::{Auth, FieldChange};
use crate::policy::context::{Case, Strongest};
use crate::policy::denial::Denial;
use crate::policy::form_field::{FormField, To};
use crate::policy::notice::Notice;
use crate::policy::record::Source;
use crate::policy::rules::access::Persistence;
use crate::policy::rules::kinds::Who;
use crate::policy::rules::room_form::{PersistentBy, SubjectBy, is_that_language};
use crate::policy::verdict::{Audience, Effects, Opinion, Rule};

/// Judges a change of whether the room outlives its last occupant.
pub(in crate::policy) fn persistent(case: &Case<'_>) -> Opinion {
    let persistent = case.rules.settings.persistent;
    let rule = persistent.rule();
    let has_account = case.identity.auth == Auth::Account || case.identity.account.is_some();
    let may = match persistent.value {
        PersistentBy::Anybody => true,
        PersistentBy::Only(by) => may(case, by),
        PersistentBy::Account => {
            may(case, Who::Operator) || (has_account && may(case, Who::Moderator))
        }
    };
    if may { Opinion::allow(rule) } else { Opinion::deny(rule, Denial::PersistenceLocked) }
}

/// Judges a change of a setting: whether the requester may make it, and whether the value is within its bounds.
pub(in crate::policy) fn change(case: &Case<'_>, setting: FormField, to: &To) -> Option<Opinion> {
    let by = by(case, setting).filter(|opinion| opinion.denial.is_some());
    by.or_else(|| beyond(case, setting, to).map(|(rule, denial)| Opinion::deny(rule, denial)))
}

/// Judges whether the requester may change the setting; `None`: that is left to the room.
fn by(case: &Case<'_>, setting: FormField) -> Option<Opinion> {
    let rules = &case.rules.settings;
    let denial = Denial::SettingLocked(setting);
    Some(match setting {
        FormField::Name => require(case, &rules.name, denial),
        FormField::Description => require(case, &rules.description, denial),
        FormField::Language => require(case, &rules.language, denial),
        FormField::Subject => match rules.subject.value {
            SubjectBy::Room => return None,
            SubjectBy::Only(who) => require(case, &rules.subject.with(who), denial),
        },
        FormField::SubjectChange => require(case, &rules.subject_change, denial),
        FormField::Moderated => require(case, &rules.moderated, denial),
        FormField::Whois => require(case, &rules.whois, denial),
        FormField::History => require(case, &rules.history, denial),
        FormField::MemberInvites => require(case, &rules.member_invites, denial),
        FormField::PrivateMessages => require(case, &rules.private_messages, denial),
        FormField::Presence => require(case, &rules.presence, denial),
        FormField::Archive => require(case, &rules.archive, denial),
        FormField::MaxOccupants => require(case, &rules.max_occupants, denial),
        FormField::Other => require(case, &rules.other, denial),
    })
}

/// Returns the bound that a value exceeds, if any. Bounds hold for everybody, operators included.
fn beyond(case: &Case<'_>, setting: FormField, to: &To) -> Option<(Rule, Denial)> {
    let rules = &case.rules.settings;
    let length = |rule: Rule, most: u32, length: u32| {
        let denial = Denial::SettingTooLong { setting, most };
        (most > 0 && length > most).then_some((rule, denial))
    };
    let choice = |rule: Rule, choices: &BTreeSet<String>, is_one: bool| {
        (!choices.is_empty() && !is_one).then_some((rule, Denial::SettingChoice(setting)))
    };
    match (setting, to) {
        (FormField::Name, To::Text(characters)) => {
            let most = rules.name_length;
            length(most.rule(), most.value, *characters)
        }
        (FormField::Description, To::Text(characters)) => {
            let most = rules.description_length;
            length(most.rule(), most.value, *characters)
        }
        (FormField::Subject, To::Text(characters)) => {
            let most = rules.subject_length;
            length(most.rule(), most.value, *characters)
        }
        (FormField::History, To::Number(number)) => {
            let most = rules.history_max;
            let rule = most.rule();
            let denial = Denial::SettingTooHigh { setting, most: most.value };
            let is_more = number.is_none_or(|number| number > most.value);
            (most.value > 0 && is_more).then_some((rule, denial))
        }
        (FormField::MaxOccupants, To::Number(number)) => {
            let (least, most) = (rules.max_occupants_min, rules.max_occupants_max);
            if most.value > 0 && number.is_none_or(|number| number > most.value) {
                let rule = most.rule();
                Some((rule, Denial::SettingTooHigh { setting, most: most.value }))
            } else if number.is_some_and(|number| number < least.value) {
                let rule = least.rule();
                Some((rule, Denial::SettingTooLow { setting, least: least.value }))
            } else {
                None
            }
        }
        (FormField::Language, To::Word(word)) => {
            let choices = &rules.languages;
            let is_one = choices.value.iter().any(|choice| is_that_language(word, choice));
            choice(choices.rule(), &choices.value, is_one)
        }
        (FormField::Whois, To::Word(word)) => {
            let choices = &rules.whois_choices;
            let is_one = choices.value.contains(word);
            choice(choices.rule(), &choices.value, is_one)
        }
        (FormField::PrivateMessages, To::Word(word)) => {
            let choices = &rules.private_message_choices;
            let is_one = choices.value.contains(word);
            let rule = choices.rule();
            choice(rule, &choices.value, is_one)
        }
        _ => None,
    }
}

/// Judges every field; one that is denied denies the whole form.
pub(in crate::policy) fn judge(case: &Case<'_>, fields: &[FieldChange], strongest: &mut Strongest) {
    for field in fields {
        strongest.hear(one(case, field));
    }
}

fn one(case: &Case<'_>, field: &FieldChange) -> Option<Opinion> {
    let rules = case.rules;
    let password = &rules.password;
    match field {
        FieldChange::PasswordKept | FieldChange::Kept(_) => None,
        FieldChange::Setting(setting, to) => change(case, *setting, to),
        FieldChange::Other(_) => change(case, FormField::Other, &To::Anything),
        FieldChange::PasswordRemoved => password.required.value.then(|| {
            let rule = password.required.rule();
            Opinion::deny(rule, Denial::PasswordMandatory)
        }),
        FieldChange::PasswordSet(_) if !may(case, password.change.value) => {
            let denial = match password.change.value {
                Who::Moderator | Who::Anybody => Denial::PasswordModerators,
                Who::Operator | Who::Nobody => Denial::PasswordLocked,
            };
            Some(require(case, &password.change, denial))
        }
        FieldChange::PasswordSet(strength) if strength.code && moderators::has_code(case) => {
            Some(Opinion::deny(rules.moderators.code.rule(), Denial::PasswordIsCode))
        }
        FieldChange::PasswordSet(strength) => {
            password.weakness(*strength).map(|(rule, denial)| Opinion::deny(rule, denial))
        }
        FieldChange::MembersOnly(on) => {
            let admission = rules.lobby.admission;
            if !on && !lobby::is_members_only(case) {
                return limits::take_lobby_down(case);
            }
            (!on).then(|| Opinion::deny(admission.rule(), Denial::LobbyMandatory))
        }
        FieldChange::Public(on) => (*on && rules.access.hidden.value == Some(true)).then(|| {
            let rule = rules.access.hidden.rule();
            Opinion::deny(rule, Denial::ListingLocked)
        }),
        FieldChange::Persistent(on) => {
            let lasts = rules.access.persistent;
            let rule = lasts.rule();
            match lasts.value {
                Persistence::ByRoom => None,
                Persistence::Keep => Some(persistent(case)),
                Persistence::Always | Persistence::Never => (lasts.value.fixed() != Some(*on))
                    .then(|| Opinion::deny(rule, Denial::PersistenceLocked)),
            }
        }
    }
}

/// Adds the effects of a form that was allowed.
pub(in crate::policy) fn effects(case: &Case<'_>, fields: &[FieldChange], effects: &mut Effects) {
    // A room that becomes members-only removes all others (XEP-0045 §9.5): where the requester may not remove people,
    // the gate makes them members first.
    let closes = fields.contains(&FieldChange::MembersOnly(true)) && !case.room.members_only;
    if closes && !may(case, case.rules.moderators.remove.value) {
        effects.members_only = Some(true);
    }
    let changes = fields.iter().any(|field| matches!(field, FieldChange::PasswordSet(_)));
    if !changes {
        return;
    }
    if let Some(record) = &case.room.record {
        effects.record = Some(record.clone().with_password(Source::Creator));
    }
    if case.rules.password.show_to_moderators.value {
        effects.notices.push((Audience::Moderators, Notice::PasswordChanged));
    }
}
