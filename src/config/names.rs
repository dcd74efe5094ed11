//! The kinds of values that name something: addresses, domains, networks, rooms, moments.

use std::str::FromStr as _;

use globset::{Glob, GlobSet, GlobSetBuilder};
use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use super::section::{Item, Read, Section};
use super::values::{list, some_text, text};
use crate::jid::{BareJid, JidError, spellings};
use crate::policy::room_name::pattern;

/// A bare JID: an account, or a domain that speaks for itself.
pub(super) fn jid(item: &Item<'_>) -> Read<BareJid> {
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

/// The same account at each spelling of its domain, any of which the server may stamp.
pub(super) fn jid_spellings(item: &Item<'_>) -> Read<Vec<BareJid>> {
    jid(item).map(|jid| jid.spellings())
}

/// Notes an address that the server is to prepare, too.
fn noted(item: &Item<'_>, text: String, jid: BareJid) -> BareJid {
    if !text.is_ascii() {
        item.foreign.borrow_mut().push((text, jid.clone(), item.place.clone()));
    }
    jid
}

/// The bare JID of an account.
pub(super) fn account(item: &Item<'_>) -> Read<BareJid> {
    account_or(item, |domain| format!("write it like \"someone@{domain}\""))
}

/// The same, with what to do about a domain.
pub(super) fn account_or(item: &Item<'_>, hint: impl FnOnce(&str) -> String) -> Read<BareJid> {
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

/// No server outside this machine has this as its domain.
fn is_word(domain: &str) -> bool {
    domain != "localhost" && !domain.contains(['.', ':'])
}

/// Warns of each domain at a key that is a mere word: a nick, say, is taken for a domain where one may stand.
pub(super) fn warn_of_words(section: &mut Section<'_>, key: &'static str) {
    let placed = |item: &Item<'_>| Ok((text(item)?, item.place.clone()));
    let found = section.given(key, |item| match item.value.as_array() {
        Some(_) => list(placed)(item),
        None => placed(item).map(|one| vec![one]),
    });
    // What is no text is noted where it is read.
    for (text, place) in found.and_then(Result::ok).unwrap_or_default() {
        let is_domain = |jid: &BareJid| jid.node().is_none() && is_word(jid.as_str());
        if let Some(domain) = BareJid::prepared(&text).ok().filter(is_domain) {
            section.warning_with(
                place,
                key,
                format!(
                    "`{text}` is taken for the domain `{domain}`, which has no dot: nobody is there"
                ),
                &format!("if somebody is meant, write the address, like \"{domain}@example.org\""),
            );
        }
    }
}

/// A JID without anything before an `@` or after a `/`.
pub(super) fn domain(item: &Item<'_>) -> Read<BareJid> {
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

/// The same as text.
pub(super) fn domain_name(item: &Item<'_>) -> Read<String> {
    domain(item).map(|domain| domain.as_str().to_owned())
}

/// The same in each of its spellings.
pub(super) fn domain_spellings(item: &Item<'_>) -> Read<Vec<String>> {
    domain(item).map(|domain| spellings(domain.as_str()))
}

/// An address with its prefix length, or one address.
pub(super) fn network(item: &Item<'_>) -> Read<IpNet> {
    let text = text(item)?;
    IpNet::from_str(&text)
        .or_else(|_| std::net::IpAddr::from_str(&text).map(IpNet::from))
        .map_or_else(
            |_| {
                let hint = "write it like \"192.0.2.0/24\" or \"2001:db8::/32\"".to_owned();
                item.wrong(format!("`{text}` is not a network"), Some(hint))
            },
            Ok,
        )
}

/// A pattern for the names of rooms.
pub(super) fn glob(item: &Item<'_>) -> Read<Glob> {
    pattern(&some_text(item)?).map_or_else(|error| item.wrong(error.to_string(), None), Ok)
}

/// Patterns for rooms; `None`: the list is empty.
pub(super) fn globs(item: &Item<'_>) -> Read<Option<GlobSet>> {
    let globs = list(glob)(item)?;
    if globs.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(glob);
    }
    set.build().map_or_else(
        |error| item.wrong(format!("the patterns are too much together: {}", error.kind()), None),
        |set| Ok(Some(set)),
    )
}

/// A moment with its offset, or a date: its end, in UTC. `None`: empty.
pub(super) fn moment(item: &Item<'_>) -> Read<Option<Timestamp>> {
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
    end.map_or_else(
        || {
            let hint = "write it like \"2027-01-31\" or \"2027-01-31T18:00:00Z\"".to_owned();
            item.wrong(
                format!("`{text}` is neither a date nor a moment with its offset"),
                Some(hint),
            )
        },
        |end| Ok(Some(end)),
    )
}
