//! The policy of a file: `[policy]`, `[profile.NAME]`, `[[room]]`, `[[ban]]`, `[[exception]]` and `[[provider]]`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use globset::GlobMatcher;
use jiff::Timestamp;

use super::diagnostics::{Diagnostics, Place};
use super::environment::Outside;
use super::pattern_overlap::{On, Reach};
use super::secrets::Keys;
use super::settings::Accounts;
use super::table_reader::TableReader;
use super::{pattern_overlap, secrets, texts};
use crate::jid::{BareJid, folded};
use crate::policy::bans::{Ban, Bans, Origin};
use crate::policy::class::Class;
use crate::policy::exceptions::{Exception, Exceptions, Whom};
use crate::policy::overrides::{Override, Overrides, Pattern, Selector};
use crate::policy::password::Password;
use crate::policy::providers::{Proves, Provider, listed};
use crate::policy::room_name::{Invitations, RoomName};
use crate::policy::rules::fixed::FIXED;
use crate::policy::rules::kinds::glob;
use crate::policy::rules::{
    Families, Family, Key, Mode, Modes, SWITCHES, Visit, families, fixed, named, renamed,
};
use crate::policy::{Policy, Rules};
use crate::setting::kind::did_you_mean;
use crate::setting::values::{
    account, account_or, domain_name, list, moment, network, optional, some_text, text, whole,
    word, words_for_domains,
};
use crate::setting::{Item, Kind, Read, Setting};

/// Services of the file, as the policy needs them.
pub(super) struct Services {
    /// Accounts of all services, each with its line.
    pub(super) accounts: Accounts,
    /// Account of the focus, by the domain of its service.
    pub(super) focuses: HashMap<String, BareJid>,
    /// Domains of all services.
    pub(super) domains: Vec<String>,
    /// What invitations to rooms hold, by the domain of their service.
    pub(super) invitations: HashMap<String, Invitations>,
}

/// Reads the policy for these services. Also returns the number of bans in the file.
pub(super) fn read(
    root: &mut TableReader<'_>,
    services: Services,
    outside: &Outside<'_>,
) -> (Policy, usize) {
    let mut section = root.table("policy");
    let notes = section.notes();
    let operators = section.value("operators", list(placed_account)).unwrap_or_default();
    let mut base = Rules::default();
    read_rules(&mut section, &mut base, outside);
    section.finish();

    let profiles = read_profiles(root, &base, outside);
    let known = Known { base: &base, profiles: &profiles, services: services.domains };
    let rooms = read_rooms(notes, root.tables("room"), known, outside);
    let (bans, count) = read_bans(root.tables("ban"));
    let exceptions = read_exceptions(root.tables("exception"));
    let providers = read_providers(root.tables("provider"));
    let operators = operators.into_iter().flat_map(|(jid, place)| {
        let line = notes.line(&place);
        jid.spellings().into_iter().map(move |jid| (jid, line))
    });
    let policy = Policy {
        revision: String::new(),
        services: services.accounts.services,
        gateways: services.accounts.gateways,
        focuses: services.focuses,
        invitations: services.invitations,
        operators: operators.collect(),
        providers,
        bans,
        made: Arc::default(),
        exceptions,
        texts: texts::read(root.table("text")),
        base: Arc::new(base),
        rooms,
    };
    (policy, count)
}

fn placed_account(item: &Item<'_>) -> Read<(BareJid, Place)> {
    account(item).map(|jid| (jid, item.place.clone()))
}

/// Reads every profile: by name, the base rules with the values of the profile.
pub(super) fn read_profiles(
    root: &mut TableReader<'_>,
    base: &Rules,
    outside: &Outside<'_>,
) -> BTreeMap<String, Rules> {
    root.tables_by_name("profile")
        .into_iter()
        .map(|(name, mut section)| {
            let mut rules = base.clone();
            read_rules(&mut section, &mut rules, outside);
            section.finish();
            (name, rules)
        })
        .collect()
}

/// Keys of the preset password.
const PRESET: Keys = Keys { inline: "preset", file: "preset_file", least: 1 };
/// Keys of the secret that passwords are derived from.
const DERIVE: Keys = Keys { inline: "secret", file: "secret_file", least: 32 };

/// Reads the tables of a section into the rules. A family without a table stays shared with the rules that
/// `rules` was cloned from.
pub(super) fn read_rules(section: &mut TableReader<'_>, rules: &mut Rules, outside: &Outside<'_>) {
    rules.visit(&mut Tables(section));
    if let Some(table) = section.table_if_given(Password::NAME) {
        from_files(table, Arc::make_mut(&mut rules.password), outside);
    }
    if let Some(table) = section.table_if_given("modes") {
        read_modes(table, Arc::make_mut(&mut rules.modes));
    }
}

struct Tables<'a, 'f>(&'a mut TableReader<'f>);

