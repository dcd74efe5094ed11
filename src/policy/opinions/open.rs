//! Opinions on opening a room, and what it is given before anybody is in.

use super::focus::await_opener;
use super::found::adopt;
use super::{lobby, moderators, permissions};
use crate::policy::attempt::{Action, Affiliation, Role, Strength};
use crate::policy::context::Case;
use crate::policy::denial::Denial;
use crate::policy::record::{Closed, Entry, Person, Record, Source};
use crate::policy::verdict::{Audience, Effects, NewPassword, Opinion};

/// Asks for a password, and for a good one, where the opener has to choose it.
pub(in crate::policy) fn password(case: &Case<'_>, typed: Option<Strength>) -> Option<Opinion> {
    let rules = &case.rules.password;
    if rules.source.value != Source::Creator {
        return None;
    }
    let rule = rules.source.rule();
    match typed {
        None if rules.required.value => Some(Opinion::prompt(rule, Denial::PasswordNeeded)),
        Some(strength) if strength.code && code(case).is_some() => {
            Some(Opinion::prompt(case.rules.moderators.code.rule(), Denial::PasswordIsCode))
        }
        Some(strength) => {
            rules.weakness(strength).map(|(rule, denial)| Opinion::prompt(rule, denial))
        }
        None => None,
    }
}

/// Allows the opening by the rule by which the opener will moderate, if there is one.
pub(in crate::policy) fn entitled(case: &Case<'_>) -> Option<Opinion> {
    moderators::entitlement(case).map(Opinion::allow)
}

/// Adds the presets of a new room: they are in place before the first occupant is.
pub(in crate::policy) fn effects(case: &Case<'_>, effects: &mut Effects) {
    let rules = case.rules;
    if case.is_health_check() {
        effects.record = Some(Record::new(case.now, case.jid, None));
        effects.hidden = Some(true);
        return;
    }
    let (password, source) = new_password(case);
    let code = code(case);
    effects.password = password;
    effects.code = code;
    effects.members_only = (!rules.lobby.by_room).then(|| lobby::is_members_only(case));
    effects.lobby = lobby::has_own(case).then_some(true);
    effects.hidden = rules.access.hidden.value;
    effects.persistent = rules.access.persistent.value.preset();
    permissions::preset(case, effects);
    if case.room.exists {
        adopt(case, source, effects);
        if let Some(record) = &mut effects.record {
            record.code = code;
        }
        return;
    }
    let mut record = Record::new(case.now, case.jid, source);
    record.claims = case.policy.claims_of(case.attempt, case.room, case.now).into_owned();
    record.code = code;
    if rules.close.at_occupants.value == 1 {
        record.closed = Some(Closed::Count);
    }
    if case.is_focus() {
        record = await_opener(record, case);
    }
    effects.record = Some(record);
    let moderates = moderators::entitlement(case).is_some() && !case.is_service();
    if case.is_service() {
        if let Some(opener) = case.behind().filter(|_| case.is_focus()) {
            let moderates = moderators::entitlement(&opener).is_some();
            let person = Person::entered(Entry::Opened).as_moderator(moderates);
            effects.people.push((opener.jid.clone(), Some(person)));
        }
        effects.affiliation = Some(Affiliation::Owner);
        effects.role = Some(Role::Moderator);
        return;
    }
    effects
        .people
        .push((case.jid.clone(), Some(Person::entered(Entry::Opened).as_moderator(moderates))));
    permissions::entered(case, moderates, effects);
    // The person who chose it knows it.
    let is_news = password.is_some() && password != Some(NewPassword::Typed);
    let notice = moderators::secrets(is_news, code.is_some());
    if (moderates || rules.moderators.by_room) && rules.password.show_to_moderators.value {
        effects.notices.extend(notice.map(|notice| (Audience::RequesterJoined, notice)));
    }
    if rules.moderators.by_room {
        return;
    }
    if moderates {
        effects.affiliation = Some(Affiliation::Owner);
        effects.role = Some(Role::Moderator);
    } else {
        effects.affiliation = Some(if lobby::is_members_only(case) {
            Affiliation::Member
        } else {
            Affiliation::None
        });
        effects.role = Some(Role::Participant);
    }
}

/// Returns where a new room's host code comes from; `None`: it gets none.
fn code(case: &Case<'_>) -> Option<Source> {
    let moderators = &case.rules.moderators;
    moderators.code.value.source().filter(|_| !moderators.by_room)
}

fn new_password(case: &Case<'_>) -> (Option<NewPassword>, Option<Source>) {
    let rules = &case.rules.password;
    if case.room.exists && case.room.has_password {
        return (None, Some(Source::Creator));
    }
    // What a stranger types at a room from before the policy was judged by nobody, and would let them in.
    let typed = !case.room.exists && matches!(case.attempt.action, Action::Open { typed: Some(_) });
    let source = match rules.source.value {
        Source::Creator if typed => return (Some(NewPassword::Typed), Some(Source::Creator)),
        // Nobody is there to choose one: a room from before the policy, or opened by a service.
        Source::Creator => Source::Generated,
        source @ (Source::Generated | Source::Derived | Source::Preset) => source,
    };
    if rules.required.value {
        (Some(NewPassword::Made(source)), Some(source))
    } else {
        (None, None)
    }
}
