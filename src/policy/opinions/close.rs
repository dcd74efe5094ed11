//! Opinions on whether a room takes people in: before it begins, when it is closed, outside its hours.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::moderators::{entitlement, require};
use super::{lobby, moderators, suspended};
use crate::policy::Rules;
use crate::policy::attempt::{RoomView, Word};
use crate::policy::context::Case;
use crate::policy::denial::Denial;
use crate::policy::lobby::Admission;
use crate::policy::notice::Notice;
use crate::policy::record::{Closed, Record, Source};
use crate::policy::room_name::Invitations;
use crate::policy::rules::fixed;
use crate::policy::rules::hours::{AtEnd, outside};
use crate::policy::rules::kinds::Who;
use crate::policy::rules::moderators::Become;
use crate::policy::verdict::{Audience, Effects, Opinion, Rule, Verdict};

/// The rule of a room whose record cannot be read, or not in full.
pub(in crate::policy) const RECORD: Rule = fixed::RECORD.at(0);

/// Denies a join to a room that is closed, suspended or not open yet, or sends it to the lobby.
pub(in crate::policy) fn join(case: &Case<'_>) -> Option<Opinion> {
    let close = &case.rules.close;
    let moderates = entitlement(case).is_some();
    let may_enter =
        close.may_enter.value.meets(case.classes) || (close.moderators_enter.value && moderates);
    if may_enter {
        return None;
    }
    let Some(record) = &case.room.record else {
        // An unreadable record might say that the room is closed.
        return Some(Opinion::deny(RECORD, Denial::Closed(Closed::Command)));
    };
    if let Some(suspended) = suspended::join(case) {
        return Some(suspended);
    }
    if let Some(closed) = record.closed.filter(|closed| is_in_force(case.rules, *closed)) {
        return Some(Opinion::deny(closed_by(case.rules, closed), Denial::Closed(closed)));
    }
    if after(record, close.after.value).is_some_and(|moment| case.now >= moment) {
        let rule = close.after.rule();
        return Some(Opinion::deny(rule, Denial::Closed(Closed::Time)));
    }
    let rule = hold_until(case.rules);
    let conditions = close.hold_until.value;
    if conditions.password && !case.room.has_password {
        return Some(Opinion::deny(rule, Denial::NotOpenYet));
    }
    if lobby::awaits_moderator(case) && moderators::moderates(case).is_none() {
        let knock = lobby::knock(case);
        return Some(match knock.verdict {
            Verdict::Hold => Opinion::hold(rule, Denial::NotOpenYet),
            Verdict::Deny if knock.denial == Some(Denial::NoLobby) => {
                Opinion::deny(rule, Denial::NotOpenYet)
            }
            Verdict::Allow | Verdict::Prompt | Verdict::Deny => knock,
        });
    }
    None
}

/// Denies asking the focus for a room that waits for its moderator, to people who would not moderate it: their clients
/// wait and ask again by themselves. Once the opener has come, the room itself decides at the join.
pub(in crate::policy) fn await_moderator(case: &Case<'_>) -> Option<Opinion> {
    let moderators = &case.rules.moderators;
    let waits = case.rules.close.hold_until.value.moderator && !moderators.by_room;
    let is_to_come = match &case.room.record {
        None => !case.room.exists && !moderators.assign.value.contains(&Become::Opener),
        Some(record) => record.awaited.is_some() && case.room.moderators == 0,
    };
    let is_awaited = |record: &Record| record.opener == case.jid.as_str();
    let moderates =
        entitlement(case).is_some() || case.room.record.as_ref().is_some_and(is_awaited);
    (waits && is_to_come && !moderates)
        .then(|| Opinion::deny(hold_until(case.rules), Denial::NotOpenYet))
}

/// Closes the room if the requester is the last one that it takes.
pub(in crate::policy) fn count(case: &Case<'_>, effects: &mut Effects) {
    let limit = case.rules.close.at_occupants.value;
    if limit == 0 || case.room.others().saturating_add(1) < limit {
        return;
    }
    let record = effects.record.as_ref().or(case.room.record.as_ref());
    if let Some(record) = record.filter(|record| record.closed.is_none()) {
        effects.record = Some(Record { closed: Some(Closed::Count), ..record.clone() });
        effects.notices.push((Audience::Moderators, Notice::Closed));
    }
}

/// Judges a command that was written to the room.
pub(in crate::policy) fn command(case: &Case<'_>, word: Word) -> Opinion {
    let rules = case.rules;
    match word {
        Word::Password if rules.password.show_to_moderators.value => {
            let who = rules.password.show_to_moderators.with(Who::Moderator);
            require(case, &who, Denial::MayNotKnow)
        }
        Word::Password => {
            Opinion::deny(rules.password.show_to_moderators.rule(), Denial::MayNotKnow)
        }
        Word::Invite => {
            let who = rules.password.show_to_moderators.with(Who::Moderator);
            require(case, &who, Denial::MayNotKnow)
        }
        Word::Close => require(case, &rules.close.by, Denial::MayNotClose),
        Word::Reopen => require(case, &rules.close.reopen, Denial::MayNotClose),
        Word::Help => Opinion::allow(fixed::COMMAND.at(0)),
        Word::Unknown => Opinion::deny(fixed::COMMAND.at(0), Denial::UnknownWord),
    }
}

