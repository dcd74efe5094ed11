//! Rooms that the conference focus of Jitsi opens for a person.

use jiff::{SignedDuration, Timestamp};
use smol_str::SmolStr;

use super::{access, close, limits, removal};
use crate::jid::BareJid;
use crate::policy::attempt::{Action, Affiliation, AffiliationChange, Requester};
use crate::policy::class::{Class, ClassSet};
use crate::policy::context::{Case, Strongest};
use crate::policy::denial::Denial;
use crate::policy::record::{Entry, Record};
use crate::policy::rules::fixed;
use crate::policy::verdict::{Effects, Opinion, Verdict};

/// How long the place of the opener is kept: for a join that follows its request at once, and no longer than Jitsi's
/// clients try again by themselves (`comes_again`). Who asks for a room and does not come keeps nobody out.
const AWAITED: SignedDuration = SignedDuration::from_secs(2);

/// Judges whether the focus may be asked for this room: denies only what would be denied at the door in any case,
/// because a join can be held or prompted, and a request cannot.
pub(in crate::policy) fn request(case: &Case<'_>, strongest: &mut Strongest) {
    if case.who.changes {
        return;
    }
    strongest.hear(close::outside_hours(case));
    strongest.hear(close::await_moderator(case));
    if !case.room.exists {
        strongest.hear(access::open(case));
        strongest.hear(limits::open(case));
    } else if case.room.record.is_some() {
        // The focus may have a seat in the audience for them; if not, they are refused at the door.
        strongest.hear(limits::join(case).filter(|_| !case.who.visitor));
        strongest.hear(close::join(case).filter(|opinion| opinion.verdict == Verdict::Deny));
    }
}

/// Denies opening a room to everybody but the focus, where a focus opens the rooms.
pub(in crate::policy) fn comes_first(case: &Case<'_>) -> Option<Opinion> {
    (case.focus().is_some() && !case.room.exists)
        .then(|| Opinion::deny(fixed::FOCUS.at(0), Denial::FocusFirst))
}

/// Has another person who may open the room come again, where only the opener could let them in, who is still awaited:
/// then the opener is there, or they take the place. A typed password is judged as ever.
pub(in crate::policy) fn comes_again(case: &Case<'_>, so_far: Option<&Opinion>) -> Option<Opinion> {
    let asks = [Some(Denial::Lobby), Some(Denial::PasswordNeeded)];
    let is_stopped = so_far.is_some_and(|opinion| asks.contains(&opinion.denial));
    let record = case.room.record.as_ref()?;
    let is_awaited = record.awaited.is_some_and(|until| until > case.now);
    (is_stopped && is_awaited && case.room.occupants == 0 && access::open(case).is_none())
        .then(|| Opinion::deny(fixed::FOCUS.at(0), Denial::FocusFirst))
}

/// Judges what the focus does on behalf of a person.
pub(in crate::policy) fn act(case: &Case<'_>, strongest: &mut Strongest) {
    if matches!(case.attempt.action, Action::Open { .. }) && !case.room.exists {
        open(case, strongest);
    } else if let Action::Affiliation { items, .. } = &case.attempt.action {
        elect(case, items, strongest);
    }
}

/// Judges whether the focus may open the room: as the person who asked for it might.
fn open(case: &Case<'_>, strongest: &mut Strongest) {
    if case.is_health_check() {
        return;
    }
    if let Some(opener) = case.behind() {
        strongest.hear(access::enter(&opener));
        strongest.hear(close::outside_hours(&opener));
        strongest.hear(access::open(&opener));
        strongest.hear(close::await_moderator(&opener));
        strongest.hear(limits::open(&opener));
        return;
    }
    strongest.hear(access::name(case));
    let nobody = Case { classes: ClassSet::of(&[Class::Guest]), ..*case };
    strongest.hear(close::outside_hours(&nobody));
    strongest.hear(limits::open(&nobody));
    let access = &case.rules.access;
    if !access.create.value.classes(case.room.nobody_logs_in).has(Class::Guest) {
        let rule = access.create.rule();
        strongest.hear(Some(Opinion::deny(rule, Denial::NobodyAsked)));
    }
}

/// Judges the owners that the focus makes (jicofo's `enable-auto-owner`): denies those whom no rule makes a moderator.
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

/// Returns whether a person is banned, or was removed from the room, and so may not be made an owner.
fn keeps_out(case: &Case<'_>, jid: &BareJid, bearer: Option<&Requester>) -> bool {
    let away = Requester { jid: Some(jid.clone()), ..Requester::default() };
    let case = case.of(bearer.unwrap_or(&away), jid);
    access::banned(&case).is_some() || removal::refuse(&case).is_some()
}

/// Returns the record of a room that the focus opens for a person, or for nobody who is known.
pub(in crate::policy) fn await_opener(record: Record, case: &Case<'_>) -> Record {
    match case.behind() {
        Some(opener) => Record {
            opener: opener.jid.into(),
            awaited: Some(case.now.checked_add(AWAITED).unwrap_or(Timestamp::MAX)),
            ..record
        },
        None => Record { opener: SmolStr::default(), awaited: Some(case.now), ..record },
    }
}

/// Gives the place of an awaited opener whose join is denied to the next person who may open the room, at once.
pub(in crate::policy) fn give_up_place(case: &Case<'_>, effects: &mut Effects) {
    let record = case.room.record.as_ref();
    let Some(record) = record.filter(|it| it.awaited.is_some_and(|until| until > case.now)) else {
        return;
    };
    let person = case.who.person.as_ref();
    let is_opener = record.opener == case.jid.as_str()
        || person.is_some_and(|person| person.entry == Some(Entry::Opened));
    if is_opener {
        // The opener may have asked under another address.
        let asked_as = record.opener.parse().ok().filter(|jid| jid != case.jid);
        effects
            .people
            .extend(asked_as.into_iter().chain([case.jid.clone()]).map(|jid| (jid, None)));
        let opener = SmolStr::default();
        effects.record = Some(Record { opener, awaited: Some(case.now), ..record.clone() });
    }
}
