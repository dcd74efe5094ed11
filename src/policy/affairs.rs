//! What people inside may do to and for one another.

use super::rules::fixed;
use std::collections::HashMap;

use super::attempt::{Affiliation, AffiliationChange, Requester, Role, RoleChange};
use super::context::{Case, Strongest};
use super::denial::Denial;
use super::moderators::require;
use super::notice::Notice;
use super::permissions;
use super::record::Person;
use super::verdict::{Audience, Effects, Opinion};
use super::who::Who;
use super::{authority, names, removal};
use crate::jid::BareJid;

/// Judges every item; one that may not be refuses the whole list.
pub(super) fn affiliation(
    case: &Case<'_>,
    items: &[AffiliationChange],
    register: bool,
    strongest: &mut Strongest,
) {
    if items.is_empty() || is_contradictory(items) {
        strongest.hear(Some(Opinion::deny(fixed::UNREADABLE.at(0), Denial::Malformed)));
    }
    for item in items {
        one_affiliation(case, item, register, strongest);
    }
}

/// One address is given two affiliations: what comes of it would depend on the order.
fn is_contradictory(items: &[AffiliationChange]) -> bool {
    let mut given = HashMap::new();
    items.iter().any(|item| {
        item.jid.as_ref().is_some_and(|jid| *given.entry(jid).or_insert(item.to) != item.to)
    })
}

/// Each right that the change needs, whatever it is called: what takes moderation needs the right to take it, also
/// as a ban.
fn one_affiliation(
    case: &Case<'_>,
    item: &AffiliationChange,
    register: bool,
    strongest: &mut Strongest,
) {
    let rules = &case.rules.moderators;
    let (Some(jid), Some(to)) = (&item.jid, item.to) else {
        return strongest.hear(Some(Opinion::deny(fixed::UNREADABLE.at(0), Denial::Malformed)));
    };
    let (own, from) = (authority::is_own(case, jid, item.bearer.as_ref()), item.from);
    let nick = item.nick.as_deref().filter(|_| !case.policy.services.contains_key(jid));
    if let Some(nick) = nick {
        let is_moderator = from.max(to) >= Affiliation::Admin;
        strongest.hear(names::judge_kept(
            case,
            nick,
            is_moderator || own && names::moderates(case),
        ));
    }
    let remove = || require(case, &rules.remove, Denial::MayNotRemove);
    // The occupant whose nick is reserved for another is removed by that.
    for other in &item.displaced {
        let is_own = other.jid.as_ref().is_some_and(|it| authority::is_own(case, it, Some(other)));
        if item.nick.is_some() && !is_own {
            strongest.hear(Some(remove()));
        }
        if let Some(other_jid) = &other.jid {
            strongest.hear(authority::shields(case, other_jid, Some(other)));
        }
    }
    if register {
        // Nobody is asked about a registration, so nobody may rise by it: it reserves a nick.
        let rule = rules.admit.rule();
        let keeps = jid == case.jid && from >= Affiliation::Member && to <= from;
        let may = keeps || rules.admit.value == Who::Anybody;
        return strongest.hear(Some(match may {
            true => Opinion::allow(rule),
            false => Opinion::deny(rule, Denial::MayNotRegister),
        }));
    }
    // A person who is given a nick loses the choice.
    if to < from || to == Affiliation::Outcast || nick.is_some() {
        strongest.hear(authority::shields(case, jid, item.bearer.as_ref()));
        if jid.node().is_none() {
            strongest.hear(authority::shields_domain(case, jid));
        }
    }
    if to >= Affiliation::Admin {
        let grant = require(case, &rules.grant, Denial::MayNotGrant);
        strongest.hear(Some(grant));
    }
    let is_lifted = from == Affiliation::Outcast && to > from;
    if is_lifted || (to == Affiliation::Member && from < Affiliation::Admin) {
        let admit = require(case, &rules.admit, Denial::MayNotAdmit);
        strongest.hear(Some(admit));
    }
    let is_banned = to == Affiliation::Outcast;
    let loses_entry = to == Affiliation::None && from > to && from < Affiliation::Admin;
    let is_nothing = to == Affiliation::None && from == to;
    if is_banned || (!own && (loses_entry || is_nothing)) {
        strongest.hear(Some(remove()));
    }
    if from >= Affiliation::Admin && to < from {
        strongest.hear(Some(match own {
            true => Opinion::allow(rules.revoke.rule()),
            false => require(case, &rules.revoke, Denial::MayNotRevoke),
        }));
    }
}

