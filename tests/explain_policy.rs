//! `vestibule explain-policy`: the pages of the presets, and that each sentence depends on its keys and on no other.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use vestibule::config::{Environment, Loaded, Outside, parse};
use vestibule::summary::{Facts, Format, Language, SENTENCES, summary};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// What stands before a policy: a server with Jitsi Meet.
const HEADER: &str = "version = 2\n[component]\ndomain = \"vestibule.example.org\"\n\
                      secret = \"canary-of-the-component\"\n\
                      [[service]]\ndomain = \"conference.example.org\"\nfocus = \"focus@auth.example.org\"\n";

/// What stands before the page in the documentation.
const FOR_PARTICIPANTS: &str = "<!-- Written by `UPDATE=1 cargo test --test explain_policy` -->

*This page is what participants get to read of the default policy, on a server with Jitsi Meet. \
`vestibule explain-policy --format html` prints it from your own file, in German with `--lang de`, for one room with \
`--room`. Publish it where your users look for help.*

";

/// Reads a file that is put together from this header and policy.
fn load(text: &str) -> Loaded {
    let environment = Environment::of([]);
    let read = |_: &Path| Ok("canary-of-a-file-0123456789abcdef".to_owned());
    let outside =
        Outside { environment: &environment, read: &read, exposed: false, lenient: false };
    parse("component.toml", text, &outside)
        .unwrap_or_else(|problems| panic!("{text}: {problems:?}"))
}

fn facts(loaded: &Loaded) -> Facts<'_> {
    Facts {
        policy: &loaded.policy,
        rules: &loaded.policy.base,
        settings: &loaded.settings,
        room: None,
        guests_open: None,
        tokens: None,
    }
}

/// Returns the policy of each preset and of an empty file by its name.
fn policies() -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([("default".to_owned(), String::new())]);
    for file in fs::read_dir(Path::new(ROOT).join("presets")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let preset = name.strip_suffix(".toml").filter(|name| !name.ends_with(".tests"));
        all.extend(preset.map(|name| (name.to_owned(), fs::read_to_string(&path).unwrap())));
    }
    all
}

/// Compares a text with that of a file, or writes it there if UPDATE is set.
fn current(path: &Path, text: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    let advice = "UPDATE=1 cargo test --test explain_policy writes it";
    assert_eq!(text, expected, "{}: {advice}", path.display());
}

#[test]
fn the_page_of_every_preset_is_the_one_that_was_read() {
    let pages = Path::new(ROOT).join("tests/explain_policy");
    for (name, policy) in policies() {
        let loaded = load(&format!("{HEADER}{policy}"));
        for language in Language::ALL {
            let page = summary(&facts(&loaded), language).page(Format::Text);
            assert!(!page.contains("canary"), "{name}: {page}");
            current(&pages.join(format!("{name}.{}.txt", language.name())), &page);
        }
    }
    let loaded = load(HEADER);
    let found = summary(&facts(&loaded), Language::English);
    current(&pages.join("default.en.html"), &found.page(Format::Html));
    let page = format!("{FOR_PARTICIPANTS}{}", found.page(Format::Markdown));
    current(&Path::new(ROOT).join("docs/for-participants.md"), &page);
}

#[test]
fn no_exception_stands_behind_a_rule_that_has_none() {
    for (name, policy) in policies() {
        for (en, de) in told(&format!("{HEADER}{policy}")).into_iter().flatten() {
            for (text, only, but) in [
                (en, ["Only ", "Nobody "], ["everyone", " to others"]),
                (de, ["Nur ", "Niemand "], [" alle.", " es anderen "]),
            ] {
                let has_but = but.iter().any(|word| text.contains(word));
                let is_only = only.iter().any(|word| text.starts_with(word));
                assert!(!(is_only && has_but), "{name}: {text}");
                assert!(
                    !text.contains(" and guests") && !text.contains(" und Gäste"),
                    "{name}: {text}"
                );
            }
        }
    }
}

