//! `[[ban]]`: who stays out.

use globset::GlobMatcher;

use super::covered::{self, On, Reach};
use super::section::Section;
use crate::jid::BareJid;
use crate::policy::bans::{Ban, Bans, Origin};
use crate::policy::rules::kinds::glob;
use crate::setting::address::{account_or, domain_name, moment, network, words_for_domains};
use crate::setting::values::{some_text, text};
use crate::setting::{Item, Read};

/// Reads every `[[ban]]`, and how many there are.
pub(super) fn read(sections: Vec<Section<'_>>) -> (Bans, usize) {
    let (mut bans, mut reaches) = (Bans::default(), Vec::new());
    let (count, notes) = (sections.len(), sections.first().map(Section::notes));
    for section in sections {
        one(section, &mut bans, &mut reaches);
    }
    if let Some(notes) = notes {
        covered::check(notes, &reaches);
    }
    (bans, count)
}

fn one(mut section: Section<'_>, bans: &mut Bans, reaches: &mut Vec<Reach>) {
    let given = ["jid", "domain", "network"].map(|key| section.given(key, |_| ()).is_some());
    let jid = section.read("jid", account);
    let domain = section.read("domain", domain_name);
    section.warn("domain", words_for_domains);
    let network = section.read("network", network);
    let rooms = room(&mut section);
    let until = section.read("until", moment);
    let has_reason = section.given("reason", |_| ()).is_some();
    let reason = section.read("reason", some_text);

    match given.into_iter().filter(|given| *given).count() {
        1 => {}
        0 => section.error_with(
            section.place(),
            "",
            "it is on nobody",
            "give one of `jid`, `domain` and `network`",
        ),
        _ => section.error_with(
            section.place(),
            "",
            "it is on more than one",
            "give one of `jid`, `domain` and `network`, and a ban of its own for each other",
        ),
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
        section.ends(*end, place.clone(), "until", "this ban has ended, and has no effect");
    }
    let on = match (&jid, &domain, &network) {
        (Some((jid, _)), ..) => Some(On::Jid(jid.clone())),
        (None, Some((domain, _)), _) => Some(On::Domain(domain.clone())),
        (None, None, Some((network, _))) => Some(On::Network(network.trunc())),
        (None, None, None) => None,
    };
    reaches.extend(on.map(|on| Reach {
        on,
        rooms: rooms.as_ref().map(|rooms| rooms.glob().glob().to_owned()),
        until: until.as_ref().and_then(|(until, _)| *until),
        line: section.line(),
        place: section.place(),
    }));
    let ban = Ban {
        origin: Origin::Line(section.line()),
        until: until.and_then(|(until, _)| until),
        rooms,
        reason: reason.map(|(reason, _)| reason).unwrap_or_default(),
    };
    if let Some((jid, _)) = jid {
        bans.ban_jid(jid, ban);
    } else if let Some((domain, _)) = domain {
        bans.ban_domain(&domain, ban);
    } else if let Some((network, _)) = network {
        bans.ban_network(network, ban);
    }
    section.finish();
}

/// A person whom an entry is for; a domain is another key.
pub(super) fn account(item: &Item<'_>) -> Read<BareJid> {
    account_or(item, |domain| format!("write `domain = \"{domain}\"` for everybody from there"))
}

/// The rooms that an entry is for, by the pattern of their names; `None`: all.
pub(super) fn room(section: &mut Section<'_>) -> Option<GlobMatcher> {
    let pattern = section
        .read("room", |item| if text(item)?.is_empty() { Ok(None) } else { glob(item).map(Some) });
    pattern.and_then(|(rooms, _)| rooms).map(|glob| glob.compile_matcher())
}