/// What the room remembers after a list that was allowed.
pub(super) fn affiliation_effects(
    case: &Case<'_>,
    items: &[AffiliationChange],
    register: bool,
    effects: &mut Effects,
) {
    for item in items {
        let (Some(jid), Some(to)) = (&item.jid, item.to) else { continue };
        for other in &item.displaced {
            if let Some(other_jid) = other.jid.as_ref().filter(|_| item.nick.is_some()) {
                remove(case, other_jid, Some(other), effects);
            }
        }
        if register && to == item.from {
            continue;
        }
        let (before, who) = (case.attempt.other(jid), session(jid, item.bearer.as_ref()));
        match to {
            Affiliation::Owner | Affiliation::Admin => {
                let person = Person::admitted(before).as_moderator(true).restored();
                remember(jid, Some(person), effects);
                removal::let_in(case, &who, effects);
                effects.admit.push(jid.clone());
            }
            Affiliation::Member => {
                let person = Person::admitted(before).restored();
                let loses = item.from >= Affiliation::Admin;
                let person = if loses { person.as_moderator(false) } else { person };
                remember(jid, Some(person), effects);
                removal::let_in(case, &session(jid, None), effects);
                effects.admit.push(jid.clone());
            }
            // A person who loses moderation has been inside, and stays admitted.
            Affiliation::None if item.from >= Affiliation::Admin => {
                let person = Person::admitted(before).as_moderator(false).restored();
                remember(jid, Some(person), effects);
            }
            Affiliation::Outcast => {
                remember(jid, Some(Person::suspended(before, item.from)), effects);
                if !authority::is_own(case, jid, item.bearer.as_ref()) {
                    removal::removed(case, &who, effects);
                }
            }
            Affiliation::None if item.from == Affiliation::Outcast => {
                removal::let_in(case, &who, effects);
                let suspended = before.and_then(|before| before.suspended);
                let person = match suspended {
                    Some(_) => Person::admitted(before).given_back(),
                    None => Person::removed().known_as(before),
                };
                remember(jid, Some(person), effects);
                effects.affiliate.extend(suspended.map(|had| (jid.clone(), had)));
            }
            Affiliation::None => remember(jid, Some(Person::removed().known_as(before)), effects),
        }
    }
}

/// Judges every item; one that may not be refuses the whole list.
pub(super) fn role(case: &Case<'_>, items: &[RoleChange], strongest: &mut Strongest) {
    if items.is_empty() {
        strongest.hear(Some(Opinion::deny(fixed::UNREADABLE.at(0), Denial::Malformed)));
    }
    for item in items {
        strongest.hear(Some(one_role(case, item)));
    }
}

fn one_role(case: &Case<'_>, item: &RoleChange) -> Opinion {
    let rules = &case.rules.moderators;
    let Some(to) = item.to else {
        return Opinion::deny(fixed::UNREADABLE.at(0), Denial::Malformed);
    };
    if (to < item.from || to == Role::None)
        && let Some(jid) = &item.jid
        && let Some(shielded) = authority::shields(case, jid, item.bearer.as_ref())
    {
        return shielded;
    }
    match to {
        Role::Moderator => require(case, &rules.grant, Denial::MayNotGrant),
        Role::None => require(case, &rules.remove, Denial::MayNotRemove),
        Role::Visitor | Role::Participant => require(case, &rules.revoke, Denial::MayNotRevoke),
    }
}