/// What the page says: each sentence by its place in [`SENTENCES`], in both languages.
fn told(text: &str) -> Vec<Option<(String, String)>> {
    let loaded = load(text);
    let facts = facts(&loaded);
    let words = SENTENCES.iter().map(|sentence| (sentence.words)(&facts));
    words.map(|words| words.map(|words| (words.en, words.de))).collect()
}

/// For every key with a sentence: what else stands in the file, and two values.
const CHANGES: &[(&str, &str, &str, &str)] = &[
    ("access.create", "", "'default'", "['account']"),
    ("access.create", "", "['everyone']", "['guest', 'federated']"),
    ("access.enter", "", "['everyone']", "['account']"),
    ("access.listed", "permissions.chat = ['listed', 'moderator']", "[]", "['a.example']"),
    ("access.rooms", "", "[]", "['team-*']"),
    ("access.refused_rooms", "", "[]", "['test']"),
    ("access.encrypted", "", "true", "false"),
    ("access.hidden", "", "true", "false"),
    ("password.required", "close.hold_until = []", "true", "false"),
    ("password.source", "", "'generated'", "'creator'"),
    ("password.source", "password.secret_file = 'x'", "'generated'", "'derived'"),
    ("password.source", "password.preset_file = 'x'", "'generated'", "'preset'"),
    ("password.words", "", "4", "5"),
    ("password.min_length", "", "8", "12"),
    ("password.min_length", "password.source = 'creator'", "8", "12"),
    ("password.min_score", "", "3", "0"),
    (
        "password.period",
        "password = { source = 'derived', secret_file = 'x', PUT }",
        "'never'",
        "'7 days'",
    ),
    ("password.change", "", "'moderator'", "'nobody'"),
    ("password.show_to_moderators", "", "true", "false"),
    ("password.ask_again", "", "'everybody'", "'nobody'"),
    ("password.bypass", "", "['service']", "['account']"),
    ("password.bypass", "lobby.admission = 'password'", "['service']", "['account']"),
    ("password.guesses.burst", "", "5", "1"),
    ("password.guesses.delay", "", "'2 seconds'", "'1 second'"),
    ("password.guesses.max_delay", "", "'5 minutes'", "'1 hour'"),
    ("password.guesses.room_burst", "", "50", "1"),
    ("lobby.admission", "", "'password-or-lobby'", "'password-and-lobby'"),
    ("lobby.admission", "", "'password-or-lobby'", "'password'"),
    ("lobby.admission", "", "'password-or-lobby'", "'lobby'"),
    ("lobby.admission", "", "'lobby'", "'open'"),
    ("lobby.bypass", "", "['service']", "['account']"),
    ("lobby.bypass", "lobby.admission = 'lobby'", "['service']", "['everyone']"),
    ("lobby.wait", "", "'10 minutes'", "'1 hour'"),
    ("lobby.max_waiting", "", "50", "51"),
    ("lobby.max_knocks", "", "5", "1"),
    ("lobby.max_knocks_per", "", "'5 minutes'", "'2 days'"),
    ("lobby.unattended", "", "['refuse']", "['occupant', 'refuse']"),
    ("lobby.unattended", "", "['refuse']", "[]"),
    ("lobby.unattended_after", "", "'1 minute'", "'2 minutes'"),
    ("moderators.assign", "", "['opener']", "['token']"),
    ("moderators.assign", "", "['account']", "['nobody']"),
    ("moderators.jids", "moderators.assign = ['listed', 'opener']", "[]", "['ann@a.example']"),
    ("moderators.domains", "moderators.assign = ['listed', 'opener']", "[]", "['a.example']"),
    ("moderators.claim_values", "", "['true']", "[]"),
    ("moderators.code", "", "'none'", "'generated'"),
    ("moderators.grant", "", "'moderator'", "'operator'"),
    ("moderators.revoke", "", "'moderator'", "'nobody'"),
    ("moderators.remove", "", "'moderator'", "'nobody'"),
    ("moderators.admit", "", "'moderator'", "'operator'"),
    ("moderators.end", "", "'moderator'", "'nobody'"),
    ("moderators.protect", "", "['file']", "['file', 'opener']"),
    ("moderators.protect", "", "['opener']", "[]"),
    ("moderators.successors", "", "['account']", "['guest']"),
    ("moderators.succession_after", "", "'1 minute'", "'5 minutes'"),
    ("moderators.succession_after", "", "'1 minute'", "'never'"),
    ("close.hold_until", "", "[]", "['moderator']"),
    ("close.at_occupants", "", "0", "12"),
    ("close.after", "", "'never'", "'1 hour'"),
    ("close.when_unmoderated", "", "'never'", "'10 minutes'"),
    ("close.may_enter", "", "['service']", "['account']"),
    ("close.moderators_enter", "", "true", "false"),
    ("close.by", "", "'moderator'", "'operator'"),
    ("close.reopen", "", "'moderator'", "'nobody'"),
    ("removal.keep_out_for", "", "'1 hour'", "'never'"),
    ("removal.by", "", "['account']", "['address', 'device', 'ticket', 'token']"),
    ("names.unique", "", "'nobody'", "'moderators'"),
    ("names.unique", "", "'moderators'", "'everybody'"),
    ("names.protected", "", "[]", "['Moderator']"),
    ("names.scripts", "", "[]", "['Latin', 'Greek']"),
    ("permissions.chat", "", "['everyone']", "['moderator']"),
    ("permissions.private", "", "['everyone']", "[]"),
    ("permissions.rename", "", "['everyone']", "['token', 'returning']"),
    ("permissions.audio", "", "['everyone']", "['moderator']"),
    ("permissions.video", "", "['everyone']", "['federated']"),
    ("permissions.screen_share", "", "['everyone']", "['token']"),
    ("permissions.record", "", "['moderator']", "['everyone']"),
    ("permissions.dial", "", "['moderator']", "[]"),
    ("permissions.breakout", "", "['moderator']", "['account']"),
    ("permissions.breakout_choice", "", "['everyone']", "['moderator']"),
    ("permissions.breakout_alone", "", "['everyone']", "['moderator']"),
    ("permissions.e2ee", "", "'off'", "'prefer'"),
    ("permissions.e2ee", "", "'off'", "'require'"),
    ("hours.open", "", "[]", "['mon-fri 08:00-18:00', 'sat 22:00-02:00']"),
    ("hours.closed_on", "", "[]", "['2026-12-25']"),
    ("hours.closed_on", "hours.open = ['mon 08:00-09:00']", "[]", "['2026-12-25']"),
    ("hours.zone", "hours.open = ['mon 08:00-09:00']", "'UTC'", "'Europe/Berlin'"),
    ("hours.who", "hours.open = ['mon 08:00-09:00']", "['service']", "['account']"),
    ("hours.at_end", "hours.open = ['mon 08:00-09:00']", "'stay'", "'close'"),
    ("hours.at_end", "hours.open = ['mon 08:00-09:00']", "'close'", "'end'"),
    (
        "hours.warn_before",
        "hours = { open = ['mon 08:00-09:00'], at_end = 'end', PUT }",
        "'5 minutes'",
        "'never'",
    ),
    ("limits.occupants", "", "0", "100"),
    ("limits.duration", "", "'never'", "'2 hours'"),
    ("limits.warn_before", "limits.duration = '2 hours'", "'5 minutes'", "'1 minute'"),
    ("limits.without_moderator", "", "'never'", "'10 minutes'"),
    ("limits.rooms_per_opener", "", "0", "3"),
    ("limits.rooms", "", "0", "100"),
    ("limits.flood_strangers", "", "0", "20"),
    ("limits.flood_within", "limits.flood_strangers = 20", "'1 minute'", "'2 days'"),
    ("limits.flood_calm", "limits.flood_strangers = 20", "'10 minutes'", "'1 hour'"),
    ("operators", "", "[]", "['op@example.org']"),
    ("store.file", "", "'vestibule.db'", "''"),
    ("store.retention", "", "'90 days'", "'30 days'"),
    ("store.retention", "", "'90 days'", "'never'"),
    ("store.addresses", "", "'shorten'", "'hash'"),
    ("store.addresses", "", "'whole'", "'none'"),
    ("store.postgres", "", "''", "'postgresql://v@127.0.0.1/v'"),
    ("log.decisions", "", "''", "'decisions.jsonl'"),
];

