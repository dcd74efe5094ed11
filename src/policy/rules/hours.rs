//! Rules on opening hours: hours of the week in a time zone, and days without any.

use std::fmt;
use std::time::Duration;

use jiff::civil::{Date, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::family::family;
use super::kinds::{classes, words_in_list};
use crate::policy::class::{Class, ClassSet};
use crate::policy::denial::{Clock, Denial};
use crate::policy::verdict::Rule;
use crate::setting::kind::{SECOND, duration_or_never, list, quoted, word};
use crate::setting::{Item, Kind, kind, values};

/// Number of seconds of a day by the clock.
pub const DAY: u32 = 86_400;
/// How many openings without a gap between them are followed to their end; about two months of whole days.
const CHAIN: usize = 64;

/// Hours on some days of the week. Hours that cross midnight are two spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// Days of the week, a bit each; Monday's is the lowest.
    pub days: u8,
    /// First second, counted from midnight by the clock.
    pub from: u32,
    /// Second after the last one, at most [`DAY`].
    pub to: u32,
}

impl Span {
    const fn is_on(self, day: Weekday) -> bool {
        self.days & (1 << day.to_monday_zero_offset()) != 0
    }
}

names! {
    /// What becomes of a room when the hours end.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub enum AtEnd {
        /// People inside stay; nobody else comes in before the next opening.
        #[default]
        Stay = "stay",
        /// The room is closed, also after the next opening.
        Close = "close",
        /// The room ends.
        End = "end",
    }
}

family! {
    /// The rules on hours.
    "hours": Hours {
        /// The time zone of these hours and days, by its IANA name.
        zone: TimeZone = TimeZone::UTC, zone();
        /// When rooms are open, like "mon-fri 08:00-18:00" or "fri,sat 22:00-02:00"; none: always.
        open: Vec<Span> = Vec::new(), spans(),
            rule "Rooms are neither opened nor entered outside of these hours, but by those of `hours.who`."
            [off Vec::new()];
        /// Days without hours, like "2026-12-25".
        closed_on: Vec<Date> = Vec::new(), dates(),
            rule "The same, on a day without hours."
            [off Vec::new()];
        /// Who may open and enter rooms at any time.
        who: ClassSet = ClassSet::of(&[Class::Service, Class::Operator]), classes();
        /// What becomes of a room when the hours end: "stay" (nobody else comes in before they begin again), "close"
        /// (nobody else comes in then either) or "end".
        at_end: AtEnd = AtEnd::Stay, word(),
            rule "The hours have ended, and the room was closed, or ends."
            [off AtEnd::Stay; Undescribed];
        /// How long before it is closed or ended for that the room is warned, or "never".
        warn_before: Option<Duration> = Some(Duration::from_secs(300)), duration_or_never(SECOND);
    }
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const HINT: &str = "write it like \"mon-fri 08:00-18:00\" or \"sat 22:00-02:00\"";
/// Greatest number of days without hours.
const MOST_DAYS: usize = 1000;

/// Reads an IANA name, from the time zone database that comes with the program: what is installed plays no part.
fn zone() -> Kind<TimeZone> {
    let read = |item: &Item<'_>| {
        let name = values::text(item)?;
        let zones = TimeZoneDatabase::bundled();
        zones.get(&name).or_else(|_| {
            let names: Vec<_> = zones.available().map(|name| name.to_string()).collect();
            let hint = kind::did_you_mean(&name, names.iter().map(String::as_str));
            let hint = hint.unwrap_or_else(|| "write it like \"Europe/Berlin\"".to_owned());
            item.wrong(format!("`{name}` is no time zone"), Some(hint))
        })
    };
    let write = |zone: &TimeZone| quoted(zone.iana_name().unwrap_or("UTC"));
    Kind::new(read, write, json!({ "type": "string" }))
}

fn dates() -> Kind<Vec<Date>> {
    let date = |item: &Item<'_>| {
        let written = match item.value.as_datetime() {
            Some(date) => date.to_string(),
            None => values::text(item)?,
        };
        written.parse().or_else(|_| {
            let hint = "write it like \"2026-12-25\"".to_owned();
            item.wrong(format!("`{written}` is no date"), Some(hint))
        })
    };
    let schema = json!({ "type": "string", "format": "date" });
    list(Kind::new(date, |date: &Date| quoted(&date.to_string()), schema)).checked(|item, days| {
        match days.len() > MOST_DAYS {
            true => item.wrong(format!("{} days are more than {MOST_DAYS}", days.len()), None),
            false => Ok(days),
        }
    })
}

