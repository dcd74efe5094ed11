//! `[audit]` and `[reload]`: how rooms that are there are kept to the policy.

use std::time::Duration;

use super::section::Section;
use super::settings::{Audit, Limit};
use crate::policy::drift::{compared, family};
use crate::policy::rules::renamed;
use crate::setting::suggest;
use crate::setting::values::{duration_or_never, list, some_text, whole};
use crate::setting::{Item, Read};

/// Reads `[audit]`.
pub(super) fn read_audit(mut section: Section<'_>) -> Audit {
    let mut audit = Audit::default();
    section.put("every", &mut audit.every, duration_or_never(Duration::from_secs(1)));
    section.put("repair", &mut audit.repair, list(rule_or_family));
    section.finish();
    audit
}

/// Reads `[reload]`.
pub(super) fn read_reload(mut section: Section<'_>) -> Limit {
    let mut limit = Limit::default();
    section.put("max_removed", &mut limit.max_removed, whole(0..=1_000_000));
    section.put("max_removed_percent", &mut limit.max_removed_percent, whole(0..=100));
    section.finish();
    limit
}

fn rule_or_family(item: &Item<'_>) -> Read<String> {
    let name = some_text(item)?;
    let names = || compared().chain(compared().map(family));
    if names().any(|known| known == name) {
        return Ok(name);
    }
    let message = format!("`{name}` is no rule that a room could differ from");
    let now = renamed(&name).map(|now| format!("it is `{now}` now"));
    item.wrong(message, now.or_else(|| suggest::did_you_mean(&name, names())))
}
