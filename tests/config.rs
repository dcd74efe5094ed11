//! The operator's file: what is valid, what is refused, and with which messages.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use jiff::Timestamp;
use proptest::prelude::*;
use vestibule::config::{
    Environment, ExitKind, LoadError, Loaded, Outside, Problem, load, parse, report, schema,
};
use vestibule::jid::BareJid;
use vestibule::policy::Rules;
use vestibule::policy::denial::Denial;
use vestibule::policy::form_field::FormField;
use vestibule::policy::messages::GATE_WORDS;
use vestibule::policy::notice::Notice;
use vestibule::policy::rules::{Mode, named};

const SECRET: (&str, &str) = ("VESTIBULE_COMPONENT__SECRET", "correct horse battery staple");

/// The file at the top of the repository.
/// 2026-01-01T12:00:00Z
const NOW: Timestamp = Timestamp::constant(1_767_268_800, 0);
const SHIPPED: &str = include_str!("../component.toml");

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::of(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())))
}

fn read_nothing(_: &Path) -> io::Result<String> {
    Err(io::ErrorKind::NotFound.into())
}

fn parse_with(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Vec<Problem>> {
    let environment = environment(variables);
    let outside =
        Outside { environment: &environment, read: &read_nothing, exposed: false, lenient: false };
    parse("component.toml", text, &outside)
}

/// Everything in it, without its revision and lines.
fn contents(loaded: &Loaded) -> String {
    let mut policy = loaded.policy.clone();
    policy.revision.clear();
    let shown = format!("{:#?}\n{policy:#?}", loaded.settings);
    let is_line = |text: &&str| text.trim_start().starts_with("line: ");
    shown.lines().filter(|text| !is_line(text)).collect::<Vec<_>>().join("\n")
}

/// The shipped file with its examples in force: they are commented out without a blank after the `#`.
fn with_examples() -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        // `#:schema` is for editors.
        Some(example) if !example.is_empty() && !example.starts_with([' ', ':']) => {
            example.to_owned()
        }
        _ => line.to_owned(),
    };
    SHIPPED.lines().map(|text| line(text) + "\n").collect()
}

#[test]
fn the_shipped_file_says_what_an_empty_one_means() {
    let empty = parse_with("", &[SECRET]).unwrap();
    let shipped = parse_with(SHIPPED, &[SECRET]).unwrap();
    assert_eq!(contents(&empty), contents(&shipped));
}

/// As Compose passes a variable that `.env` sets to nothing.
#[test]
fn an_empty_variable_of_a_key_that_can_be_switched_off_warns_and_sets_nothing() {
    let plain = parse_with("", &[SECRET]).unwrap();
    for (variable, key) in [
        ("VESTIBULE_LOG__DECISIONS", "log.decisions"),
        ("VESTIBULE_STORE__FILE", "store.file"),
        ("VESTIBULE_ADMIN__HTTP", "admin.http"),
    ] {
        let loaded = parse_with("", &[SECRET, (variable, "")]).unwrap();
        assert_eq!(contents(&loaded), contents(&plain));
        let warned: Vec<_> =
            loaded.warnings.iter().filter(|it| !plain.warnings.contains(it)).collect();
        let [warning] = warned.as_slice() else { panic!("{variable}: {warned:?}") };
        let text = format!("{warning:?}");
        for part in [variable, "it is empty, and counts as not set", key] {
            assert!(text.contains(part), "{text}");
        }
    }
    // Of any other, nothing is a value like none.
    let loaded = parse_with("", &[SECRET, ("VESTIBULE_COMPONENT__SERVER", "")]).unwrap();
    assert_eq!(loaded.warnings, plain.warnings);
}

#[test]
fn the_shipped_file_shows_every_key() {
    fn keys(table: &toml::Table, path: &str, found: &mut BTreeSet<String>) {
        for (key, value) in table {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
            for table in
                value.as_table().into_iter().chain(items.iter().filter_map(|item| item.as_table()))
            {
                keys(table, &path, found);
            }
            found.insert(path);
        }
    }
    let mut shown = BTreeSet::new();
    keys(&with_examples().parse().unwrap(), "", &mut shown);
    // The families of `[[room]]` are those of `[policy]`: a few examples are enough.
    let in_policy =
        |key: &str| key.replacen("profile.NAME.", "policy.", 1).replacen("room.", "policy.", 1);
    let missing: Vec<_> = schema()
        .into_iter()
        // The words of a language go by the codes of docs/rules.md: a few examples are enough.
        .filter(|key| !key.starts_with("text.*"))
        .filter(|key| !shown.contains(key) && !shown.contains(&in_policy(key)))
        .collect();
    assert!(missing.is_empty(), "component.toml does not show {missing:?}");
}

