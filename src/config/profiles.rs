//! `[profile.NAME]`: values that overrides refer to by a name.

use std::collections::BTreeMap;

use super::outside::Outside;
use super::rules;
use super::section::Section;
use crate::policy::Rules;

/// Reads every profile: the base rules with its values in place, by its name.
pub(super) fn read(
    root: &mut Section<'_>,
    base: &Rules,
    outside: &Outside<'_>,
) -> BTreeMap<String, Rules> {
    root.tables_by_name("profile")
        .into_iter()
        .map(|(name, mut section)| {
            let mut rules = base.clone();
            rules::read(&mut section, &mut rules, outside);
            section.finish();
            (name, rules)
        })
        .collect()
}
