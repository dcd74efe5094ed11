//! Opinions on names: what people may call themselves.

use super::moderators;
use super::moderators::{entitlement, may};
use crate::policy::attempt::{Action, Namesake};
use crate::policy::context::Case;
use crate::policy::denial::Denial;
use crate::policy::notice::Notice;
use crate::policy::rules::kinds::Who;
use crate::policy::rules::names::{Unique, is_written_in};
use crate::policy::verdict::{Audience, Effects, Opinion};

/// Denies a nick or display name that the requester may not have here.
pub(in crate::policy) fn judge(case: &Case<'_>) -> Option<Opinion> {
    let names = &case.rules.names;
    let asked = [case.who.nick.as_str(), case.who.name.as_str()];
    let mut asked = asked.into_iter().filter(|name| !name.is_empty());
    let is_moderator = !names.protected.value.is_empty() && moderates(case);
    if let Some(opinion) = asked.find_map(|name| judge_kept(case, name, is_moderator)) {
        return Some(opinion);
    }
    let least = match names.unique.value {
        Unique::Nobody => return None,
        Unique::Moderators => Namesake::Moderator,
        Unique::Everybody => Namesake::Occupant,
    };
    (case.attempt.namesake >= Some(least))
        .then(|| Opinion::deny(names.unique.rule(), Denial::NameTaken))
}

/// Warns moderators of a person whose name may be taken for one of theirs, and who comes in, is inside or waits.
pub(in crate::policy) fn taken(case: &Case<'_>, effects: &mut Effects) {
    if case.attempt.namesake != Some(Namesake::Moderator) || moderates(case) {
        return;
    }
    let waits = matches!(case.attempt.action, Action::Rename) && !moderators::is_inside(case);
    let notice = if waits { Notice::KnocksAlike } else { Notice::LooksAlike };
    effects.notices.push((Audience::ModeratorsAfter, notice));
}

/// Warns moderators in the same way of a person who is sent to wait.
pub(in crate::policy) fn knocks(case: &Case<'_>, effects: &mut Effects) {
    if case.attempt.namesake == Some(Namesake::Moderator) && !moderates(case) {
        effects.notices.push((Audience::Moderators, Notice::KnocksAlike));
    }
}

/// Denies a name that is reserved, protected or in another script; `is_moderator`: whether its bearer moderates.
pub(in crate::policy) fn judge_kept(
    case: &Case<'_>,
    name: &str,
    is_moderator: bool,
) -> Option<Opinion> {
    let names = &case.rules.names;
    if let Some(rule) = names.reserves(name) {
        return Some(Opinion::deny(rule, Denial::ReservedNick));
    }
    if !is_moderator && names.protected.value.iter().any(|one| one.looks.is_look_of(name)) {
        let rule = names.protected.rule();
        return Some(Opinion::deny(rule, Denial::NameProtected));
    }
    let scripts = &names.scripts;
    (!scripts.value.is_empty() && !is_written_in(name, &scripts.value))
        .then(|| Opinion::deny(scripts.rule(), Denial::NameScript))
}

/// Returns whether the requester moderates, by the rules or because a moderator has made them one.
pub(in crate::policy) fn moderates(case: &Case<'_>) -> bool {
    entitlement(case).is_some() || may(case, Who::Moderator)
}
