//! Who becomes a moderator, and who may make one.

use std::collections::HashSet;
use std::time::Duration;

use super::attempt::{Action, Affiliation, Auth};
use super::authority::{self, Protected};
use super::class::{Class, ClassSet};
use super::decide::Case;
use super::denial::Denial;
use super::focus;
use super::set::Set;
use super::verdict::{Opinion, Rule};
use super::who::Who;
use crate::jid::BareJid;

/// A way to become a moderator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Become {
    /// Operators of the file.
    Operator,
    /// The JIDs and domains listed beside.
    Listed,
    /// A verified token with the claim named beside.
    Token,
    /// An account on a local host.
    Account,
    /// Whoever opened the room.
    Opener,
}

impl Become {
    /// Every way.
    pub const ALL: [Self; 5] =
        [Self::Operator, Self::Listed, Self::Token, Self::Account, Self::Opener];

    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Listed => "listed",
            Self::Token => "token",
            Self::Account => "account",
            Self::Opener => "opener",
        }
    }
}

/// The rules on moderators.
#[derive(Clone, Debug)]
pub struct Moderators {
    /// Who moderates is left to the room service: no rule makes a moderator, and none demotes an opener. No key
    /// of the file: it is what remains of `moderators.become` when it is off.
    pub by_room: bool,
    /// The ways, in order of rank; empty: nobody.
    pub become_by: Set<Vec<Become>>,
    /// For [`Become::Listed`]: bare JIDs.
    pub jids: Set<HashSet<BareJid>>,
    /// For [`Become::Listed`]: domains, in lower case.
    pub domains: Set<HashSet<String>>,
    /// For [`Become::Token`]: the name of the claim.
    pub claim: Set<String>,
    /// For [`Become::Token`]: the values that make a moderator.
    pub claim_values: Set<Vec<String>>,
    /// Who may make others moderators.
    pub grant: Set<Who>,
    /// Who may take that right from others.
    pub revoke: Set<Who>,
    /// Who may remove and ban people.
    pub remove: Set<Who>,
    /// Who may invite and let people in.
    pub admit: Set<Who>,
    /// Whom moderators of a lower rank cannot remove, ban, demote or mute; empty: nobody but services and operators.
    pub protect: Set<Vec<Protected>>,
    /// Who may destroy the room.
    pub end: Set<Who>,
    /// Who may take over from the last moderator.
    pub successors: Set<ClassSet>,
    /// How long the last moderator may be away before somebody takes over; `None`: nobody does.
    pub succession_after: Set<Option<Duration>>,
}

impl Default for Moderators {
    fn default() -> Self {
        Self {
            by_room: false,
            become_by: Set::default_of(vec![
                Become::Operator,
                Become::Listed,
                Become::Token,
                Become::Opener,
            ]),
            jids: Set::default(),
            domains: Set::default(),
            claim: Set::default_of("moderator".to_owned()),
            claim_values: Set::default_of(vec!["true".to_owned()]),
            grant: Set::default_of(Who::Moderator),
            revoke: Set::default_of(Who::Moderator),
            remove: Set::default_of(Who::Moderator),
            admit: Set::default_of(Who::Moderator),
            protect: Set::default_of(vec![Protected::File]),
            end: Set::default_of(Who::Moderator),
            successors: Set::default_of(ClassSet::of(&[
                Class::Operator,
                Class::Listed,
                Class::Token,
                Class::Account,
            ])),
            succession_after: Set::default_of(Some(Duration::from_secs(60))),
        }
    }
}

/// The rule by which the requester moderates this room, if one does.
///
/// The ways are tried in the order of the file; then what moderators of the room have granted since.
pub(super) fn entitlement(case: &Case<'_>) -> Option<Rule> {
    let moderators = &case.rules.moderators;
    let rule = Rule::new("moderators.become", moderators.become_by.line);
    if moderators.become_by.value.iter().any(|way| is_one(case, *way)) {
        return Some(rule);
    }
    let who = case.who();
    // What a removal has taken counts again when it no longer keeps them out.
    let granted = who
        .person
        .as_ref()
        .is_some_and(|person| person.moderator || person.suspended >= Some(Affiliation::Admin));
    (granted || who.affiliation >= Affiliation::Admin)
        .then(|| Rule::new("moderators.grant", moderators.grant.line))
}

/// A moderator comes in.
pub(super) fn join(case: &Case<'_>) -> Option<Opinion> {
    entitlement(case).map(Opinion::allow)
}

pub(super) fn is_one(case: &Case<'_>, way: Become) -> bool {
    let moderators = &case.rules.moderators;
    let who = case.who();
    match way {
        Become::Operator => case.classes.has(Class::Operator),
        Become::Listed => case.identity.jid.is_some_and(|jid| {
            moderators.jids.value.contains(jid) || moderators.domains.value.contains(jid.domain())
        }),
        Become::Token => {
            case.identity.auth == Auth::Token
                && who.claims.iter().any(|(name, value)| {
                    *name == moderators.claim.value && moderators.claim_values.value.contains(value)
                })
        }
        Become::Account => case.identity.auth == Auth::Account || case.identity.account.is_some(),
        Become::Opener => match &case.room.record {
            None => matches!(case.attempt.action, Action::Open { .. }) && !case.room.exists,
            // Who opened it moderates when he comes back, unless that was taken from him since.
            Some(record) => {
                (record.opener == case.jid.as_str()
                    && who.person.as_ref().is_some_and(|person| person.moderator))
                    || (matches!(case.attempt.action, Action::Join { .. })
                        && focus::takes_the_place(case))
            }
        },
    }
}

/// Whether the requester may do what is reserved for `who`.
pub(super) fn may(case: &Case<'_>, who: Who) -> bool {
    match who {
        Who::Nobody => false,
        Who::Anybody => true,
        Who::Operator => case.classes.has(Class::Operator),
        Who::Moderator => case.classes.has(Class::Operator) || authority::has_standing(case),
    }
}

/// Allows by `name` what is reserved for `who`, or denies.
pub(super) fn require(
    case: &Case<'_>,
    name: &'static str,
    who: Set<Who>,
    denial: Denial,
) -> Opinion {
    let rule = Rule::new(name, who.line);
    if may(case, who.value) { Opinion::allow(rule) } else { Opinion::deny(rule, denial) }
}
