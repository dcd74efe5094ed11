//! What a room is given before it opens.

use super::access::Persistence;
use super::attempt::{Action, Affiliation, Role};
use super::context::Case;
use super::denial::Denial;
use super::notice::Notice;
use super::record::{Closed, Entry, Person, Record, Source};
use super::strength::Strength;
use super::verdict::{Audience, Effects, NewPassword, Opinion};
use super::{focus, lobby, moderators, permissions};

/// Returns where the opener has to choose the password, whether they have, and a good one.
pub(super) fn password(case: &Case<'_>, typed: Option<Strength>) -> Option<Opinion> {
    let rules = &case.rules.password;
    if rules.source.value != Source::Creator {
        return None;
    }
    let rule = rules.source.rule();
    match typed {
        None if rules.required.value => Some(Opinion::prompt(rule, Denial::PasswordNeeded)),
        Some(strength) => {
            rules.weakness(strength).map(|(rule, denial)| Opinion::prompt(rule, denial))
        }
        None => None,
    }
}

/// Names the rule by which the opener will moderate, if they will.
pub(super) fn entitled(case: &Case<'_>) -> Option<Opinion> {
    moderators::entitlement(case).map(Opinion::allow)
}

/// The presets: in place before the first occupant is.
pub(super) fn effects(case: &Case<'_>, effects: &mut Effects) {
    let rules = case.rules;
    if focus::is_health_check(case) {
        effects.record = Some(Record::new(case.now, case.jid.to_string(), None));
        effects.hidden = Some(true);
        return;
    }
    let (password, source) = new_password(case);
    effects.password = password;
    effects.members_only = (!rules.lobby.by_room).then(|| lobby::is_members_only(case));
    effects.lobby = lobby::has_own(case).then_some(true);
    effects.hidden = rules.access.hidden.value;
    effects.persistent = rules.access.persistent.value.preset();
    permissions::preset(case, effects);
    if case.room.exists {
        adopt(case, source, effects);
        return;
    }
    let mut record = Record::new(case.now, case.jid.to_string(), source);
    record.claims = case.policy.claims_of(case.attempt, case.room, case.now).into_owned();
    if rules.close.at_occupants.value == 1 {
        record.closed = Some(Closed::Count);
    }
    if case.is_focus() {
        record = focus::await_opener(record, case);
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
    if (moderates || rules.moderators.by_room) && is_news && rules.password.show_to_moderators.value
    {
        effects.notices.push((Audience::RequesterJoined, Notice::Password));
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

/// What a room is given that was there. What it has of its own and is stricter stays.
fn adopt(case: &Case<'_>, source: Option<Source>, effects: &mut Effects) {
    let persistent = case.rules.access.persistent.value;
    effects.members_only = effects.members_only.filter(|on| *on);
    effects.hidden = effects.hidden.filter(|on| *on);
    let found = case.room.is_found();
    // What was stored before is there until the meeting has ended.
    effects.persistent = persistent.fixed().filter(|lasts| *lasts || !found);
    effects.keep = found.then_some(persistent != Persistence::Never);
    // The first who joins is no opener: people may be inside, and another person may own it.
    let record = Record::new(case.now, String::new(), source);
    effects.record = Some(Record { found, ..record });
}

fn new_password(case: &Case<'_>) -> (Option<NewPassword>, Option<Source>) {
    let rules = &case.rules.password;
    if case.room.exists && case.room.has_password {
        return (None, Some(Source::Creator));
    }
    // What a stranger types at a room that was there before was judged by nobody, and would let them in.
    let typed = !case.room.exists && matches!(case.attempt.action, Action::Open { typed: Some(_) });
    let source = match rules.source.value {
        Source::Creator if typed => return (Some(NewPassword::Typed), Some(Source::Creator)),
        // Nobody is there to be asked: a room that was there before, or opened by a service.
        Source::Creator => Source::Generated,
        source @ (Source::Generated | Source::Derived | Source::Preset) => source,
    };
    if rules.required.value {
        (Some(NewPassword::Made(source)), Some(source))
    } else {
        (None, None)
    }
}
