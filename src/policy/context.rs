//! The case under judgement, how opinions on it combine, and a live room to compare with its rules.

use jiff::Timestamp;

use super::attempt::{Affiliation, Attempt, Noted, Place, Pressure, Requester, RoomView};
use super::class::{Class, ClassSet};
use super::classify::{Identity, classes};
use super::exceptions::neutralise;
use super::record::{Entry, Person};
use super::rules::fixed;
use super::verdict::{Effects, May, Opinion, Rule};
use super::{Policy, Rules};
use crate::jid::BareJid;

/// A case: everything that the rule families look at.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) policy: &'a Policy,
    pub(super) rules: &'a Rules,
    pub(super) attempt: &'a Attempt,
    pub(super) room_jid: &'a BareJid,
    pub(super) who: &'a Requester,
    pub(super) jid: &'a BareJid,
    /// Room and time for which the identity is judged.
    pub(super) place: Place<'a>,
    pub(super) identity: Identity<'a>,
    pub(super) classes: ClassSet,
    pub(super) room: &'a RoomView,
    pub(super) pressure: &'a Pressure,
    pub(super) now: Timestamp,
    /// Whether bans on domains and networks are lifted for the requester.
    pub(super) exempt: bool,
    /// The runtime ban that was noted for the requester.
    pub(super) noted: Option<&'a Noted>,
}

impl<'a> Case<'a> {
    /// Returns the case of an attempt, or `None` if it cannot be judged: it names no room, or no requester.
    pub(super) fn new(
        policy: &'a Policy,
        rules: &'a Rules,
        attempt: &'a Attempt,
        room: &'a RoomView,
        pressure: &'a Pressure,
        (place, now): (Place<'a>, Timestamp),
    ) -> Option<Self> {
        let who = &attempt.requester;
        let (room_jid, jid) = (room_of(attempt)?, who.jid.as_ref()?);
        let noted = attempt.banned.requester.as_ref();
        let (rules, room) = ((policy, rules), (room_jid, room));
        Some(Self { noted, ..Self::made(rules, attempt, room, (who, jid), pressure, (place, now)) })
    }

    fn made(
        (policy, rules): (&'a Policy, &'a Rules),
        attempt: &'a Attempt,
        (room_jid, room): (&'a BareJid, &'a RoomView),
        (who, jid): (&'a Requester, &'a BareJid),
        pressure: &'a Pressure,
        (place, now): (Place<'a>, Timestamp),
    ) -> Self {
        Self {
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
            exempt: false,
            noted: None,
        }
    }

    /// Returns the case as if the person behind the requester tried, or `None` if there is none.
    pub(super) fn behind(&self) -> Option<Self> {
        let who = self.attempt.behind.as_ref()?;
        let noted = self.attempt.banned.behind.as_ref();
        Some(Self { noted, ..self.of(who, who.jid.as_ref()?) })
    }

    /// Returns the case as if this person tried.
    pub(super) fn of<'b>(&self, who: &'b Requester, jid: &'b BareJid) -> Case<'b>
    where
        'a: 'b,
    {
        let classes = classes(self.policy, self.rules, who, self.place);
        let identity = self.policy.identify(who, self.place);
        Case { who, jid, identity, classes, noted: None, ..*self }
    }

    /// Returns the focus that opens the rooms of this service, if one does.
    pub(super) fn focus(&self) -> Option<&'a BareJid> {
        self.policy.focuses.get(self.room_jid.domain())
    }

    /// Returns whether the requester is that focus.
    pub(super) fn is_focus(&self) -> bool {
        self.is_service() && self.focus() == Some(self.jid)
    }

    /// Returns whether that focus checks its own health in this room.
    pub(super) fn is_health_check(&self) -> bool {
        self.is_focus() && self.policy.is_health_check(self.room_jid, self.jid.as_str())
    }

    /// Returns the class by which decisions name the requester. The opener for whom the focus has opened the room is known
    /// there before they have come for the first time.
    pub(super) fn class(&self) -> Class {
        let is_awaited = self.room.record.as_ref().is_some_and(|record| record.awaited.is_some());
        let known = self.who.person.as_ref().and_then(|person| person.entry);
        let comes_first = is_awaited && known == Some(Entry::Opened);
        let mut classes = self.classes.iter();
        let class = classes.find(|class| !comes_first || *class != Class::Returning);
        class.unwrap_or(Class::Guest)
    }

    pub(super) fn is_service(&self) -> bool {
        self.classes.has(Class::Service)
    }

    /// Returns the name of the room, the part before the `@`.
    pub(super) fn room_name(&self) -> &'a str {
        self.room_jid.node().unwrap_or_default()
    }
}

/// Returns the room of an attempt; `None` also if its address is that of the service itself.
fn room_of(attempt: &Attempt) -> Option<&BareJid> {
    attempt.room.as_ref().filter(|room| room.node().is_some())
}

/// Rules of an attempt after exceptions, and which exceptions those were.
#[derive(Clone, Debug)]
pub(super) struct Excepted {
    /// The rules for the room, which its presets follow.
    pub(super) room: Rules,
    /// The rules for the requester, by which they are judged.
    pub(super) person: Rules,
    /// Whether bans on domains and networks are lifted.
    pub(super) bans: bool,
    /// Lines of the exceptions, in the order of the file.
    pub(super) lines: Vec<u32>,
}

