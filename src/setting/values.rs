//! Readers of values: plain ones, words and lists.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use jiff::civil::{Date, Time};
use jiff::fmt::friendly::SpanParser;
use jiff::tz::TimeZone;
use jiff::{SpanRelativeTo, Timestamp};
use toml::de::DeValue;

use super::kind;
use super::kind::{Item, Place, Read, Wrong};
use crate::jid::{BareJid, JidError, spellings};

/// Longest duration in the file: a hundred years.
pub const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

/// Reads `true` or `false`; a variable holds them as text.
pub(crate) fn boolean(item: &Item<'_>) -> Read<bool> {
    match (item.value, &item.place) {
        (DeValue::Boolean(value), _) => Ok(*value),
        (DeValue::String(text), Place::Variable(_)) => match text.as_ref() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => item.wrong("expected true or false", None),
        },
        (DeValue::String(text), _) if matches!(text.as_ref(), "true" | "false") => item.wrong(
            "expected true or false, found a string",
            Some(format!("write {text}, without quotes")),
        ),
        _ => item.expected("true or false"),
    }
}

/// Reads any text.
pub(crate) fn text(item: &Item<'_>) -> Read<String> {
    item.value.as_str().map_or_else(|| item.expected("a string"), |text| Ok(text.to_owned()))
}

/// Reads a text that is not blank.
pub(crate) fn some_text(item: &Item<'_>) -> Read<String> {
    let text = text(item)?;
    if text.trim().is_empty() { item.wrong("it is empty", None) } else { Ok(text) }
}

/// Reads any text as a path.
pub(crate) fn any_path(item: &Item<'_>) -> Read<PathBuf> {
    text(item).map(PathBuf::from)
}

/// Reads a value of that kind, or `None` from an empty text.
pub(crate) fn optional<T>(
    kind: impl Fn(&Item<'_>) -> Read<T>,
) -> impl Fn(&Item<'_>) -> Read<Option<T>> {
    move |item| if text(item)?.is_empty() { Ok(None) } else { kind(item).map(Some) }
}

/// Reads a whole number within these limits.
pub(crate) fn whole(limits: RangeInclusive<u32>) -> impl Fn(&Item<'_>) -> Read<u32> {
    move |item| {
        let DeValue::Integer(number) = item.value else { return item.expected("a whole number") };
        match u32::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) if limits.contains(&number) => Ok(number),
            _ => {
                let (least, most) = (limits.start(), limits.end());
                item.wrong(format!("`{number}` is not between {least} and {most}"), None)
            }
        }
    }
}

/// Parses a duration with its units, like "2 hours" or "30s"; `None` if it is none, negative or too long.
pub fn length(text: &str) -> Option<Duration> {
    let span = SpanParser::new().parse_span(text.trim()).ok()?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(length).ok()
}

/// Reads a duration with its units, not shorter than `least`.
pub(crate) fn duration(least: Duration) -> impl Fn(&Item<'_>) -> Read<Duration> {
    move |item| {
        let DeValue::String(text) = item.value else {
            let hint = item.value.as_integer().map_or_else(
                || "write it like \"5 minutes\"".to_owned(),
                |number| format!("write \"{number} seconds\" or another unit"),
            );
            let message = format!("expected a duration in quotes, found {}", item.found());
            return item.wrong(message, Some(hint));
        };
        match length(text) {
            None if text.trim().parse::<f64>().is_ok() => item.wrong(
                format!("`{text}` has no unit"),
                Some(format!("write \"{} seconds\" or another unit", text.trim())),
            ),
            None => item.wrong(
                format!("`{text}` is not a duration"),
                Some("write it like \"5 minutes\", \"30s\" or \"1h 30m\"".to_owned()),
            ),
            Some(length) if length < least => {
                item.wrong(format!("`{text}` is shorter than {}", in_words(least)), None)
            }
            Some(length) if length > LONGEST => item.wrong(format!("`{text}` is too long"), None),
            Some(length) => Ok(length),
        }
    }
}

/// Reads a duration not shorter than `least`, or `None` from `never`.
pub(crate) fn duration_or_never(least: Duration) -> impl Fn(&Item<'_>) -> Read<Option<Duration>> {
    move |item| match item.value.as_str() {
        Some(text) if text.trim() == "never" => Ok(None),
        Some(_) | None => duration(least)(item).map(Some),
    }
}

