//! `[[room]]`: other rules for some rooms.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::notes::{Notes, Place};
use super::outside::Outside;
use super::section::Section;
use super::{rules, ties};
use crate::jid::{BareJid, folded};
use crate::policy::Rules;
use crate::policy::overrides::{Override, Overrides};
use crate::policy::pattern::Pattern;
use crate::policy::room_name::RoomName;
use crate::policy::selector::Selector;
use crate::setting::address::domain_name;
use crate::setting::suggest::did_you_mean;
use crate::setting::values::{list, some_text, text, whole};
use crate::setting::{Item, Read};

/// Characters that no tenant has: it stands in brackets before a room's name, and is a part of a domain.
const NO_TENANT: [char; 5] = ['[', ']', '.', '@', '/'];

/// What overrides may refer to.
pub(super) struct Known<'a> {
    /// The rules that they are laid over.
    pub(super) base: &'a Rules,
    /// The same under each profile.
    pub(super) profiles: &'a BTreeMap<String, Rules>,
    /// The domains of the services.
    pub(super) services: Vec<String>,
}

/// Reads every `[[room]]`.
pub(super) fn read(
    notes: &Notes<'_>,
    sections: Vec<Section<'_>>,
    known: Known<'_>,
    outside: &Outside<'_>,
) -> Overrides {
    let mut rooms = Vec::with_capacity(sections.len());
    let mut places = Vec::with_capacity(sections.len());
    for mut section in sections {
        let (selector, place) = selector(&mut section, &known.services);
        let mut priority = 0;
        section.put("priority", &mut priority, whole(0..=1000));
        let profile = section.read("profile", |item| profile(item, known.profiles));
        let profile = profile.map(|(name, _)| name);
        let over = profile.as_ref().and_then(|name| known.profiles.get(name));
        let mut rules = over.unwrap_or(known.base).clone();
        rules::read(&mut section, &mut rules, outside);
        if let Some(selector) = selector {
            let key = if selector.pattern.is_some() { "match" } else { "" };
            places.push((section.path_of(key), place));
            let (line, rules) = (section.line(), Arc::new(rules));
            rooms.push(Override { selector, priority, profile, line, rules });
        }
        section.finish();
    }
    for tie in ties::find(&rooms, &known.services) {
        if let (Some((path, place)), Some(later), Some(first)) =
            (places.get(tie.later), rooms.get(tie.later), rooms.get(tie.first))
        {
            let (message, hint) = tie.said(&first.selector, first.line, &later.selector);
            notes.error(place.clone(), path.clone(), message, hint);
        }
    }
    Overrides::new(rooms, known.services).unwrap_or_else(|error| {
        let message = format!("the patterns are too much together: {}", error.kind());
        notes.error(Place::Whole, "room", message, None);
        Overrides::default()
    })
}

/// For which rooms it is, and where that is written. `None`: for none, or wrong, which is noted.
fn selector(section: &mut Section<'_>, services: &[String]) -> (Option<Selector>, Place) {
    const KEYS: [&str; 5] = ["match", "tenant", "service", "claim", "share"];
    let given = KEYS.map(|key| section.given(key, |_| ()).is_some());
    let pattern = section.read("match", |item| pattern(item, services));
    let place = pattern.as_ref().map_or_else(|| section.place(), |(_, place)| place.clone());
    let read = [
        section.read("tenant", tenant).map(|(value, _)| value),
        section.read("service", |item| service(item, services)).map(|(value, _)| value),
        section.read("claim", some_text).map(|(value, _)| value),
    ];
    let [tenant, service, claim] = read;
    let has_values = section.given("claim_values", |_| ()).is_some();
    let values = section.read("claim_values", list(some_text)).map(|(values, _)| values);
    let share = section.read("share", whole(1..=100)).map(|(share, _)| share);
    let selector = Selector {
        pattern: pattern.map(|(pattern, _)| pattern),
        tenant,
        service,
        claim: claim.zip(values.filter(|values| !values.is_empty())),
        share,
    };
    let [.., has_claim, _] = given;
    if has_claim != has_values || (has_claim && has_values && selector.claim.is_none()) {
        section.error_with(
            section.place(),
            "claim",
            "a claim and its values are needed together",
            "write them like `claim = \"group\"` and `claim_values = [\"board\"]`",
        );
    }
    if !given.contains(&true) && !has_values {
        section.error_with(
            section.place(),
            "match",
            "it is for no rooms",
            "write a pattern for their names, like `match = \"board-*\"`, or give a `tenant`, `service`, \
             `claim` or `share`",
        );
    }
    ((!selector.is_empty()).then_some(selector), place)
}

fn pattern(item: &Item<'_>, services: &[String]) -> Read<Pattern> {
    let text = some_text(item)?;
    let pattern = match Pattern::new(&text) {
        Ok(pattern) => pattern,
        Err(error) => {
            return item.wrong(format!("`{text}` is not a pattern: {}", error.kind()), None);
        }
    };
    // What stands for several services is not compared with them.
    let domain = pattern.as_str().rsplit_once('@').map(|(_, domain)| domain);
    match domain.filter(|domain| !domain.contains(['*', '?', '[', '{', '\\'])) {
        Some(domain) if !is_of(domain, services) => {
            let domain = domain.to_owned();
            no_service(item, &domain, services)
        }
        _ => Ok(pattern),
    }
}

/// Rooms at this domain are of one of the services, by its own address or by that of a tenant.
fn is_of(domain: &str, services: &[String]) -> bool {
    let room = BareJid::prepared(&format!("room@{domain}"));
    room.is_ok_and(|room| {
        let found = RoomName::of(&room, services).service.to_owned();
        services.contains(&found)
    })
}

fn tenant(item: &Item<'_>) -> Read<String> {
    let text = some_text(item)?;
    if text.contains(NO_TENANT) {
        let hint = "for more than one write a pattern, like `match = \"\\\\[acme-*\\\\]*\"`";
        return item.wrong(format!("`{text}` is not the name of a tenant"), Some(hint.to_owned()));
    }
    Ok(folded(&text))
}

fn service(item: &Item<'_>, services: &[String]) -> Read<String> {
    let domain = domain_name(item)?;
    if services.contains(&domain) {
        return Ok(domain);
    }
    no_service(item, &domain, services)
}

fn no_service<T>(item: &Item<'_>, domain: &str, services: &[String]) -> Read<T> {
    let all = services.iter().map(String::as_str);
    let hint = did_you_mean(domain, all)
        .unwrap_or_else(|| format!("add it as `[[service]]` with `domain = \"{domain}\"`"));
    item.wrong(format!("`{domain}` is no service of this file"), Some(hint))
}

fn profile(item: &Item<'_>, profiles: &BTreeMap<String, Rules>) -> Read<String> {
    let name = text(item)?;
    if profiles.contains_key(&name) {
        return Ok(name);
    }
    let hint = did_you_mean(&name, profiles.keys().map(String::as_str))
        .unwrap_or_else(|| format!("write it as `[profile.{name}.…]`"));
    item.wrong(format!("there is no profile `{name}`"), Some(hint))
}
