//! The families of rules: in `[policy]` for every room, in `[[room]]` for some.

use super::outside::Outside;
use super::section::Section;
use super::{access, close, lobby, moderators, password, removal};
use crate::policy::rules::Rules;

/// Puts what the six tables say into the rules.
pub(super) fn read(section: &mut Section<'_>, rules: &mut Rules, outside: &Outside<'_>) {
    password::read(section.table("password"), &mut rules.password, outside);
    lobby::read(section.table("lobby"), &mut rules.lobby);
    moderators::read(section.table("moderators"), &mut rules.moderators);
    close::read(section.table("close"), &mut rules.close);
    access::read(section.table("access"), &mut rules.access);
    removal::read(section.table("removal"), &mut rules.removal);
}
