//! When nobody else may come in.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::attempt::{RoomView, Word};
use super::class::{Class, ClassSet};
use super::decide::Case;
use super::denial::Denial;
use super::hours::AtEnd;
use super::moderators::{entitlement, require};
use super::notice::Notice;
use super::record::{Closed, Record};
use super::rules::Rules;
use super::set::Set;
use super::verdict::{Audience, Effects, Opinion, Rule, Verdict};
use super::who::Who;
use super::{hours, suspended};

/// What must hold before others may come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Conditions {
    /// The room has a password.
    pub password: bool,
    /// A moderator is present.
    pub moderator: bool,
}

/// The rules on closing.
#[derive(Clone, Debug)]
pub struct Close {
    /// What must hold before others may come in.
    pub hold_until: Set<Conditions>,
    /// Close when so many are in; 0: never.
    pub at_occupants: Set<u32>,
    /// Close so long after opening; `None`: never.
    pub after: Set<Option<Duration>>,
    /// Close so long after the last moderator left; `None`: never.
    pub when_unmoderated: Set<Option<Duration>>,
    /// Who may come in all the same.
    pub may_enter: Set<ClassSet>,
    /// Whether those who are moderators by the policy may come in all the same.
    pub moderators_enter: Set<bool>,
    /// Who may close the room.
    pub by: Set<Who>,
    /// Who may open it again.
    pub reopen: Set<Who>,
}

impl Default for Close {
    fn default() -> Self {
        Self {
            hold_until: Set::default_of(Conditions { password: true, moderator: false }),
            at_occupants: Set::default_of(0),
            after: Set::default(),
            when_unmoderated: Set::default(),
            may_enter: Set::default_of(ClassSet::of(&[
                Class::Service,
                Class::Operator,
                Class::Returning,
            ])),
            moderators_enter: Set::default_of(true),
            by: Set::default_of(Who::Moderator),
            reopen: Set::default_of(Who::Moderator),
        }
    }
}

/// What was written down of the room cannot be read, or not all of it.
pub(super) const RECORD: Rule = Rule::new("close.record", 0);

/// Whether the room takes people in now.
pub(super) fn join(case: &Case<'_>) -> Option<Opinion> {
    let close = &case.rules.close;
    let moderates = entitlement(case).is_some();
    let may_enter =
        close.may_enter.value.meets(case.classes) || (close.moderators_enter.value && moderates);
    if may_enter {
        return None;
    }
    let Some(record) = &case.room.record else {
        // What cannot be read might say that the room is closed.
        return Some(Opinion::deny(RECORD, Denial::Closed(Closed::Command)));
    };
    if let Some(suspended) = suspended::join(case) {
        return Some(suspended);
    }
    if let Some(closed) = record.closed.filter(|closed| is_in_force(case.rules, *closed)) {
        return Some(Opinion::deny(closed_by(case.rules, closed), Denial::Closed(closed)));
    }
    if after(record, close.after.value).is_some_and(|moment| case.now >= moment) {
        let rule = Rule::new("close.after", close.after.line);
        return Some(Opinion::deny(rule, Denial::Closed(Closed::Time)));
    }
    let rule = hold_until(case.rules);
    let conditions = close.hold_until.value;
    if conditions.password && !case.room.has_password {
        return Some(Opinion::deny(rule, Denial::NotOpenYet));
    }
    if conditions.moderator && case.room.moderators == 0 && !moderates {
        let knock = super::lobby::knock(case);
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

/// Closes the room if the requester is the last that it takes.
pub(super) fn count(case: &Case<'_>, effects: &mut Effects) {
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

/// A word to the room.
pub(super) fn command(case: &Case<'_>, word: Word) -> Opinion {
    let rules = case.rules;
    match word {
        Word::Password if rules.password.tell.value => {
            let who = Set::at(Who::Moderator, rules.password.tell.line);
            require(case, "password.tell", who, Denial::MayNotKnow)
        }
        Word::Password => {
            Opinion::deny(Rule::new("password.tell", rules.password.tell.line), Denial::MayNotKnow)
        }
        Word::Close => require(case, "close.by", rules.close.by, Denial::MayNotClose),
        Word::Reopen => require(case, "close.reopen", rules.close.reopen, Denial::MayNotClose),
        Word::Unknown => Opinion::deny(Rule::new("command", 0), Denial::UnknownWord),
    }
}

/// What follows from a word that was allowed.
pub(super) fn command_effects(case: &Case<'_>, word: Word, effects: &mut Effects) {
    match word {
        Word::Password => effects.notices.push((Audience::Requester, Notice::Password)),
        Word::Close => effects.merge(closing(case.room, true, case.now)),
        Word::Reopen => effects.merge(closing(case.room, false, case.now)),
        Word::Unknown => {}
    }
}

/// What closing (or reopening) a room changes. What is so already is not said again.
pub fn closing(room: &RoomView, close: bool, now: Timestamp) -> Effects {
    let record = room.record.clone().unwrap_or_else(|| Record::new(now, String::new(), None));
    let was_closed = record.closed.is_some();
    let record = if close {
        Record { closed: Some(Closed::Command), ..record }
    } else {
        Record { closed: None, reopened: Some(now), ..record }
    };
    // Of a suspended room, it is for later.
    let notice = match (close, record.suspended) {
        _ if close == was_closed => None,
        (true, _) => Some(Notice::Closed),
        (false, None) => Some(Notice::Reopened),
        (false, Some(_)) => None,
    };
    let notices = notice.map(|notice| (Audience::Room, notice)).into_iter().collect();
    Effects { record: Some(record), notices, ..Effects::default() }
}

/// What keeps newcomers out of a room that is not closed: the rule, and what they are told.
pub fn shut_by(rules: &Rules, room: &RoomView, now: Timestamp) -> Option<(Rule, Denial)> {
    if suspended::of(room).is_some() {
        return Some((suspended::RULE, Denial::Suspended));
    }
    if let Some(outside) = hours::outside(&rules.hours, now) {
        return Some(outside);
    }
    let (hold_until, rule) = (rules.close.hold_until.value, hold_until(rules));
    let is_early =
        hold_until.password && !room.has_password || hold_until.moderator && room.moderators == 0;
    is_early.then_some((rule, Denial::NotOpenYet))
}

fn hold_until(rules: &Rules) -> Rule {
    Rule::new("close.hold_until", rules.close.hold_until.line)
}

/// The rule that closed the room is still there. What somebody closed by hand stays closed, unless he who comes
/// is exempt from that.
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

/// When a room of that record has been open for so long, counted anew when it was reopened.
pub(super) fn after(record: &Record, time: Option<Duration>) -> Option<Timestamp> {
    let time = SignedDuration::try_from(time?).ok()?;
    record.open_since().checked_add(time).ok()
}

/// The rule by which a room was closed.
pub(super) fn closed_by(rules: &Rules, closed: Closed) -> Rule {
    let close = &rules.close;
    match closed {
        Closed::Command => Rule::new("close.by", close.by.line),
        Closed::Count => Rule::new("close.at_occupants", close.at_occupants.line),
        Closed::Time => Rule::new("close.after", close.after.line),
        Closed::Unmoderated => Rule::new("close.when_unmoderated", close.when_unmoderated.line),
        Closed::Hours => Rule::new("hours.at_end", rules.hours.at_end.line),
    }
}