/// Adds the effects of a command that was allowed.
pub(in crate::policy) fn command_effects(case: &Case<'_>, word: Word, effects: &mut Effects) {
    match word {
        // A room without either answers like one with an empty password.
        Word::Password => {
            let notice = moderators::secrets(case.room.has_password, moderators::has_code(case));
            effects.notices.push((Audience::Requester, notice.unwrap_or(Notice::Password)));
        }
        Word::Help => effects.notices.push((Audience::Requester, Notice::Help)),
        Word::Invite => {
            let invitations = case.policy.invitations.get(case.room_jid.domain());
            let invitations = invitations.cloned().unwrap_or_default();
            let lines = invitation(case.rules, case.room, &invitations, case.now);
            effects.notices.extend(lines.into_iter().map(|line| (Audience::Requester, line)));
            let link = invitations.link_to(case.room_jid);
            effects.invitation = Some(Invitations { link, ..invitations });
        }
        Word::Close => effects.merge(closing(case.room, true, case.now)),
        Word::Reopen => effects.merge(closing(case.room, false, case.now)),
        Word::Unknown => {}
    }
}

/// Returns what an invitation to a room says, line by line: the way to it, the password if moderators may see it, and
/// what to expect at the door.
pub fn invitation(
    rules: &Rules,
    room: &RoomView,
    invitations: &Invitations,
    now: Timestamp,
) -> Vec<Notice> {
    let admission = rules.lobby.admission.value;
    // A password that an occupant has set is asked for, too.
    let record = room.record.as_ref();
    let is_own = record.is_some_and(|record| record.password == Some(Source::Creator));
    let is_asked = room.has_password && (admission.has_password() || is_own);
    let waits = matches!(admission, Admission::Lobby | Admission::PasswordAndLobby);
    let opens = match outside(&rules.hours, now) {
        Some((_, Denial::OutsideHours { opens: Some(opens) })) => {
            Some(Notice::InviteHours(Some(opens)))
        }
        Some(_) | None => None,
    };
    let lines = [
        Some(if invitations.have_links() { Notice::Invite } else { Notice::InviteName }),
        (!invitations.phone.is_empty()).then_some(Notice::InvitePhone),
        (is_asked && rules.password.show_to_moderators.value).then_some(Notice::InvitePassword),
        waits.then_some(Notice::InviteLobby),
        opens,
    ];
    lines.into_iter().flatten().collect()
}

/// Returns the effects of closing or reopening a room. What is so already is not announced again.
pub fn closing(room: &RoomView, close: bool, now: Timestamp) -> Effects {
    let record = room.record.clone().unwrap_or_else(|| Record::new(now, "", None));
    let was_closed = record.closed.is_some();
    let record = if close {
        Record { closed: Some(Closed::Command), ..record }
    } else {
        Record { closed: None, reopened: Some(now), ..record }
    };
    // A suspended room does not open before it is resumed.
    let notice = match (close, record.suspended) {
        _ if close == was_closed => None,
        (true, _) => Some(Notice::Closed),
        (false, None) => Some(Notice::Reopened),
        (false, Some(_)) => None,
    };
    let notices = notice.map(|notice| (Audience::Room, notice)).into_iter().collect();
    Effects { record: Some(record), notices, ..Effects::default() }
}

/// Returns what keeps newcomers out of a room that is not closed: the rule, and the denial.
pub fn shut_by(rules: &Rules, room: &RoomView, now: Timestamp) -> Option<(Rule, Denial)> {
    if room.suspended().is_some() {
        return Some((suspended::RULE, Denial::Suspended));
    }
    if let Some(outside) = outside(&rules.hours, now) {
        return Some(outside);
    }
    let (hold_until, rule) = (rules.close.hold_until.value, hold_until(rules));
    let is_early =
        hold_until.password && !room.has_password || hold_until.moderator && room.moderators == 0;
    is_early.then_some((rule, Denial::NotOpenYet))
}

fn hold_until(rules: &Rules) -> Rule {
    rules.close.hold_until.rule()
}

/// Returns whether the rule that closed the room still holds. A room closed by hand stays closed, unless the requester
/// is exempt from that rule.
fn is_in_force(rules: &Rules, closed: Closed) -> bool {
    let close = &rules.close;
    match closed {
        Closed::Command => close.by.value != Who::Anybody,
        Closed::Count => close.at_occupants.value > 0,
        Closed::Time => close.after.value.is_some(),
        Closed::Unmoderated => close.when_unmoderated.value.is_some(),
        Closed::Hours => rules.hours.at_end.value == AtEnd::Close,
    }
}

/// Returns when a room with this record has been open for that long, counted again from its reopening.
pub(in crate::policy) fn after(record: &Record, time: Option<Duration>) -> Option<Timestamp> {
    let time = SignedDuration::try_from(time?).ok()?;
    record.open_since().checked_add(time).ok()
}

/// Returns the rule by which a room was closed.
pub(in crate::policy) fn closed_by(rules: &Rules, closed: Closed) -> Rule {
    let close = &rules.close;
    match closed {
        Closed::Command => close.by.rule(),
        Closed::Count => close.at_occupants.rule(),
        Closed::Time => close.after.rule(),
        Closed::Unmoderated => close.when_unmoderated.rule(),
        Closed::Hours => rules.hours.at_end.rule(),
    }
}

/// Denies opening or entering a room outside its hours.
pub(in crate::policy) fn outside_hours(case: &Case<'_>) -> Option<Opinion> {
    let hours = &case.rules.hours;
    if hours.who.value.meets(case.classes) {
        return None;
    }
    outside(hours, case.now).map(|(rule, denial)| Opinion::deny(rule, denial))
}
