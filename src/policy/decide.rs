//! Decides one attempt by the opinions of all rule families.

use jiff::Timestamp;

use super::attempt::{Action, Attempt, Place, Pressure, RoomView};
use super::class::ClassSet;
use super::classify::classes;
use super::context::{Case, Excepted, Strongest, excepted};
use super::denial::Denial;
use super::record::{Closed, JoinFlood, Source};
use super::rules::fixed;
use super::verdict::{Decision, Effects, Opinion, Verdict};
use super::{Policy, Rules};
use crate::policy::opinions::{
    access, close, entry, focus, found, limits, lobby, moderation, moderators, names, open,
    permissions, removal, room_form, suspended,
};

/// Decides one attempt.
///
/// Total and deterministic: the same arguments give the same decision, and what cannot be judged is
/// refused. `rules` are those of the room ([`Policy::rules_in`]), resolved when it was first seen.
pub fn decide(
    policy: &Policy,
    rules: &Rules,
    attempt: &Attempt,
    room: &RoomView,
    pressure: &Pressure,
    now: Timestamp,
) -> Decision {
    let begun = matches!(attempt.action, Action::Join { .. })
        .then(|| found::begun(room, now))
        .flatten()
        .map(|record| RoomView { record: Some(record), ..room.clone() });
    let mut decision =
        settled(policy, rules, attempt, begun.as_ref().unwrap_or(room), pressure, now);
    if decision.verdict == Verdict::Allow && decision.effects.record.is_none() {
        decision.effects.record = begun.and_then(|room| room.record);
    }
    decision
}

fn settled(
    policy: &Policy,
    rules: &Rules,
    attempt: &Attempt,
    room: &RoomView,
    pressure: &Pressure,
    now: Timestamp,
) -> Decision {
    let place = Place::of(attempt, now);
    let Some(case) = Case::new(policy, rules, attempt, room, pressure, (place, now)) else {
        return refused(classes(policy, rules, &attempt.requester, place));
    };
    let Some(excepted) = excepted(&case) else { return settle(&case, &case) };
    let Excepted { room, person, bans, lines } = excepted;
    // Presets follow the rules for everybody in the room; what people may do themselves follows the rules for them.
    let judged = Case { rules: &person, exempt: bans, ..case };
    let mut decision = settle(&judged, &Case { rules: &room, ..case });
    if !decision.effects.may.is_empty() {
        decision.effects.may = settle(&judged, &judged).effects.may;
    }
    Decision { exceptions: lines, ..decision }
}

/// Judges by the rules of `judged`, and derives the effects from those of `presets`.
fn settle(judged: &Case<'_>, presets: &Case<'_>) -> Decision {
    let opinion = opinion_on(judged);
    let effects = effects(presets, &opinion);
    let would = judged.rules.observed.as_ref().map(|observed| would(judged, observed));
    Decision {
        verdict: opinion.verdict,
        rule: opinion.rule,
        class: judged.class(),
        denial: opinion.denial,
        effects,
        would: would.filter(|would| (would.verdict, would.rule) != (opinion.verdict, opinion.rule)),
        exceptions: Vec::new(),
    }
}

/// Returns the strongest opinion on a case.
pub(super) fn opinion_on(case: &Case<'_>) -> Opinion {
    let mut strongest = Strongest::default();
    if case.is_service() {
        serve(case, &mut strongest);
    } else {
        judge(case, &mut strongest);
    }
    strongest.or_no_objection()
}

/// Judges again whether a person inside may stay. Returns the denial by the rules in force now, or `None` if they may.
///
/// Bans, access and removals are judged again, but not what was proved at the door (password, admission, a token that
/// has expired since).
pub fn reevaluate(
    policy: &Policy,
    rules: &Rules,
    attempt: &Attempt,
    room: &RoomView,
    now: Timestamp,
) -> Option<Decision> {
    let pressure = Pressure::default();
    let place = Place { now: None, ..Place::of(attempt, now) };
    let Some(case) = Case::new(policy, rules, attempt, room, &pressure, (place, now)) else {
        return Some(refused(classes(policy, rules, &attempt.requester, place)));
    };
    if case.is_service() {
        return None;
    }
    let (opinion, exceptions) = as_excepted(&case, stay);
    let opinion = opinion.filter(|opinion| opinion.verdict == Verdict::Deny)?;
    Some(Decision {
        verdict: opinion.verdict,
        rule: opinion.rule,
        class: case.class(),
        denial: opinion.denial,
        effects: Effects::default(),
        would: None,
        exceptions,
    })
}

