//! Timers: what happens in a room by itself, when its time has come.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Rules;
use super::attempt::RoomView;
use super::hours::{AtEnd, Phase};
use super::notice::Notice;
use super::record::{Closed, Record};
use super::verdict::{Audience, Effects, Rule};
use crate::policy::opinions::{close, limits};

/// A room, with the times that its timers depend on.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The rules for the room.
    pub rules: &'a Rules,
    /// Record of the room.
    pub record: &'a Record,
    /// State of the opening hours now.
    pub phase: Phase,
    /// Since when no moderator has been inside; `None`: one is, or none ever was.
    pub unmoderated: Option<Timestamp>,
    /// When the last stranger came or knocked, as far as is known.
    pub last_stranger: Option<Timestamp>,
    /// The present time.
    pub now: Timestamp,
}

/// What a timer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Ends the room, with this notice.
    End(Notice),
    /// Closes the room to newcomers, for this reason.
    Close(Closed),
    /// Lets strangers in again without knocking.
    Calm,
    /// Warns the room that it will end, or close.
    Warn {
        /// When the room will end or close.
        of: Timestamp,
        /// Text of the warning.
        notice: Notice,
    },
}

impl Deed {
    /// Returns the name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::End(_) => "ended",
            Self::Close(_) => "closed",
            Self::Calm => "lowered",
            Self::Warn { .. } => "warned",
        }
    }

    /// Returns whether it is done because no moderator is inside, and so only while none is.
    pub const fn is_for_want_of_a_moderator(self) -> bool {
        match self {
            Self::End(notice) => matches!(notice, Notice::NoModerator),
            Self::Close(closed) => matches!(closed, Closed::Unmoderated),
            Self::Calm | Self::Warn { .. } => false,
        }
    }
}

/// What is due, and by which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The rule that asks for it.
    pub rule: Rule,
    /// What the timer does.
    pub deed: Deed,
}

/// What is due now, and when to look again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agenda {
    /// The action that is due now, the gravest first; once it is done, another may be.
    pub due: Option<Due>,
    /// When to look again, unless the room changes before; `None`: never.
    pub next: Option<Timestamp>,
}

/// A time at which something is due.
#[derive(Clone, Copy)]
struct Deadline {
    at: Timestamp,
    warn_before: Option<Duration>,
    due: Due,
}

/// Returns what is due in a room.
pub fn agenda(scene: &Scene<'_>) -> Agenda {
    let deadlines = scene.deadlines();
    let deadlines = || deadlines.iter().flatten();
    let warnings = || deadlines().filter_map(|deadline| Some((scene.warning(deadline)?, deadline)));
    let due = deadlines().find(|deadline| deadline.at <= scene.now).map(|deadline| deadline.due);
    let warning = || {
        let (_, deadline) = warnings().find(|(at, _)| *at <= scene.now)?;
        let left = Duration::try_from(deadline.at.duration_since(scene.now)).unwrap_or_default();
        let notice = match deadline.due.deed {
            Deed::Close(_) => Notice::ClosesIn(left),
            Deed::End(_) | Deed::Calm | Deed::Warn { .. } => Notice::EndsIn(left),
        };
        Some(Due { deed: Deed::Warn { of: deadline.at, notice }, ..deadline.due })
    };
    let moments = deadlines().map(|deadline| deadline.at).chain(warnings().map(|(at, _)| at));
    Agenda { due: due.or_else(warning), next: moments.filter(|moment| *moment > scene.now).min() }
}

/// Returns the effects of what is due, apart from the end of the room.
pub fn effects(deed: Deed, view: &RoomView, now: Timestamp) -> Effects {
    let record = view.record.clone();
    let (record, notice) = match deed {
        Deed::End(_) => return Effects::default(),
        Deed::Calm => return limits::over(view).unwrap_or_default(),
        Deed::Close(closed) => {
            (record.map(|record| Record { closed: Some(closed), ..record }), Notice::Closed)
        }
        Deed::Warn { of, notice } => {
            let told = |mut record: Record| {
                record.warned.retain(|moment| *moment > now);
                record.warned.push(of);
                record
            };
            (record.map(told), notice)
        }
    };
    Effects { record, notices: vec![(Audience::Room, notice)], ..Effects::default() }
}

