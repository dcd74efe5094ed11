//! What people inside may do to and for one another.

use std::collections::HashMap;

use super::attempt::{Affiliation, AffiliationChange, Requester, Role, RoleChange};
use super::decide::{Case, Strongest};
use super::denial::Denial;
use super::moderators::require;
use super::permissions;
use super::record::Person;
use super::removal;
use super::verdict::{Effects, Opinion, Rule};
use super::who::Who;
use crate::jid::BareJid;

const UNREADABLE: Rule = Rule::new("unreadable", 0);

/// Judges every item; one that may not be refuses the whole list.
pub(super) fn affiliation(
    case: &Case<'_>,
    items: &[AffiliationChange],
    register: bool,
    strongest: &mut Strongest,
) {
    if items.is_empty() {
        strongest.hear(Some(Opinion::deny(UNREADABLE, Denial::Malformed)));
    }
    for item in items {
        strongest.hear(Some(one_affiliation(case, item, register)));
    }
}

fn one_affiliation(case: &Case<'_>, item: &AffiliationChange, register: bool) -> Opinion {
    let rules = &case.rules.moderators;
    let (Some(jid), Some(to)) = (&item.jid, item.to) else {
        return Opinion::deny(UNREADABLE, Denial::Malformed);
    };
    if let Some(nick) = &item.nick
        && let Some(rule) = case.rules.names.reserves(nick)
        && !case.policy.services.contains_key(jid)
    {
        return Opinion::deny(rule, Denial::ReservedNick);
    }
    let own = jid == case.jid;
    if register {
        // Nobody is asked about a registration, so nobody may rise by it: it reserves a nick.
        let rule = Rule::new("moderators.admit", rules.admit.line);
        let keeps = own && item.from >= Affiliation::Member && to <= item.from;
        return if keeps || rules.admit.value == Who::Anybody {
            Opinion::allow(rule)
        } else {
            Opinion::deny(rule, Denial::MayNotRegister)
        };
    }
    if to < item.from && is_protected(case, jid) {
        return Opinion::deny(protecting(case, jid), Denial::Protected);
    }
    if to >= Affiliation::Admin {
        require(case, "moderators.grant", rules.grant, Denial::MayNotGrant)
    } else if to == Affiliation::Outcast {
        require(case, "moderators.remove", rules.remove, Denial::MayNotRemove)
    } else if item.from >= Affiliation::Admin {
        if own {
            return Opinion::allow(Rule::new("moderators.revoke", rules.revoke.line));
        }
        require(case, "moderators.revoke", rules.revoke, Denial::MayNotRevoke)
    } else if to == Affiliation::Member || item.from == Affiliation::Outcast {
        require(case, "moderators.admit", rules.admit, Denial::MayNotAdmit)
    } else {
        require(case, "moderators.remove", rules.remove, Denial::MayNotRemove)
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
        if register && to == item.from {
            continue;
        }
        match to {
            Affiliation::Owner | Affiliation::Admin => {
                let person = Person::admitted(case.attempt.other(jid)).as_moderator(true);
                remember(jid, Some(person), effects);
                removal::let_in(case, &session(jid, item.bearer.as_ref()), effects);
                effects.admit.push(jid.clone());
            }
            Affiliation::Member => {
                let loses = item.from >= Affiliation::Admin;
                admitted(case, jid, loses, effects);
            }
            // Whoever loses moderation has been inside, and stays admitted.
            Affiliation::None if item.from >= Affiliation::Admin => {
                let person = Person::admitted(case.attempt.other(jid)).as_moderator(false);
                remember(jid, Some(person), effects);
            }
            Affiliation::None | Affiliation::Outcast => {
                remember(jid, Some(Person::removed()), effects);
                let who = session(jid, item.bearer.as_ref());
                if to == Affiliation::Outcast {
                    removal::removed(case, &who, effects);
                } else if item.from == Affiliation::Outcast {
                    removal::let_in(case, &who, effects);
                }
            }
        }
    }
}

/// Judges every item; one that may not be refuses the whole list.
pub(super) fn role(case: &Case<'_>, items: &[RoleChange], strongest: &mut Strongest) {
    if items.is_empty() {
        strongest.hear(Some(Opinion::deny(UNREADABLE, Denial::Malformed)));
    }
    for item in items {
        strongest.hear(Some(one_role(case, item)));
    }
}

