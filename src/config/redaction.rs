//! Redacted policy files: where the secrets are, the text without them, and the differences between two files.

use std::path::Path;

use toml::de::DeTable;

use super::diagnostics::{Diagnostics, Held};
use super::environment::Environment;
use super::file::read_file;
use super::key_diff::{KeyChange, changes};
use super::load::{parse_table, read_keys};
use super::secrets::{HIDDEN, Lines, NEAR_SECRETS, without_secrets};

/// Returns where the secrets of the file at `path` are, as it is on the disk now. Of an invalid file, what can be
/// parsed counts.
pub fn held(path: &Path, environment: &Environment) -> Held {
    let text = read_file(path).unwrap_or_default();
    let notes = Diagnostics::new("", &text);
    let (table, _) = DeTable::parse_recoverable(&text);
    read_keys(&notes, table.get_ref(), environment);
    let mut held = notes.held();
    let directory = path.parent().unwrap_or(Path::new(""));
    for file in &mut held.files {
        *file = directory.join(&*file);
    }
    held.files.extend(environment.secret_file());
    held.files.sort();
    held.files.dedup();
    held
}

/// Returns the keys whose values differ between two files, with secrets and deny lists hidden.
pub fn redacted_changes(before: &str, after: &str) -> Vec<KeyChange> {
    let mut all = changes(before, after);
    for change in all.iter_mut().filter(|change| change.key.ends_with(NEAR_SECRETS)) {
        for said in change.before.iter_mut().chain(&mut change.after) {
            HIDDEN.clone_into(&mut said.value);
        }
    }
    all
}

/// Returns the text of a file without secrets and without comments, which may hold anything. Lines keep their
/// numbers. The text is empty if the file is not TOML.
pub fn redacted(text: &str) -> String {
    let notes = Diagnostics::new("", text);
    let Some(table) = parse_table(&notes, text) else { return String::new() };
    // Reading the file marks which values are secrets.
    read_keys(&notes, &table, &Environment::default());
    without_secrets(&notes, &table, text, Lines::Kept)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::config::load::schema;

    fn held_by(text: &str, environment: &Environment) -> (Held, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("component.toml");
        fs::write(&path, text).unwrap();
        (held(&path, environment), directory.path().to_owned())
    }

    #[test]
    fn every_file_with_a_secret_is_named_and_no_other() {
        let text = "component.secret_file = 'a'\npolicy.password = { secret_file = '/b', deny_list_file = 'c' }\n\
                    [[room]]\nmatch = 'x'\npassword = { preset_file = 'd' }\n\
                    [profile.x.password]\nsecret_file = 'f'\n[store]\npostgres_password_file = 'g'\nfile = 'h'\n";
        let variables = [("VESTIBULE_COMPONENT__SECRET_FILE".to_owned(), "/e".to_owned())];
        let (held, directory) = held_by(text, &Environment::of(variables));
        let mut expected: Vec<_> = ["a", "d", "f", "g"].map(|name| directory.join(name)).into();
        expected.extend(["/b", "/e"].map(PathBuf::from));
        expected.sort();
        assert_eq!(held.files, expected);
        assert!(!held.inline);
    }

    #[test]
    fn a_secret_in_the_file_itself_is_seen_wherever_it_may_stand() {
        let inline = |text: &str| held_by(text, &Environment::default()).0.inline;
        // Whatever key of the schema is read as a secret, alone in a file.
        let found: BTreeSet<_> = schema()
            .into_iter()
            .filter(|key| {
                let in_array =
                    ["service", "room", "ban", "exception", "admin.token", "admin.person"]
                        .iter()
                        .find_map(|array| {
                            let own = key.strip_prefix(array)?.strip_prefix('.')?;
                            Some((array, own))
                        });
                let text = match in_array {
                    Some((array, own)) => format!("[[{array}]]\n{own} = 'x'"),
                    None => format!("{} = 'x'", key.replace("profile.NAME", "profile.lecture")),
                };
                inline(&text)
            })
            .collect();
        let expected = [
            "admin.oidc.client_secret",
            "admin.proxy_secret",
            "component.secret",
            "policy.password.preset",
            "policy.password.secret",
            "profile.NAME.password.preset",
            "profile.NAME.password.secret",
            "room.password.preset",
            "room.password.secret",
            // What is no address of a database may be anything.
            "store.postgres",
            "store.postgres_password",
        ];
        assert_eq!(found, expected.map(str::to_owned).into());

        for text in [
            "store.postgres = 'postgresql://v:hunter2@127.0.0.1/v'",
            "store.postgres = 'user=v password=hunter2'",
            "store.postgres = 'postgresql://v@127.0.0.1/v?password=hunter2'",
            // Broken behind it.
            "component.secret = 'x'\n= 5\n",
        ] {
            assert!(inline(text), "{text}");
        }
        for text in [
            include_str!("../../component.toml"),
            "component.secret = ''",
            "policy.password.source = 'preset'",
            "[policy.modes]\npassword = 'enforce'\n'password.required' = 'observe'",
            "policy.password.deny_list = ['secret']",
            "store.postgres = 'postgresql://v@127.0.0.1/v'",
            "[[admin.token]]\nname = 'a'\nrole = 'duty'\nsha256 = 'x'",
        ] {
            assert!(!inline(text), "{text}");
        }
    }

    #[test]
    fn a_secret_that_a_variable_stands_in_for_still_stands_in_the_file() {
        let environment =
            Environment::of([("VESTIBULE_COMPONENT__SECRET".to_owned(), "s3cret".to_owned())]);
        assert!(held_by("component.secret = 'x'", &environment).0.inline);
        let (held, directory) = held_by("component.secret_file = 'a'", &environment);
        assert_eq!((held.inline, held.files), (false, vec![directory.join("a")]));
    }

    #[test]
    fn a_file_without_its_secrets_is_the_same_file_line_by_line() {
        let shipped = include_str!("../../component.toml");
        let kept = redacted(shipped);
        assert_eq!(kept.lines().count(), shipped.lines().count());
        let told_apart = changes(shipped, &kept);
        let told_apart: Vec<_> = told_apart.iter().map(|change| &*change.key).collect();
        let words = ["secret", "preset", "store.postgres", "store.postgres_password"];
        let is_secret = |key: &str| words.iter().any(|word| key.ends_with(word));
        assert!(told_apart.iter().all(|key| is_secret(key)), "{told_apart:?}");
        assert!(told_apart.contains(&"component.secret"));
        assert!(!kept.contains('#'));
    }

    #[test]
    fn secrets_and_remarks_are_not_kept() {
        let file = r##"
[component] # secret = "canary"
secret = """canary
canary"""
domain = "a#b.example"
[policy.password]
#preset = "canary"
preset = 'canary#'
deny_list = [ # canary
  "canary#y", # canary
]
[[room]]
match = "a" # canary
password = { preset = "canary", words = 5 }
# canary"##;
        let kept = redacted(file);
        assert!(!kept.contains("canary"), "{kept}");
        for part in ["\"a#b.example\"", "words = 5", "preset = \"…\"", "match = \"a\""] {
            assert!(kept.contains(part), "{part}: {kept}");
        }
        assert_eq!(kept.matches('\n').count(), file.matches('\n').count());
        assert_eq!(redacted("secret = canary"), "");
        let changes = redacted_changes(file, "policy.password.deny_list = ['canary']");
        assert!(changes.iter().any(|change| change.key == "policy.password.deny_list"));
        assert!(!format!("{changes:?}").contains("canary"));
    }
}