/// Reads hours like `mon-fri 08:00-18:00`. Hours that cross midnight become two spans.
fn spans() -> Kind<Vec<Span>> {
    let one = |item: &Item<'_>| {
        let written = values::text(item)?;
        parse(&written).or_else(|(message, hint)| {
            let hint = hint.unwrap_or_else(|| HINT.to_owned());
            item.wrong(format!("{message} in `{written}`"), Some(hint))
        })
    };
    let write = |spans: &Vec<Span>| {
        let written: Vec<_> = spans.iter().map(ToString::to_string).collect();
        words_in_list(written.iter().map(String::as_str))
    };
    let read = move |item: &Item<'_>| Ok(values::list(one)(item)?.into_iter().flatten().collect());
    Kind::new(read, write, json!({ "type": "array", "items": { "type": "string" } }))
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = DAYS.iter().enumerate().filter(|(day, _)| self.days & (1 << day) != 0);
        let days: Vec<_> = days.map(|(_, name)| *name).collect();
        let time = |second: u32| format!("{:02}:{:02}", second / 3600, second / 60 % 60);
        write!(f, "{} {}-{}", days.join(","), time(self.from), time(self.to))
    }
}

/// What is wrong with hours, and what to write instead.
type Wrong = (String, Option<String>);

fn parse(written: &str) -> Result<Vec<Span>, Wrong> {
    let Some((days, times)) = written.trim().split_once(char::is_whitespace) else {
        return Err(("there are no days, or no times,".to_owned(), None));
    };
    let days = days_of(days)?;
    let Some((from, to)) = times.trim().split_once('-') else {
        return Err((format!("`{}` is not from one time to another", times.trim()), None));
    };
    let (from, to) = (second_of(from)?, second_of(to)?);
    if from == DAY {
        return Err(("a day begins at 00:00, not at 24:00,".to_owned(), None));
    }
    if from == to {
        let hint = "for whole days write 00:00-24:00".to_owned();
        return Err((format!("`{}` is no time at all", times.trim()), Some(hint)));
    }
    if from < to {
        return Ok(vec![Span { days, from, to }]);
    }
    let next = (days << 1 | days >> 6) & 0x7f;
    let mut spans = vec![Span { days, from, to: DAY }];
    if to > 0 {
        spans.push(Span { days: next, from: 0, to });
    }
    Ok(spans)
}

/// Parses `mon`, `mon-fri` or `sat-mon`, several with commas, into bits as in [`Span::days`].
fn days_of(written: &str) -> Result<u8, Wrong> {
    let mut days = 0;
    for part in written.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day_of(first)?, day_of(last)?);
        for day in 0..7 {
            let is_in = if first <= last {
                (first..=last).contains(&day)
            } else {
                day >= first || day <= last
            };
            if is_in {
                days |= 1 << day;
            }
        }
    }
    Ok(days)
}

fn day_of(written: &str) -> Result<u8, Wrong> {
    let lower = written.trim().to_lowercase();
    let found = DAYS.iter().zip(0_u8..).find(|(day, _)| **day == lower);
    found.map(|(_, number)| number).ok_or_else(|| {
        let is_long = lower.len() > 3;
        let short = DAYS.into_iter().find(|day| is_long && lower.starts_with(day));
        let hint = short.map(|day| format!("did you mean `{day}`?"));
        (format!("`{written}` is no day"), hint.or_else(|| kind::did_you_mean(&lower, DAYS)))
    })
}

/// Parses `08:00`, `08:00:30` or `24:00` into seconds since midnight.
fn second_of(written: &str) -> Result<u32, Wrong> {
    let wrong = || (format!("`{}` is no time", written.trim()), None);
    let mut numbers = [0_u32; 3];
    let parts: Vec<_> = written.trim().split(':').collect();
    if !(2..=3).contains(&parts.len()) {
        return Err(wrong());
    }
    for (number, part) in numbers.iter_mut().zip(parts) {
        if part.is_empty() || part.len() > 2 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        *number = part.parse().map_err(|_| wrong())?;
    }
    let [hour, minute, second] = numbers;
    let total =
        hour.saturating_mul(3600).saturating_add(minute.saturating_mul(60)).saturating_add(second);
    if minute > 59 || second > 59 || total > DAY { Err(wrong()) } else { Ok(total) }
}

/// State of the opening hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Rooms are always open, as far as can be seen.
    Always,
    /// Rooms are open.
    Open {
        /// When they close.
        until: Timestamp,
    },
    /// Rooms are closed.
    Closed {
        /// When they closed; `None`: they never were open.
        since: Option<Timestamp>,
        /// When they open; `None`: never.
        until: Option<Timestamp>,
    },
}

impl Hours {
    /// Returns whether there are neither hours nor closed days: rooms are always open.
    pub fn are_none(&self) -> bool {
        self.open.value.is_empty() && self.closed_on.value.is_empty()
    }

