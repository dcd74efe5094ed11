//! Any text is a policy, or is refused with at least one error; neither shows the secret.

use std::io;
use std::path::Path;

use vestibule::config::{Environment, LoadError, Outside, Severity, parse};

const VARIABLE: &str = "VESTIBULE_COMPONENT__SECRET";
const SECRET: &str = "quartz-lagoon-9vTq7-nobody-types-this";

/// # Panics
/// When a text is refused without an error, or the secret shows.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let environment = Environment::of([(VARIABLE.to_owned(), SECRET.to_owned())]);
    let outside = Outside {
        environment: &environment,
        read: &read,
        exposed: text.len() % 2 == 1,
        lenient: false,
    };
    let shown = match parse("component.toml", text, &outside) {
        Ok(loaded) => {
            assert!(loaded.warnings.iter().all(|warning| warning.severity == Severity::Warning));
            format!("{loaded:?}")
        }
        Err(problems) => {
            assert!(problems.iter().any(|problem| problem.severity == Severity::Error));
            LoadError::Invalid(problems).to_string()
        }
    };
    assert!(text.contains(SECRET) || !shown.contains(SECRET));
}

/// Files that a file may name: one that is there, one that is empty, and none.
fn read(path: &Path) -> io::Result<String> {
    match path.as_os_str().len() % 3 {
        0 => Ok("umbrella\nkiwi thunder novel basket\n".to_owned()),
        1 => Ok(String::new()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}