impl Families for Tables<'_, '_> {
    fn family<F: Family + Clone>(&mut self, family: &mut Arc<F>) {
        if let Some(mut table) = self.0.table_if_given(F::NAME) {
            Arc::make_mut(family).visit(&mut table);
            table.finish();
        }
    }
}

impl Visit for TableReader<'_> {
    fn setting<T: 'static>(&mut self, key: &Key, setting: &mut Setting<T>, kind: Kind<T>) {
        self.set(key.name, setting, &kind);
    }

    fn table<F: Family>(&mut self, key: &'static str, family: &mut F) {
        let mut table = self.table(key);
        family.visit(&mut table);
        table.finish();
    }
}

/// Reads what may be in files of their own: secrets, and words of the deny list in addition to those of its key.
fn from_files(mut section: TableReader<'_>, rules: &mut Password, outside: &Outside<'_>) {
    for (setting, keys) in [(&mut rules.preset, PRESET), (&mut rules.secret, DERIVE)] {
        if let Ok(Some((secret, place))) = secrets::read(&mut section, keys, outside) {
            setting.set(secret, section.notes().line(&place));
        }
    }
    let listed = section.read("deny_list_file", |item| words_of(item, outside));
    if let Some((words, place)) = listed {
        let mut all: HashSet<_> = words.iter().map(|word| word.to_lowercase()).collect();
        if section.has("deny_list") {
            all.extend(rules.deny_list.value.iter().cloned());
            rules.deny_list.value = Arc::new(all);
        } else {
            rules.deny_list.set(Arc::new(all), section.notes().line(&place));
        }
    }
}

fn words_of(item: &Item<'_>, outside: &Outside<'_>) -> Read<Vec<String>> {
    let name = text(item)?;
    if name.is_empty() {
        return Ok(Vec::new());
    }
    match (outside.read)(Path::new(&name)) {
        Ok(words) => Ok(words.lines().filter(|word| !word.is_empty()).map(str::to_owned).collect()),
        Err(error) => item.wrong(format!("cannot read `{name}`: {error}"), None),
    }
}

/// Reads the modes: first those of whole families, then those of single rules, which override them.
pub(super) fn read_modes(mut section: TableReader<'_>, modes: &mut Modes) {
    let mut found: Vec<(String, Mode, u32)> = Vec::new();
    for (name, key, item) in section.leaves(families()) {
        if let Some((message, hint)) = what_is_wrong_with(&name) {
            section.hide(&item);
            section.error_with(key, &name, message, &hint);
            continue;
        }
        if found.iter().any(|(other, ..)| *other == name) {
            section.error(key, &name, "it is there twice, with and without quotes");
        }
        if let Some(mode) = section.judge(&name, &item, word(&Mode::ALL, Mode::name)) {
            found.push((name, mode, section.notes().line(&item.place)));
        }
    }
    // A rule's name has a dot, a family's has none.
    found.sort_by_key(|(name, ..)| name.contains('.'));
    for (name, mode, line) in found {
        modes.put(named(&name), mode, line);
    }
}

/// Returns why a name is none of a rule or family, and a suggestion; `None` if it is one.
pub(super) fn what_is_wrong_with(name: &str) -> Option<(&'static str, String)> {
    if named(name).next().is_some() {
        return None;
    }
    if let Some(rule) = FIXED.iter().find(|rule| rule.name == name) {
        return Some(("this rule always holds", rule.because.to_owned()));
    }
    if let Some(now) = renamed(name) {
        return Some(("this rule has another name now", format!("write `{now}`")));
    }
    let all = families().chain(SWITCHES.iter().map(|switch| switch.name));
    let hint = did_you_mean(name, all);
    let hint = hint.unwrap_or_else(|| "the names of the rules are in docs/rules.md".to_owned());
    Some(("no rule or family has this name", hint))
}

/// Reads every `[[exception]]`.
pub(super) fn read_exceptions(sections: Vec<TableReader<'_>>) -> Exceptions {
    let mut exceptions = Exceptions::default();
    for section in sections {
        read_exception(section, &mut exceptions);
    }
    exceptions
}