#[test]
fn the_examples_of_the_shipped_file_are_right() {
    let loaded = parse_with(&with_examples(), &[SECRET]).unwrap();
    assert_eq!((loaded.policy.rooms.len(), loaded.bans), (2, 3));
    let board = loaded.policy.rooms.iter().find(|room| room.profile.is_none()).unwrap();
    let password = &board.rules.password;
    assert_eq!((password.words.value, password.min_length.value), (6, 8));
}

#[test]
fn the_german_words_are_complete() {
    const GERMAN: &str = include_str!("../docs/text.de.toml");
    let loaded = parse_with(GERMAN, &[SECRET]).unwrap();
    let words = &loaded.policy.texts.languages["de"];
    assert_eq!(words.settings.len(), FormField::ALL.len());
    let codes = Denial::EVERY
        .iter()
        .map(|denial| denial.code())
        .chain(Notice::EVERY.iter().map(|notice| notice.name()));
    let codes = codes.chain(GATE_WORDS.map(|(name, _)| name));
    // These very words make Jitsi's clients try again.
    let missing: Vec<_> = codes
        .filter(|code| !words.sentences.contains_key(code) && *code != "focus-first")
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_message_is_as_written_down() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/bad");
    let mut files: Vec<PathBuf> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    let messages = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let stale: Vec<_> = messages
        .filter(|path| path.extension().is_some_and(|extension| extension == "stderr"))
        .filter(|path| !path.with_extension("toml").exists())
        .collect();
    assert!(stale.is_empty(), "{stale:?} belong to no file");
    assert!(files.len() >= 25, "only {} cases", files.len());
    let mut different = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let directives: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# ")).collect();
        let mut variables: Vec<_> = directives
            .iter()
            .filter_map(|line| line.strip_prefix("environment: "))
            .map(|variable| variable.split_once('=').unwrap_or((variable, "")))
            .collect();
        if variables.is_empty() {
            variables.push(SECRET);
        }
        let environment = environment(&variables);
        let read = |name: &Path| fs::read_to_string(directory.join(name));
        let exposed = directives.contains(&"exposed");
        let outside = Outside { environment: &environment, read: &read, exposed, lenient: false };
        let result = parse("component.toml", &text, &outside).map_err(LoadError::Invalid);
        let (shown, _) = report(&result, NOW);
        let shown = without_revision(&shown);
        assert!(!shown.contains("correct horse"), "{} shows a secret:\n{shown}", path.display());

        let expected = path.with_extension("stderr");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expected, &shown).unwrap();
        } else if without_revision(&fs::read_to_string(&expected).unwrap_or_default()) != shown {
            different.push(format!("{}:\n{shown}", path.display()));
        }
    }
    assert!(different.is_empty(), "UPDATE=1 takes these over:\n{}", different.join("\n"));
}

/// Which revision it is says nothing about a message.
fn without_revision(shown: &str) -> String {
    match shown.split_once("revision ") {
        Some((before, after)) => {
            // As it is written down, or as it is shown.
            let after = after.strip_prefix('…').or(after.get(12..)).unwrap_or_default();
            format!("{before}revision …{after}")
        }
        None => shown.to_owned(),
    }
}

/// Nobody who sees a revision, and has the rest of the file, can try secrets against it.
#[test]
fn a_revision_names_what_the_file_says_and_no_secret() {
    let file = |secret: &str, remark: &str, words: u32| {
        format!(
            "[component]\nsecret = '''{secret}'''\n[policy.password]\nsource = 'preset'\npreset = \"{secret}\" # {remark}\n\
             secret = \"{secret}{secret}\"\nwords = {words}\n[profile.a.password]\npreset = '{secret}'\n\
             [[room]]\nmatch = 'b'\npassword.preset = '{secret}'\n[store]\npostgres_password = '{secret}'\n"
        )
    };
    for variables in [&[][..], &[SECRET, ("VESTIBULE_STORE__POSTGRES_PASSWORD", "x")]] {
        let revision = |text: &str| parse_with(text, variables).unwrap().policy.revision;
        let one = revision(&file("umbrella kiwi thunder", "one", 4));
        assert_eq!(revision(&file("lantern quartz orchid ripple", "other", 4)), one);
        assert_ne!(revision(&file("umbrella kiwi thunder", "one", 5)), one);
        assert_ne!(revision(&format!("\n{}", file("umbrella kiwi thunder", "one", 4))), one);
        let long = "[component]\nsecret = '''a\nb'''\n";
        assert_eq!(revision(long), revision("[component]\nsecret = 'a'\n"));
    }
}

