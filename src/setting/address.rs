//! The kinds of values that name something: addresses, domains, networks, rooms, moments.

use std::str::FromStr as _;

use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use super::item::{Item, Read, Wrong};
use super::values::{list, text};
use crate::jid::{BareJid, JidError, spellings};

/// A bare JID: an account, or a domain that speaks for itself.
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

/// The same account at each spelling of its domain, any of which the server may stamp.
pub(crate) fn jid_spellings(item: &Item<'_>) -> Read<Vec<BareJid>> {
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
pub(crate) fn account(item: &Item<'_>) -> Read<BareJid> {
    account_or(item, |domain| format!("write it like \"someone@{domain}\""))
}

/// The same, with what to do about a domain.
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

/// No server outside this machine has this as its domain.
fn is_word(domain: &str) -> bool {
    domain != "localhost" && !domain.contains(['.', ':'])
}

/// Returns a warning for each domain that is a mere word: a nick, say, is taken for a domain where one may stand.
pub(crate) fn words_for_domains(item: &Item<'_>) -> Vec<Wrong> {
    let placed = |item: &Item<'_>| Ok((text(item)?, item.place.clone()));
    let found = match item.value.as_array() {
        Some(_) => list(placed)(item),
        None => placed(item).map(|one| vec![one]),
    };
    // What is no text is noted where it is read.
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

/// A JID without anything before an `@` or after a `/`.
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

/// The same as text.
pub(crate) fn domain_name(item: &Item<'_>) -> Read<String> {
    domain(item).map(|domain| domain.as_str().to_owned())
}

/// The same in each of its spellings.
pub(crate) fn domain_spellings(item: &Item<'_>) -> Read<Vec<String>> {
    domain(item).map(|domain| spellings(domain.as_str()))
}

/// An address with its prefix length, or one address.
pub(crate) fn network(item: &Item<'_>) -> Read<IpNet> {
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

/// A moment with its offset, or a date: its end, in UTC. `None`: empty.
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
