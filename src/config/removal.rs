//! `[policy.removal]`, and `[room.removal]` for some rooms.

use std::time::Duration;

use super::section::Section;
use super::values::{duration_or_never, list, some_text, word};
use crate::policy::removal::{By, Removal};

/// Puts what the table says into the rules.
pub(super) fn read(mut section: Section<'_>, rules: &mut Removal) {
    section.set("keep_out", &mut rules.keep_out, duration_or_never(Duration::from_secs(1)));
    section.set("by", &mut rules.by, list(word(&By::ALL, By::name)));
    section.set("subject_claim", &mut rules.subject_claim, some_text);
    section.finish();
}
