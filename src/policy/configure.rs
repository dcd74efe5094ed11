//! What may be changed in a room's configuration.

use super::access::Persistence;
use super::attempt::FieldChange;
use super::context::{Case, Strongest};
use super::denial::Denial;
use super::form_field::{FormField, To};
use super::moderators::{may, require};
use super::notice::Notice;
use super::record::Source;
use super::room_form;
use super::verdict::{Audience, Effects, Opinion};
use super::{lobby, wave};

/// Judges every field; one that may not be changed refuses the whole form.
pub(super) fn judge(case: &Case<'_>, fields: &[FieldChange], strongest: &mut Strongest) {
    for field in fields {
        strongest.hear(one(case, field));
    }
}

fn one(case: &Case<'_>, field: &FieldChange) -> Option<Opinion> {
    let rules = case.rules;
    let password = &rules.password;
    match field {
        FieldChange::PasswordKept | FieldChange::Kept(_) => None,
        FieldChange::Setting(setting, to) => room_form::change(case, *setting, to),
        FieldChange::Other(_) => room_form::change(case, FormField::Other, &To::Anything),
        FieldChange::PasswordRemoved => password.required.value.then(|| {
            let rule = password.required.rule();
            Opinion::deny(rule, Denial::PasswordMandatory)
        }),
        FieldChange::PasswordSet(_) if !may(case, password.change.value) => {
            Some(require(case, &password.change, Denial::PasswordLocked))
        }
        FieldChange::PasswordSet(strength) => {
            password.weakness(*strength).map(|(rule, denial)| Opinion::deny(rule, denial))
        }
        FieldChange::MembersOnly(on) => {
            let admission = rules.lobby.admission;
            if !on && !lobby::is_members_only(case) {
                return wave::take_lobby_down(case);
            }
            (!on).then(|| Opinion::deny(admission.rule(), Denial::LobbyMandatory))
        }
        FieldChange::Public(on) => (*on && rules.access.hidden.value == Some(true)).then(|| {
            let rule = rules.access.hidden.rule();
            Opinion::deny(rule, Denial::ListingLocked)
        }),
        FieldChange::Persistent(on) => {
            let persistent = rules.access.persistent;
            let rule = persistent.rule();
            match persistent.value {
                Persistence::ByRoom => None,
                Persistence::Keep => Some(room_form::persistent(case)),
                Persistence::Always | Persistence::Never => (persistent.value.fixed() != Some(*on))
                    .then(|| Opinion::deny(rule, Denial::PersistenceLocked)),
            }
        }
    }
}

/// What follows from a form that was allowed.
pub(super) fn effects(case: &Case<'_>, fields: &[FieldChange], effects: &mut Effects) {
    // A room that is for members from now on removes all others (XEP-0045 §9.5): of a person who may not remove
    // people, the gate makes them members before.
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