/// Returns a duration as a whole number of the largest possible unit, like `90 minutes`.
pub(crate) fn in_words(length: Duration) -> String {
    const UNITS: [(u128, &str); 5] = [
        (86_400_000, "day"),
        (3_600_000, "hour"),
        (60_000, "minute"),
        (1000, "second"),
        (1, "millisecond"),
    ];
    let millis = length.as_millis();
    let unit = UNITS.iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit));
    let (unit, name) = unit.copied().unwrap_or((1, "millisecond"));
    let number = millis.checked_div(unit).unwrap_or(millis);
    format!("{number} {name}{}", if number == 1 { "" } else { "s" })
}

/// Reads a number of bytes with its unit, not less than `least`.
pub(crate) fn size(least: u64) -> impl Fn(&Item<'_>) -> Read<u64> {
    const UNITS: [(&str, u64); 6] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
    ];
    move |item| {
        let hint = || Some("write it like \"500 MiB\" or \"2 GiB\"".to_owned());
        let text = text(item)?;
        let found = UNITS.iter().find_map(|(unit, bytes)| {
            let number = text.trim().strip_suffix(unit)?.trim().parse::<u64>().ok()?;
            number.checked_mul(*bytes)
        });
        match found {
            None => item.wrong(format!("`{text}` is not a size"), hint()),
            Some(bytes) if bytes < least => item.wrong(format!("`{text}` is too little"), hint()),
            Some(bytes) => Ok(bytes),
        }
    }
}

/// Reads one word of a closed list.
pub(crate) fn word<T: Copy + 'static>(
    all: &'static [T],
    name: fn(T) -> &'static str,
) -> impl Fn(&Item<'_>) -> Read<T> {
    move |item| {
        let names = || all.iter().map(|value| name(*value));
        let DeValue::String(word) = item.value else {
            return item.expected(&format!("one of {}", enumerate(names())));
        };
        if let Some(value) = all.iter().find(|value| name(**value) == word.as_ref()) {
            return Ok(*value);
        }
        let suggestion = kind::did_you_mean(word, names());
        item.wrong(format!("`{word}` is not one of {}", enumerate(names())), suggestion)
    }
}

