//! Structure of the source: which modules a module may use, and how long a file may be.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

/// Which of the modules below it a module may use.
enum Below {
    Only(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}

use Below::{AllBut, Only};

/// The modules from the bottom up, and what each may use. `xmpp` is split: what reads and writes an element
/// stands below all, the link above it.
const LAYERS: [(&str, Below); 26] = [
    ("names", Only(&[])),
    ("schema", Only(&[])),
    ("secret", Only(&[])),
    ("thread", Only(&[])),
    ("private", Only(&[])),
    ("jid", Only(&[])),
    ("metrics", Only(&[])),
    ("xmpp", Only(&["metrics", "secret"])),
    ("setting", Only(&["jid"])),
    ("policy", Only(&["setting", "jid", "secret"])),
    ("password", Only(&["policy", "jid", "secret"])),
    ("wire", Only(&["policy", "xmpp", "jid", "secret"])),
    ("config", Only(&["setting", "policy", "jid", "schema", "secret"])),
    ("summary", Only(&["config", "policy", "jid"])),
    ("store", AllBut(&["wire", "password", "setting", "xmpp", "metrics", "summary"])),
    ("component", AllBut(&["config", "setting"])),
    ("doctor", AllBut(&["store", "password", "setting", "xmpp", "metrics", "private", "thread"])),
    ("control", AllBut(&["setting", "thread"])),
    ("http", AllBut(&["wire", "password", "setting", "xmpp", "thread"])),
    ("incident", Only(&["store", "policy", "jid", "secret"])),
    ("adhoc", Only(&["control", "xmpp", "jid", "secret"])),
    (
        "proof",
        AllBut(&["adhoc", "incident", "http", "setting", "metrics", "private", "schema", "thread"]),
    ),
    ("app", AllBut(&["proof", "setting"])),
    ("init", Only(&["config", "doctor", "jid", "policy", "private", "secret"])),
    ("cli", AllBut(&["adhoc", "setting", "metrics", "private", "thread"])),
    ("main", Only(&["app", "cli"])),
];

/// What the policy may use beside itself and `secret`.
const POLICY_CRATES: [&str; 18] = [
    "std",
    "jiff",
    "globset",
    "percent_encoding",
    "ipnet",
    "serde",
    "serde_json",
    "smol_str",
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

/// Whether `module` stands below the layer at `at`.
fn is_below(at: usize, module: &str) -> bool {
    LAYERS[..at].iter().any(|(below, _)| *below == module)
}

/// Whether the layer at `at` may use `module`.
fn may_use(at: usize, module: &str) -> bool {
    match LAYERS[at].1 {
        Only(named) => named.contains(&module),
        AllBut(named) => is_below(at, module) && !named.contains(&module),
    }
}

#[test]
fn the_layers_only_point_down() {
    let mut wrong = Vec::new();
    for source in sources() {
        if source.module == "lib" {
            continue;
        }
        let Some(at) = LAYERS.iter().position(|(module, _)| *module == source.module) else {
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
                if used != source.module && !may_use(at, used) {
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
        let (Only(named) | AllBut(named)) = below;
        for used in *named {
            assert!(is_below(at, used), "`{module}` does not stand above `{used}`");
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