/// Returns a file in which a key has a value, and something else stands.
fn file(key: &str, others: &str, value: &str) -> String {
    if key.starts_with("store.") || key.starts_with("log.") {
        return format!("{key} = {value}\n{HEADER}");
    }
    let (_, last) = key.rsplit_once('.').unwrap_or(("", key));
    let own = format!("policy.{key} = {value}\n");
    let lines = match others {
        "" => own,
        _ if others.contains("PUT") => {
            format!("policy.{}\n", others.replace("PUT", &format!("{last} = {value}")))
        }
        _ => format!("policy.{others}\n{own}"),
    };
    format!("{lines}{HEADER}")
}

#[test]
fn a_key_changes_the_sentences_that_name_it_and_no_other() {
    let declared: BTreeSet<_> = SENTENCES.iter().flat_map(|sentence| sentence.keys).collect();
    // These two are tables, not values.
    let tables = ["room", "exception"];
    let tried: BTreeSet<_> = CHANGES.iter().map(|(key, ..)| key).chain(&tables).collect();
    assert_eq!(declared, tried);
    let mut changed = BTreeSet::new();
    let mut compare = |key: &str, one: &str, other: &str| {
        let (one, other) = (told(one), told(other));
        assert_ne!(one, other, "{key} changes nothing");
        for (at, sentence) in SENTENCES.iter().enumerate() {
            if one[at] != other[at] {
                assert!(sentence.keys.contains(&key), "{key}: {:?} {:?}", one[at], other[at]);
                let differ = |of: fn(&(String, String)) -> &String| {
                    one[at].as_ref().map(of) != other[at].as_ref().map(of)
                };
                assert!(differ(|it| &it.0) && differ(|it| &it.1), "{key}, in one language only");
                changed.insert((at, key.to_owned()));
            }
        }
    };
    for (key, others, one, other) in CHANGES {
        compare(key, &file(key, others, one), &file(key, others, other));
    }
    let room = "[[room]]\nmatch = \"x\"\nlobby.max_waiting = 3\n";
    compare("room", HEADER, &format!("{HEADER}{room}"));
    let exception = "[[exception]]\nrules = [\"lobby\"]\ndomain = \"a.example\"\nreason = \"x\"\n";
    compare("exception", HEADER, &format!("{HEADER}{exception}"));

    // Every sentence is shown by at least one of its own keys.
    let shown: BTreeSet<_> = changed.iter().map(|(at, _)| *at).collect();
    let unseen: Vec<_> = (0..SENTENCES.len())
        .filter(|at| !shown.contains(at))
        .map(|at| SENTENCES[at].keys)
        .collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}

