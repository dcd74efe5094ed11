//! Opening a room: what it is given before anybody is in, rooms that were there before the policy, and rooms that Jitsi's
//! focus opens for a person.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::access::Persistence;
use super::attempt::{Action, Affiliation, AffiliationChange, Requester, Role, RoomView, Strength};
use super::class::{Class, ClassSet};
use super::close::Conditions;
use super::context::{Case, Strongest};
use super::denial::Denial;
use super::lobby::Admission;
use super::notice::Notice;
use super::record::{Closed, Entry, Person, Record, Source};
use super::rules::fixed;
use super::verdict::{Audience, Effects, NewPassword, Opinion, Verdict};
use super::{Policy, Rules, access, close, hours, limits, lobby, moderators, permissions, removal};
use crate::jid::BareJid;
use crate::setting::Setting;

/// Returns where the opener has to choose the password, whether they have, and a good one.
pub(super) fn password(case: &Case<'_>, typed: Option<Strength>) -> Option<Opinion> {
    let rules = &case.rules.password;
    if rules.source.value != Source::Creator {
        return None;
    }
    let rule = rules.source.rule();
    match typed {
        None if rules.required.value => Some(Opinion::prompt(rule, Denial::PasswordNeeded)),
        Some(strength) => {
            rules.weakness(strength).map(|(rule, denial)| Opinion::prompt(rule, denial))
        }
        None => None,
    }
}

/// Names the rule by which the opener will moderate, if they will.
pub(super) fn entitled(case: &Case<'_>) -> Option<Opinion> {
    moderators::entitlement(case).map(Opinion::allow)
}

/// The presets: in place before the first occupant is.
pub(super) fn effects(case: &Case<'_>, effects: &mut Effects) {
    let rules = case.rules;
    if is_health_check(case) {
        effects.record = Some(Record::new(case.now, case.jid.to_string(), None));
        effects.hidden = Some(true);
        return;
    }
    let (password, source) = new_password(case);
    effects.password = password;
    effects.members_only = (!rules.lobby.by_room).then(|| lobby::is_members_only(case));
    effects.lobby = lobby::has_own(case).then_some(true);
    effects.hidden = rules.access.hidden.value;
    effects.persistent = rules.access.persistent.value.preset();
    permissions::preset(case, effects);
    if case.room.exists {
        adopt(case, source, effects);
        return;
    }
    let mut record = Record::new(case.now, case.jid.to_string(), source);
    record.claims = case.policy.claims_of(case.attempt, case.room, case.now).into_owned();
    if rules.close.at_occupants.value == 1 {
        record.closed = Some(Closed::Count);
    }
    if case.is_focus() {
        record = await_opener(record, case);
    }
    effects.record = Some(record);
    let moderates = moderators::entitlement(case).is_some() && !case.is_service();
    if case.is_service() {
        if let Some(opener) = case.behind().filter(|_| case.is_focus()) {
            let moderates = moderators::entitlement(&opener).is_some();
            let person = Person::entered(Entry::Opened).as_moderator(moderates);
            effects.people.push((opener.jid.clone(), Some(person)));
        }
        effects.affiliation = Some(Affiliation::Owner);
        effects.role = Some(Role::Moderator);
        return;
    }
    effects
        .people
        .push((case.jid.clone(), Some(Person::entered(Entry::Opened).as_moderator(moderates))));
    permissions::entered(case, moderates, effects);
    // The person who chose it knows it.
    let is_news = password.is_some() && password != Some(NewPassword::Typed);
    if (moderates || rules.moderators.by_room) && is_news && rules.password.show_to_moderators.value
    {
        effects.notices.push((Audience::RequesterJoined, Notice::Password));
    }
    if rules.moderators.by_room {
        return;
    }
    if moderates {
        effects.affiliation = Some(Affiliation::Owner);
        effects.role = Some(Role::Moderator);
    } else {
        effects.affiliation = Some(if lobby::is_members_only(case) {
            Affiliation::Member
        } else {
            Affiliation::None
        });
        effects.role = Some(Role::Participant);
    }
}

/// What a room is given that was there. What it has of its own and is stricter stays.
fn adopt(case: &Case<'_>, source: Option<Source>, effects: &mut Effects) {
    let persistent = case.rules.access.persistent.value;
    effects.members_only = effects.members_only.filter(|on| *on);
    effects.hidden = effects.hidden.filter(|on| *on);
    let found = case.room.is_found();
    // What was stored before is there until the meeting has ended.
    effects.persistent = persistent.fixed().filter(|lasts| *lasts || !found);
    effects.keep = found.then_some(persistent != Persistence::Never);
    // The first who joins is no opener: people may be inside, and another person may own it.
    let record = Record::new(case.now, String::new(), source);
    effects.record = Some(Record { found, ..record });
}

