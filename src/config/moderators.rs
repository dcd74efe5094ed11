//! `[policy.moderators]`, and `[room.moderators]` for some rooms.

use std::time::Duration;

use toml::de::DeValue;

use super::names::{account_or, domain_spellings, warn_of_words};
use super::section::{Item, Read, Section};
use super::values::{classes, duration_or_never, list, some_text, word};
use crate::jid::BareJid;
use crate::policy::authority::Protected;
use crate::policy::moderators::{Become, Moderators};
use crate::policy::who::Who;

/// Puts what the table says into the rules.
pub(super) fn read(mut section: Section<'_>, rules: &mut Moderators) {
    section.set("become", &mut rules.become_by, ways);
    section.set("jids", &mut rules.jids, |item| list(account)(item).map(collect));
    section.set("domains", &mut rules.domains, |item| list(domain_spellings)(item).map(collect));
    warn_of_words(&mut section, "domains");
    section.set("claim", &mut rules.claim, some_text);
    section.set("claim_values", &mut rules.claim_values, list(some_text));
    section.set("grant", &mut rules.grant, word(&Who::ALL, Who::name));
    section.set("revoke", &mut rules.revoke, word(&Who::ALL, Who::name));
    section.set("remove", &mut rules.remove, word(&Who::ALL, Who::name));
    section.set("admit", &mut rules.admit, word(&Who::ALL, Who::name));
    section.set("protect", &mut rules.protect, list(word(&Protected::ALL, Protected::name)));
    section.set("end", &mut rules.end, word(&Who::ALL, Who::name));
    section.set("successors", &mut rules.successors, classes);
    let after = duration_or_never(Duration::from_secs(1));
    section.set("succession_after", &mut rules.succession_after, after);
    section.finish();
}

fn account(item: &Item<'_>) -> Read<Vec<BareJid>> {
    let hint = |domain: &str| format!("write it into `domains`, like `domains = [\"{domain}\"]`");
    account_or(item, hint).map(|jid| jid.spellings())
}

fn collect<T, C: FromIterator<T>>(spellings: Vec<Vec<T>>) -> C {
    spellings.into_iter().flatten().collect()
}

/// Every way, and `nobody`.
static WAYS: [Option<Become>; 6] = [
    Some(Become::Operator),
    Some(Become::Listed),
    Some(Become::Token),
    Some(Become::Account),
    Some(Become::Opener),
    None,
];

/// Ways to become a moderator; `nobody` stands alone.
fn ways(item: &Item<'_>) -> Read<Vec<Become>> {
    let is_nobody =
        |value: &DeValue<'_>| matches!(value, DeValue::String(word) if word == "nobody");
    if let DeValue::Array(items) = item.value
        && items.iter().any(|item| is_nobody(item.get_ref()))
    {
        return if items.len() == 1 {
            Ok(Vec::new())
        } else {
            item.wrong("`nobody` stands beside others", Some("write [\"nobody\"]".to_owned()))
        };
    }
    let mut ways: Vec<Become> = Vec::new();
    for way in
        list(word(&WAYS, |way| way.map_or("nobody", Become::name)))(item)?.into_iter().flatten()
    {
        if ways.contains(&way) {
            return item.wrong(format!("`{}` stands there twice", way.name()), None);
        }
        ways.push(way);
    }
    Ok(ways)
}
