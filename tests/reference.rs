//! `docs/rules.md` describes every rule and every denial, and nothing else.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use vestibule::component::neighbours::{HTTP_COMMANDS, NEIGHBOURS, Neighbour, Origin};
use vestibule::config::json_schema;
use vestibule::doctor::Advisories;
use vestibule::policy::attempt::{Action, Client, Credential};
use vestibule::policy::denial::{Denial, Shown, shown};
use vestibule::policy::form_field::FormField;
use vestibule::policy::hours::AtEnd;
use vestibule::policy::lobby::Admission;
use vestibule::policy::messages::{GATE_WORDS, SHARED};
use vestibule::policy::moderators::Become;
use vestibule::policy::notice::{Notice, Told};
use vestibule::policy::permissions::E2ee;
use vestibule::policy::room_form::SubjectBy;
use vestibule::policy::rules::fixed::FIXED;
use vestibule::policy::rules::kinds::Who;
use vestibule::policy::rules::lobby::Rescue;
use vestibule::policy::rules::{Families, Family, Key, Rules, SWITCHES, Visit};
use vestibule::setting::{Kind, Setting};

/// Tests run side by side, and with `UPDATE` they write parts of one file.
static FILES: Mutex<()> = Mutex::new(());

fn read(path: &str) -> String {
    let _alone = FILES.lock().unwrap();
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The rows of the table in `docs/rules.md` under that heading, without its head.
fn rows(heading: &str) -> Vec<String> {
    rows_after(&read("docs/rules.md"), &format!("\n## {heading}\n"))
}

fn rows_after(text: &str, mark: &str) -> Vec<String> {
    let section = text.split(mark).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap().split("\n### ").next().unwrap();
    section.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect()
}

/// Replaces a part of a file, if UPDATE is set; the part must be that.
fn current(path: &str, part: &str, expected: &str) {
    if std::env::var_os("UPDATE").is_some() && part != expected {
        let _alone = FILES.lock().unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let whole = fs::read_to_string(&path).unwrap().replace(part, expected);
        fs::write(path, whole).unwrap();
    } else {
        assert_eq!(part, expected, "{path}: UPDATE=1 cargo test --test reference writes it");
    }
}

#[test]
fn the_page_for_moderators_has_every_word_of_the_chat_and_no_other() {
    let page = read("docs/for-moderators.md");
    let words: BTreeSet<_> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.len() > 1 && code.starts_with('!'))
        .collect();
    let words: BTreeSet<_> = words.into_iter().filter(|word| *word != "!help").collect();
    let help = Notice::Help.text();
    let (_, listed) = help.split_once("you can write ").unwrap();
    let (listed, _) = listed.split_once('.').unwrap();
    let listed = listed.replace(" and ", ", ");
    assert_eq!(words, listed.split(", ").collect::<BTreeSet<_>>());
    let (_, told) = GATE_WORDS.iter().find(|(name, _)| *name == "gate-moderator").unwrap();
    assert!(page.replace('\n', " ").contains(told), "{told}");
}

#[test]
fn every_rule_is_explained_and_no_other() {
    let keys = |keys: &[&str]| match keys {
        [] => "none".to_owned(),
        keys => keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", "),
    };
    let fixed =
        FIXED.iter().map(|it| format!("| `{}` | {} | {} |", it.name, keys(it.keys), it.meaning));
    let switched =
        SWITCHES.iter().map(|it| format!("| `{0}` | `{0}` | {1} |", it.name, it.meaning));
    let expected: Vec<String> = fixed.chain(switched).collect();
    let names: BTreeSet<_> =
        FIXED.iter().map(|rule| rule.name).chain(SWITCHES.iter().map(|rule| rule.name)).collect();
    assert_eq!(names.len(), expected.len(), "a rule is declared twice");
    current("docs/rules.md", &rows("Rules").join("\n"), &expected.join("\n"));

    let always: Vec<_> =
        FIXED.iter().map(|rule| format!("| `{}` | {} |", rule.name, rule.because)).collect();
    let rows = rows_after(&read("docs/modes.md"), "\n## What always holds\n");
    current("docs/modes.md", &rows.join("\n"), &always.join("\n"));
}

/// The tables of the policy, as the file with every key has them.
#[derive(Default)]
struct Tables(String);

impl Tables {
    fn begin<F: Family>(&mut self) {
        let Self(text) = self;
        text.push_str(&format!("[policy.{}]\n", F::NAME));
        F::INTRO.iter().for_each(|line| text.push_str(&format!("# {line}\n")));
    }
}

impl Families for Tables {
    fn family<F: Family + Clone>(&mut self, family: &mut Arc<F>) {
        self.begin::<F>();
        Arc::make_mut(family).visit(self);
        self.0.push('\n');
    }
}

