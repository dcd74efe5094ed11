//! On Jitsi the conference focus opens every room, for the person who asked it.

use super::rules::fixed;
use jiff::{SignedDuration, Timestamp};

use super::Policy;
use super::attempt::{Action, Affiliation, AffiliationChange, Requester};
use super::class::{Class, ClassSet};
use super::context::{Case, Strongest};
use super::denial::Denial;
use super::record::Record;
use super::verdict::{Opinion, Verdict};
use super::{access, close, hours, limits, removal};
use crate::jid::BareJid;

/// How long the place of the opener is kept: as long as Jitsi's focus waits for the first participant
/// (jicofo's `conference.initial-timeout`).
const AWAITED: SignedDuration = SignedDuration::from_secs(15);
/// How the names of the rooms begin in which a focus tries itself out (jicofo's `HealthCheckRequest`).
const HEALTH_CHECK: &str = "__jicofo-health-check";

/// Whether the focus may be asked for this room: only what would be refused at the door in any case is
/// refused before, because a join can be held or prompted, and a request cannot.
pub(super) fn request(case: &Case<'_>, strongest: &mut Strongest) {
    strongest.hear(hours::judge(case));
    if !case.room.exists {
        strongest.hear(access::open(case));
        strongest.hear(limits::open(case));
    } else if case.room.record.is_some() {
        strongest.hear(limits::join(case));
        strongest.hear(close::join(case).filter(|opinion| opinion.verdict == Verdict::Deny));
    }
}

/// Returns where a focus opens the rooms, nobody else does.
pub(super) fn comes_first(case: &Case<'_>) -> Option<Opinion> {
    (case.focus().is_some() && !case.room.exists)
        .then(|| Opinion::deny(fixed::FOCUS.at(0), Denial::FocusFirst))
}

/// What the focus does in a person's name.
pub(super) fn act(case: &Case<'_>, strongest: &mut Strongest) {
    if matches!(case.attempt.action, Action::Open { .. }) && !case.room.exists {
        open(case, strongest);
    } else if let Action::Affiliation { items, .. } = &case.attempt.action {
        elect(case, items, strongest);
    }
}

/// Returns whether the focus may open the room: as the person who asked it might.
fn open(case: &Case<'_>, strongest: &mut Strongest) {
    if is_health_check(case) {
        return;
    }
    if let Some(opener) = case.behind() {
        strongest.hear(access::enter(&opener));
        strongest.hear(hours::judge(&opener));
        strongest.hear(access::open(&opener));
        strongest.hear(limits::open(&opener));
        return;
    }
    strongest.hear(access::name(case));
    let nobody = Case { classes: ClassSet::of(&[Class::Guest]), ..*case };
    strongest.hear(hours::judge(&nobody));
    strongest.hear(limits::open(&nobody));
    let access = &case.rules.access;
    if !access.create.value.classes(case.room.nobody_logs_in).has(Class::Guest) {
        let rule = access.create.rule();
        strongest.hear(Some(Opinion::deny(rule, Denial::NobodyAsked)));
    }
}

/// The focus makes a person an owner (jicofo's `enable-auto-owner`): only whom the rules make a moderator.
fn elect(case: &Case<'_>, items: &[AffiliationChange], strongest: &mut Strongest) {
    let moderators = &case.rules.moderators;
    if moderators.by_room {
        return;
    }
    let rule = moderators.assign.rule();
    for item in items.iter().filter(|item| item.to >= Some(Affiliation::Admin)) {
        let entitled = item.jid.as_ref().is_some_and(|jid| {
            case.policy.services.contains_key(jid)
                || (case.attempt.other(jid).is_some_and(|person| person.moderator)
                    && !keeps_out(case, jid, item.bearer.as_ref()))
        });
        if !entitled {
            strongest.hear(Some(Opinion::deny(rule, Denial::MayNotGrant)));
        }
    }
}

/// A person who may not be in the room, or was removed from it by what they are recognised by, is not elected.
fn keeps_out(case: &Case<'_>, jid: &BareJid, bearer: Option<&Requester>) -> bool {
    let away = Requester { jid: Some(jid.clone()), ..Requester::default() };
    let case = case.of(bearer.unwrap_or(&away), jid);
    access::banned(&case).is_some() || removal::refuse(&case).is_some()
}

/// A room that only the focus ever enters.
pub(super) fn is_health_check(case: &Case<'_>) -> bool {
    case.is_focus() && case.room_name().starts_with(HEALTH_CHECK)
}

/// The same of a room that is there, by its record.
pub(super) fn tries_itself_out(policy: &Policy, room: &BareJid, record: &Record) -> bool {
    let focus = policy.focuses.get(room.domain());
    focus.is_some_and(|focus| focus.as_str() == record.opener)
        && room.node().is_some_and(|name| name.starts_with(HEALTH_CHECK))
}

/// The record of a room that the focus opens at `now` for a person, or for nobody that is known.
pub(super) fn await_opener(record: Record, case: &Case<'_>) -> Record {
    match case.behind() {
        Some(opener) => Record {
            opener: opener.jid.to_string(),
            awaited: Some(case.now.checked_add(AWAITED).unwrap_or(Timestamp::MAX)),
            ..record
        },
        None => Record { opener: String::new(), awaited: Some(case.now), ..record },
    }
}

/// The requester takes the place of an opener who never came.
pub(super) fn takes_the_place(case: &Case<'_>) -> bool {
    let Some(record) = &case.room.record else { return false };
    record.awaited.is_some_and(|until| until <= case.now)
        && case.room.occupants == 0
        && access::open(case).is_none()
}