/// Where secrets stand, and what may be wrong beside them.
#[test]
fn no_secret_is_ever_shown() {
    const CANARY: &str = "canary-0123456789-0123456789-0123456789";
    let keys = ["secret", "preset", "secert", "password", "x"];
    let values = [
        format!("\"{CANARY}\""),
        format!("'{CANARY}' 1"),
        format!("[\"{CANARY}\"]"),
        format!("{{ secret = \"{CANARY}\", words = 99 }}"),
        format!("\"\"\"\n{CANARY}\n\"\"\""),
        format!("\"{CANARY}"),
        CANARY.to_owned(),
    ];
    let tables =
        ["component", "policy", "policy.password", "policy.password.guesses", "[room]", "x"];
    let check = |text: &str, variables: &[(&str, &str)]| {
        let result = parse_with(text, variables);
        assert!(!format!("{result:?}").contains("canary"), "{text}\n{result:?}");
        let (shown, _) = report(&result.map_err(LoadError::Invalid), NOW);
        assert!(!shown.contains("canary"), "{text}\n{shown}");
    };
    for table in tables {
        for key in keys {
            for value in &values {
                for also in ["", "words = 99\n", "bad key\n"] {
                    check(&format!("[{table}]\n{key} = {value}\n{also}"), &[SECRET]);
                    check(&format!("[{table}]\n{also}{key} = {value}\n"), &[]);
                }
            }
        }
    }
    check("", &[("VESTIBULE_COMPONENT__SECRET", CANARY)]);
    check("x = 1", &[("VESTIBULE_COMPONENT__SECERT", CANARY)]);
    let environment = environment(&[("VESTIBULE_COMPONENT__SECRET", CANARY)]);
    assert!(!format!("{environment:?}").contains("canary"));
}

#[test]
fn a_variable_is_stronger_than_the_file() {
    let text = "[component]\nsecret = 'file'\nserver = '127.0.0.1:1'\n[log]\nlevel = 'warn'\n";
    let loaded = parse_with(
        text,
        &[
            ("VESTIBULE_COMPONENT__SECRET", "variable"),
            ("VESTIBULE_COMPONENT__SERVER", "10.0.0.1:2"),
            ("VESTIBULE_COMPONENT__ALLOW_PLAINTEXT_NETWORK", "true"),
            ("VESTIBULE_LOG__LEVEL", "debug"),
        ],
    )
    .unwrap();
    assert_eq!(loaded.settings.component.secret.expose(), "variable");
    assert_eq!(loaded.settings.component.server, "10.0.0.1:2");
    assert_eq!(loaded.settings.log.level, "debug");
}

#[test]
fn what_systemd_made_is_used_where_nothing_else_is_said() {
    let systemd = [
        ("STATE_DIRECTORY", "/var/lib/private/vestibule:/second"),
        ("RUNTIME_DIRECTORY", "/run/v"),
        ("CREDENTIALS_DIRECTORY", "/run/credentials/v"),
    ];
    let environment = environment(&systemd);
    let read = |path: &Path| match path.to_str() {
        Some("/run/credentials/v/component_secret") => Ok("from systemd\n".to_owned()),
        _ => read_nothing(path),
    };
    let outside =
        Outside { environment: &environment, read: &read, exposed: false, lenient: false };
    let component = parse("f", "", &outside).unwrap().settings.component;
    assert_eq!(component.state_dir, Path::new("/var/lib/private/vestibule"));
    assert_eq!(component.socket, Path::new("/run/v/control.sock"));
    assert_eq!(component.secret.expose(), "from systemd");
    let text = "[component]\nstate_dir = '/a'\nsocket = '/b'\nsecret = 'c'\n";
    let component = parse("f", text, &outside).unwrap().settings.component;
    assert_eq!((component.state_dir, component.socket), ("/a".into(), "/b".into()));
    assert_eq!(component.secret.expose(), "c");
}