fn read_exception(mut section: TableReader<'_>, exceptions: &mut Exceptions) {
    let given = ["jid", "domain", "class"].map(|key| section.has(key));
    let jid = section.value("jid", banned_account).map(Whom::Jid);
    let domain = section.value("domain", domain_name).map(Whom::Domain);
    section.warn("domain", words_for_domains);
    let class = section.value("class", word(&Class::ALL, Class::name)).map(Whom::Class);
    let rooms = room(&mut section);
    match given.into_iter().filter(|given| *given).count() {
        0 if rooms.is_none() => section.wrong(
            "it is for everybody, everywhere",
            "give one of `jid`, `domain` and `class`, or a `room`; or switch the rules off in `[policy.modes]`",
        ),
        0 | 1 => {}
        _ => section.wrong(
            "it is for more than one",
            "give one of `jid`, `domain` and `class`, and an exception of its own for each other",
        ),
    }
    let hint = "name the rules that do not hold, like `rules = [\"access.encrypted\"]`";
    section.require("rules", hint);
    let rules = section.value("rules", list(rule)).unwrap_or_default();
    let exception = Exception {
        line: section.line(),
        until: until(&mut section, "this exception has ended, and has no effect"),
        rooms,
        bans: rules.iter().any(|name| name == fixed::BAN.name),
        rules: rules.iter().flat_map(|name| named(name)).collect(),
        reason: reason(&mut section),
    };
    exceptions.add(jid.or(domain).or(class).unwrap_or(Whom::All), exception);
    section.finish();
}

/// Reads when an entry ends, and reports that from then on it has no effect.
fn until(section: &mut TableReader<'_>, ended: &str) -> Option<Timestamp> {
    let (end, place) = section.read("until", moment)?;
    section.ends(end?, place, "until", ended);
    end
}

/// Reads the reason of an entry, which is required.
fn reason(section: &mut TableReader<'_>) -> String {
    section.require("reason", "say why, for the next operator");
    section.value("reason", some_text).unwrap_or_default()
}

fn rule(item: &Item<'_>) -> Read<String> {
    let name = text(item)?;
    match what_is_wrong_with(&name).filter(|_| name != fixed::BAN.name) {
        None => Ok(name),
        Some((message, hint)) => item.wrong(message, Some(hint)),
    }
}

/// Reads every `[[provider]]`, by name.
pub(super) fn read_providers(sections: Vec<TableReader<'_>>) -> HashMap<String, Provider> {
    let mut providers = HashMap::new();
    for section in sections {
        read_provider(section, &mut providers);
    }
    providers
}

fn read_provider(mut section: TableReader<'_>, providers: &mut HashMap<String, Provider>) {
    let hint = "write what `authentication` of the host says, like `name = \"custom_http\"`";
    section.require("name", hint);
    let name = section.read("name", name);
    section.require("proves", "write `proves = \"account\"`, `\"token\"` or `\"guest\"`");
    let proves = section.value("proves", word(&Proves::ALL, Proves::name));
    if let (Some((name, place)), Some(proves)) = (name, proves) {
        match listed(&name) {
            Some(known) if known == proves => section.warning_with(
                place.clone(),
                "name",
                format!("`{name}` proves that as it is: this table has no effect"),
                "leave it out",
            ),
            Some(known) => section.warning_with(
                place.clone(),
                "name",
                format!(
                    "`{name}` is known to prove \"{}\", and this table says \"{}\" of all who log in by it",
                    known.name(),
                    proves.name()
                ),
                "delete this table, unless just that is meant",
            ),
            None => {}
        }
        let provider = Provider { proves, line: section.line() };
        if providers.insert(name.clone(), provider).is_some() {
            section.error(place, "name", format!("`{name}` has a table of its own already"));
        }
    }
    section.finish();
}

/// Reads the name of an authentication provider, as in Prosody's option `authentication`.
fn name(item: &Item<'_>) -> Read<String> {
    let name = some_text(item)?;
    match name.strip_prefix("mod_auth_") {
        Some(short) => {
            let hint = format!("write \"{short}\", as in Prosody's `authentication`");
            item.wrong(format!("`{name}` is the name of its module"), Some(hint))
        }
        None => Ok(name),
    }
}

/// Reads every `[[ban]]`. Also returns their number.
pub(super) fn read_bans(sections: Vec<TableReader<'_>>) -> (Bans, usize) {
    let (mut bans, mut reaches) = (Bans::default(), Vec::new());
    let (count, notes) = (sections.len(), sections.first().map(TableReader::notes));
    for section in sections {
        read_ban(section, &mut bans, &mut reaches);
    }
    if let Some(notes) = notes {
        pattern_overlap::note_redundant_bans(notes, &reaches);
    }
    (bans, count)
}

