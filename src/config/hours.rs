//! `[policy.hours]`, and `[room.hours]` for some rooms.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::section::{Item, Read, Section};
use super::suggest;
use super::values::{classes, duration_or_never, list, text, word};
use crate::policy::hours::{AtEnd, DAY, Hours, Span};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const HINT: &str = "write it like \"mon-fri 08:00-18:00\" or \"sat 22:00-02:00\"";
/// Most days without hours.
const MOST_DAYS: usize = 1000;

/// Puts what the table says into the rules.
pub(super) fn read(mut section: Section<'_>, rules: &mut Hours) {
    section.set("zone", &mut rules.zone, zone);
    section.set("open", &mut rules.open, |item| {
        list(spans)(item).map(|spans| spans.into_iter().flatten().collect())
    });
    section.set("closed_on", &mut rules.closed_on, |item| {
        let days = list(date)(item)?;
        if days.len() > MOST_DAYS {
            return item.wrong(format!("{} days are more than {MOST_DAYS}", days.len()), None);
        }
        Ok(days)
    });
    section.set("who", &mut rules.who, classes);
    section.set("at_end", &mut rules.at_end, word(&AtEnd::ALL, AtEnd::name));
    section.set("warn_before", &mut rules.warn_before, duration_or_never(Duration::from_secs(1)));
    section.finish();
}

/// A name of the time zone database that comes with the program: what is installed plays no part.
fn zone(item: &Item<'_>) -> Read<TimeZone> {
    let name = text(item)?;
    let zones = TimeZoneDatabase::bundled();
    zones.get(&name).or_else(|_| {
        let names: Vec<_> = zones.available().map(|name| name.to_string()).collect();
        let hint = suggest::did_you_mean(&name, names.iter().map(String::as_str));
        let hint = hint.unwrap_or_else(|| "write it like \"Europe/Berlin\"".to_owned());
        item.wrong(format!("`{name}` is no time zone"), Some(hint))
    })
}

fn date(item: &Item<'_>) -> Read<Date> {
    let written = match item.value.as_datetime() {
        Some(date) => date.to_string(),
        None => text(item)?,
    };
    written.parse().or_else(|_| {
        let hint = "write it like \"2026-12-25\"".to_owned();
        item.wrong(format!("`{written}` is no date"), Some(hint))
    })
}

/// `mon-fri 08:00-18:00`: one or, where it crosses midnight, two spans.
fn spans(item: &Item<'_>) -> Read<Vec<Span>> {
    let written = text(item)?;
    match parse(&written) {
        Ok(spans) => Ok(spans),
        Err((message, hint)) => item
            .wrong(format!("{message} in `{written}`"), Some(hint.unwrap_or_else(|| HINT.into()))),
    }
}

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

/// `mon`, `mon-fri` or `sat-mon`; several with commas.
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
        (format!("`{written}` is no day"), hint.or_else(|| suggest::did_you_mean(&lower, DAYS)))
    })
}

/// `08:00`, `08:00:30` or `24:00`.
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