impl Visit for Tables {
    fn setting<T: 'static>(&mut self, key: &Key, setting: &mut Setting<T>, kind: Kind<T>) {
        key.doc.iter().for_each(|line| self.0.push_str(&format!("#{line}\n")));
        self.0.push_str(&format!("{} = {}\n", key.name, kind.write(&setting.value)));
    }

    fn table<F: Family>(&mut self, _: &'static str, family: &mut F) {
        self.0.push('\n');
        self.begin::<F>();
        family.visit(self);
    }
}

#[test]
fn the_file_with_every_key_has_the_policy_as_it_is_declared() {
    let mut tables = Tables::default();
    Rules::default().visit(&mut tables);
    let file = read("component.toml");
    let (_, from) = file.split_once("\n\n[policy.password]\n").unwrap();
    let (part, _) = from.split_once("[policy.modes]\n").unwrap();
    current("component.toml", &format!("[policy.password]\n{part}"), &tables.0);
}

#[test]
fn how_long_data_is_kept_is_what_the_file_says() {
    let file: toml::Table = read("component.toml").parse().unwrap();
    let mut said = 0;
    for row in rows_after(&read("docs/data-protection.md"), "\n## The keys that decide it\n") {
        let cells: Vec<_> = row.split('`').collect();
        let (table, key) = cells[1].split_once('.').unwrap();
        let whole = file.get(table).or_else(|| file["policy"].get(table)).unwrap();
        let value: toml::Table = format!("value = {}", cells[3]).parse().unwrap();
        assert_eq!(value["value"], whole[key], "{row}");
        said += 1;
    }
    assert!(said > 5, "{said} rows");
}

#[test]
fn the_schema_for_editors_is_that_of_the_program() {
    let path = "docs/component.schema.json";
    let expected = format!("{:#}\n", json_schema());
    current(path, &read(path), &expected);
}

#[test]
fn every_denial_stands_in_the_list_with_its_error_and_its_words() {
    let expected: Vec<String> = Denial::EVERY
        .iter()
        .map(|denial| {
            let (kind, condition) = denial.condition();
            format!("| `{}` | {kind}, `{condition}` | {} |", denial.code(), denial.text())
        })
        .collect();
    current("docs/rules.md", &rows("Reasons").join("\n"), &expected.join("\n"));
}

#[test]
fn whatever_else_is_said_stands_in_its_table() {
    let rules = read("docs/rules.md");
    let table = |heading: &str| rows_after(&rules, &format!("\n### {heading}\n"));
    let rows = |rows: &[(&str, &str)]| {
        let rows = rows.iter().map(|(name, words)| format!("| `{name}` | {words} |"));
        rows.collect::<Vec<_>>().join("\n")
    };
    let is = |heading: &str, expected: &[(&str, &str)]| {
        current("docs/rules.md", &table(heading).join("\n"), &rows(expected));
    };
    let notices: Vec<_> = Notice::EVERY.iter().map(|it| (it.name(), it.template())).collect();
    is("What the room says", &notices);
    is("What the gate says by itself", &GATE_WORDS);
    is("What settings are called", &FormField::ALL.map(|one| (one.name(), one.words())));
    let told: Vec<_> = table("What you may tell people in addition");
    let beginning = |told: Told| format!("| `{}` | {} | ", told.name(), told.template());
    assert!(told.len() == Told::ALL.len());
    assert!(told.iter().zip(Told::ALL).all(|(row, one)| row.starts_with(&beginning(one))));
}

#[test]
fn the_gate_has_the_same_texts_in_english() {
    let shared = SHARED.map(|name| {
        let denial = Denial::EVERY.iter().find(|denial| denial.code() == name).map(|it| it.text());
        let notice = Notice::EVERY.iter().find(|notice| notice.name() == name).map(|it| it.text());
        (name, denial.or(notice).unwrap().into_owned())
    });
    let shared = shared.iter().map(|(name, words)| (*name, words.as_str()));
    let mut expected = String::new();
    for (name, words) in GATE_WORDS.into_iter().chain(shared) {
        let (name, words) = (format!("\t[\"{name}\"] ="), format!("\"{words}\",\n"));
        // A tab is four characters wide, and a line 120.
        let is_long = name.len() + words.len() > 120;
        expected.extend([&*name, if is_long { "\n\t\t" } else { " " }, &words]);
    }
    let path = "prosody-snippets/mod_vestibule_gate/messages.lib.lua";
    let gate = read(path);
    let (_, from) = gate.split_once("local ENGLISH = {\n").unwrap();
    let (part, _) = from.split_once("};\n").unwrap();
    current(path, part, &expected);
}