fn new_password(case: &Case<'_>) -> (Option<NewPassword>, Option<Source>) {
    let rules = &case.rules.password;
    if case.room.exists && case.room.has_password {
        return (None, Some(Source::Creator));
    }
    // What a stranger types at a room that was there before was judged by nobody, and would let them in.
    let typed = !case.room.exists && matches!(case.attempt.action, Action::Open { typed: Some(_) });
    let source = match rules.source.value {
        Source::Creator if typed => return (Some(NewPassword::Typed), Some(Source::Creator)),
        // Nobody is there to be asked: a room that was there before, or opened by a service.
        Source::Creator => Source::Generated,
        source @ (Source::Generated | Source::Derived | Source::Preset) => source,
    };
    if rules.required.value {
        (Some(NewPassword::Made(source)), Some(source))
    } else {
        (None, None)
    }
}

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

/// Returns the rules for a room that was there: `rules` without those presets that `base` has as well.
pub(super) fn rules(rules: &Rules, base: &Rules) -> Rules {
    let mut kept = without_presets(rules, base);
    if let (Some(observed), Some(of_base)) = (&rules.observed, base.observed.as_deref()) {
        kept.observed = Some(Arc::new(without_presets(observed, of_base)));
    }
    kept
}

fn without_presets(rules: &Rules, base: &Rules) -> Rules {
    let mut kept = rules.clone();
    let (password, of_base) = (&rules.password, &base.password);
    if !is_own(&password.required, &of_base.required) && !is_own(&password.source, &of_base.source)
    {
        Arc::make_mut(&mut kept.password).required.value = false;
        Arc::make_mut(&mut kept.close).hold_until.value =
            Conditions { password: false, ..rules.close.hold_until.value };
    }
    let lobby = Arc::make_mut(&mut kept.lobby);
    if !is_own(&rules.lobby.admission, &base.lobby.admission) {
        lobby.by_room = true;
        lobby.admission.value = Admission::Password;
    }
    // A room that has owners is not without a moderator because none of them is there.
    if !is_own(&rules.lobby.unattended, &base.lobby.unattended) {
        lobby.unattended.value = Vec::new();
    }
    let moderators = &rules.moderators.succession_after;
    if !is_own(moderators, &base.moderators.succession_after) {
        Arc::make_mut(&mut kept.moderators).succession_after.value = None;
    }
    if !is_own(&rules.access.hidden, &base.access.hidden) {
        Arc::make_mut(&mut kept.access).hidden.value = None;
    }
    kept
}

/// An override, or its profile, gives the value.
const fn is_own<T>(value: &Setting<T>, base: &Setting<T>) -> bool {
    value.line != base.line
}

/// Returns the record with which a new meeting begins in a room that was there and that nobody is in, or `None`
/// where the meeting goes on. Times count from then on; who was removed stays out.
pub(super) fn begun(room: &RoomView, now: Timestamp) -> Option<Record> {
    let record = room.record.as_ref().filter(|record| record.found && room.occupants == 0)?;
    Some(Record {
        opened: now,
        reopened: None,
        closed: None,
        wave: None,
        warned: Vec::new(),
        ..record.clone()
    })
}

/// Only members come in, by the room's own setting. On Jitsi its lobby ensures that.
pub(super) fn is_for_members(case: &Case<'_>) -> bool {
    case.room.is_found() && case.room.members_only && !case.room.lobby
}

/// Returns what becomes of a person who is none.
pub(super) fn knock(case: &Case<'_>) -> Opinion {
    Opinion { rule: fixed::ROOM_MEMBERS.at(0), ..lobby::knock(case) }
}

/// The room itself makes the requester a moderator, for as long as it does.
pub(super) fn moderates(case: &Case<'_>) -> bool {
    case.room.is_found() && affiliation(case) >= Affiliation::Admin
}

/// Returns what the requester is there, or was before a removal that is over.
fn affiliation(case: &Case<'_>) -> Affiliation {
    let suspended = case.who().person.as_ref().and_then(|person| person.suspended);
    suspended.unwrap_or_default().max(case.who().affiliation)
}

/// The room has the requester in its own lists, where nothing is against it.
pub(super) fn is_member(case: &Case<'_>) -> bool {
    case.room.is_found() && affiliation(case) >= Affiliation::Member
}

/// What a person is given who comes in. The room has owners of its own, and nobody becomes one by coming in, but those
/// from whom a removal took it.
pub(super) fn seat(case: &Case<'_>, moderates: bool, effects: &mut Effects) {
    let needs_membership = case.room.members_only && affiliation(case) < Affiliation::Member;
    let given_back = case.who().person.as_ref().and_then(|person| person.suspended);
    let is_kept = case.rules.access.persistent.value != Persistence::Never;
    effects.keep = (is_kept != case.room.persistent).then_some(is_kept);
    effects.affiliation = given_back.or(needs_membership.then_some(Affiliation::Member));
    if moderates && !case.rules.moderators.by_room {
        effects.role = Some(Role::Moderator);
    } else if needs_membership {
        effects.role = Some(Role::Participant);
    }
}
