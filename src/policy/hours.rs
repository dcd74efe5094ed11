//! When rooms are open: hours of the week in a time zone, and days without any.

use std::fmt;
use std::time::Duration;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::class::{Class, ClassSet};
use super::decide::Case;
use super::denial::Denial;
use super::set::Set;
use super::verdict::{Opinion, Rule};

/// The seconds of a day by the clock.
pub const DAY: u32 = 86_400;
/// Openings that follow one another without a gap are looked at so far; about two months of whole days.
const CHAIN: usize = 64;

/// Hours on some days of the week. What crosses midnight is two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// A bit for each day; Monday's is the lowest.
    pub days: u8,
    /// The first second of the day by the clock.
    pub from: u32,
    /// The second after the last one, at most [`DAY`].
    pub to: u32,
}

impl Span {
    const fn is_on(self, day: Weekday) -> bool {
        self.days & (1 << day.to_monday_zero_offset()) != 0
    }
}

/// What becomes of a room when the hours end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AtEnd {
    /// Who is inside stays; nobody else comes in before the next opening.
    #[default]
    Stay,
    /// The room is closed, also after the next opening.
    Close,
    /// The room ends.
    End,
}

impl AtEnd {
    /// Every value.
    pub const ALL: [Self; 3] = [Self::Stay, Self::Close, Self::End];

    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stay => "stay",
            Self::Close => "close",
            Self::End => "end",
        }
    }
}

/// The rules on hours.
#[derive(Clone, Debug)]
pub struct Hours {
    /// Whose clock counts.
    pub zone: Set<TimeZone>,
    /// The hours; none: always.
    pub open: Set<Vec<Span>>,
    /// Days without hours, by that clock.
    pub closed_on: Set<Vec<Date>>,
    /// To whom they do not apply.
    pub who: Set<ClassSet>,
    /// What becomes of rooms that are open when the hours end.
    pub at_end: Set<AtEnd>,
    /// So long before they are told; `None`: they are not.
    pub warn_before: Set<Option<Duration>>,
}

impl Default for Hours {
    fn default() -> Self {
        Self {
            zone: Set::default_of(TimeZone::UTC),
            open: Set::default(),
            closed_on: Set::default(),
            who: Set::default_of(ClassSet::of(&[Class::Service, Class::Operator])),
            at_end: Set::default(),
            warn_before: Set::default_of(Some(Duration::from_secs(300))),
        }
    }
}

/// A moment as its zone's clock shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Clock {
    /// Date and time.
    pub local: DateTime,
    /// How far that is from UTC.
    pub offset: Offset,
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.local.strftime("%A, %-d %B %Y, at %H:%M");
        if self.offset == Offset::UTC {
            write!(f, "{shown} (UTC)")
        } else {
            write!(f, "{shown} (UTC{})", self.offset)
        }
    }
}

/// Whether rooms are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Always, as far as can be seen.
    Always,
    /// Open.
    Open {
        /// Until then.
        until: Timestamp,
    },
    /// Closed.
    Closed {
        /// Since then; `None`: since ever.
        since: Option<Timestamp>,
        /// Until then; `None`: for ever.
        until: Option<Timestamp>,
    },
}

impl Hours {
    /// There are none, and no closed days: rooms are always open.
    pub fn are_none(&self) -> bool {
        self.open.value.is_empty() && self.closed_on.value.is_empty()
    }

