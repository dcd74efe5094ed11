//! `[[service]]`: the MUC services and the accounts that serve them.

use std::collections::HashMap;

use super::notes::Place;
use super::section::Section;
use super::settings::Service;
use crate::jid::BareJid;
use crate::setting::address::{account, domain, jid, words_for_domains};
use crate::setting::values::{list, text};
use crate::setting::{Item, Read};

/// Reads every `[[service]]`, and gives the accounts of all with their line.
pub(super) fn read(
    sections: Vec<Section<'_>>,
    component: Option<&BareJid>,
) -> (Vec<Service>, HashMap<BareJid, u32>) {
    let (mut services, mut accounts) = (Vec::<Service>::new(), HashMap::new());
    if sections.is_empty() {
        services.extend(BareJid::prepared("conference.localhost").ok().map(without_accounts));
    }
    for mut section in sections {
        let begin = section.place();
        let has_domain = section.given("domain", |_| ()).is_some();
        let read = section.read("domain", domain);
        if !has_domain {
            section.error_with(
                begin,
                "domain",
                "it is missing",
                "write the MUC service's, like `domain = \"conference.example.org\"`",
            );
        }
        let focus = section.read("focus", focus).and_then(|(jid, place)| Some((jid?, place)));
        let trusted =
            section.read("trusted", list(placed_jid)).unwrap_or((Vec::new(), Place::Whole)).0;
        section.warn("trusted", words_for_domains);
        let notes = section.notes();
        for (jid, place) in focus.iter().chain(&trusted) {
            for jid in jid.spellings() {
                accounts.entry(jid).or_insert_with(|| notes.line(place));
            }
        }
        if let Some((domain, place)) = read {
            if component == Some(&domain) {
                section.error_with(
                    place,
                    "domain",
                    format!("`{domain}` is the component's own domain"),
                    "name the MUC service that is to be guarded",
                );
            } else if services.iter().any(|service| service.domain == domain) {
                section.error(place, "domain", format!("`{domain}` is a service already"));
            }
            services.push(Service {
                domain,
                focus: focus.map(|(jid, _)| jid),
                trusted: trusted.into_iter().map(|(jid, _)| jid).collect(),
            });
        }
        section.finish();
    }
    (services, accounts)
}

const fn without_accounts(domain: BareJid) -> Service {
    Service { domain, focus: None, trusted: Vec::new() }
}

fn focus(item: &Item<'_>) -> Read<Option<BareJid>> {
    if text(item)?.is_empty() { Ok(None) } else { account(item).map(Some) }
}

fn placed_jid(item: &Item<'_>) -> Read<(BareJid, Place)> {
    jid(item).map(|jid| (jid, item.place.clone()))
}
