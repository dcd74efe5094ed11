//! `explain`: a described attempt, and why it ends as it does.

use std::path::Path;
use std::process::ExitCode;

use super::out::{fail, say};
use crate::app::commands::Explained;
use crate::app::now;
use crate::config::{Described, Loaded};
use crate::proof::trials::Tried;

/// Explains an attempt by a file.
pub(super) fn by_file(file: &Path, loaded: &Loaded, described: &Described, json: bool) -> ExitCode {
    let tried = match Tried::new(&loaded.policy, described, now()) {
        Ok(tried) => tried,
        Err(error) => return fail(&error),
    };
    let facts = tried.facts(&loaded.policy);
    let explained = Explained::new(&tried.explanation, &facts, &loaded.policy.texts);
    match serde_json::to_string(&explained) {
        Ok(text) if json => say(&text),
        Ok(_) => say(&explained.in_words(Some(file))),
        Err(error) => return fail(&error),
    }
    ExitCode::SUCCESS
}