    /// Whether rooms are open at that moment. Where the clock is set back, an hour that it shows twice is
    /// open as a whole; one that it skips is not there.
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.are_none() || self.around(at).next().is_some()
    }

    /// How it is at that moment, since when and until when.
    pub fn phase(&self, at: Timestamp) -> Phase {
        if self.are_none() {
            return Phase::Always;
        }
        let mut until = at;
        for _ in 0..CHAIN {
            match self.end_of_one(until) {
                Some(end) => until = end,
                None if until == at => {
                    return Phase::Closed { since: self.last_end(at), until: self.opens_after(at) };
                }
                None => return Phase::Open { until },
            }
        }
        Phase::Always
    }

    /// When `phase`, which is so at that moment, may be another one; `None`: never.
    pub fn changes_after(&self, phase: Phase, at: Timestamp) -> Option<Timestamp> {
        match phase {
            // So many openings follow one another that their end could not be seen.
            Phase::Always => (!self.are_none()).then(|| self.end_of_one(at))?,
            Phase::Open { until } => Some(until),
            Phase::Closed { until, .. } => until,
        }
    }

    /// When rooms open next, after that moment.
    pub fn opens_after(&self, at: Timestamp) -> Option<Timestamp> {
        let mut day = self.date(at);
        for _ in 0..self.horizon() {
            let starts = self.on(day).map(|(start, _)| start);
            if let Some(start) = starts.filter(|start| *start > at).min() {
                return Some(start);
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    /// The moment as the zone's clock shows it.
    pub fn clock(&self, at: Timestamp) -> Clock {
        let zone = &self.zone.value;
        Clock { local: zone.to_datetime(at), offset: zone.to_offset(at) }
    }

    /// The day of that moment is one without hours.
    fn is_closed_on(&self, at: Timestamp) -> bool {
        self.closed_on.value.contains(&self.date(at))
    }

    fn date(&self, at: Timestamp) -> Date {
        self.zone.value.to_datetime(at).date()
    }

    /// The latest end of what is open at that moment.
    fn end_of_one(&self, at: Timestamp) -> Option<Timestamp> {
        self.around(at).map(|(_, end)| end).max()
    }

    /// What is open at that moment.
    fn around(&self, at: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let today = self.date(at);
        // Where the clock is set back over midnight, the day before comes once more.
        [Some(today), today.yesterday().ok(), today.tomorrow().ok()]
            .into_iter()
            .flatten()
            .flat_map(|day| self.on(day))
            .filter(move |(start, end)| *start <= at && at < *end)
    }

    /// When rooms were open for the last time.
    fn last_end(&self, at: Timestamp) -> Option<Timestamp> {
        let mut day = self.date(at).tomorrow().unwrap_or(Date::MAX);
        for _ in 0..self.horizon() {
            let ends = self.on(day).map(|(_, end)| end);
            if let Some(end) = ends.filter(|end| *end <= at).max() {
                return Some(end);
            }
            day = day.yesterday().ok()?;
        }
        None
    }

    /// Days after which every one of the week has come without being closed.
    fn horizon(&self) -> usize {
        self.closed_on.value.len().saturating_add(2).saturating_mul(7)
    }

    /// What is open on a day.
    fn on(&self, day: Date) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        static WHOLE: [Span; 1] = [Span { days: 0x7f, from: 0, to: DAY }];
        let spans = if self.open.value.is_empty() { &WHOLE[..] } else { &self.open.value };
        let is_closed = self.closed_on.value.contains(&day);
        spans.iter().filter(move |span| !is_closed && span.is_on(day.weekday())).filter_map(
            move |span| {
                let start = self.instant(day, span.from, Edge::Start)?;
                let end = self.instant(day, span.to, Edge::End)?;
                (start < end).then_some((start, end))
            },
        )
    }

    /// When the clock shows that second of the day: of two times the first or the last; and where it never
    /// does, when it is set forward.
    fn instant(&self, day: Date, second: u32, edge: Edge) -> Option<Timestamp> {
        let midnight = day.at(0, 0, 0, 0);
        let local = midnight.checked_add(SignedDuration::from_secs(i64::from(second))).ok()?;
        let zone = &self.zone.value;
        let offset = match zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Fold { before, after } => match edge {
                Edge::Start => before,
                Edge::End => after,
            },
            AmbiguousOffset::Gap { after, .. } => {
                let before = after.to_timestamp(local).ok()?;
                return zone.following(before).next().map(|transition| transition.timestamp());
            }
        };
        offset.to_timestamp(local).ok()
    }
}

#[derive(Clone, Copy)]
enum Edge {
    Start,
    End,
}

/// Whether it is the time for this requester to open or enter a room.
pub(super) fn judge(case: &Case<'_>) -> Option<Opinion> {
    let hours = &case.rules.hours;
    if hours.who.value.meets(case.classes) {
        return None;
    }
    outside(hours, case.now).map(|(rule, denial)| Opinion::deny(rule, denial))
}

/// Why it is not the time for people whom the hours are for.
pub(super) fn outside(hours: &Hours, now: Timestamp) -> Option<(Rule, Denial)> {
    if hours.is_open(now) {
        return None;
    }
    let rule = if hours.is_closed_on(now) {
        Rule::new("hours.closed_on", hours.closed_on.line)
    } else {
        Rule::new("hours.open", hours.open.line)
    };
    let opens = hours.opens_after(now).map(|at| hours.clock(at));
    Some((rule, Denial::OutsideHours { opens }))
}
