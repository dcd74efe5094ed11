//! The policy of a file: `[policy]`, `[[room]]` and `[[ban]]`.

use std::collections::HashMap;
use std::sync::Arc;

use super::outside::Outside;
use super::section::Section;
use super::{bans, exceptions, profiles, providers, rooms, rules, texts};
use crate::jid::BareJid;
use crate::policy::{Policy, Rules};
use crate::setting::address::account;
use crate::setting::values::list;
use crate::setting::{Item, Read};

/// What the file says of its services.
pub(super) struct Services {
    /// Every account that serves one, with its line.
    pub(super) accounts: HashMap<BareJid, u32>,
    /// The focus of each, by its domain.
    pub(super) focuses: HashMap<String, BareJid>,
    /// Their domains.
    pub(super) domains: Vec<String>,
}

/// Reads the policy, for these services; and how many bans it has.
pub(super) fn read(
    root: &mut Section<'_>,
    services: Services,
    outside: &Outside<'_>,
) -> (Policy, usize) {
    let mut section = root.table("policy");
    let notes = section.notes();
    let operators = section.read("operators", list(placed_account));
    let operators = operators.map(|(operators, _)| operators).unwrap_or_default();
    let mut base = Rules::default();
    rules::read(&mut section, &mut base, outside);
    section.finish();

    let profiles = profiles::read(root, &base, outside);
    let known = rooms::Known { base: &base, profiles: &profiles, services: services.domains };
    let rooms = rooms::read(notes, root.tables("room"), known, outside);
    let (bans, count) = bans::read(root.tables("ban"));
    let exceptions = exceptions::read(root.tables("exception"));
    let providers = providers::read(root.tables("provider"));
    let operators = operators.into_iter().flat_map(|(jid, place)| {
        let line = notes.line(&place);
        jid.spellings().into_iter().map(move |jid| (jid, line))
    });
    let operators = operators.collect();
    let base = Arc::new(base);
    let policy = Policy {
        revision: String::new(),
        services: services.accounts,
        focuses: services.focuses,
        operators,
        providers,
        bans,
        made: Arc::default(),
        exceptions,
        texts: texts::read(root.table("text")),
        base,
        rooms,
    };
    (policy, count)
}

fn placed_account(item: &Item<'_>) -> Read<(BareJid, super::notes::Place)> {
    account(item).map(|jid| (jid, item.place.clone()))
}