#[test]
fn a_rule_that_is_not_enforced_is_not_promised() {
    let of = |mode: &str| {
        let loaded = load(&format!("policy.modes.lobby = '{mode}'\n{HEADER}"));
        summary(&facts(&loaded), Language::English).page(Format::Text)
    };
    assert!(of("enforce").contains("you wait in the lobby"));
    for mode in ["observe", "off"] {
        assert!(!of(mode).contains("you wait in the lobby"), "{mode}");
    }
}

#[test]
fn an_address_of_another_server_is_explained_as_one() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("component.toml"), HEADER).unwrap();
    let explain = |jid: &str, more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .args(["--config", "component.toml", "explain", "--room", "tea", "--jid", jid])
            .args(more)
            .current_dir(home.path())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let other = explain("x@other.org", &[]);
    assert!(other.contains("class: federated\n  assumed: other.org is another server"), "{other}");
    assert!(explain("x@notexample.org", &[]).contains("class: federated"));
    for jid in ["ann@example.org", "ann@auth.example.org"] {
        let own = explain(jid, &[]);
        assert!(own.contains("class: account\n  assumed: a person with an account here"), "{own}");
    }
    for auth in ["account", "anonymous"] {
        assert!(!explain("x@other.org", &["--auth", auth]).contains("assumed"));
    }
}

