//! Effects of a join that was allowed.

use super::lobby::{knew_password, password_now};
use super::{access, close, found, limits, moderators, permissions, suspended};
use crate::policy::attempt::{Affiliation, Credential, Role};
use crate::policy::context::Case;
use crate::policy::record::{Entry, Person, Record};
use crate::policy::verdict::{Audience, Effects};

/// Adds the effects of a join that was allowed: affiliation, role, notices, permissions and records.
pub(in crate::policy) fn enter(case: &Case<'_>, credential: Credential, effects: &mut Effects) {
    let rules = case.rules;
    if case.is_service() {
        return;
    }
    let moderates = moderators::moderates(case).is_some();
    if case.room.is_found() {
        found::seat(case, moderates, effects);
    } else if moderates && !rules.moderators.by_room {
        effects.affiliation = Some(Affiliation::Owner);
        effects.role = Some(Role::Moderator);
    } else if let Some(suspended) = case.who.person.as_ref().and_then(|person| person.suspended) {
        effects.affiliation = Some(suspended);
    } else if case.room.members_only
        && case.who.affiliation < Affiliation::Member
        && !rules.lobby.by_room
    {
        effects.affiliation = Some(Affiliation::Member);
        effects.role = Some(Role::Participant);
    }
    if moderates && rules.password.show_to_moderators.value {
        let notice = moderators::secrets(case.room.has_password, moderators::has_code(case));
        effects.notices.extend(notice.map(|notice| (Audience::RequesterJoined, notice)));
    }
    permissions::entered(case, moderates, effects);
    suspended::entered(case, effects);
    let takes_the_place = moderates && access::takes_the_place(case);
    // The opener may have come back with another address before they were in for the first time.
    let opened = case.who.person.as_ref().is_some_and(|person| person.entry == Some(Entry::Opened));
    let is_opener = |record: &Record| opened || record.opener == case.jid.as_str();
    let is_awaited =
        |record: &&Record| record.awaited.is_some() && (takes_the_place || is_opener(record));
    if let Some(record) = case.room.record.as_ref().filter(is_awaited) {
        let opener = case.jid.into();
        let claims = if takes_the_place {
            case.policy.claims_by(case.who, case.place)
        } else {
            record.claims.clone()
        };
        effects.record = Some(Record { opener, claims, awaited: None, ..record.clone() });
    }
    let before = case.who.person.as_ref();
    let knows = credential == Credential::Right || knew_password(case);
    let proves = credential == Credential::Right;
    let password =
        if proves { password_now(case) } else { before.map_or(0, |person| person.password) };
    let admitted = before.is_some_and(|p| p.is_admitted());
    let entry = match (before.and_then(|p| p.entry), knows, admitted) {
        _ if takes_the_place => Entry::Opened,
        (Some(Entry::Opened), _, _) => Entry::Opened,
        (_, true, true) => Entry::Both,
        (_, true, false) => Entry::Password,
        (_, false, _) => Entry::Admitted,
    };
    let by_code = moderates && moderators::entitlement(case).is_none();
    let after = Person::entered(entry)
        .as_moderator(moderates && !found::moderates(case))
        .as_by_file(moderates && moderators::is_by_file(case))
        .with_password(password)
        .with_code(by_code || before.is_some_and(|person| person.code))
        .known_as(before);
    if before != Some(&after) {
        effects.people.push((case.jid.clone(), Some(after)));
    }
    if case.who.changes {
        // They were told and counted when they came.
        effects.notices.clear();
        return;
    }
    limits::enter(case, effects);
    close::count(case, effects);
}
