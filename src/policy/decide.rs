//! One attempt, one decision.

use super::rules::fixed;
use jiff::Timestamp;

use super::attempt::{Action, Attempt, Requester, RoomView};
use super::class::{Class, ClassSet};
use super::classify::{Identity, Place, classes};
use super::denial::Denial;
use super::exceptions::{Excepted, excepted};
use super::made::Noted;
use super::pressure::Pressure;
use super::verdict::{Decision, Effects, Opinion, Verdict};
use super::would::would;
use super::{Policy, Rules};
use super::{
    access, affairs, authority, close, configure, focus, found, hours, limits, lobby, moderators,
    names, open, permissions, removal, suspended, wave,
};
use crate::jid::BareJid;

/// Everything that the rule families look at.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) policy: &'a Policy,
    pub(super) rules: &'a Rules,
    pub(super) attempt: &'a Attempt,
    pub(super) room_jid: &'a BareJid,
    pub(super) who: &'a Requester,
    pub(super) jid: &'a BareJid,
    /// What of that counts, and what was proved of it.
    pub(super) place: Place<'a>,
    pub(super) identity: Identity<'a>,
    pub(super) classes: ClassSet,
    pub(super) room: &'a RoomView,
    pub(super) pressure: &'a Pressure,
    pub(super) now: Timestamp,
    /// Bans on domains and networks do not hold.
    pub(super) exempt: bool,
    /// The ban made at run time that was noted for whoever tries.
    pub(super) noted: Option<&'a Noted>,
}

impl<'a> Case<'a> {
    pub(super) const fn who(&self) -> &'a Requester {
        self.who
    }

    /// The same, as if whoever stands behind it tried himself.
    pub(super) fn behind(&self) -> Option<Self> {
        let who = self.attempt.behind.as_ref()?;
        let jid = who.jid.as_ref()?;
        let classes = classes(self.policy, self.rules, who, self.place);
        let identity = self.policy.identify(who, self.place);
        let noted = self.attempt.banned.behind.as_ref();
        Some(Self { who, jid, identity, classes, noted, ..*self })
    }

    /// The same, as if this person tried.
    pub(super) fn of<'b>(&self, who: &'b Requester, jid: &'b BareJid) -> Case<'b>
    where
        'a: 'b,
    {
        let classes = classes(self.policy, self.rules, who, self.place);
        let identity = self.policy.identify(who, self.place);
        Case { who, jid, identity, classes, noted: None, ..*self }
    }

    /// The focus that opens the rooms of this service, if one does.
    pub(super) fn focus(&self) -> Option<&'a BareJid> {
        self.policy.focuses.get(self.room_jid.domain())
    }

    /// The requester is that focus.
    pub(super) fn is_focus(&self) -> bool {
        self.is_service() && self.focus() == Some(self.jid)
    }

    pub(super) fn is_service(&self) -> bool {
        self.classes.has(Class::Service)
    }

    /// The name of the room, the part before the `@`.
    pub(super) fn room_name(&self) -> &'a str {
        self.room_jid.node().unwrap_or_default()
    }
}

/// The strongest opinion so far. Of equals the one of the family that was asked first stays, and the
/// families are asked in a fixed order: the order of the file plays no part.
#[derive(Default)]
pub(super) struct Strongest(Option<Opinion>);

impl Strongest {
    pub(super) fn hear(&mut self, opinion: Option<Opinion>) {
        if let Some(opinion) = opinion
            && self.0.as_ref().is_none_or(|so_far| opinion.verdict > so_far.verdict)
        {
            self.0 = Some(opinion);
        }
    }
}

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
    let Some(case) = case(policy, rules, attempt, room, pressure, (place, now)) else {
        return refused(classes(policy, rules, &attempt.requester, place));
    };
    let Some(excepted) = excepted(&case) else { return settle(&case, &case) };
    let Excepted { room, person, bans, lines } = excepted;
    // What is preset for a room is so for everybody in it; what he may do himself is his.
    let judged = Case { rules: &person, exempt: bans, ..case };
    let mut decision = settle(&judged, &Case { rules: &room, ..case });
    if !decision.effects.may.is_empty() {
        decision.effects.may = settle(&judged, &judged).effects.may;
    }
    Decision { exceptions: lines, ..decision }
}