#[test]
fn a_setting_remembers_its_line_and_a_default_has_none() {
    let text =
        "[policy.password]\nwords = 5\n\n[[room]]\nmatch = 'a-*'\n[room.password]\nwords = 6\n";
    let policy = parse_with(text, &[SECRET]).unwrap().policy;
    assert_eq!((policy.base.password.words.value, policy.base.password.words.line), (5, 2));
    assert_eq!(policy.base.password.min_length.line, 0);
    let room = policy.rooms.iter().next().unwrap();
    assert_eq!((room.line, room.rules.password.words.line), (4, 7));
}

#[test]
fn the_most_specific_override_counts() {
    let text = "
        [[service]]
        domain = 'conference.localhost'
        [[service]]
        domain = 'conference.example.org'
        [[room]]
        match = '*'
        password.words = 5
        [[room]]
        match = 'Board-*'
        password.words = 6
        [[room]]
        match = '*@conference.example.org'
        password.words = 7
        [[room]]
        match = 'board-of-directors-of-everything'
        password.words = 8
    ";
    let policy = parse_with(text, &[SECRET]).unwrap().policy;
    let words = |room: &str| policy.rules_for(&room.parse().unwrap(), &[]).password.words.value;
    assert_eq!(words("x@conference.localhost"), 5);
    assert_eq!(words("board-1@conference.localhost"), 6);
    assert_eq!(words("board-1@conference.example.org"), 7);
    assert_eq!(words("board-of-directors-of-everything@conference.example.org"), 8);
}

#[test]
fn a_file_is_read_with_the_files_it_names() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("component.toml");
    fs::write(&path, "[component]\nsecret_file = 'secret'\n").unwrap();
    fs::write(directory.path().join("secret"), "s3cret\n").unwrap();
    let loaded = load(&path, &Environment::default()).unwrap();
    assert_eq!(loaded.settings.component.secret.expose(), "s3cret");
    assert_eq!(loaded.policy.revision.len(), 12);

    fs::write(&path, "[component]\nsecret = 's3cret'\n").unwrap();
    for (mode, count) in [(0o644, 1), (0o640, 0)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let warnings = load(&path, &Environment::default()).unwrap().warnings;
        let about_secret = warnings.iter().filter(|warning| warning.path == "component.secret");
        assert_eq!(about_secret.count(), count, "{mode:o}");
    }

    let missing = load(&directory.path().join("none"), &Environment::default());
    let (text, exit) = report(&missing, NOW);
    assert_eq!(exit, ExitKind::Unreadable);
    assert!(text.contains("cannot read"), "{text}");
}

#[test]
fn a_report_ends_as_the_file_is() {
    let ending =
        |text| report(&parse_with(text, &[SECRET]).map_err(LoadError::Invalid), NOW).1.code();
    assert_eq!((ending("version = 2"), ending("version = 1")), (0, 1));
    assert_eq!(ExitKind::Unreadable.code(), 2);
}

#[test]
fn what_has_ended_is_told_from_then_on() {
    let text = "
        [[ban]]
        jid = 'mallory@example.org'
        until = '2026-01-01T12:00:00Z'
        reason = 'ended this moment'
        [[ban]]
        jid = 'eve@example.org'
        until = '2026-01-01T12:00:01Z'
        reason = 'ends in a second'
        [[exception]]
        class = 'guest'
        rules = ['access']
        until = '2025-12-31'
        reason = 'ended with the year'
    ";
    let loaded = parse_with(text, &[SECRET]).unwrap();
    assert!(loaded.warnings.iter().all(|warning| !warning.message.contains("ended")));
    let (told, exit) = report(&Ok(loaded), NOW);
    assert_eq!(exit, ExitKind::Valid);
    let lines: Vec<_> = told.lines().filter(|line| line.contains("has ended")).collect();
    assert_eq!(
        lines,
        [
            "warning: component.toml:4:17: ban[1].until: this ban has ended, and has no effect",
            "warning: component.toml:13:17: exception[1].until: this exception has ended, and has no effect",
        ],
        "{told}"
    );
}