fn enumerate<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// Reads a list, and reports the errors of all its items together.
pub(crate) fn list<T>(kind: impl Fn(&Item<'_>) -> Read<T>) -> impl Fn(&Item<'_>) -> Read<Vec<T>> {
    move |item| {
        if let Some(text) = item.value.as_str() {
            let hint = format!("write [\"{text}\"]");
            return item.wrong("expected a list, found a string", Some(hint));
        }
        let Some(items) = item.value.as_array() else { return item.expected("a list") };
        let (mut values, mut wrongs) = (Vec::new(), Vec::new());
        for one in items.iter() {
            let place = Place::Text(one.span());
            match kind(&Item { value: one.get_ref(), place, foreign: item.foreign }) {
                Ok(value) => values.push(value),
                Err(more) => wrongs.extend(more),
            }
        }
        if wrongs.is_empty() { Ok(values) } else { Err(wrongs) }
    }
}

/// Reads a bare JID: an account or a domain.
pub(crate) fn jid(item: &Item<'_>) -> Read<BareJid> {
    let text = text(item)?;
    match BareJid::prepared(&text) {
        Ok(jid) => Ok(noted(item, text, jid)),
        Err(JidError::Resource(bare)) => item.wrong(
            format!("`{text}` has a resource, the bare JID is meant"),
            Some(format!("write \"{bare}\"")),
        ),
        Err(error) => item.wrong(format!("`{text}` is not a JID: {error}"), None),
    }
}

/// Reads a bare JID in each spelling of its domain, any of which the server may use.
pub(crate) fn jid_spellings(item: &Item<'_>) -> Read<Vec<BareJid>> {
    jid(item).map(|jid| jid.spellings())
}

/// Records an address that is not ASCII, for the server to prepare it, too.
fn noted(item: &Item<'_>, text: String, jid: BareJid) -> BareJid {
    if !text.is_ascii() {
        item.foreign.borrow_mut().push((text, jid.clone(), item.place.clone()));
    }
    jid
}

/// Reads the bare JID of an account.
pub(crate) fn account(item: &Item<'_>) -> Read<BareJid> {
    account_or(item, |domain| format!("write it like \"someone@{domain}\""))
}

/// Reads the bare JID of an account; `hint` makes the suggestion for a domain.
pub(crate) fn account_or(item: &Item<'_>, hint: impl FnOnce(&str) -> String) -> Read<BareJid> {
    let jid = jid(item)?;
    if jid.node().is_some() {
        return Ok(jid);
    }
    if is_word(jid.as_str()) {
        let message = format!("`{}` has no domain: a nick is nobody's address", text(item)?);
        return item.wrong(message, Some(format!("write it like \"{jid}@example.org\"")));
    }
    item.wrong(format!("`{jid}` is a domain, not an account"), Some(hint(jid.as_str())))
}

/// Returns whether a domain is a single word, as that of no server outside this machine is.
fn is_word(domain: &str) -> bool {
    domain != "localhost" && !domain.contains(['.', ':'])
}

/// Returns a warning for each domain that is a single word, which may be a nick where an address was meant.
pub(crate) fn words_for_domains(item: &Item<'_>) -> Vec<Wrong> {
    let placed = |item: &Item<'_>| Ok((text(item)?, item.place.clone()));
    let found = match item.value.as_array() {
        Some(_) => list(placed)(item),
        None => placed(item).map(|one| vec![one]),
    };
    // A value that is no text is reported where it is read.
    let words = found.unwrap_or_default().into_iter().filter_map(|(text, place)| {
        let is_domain = |jid: &BareJid| jid.node().is_none() && is_word(jid.as_str());
        let domain = BareJid::prepared(&text).ok().filter(is_domain)?;
        Some(Wrong {
            place,
            message: format!(
                "`{text}` is taken for the domain `{domain}`, which has no dot: nobody is there"
            ),
            suggestion: Some(format!(
                "if a person is meant, write the address, like \"{domain}@example.org\""
            )),
        })
    });
    words.collect()
}

/// Reads a domain: a JID without local part and resource.
pub(crate) fn domain(item: &Item<'_>) -> Read<BareJid> {
    let text = text(item)?;
    match BareJid::prepared(&text) {
        Ok(jid) if jid.node().is_none() => Ok(noted(item, text, jid)),
        Ok(jid) | Err(JidError::Resource(jid)) => {
            let hint = format!("write \"{}\"", jid.domain());
            item.wrong(format!("`{text}` is a JID, only its domain is meant"), Some(hint))
        }
        Err(error) => item.wrong(format!("`{text}` is not a domain: {error}"), None),
    }
}

/// Reads a domain as text.
pub(crate) fn domain_name(item: &Item<'_>) -> Read<String> {
    domain(item).map(|domain| domain.as_str().to_owned())
}

/// Reads a domain in each of its spellings.
pub(crate) fn domain_spellings(item: &Item<'_>) -> Read<Vec<String>> {
    domain(item).map(|domain| spellings(domain.as_str()))
}

/// Reads a network: an address with its prefix length, or a single address.
pub(crate) fn network(item: &Item<'_>) -> Read<IpNet> {
    let text = text(item)?;
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.or_else(|_| {
        let hint = "write it like \"192.0.2.0/24\" or \"2001:db8::/32\"".to_owned();
        item.wrong(format!("`{text}` is not a network"), Some(hint))
    })
}

/// Reads a time with its offset, or the end of a date in UTC; `None` from an empty text.
pub(crate) fn moment(item: &Item<'_>) -> Read<Option<Timestamp>> {
    let text = match item.value.as_datetime() {
        Some(moment) => moment.to_string(),
        None => text(item)?,
    };
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(Some(moment));
    }
    let end = text.parse::<Date>().ok().filter(|_| text.len() == 10).and_then(|date| {
        let midnight = date.tomorrow().ok()?.to_datetime(Time::midnight());
        TimeZone::UTC.to_timestamp(midnight).ok()
    });
    if end.is_some() {
        return Ok(end);
    }
    let hint = "write it like \"2027-01-31\" or \"2027-01-31T18:00:00Z\"".to_owned();
    item.wrong(format!("`{text}` is neither a date nor a moment with its offset"), Some(hint))
}