/// Judges by the one, and what follows, by the other.
fn settle(judged: &Case<'_>, presets: &Case<'_>) -> Decision {
    let opinion = opinion_on(judged);
    let effects = effects(presets, &opinion);
    let would = judged.rules.observed.as_ref().map(|observed| would(judged, observed));
    Decision {
        verdict: opinion.verdict,
        rule: opinion.rule,
        class: judged.classes.strongest(),
        denial: opinion.denial,
        effects,
        would: would.filter(|would| (would.verdict, would.rule) != (opinion.verdict, opinion.rule)),
        exceptions: Vec::new(),
    }
}

/// `None`: the attempt cannot be judged.
fn case<'a>(
    policy: &'a Policy,
    rules: &'a Rules,
    attempt: &'a Attempt,
    room: &'a RoomView,
    pressure: &'a Pressure,
    (place, now): (Place<'a>, Timestamp),
) -> Option<Case<'a>> {
    let who = &attempt.requester;
    let (room_jid, jid) = (room_of(attempt)?, who.jid.as_ref()?);
    let (exempt, noted) = (false, attempt.banned.requester.as_ref());
    Some(Case {
        policy,
        rules,
        attempt,
        room_jid,
        who,
        jid,
        place,
        identity: policy.identify(who, place),
        classes: classes(policy, rules, who, place),
        room,
        pressure,
        now,
        exempt,
        noted,
    })
}

/// What the rules of a case come to.
pub(super) fn opinion_on(case: &Case<'_>) -> Opinion {
    let mut strongest = Strongest::default();
    if case.is_service() {
        serve(case, &mut strongest);
    } else {
        judge(case, &mut strongest);
    }
    strongest.0.unwrap_or_else(|| Opinion::allow(fixed::NO_OBJECTION.at(0)))
}

/// Whether somebody who is inside may stay, by the rules in force now: `None`, or why not.
///
/// Bans, access and removals are judged again, not what was proved at the door (password, admission, a token that has
/// run out since).
pub fn rejudge(
    policy: &Policy,
    rules: &Rules,
    attempt: &Attempt,
    room: &RoomView,
    now: Timestamp,
) -> Option<Decision> {
    let pressure = Pressure::default();
    let place = Place { now: None, ..Place::of(attempt, now) };
    let Some(case) = case(policy, rules, attempt, room, &pressure, (place, now)) else {
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
        class: case.classes.strongest(),
        denial: opinion.denial,
        effects: Effects::default(),
        would: None,
        exceptions,
    })
}

/// By the rules as they hold for the person who tries, and the lines of the exceptions.
pub(super) fn as_excepted<T>(case: &Case<'_>, judge: impl FnOnce(&Case<'_>) -> T) -> (T, Vec<u32>) {
    match excepted(case) {
        None => (judge(case), Vec::new()),
        Some(Excepted { person, bans, lines, .. }) => {
            (judge(&Case { rules: &person, exempt: bans, ..*case }), lines)
        }
    }
}

/// What speaks against somebody's being in the room at all, whatever they want there.
fn stay(case: &Case<'_>) -> Option<Opinion> {
    let mut strongest = Strongest::default();
    strongest.hear(access::enter(case));
    strongest.hear(removal::refuse(case));
    strongest.0
}

/// Whether somebody may be made a moderator without anybody inside who does it: nothing keeps them out, not even
/// for a doubt whether they were removed.
pub(super) fn is_fit(case: &Case<'_>) -> bool {
    !case.is_service()
        && stay(case).is_none()
        && hours::judge(case).is_none()
        && !removal::is_suspected(case)
}

/// The room, if it is one: the service itself is none.
fn room_of(attempt: &Attempt) -> Option<&BareJid> {
    attempt.room.as_ref().filter(|room| room.node().is_some())
}