    /// Returns whether rooms are open at that moment. Where the clock is set back, an hour that it shows twice is
    /// open as a whole; one that it skips is not there.
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.are_none() || self.around(at).next().is_some()
    }

    /// Returns the state of the opening hours at that moment, with its beginning and end.
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

    /// Returns when `phase`, the state at that moment, may change; `None`: never.
    pub fn changes_after(&self, phase: Phase, at: Timestamp) -> Option<Timestamp> {
        match phase {
            // So many openings follow one another that their end could not be seen.
            Phase::Always => (!self.are_none()).then(|| self.end_of_one(at))?,
            Phase::Open { until } => Some(until),
            Phase::Closed { until, .. } => until,
        }
    }

    /// Returns when rooms open next, after that moment.
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

    /// Returns the moment as the zone's clock shows it.
    pub fn clock(&self, at: Timestamp) -> Clock {
        let zone = &self.zone.value;
        Clock { local: zone.to_datetime(at), offset: zone.to_offset(at) }
    }

    /// Returns whether the day of that moment is one without hours.
    fn is_closed_on(&self, at: Timestamp) -> bool {
        self.closed_on.value.contains(&self.date(at))
    }

    fn date(&self, at: Timestamp) -> Date {
        self.zone.value.to_datetime(at).date()
    }

    /// Returns the latest end of the openings that contain that moment.
    fn end_of_one(&self, at: Timestamp) -> Option<Timestamp> {
        self.around(at).map(|(_, end)| end).max()
    }

    /// Returns the openings, from start to end, that contain that moment.
    fn around(&self, at: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let today = self.date(at);
        // Where the clock is set back over midnight, the day before comes once more.
        [Some(today), today.yesterday().ok(), today.tomorrow().ok()]
            .into_iter()
            .flatten()
            .flat_map(|day| self.on(day))
            .filter(move |(start, end)| *start <= at && at < *end)
    }

    /// Returns when the last opening before that moment ended.
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

    /// Returns a number of days within which every weekday comes at least once without being closed.
    fn horizon(&self) -> usize {
        self.closed_on.value.len().saturating_add(2).saturating_mul(7)
    }

    /// Returns the openings of a day, from start to end.
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

    /// Returns when the clock shows that second of the day: if twice, the first or last time by `edge`; if never, when
    /// the clock is set forward over it.
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

/// Returns why people whom the hours are for may not come in now: the rule and the denial. `None`: rooms are open.
pub(in crate::policy) fn outside(hours: &Hours, now: Timestamp) -> Option<(Rule, Denial)> {
    if hours.is_open(now) {
        return None;
    }
    let rule = if hours.is_closed_on(now) { hours.closed_on.rule() } else { hours.open.rule() };
    let opens = hours.opens_after(now).map(|at| hours.clock(at));
    Some((rule, Denial::OutsideHours { opens }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_read_as_they_are_said() {
        let one = |days, from: u32, to: u32| Span { days, from: from * 60, to: to * 60 };
        for (written, spans) in [
            ("mon-fri 08:00-18:00", vec![one(0b001_1111, 480, 1080)]),
            ("sat 10:00-14:00", vec![one(0b010_0000, 600, 840)]),
            ("Sat-Mon 00:00-24:00", vec![one(0b110_0001, 0, 1440)]),
            ("mon,wed,fri-sat 9:30-10:00", vec![one(0b011_0101, 570, 600)]),
            ("sun 22:00-02:00", vec![one(0b100_0000, 1320, 1440), one(0b000_0001, 0, 120)]),
            ("fri 22:00-00:00", vec![one(0b001_0000, 1320, 1440)]),
            ("  mon   08:00 - 09:00 ", vec![one(1, 480, 540)]),
        ] {
            assert_eq!(parse(written), Ok(spans), "{written}");
        }
        assert_eq!(parse("mon 08:00:30-09:00").unwrap()[0].from, 8 * 3600 + 30);
    }

    #[test]
    fn what_is_no_time_or_day_is_said() {
        for (written, said) in [
            ("mon-fri", "there are no days, or no times,"),
            ("monday 08:00-18:00", "`monday` is no day"),
            ("mon-fry 08:00-18:00", "`fry` is no day"),
            ("mon 08:00", "`08:00` is not from one time to another"),
            ("mon 8-18", "`8` is no time"),
            ("mon 08:00-25:00", "`25:00` is no time"),
            ("mon 08:60-09:00", "`08:60` is no time"),
            ("mon 24:00-08:00", "a day begins at 00:00, not at 24:00,"),
            ("mon 08:00-08:00", "`08:00-08:00` is no time at all"),
            ("mon 0x:00-08:00", "`0x:00` is no time"),
            ("", "there are no days, or no times,"),
        ] {
            assert_eq!(parse(written).unwrap_err().0, said, "{written}");
        }
        assert_eq!(parse("monday 08:00-18:00").unwrap_err().1.unwrap(), "did you mean `mon`?");
        assert_eq!(parse("mon-fry 08:00-18:00").unwrap_err().1.unwrap(), "did you mean `fri`?");
    }
}