#[test]
fn a_dated_ban_lasts_to_the_end_of_its_day() {
    let text = "
        [[ban]]
        network = '192.0.2.7'
        room = 'Team-*'
        until = 2027-01-31
        reason = 'loud'
    ";
    let bans = parse_with(text, &[SECRET]).unwrap().policy.bans;
    let jid = "x@guest.localhost".parse().unwrap();
    let on = |address: &str, room: &str, now: &str| {
        bans.on(&jid, Some(address.parse().unwrap()), room, now.parse().unwrap())
            .map(|ban| ban.line())
    };
    assert_eq!(on("192.0.2.7", "team-1", "2027-01-31T23:59:59Z"), Some(2));
    assert_eq!(on("::ffff:192.0.2.7", "team-1", "2027-01-31T00:00:00Z"), Some(2));
    assert_eq!(on("192.0.2.7", "team-1", "2027-02-01T00:00:00Z"), None);
    assert_eq!(on("192.0.2.7", "board", "2027-01-31T00:00:00Z"), None);
    assert_eq!(on("192.0.2.8", "team-1", "2027-01-31T00:00:00Z"), None);
}

#[test]
fn the_accounts_of_every_service_are_services() {
    let text = "
        [[service]]
        domain = 'conference.example.org'
        focus = 'Focus@auth.example.org'
        [[service]]
        domain = 'breakout.example.org'
        trusted = [
            'recorder@auth.example.org',
            'gateway.example.org',
        ]
    ";
    let loaded = parse_with(text, &[SECRET]).unwrap();
    let line = |jid: &str| loaded.policy.services.get(&BareJid::prepared(jid).unwrap()).copied();
    assert_eq!(line("focus@auth.example.org"), Some(4));
    assert_eq!(line("recorder@auth.example.org"), Some(8));
    assert_eq!(line("gateway.example.org"), Some(9));
    assert_eq!(loaded.policy.services.len(), 3);
    assert_eq!(loaded.settings.services[1].domain.as_str(), "breakout.example.org");
}

#[test]
fn a_single_rule_overrides_its_family_and_an_override_the_policy() {
    let text = "
        [policy.modes]
        access = 'off'
        'access.encrypted' = 'observe'
        password.guesses.room_burst = 'off'
        [[room]]
        match = 'a'
        modes.access = 'enforce'
        [[room]]
        match = 'b'
        [room.modes.access]
        encrypted = 'off'
        [[room]]
        match = 'c'
        access.encrypted = false
    ";
    let policy = parse_with(text, &[SECRET]).unwrap().policy;
    let mode = |rules: &Rules, name| rules.modes.of(named(name).next().unwrap());
    let room =
        |name: &str| policy.rules_for(&format!("{name}@rooms.example").parse().unwrap(), &[]);
    let at = |name| (mode(&policy.base, name).value, mode(&policy.base, name).line);
    assert_eq!(at("access.encrypted"), (Mode::Observe, 4));
    assert_eq!(at("access.enter"), (Mode::Off, 3));
    assert_eq!(mode(&policy.base, "password.guesses.room_burst").value, Mode::Off);
    assert_eq!(mode(&policy.base, "password.guesses.burst").value, Mode::Enforce);
    assert_eq!(mode(&room("a"), "access.encrypted").value, Mode::Enforce);
    assert_eq!(mode(&room("b"), "access.encrypted").value, Mode::Off);
    assert_eq!(mode(&room("b"), "access.create").value, Mode::Off);
    assert_eq!(mode(&room("c"), "access.encrypted").value, Mode::Observe);

    let encrypted = |rules: &Rules| rules.access.encrypted.value;
    assert!(!encrypted(&policy.base) && encrypted(policy.base.strict()));
    assert!(encrypted(&room("a")) && room("a").observed.is_none());
    assert!(!encrypted(&room("b")) && room("b").observed.is_none());
    assert!(!encrypted(room("c").strict()), "the override's own value is what is observed");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        _ = parse_with(&text, &[]).map_err(|problems| LoadError::Invalid(problems).to_string());
    }

    #[test]
    fn no_broken_file_makes_it_panic(
        at in any::<prop::sample::Index>(),
        length in 0_usize..40,
        instead in "[\\[\\]{}=\"'#a-z0-9é\\\\. \n]{0,12}",
    ) {
        let chars: Vec<char> = with_examples().chars().collect();
        let start = at.index(chars.len());
        let end = start.saturating_add(length).min(chars.len());
        let text: String =
            chars[..start].iter().copied().chain(instead.chars()).chain(chars[end..].iter().copied()).collect();
        _ = parse_with(&text, &[]).map_err(|problems| LoadError::Invalid(problems).to_string());
    }
}
