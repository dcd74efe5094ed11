//! Who has authority in a room at all, and over whom.
//!
//! Authority needs presence, or to be an operator of the file: an affiliation alone gives none. And it has a rank: moderators by the file
//! are above moderators by a person's hand (`moderators.protect`).

use super::rules::fixed;
use crate::jid::BareJid;

use super::attempt::{Action, Affiliation, Auth, Requester, Role};
use super::class::Class;
use super::classify::Place;
use super::context::Case;
use super::denial::Denial;
use super::moderators::{self, Become};
use super::removal;
use super::verdict::{Opinion, Rule};

/// Whom moderators of a lower rank cannot remove, ban, demote or mute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protected {
    /// Moderators by the file: by each way of `moderators.assign` but `opener`.
    File,
    /// The opener, while they moderate.
    Opener,
}

impl Protected {
    /// Every value.
    pub const ALL: [Self; 2] = [Self::File, Self::Opener];

    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Opener => "opener",
        }
    }
}

/// By what a person moderates, from the weakest up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// By a person's hand, or not at all.
    Hand,
    /// They opened the room.
    Opener,
    /// By the file.
    File,
    /// An operator of the file.
    Operator,
}

/// The requester is an occupant of the room: this session, not another one of the same account.
pub(super) fn is_inside(case: &Case<'_>) -> bool {
    case.who().role != Role::None
}

/// Returns whether the requester may exercise any authority, whatever the rule on it says.
pub(super) fn require(case: &Case<'_>) -> Option<Opinion> {
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

/// Why the requester may take nothing from this person: a service, an operator, or a person of a higher rank.
/// `bearer`: the person's session, if they are inside.
pub(super) fn shields(
    case: &Case<'_>,
    jid: &BareJid,
    bearer: Option<&Requester>,
) -> Option<Opinion> {
    if is_own(case, jid, bearer) {
        return None;
    }
    let person = case.attempt.other(jid);
    // Of a person who is away it is not known how they would prove who they are: the lists of the file count.
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

/// Why the requester may take nothing from everybody of this domain: the file names a person there.
pub(super) fn shields_domain(case: &Case<'_>, domain: &BareJid) -> Option<Opinion> {
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

/// The requester moderates by the file.
pub(super) fn is_by_file(case: &Case<'_>) -> bool {
    rank(case) >= Rank::File
}

/// It is about the requester's own self: the account, or what else names nobody else.
pub(super) fn is_own(case: &Case<'_>, jid: &BareJid, bearer: Option<&Requester>) -> bool {
    jid == case.jid
        || bearer.is_some_and(|bearer| removal::is_same(&case.rules.removal, case.who(), bearer))
}

/// The rule that names this person as a service or operator.
fn untouchable(case: &Case<'_>) -> Option<Rule> {
    let jid = case.identity.jid.unwrap_or(case.jid);
    if case.is_service() {
        let line = case.policy.services.get(jid).copied();
        return Some(fixed::SERVICE.at(line.unwrap_or_default()));
    }
    case.policy.operators.get(jid).map(|line| fixed::OPERATORS.at(*line))
}

fn rank(case: &Case<'_>) -> Rank {
    if case.classes.has(Class::Operator) {
        return Rank::Operator;
    }
    let ways = &case.rules.moderators.assign.value;
    let is_one = |way: &&Become| moderators::is_one(case, **way);
    match ways.iter().filter(|way| **way != Become::Opener).find(is_one) {
        Some(_) => Rank::File,
        None if ways.iter().filter(|way| **way == Become::Opener).any(|way| is_one(&way)) => {
            Rank::Opener
        }
        None => Rank::Hand,
    }
}

/// Returns what the requester is in the room counts only inside.
pub(super) fn has_standing(case: &Case<'_>) -> bool {
    let who = case.who();
    is_inside(case) && (who.role == Role::Moderator || who.affiliation >= Affiliation::Admin)
}
