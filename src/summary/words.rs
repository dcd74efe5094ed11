//! Parts of sentences in every language of the page: people, times, lists.

use std::time::Duration;

use jiff::civil::Date;

use super::{Facts, Language};
use crate::policy::class::{Class, ClassSet};
use crate::policy::hours::{DAY, Span};
use crate::policy::messages;
use crate::policy::permissions::Permitted;

/// The same words in every language of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// In English.
    pub en: String,
    /// In German.
    pub de: String,
}

impl Words {
    pub(super) fn new(en: impl Into<String>, de: impl Into<String>) -> Self {
        Self { en: en.into(), de: de.into() }
    }

    /// Returns the words in one language.
    pub fn of(self, language: Language) -> String {
        match language {
            Language::English => self.en,
            Language::German => self.de,
        }
    }
}

/// Returns a sentence.
pub(super) fn say(en: impl Into<String>, de: impl Into<String>) -> Option<Words> {
    Some(Words::new(en, de))
}

/// Joins words to a list: `a, b and c`.
pub(super) fn list(words: &[Words]) -> Words {
    let join = |and: &str, of: fn(&Words) -> &str| match words {
        [] => String::new(),
        [one] => of(one).to_owned(),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(of).collect();
            format!("{} {and} {}", first.join(", "), of(last))
        }
    };
    Words { en: join("and", |words| &words.en), de: join("und", |words| &words.de) }
}

/// Returns how people of these classes are called. Not those of whom there are none, and no services: nobody
/// meets them as people.
pub(super) fn people(it: &Facts<'_>, classes: ClassSet) -> Vec<Words> {
    let signed_in = [Class::Token, Class::Account].into_iter().all(|class| classes.has(class));
    let any_here = signed_in && classes.has(Class::Guest);
    let listed = &it.rules.access.listed.value;
    let has_listed = !listed.jids.is_empty() || !listed.domains.is_empty();
    let name = |class| match class {
        Class::Service => None,
        Class::Operator if it.policy.operators.is_empty() => None,
        Class::Listed if !has_listed => None,
        Class::Operator => say("operators of this server", "Betreiber dieses Servers"),
        Class::Listed => {
            say("people on the operator's list", "Personen auf der Liste des Betreibers")
        }
        Class::Token if any_here => say(
            "people of this server (signed in or not)",
            "Personen dieses Servers (angemeldet oder nicht)",
        ),
        Class::Guest if any_here => None,
        Class::Token if signed_in => say("people who are signed in", "angemeldete Personen"),
        Class::Account if signed_in => None,
        Class::Token => {
            say("people who are signed in with a token", "mit einem Token angemeldete Personen")
        }
        Class::Account => {
            say("people with an account here", "Personen mit einem Konto auf diesem Server")
        }
        Class::Returning => {
            say("people who were in the meeting before", "frühere Teilnehmer dieser Besprechung")
        }
        Class::Federated => say("people from other servers", "Personen von anderen Servern"),
        Class::Guest => {
            say("guests (people who are not signed in)", "Gäste (nicht angemeldete Personen)")
        }
    };
    classes.iter().filter_map(name).collect()
}

/// Returns that only people of these classes, and moderators, can do something.
pub(super) fn can(it: &Facts<'_>, who: Permitted, en: &str, de: &str) -> Words {
    if who.classes == ClassSet::ALL {
        return Words::new(format!("Everyone can {en}."), format!("Alle können {de}."));
    }
    let mut all = people(it, who.classes);
    if who.moderators {
        all.push(Words::new("moderators", "Moderatoren"));
    }
    if all.is_empty() && it.policy.operators.is_empty() {
        return Words::new(format!("Nobody can {en}."), format!("Niemand kann {de}."));
    }
    if all.is_empty() {
        all.push(Words::new("operators of this server", "Betreiber dieses Servers"));
    }
    let all = list(&all);
    Words::new(format!("Only {} can {en}.", all.en), format!("Nur {} können {de}.", all.de))
}

/// Returns a number with what it counts, as `1 Person` and `2 Personen`: the word for one and that for many.
pub(super) fn counted(number: u32, [one, many]: [&str; 2], [eine, viele]: [&str; 2]) -> Words {
    Words::new(messages::counted(number, one, many), messages::counted(number, eine, viele))
}

/// Returns a number of people.
pub(super) fn persons(number: u32) -> Words {
    counted(number, ["person", "people"], ["Person", "Personen"])
}

/// Returns a duration as a whole number of the largest possible unit, in German in the accusative.
pub(super) fn time(length: Duration) -> Words {
    timed(length, "Tage")
}