fn read_ban(mut section: TableReader<'_>, bans: &mut Bans, reaches: &mut Vec<Reach>) {
    let given = ["jid", "domain", "network"].map(|key| section.has(key));
    let jid = section.value("jid", banned_account).map(On::Jid);
    let domain = section.value("domain", domain_name).map(On::Domain);
    section.warn("domain", words_for_domains);
    let network = section.value("network", network);
    let network = network.map(|network| On::Network(network.trunc()));
    match given.into_iter().filter(|given| *given).count() {
        1 => {}
        0 => section.wrong("it is on nobody", "give one of `jid`, `domain` and `network`"),
        _ => section.wrong(
            "it is on more than one",
            "give one of `jid`, `domain` and `network`, and a ban of its own for each other",
        ),
    }
    let ban = Ban {
        origin: Origin::Line(section.line()),
        rooms: room(&mut section),
        until: until(&mut section, "this ban has ended, and has no effect"),
        reason: reason(&mut section),
    };
    if let Some(on) = jid.or(domain).or(network) {
        reaches.push(Reach {
            on: on.clone(),
            rooms: ban.rooms.as_ref().map(|rooms| rooms.glob().glob().to_owned()),
            until: ban.until,
            line: section.line(),
            place: section.place(),
        });
        match on {
            On::Jid(jid) => bans.ban_jid(jid, ban),
            On::Domain(domain) => bans.ban_domain(&domain, ban),
            On::Network(network) => bans.ban_network(network, ban),
        }
    }
    section.finish();
}

/// Reads the account that an entry is about; a domain has a key of its own.
pub(super) fn banned_account(item: &Item<'_>) -> Read<BareJid> {
    account_or(item, |domain| format!("write `domain = \"{domain}\"` for everybody from there"))
}

/// Reads the pattern of the rooms that an entry applies to; `None`: all rooms.
pub(super) fn room(section: &mut TableReader<'_>) -> Option<GlobMatcher> {
    section.value("room", optional(glob))?.map(|glob| glob.compile_matcher())
}

/// Characters that no tenant has: it is put in brackets before a room's name, and is a part of a domain.
const NO_TENANT: [char; 5] = ['[', ']', '.', '@', '/'];

/// What the file defines that overrides may refer to.
pub(super) struct Known<'a> {
    /// Rules that an override starts from.
    pub(super) base: &'a Rules,
    /// Rules that an override with a profile starts from, by the name of the profile.
    pub(super) profiles: &'a BTreeMap<String, Rules>,
    /// The domains of the services.
    pub(super) services: Vec<String>,
}

/// Reads every `[[room]]`.
pub(super) fn read_rooms(
    notes: &Diagnostics<'_>,
    sections: Vec<TableReader<'_>>,
    known: Known<'_>,
    outside: &Outside<'_>,
) -> Overrides {
    let mut rooms = Vec::with_capacity(sections.len());
    let mut places = Vec::with_capacity(sections.len());
    for mut section in sections {
        let (selector, place) = selector(&mut section, &known.services);
        let mut priority = 0;
        section.put("priority", &mut priority, whole(0..=1000));
        let profile = section.value("profile", |item| profile(item, known.profiles));
        let over = profile.as_ref().and_then(|name| known.profiles.get(name));
        let mut rules = over.unwrap_or(known.base).clone();
        read_rules(&mut section, &mut rules, outside);
        if let Some(selector) = selector {
            let key = if selector.pattern.is_some() { "match" } else { "" };
            places.push((section.path_of(key), place));
            let (line, rules) = (section.line(), Arc::new(rules));
            rooms.push(Override { selector, priority, profile, line, rules });
        }
        section.finish();
    }
    for tie in pattern_overlap::find(&rooms, &known.services) {
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

/// Reads the selector of an override, and its place. `None` if it selects no rooms, which is reported.
fn selector(section: &mut TableReader<'_>, services: &[String]) -> (Option<Selector>, Place) {
    const KEYS: [&str; 5] = ["match", "tenant", "service", "claim", "share"];
    let given = KEYS.map(|key| section.has(key));
    let pattern = section.read("match", |item| pattern(item, services));
    let place = pattern.as_ref().map_or_else(|| section.place(), |(_, place)| place.clone());
    let tenant = section.value("tenant", tenant);
    let service = section.value("service", |item| service(item, services));
    let claim = section.value("claim", some_text);
    let has_values = section.has("claim_values");
    let values = section.value("claim_values", list(some_text));
    let is_without_values = values.as_ref().is_some_and(Vec::is_empty);
    let selector = Selector {
        pattern: pattern.map(|(pattern, _)| pattern),
        tenant,
        service,
        claim: claim.zip(values.filter(|_| !is_without_values)),
        share: section.value("share", whole(1..=100)),
    };
    let [.., has_claim, _] = given;
    if has_claim != has_values || is_without_values {
        section.error_with(
            section.place(),
            "claim",
            match is_without_values {
                true => "no value of the claim is named",
                false => "a claim and its values are needed together",
            },
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
    // A domain with wildcards may stand for several services, so it is not compared with them.
    let domain = pattern.as_str().rsplit_once('@').map(|(_, domain)| domain);
    match domain.filter(|domain| !domain.contains(['*', '?', '[', '{', '\\'])) {
        Some(domain) if !is_of(domain, services) => {
            let domain = domain.to_owned();
            no_service(item, &domain, services)
        }
        _ => Ok(pattern),
    }
}

/// Returns whether rooms at this domain belong to one of the services, by its own domain or by that of a tenant.
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