#[test]
fn every_answer_to_a_jitsi_client_stands_in_the_table() {
    let join = Action::Join { credential: Credential::None };
    let expected: Vec<String> = Denial::EVERY
        .iter()
        .filter(|denial| denial.is_for_joins())
        .map(|denial| {
            let answer = |action| {
                let shown = shown(*denial, Client::Jitsi, action);
                if let Shown::Error((kind, condition)) = shown {
                    format!("{kind}, `{condition}`")
                } else {
                    format!("*{}*", shown.name().unwrap())
                }
            };
            format!("| `{}` | {} | {} |", denial.code(), answer(&Action::Request), answer(&join))
        })
        .collect();
    let rows = rows_after(&read("docs/jitsi.md"), "The exact answer to each denial:");
    current("docs/jitsi.md", &rows.join("\n"), &expected.join("\n"));
}

#[test]
fn no_two_denials_have_one_code() {
    let codes: BTreeSet<&str> = Denial::EVERY.iter().map(|denial| denial.code()).collect();
    assert_eq!(codes.len(), Denial::EVERY.len());
}

#[test]
fn every_test_that_proves_an_invariant_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = read("docs/invariants.md") + &read("docs/jitsi-modules.md");
    let mut count = 0;
    for name in document.split('`').filter(|text| text.starts_with("test_") && text.contains("::"))
    {
        let (file, test) = name.split_once("::").unwrap();
        let text = fs::read_to_string(root.join("tests/prosody").join(file)).unwrap();
        assert!(text.contains(&format!("def {test}(")), "{name} does not exist");
        count += 1;
    }
    assert!(count >= 15 * 2, "{count} tests are named");
}

#[test]
fn the_table_of_jitsi_s_modules_and_the_doctor_name_the_same() {
    let document = read("docs/jitsi-modules.md");
    let rows = || document.lines().filter(|line| line.starts_with("| `"));
    let named = |held: &str| -> BTreeSet<&str> {
        let held = format!(" | {held} |");
        rows().filter(|row| row.contains(&held)).filter_map(|row| row.split('`').nth(1)).collect()
    };
    let listed = |list: &'static [Neighbour]| -> BTreeSet<&str> {
        list.iter().map(|it| it.module).collect()
    };
    assert_eq!(named("Leave it out"), listed(NEIGHBOURS));
    assert_eq!(named("Own key"), listed(HTTP_COMMANDS));
}

#[test]
fn what_takes_the_place_of_other_modules_stands_in_its_page() {
    let path = "docs/replaces.md";
    let is_of = |origin| move |it: &&Neighbour| it.origin == origin;
    let row = |it: &Neighbour| {
        let lines: Vec<_> = it.lines.iter().map(|line| format!("`{line}`")).collect();
        let lines = if lines.is_empty() { "none".to_owned() } else { lines.join("<br>") };
        format!("| `{}` | {} | {} | {lines} |", it.module, it.does, it.instead)
    };
    let rows = |listed: Vec<&Neighbour>| listed.into_iter().map(row).collect::<Vec<_>>().join("\n");
    for (heading, listed) in [
        ("Jitsi's own", NEIGHBOURS.iter().filter(is_of(Origin::Jitsi)).collect()),
        ("jitsi-contrib's", NEIGHBOURS.iter().filter(is_of(Origin::Contrib)).collect()),
        ("Over HTTP, for the holder of a key", HTTP_COMMANDS.iter().collect::<Vec<_>>()),
    ] {
        let mark = format!("\n## {heading}\n");
        current(path, &rows_after(&read(path), &mark).join("\n"), &rows(listed));
    }
    let contrib: Vec<_> = NEIGHBOURS
        .iter()
        .filter(is_of(Origin::Contrib))
        .map(|it| format!("| `{}` | {} | Leave it out |", it.module, it.does))
        .collect();
    let path = "docs/jitsi-modules.md";
    current(
        path,
        &rows_after(&read(path), "\n## From elsewhere\n").join("\n"),
        &contrib.join("\n"),
    );
}

#[test]
fn every_file_that_the_architecture_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = read("docs/ARCHITECTURE.md");
    let mut count = 0;
    for name in document.split('`').skip(1).step_by(2) {
        let path = match name {
            name if name.contains("FAMILY") => continue,
            name if name.ends_with(".lua") => format!("prosody-snippets/mod_vestibule_gate/{name}"),
            name if name.starts_with("src") || name.starts_with("tests") => name.to_owned(),
            _ => continue,
        };
        assert!(root.join(&path).exists(), "{path} does not exist");
        count += 1;
    }
    assert!(count >= 20, "{count} files are named");
}