impl Scene<'_> {
    /// Returns the deadlines of the room, the gravest action first.
    fn deadlines(&self) -> [Option<Deadline>; 6] {
        let (limits, record) = (&self.rules.limits, self.record);
        let ends = |at: Option<Timestamp>, rule, notice| {
            let due = Due { rule, deed: Deed::End(notice) };
            at.map(|at| Deadline { at, warn_before: limits.warn_before.value, due })
        };
        let closes = |at: Option<Timestamp>, closed| {
            let due = Due { rule: close::closed_by(self.rules, closed), deed: Deed::Close(closed) };
            let at = at.filter(|_| record.closed.is_none());
            at.map(|at| Deadline { at, warn_before: None, due })
        };
        let unmoderated = self.unmoderated.map(|since| since.max(record.open_since()));
        [
            ends(
                later(record.opened, limits.duration.value),
                limits.duration.rule(),
                Notice::TimeIsUp,
            ),
            ends(
                self.unmoderated.and_then(|since| later(since, limits.without_moderator.value)),
                limits.without_moderator.rule(),
                Notice::NoModerator,
            ),
            self.end_of_hours(),
            closes(close::after(record, self.rules.close.after.value), Closed::Time),
            closes(
                unmoderated.and_then(|since| later(since, self.rules.close.when_unmoderated.value)),
                Closed::Unmoderated,
            ),
            self.calm(),
        ]
    }

    fn end_of_hours(&self) -> Option<Deadline> {
        let (hours, record) = (&self.rules.hours, self.record);
        let since = match hours.at_end.value {
            AtEnd::Stay => return None,
            AtEnd::Close if record.closed.is_some() => return None,
            AtEnd::Close => record.open_since(),
            AtEnd::End => record.opened,
        };
        let at = match self.phase {
            Phase::Always => return None,
            Phase::Open { until } => until,
            // A room that was opened outside of the hours does not end by hours that were over before.
            Phase::Closed { since: end, .. } => end.filter(|end| since < *end)?,
        };
        let deed = match hours.at_end.value {
            AtEnd::End => {
                let opens = hours.opens_after(at).map(|opens| hours.clock(opens));
                Deed::End(Notice::HoursAreOver(opens))
            }
            AtEnd::Stay | AtEnd::Close => Deed::Close(Closed::Hours),
        };
        let rule = hours.at_end.rule();
        Some(Deadline { at, warn_before: hours.warn_before.value, due: Due { rule, deed } })
    }

    fn calm(&self) -> Option<Deadline> {
        // Nobody comes in while the meeting is suspended.
        let wave = self.record.wave.filter(|_| self.record.suspended.is_none())?;
        let last = self.last_stranger.map_or(wave.since, |last| last.max(wave.since));
        let limits = &self.rules.limits;
        let at = if limits.flood_strangers.value == 0 {
            wave.since
        } else {
            later(last, Some(limits.flood_calm.value))?
        };
        let due = Due { rule: limits::rule(self.rules), deed: Deed::Calm };
        Some(Deadline { at, warn_before: None, due })
    }

    /// Returns when to warn the room of a deadline that is still to come, if it was not warned yet.
    fn warning(&self, deadline: &Deadline) -> Option<Timestamp> {
        let before = SignedDuration::try_from(deadline.warn_before?).ok()?;
        let is_told = self.record.warned.contains(&deadline.at) || deadline.at <= self.now;
        (!is_told).then(|| deadline.at.checked_sub(before).unwrap_or(Timestamp::MIN))
    }
}

fn later(since: Timestamp, time: Option<Duration>) -> Option<Timestamp> {
    since.checked_add(SignedDuration::try_from(time?).ok()?).ok()
}