fn one_role(case: &Case<'_>, item: &RoleChange) -> Opinion {
    let rules = &case.rules.moderators;
    let Some(to) = item.to else { return Opinion::deny(UNREADABLE, Denial::Malformed) };
    if (to < item.from || to == Role::None)
        && let Some(jid) = &item.jid
        && is_protected(case, jid)
    {
        return Opinion::deny(protecting(case, jid), Denial::Protected);
    }
    match to {
        Role::Moderator => require(case, "moderators.grant", rules.grant, Denial::MayNotGrant),
        Role::None => require(case, "moderators.remove", rules.remove, Denial::MayNotRemove),
        Role::Visitor | Role::Participant => {
            require(case, "moderators.revoke", rules.revoke, Denial::MayNotRevoke)
        }
    }
}

/// What the room remembers after roles were set.
pub(super) fn role_effects(case: &Case<'_>, items: &[RoleChange], effects: &mut Effects) {
    for item in items {
        let (Some(jid), Some(to)) = (&item.jid, item.to) else { continue };
        permissions::voice(case, item, effects);
        if to == Role::None {
            remember(jid, Some(Person::removed()), effects);
            removal::removed(case, &session(jid, item.bearer.as_ref()), effects);
        }
    }
}

/// Whether this invitation may go out.
pub(super) fn invite(case: &Case<'_>, to: &[Option<BareJid>], strongest: &mut Strongest) {
    if to.is_empty() || to.iter().any(Option::is_none) {
        strongest.hear(Some(Opinion::deny(UNREADABLE, Denial::Malformed)));
    }
    let admit = case.rules.moderators.admit;
    strongest.hear(Some(require(case, "moderators.admit", admit, Denial::MayNotAdmit)));
}

/// Whether the requester may answer somebody who waits.
pub(super) fn knock(case: &Case<'_>, target: Option<&BareJid>) -> Opinion {
    if target.is_none() {
        return Opinion::deny(UNREADABLE, Denial::Malformed);
    }
    let admit = case.rules.moderators.admit;
    require(case, "moderators.admit", admit, Denial::MayNotAdmit)
}

/// What follows from the answer to a knock.
pub(super) fn knock_effects(case: &Case<'_>, target: &BareJid, admit: bool, effects: &mut Effects) {
    if admit {
        admitted(case, target, false, effects);
    } else {
        effects.reject.push((target.clone(), None));
    }
}

/// Whether the requester may destroy the room.
pub(super) fn end(case: &Case<'_>) -> Opinion {
    require(case, "moderators.end", case.rules.moderators.end, Denial::MayNotEnd)
}

/// Somebody inside has opened the door to `target`.
pub(super) fn admitted(
    case: &Case<'_>,
    target: &BareJid,
    loses_moderation: bool,
    effects: &mut Effects,
) {
    let person = Person::admitted(case.attempt.other(target));
    let person = if loses_moderation { person.as_moderator(false) } else { person };
    remember(target, Some(person), effects);
    removal::let_in(case, &session(target, None), effects);
    effects.admit.push(target.clone());
}

fn remember(jid: &BareJid, person: Option<Person>, effects: &mut Effects) {
    effects.people.push((jid.clone(), person));
}

/// Whoever an item is about, as far as the gate knows.
fn session(jid: &BareJid, bearer: Option<&Requester>) -> Requester {
    Requester { jid: Some(jid.clone()), ..bearer.cloned().unwrap_or_default() }
}

fn is_protected(case: &Case<'_>, jid: &BareJid) -> bool {
    meant(&case.policy.services, jid).is_some() || meant(&case.policy.operators, jid).is_some()
}

/// The line of whoever an item about `jid` means: with a domain, it means everybody there.
fn meant(protected: &HashMap<BareJid, u32>, jid: &BareJid) -> Option<u32> {
    if jid.node().is_some() {
        return protected.get(jid).copied();
    }
    let there = protected.iter().filter(|(one, _)| one.domain() == jid.domain());
    there.map(|(_, line)| *line).min()
}

fn protecting(case: &Case<'_>, jid: &BareJid) -> Rule {
    match meant(&case.policy.services, jid) {
        Some(line) => Rule::new("service", line),
        None => Rule::new("policy.operators", meant(&case.policy.operators, jid).unwrap_or(0)),
    }
}