/// What the room remembers after roles were set.
pub(super) fn role_effects(case: &Case<'_>, items: &[RoleChange], effects: &mut Effects) {
    for item in items {
        let (Some(jid), Some(to)) = (&item.jid, item.to) else { continue };
        permissions::voice(case, item, effects);
        if to == Role::None {
            remove(case, jid, item.bearer.as_ref(), effects);
        }
    }
}

/// This person is removed, with every session and with what they are in the room. Ending a session of their
/// own is not.
fn remove(case: &Case<'_>, jid: &BareJid, bearer: Option<&Requester>, effects: &mut Effects) {
    if authority::is_own(case, jid, bearer) {
        return;
    }
    let affiliation = bearer.map(|bearer| bearer.affiliation).unwrap_or_default();
    let person = Person::suspended(case.attempt.other(jid), affiliation);
    remember(jid, Some(person), effects);
    removal::removed(case, &session(jid, bearer), effects);
    effects.remove.push((jid.clone(), removal::denial(case)));
}

/// Whether this invitation may go out.
pub(super) fn invite(case: &Case<'_>, to: &[Option<BareJid>], strongest: &mut Strongest) {
    if to.is_empty() || to.iter().any(Option::is_none) {
        strongest.hear(Some(Opinion::deny(fixed::UNREADABLE.at(0), Denial::Malformed)));
    }
    let admit = case.rules.moderators.admit;
    strongest.hear(Some(require(case, &admit, Denial::MayNotAdmit)));
}

/// Returns whether the requester may answer a person who waits.
pub(super) fn knock(case: &Case<'_>, target: Option<&BareJid>) -> Opinion {
    if target.is_none() {
        return Opinion::deny(fixed::UNREADABLE.at(0), Denial::Malformed);
    }
    let admit = case.rules.moderators.admit;
    require(case, &admit, Denial::MayNotAdmit)
}

/// What follows from the answer to a knock.
pub(super) fn knock_effects(case: &Case<'_>, target: &BareJid, admit: bool, effects: &mut Effects) {
    if admit {
        admitted(case, target, effects);
    } else {
        effects.reject.push((target.clone(), None));
    }
}

/// Whether the requester may answer everybody who waits, and whether anybody does.
pub(super) fn answer_all(case: &Case<'_>, waiting: &[BareJid], strongest: &mut Strongest) {
    let admit = case.rules.moderators.admit;
    strongest.hear(Some(require(case, &admit, Denial::MayNotAdmit)));
    if waiting.is_empty() {
        strongest.hear(Some(Opinion::deny(fixed::COMMAND.at(0), Denial::NobodyWaits)));
    }
}

/// What follows from the answer to everybody who waits.
pub(super) fn answer_all_effects(
    case: &Case<'_>,
    waiting: &[BareJid],
    admit: bool,
    effects: &mut Effects,
) {
    for target in waiting {
        knock_effects(case, target, admit, effects);
    }
    let count = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
    let notice = if admit { Notice::LetIn(count) } else { Notice::TurnedAway(count) };
    effects.notices.push((Audience::Requester, notice));
}

/// Returns whether the requester may destroy the room.
pub(super) fn end(case: &Case<'_>) -> Opinion {
    require(case, &case.rules.moderators.end, Denial::MayNotEnd)
}

/// A person inside has opened the door to `target`, who gets back what a removal has taken.
pub(super) fn admitted(case: &Case<'_>, target: &BareJid, effects: &mut Effects) {
    effects.merge(removal::admission(target, case.attempt.other(target)));
    removal::let_in(case, &session(target, None), effects);
}

fn remember(jid: &BareJid, person: Option<Person>, effects: &mut Effects) {
    effects.people.push((jid.clone(), person));
}

/// The person an item is about, as far as the gate knows.
fn session(jid: &BareJid, bearer: Option<&Requester>) -> Requester {
    Requester { jid: Some(jid.clone()), ..bearer.cloned().unwrap_or_default() }
}