/// Returns a duration as [`time`] does, in German in the dative.
pub(super) fn dative(length: Duration) -> Words {
    timed(length, "Tagen")
}

fn timed(length: Duration, days: &str) -> Words {
    let units: [(u128, &str, &str, &str); 5] = [
        (86_400_000, "day", "Tag", days),
        (3_600_000, "hour", "Stunde", "Stunden"),
        (60_000, "minute", "Minute", "Minuten"),
        (1000, "second", "Sekunde", "Sekunden"),
        (1, "millisecond", "Millisekunde", "Millisekunden"),
    ];
    let millis = length.as_millis();
    let unit = units.iter().find(|(unit, ..)| millis > 0 && millis.is_multiple_of(*unit));
    let (unit, en, one, many) =
        unit.copied().unwrap_or((1, "millisecond", "Millisekunde", "Millisekunden"));
    let number = millis.checked_div(unit).unwrap_or(millis);
    if number == 1 {
        return Words::new(format!("1 {en}"), format!("1 {one}"));
    }
    Words::new(format!("{number} {en}s"), format!("{number} {many}"))
}

/// Returns opening hours, like `Mon–Fri 08:00–18:00`.
pub(super) fn hours(spans: &[Span]) -> Words {
    const ENGLISH: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const GERMAN: [&str; 7] = ["Mo", "Di", "Mi", "Do", "Fr", "Sa", "So"];
    let clock = |second: u32| match second {
        DAY => "24:00".to_owned(),
        _ => format!("{:02}:{:02}", second / 3600 % 24, second / 60 % 60),
    };
    let all = |names: [&str; 7]| {
        let spans = spans.iter().map(|span| {
            format!("{} {}–{}", days(span.days, names), clock(span.from), clock(span.to))
        });
        spans.collect::<Vec<_>>().join(", ")
    };
    Words::new(all(ENGLISH), all(GERMAN))
}

/// Returns days of the week, with those that follow one another as a range.
fn days(bits: u8, names: [&str; 7]) -> String {
    let mut runs: Vec<(&str, Option<&str>)> = Vec::new();
    let mut follows = false;
    for (day, name) in names.into_iter().enumerate() {
        let is_in = bits & (1 << day) != 0;
        match runs.last_mut() {
            Some((_, last)) if is_in && follows => *last = Some(name),
            _ if is_in => runs.push((name, None)),
            _ => {}
        }
        follows = is_in;
    }
    let runs = runs.into_iter().map(|(first, last)| match last {
        Some(last) => format!("{first}–{last}"),
        None => first.to_owned(),
    });
    runs.collect::<Vec<_>>().join(", ")
}

/// Returns days of the calendar, the first of many.
pub(super) fn dates(dates: &[Date]) -> Words {
    const SHOWN: usize = 15;
    let more = dates.len().saturating_sub(SHOWN);
    let all = |format: &str, rest: String| {
        let shown = dates.iter().take(SHOWN).map(|date| date.strftime(format).to_string());
        shown.chain((more > 0).then_some(rest)).collect::<Vec<_>>().join(", ")
    };
    Words::new(
        all("%-d %B %Y", format!("and {more} more")),
        all("%-d.%-m.%Y", format!("und {more} weitere")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_take_the_largest_unit_that_fits() {
        let of = |seconds| dative(Duration::from_secs(seconds));
        assert_eq!(of(86_400 * 30), Words::new("30 days", "30 Tagen"));
        assert_eq!(of(3600), Words::new("1 hour", "1 Stunde"));
        assert_eq!(of(5400), Words::new("90 minutes", "90 Minuten"));
        assert_eq!(time(Duration::from_millis(1500)).en, "1500 milliseconds");
        assert_eq!(time(Duration::ZERO).en, "0 milliseconds");
    }

    #[test]
    fn one_person_is_not_many() {
        assert_eq!(persons(1), Words::new("1 person", "1 Person"));
        assert_eq!(persons(20), Words::new("20 people", "20 Personen"));
    }

    #[test]
    fn days_that_follow_one_another_are_a_range() {
        let span = |days| Span { days, from: 8 * 3600, to: DAY };
        assert_eq!(hours(&[span(0b001_1111)]).en, "Mon–Fri 08:00–24:00");
        assert_eq!(hours(&[span(0b110_0001)]).de, "Mo, Sa–So 08:00–24:00");
    }

    #[test]
    fn many_days_are_counted() {
        let day = jiff::civil::date(2026, 12, 25);
        assert_eq!(dates(&[day]), Words::new("25 December 2026", "25.12.2026"));
        assert!(dates(&[day; 17]).en.ends_with(", and 2 more"));
    }
}