#[test]
fn the_lines_that_a_run_of_the_demo_names_are_those_of_the_file() {
    let file = read("component.toml");
    let mut count = 0;
    for document in ["docs/demo.txt", "README.md"] {
        for place in read(document).split("component.toml:").skip(1) {
            let Some((number, line)) = place.lines().next().unwrap().split_once("  ") else {
                continue;
            };
            let written = file.lines().nth(number.parse::<usize>().unwrap() - 1);
            assert_eq!(written, Some(line), "{document}: component.toml:{number}");
            count += 1;
        }
    }
    assert!(count > 5, "{count} lines are named");
}

#[test]
fn the_rules_that_the_readme_explains_stand_in_the_lines_it_names() {
    let (file, readme) = (read("component.toml"), read("README.md"));
    let mut count = 0;
    for (before, after) in readme.lines().filter_map(|line| line.split_once(" (component.toml:")) {
        let key = before.rsplit(['.', ' ']).next().unwrap();
        let number: usize = after.trim_end_matches(')').parse().unwrap();
        let written = file.lines().nth(number - 1).unwrap();
        assert!(written.starts_with(&format!("{key} = ")), "{before}: line {number}: {written}");
        count += 1;
    }
    assert!(count > 3, "{count} lines are named");
}

#[test]
fn every_word_that_a_key_takes_stands_in_the_file_with_all_keys() {
    let file = read("component.toml");
    let words = Admission::ALL
        .map(Admission::name)
        .into_iter()
        .chain(Become::ALL.map(Become::name))
        .chain(Rescue::ALL.map(Rescue::name))
        .chain(Who::ALL.map(Who::name))
        .chain(SubjectBy::ALL.map(SubjectBy::name))
        .chain(E2ee::ALL.map(E2ee::name))
        .chain(AtEnd::ALL.map(AtEnd::name));
    for word in words {
        assert!(!word.is_empty() && file.contains(&format!("\"{word}\"")), "{word}");
    }
}

/// The entries of a dictionary of texts in a Python file.
fn python_dictionary(source: &str, name: &str) -> Vec<(String, String)> {
    let (_, rest) = source.split_once(&format!("\n{name} = {{")).unwrap();
    let (entries, _) = rest.split_once('}').unwrap();
    let text = |text: &str| text.trim().trim_matches('"').to_owned();
    let entries = entries.split(',').filter_map(|entry| entry.split_once(':'));
    entries.map(|(key, value)| (text(key), text(value))).collect()
}

#[test]
fn the_matrix_of_faults_is_that_of_the_tests() {
    let source = read("tests/prosody/test_chaos.py");
    let [faults, deeds, ordinary] =
        ["FAULTS", "DEEDS", "ORDINARY"].map(|name| python_dictionary(&source, name));
    let ordinary = &ordinary;
    let cells = faults.iter().flat_map(|(fault, _)| {
        deeds.iter().map(move |(deed, _)| {
            let is_ordinary = ordinary.contains(&(fault.clone(), deed.clone()));
            let name = format!("`{fault}-{deed}`");
            if is_ordinary { format!("**{name}**") } else { name }
        })
    });
    let expected: Vec<String> = cells.collect();
    assert_eq!((expected.len(), ordinary.len()), (50, faults.len()));
    let docs = read("docs/chaos.md");
    let (_, table) = docs.split_once("| what fails | join-storm |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let found = table.lines().skip(2).flat_map(|row| row.trim_matches('|').split('|').skip(1));
    let found: Vec<String> = found.map(|cell| cell.trim().to_owned()).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_oldest_rust_is_the_same_everywhere() {
    let manifest: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    let oldest = manifest["package"]["rust-version"].as_str().unwrap();
    for file in ["README.md", "CONTRIBUTING.md"] {
        assert!(read(file).contains(&format!("{oldest} or newer")), "{file}: {oldest}");
    }
    // The installer reads the manifest.
    assert!(read("scripts/install.sh").contains("rust-version"));
}

#[test]
fn every_target_that_ci_runs_exists() {
    let makefile = read("Makefile");
    let workflow = read(".github/workflows/ci.yml");
    let run = workflow.lines().filter_map(|line| line.trim().strip_prefix("- run: make "));
    let run: Vec<_> = run.map(|target| target.split(' ').next().unwrap()).collect();
    assert!(run.len() > 4, "{run:?}");
    for target in run {
        assert!(makefile.contains(&format!("\n{target}:")), "{target}");
    }
}

#[test]
fn the_schema_of_a_list_of_advisories_is_that_of_the_program() {
    let path = "docs/advisories.schema.json";
    let expected = format!("{:#}\n", serde_json::json!(schemars::schema_for!(Advisories)));
    current(path, &read(path), &expected);
}