/// A service does what it likes; only what a focus does, it does for somebody.
fn serve(case: &Case<'_>, strongest: &mut Strongest) {
    if case.is_focus() {
        focus::act(case, strongest);
    }
    let line = case.policy.services.get(case.jid).copied().unwrap_or_default();
    strongest.hear(Some(Opinion::allow(fixed::SERVICE.at(line))));
}

fn judge(case: &Case<'_>, strongest: &mut Strongest) {
    if matches!(case.attempt.action, Action::Open { .. }) && case.room.exists {
        // A room that was there before the policy: it is brought under it, and the join is asked anew.
        return;
    }
    // Whatever is tried, inside or out.
    strongest.hear(stay(case));
    strongest.hear(authority::require(case));
    match &case.attempt.action {
        Action::Request => focus::request(case, strongest),
        Action::Open { typed } => {
            strongest.hear(names::judge(case));
            strongest.hear(focus::comes_first(case));
            strongest.hear(hours::judge(case));
            strongest.hear(access::open(case));
            strongest.hear(permissions::enter(case));
            strongest.hear(limits::open(case));
            strongest.hear(open::password(case, *typed));
            strongest.hear(open::entitled(case));
        }
        Action::Join { credential } => {
            strongest.hear(names::judge(case));
            strongest.hear(hours::judge(case));
            strongest.hear(permissions::enter(case));
            strongest.hear(close::join(case));
            strongest.hear(limits::join(case));
            strongest.hear(removal::knock(case));
            strongest.hear(wave::join(case, lobby::join(case, *credential)));
            strongest.hear(moderators::join(case));
        }
        Action::Configure { fields } => configure::judge(case, fields, strongest),
        Action::Affiliation { items, register } => {
            affairs::affiliation(case, items, *register, strongest);
        }
        Action::Role { items } => affairs::role(case, items, strongest),
        Action::Rename => strongest.hear(names::judge(case)),
        Action::Destroy => strongest.hear(Some(affairs::end(case))),
        Action::Invite { to } => affairs::invite(case, to, strongest),
        Action::Knock { target, .. } => strongest.hear(Some(affairs::knock(case, target.as_ref()))),
        Action::Command(word) => strongest.hear(Some(close::command(case, *word))),
        Action::AnswerAll { waiting, .. } => affairs::answer_all(case, waiting, strongest),
        Action::Record { stops } => strongest.hear(Some(permissions::record(case, *stops))),
        Action::Dial => strongest.hear(Some(permissions::dial(case))),
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
        (Verdict::Allow, Action::Join { credential }) => {
            lobby::enter(case, *credential, &mut effects);
            names::taken(case, &mut effects);
        }
        (Verdict::Allow, Action::Rename) => names::taken(case, &mut effects),
        (Verdict::Allow, Action::Configure { fields }) => {
            configure::effects(case, fields, &mut effects);
        }
        (Verdict::Allow, Action::Affiliation { items, register }) => {
            affairs::affiliation_effects(case, items, *register, &mut effects);
        }
        (Verdict::Allow, Action::Role { items }) => {
            affairs::role_effects(case, items, &mut effects)
        }
        (Verdict::Allow, Action::Invite { to }) => {
            for target in to.iter().flatten() {
                affairs::admitted(case, target, &mut effects);
            }
        }
        (Verdict::Allow, Action::Knock { target: Some(target), admit }) => {
            affairs::knock_effects(case, target, *admit, &mut effects);
        }
        (Verdict::Allow, Action::AnswerAll { waiting, admit }) => {
            affairs::answer_all_effects(case, waiting, *admit, &mut effects);
        }
        (Verdict::Allow, Action::Command(word)) => {
            close::command_effects(case, *word, &mut effects)
        }
        (Verdict::Hold, Action::Join { credential }) => {
            lobby::wait(case, *credential, &mut effects);
            names::knocks(case, &mut effects);
        }
        (
            Verdict::Allow,
            Action::Request
            | Action::Destroy
            | Action::Record { .. }
            | Action::Dial
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
