//! `[[exception]]`: rules that do not hold for some people, or in some rooms, for a while.

use globset::GlobMatcher;

use super::bans::{account, room};
use super::modes::what_is_wrong_with;
use super::section::Section;
use crate::policy::class::Class;
use crate::policy::exceptions::{Exception, Exceptions, Whom};
use crate::policy::modes::named;
use crate::policy::rules::fixed;
use crate::setting::address::{domain_name, moment, words_for_domains};
use crate::setting::values::{list, some_text, text, word};
use crate::setting::{Item, Read};

/// Reads every `[[exception]]`.
pub(super) fn read(sections: Vec<Section<'_>>) -> Exceptions {
    let mut exceptions = Exceptions::default();
    for section in sections {
        one(section, &mut exceptions);
    }
    exceptions
}

fn one(mut section: Section<'_>, exceptions: &mut Exceptions) {
    let given = ["jid", "domain", "class"].map(|key| section.given(key, |_| ()).is_some());
    let jid = section.read("jid", account).map(|(jid, _)| Whom::Jid(jid));
    let domain = section.read("domain", domain_name).map(|(domain, _)| Whom::Domain(domain));
    section.warn("domain", words_for_domains);
    let class = section.read("class", word(&Class::ALL, Class::name));
    let class = class.map(|(class, _)| Whom::Class(class));
    let rooms: Option<GlobMatcher> = room(&mut section);
    let has_rules = section.given("rules", |_| ()).is_some();
    let rules = section.read("rules", list(rule)).map(|(rules, _)| rules).unwrap_or_default();
    let until = section.read("until", moment);
    let has_reason = section.given("reason", |_| ()).is_some();
    let reason = section.read("reason", some_text);

    match given.into_iter().filter(|given| *given).count() {
        0 if rooms.is_none() => section.error_with(
            section.place(),
            "",
            "it is for everybody, everywhere",
            "give one of `jid`, `domain` and `class`, or a `room`; or switch the rules off in `[policy.modes]`",
        ),
        0 | 1 => {}
        _ => section.error_with(
            section.place(),
            "",
            "it is for more than one",
            "give one of `jid`, `domain` and `class`, and an exception of its own for each other",
        ),
    }
    if !has_rules {
        section.error_with(
            section.place(),
            "rules",
            "it is missing",
            "name the rules that do not hold, like `rules = [\"access.encrypted\"]`",
        );
    }
    if !has_reason {
        section.error_with(
            section.place(),
            "reason",
            "it is missing",
            "say why, for the next operator",
        );
    }
    if let Some((Some(end), place)) = &until {
        section.ends(*end, place.clone(), "until", "this exception has ended, and has no effect");
    }
    let exception = Exception {
        line: section.line(),
        until: until.and_then(|(until, _)| until),
        rooms,
        bans: rules.iter().any(|name| name == fixed::BAN.name),
        rules: rules.iter().flat_map(|name| named(name)).collect(),
        reason: reason.map(|(reason, _)| reason).unwrap_or_default(),
    };
    exceptions.add(jid.or(domain).or(class).unwrap_or(Whom::All), exception);
    section.finish();
}

fn rule(item: &Item<'_>) -> Read<String> {
    let name = text(item)?;
    match what_is_wrong_with(&name).filter(|_| name != fixed::BAN.name) {
        None => Ok(name),
        Some((message, hint)) => item.wrong(message, Some(hint)),
    }
}
