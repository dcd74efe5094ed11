//! `vestibule test`: the shipped tests of the shipped file and of the presets, reports of failures, and invalid files of tests.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use quick_xml::events::Event;
use serde_json::{Value, json};
use tempfile::TempDir;
use vestibule::config::parse_trials;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SECRET: (&str, &str) = ("VESTIBULE_COMPONENT__SECRET", "correct horse battery staple");

fn vestibule(home: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vestibule"))
        .arg("test")
        .args(arguments)
        .current_dir(home)
        .env(SECRET.0, SECRET.1)
        .output()
        .unwrap()
}

/// Runs these tests on this policy.
fn tried(policy: &str, tests: &str, more: &[&str]) -> (TempDir, Option<i32>, String) {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("component.toml"), format!("version = 2\n{policy}")).unwrap();
    fs::write(home.path().join("tests.toml"), tests).unwrap();
    let arguments = [&["--config", "component.toml", "tests.toml"], more].concat();
    let output = vestibule(home.path(), &arguments);
    let said = [output.stdout, output.stderr].concat();
    (home, output.status.code(), String::from_utf8(said).unwrap())
}

const TWO: &str = r#"
case = [
  { name = "a <guest> & \u0001", who = "guest", expect = "allow", rule = "lobby.admission" },
  { who = "guest", password = "right", room = "board-1@rooms.example.org", expect = "allow" },
]
[defaults]
room = "tea@rooms.example.org"
[people.guest]
jid = "g@guest.example.org"
auth = "anonymous"
"#;

#[test]
fn the_shipped_file_keeps_its_promises_and_all_its_rules_are_tried() {
    let arguments = ["--config", "component.toml", "policy-tests.toml", "--min-coverage", "100"];
    let output = vestibule(Path::new(ROOT), &arguments);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.ends_with("tests, 0 failed\n"), "{said}");
}

/// Returns the text of every preset by its name.
fn presets() -> BTreeMap<String, String> {
    let files = fs::read_dir(Path::new(ROOT).join("presets")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let presets = paths.filter_map(|path| {
        let name = path.file_name()?.to_str()?.strip_suffix(".toml")?.to_owned();
        (!name.ends_with(".tests")).then(|| (name, fs::read_to_string(&path).unwrap()))
    });
    presets.collect()
}

/// What stands before a preset in a file.
const HEADER: &str = "version = 2\n[component]\ndomain = \"vestibule.example.org\"\n\
                      [[service]]\ndomain = \"conference.example.org\"\n";
/// With Jitsi Meet. There rooms are opened by the focus, and tests that open one are for a plain server.
const FOCUS: &str = "focus = \"focus@auth.example.org\"\n";

#[test]
fn every_preset_is_valid_without_warnings() {
    let presets = presets();
    let names: Vec<_> = presets.keys().map(String::as_str).collect();
    assert_eq!(names, ["board", "company", "guests-only", "public", "school", "webinar"]);
    for ((name, preset), focus) in
        presets.iter().flat_map(|it| ["", FOCUS].map(|focus| (it, focus)))
    {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("component.toml"), format!("{HEADER}{focus}{preset}")).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .args(["check", "--json", "component.toml"])
            .current_dir(home.path())
            .env(SECRET.0, SECRET.1)
            .output()
            .unwrap();
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&said["valid"], &said["problems"]), (&json!(true), &json!([])), "{name}");
    }
}

#[test]
fn every_preset_keeps_its_promises() {
    for (name, preset) in presets() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("component.toml"), format!("{HEADER}{preset}")).unwrap();
        let tests = Path::new(ROOT).join("presets").join(format!("{name}.tests.toml"));
        assert!(tests.exists(), "{name} has no tests");
        let arguments = ["--config", "component.toml", tests.to_str().unwrap()];
        let output = vestibule(home.path(), &arguments);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{name}: {said}");
    }
}

#[test]
fn every_key_of_a_preset_differs_from_the_default_and_says_why() {
    let shipped = fs::read_to_string(Path::new(ROOT).join("component.toml")).unwrap();
    let shipped: toml::Value = toml::from_str(&shipped).unwrap();
    for (name, preset) in presets() {
        let tables: toml::Value = toml::from_str(&preset).unwrap();
        assert!(tables.get("component").is_none() && tables.get("service").is_none(), "{name}");
        assert_differs(&name, &tables, &shipped);
        let lines: Vec<_> = preset.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[1].starts_with(char::is_alphabetic)) {
            assert!(pair[0].starts_with("# "), "{name}: {} has no sentence", pair[1]);
        }
    }
}

