//! Overrides that change nothing.

use std::fmt::Debug;
use std::sync::Arc;

use super::meeting::meet;
use super::notes::Notes;
use crate::policy::selector::Selector;
use crate::policy::{Policy, Rules};

/// Files with more overrides were not written by hand, and are to load at once.
const MOST: usize = 500;

/// Notes each override that is as the rules for every room are. One that takes rooms out of another, wider override
/// does something all the same.
pub(super) fn check(notes: &Notes<'_>, policy: &Policy) {
    if policy.rooms.iter().nth(MOST).is_some() {
        return;
    }
    for room in policy.rooms.iter() {
        let mut others = policy.rooms.iter().filter(|other| other.line != room.line);
        let is_alone = !others.any(|other| may_meet(&room.selector, &other.selector));
        if is_alone && is_same(&room.rules, &policy.base) {
            notes.warning(
                notes.place_of(room.line),
                format!("room `{}`", room.selector),
                "this override is as `[policy]` is, and has no effect",
                Some("change something in it, or delete it".to_owned()),
            );
        }
    }
}

/// There may be a room for both: also where it would take more to be sure.
fn may_meet(one: &Selector, other: &Selector) -> bool {
    match (&one.pattern, &other.pattern) {
        (Some(one), Some(other)) => {
            let is_address = [one, other].iter().any(|pattern| pattern.as_str().contains('@'));
            is_address || meet(&one.parts(), &other.parts(), &[]).is_some()
        }
        (None, _) | (_, None) => true,
    }
}

fn is_same(rules: &Rules, base: &Rules) -> bool {
    // A new family is compared here.
    let Rules {
        password: _,
        access: _,
        lobby: _,
        moderators: _,
        close: _,
        removal: _,
        names: _,
        settings: _,
        permissions: _,
        hours: _,
        limits: _,
        modes: _,
        observed: _,
    } = rules;
    let (password, plain) = (&rules.password, &base.password);
    let (access, open) = (&rules.access, &base.access);
    // What is secret or compiled cannot be read: written again, it counts as another.
    let reads = password.preset.line == plain.preset.line
        && password.secret.line == plain.secret.line
        && password.deny_list.line == plain.deny_list.line
        && access.rooms.line == open.rooms.line
        && access.refused_rooms.line == open.refused_rooms.line;
    reads
        && same(password, plain)
        && same(access, open)
        && same(&rules.lobby, &base.lobby)
        && same(&rules.moderators, &base.moderators)
        && same(&rules.close, &base.close)
        && same(&rules.removal, &base.removal)
        && same(&rules.names, &base.names)
        && same(&rules.settings, &base.settings)
        && same(&rules.permissions, &base.permissions)
        && same(&rules.hours, &base.hours)
        && same(&rules.limits, &base.limits)
        && same(&rules.modes, &base.modes)
}

fn same<T: Debug>(one: &Arc<T>, other: &Arc<T>) -> bool {
    Arc::ptr_eq(one, other) || values(one) == values(other)
}

/// The values without their lines, in an order of their own: that of sets differs.
fn values(rules: &impl Debug) -> Vec<String> {
    let shown = format!("{rules:#?}");
    let is_line = |text: &&str| text.trim_start().starts_with("line: ");
    let mut values: Vec<_> =
        shown.lines().filter(|text| !is_line(text)).map(str::to_owned).collect();
    values.sort_unstable();
    values
}
