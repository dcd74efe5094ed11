//! The families of rules: in `[policy]` for every room, in `[[room]]` for some.

use std::sync::Arc;

use super::outside::Outside;
use super::section::Section;
use super::{
    access, close, hours, limits, lobby, moderators, modes, password, permissions, removal,
    room_names, room_settings,
};
use crate::policy::rules::Rules;

/// Puts what the tables say into the rules. A family without a table stays shared with the rules that it is
/// laid over.
pub(super) fn read(section: &mut Section<'_>, rules: &mut Rules, outside: &Outside<'_>) {
    family(section, "password", &mut rules.password, |section, rules| {
        password::read(section, rules, outside);
    });
    family(section, "lobby", &mut rules.lobby, lobby::read);
    family(section, "moderators", &mut rules.moderators, moderators::read);
    family(section, "close", &mut rules.close, close::read);
    family(section, "access", &mut rules.access, access::read);
    family(section, "removal", &mut rules.removal, removal::read);
    family(section, "names", &mut rules.names, room_names::read);
    family(section, "settings", &mut rules.settings, room_settings::read);
    family(section, "permissions", &mut rules.permissions, permissions::read);
    family(section, "hours", &mut rules.hours, hours::read);
    family(section, "limits", &mut rules.limits, limits::read);
    family(section, "modes", &mut rules.modes, modes::read);
}

fn family<T: Clone>(
    section: &mut Section<'_>,
    key: &'static str,
    rules: &mut Arc<T>,
    read: impl FnOnce(Section<'_>, &mut T),
) {
    if let Some(table) = section.table_if_given(key) {
        read(table, Arc::make_mut(rules));
    }
}
