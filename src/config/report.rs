//! What `vestibule check` prints.

use std::fmt::Write as _;
use std::io;

use jiff::Timestamp;

use super::load::{LoadError, Loaded};
use super::notes::Written;

/// What is said to an account that may not do that.
pub const NOT_ALLOWED: &str = "not allowed: run it with sudo";

/// How a check ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitKind {
    /// The file may go live.
    Valid,
    /// The file is wrong.
    Invalid,
    /// The file cannot be read.
    Unreadable,
}

impl ExitKind {
    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::Invalid => 1,
            Self::Unreadable => 2,
        }
    }
}

/// The report on a file at that time, and how the check ends.
pub fn report(result: &Result<Loaded, LoadError>, now: Timestamp) -> (String, ExitKind) {
    let mut text = String::new();
    match result {
        Ok(loaded) => {
            for warning in loaded.warnings_at(now) {
                _ = writeln!(text, "{warning}");
            }
            _ = writeln!(
                text,
                "{} is valid: revision {}, {}, {}, {}",
                loaded.file,
                loaded.policy.revision,
                count(loaded.settings.services.len(), "service"),
                count(loaded.policy.rooms.len(), "override"),
                count(loaded.bans, "ban"),
            );
            for Written { text: address, prepared, line } in &loaded.written {
                _ = writeln!(
                    text,
                    "line {line}: `{address}` is taken for `{prepared}`, by this program's own tables: a running \
                     component asks the server"
                );
            }
            (text, ExitKind::Valid)
        }
        Err(error @ LoadError::Unreadable { source, .. }) => {
            let is_forbidden = source.kind() == io::ErrorKind::PermissionDenied;
            let why = if is_forbidden { NOT_ALLOWED.to_owned() } else { source.to_string() };
            (format!("error: {error}: {why}\n"), ExitKind::Unreadable)
        }
        Err(error @ LoadError::Invalid(_)) => (format!("{error}\n"), ExitKind::Invalid),
    }
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
