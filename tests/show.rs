//! What `vestibule show` prints is the policy by which the room is decided.

#![cfg(test)]

use std::fs;
use std::path::Path;

use vestibule::config::{Environment, effective, load};
use vestibule::jid::BareJid;
use vestibule::policy::Rules;

const FILE: &str = r#"
[component]
secret = "canary-of-the-component"

[policy]
operators = ["op@example.org"]

[policy.password]
preset = "canary-of-the-policy"
words = 5
deny_list = [ # a comment
  "tea time"]

[policy.password.guesses]
burst = 7

[policy.modes]
close = "observe"
password.min_score = "off"
"access.encrypted" = "off"
limits.rooms = "observe"

[profile.lecture.password]
required = false
words = 7

[profile.lecture.close]
hold_until = []

[[room]]
match = "lecture-*"
profile = "lecture"

[room.password]
words = 8
source = "derived"
secret_file = "secret"

[room.modes]
password = "observe"
access = "enforce"

[[room]]
match = "*"
lobby.wait = "7 minutes"

[[room]]
claim = "group"
claim_values = ["board"]
priority = 3
moderators.jids = ["chair@example.org"]
password.preset_file = "preset"
password.deny_list_file = "words"
"#;

fn without_lines(rules: &Rules) -> String {
    let shown = format!("{rules:#?}");
    let is_line = |text: &&str| text.trim_start().starts_with("line: ");
    shown.lines().filter(|text| !is_line(text)).collect::<Vec<_>>().join("\n")
}

fn write(directory: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn what_is_shown_is_the_policy_of_that_room() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write(directory, "secret", "0123456789abcdef0123456789abcdef");
    write(directory, "preset", "a preset password of the board");
    write(directory, "words", "cup\n");
    let environment = Environment::default();
    // A secret in the file itself is not shown, so it cannot be read again.
    let text = FILE.replace("preset = \"canary-of-the-policy\"", "preset_file = \"preset\"");
    let file = write(directory, "component.toml", &text);
    let loaded = load(&file, &environment).unwrap();
    let board = [("group".to_owned(), "board".to_owned())];
    let rooms = [("tea", &[][..]), ("lecture-1", &[][..]), ("tea", &board), ("lecture-2", &board)];
    let mut all = Vec::new();
    for (name, claims) in rooms {
        let room: BareJid = format!("{name}@conference.localhost").parse().unwrap();
        let shown = effective(&file, &environment, &room, claims).unwrap().to_string();
        let head = "[component]\nsecret = \"x\"\n[policy]\noperators = [\"op@example.org\"]\n";
        let again = write(directory, "again.toml", &format!("{head}{shown}"));
        let again = load(&again, &environment).unwrap_or_else(|error| panic!("{error}\n{shown}"));
        let expected = without_lines(&loaded.policy.rules_for(&room, claims));
        assert!(without_lines(&again.policy.base) == expected, "{shown}");
        all.push(expected);
    }
    all.dedup();
    assert_eq!(all.len(), rooms.len(), "the rooms have different rules");
}

#[test]
fn each_value_has_its_place_and_no_secret_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write(directory, "words", "tea");
    for name in ["secret", "preset"] {
        write(directory, name, "0123456789abcdef0123456789abcdef");
    }
    let file = write(directory, "component.toml", FILE);
    let room: BareJid = "lecture-1@conference.localhost".parse().unwrap();
    let found = effective(&file, &Environment::default(), &room, &[]).unwrap();
    let shown = found.to_string();
    assert!(!shown.contains("canary"), "{shown}");
    let line = |start: &str| {
        let line = shown.lines().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no `{start}`:\n{shown}"))
            .replace(file.to_str().unwrap(), "FILE")
    };
    assert_eq!(line("words"), "words = 8  # FILE:35, this [[room]]");
    assert_eq!(line("required"), "required = false  # FILE:24, profile `lecture`");
    assert_eq!(line("burst"), "burst = 7  # FILE:15");
    assert_eq!(line("deny_list ="), "deny_list = [\"tea time\"]  # FILE:11");
    assert_eq!(line("min_length"), "min_length = 8  # built-in default");
    assert_eq!(line("# preset:"), "# preset: a secret, not shown; FILE:9");
    assert_eq!(
        line("# by"),
        "# by the [[room]] at FILE:30 (lecture-*), over the profile `lecture`"
    );
    assert_eq!(
        line(&format!("# {}:", file.display())),
        "# FILE:43 (*) is for it, too: 0 literal characters in `match`, not 8"
    );
}