/// Returns the rules of a case after exceptions. `None`, at hardly any cost: no exception applies.
pub(super) fn excepted(case: &Case<'_>) -> Option<Excepted> {
    let Case { policy, rules, attempt, now, .. } = *case;
    let exceptions = &policy.exceptions;
    if exceptions.is_empty() {
        return None;
    }
    let room = case.room_name();
    // A focus acts for a person: it is their exceptions that count.
    let behind = attempt.behind.as_ref().filter(|_| case.is_service());
    let who = behind.unwrap_or(case.who);
    let classes = classes(policy, rules, who, case.place);
    let proved = policy.identify(who, case.place).named();
    let mut for_person =
        exceptions.of(proved, classes).filter(|one| one.holds(room, now)).peekable();
    if exceptions.for_all(room, now).next().is_none() && for_person.peek().is_none() {
        return None;
    }
    let mut bans = false;
    let mut lines = Vec::new();
    for exception in exceptions.for_all(room, now) {
        bans |= exception.bans;
        lines.push(exception.line);
    }
    let of_room = exceptions.in_room(rules, case.room_jid, now).into_owned();
    let mut of_person = of_room.clone();
    for exception in for_person {
        exception.switches().for_each(|switch| neutralise(&mut of_person, &switch.exempt));
        bans |= exception.bans;
        lines.push(exception.line);
    }
    lines.sort_unstable();
    Some(Excepted { room: of_room, person: of_person, bans, lines })
}

/// The strongest opinion so far: combines the opinions of several families into one verdict.
///
/// | heard before | heard now | stays |
/// |---|---|---|
/// | nothing | an opinion | the one heard now |
/// | allow | hold, prompt, deny | the one heard now |
/// | hold | prompt, deny | the one heard now |
/// | prompt | deny | the one heard now |
/// | any | as strong, weaker, or none | the one heard before |
/// | nothing | none, to the end | allow, by `no-objection` |
///
/// Of equals, the opinion heard first stays. Families are asked in a fixed order: the order of the file plays no part.
/// A rule that is off is neutral and has no opinion. Nor has one that is observed: it is heard in a second run of its own
/// ([`super::decide`]). An exception makes rules neutral for the person it is for.
#[derive(Default)]
pub(super) struct Strongest(Option<Opinion>);

impl Strongest {
    /// Takes an opinion if it is stronger than all before.
    pub(super) fn hear(&mut self, opinion: Option<Opinion>) {
        if let Some(opinion) = opinion
            && self.0.as_ref().is_none_or(|so_far| opinion.verdict > so_far.verdict)
        {
            self.0 = Some(opinion);
        }
    }

    /// Returns the strongest opinion so far.
    pub(super) const fn so_far(&self) -> Option<&Opinion> {
        self.0.as_ref()
    }

    /// Returns the strongest opinion, or `None` if no family had one.
    pub(super) fn opinion(self) -> Option<Opinion> {
        self.0
    }

    /// Returns the strongest opinion; if no family had one, an `allow` by `no-objection`.
    pub(super) fn or_no_objection(self) -> Opinion {
        self.0.unwrap_or_else(|| Opinion::allow(fixed::NO_OBJECTION.at(0)))
    }
}

/// Settings of a room that no decision rests on. `None`: the gate does not report it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Whether the room is unlisted.
    pub hidden: Option<bool>,
    /// Whether the room outlives its last occupant.
    pub persistent: Option<bool>,
    /// Whether only those with voice may speak (XEP-0045 §3).
    pub moderated: Option<bool>,
    /// Whether the gate lets only moderators speak.
    pub suspended: Option<bool>,
}

/// An owner or admin of a room, inside or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Address of the owner or admin.
    pub jid: BareJid,
    /// Their affiliation, owner or admin.
    pub affiliation: Affiliation,
    /// What the room remembers of this person, if anything.
    pub person: Option<Person>,
}

/// A live room, with everything that is compared with its rules.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The policy in force.
    pub policy: &'a Policy,
    /// The rules for this room.
    pub rules: &'a Rules,
    /// Address of the room.
    pub room: &'a BareJid,
    /// State of the room.
    pub view: &'a RoomView,
    /// Further settings of the room, on which no decision rests.
    pub settings: Settings,
    /// Occupants, as far as the gate reports them.
    pub occupants: &'a [Requester],
    /// Permissions that occupants were told, where they are not the default.
    pub may: &'a [(BareJid, May)],
    /// Owners and admins of the room, as far as the gate reports them.
    pub standing: &'a [Standing],
    /// Whether the room may have forgotten some of the people whom it had remembered.
    pub forgets: bool,
    /// Time of the comparison.
    pub now: Timestamp,
}

/// A difference between a live room and its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The rule that asks for something else.
    pub rule: Rule,
    /// The person it is about, if it is about one.
    pub who: Option<BareJid>,
    /// State that was found.
    pub is: &'static str,
    /// State that the rule asks for.
    pub should: &'static str,
    /// Effects that repair it.
    pub effects: Effects,
}

impl Drift {
    /// Returns whether both are the same difference: by the same rule, about the same person.
    pub fn is_same_as(&self, other: &Self) -> bool {
        (self.rule.name, &self.who) == (other.rule.name, &other.who)
    }
}

/// Returns the case of a person in a live room; for everybody in it, that of an empty requester with the room's address.
pub(super) fn case<'a>(
    scene: &Scene<'a>,
    attempt: &'a Attempt,
    who: &'a Requester,
    jid: &'a BareJid,
    pressure: &'a Pressure,
) -> Case<'a> {
    let (rules, room) = ((scene.policy, scene.rules), (scene.room, scene.view));
    let when = (Place::inside(scene.room), scene.now);
    Case::made(rules, attempt, room, (who, jid), pressure, when)
}
