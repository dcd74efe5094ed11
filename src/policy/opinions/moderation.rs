//! Opinions on what people inside may do to and for one another.

use std::collections::HashMap;

use super::moderators::{Rank, is_inside, rank, require};
use super::{names, permissions, removal};
use crate::jid::BareJid;
use crate::policy::attempt::{
    Action, Affiliation, AffiliationChange, Auth, Place, Requester, Role, RoleChange,
};
use crate::policy::class::Class;
use crate::policy::context::{Case, Strongest};
use crate::policy::denial::Denial;
use crate::policy::notice::Notice;
use crate::policy::record::Person;
use crate::policy::rules::fixed;
use crate::policy::rules::kinds::Who;
use crate::policy::rules::moderators::{Become, Protected};
use crate::policy::rules::removal::{admission, is_same};
use crate::policy::verdict::{Audience, Effects, Opinion, Rule};

/// Judges a change of affiliations; one item that is denied denies the whole list.
pub(in crate::policy) fn affiliation(
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

/// Returns whether one address is given two affiliations: the result would depend on the order.
fn is_contradictory(items: &[AffiliationChange]) -> bool {
    let mut given = HashMap::new();
    items.iter().any(|item| {
        item.jid.as_ref().is_some_and(|jid| *given.entry(jid).or_insert(item.to) != item.to)
    })
}

/// Judges every right that a change of one affiliation needs: a ban of a moderator also takes moderation.
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
    let (own, from) = (is_own(case, jid, item.bearer.as_ref()), item.from);
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
        let is_own = other.jid.as_ref().is_some_and(|it| is_own(case, it, Some(other)));
        if item.nick.is_some() && !is_own {
            strongest.hear(Some(remove()));
        }
        if let Some(other_jid) = &other.jid {
            strongest.hear(shields(case, other_jid, Some(other)));
        }
    }
    if register {
        // Nobody approves a registration, so nobody may rise by it: it only reserves a nick.
        let rule = rules.admit.rule();
        let keeps = jid == case.jid && from >= Affiliation::Member && to <= from;
        let may = keeps || rules.admit.value == Who::Anybody;
        return strongest.hear(Some(match may {
            true => Opinion::allow(rule),
            false => Opinion::deny(rule, Denial::MayNotRegister),
        }));
    }
    // A nick that is reserved for a person takes the choice from them.
    if to < from || to == Affiliation::Outcast || nick.is_some() {
        strongest.hear(shields(case, jid, item.bearer.as_ref()));
        if jid.node().is_none() {
            strongest.hear(shields_domain(case, jid));
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

/// Adds what the room remembers after a change of affiliations.
pub(in crate::policy) fn affiliation_effects(
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
                if !is_own(case, jid, item.bearer.as_ref()) {
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

/// Judges a change of roles; one item that is denied denies the whole list.
pub(in crate::policy) fn role(case: &Case<'_>, items: &[RoleChange], strongest: &mut Strongest) {
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
        && let Some(shielded) = shields(case, jid, item.bearer.as_ref())
    {
        return shielded;
    }
    match to {
        Role::Moderator => require(case, &rules.grant, Denial::MayNotGrant),
        Role::None => require(case, &rules.remove, Denial::MayNotRemove),
        Role::Visitor | Role::Participant => require(case, &rules.revoke, Denial::MayNotRevoke),
    }
}

/// Adds what the room remembers after a change of roles.
pub(in crate::policy) fn role_effects(
    case: &Case<'_>,
    items: &[RoleChange],
    effects: &mut Effects,
) {
    for item in items {
        let (Some(jid), Some(to)) = (&item.jid, item.to) else { continue };
        permissions::voice(case, item, effects);
        if to == Role::None {
            remove(case, jid, item.bearer.as_ref(), effects);
        }
    }
}

/// Removes a person, with every session and with their affiliation. Ending a session of one's own is no removal.
fn remove(case: &Case<'_>, jid: &BareJid, bearer: Option<&Requester>, effects: &mut Effects) {
    if is_own(case, jid, bearer) {
        return;
    }
    let affiliation = bearer.map(|bearer| bearer.affiliation).unwrap_or_default();
    let person = Person::suspended(case.attempt.other(jid), affiliation);
    remember(jid, Some(person), effects);
    removal::removed(case, &session(jid, bearer), effects);
    effects.remove.push((jid.clone(), removal::denial(case)));
}

/// Judges an invitation.
pub(in crate::policy) fn invite(
    case: &Case<'_>,
    to: &[Option<BareJid>],
    strongest: &mut Strongest,
) {
    if to.is_empty() || to.iter().any(Option::is_none) {
        strongest.hear(Some(Opinion::deny(fixed::UNREADABLE.at(0), Denial::Malformed)));
    }
    let admit = case.rules.moderators.admit;
    strongest.hear(Some(require(case, &admit, Denial::MayNotAdmit)));
}

/// Judges the answer to a person who waits.
pub(in crate::policy) fn knock(case: &Case<'_>, target: Option<&BareJid>) -> Opinion {
    if target.is_none() {
        return Opinion::deny(fixed::UNREADABLE.at(0), Denial::Malformed);
    }
    let admit = case.rules.moderators.admit;
    require(case, &admit, Denial::MayNotAdmit)
}

/// Adds the effects of the answer to a person who waits.
pub(in crate::policy) fn knock_effects(
    case: &Case<'_>,
    target: &BareJid,
    admit: bool,
    effects: &mut Effects,
) {
    if admit {
        admitted(case, target, effects);
    } else {
        effects.reject.push((target.clone(), None));
    }
}

/// Judges the answer to everybody who waits; denies it if nobody does.
pub(in crate::policy) fn answer_all(
    case: &Case<'_>,
    waiting: &[BareJid],
    strongest: &mut Strongest,
) {
    let admit = case.rules.moderators.admit;
    strongest.hear(Some(require(case, &admit, Denial::MayNotAdmit)));
    if waiting.is_empty() {
        strongest.hear(Some(Opinion::deny(fixed::COMMAND.at(0), Denial::NobodyWaits)));
    }
}

/// Adds the effects of the answer to everybody who waits.
pub(in crate::policy) fn answer_all_effects(
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

/// Judges the destruction of the room.
pub(in crate::policy) fn end(case: &Case<'_>) -> Opinion {
    require(case, &case.rules.moderators.end, Denial::MayNotEnd)
}

/// Adds the effects of letting `target` in, who gets back what a removal has taken.
pub(in crate::policy) fn admitted(case: &Case<'_>, target: &BareJid, effects: &mut Effects) {
    effects.merge(admission(target, case.attempt.other(target)));
    removal::let_in(case, &session(target, None), effects);
}

fn remember(jid: &BareJid, person: Option<Person>, effects: &mut Effects) {
    effects.people.push((jid.clone(), person));
}

/// Returns the person whom an item is about, as far as the gate knows them.
fn session(jid: &BareJid, bearer: Option<&Requester>) -> Requester {
    Requester { jid: Some(jid.clone()), ..bearer.cloned().unwrap_or_default() }
}

/// Denies any authority from outside the room, whatever the rule on it says, except to operators.
pub(in crate::policy) fn authority(case: &Case<'_>) -> Option<Opinion> {
    let is_exercised = match &case.attempt.action {
        Action::Configure { .. }
        | Action::Role { .. }
        | Action::Destroy
        | Action::Invite { .. }
        | Action::Knock { .. }
        | Action::Command(_)
        | Action::AnswerAll { .. }
        | Action::Feature(_) => true,
        // A member registers a nick from outside.
        Action::Affiliation { register, .. } => !register,
        Action::Request
        | Action::Open { .. }
        | Action::Join { .. }
        | Action::Rename
        | Action::Unknown => false,
    };
    (is_exercised && !is_inside(case) && !case.classes.has(Class::Operator))
        .then(|| Opinion::deny(fixed::PRESENCE.at(0), Denial::NotInside))
}

/// Denies taking anything from a protected person: a service, an operator, or a person of a higher rank.
/// `bearer`: the person's session, if they are inside.
pub(in crate::policy) fn shields(
    case: &Case<'_>,
    jid: &BareJid,
    bearer: Option<&Requester>,
) -> Option<Opinion> {
    if is_own(case, jid, bearer) {
        return None;
    }
    let person = case.attempt.other(jid);
    // How an absent person would prove their identity is unknown: the lists of the file count.
    let away = Requester { jid: Some(jid.clone()), auth: Auth::Server, ..Requester::default() };
    let target =
        Requester { person: person.cloned(), ..bearer.cloned().unwrap_or_else(|| away.clone()) };
    let there = Case { place: Place::inside(case.room_jid), ..*case };
    let shapes = [there.of(&away, jid), there.of(&target, jid)];
    if let Some(rule) = shapes.iter().find_map(untouchable) {
        return Some(Opinion::deny(rule, Denial::Protected));
    }
    let protect = &case.rules.moderators.protect;
    let by_file = person.is_some_and(|person| person.by_file).then_some(Rank::File);
    let target_rank = shapes.iter().map(rank).chain(by_file).max().unwrap_or(Rank::Hand);
    let is_protected = match target_rank {
        Rank::Hand => false,
        Rank::Opener => protect.value.contains(&Protected::Opener),
        Rank::File | Rank::Operator => protect.value.contains(&Protected::File),
    };
    (is_protected && rank(case) < target_rank)
        .then(|| Opinion::deny(protect.rule(), Denial::HigherRank))
}

/// Denies taking anything from a whole domain in which the file names a protected person.
pub(in crate::policy) fn shields_domain(case: &Case<'_>, domain: &BareJid) -> Option<Opinion> {
    let lives_there = |jid: &&BareJid| jid.domain() == domain.domain();
    let Case { policy, rules, .. } = case;
    if let Some((_, line)) = policy.services.iter().find(|(jid, _)| lives_there(jid)) {
        return Some(Opinion::deny(fixed::SERVICE.at(*line), Denial::Protected));
    }
    if let Some((_, line)) = policy.operators.iter().find(|(jid, _)| lives_there(jid)) {
        return Some(Opinion::deny(fixed::OPERATORS.at(*line), Denial::Protected));
    }
    let (moderators, protect) = (&rules.moderators, &rules.moderators.protect);
    let is_listed = moderators.jids.value.iter().any(|jid| lives_there(&jid))
        || moderators.domains.value.contains(domain.domain());
    let is_protected = is_listed
        && moderators.assign.value.contains(&Become::Listed)
        && protect.value.contains(&Protected::File);
    (is_protected && rank(case) < Rank::File)
        .then(|| Opinion::deny(protect.rule(), Denial::HigherRank))
}

/// Returns whether a change is about the requester themselves: their account, or a session that is certainly theirs.
pub(in crate::policy) fn is_own(
    case: &Case<'_>,
    jid: &BareJid,
    bearer: Option<&Requester>,
) -> bool {
    jid == case.jid || bearer.is_some_and(|bearer| is_same(&case.rules.removal, case.who, bearer))
}

/// Returns the rule that makes this person a service or an operator, if one does.
fn untouchable(case: &Case<'_>) -> Option<Rule> {
    let jid = case.identity.jid.unwrap_or(case.jid);
    if case.is_service() {
        let line = case.policy.services.get(jid).copied();
        return Some(fixed::SERVICE.at(line.unwrap_or_default()));
    }
    case.policy.operators.get(jid).map(|line| fixed::OPERATORS.at(*line))
}