#[test]
fn the_page_on_presets_names_each_key_that_a_preset_sets_and_no_other() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/presets.md")).unwrap();
    for (name, preset) in presets() {
        let section = page.split(&format!("\n## {name}\n")).nth(1).expect(&name);
        let sets = section.split("\n*It sets* ").nth(1).unwrap().split("\n\n").next().unwrap();
        let named: BTreeSet<_> = sets.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let mut keys = BTreeSet::new();
        add_keys("", &toml::from_str(&preset).unwrap(), &mut keys);
        assert_eq!(named, keys, "{name}");
    }
}

/// Adds the keys of all values, those of the policy without `policy.`.
fn add_keys(path: &str, value: &toml::Value, keys: &mut BTreeSet<String>) {
    match value.as_table() {
        Some(table) => table.iter().for_each(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            add_keys(&path, value, keys);
        }),
        None => _ = keys.insert(path.strip_prefix("policy.").unwrap_or(path).to_owned()),
    }
}

/// Asserts that no value is the same as below.
fn assert_differs(path: &str, value: &toml::Value, below: &toml::Value) {
    match value.as_table() {
        Some(table) => {
            for (key, value) in table {
                assert_differs(&format!("{path}.{key}"), value, &below[key]);
            }
        }
        None => assert_ne!(value, below, "{path}"),
    }
}

#[test]
fn a_test_that_fails_says_it_in_the_words_of_the_file() {
    let policy = "[text]\nlanguage = \"de\"\n[text.de]\nlobby = \"Bitte warten.\"\n";
    let (_home, status, said) = tried(policy, TWO, &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("the requester is told: Bitte warten."), "{said}");
}