#[test]
fn the_command_prints_the_page_of_a_room() {
    let home = tempfile::tempdir().unwrap();
    let room = "[[room]]\nmatch = \"board-*\"\nlobby.admission = \"password-and-lobby\"\n";
    fs::write(home.path().join("component.toml"), format!("{HEADER}{room}")).unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .args(["--config", "component.toml", "explain-policy"])
            .args(arguments)
            .current_dir(home.path())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (status, page) = run(&[]);
    assert_eq!(status, Some(0));
    assert!(page.contains("Without it, you wait in the lobby"), "{page}");
    assert!(page.contains("Some meetings have rules of their own"), "{page}");
    let (_, page) = run(&["--room", "board-1@conference.example.org", "--lang", "de"]);
    assert!(page.starts_with("Wie die Besprechung board-1 geschützt ist\n"), "{page}");
    assert!(page.contains("geben Sie das Passwort ein; dann warten Sie"), "{page}");
    let (_, page) = run(&["--format", "html", "--room", "tea@conference.example.org"]);
    assert!(
        page.starts_with("<!doctype html>") && page.contains("<h1>How the meeting tea"),
        "{page}"
    );
    let (_, page) = run(&["--json"]);
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    let first = &page["sections"][0]["sentences"][0];
    assert_eq!(first["keys"][0], "access.create");
    assert_eq!(run(&["--lang", "fr"]).0, Some(2));
    assert_eq!(run(&["--room", "tea@elsewhere.example.org"]), (Some(2), String::new()));
    assert!(run(&["--room", "tea"]).1.starts_with("How the meeting tea"));
}

#[test]
fn a_sentence_holds_for_the_passwords_successors_and_tokens_that_there_are() {
    let page = |policy: &str, header: &str| {
        let loaded = load(&format!("{policy}\n{header}"));
        summary(&facts(&loaded), Language::English).page(Format::Text)
    };
    let lobby = page("policy.lobby.admission = 'lobby'", HEADER);
    assert!(lobby.contains("Each meeting gets a password of 4 words"), "{lobby}");
    assert!(!lobby.contains("If a moderator has set a password"), "{lobby}");
    let chosen = "policy.lobby.admission = 'lobby'\npolicy.password.source = 'creator'";
    assert!(page(chosen, HEADER).contains("To join, type the password. Without it"));
    let none = page("policy.password.required = false\npolicy.close.hold_until = []", HEADER);
    assert!(none.contains("Moderators can set a password, with"), "{none}");
    assert!(none.contains("see the password of the meeting, if one is set"), "{none}");
    let accounts = page("policy.moderators.successors = ['account']", HEADER);
    assert!(accounts.contains("Only people with an account here can take over like this."));
    let nobody = page("policy.moderators.successors = []", HEADER);
    assert!(nobody.contains("for 1 minute, those who wait are asked"), "{nobody}");
    assert!(page("", HEADER).contains("whose invitation system marks them"));
    let plain = HEADER.replace("focus = \"focus@auth.example.org\"\n", "");
    assert!(!page("", &plain).contains("invitation system"));
}