/// Judges a case by the rules after exceptions; returns the result, and the lines of the exceptions.
pub(super) fn as_excepted<T>(case: &Case<'_>, judge: impl FnOnce(&Case<'_>) -> T) -> (T, Vec<u32>) {
    match excepted(case) {
        None => (judge(case), Vec::new()),
        Some(Excepted { person, bans, lines, .. }) => {
            (judge(&Case { rules: &person, exempt: bans, ..*case }), lines)
        }
    }
}

/// Denies a person's presence in the room as such, whatever they try there.
fn stay(case: &Case<'_>) -> Option<Opinion> {
    let mut strongest = Strongest::default();
    strongest.hear(access::enter(case));
    strongest.hear(removal::refuse(case));
    strongest.opinion()
}

/// Returns whether a person may be made a moderator by the policy alone: nothing keeps them out, not even a suspicion
/// that they were removed.
pub(super) fn is_fit(case: &Case<'_>) -> bool {
    !case.is_service()
        && !case.who.visitor
        && stay(case).is_none()
        && close::outside_hours(case).is_none()
        && !removal::is_suspected(case)
}

/// Allows a service everything; only what a focus does is judged, as done for a person.
fn serve(case: &Case<'_>, strongest: &mut Strongest) {
    if case.is_focus() {
        focus::act(case, strongest);
    }
    let line = case.policy.services.get(case.jid).copied().unwrap_or_default();
    strongest.hear(Some(Opinion::allow(fixed::SERVICE.at(line))));
}

fn judge(case: &Case<'_>, strongest: &mut Strongest) {
    if matches!(case.attempt.action, Action::Open { .. }) && case.room.exists {
        // A room from before the policy is brought under it first, and the join is asked again.
        return;
    }
    // These are judged for every action, from inside or outside.
    strongest.hear(stay(case));
    strongest.hear(moderation::authority(case));
    match &case.attempt.action {
        Action::Request => focus::request(case, strongest),
        Action::Open { typed } => {
            strongest.hear(names::judge(case));
            strongest.hear(focus::comes_first(case));
            strongest.hear(close::outside_hours(case));
            strongest.hear(access::open(case));
            strongest.hear(permissions::enter(case));
            strongest.hear(limits::open(case));
            strongest.hear(open::password(case, *typed));
            strongest.hear(open::entitled(case));
        }
        // A person who changes between the rooms of a meeting was let in already. A suspended meeting is called back into
        // its main room, where moderators see everybody, so nobody goes into a breakout room meanwhile.
        Action::Join { .. } if case.who.changes => {
            strongest.hear(names::judge(case));
            strongest.hear(suspended::join(case).filter(|_| case.who.breakout.is_some()));
            strongest.hear(permissions::choose_breakout(case));
            strongest.hear(moderators::join(case));
        }
        // An audience is as large as it likes, has no lobby, and moderates nothing.
        Action::Join { credential } if case.who.visitor => {
            strongest.hear(names::judge(case));
            strongest.hear(close::outside_hours(case));
            strongest.hear(permissions::enter(case));
            strongest.hear(close::join(case));
            strongest.hear(removal::knock(case));
            strongest.hear(lobby::join(case, *credential));
            strongest.hear(moderators::join(case));
        }
        Action::Join { credential } => {
            strongest.hear(names::judge(case));
            strongest.hear(close::outside_hours(case));
            strongest.hear(permissions::enter(case));
            strongest.hear(permissions::choose_breakout(case));
            strongest.hear(close::join(case));
            strongest.hear(limits::join(case));
            strongest.hear(removal::knock(case));
            strongest.hear(limits::join_in_flood(case, lobby::join(case, *credential)));
            strongest.hear(focus::comes_again(case, strongest.so_far()));
            strongest.hear(moderators::join(case));
        }
        Action::Configure { fields } => room_form::judge(case, fields, strongest),
        Action::Affiliation { items, register } => {
            moderation::affiliation(case, items, *register, strongest);
        }
        Action::Role { items } => moderation::role(case, items, strongest),
        Action::Rename => strongest.hear(names::judge(case)),
        Action::Destroy => strongest.hear(Some(moderation::end(case))),
        Action::Invite { to } => moderation::invite(case, to, strongest),
        Action::Knock { target, .. } => {
            strongest.hear(Some(moderation::knock(case, target.as_ref())))
        }
        Action::Command(word) => strongest.hear(Some(close::command(case, *word))),
        Action::AnswerAll { waiting, .. } => moderation::answer_all(case, waiting, strongest),
        Action::Feature(feature) => strongest.hear(Some(permissions::feature(case, *feature))),
        Action::Unknown => {
            strongest.hear(Some(Opinion::deny(fixed::UNREADABLE.at(0), Denial::Unknown)))
        }
    }
    strongest.hear(suspended::keep(case));
}