#[test]
fn a_test_that_fails_says_what_was_found_and_why() {
    let (_home, status, said) = tried("", TWO, &[]);
    assert_eq!(status, Some(1), "{said}");
    for part in [
        "FAILED tests.toml:3: a <guest> & \u{1}",
        "\n  verdict: expected allow, found hold\n",
        "hold, by lobby.admission (built-in default)",
        "with the right password: allow",
        "\n2 tests, 1 failed\n",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (_home, _, said) = tried("", TWO, &["--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["failed"], 1);
    let wrong = json!([{ "what": "verdict", "expected": "allow", "found": "hold" }]);
    assert_eq!(said["tests"][0]["wrong"], wrong);
    assert_eq!(said["tests"][1]["passed"], true);
}

#[test]
fn everything_that_a_test_names_is_compared() {
    let test = |more: &str| {
        format!(
            "[[case]]\nroom = \"tea@rooms.example.org\"\njid = \"ann@example.org\"\ndo = \"open\"\n{more}"
        )
    };
    let right = "expect = \"allow\"\nrule = \"moderators.assign\"\nclass = \"account\"\neffects = { moderator = true, password = true, lobby = false }";
    assert_eq!(tried("", &test(right), &[]).1, Some(0));
    for (slip, told) in [
        ("expect = \"deny\"", "verdict: expected deny, found allow"),
        (
            "expect = \"allow\"\nrule = \"access.create\"",
            "rule: expected access.create, found moderators.assign",
        ),
        ("expect = \"allow\"\nclass = \"guest\"", "class: expected guest, found account"),
        ("expect = \"allow\"\ndenial = \"lobby\"", "denial: expected lobby, found none"),
        (
            "expect = \"allow\"\neffects = { moderator = false }",
            "moderator: expected false, found true",
        ),
    ] {
        let (_home, status, said) = tried("", &test(slip), &[]);
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains(told), "{told}: {said}");
    }
}

#[test]
fn the_moment_of_a_test_counts() {
    let policy = "[policy.hours]\nopen = [\"mon-fri 08:00-18:00\"]\n";
    let test = |at: &str, expect: &str| {
        format!(
            "[[case]]\nroom = \"tea@rooms.example.org\"\njid = \"ann@example.org\"\npassword = \"right\"\nat = {at}\nexpect = \"{expect}\""
        )
    };
    for (at, expect) in [("2026-01-05T12:00:00Z", "allow"), ("2026-01-04T12:00:00Z", "deny")] {
        let (_home, status, said) = tried(policy, &test(at, expect), &[]);
        assert_eq!(status, Some(0), "{at}: {said}");
    }
}

#[test]
fn junit_is_xml_whatever_a_test_is_called() {
    let (home, status, said) = tried("", TWO, &["--junit", "out.xml"]);
    assert_eq!(status, Some(1), "{said}");
    let xml = fs::read_to_string(home.path().join("out.xml")).unwrap();
    let mut reader = quick_xml::Reader::from_str(&xml);
    let (mut cases, mut failures) = (0, 0);
    loop {
        let event = reader.read_event().unwrap();
        if let Event::Start(tag) | Event::Empty(tag) = &event {
            tag.attributes().for_each(|attribute| drop(attribute.unwrap()));
            cases += u32::from(tag.name().as_ref() == "testcase");
            failures += u32::from(tag.name().as_ref() == "failure");
        } else if event == Event::Eof {
            break;
        }
    }
    assert_eq!((cases, failures), (2, 1), "{xml}");
    assert!(xml.contains("a &lt;guest&gt; &amp; \u{fffd}"), "{xml}");
    assert!(xml.contains(r#"tests="2" failures="1""#), "{xml}");
}

#[test]
fn what_no_test_has_reached_is_said() {
    let policy = "[[room]]\nmatch = \"board-*\"\n[room.lobby]\nmax_waiting = 3\n[[room]]\nmatch = \"team-*\"\n";
    let (_home, _, said) = tried(policy, TWO, &["--coverage"]);
    assert!(said.contains("not reached: [[room]] team-* (line 6)"), "{said}");
    assert!(!said.contains("board-*"), "{said}");
    assert!(said.contains("not reached: access.create"), "{said}");
    let passing = TWO.replace("expect = \"allow\", rule", "expect = \"hold\", rule");
    assert_eq!(tried(policy, &passing, &[]).1, Some(0));
    let (_home, status, said) = tried(policy, &passing, &["--min-coverage", "50"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("rules and overrides were reached"), "{said}");
}

#[test]
fn a_wrong_file_of_tests_is_told_with_line_and_column() {
    let text = r#"[[case]]
room = "tea@rooms.example.org/x"
jid = "ann@example.org"
expect = "alow"
rule = "lobby.admision"
do = "jion"
occupants = "3"
claims = ["x"]
colour = "red"
effects = { moderater = true }
[[case]]
who = "bob"
[people.bib]
jid = "bib@example.org"
"#;
    let problems = parse_trials("t.toml", text).unwrap_err();
    let told: Vec<String> = problems
        .iter()
        .map(|one| format!("{}:{} {} {}", one.line, one.column, one.path, one.message))
        .collect();
    let told = told.join("\n");
    for part in [
        "2:8 case[1].room `tea@rooms.example.org/x` has a resource",
        "4:10 case[1].expect `alow` is not one of",
        "5:8 case[1].rule `lobby.admision` is no rule",
        "6:6 case[1].do `jion` is not one of",
        "7:13 case[1].occupants expected a whole number",
        "8:11 case[1].claims `x` is no claim",
        "9:1 case[1] unknown key `colour`",
        "10:13 case[1].effects unknown key `moderater`",
        "12:7 case[2].who there is no `[people.bob]`",
        "11:1 case[2].room there is no `room`",
        "11:1 case[2].expect there is no `expect`",
    ] {
        assert!(told.contains(part), "{part}:\n{told}");
    }
    let hints: Vec<_> = problems.iter().filter_map(|one| one.suggestion.as_deref()).collect();
    for hint in ["did you mean `bib`?", "did you mean `lobby.admission`?", "did you mean `join`?"] {
        assert!(hints.contains(&hint), "{hint}: {hints:?}");
    }
    for (text, status) in [("", 2), ("[[case]\n", 2)] {
        assert_eq!(tried("", text, &[]).1, Some(status));
    }
    assert_eq!(
        vestibule(Path::new(ROOT), &["none.toml", "--config", "component.toml"]).status.code(),
        Some(2)
    );
}
