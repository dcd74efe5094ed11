//! Opinions on removals: a person who was removed stays out.

use std::time::Duration;

use jiff::Timestamp;

use super::{lobby, moderators};
use crate::policy::attempt::{Auth, Requester};
use crate::policy::context::Case;
use crate::policy::denial::Denial;
use crate::policy::record::Record;
use crate::policy::rules::removal::{By, certain_marks, is_exempt, keep_out, lift};
use crate::policy::verdict::{Effects, Opinion, Rule};

/// Records that this person was removed by another person inside.
pub(in crate::policy) fn removed(case: &Case<'_>, who: &Requester, effects: &mut Effects) {
    let (rules, proof) = (&case.rules.removal, case.policy.proof(who));
    change(case, effects, |record| keep_out(record, rules, who, proof, case.now));
}

/// Returns the denial for a person who is removed now, with how long they stay out.
pub(in crate::policy) fn denial(case: &Case<'_>) -> Denial {
    Denial::Removed { wait: case.rules.removal.keep_out_for.value.unwrap_or_default() }
}

/// Lifts the removal of this person, whom a person inside lets in.
pub(in crate::policy) fn let_in(case: &Case<'_>, who: &Requester, effects: &mut Effects) {
    change(case, effects, |record| lift(record, &case.rules.removal, who));
}

fn change(case: &Case<'_>, effects: &mut Effects, change: impl FnOnce(&mut Record)) {
    let Some(before) = effects.record.as_ref().or(case.room.record.as_ref()) else { return };
    let mut after = before.clone();
    change(&mut after);
    if after != *before {
        effects.record = Some(after);
    }
}

/// How certainly a requester is recognised as a person who was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    /// Perhaps: others have the same fingerprint.
    Perhaps,
    /// Certainly, as a person who has to be let in.
    Held,
    /// Certainly, as a person who stays out.
    Out,
}

/// Denies entry to a person who certainly was removed.
pub(in crate::policy) fn refuse(case: &Case<'_>) -> Option<Opinion> {
    let (known, until) = recognised(case, is_named(case))?;
    let wait = Duration::try_from(until.duration_since(case.now)).unwrap_or_default();
    (known == Known::Out).then(|| Opinion::deny(rule(case), Denial::Removed { wait }))
}

/// Makes people knock who were sent back to the lobby, or may have been removed, unless they were let in since.
pub(in crate::policy) fn knock(case: &Case<'_>) -> Option<Opinion> {
    let is_admitted = case.who.person.as_ref().is_some_and(|person| person.is_admitted());
    let has_to = match recognised(case, is_named(case))?.0 {
        Known::Perhaps => !is_admitted && moderators::entitlement(case).is_none(),
        Known::Held => !is_admitted,
        Known::Out => false,
    };
    has_to.then(|| lobby::knock_by(case, rule(case)))
}

/// Returns whether the requester was removed, or may be a person who was, whatever else speaks for them.
pub(in crate::policy) fn is_suspected(case: &Case<'_>) -> bool {
    recognised(case, false).is_some()
        || case.who.person.as_ref().is_some_and(|person| person.is_removed())
}

/// Returns how certainly the requester is recognised as a person who was removed, and until when that holds. The network
/// and the device of a person who `is_named` count for nothing.
fn recognised(case: &Case<'_>, is_named: bool) -> Option<(Known, Timestamp)> {
    let rules = &case.rules.removal;
    let removed = case.room.record.as_ref().map(|record| &record.removed)?;
    let is_off = rules.keep_out_for.value.is_none() || removed.is_empty();
    if is_off || is_exempt(case.classes) {
        return None;
    }
    let marks = rules.marks(&rules.by.value, case.who);
    let own = certain_marks(rules, case.who);
    removed
        .iter()
        .filter(|one| one.until > case.now)
        .filter_map(|one| {
            if one.unread.is_some() {
                return Some((Known::Perhaps, one.until));
            }
            let known = |by: &By| match By::STRONG.contains(by) {
                false => Known::Perhaps,
                true if one.knocks => Known::Held,
                true => Known::Out,
            };
            let is_certain = own.iter().any(|mark| one.marks.contains(mark));
            if one.banned && is_certain {
                return None;
            }
            // A person who is certainly another one only shares a network or a device.
            let is_other = is_named && !is_certain;
            let counts = |by: &By| !is_other || By::STRONG.contains(by);
            let matching = marks.iter().filter(|(by, mark)| counts(by) && one.marks.contains(mark));
            matching.map(|(by, _)| (known(by), one.until)).max()
        })
        .max()
}

/// Returns whether the requester is known by more than network and device: they have been inside and were not removed, or
/// have an account or a token that names them.
fn is_named(case: &Case<'_>) -> bool {
    let who = case.who;
    let rules = &case.rules.removal;
    let has_token = case.identity.auth == Auth::Token
        && rules.by.value.contains(&By::Token)
        && !rules.marks(&[By::Token], who).is_empty();
    let has_account = case.identity.auth == Auth::Account || case.identity.account.is_some();
    has_account || has_token || who.person.as_ref().is_some_and(|person| person.has_been_inside())
}

fn rule(case: &Case<'_>) -> Rule {
    case.rules.removal.keep_out_for.rule()
}
