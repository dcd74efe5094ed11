//! Where the secrets of a file are.

use std::path::{Path, PathBuf};

use super::environment::Environment;

/// Keys with a secret in them.
const INLINE: [&str; 3] = ["secret", "preset", "password"];
/// Names of files without one.
const HARMLESS: [&str; 1] = ["deny_list_file"];

/// Where the secrets of a file are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// There is one in the file itself.
    pub inline: bool,
    /// The files of their own that it, or the environment, names.
    pub files: Vec<PathBuf>,
}

/// Looks where the secrets of the file at `path` are, which has this text.
pub fn held(path: &Path, text: &str, environment: &Environment) -> Held {
    let mut held = Held::default();
    let directory = path.parent().unwrap_or(Path::new(""));
    let table = text.parse::<toml::Table>().unwrap_or_default();
    let mut values: Vec<(&str, &toml::Value)> =
        table.iter().map(|(key, value)| (key.as_str(), value)).collect();
    while let Some((key, value)) = values.pop() {
        if let Some(table) = value.as_table() {
            values.extend(table.iter().map(|(key, value)| (key.as_str(), value)));
        } else if let Some(items) = value.as_array() {
            values.extend(items.iter().map(|item| (key, item)));
        } else if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
            held.inline |= INLINE.contains(&key);
            if key.ends_with("_file") && !HARMLESS.contains(&key) {
                held.files.push(directory.join(text));
            }
        }
    }
    held.files.extend(environment.secret_file());
    held.files.sort();
    held.files.dedup();
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_with_a_secret_is_named_and_no_other() {
        let text = "component.secret_file = 'a'\npolicy.password = { secret_file = '/b', deny_list_file = 'c' }\n\
                    [[room]]\nmatch = 'x'\npassword = { preset_file = 'd' }\n";
        let variables = [("VESTIBULE_COMPONENT__SECRET_FILE".to_owned(), "/e".to_owned())];
        let held = held(Path::new("/etc/f.toml"), text, &Environment::of(variables));
        assert_eq!(held.files, ["/b", "/e", "/etc/a", "/etc/d"].map(PathBuf::from));
        assert!(!held.inline);
    }

    #[test]
    fn a_secret_in_the_file_itself_is_seen() {
        let held = |text| held(Path::new("f"), text, &Environment::default()).inline;
        assert!(held("component.secret = 'x'") && held("room = [{ password = { preset = 'x' } }]"));
        assert!(!held("component.secret = ''") && !held("policy.password.source = 'preset'"));
    }
}
