//! The shape of the source: which module may look at which, and how long a file may grow.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

/// A module and the modules it may use, from the bottom up. `xmpp` is split: what reads and writes an
/// element stands below all, the link above it.
const LAYERS: [(&str, &[&str]); 23] = [
    ("schema", &[]),
    ("secret", &[]),
    ("thread", &[]),
    ("private", &[]),
    ("jid", &[]),
    ("metrics", &[]),
    ("xmpp", &["metrics", "secret"]),
    ("setting", &["jid"]),
    ("policy", &["setting", "jid", "secret"]),
    ("password", &["policy", "jid", "secret"]),
    ("wire", &["policy", "xmpp", "jid", "secret"]),
    ("config", &["setting", "policy", "jid", "schema", "secret"]),
    ("store", &["config", "policy", "jid", "private", "schema", "secret", "thread"]),
    (
        "component",
        &[
            "store", "policy", "wire", "password", "xmpp", "jid", "metrics", "private", "schema",
            "secret", "thread",
        ],
    ),
    ("doctor", &["component", "config", "policy", "wire", "jid", "schema", "secret"]),
    (
        "control",
        &[
            "doctor",
            "component",
            "store",
            "config",
            "policy",
            "wire",
            "password",
            "xmpp",
            "jid",
            "metrics",
            "private",
            "schema",
            "secret",
        ],
    ),
    (
        "http",
        &[
            "control",
            "doctor",
            "component",
            "store",
            "config",
            "policy",
            "jid",
            "metrics",
            "private",
            "schema",
            "secret",
        ],
    ),
    ("incident", &["store", "policy", "jid", "secret"]),
    ("adhoc", &["control", "xmpp", "jid", "secret"]),
    (
        "proof",
        &[
            "control",
            "doctor",
            "component",
            "store",
            "config",
            "policy",
            "wire",
            "password",
            "xmpp",
            "jid",
            "secret",
        ],
    ),
    (
        "app",
        &[
            "http",
            "adhoc",
            "incident",
            "control",
            "doctor",
            "component",
            "store",
            "config",
            "policy",
            "wire",
            "password",
            "xmpp",
            "jid",
            "metrics",
            "private",
            "schema",
            "secret",
            "thread",
        ],
    ),
    (
        "cli",
        &[
            "incident",
            "app",
            "http",
            "proof",
            "control",
            "doctor",
            "component",
            "store",
            "config",
            "policy",
            "wire",
            "password",
            "xmpp",
            "jid",
            "schema",
            "secret",
        ],
    ),
    ("main", &["app", "cli"]),
];

/// What the policy may use beside itself and `secret`.
const POLICY_CRATES: [&str; 17] = [
    "std",
    "jiff",
    "globset",
    "percent_encoding",
    "ipnet",
    "serde",
    "serde_json",
    "sha2",
    "strum",
    "icu_properties",
    "unicode_normalization",
    "unicode_script",
    "unicode_security",
    "super",
    "crate",
    "self",
    "Self",
];

/// What would make a decision depend on more than its arguments.
const IMPURE: [&str; 12] = [
    "tokio",
    "tracing",
    "SystemTime",
    "Instant",
    "std::fs",
    "std::env",
    "std::io",
    "std::thread",
    "std::process",
    "rand::",
    "getrandom",
    "Timestamp::now",
];

const LONGEST: usize = 800;

struct Source {
    /// From `src/` on.
    path: String,
    /// Without its tests.
    code: String,
    /// The module of the crate that it belongs to.
    module: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 20, "only {} files were found", files.len());
    files
        .into_iter()
        .map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
            let path = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            let module = path.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
            Source { path, code, module }
        })
        .filter(|source| !source.path.ends_with("/tests.rs"))
        .collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The lines that are not comments.
fn code_lines(code: &str) -> impl Iterator<Item = &str> {
    code.lines().map(str::trim_start).filter(|line| !line.starts_with("//"))
}

/// The modules named after `prefix`, as in `crate::policy`.
fn named_after<'a>(line: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    line.split(prefix)
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next())
}

#[test]
fn the_layers_only_point_down() {
    let mut wrong = Vec::new();
    for source in sources() {
        if source.module == "lib" {
            continue;
        }
        let Some((_, below)) = LAYERS.iter().find(|(module, _)| *module == source.module) else {
            wrong.push(format!(
                "src/{}: `{}` has no layer: give it one",
                source.path, source.module
            ));
            continue;
        };
        let prefix = if source.module == "main" { "vestibule::" } else { "crate::" };
        for line in code_lines(&source.code) {
            assert!(!line.contains("use crate::{"), "src/{}: one `use` a module", source.path);
            for used in named_after(line, prefix) {
                if used != source.module && !below.contains(&used) {
                    let module = &source.module;
                    wrong.push(format!("src/{}: `{module}` looks up at `{used}`", source.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_module_is_only_allowed_what_stands_below_it() {
    for (at, (module, below)) in LAYERS.iter().enumerate() {
        for used in *below {
            let place = LAYERS.iter().position(|(other, _)| other == used);
            assert!(place.is_some_and(|place| place < at), "`{module}` may use `{used}`");
        }
    }
}

#[test]
fn the_policy_knows_nothing_but_its_arguments() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.module == "policy") {
        for line in code_lines(&source.code) {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("src/{}: `{word}`: {line}", source.path));
            }
            if let Some(used) = line.strip_prefix("use ") {
                let name = used.split([':', ';', ' ']).next().unwrap();
                if !POLICY_CRATES.contains(&name) {
                    wrong.push(format!("src/{}: the policy does without `{name}`", source.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_too_long_to_read() {
    let long: Vec<String> = sources()
        .iter()
        .map(|source| (&source.path, source.code.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(path, lines)| {
            format!("src/{path}: {lines} lines without its tests, at most {LONGEST}")
        })
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}
