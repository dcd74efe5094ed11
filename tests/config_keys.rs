//! Every key of the operator's file reaches the setting that it is named after.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use vestibule::config::{Environment, Outside, parse, schema};

/// The leaves of a `Debug` text, by the names on the way to them.
fn leaves(shown: &str) -> BTreeMap<String, String> {
    let (mut path, mut found) = (Vec::<(usize, &str)>::new(), BTreeMap::<String, String>::new());
    for text in shown.lines() {
        let depth = text.len().saturating_sub(text.trim_start().len());
        path.retain(|(above, _)| *above < depth);
        if text.trim().chars().all(|c| ")]},".contains(c)) {
            continue;
        }
        let (name, value) = text.trim().split_once(": ").unwrap_or(("", text.trim()));
        if !name.is_empty() {
            path.push((depth, name));
        }
        let names: Vec<_> = path.iter().map(|(_, name)| *name).collect();
        found.entry(names.join(".")).or_default().push_str(value);
    }
    found
}

#[test]
fn every_key_reaches_its_own_setting() {
    const KEYS: &[(&str, &str, &str)] = &[
        ("component.domain", "'x.example'", "domain"),
        ("component.server", "'[::1]:1'", "server"),
        ("component.allow_plaintext_network", "true", "allow_plaintext_network"),
        ("component.state_dir", "'/x'", "state_dir"),
        ("component.socket", "'/x'", "socket"),
        ("component.ready_within", "'1 minute'", "ready_within"),
        ("log.level", "'debug'", "level"),
        ("log.format", "'json'", "format"),
        ("log.decisions", "'x'", "decisions"),
        ("audit.every", "'1h'", "every"),
        ("audit.repair", "['ban']", "repair"),
        ("reload.max_removed", "1", "max_removed"),
        ("doctor.every", "'1h'", "every"),
        ("doctor.ignore", "['x']", "ignore"),
        ("doctor.jicofo_config", "'x'", "jicofo_config"),
        ("doctor.bridge_config", "'x'", "bridge_config"),
        ("doctor.web_config", "'x'", "web_config"),
        ("doctor.nginx_config", "'x'", "nginx_config"),
        ("doctor.docker_env", "'x'", "docker_env"),
        ("doctor.advisories", "'x'", "advisories"),
        ("reload.max_removed_percent", "1", "max_removed_percent"),
        ("store.file", "''", "file"),
        ("store.retention", "'never'", "retention"),
        ("store.max_size", "'16 MiB'", "max_size"),
        ("store.addresses", "'hash'", "addresses"),
        ("store.postgres", "'postgresql://v@127.0.0.1/v'", "postgres"),
        ("store.server", "'one'", "server"),
        ("admin.http", "''", "http"),
        ("admin.allow_network", "true", "allow_network"),
        ("admin.socket_mode", "'0660'", "socket_mode"),
        ("admin.hosts", "['x.example']", "hosts"),
        ("admin.open_metrics", "true", "open_metrics"),
        ("policy.password.required", "false", "required"),
        ("policy.password.source", "'creator'", "source"),
        ("policy.password.words", "5", "words"),
        ("policy.password.min_length", "9", "min_length"),
        ("policy.password.min_score", "4", "min_score"),
        ("policy.password.deny_list", "['x']", "deny_list"),
        ("policy.password.deny_list_file", "'x'", "deny_list"),
        ("policy.password.preset", "'xxxxxxxx'", "preset"),
        ("policy.password.preset_file", "'x'", "preset"),
        ("policy.password.secret", "'0123456789abcdef0123456789abcdef'", "secret"),
        ("policy.password.secret_file", "'x'", "secret"),
        ("policy.password.period", "'1 day'", "period"),
        ("policy.password.change", "'operator'", "change"),
        ("policy.password.ask_again", "'nobody'", "ask_again"),
        ("policy.password.show_to_moderators", "false", "show_to_moderators"),
        ("policy.password.bypass", "[]", "bypass"),
        ("policy.password.guesses.burst", "1", "guesses.burst"),
        ("policy.password.guesses.room_burst", "1", "guesses.room_burst"),
        ("policy.password.guesses.delay", "'1s'", "guesses.delay"),
        ("policy.password.guesses.max_delay", "'1 minute'", "guesses.max_delay"),
        ("policy.password.guesses.reset_after", "'1s'", "guesses.reset_after"),
        ("policy.lobby.admission", "'lobby'", "admission"),
        ("policy.lobby.bypass", "[]", "bypass"),
        ("policy.lobby.max_waiting", "1", "max_waiting"),
        ("policy.lobby.wait", "'1s'", "wait"),
        ("policy.lobby.max_knocks", "1", "max_knocks"),
        ("policy.lobby.max_knocks_per", "'1s'", "max_knocks_per"),
        ("policy.lobby.unattended", "['refuse']", "unattended"),
        ("policy.lobby.unattended_after", "'1s'", "unattended_after"),
        ("policy.moderators.assign", "['account']", "assign"),
        ("policy.moderators.jids", "['a@b']", "jids"),
        ("policy.moderators.domains", "['b']", "domains"),
        ("policy.moderators.claim", "'x'", "claim"),
        ("policy.moderators.claim_values", "['x']", "claim_values"),
        ("policy.moderators.code", "'generated'", "code"),
        ("policy.moderators.grant", "'nobody'", "grant"),
        ("policy.moderators.revoke", "'nobody'", "revoke"),
        ("policy.moderators.remove", "'nobody'", "remove"),
        ("policy.moderators.admit", "'nobody'", "admit"),
        ("policy.moderators.end", "'nobody'", "end"),
        ("policy.moderators.protect", "['opener']", "protect"),
        ("policy.moderators.successors", "['guest']", "successors"),
        ("policy.moderators.succession_after", "'never'", "succession_after"),
        ("policy.close.hold_until", "[]", "hold_until"),
        ("policy.close.at_occupants", "9", "at_occupants"),
        ("policy.close.after", "'1 day'", "after"),
        ("policy.close.when_unmoderated", "'1s'", "when_unmoderated"),
        ("policy.close.may_enter", "[]", "may_enter"),
        ("policy.close.moderators_enter", "false", "moderators_enter"),
        ("policy.close.by", "'nobody'", "by"),
        ("policy.close.reopen", "'nobody'", "reopen"),
        ("policy.access.create", "['everyone']", "create"),
        ("policy.access.enter", "['guest']", "enter"),
        ("policy.access.listed", "['a@b', 'c']", "listed"),
        ("policy.access.rooms", "['x']", "rooms"),
        ("policy.access.refused_rooms", "['x']", "refused_rooms"),
        ("policy.access.encrypted", "false", "encrypted"),
        ("policy.access.trust_loopback", "false", "trust_loopback"),
        ("policy.access.hidden", "false", "hidden"),
        ("policy.access.persistent", "true", "persistent"),
        ("policy.removal.keep_out_for", "'1 day'", "keep_out_for"),
        ("policy.removal.by", "['ticket']", "by"),
        ("policy.removal.subject_claim", "'sub'", "subject_claim"),
        ("policy.settings.name", "'nobody'", "name"),
        ("policy.settings.name_length", "9", "name_length"),
        ("policy.settings.description", "'nobody'", "description"),
        ("policy.settings.description_length", "9", "description_length"),
        ("policy.settings.subject", "'operator'", "subject"),
        ("policy.settings.subject_length", "9", "subject_length"),
        ("policy.settings.subject_change", "'nobody'", "subject_change"),
        ("policy.settings.language", "'nobody'", "language"),
        ("policy.settings.languages", "['de']", "languages"),
        ("policy.settings.moderated", "'nobody'", "moderated"),
        ("policy.settings.whois", "'nobody'", "whois"),
        ("policy.settings.whois_choices", "['anyone']", "whois_choices"),
        ("policy.settings.history", "'nobody'", "history"),
        ("policy.settings.history_max", "9", "history_max"),
        ("policy.settings.member_invites", "'nobody'", "member_invites"),
        ("policy.settings.private_messages", "'nobody'", "private_messages"),
        ("policy.settings.private_message_choices", "['none']", "private_message_choices"),
        ("policy.settings.presence", "'nobody'", "presence"),
        ("policy.settings.archive", "'nobody'", "archive"),
        ("policy.settings.max_occupants", "'nobody'", "max_occupants"),
        ("policy.settings.max_occupants_min", "9", "max_occupants_min"),
        ("policy.settings.max_occupants_max", "9", "max_occupants_max"),
        ("policy.settings.persistent", "'nobody'", "persistent"),
        ("policy.settings.other", "'nobody'", "other"),
        ("policy.permissions.e2ee", "'require'", "e2ee"),
        ("policy.hours.zone", "'Europe/Berlin'", "zone"),
        ("policy.hours.open", "['mon 08:00-09:00']", "open"),
        ("policy.hours.closed_on", "['2026-12-25']", "closed_on"),
        ("policy.hours.who", "[]", "who"),
        ("policy.hours.at_end", "'end'", "at_end"),
        ("policy.hours.warn_before", "'1s'", "warn_before"),
        ("policy.limits.occupants", "1", "occupants"),
        ("policy.limits.duration", "'1s'", "duration"),
        ("policy.limits.warn_before", "'1s'", "warn_before"),
        ("policy.limits.without_moderator", "'1s'", "without_moderator"),
        ("policy.limits.rooms_per_opener", "1", "rooms_per_opener"),
        ("policy.limits.rooms", "1", "rooms"),
        ("policy.limits.flood_strangers", "1", "flood_strangers"),
        ("policy.limits.flood_within", "'1s'", "flood_within"),
        ("policy.limits.flood_calm", "'1s'", "flood_calm"),
    ];
    let secret = ("VESTIBULE_COMPONENT__SECRET".to_owned(), "x".to_owned());
    let environment = Environment::of([secret]);
    let read = |_: &Path| Ok("0123456789abcdef0123456789abcdef".to_owned());
    let outside =
        Outside { environment: &environment, read: &read, exposed: false, lenient: false };
    let show = |text: &str| {
        // Nobody waits for a password that is not required.
        let text = format!(
            "{text}\n{}",
            match text.contains("password.required") {
                true => "policy.close.hold_until = []\n",
                false => "",
            }
        );
        let loaded = parse("f", &text, &outside).unwrap();
        leaves(&format!("{:#?}\n{:#?}", loaded.settings, loaded.policy.base))
    };
    let default = show("");
    // The lists of who is permitted what are all of one kind.
    let keys = schema();
    let lists = keys.iter().filter_map(|key| {
        let field = key.strip_prefix("policy.permissions.")?;
        (field != "e2ee").then_some((key.as_str(), "['listed']", field))
    });
    let all: Vec<_> = KEYS.iter().copied().chain(lists).collect();
    assert!(all.len() >= KEYS.len() + 8);
    for &(key, value, field) in &all {
        let changed = show(&format!("{key} = {value}"));
        let table = key.split('.').find(|name| *name != "policy").unwrap();
        let expected = format!("{table}.{field}");
        let differing: Vec<_> = changed
            .iter()
            .filter(|(path, value)| default.get(*path) != Some(value))
            .map(|(path, _)| path.as_str())
            .filter(|path| key != "policy.password.required" || !path.starts_with("close."))
            .collect();
        assert!(!differing.is_empty(), "{key} changes nothing");
        let is_expected = |path: &&str| {
            path.strip_prefix(&expected).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('.') || expected.ends_with('_')
            })
        };
        assert!(differing.iter().all(is_expected), "{key} changes {differing:?}");
        if key.starts_with("policy.") {
            let line = format!("{}.line", differing[0].rsplit_once('.').unwrap().0);
            assert_eq!(changed.get(&line).map(String::as_str), Some("1,"), "{key}");
        }
    }
    let tested: BTreeSet<_> = all.iter().map(|(key, ..)| *key).collect();
    let families = [
        "policy.password.",
        "policy.lobby.",
        "policy.moderators.",
        "policy.close.",
        "policy.access.",
        "policy.removal.",
        "policy.settings.",
        "policy.permissions.",
        "policy.hours.",
        "policy.limits.",
    ];
    let missing: Vec<_> = keys
        .iter()
        .filter(|key| families.iter().any(|family| key.starts_with(family)))
        .filter(|key| !tested.contains(key.as_str()) && *key != "policy.password.guesses")
        .collect();
    assert!(missing.is_empty(), "{missing:?} are not tried");
}