fn effects(case: &Case<'_>, opinion: &Opinion) -> Effects {
    let mut effects = Effects::default();
    match (opinion.verdict, &case.attempt.action) {
        (Verdict::Allow, Action::Open { .. }) => open::effects(case, &mut effects),
        (Verdict::Allow, Action::Join { .. }) if case.who.visitor => {
            permissions::tell(case, &mut effects);
        }
        (Verdict::Allow, Action::Join { credential }) => {
            entry::enter(case, *credential, &mut effects);
            names::taken(case, &mut effects);
        }
        (Verdict::Allow, Action::Rename) => names::taken(case, &mut effects),
        (Verdict::Allow, Action::Configure { fields }) => {
            room_form::effects(case, fields, &mut effects);
        }
        (Verdict::Allow, Action::Affiliation { items, register }) => {
            moderation::affiliation_effects(case, items, *register, &mut effects);
        }
        (Verdict::Allow, Action::Role { items }) => {
            moderation::role_effects(case, items, &mut effects)
        }
        (Verdict::Allow, Action::Invite { to }) => {
            for target in to.iter().flatten() {
                moderation::admitted(case, target, &mut effects);
            }
        }
        (Verdict::Allow, Action::Knock { target: Some(target), admit }) => {
            moderation::knock_effects(case, target, *admit, &mut effects);
        }
        (Verdict::Allow, Action::AnswerAll { waiting, admit }) => {
            moderation::answer_all_effects(case, waiting, *admit, &mut effects);
        }
        (Verdict::Allow, Action::Command(word)) => {
            close::command_effects(case, *word, &mut effects)
        }
        (Verdict::Hold, Action::Join { credential }) => {
            lobby::wait(case, *credential, &mut effects);
            names::knocks(case, &mut effects);
        }
        (Verdict::Prompt, Action::Join { .. }) => {
            lobby::wait_on(case, opinion.denial, &mut effects);
        }
        (Verdict::Deny, Action::Join { .. }) => focus::give_up_place(case, &mut effects),
        (
            Verdict::Allow,
            Action::Request
            | Action::Destroy
            | Action::Feature(_)
            | Action::Knock { target: None, .. }
            | Action::Unknown,
        )
        | (Verdict::Hold | Verdict::Prompt | Verdict::Deny, _) => {}
    }
    effects
}

fn refused(classes: ClassSet) -> Decision {
    Decision {
        verdict: Verdict::Deny,
        rule: fixed::UNREADABLE.at(0),
        class: classes.strongest(),
        denial: Some(Denial::Malformed),
        effects: Effects::default(),
        would: None,
        exceptions: Vec::new(),
    }
}

/// Returns the opinion by other rules, as if those that are observed were enforced, on a case.
pub(super) fn would(case: &Case<'_>, rules: &Rules) -> Opinion {
    let pressure = case.pressure.as_observed();
    let room = as_it_would_be(&Case { rules, ..*case });
    opinion_on(&Case { rules, room: &room, pressure: &pressure, ..*case })
}

/// Returns the room as these rules would have made it, as far as that can be known: a refusal that did not happen left
/// no trace. Nothing of what is observed is ever written into the room.
fn as_it_would_be(case: &Case<'_>) -> RoomView {
    let (rules, mut room) = (case.rules, case.room.clone());
    // Only with these does a gate report whether the room exists.
    let may_be_new = matches!(case.attempt.action, Action::Open { .. } | Action::Request);
    if room.exists || !may_be_new {
        if rules.password.required.value && !room.has_password {
            room.has_password = true;
            // One that the policy would have made, and no person chose.
            let made = room.record.as_mut().filter(|record| record.password.is_none());
            made.into_iter().for_each(|record| record.password = Some(Source::Generated));
        }
        room.members_only |= lobby::is_members_only(case);
    }
    // A limit of 0 makes both true, but then neither rule is in force.
    let is_full = room.others() >= rules.close.at_occupants.value;
    let is_wave = case.pressure.strangers >= rules.limits.flood_strangers.value;
    if let Some(record) = &mut room.record {
        if is_full {
            record.closed = record.closed.or(Some(Closed::Count));
        }
        if is_wave {
            record.wave = record.wave.or(Some(JoinFlood { since: case.now, lobby: false }));
        }
    }
    room
}
