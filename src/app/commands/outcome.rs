//! The outcome of commands on people, for their replies.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::people::{ForPeople, Plan, changed};
use super::targets::{Found, Person, known};
use crate::app::clock::now;
use crate::app::rooms::RoomError;
use crate::control::{Answer, Called, HELD, REMOVED};
use crate::jid::BareJid;
use crate::policy::attempt::{Affiliation, Client, Place, Requester};
use crate::policy::bans::Origin;
use crate::policy::class::{Class, ClassSet};
use crate::policy::classify::classes;
use crate::policy::record::Record;
use crate::policy::removal::{
    Removal, hold, is_exempt, is_kept_out, is_same, keep_out, recognised_by, taken,
};
use crate::policy::verdict::Effects;
use crate::policy::{Policy, Rules};
use crate::wire::answer::remove;
use crate::wire::room::LiveRoom;

/// The result of a command on people at a room.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PeopleDone {
    /// Bare JID of the room.
    pub room: String,
    /// Whether it was a dry run, which changes nothing.
    pub dry_run: bool,
    /// The people with the outcome for each, one entry per address.
    pub people: Vec<PersonDone>,
    /// Whether an earlier removal from the room was undone.
    pub removal_lifted: bool,
    /// Whether the room ended with its last occupant; a room opened there later is a new one.
    pub room_ended: bool,
    /// Why not everyone who matches was handled; null: everyone was.
    pub stopped: Option<String>,
}

impl Answer for PeopleDone {
    fn is_complete(&self) -> bool {
        let is_undone = |person: &PersonDone| matches!(person.done, Done::Remains | Done::Banned);
        self.stopped.is_none() && !self.people.iter().any(is_undone)
    }

    fn words(&self) -> String {
        let people = self.people.iter().map(|person| format!("{}: {person}", self.room));
        let mut lines: Vec<_> = people.collect();
        if self.removal_lifted {
            lines.push("  the removal is taken back".to_owned());
        }
        if self.room_ended {
            let new = "anyone who opens it again opens a new one";
            lines.push(format!("  the room ended with the last person: {new}"));
        }
        let stopped = self.stopped.iter();
        lines.extend(stopped.map(|reason| format!("STOPPED, others may be meant: {reason}")));
        if self.dry_run {
            lines.push("nothing was done".to_owned());
        }
        lines.join("\n")
    }
}

/// The outcome of a command for one person.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PersonDone {
    /// Bare JID of the person.
    pub jid: String,
    /// What others call the person.
    #[serde(flatten)]
    pub called: Called,
    /// Class that the policy puts the person in, by the strongest proof.
    pub class: String,
    /// What they would be recognised by: `account`, `token`, `ticket`, `device`, `address`.
    pub known_by: Vec<String>,
    /// Account of the gateway by which the person calls; absent for others. A new call is a new person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Where the person was found.
    pub found: Found,
    /// What was done.
    pub done: Done,
    /// What would be done, in a dry run; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would: Option<Done>,
    /// Whether the room remembers a removed person and keeps them out; absent if it has ended or keeps nobody out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_out: Option<bool>,
    /// Ban on a banned person: its id, or `line N` for one of the file; absent for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<String>,
    /// Whether a person who has to be let in again can wait in a lobby; absent for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_knock: Option<bool>,
}

impl fmt::Display for PersonDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { jid, called, class, known_by, gateway, found, done, would, .. } = self;
        let Self { kept_out, ban, may_knock, .. } = self;
        write!(f, "{}: {class}", called.with_jid(jid))?;
        if !known_by.is_empty() {
            write!(f, " by {}", known_by.join(", "))?;
        }
        let would_be = if would.is_some() { "would be: " } else { "" };
        write!(f, ", {found}; {would_be}{}", would.unwrap_or(*done))?;
        ban.iter().try_for_each(|ban| write!(f, " ({ban})"))?;
        if *may_knock == Some(false) {
            f.write_str("; CANNOT WAIT THERE, the lobby is off: `admit` lets them in")?;
        }
        if *kept_out == Some(false) && matches!(done, Done::Removed | Done::Rejected | Done::Held) {
            f.write_str(match class.as_str() {
                "operator" | "service" => "; MAY COME BACK AT ONCE, as one whom the file names",
                _ => {
                    "; NOT REMEMBERED: the room has no place for more, or `removal.by` names nothing that proves who they are"
                }
            })?;
        }
        if let Some(gateway) = gateway
            && matches!(would.unwrap_or(*done), Done::Removed | Done::Rejected | Done::Held)
        {
            write!(f, "; a new call by {gateway} is a new person")?;
        }
        Ok(())
    }
}

/// The outcome for one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display)]
#[serde(rename_all = "kebab-case")]
pub enum Done {
    /// Was waiting, and is let in.
    #[strum(to_string = "let in")]
    Admitted,
    /// Is not there, and may enter.
    #[strum(to_string = "may enter now")]
    MayEnter,
    /// Was waiting, and is turned away.
    #[strum(to_string = "turned away")]
    Rejected,
    /// Was inside, and is removed.
    #[strum(to_string = "removed")]
    Removed,
    /// Was inside, and is sent back to the lobby: has to be let in again.
    #[strum(to_string = "sent back to the lobby")]
    Held,
    /// Is not there, and has to be let in.
    #[strum(to_string = "has to be let in from now on")]
    MustKnock,
    /// Is not there, and is kept out for the time of a removal.
    #[strum(to_string = "kept out from now on")]
    KeptOut,
    /// Is not inside, and a ban keeps them out.
    #[strum(to_string = "still kept out: banned")]
    Banned,
    /// Is not there, and loses their affiliation in the room.
    #[strum(to_string = "has no affiliation any more")]
    Demoted,
    /// Is spared as a moderator or operator, whom the description does not include.
    #[strum(to_string = "spared: moderates, or is an operator")]
    Spared,
    /// Is still there, or there again.
    #[strum(to_string = "STILL THERE, OR AGAIN")]
    Remains,
    /// Nothing was done.
    #[strum(to_string = "nothing to do")]
    Nothing,
}

impl Done {
    /// Returns whether the room is now as this outcome says, as far as the person is concerned.
    pub(super) fn is_so(self, person: &Person, live: &LiveRoom, rules: &Removal) -> bool {
        let is_theirs = |who: &Requester| {
            who.jid.as_ref() == Some(&person.jid) || is_same(rules, who, &person.who)
        };
        let inside = || live.occupants.iter().any(is_theirs);
        let waits = || live.waiting.iter().any(|(who, _)| who.jid.as_ref() == Some(&person.jid));
        let is_out = matches!(self, Self::Removed | Self::Held);
        let is_answered = matches!(self, Self::Admitted | Self::Rejected);
        !(is_out && inside() || is_answered && waits())
    }
}

pub(super) fn classes_of(policy: &Policy, rules: &Rules, live: &LiveRoom, it: &Person) -> ClassSet {
    classes(policy, rules, &it.who, Place::inside(&live.jid))
}

/// Returns whether a person is exempt from being kept out after a removal.
pub(super) fn is_free(policy: &Policy, live: &LiveRoom, it: &Person) -> bool {
    // Of a person who is not there, only the address is known, so that has to do.
    let is_named =
        || policy.operators.contains_key(&it.jid) || policy.services.contains_key(&it.jid);
    is_exempt(classes_of(policy, &policy.base, live, it)) || it.found == Found::Known && is_named()
}

/// Returns whether the room keeps the person out after a removal by these rules, or `None` if the room has ended or
/// the rules keep nobody out.
pub(super) fn is_kept(
    person: &Person,
    (policy, removal): (&Policy, &Removal),
    after: Option<&LiveRoom>,
) -> Option<bool> {
    let live = after.filter(|_| removal.keep_out_for.value.is_some())?;
    let record = live.view.record.as_ref();
    let is_kept = |record| is_kept_out(record, removal, &person.who, now());
    Some(!is_free(policy, live, person) && record.is_some_and(is_kept))
}

/// Returns whether a ban keeps this session of a person out of the room.
pub(super) fn is_banned(policy: &Policy, live: &LiveRoom, jid: &BareJid, who: &Requester) -> bool {
    let name = live.jid.node().unwrap_or_default();
    policy.ban_on(who, jid, name, now()).is_some()
}

/// Returns why these rules keep nobody out of the room.
pub(super) fn why_never(rules: &Rules) -> String {
    let mut switched = rules.modes.switched();
    match switched.find(|(switch, _)| switch.name == "removal.keep_out_for") {
        Some((_, mode)) => {
            format!("the mode of `removal.keep_out_for` is \"{}\" for this room", mode.value.name())
        }
        None => "`removal.keep_out_for` is \"never\" for this room".to_owned(),
    }
}

/// Makes the reply about one person: how they are known, where they were found, and what was or would be done.
pub(super) fn told(
    (policy, rules): (&Policy, &Rules),
    live: &LiveRoom,
    (person, done): (&Person, Done),
    is_dry: bool,
) -> PersonDone {
    let proof = policy.proof(&person.who);
    let known_by = recognised_by(&rules.removal, &person.who, proof);
    // Everyone inside is `returning`, which says nothing about who they are.
    let mut all = classes_of(policy, rules, live, person).iter();
    let class = all.find(|class| *class != Class::Returning).unwrap_or(Class::Guest);
    let would = (is_dry && done != Done::Spared).then_some(done);
    let name = live.jid.node().unwrap_or_default();
    let is_banned = done == Done::Banned;
    let ban = is_banned.then(|| policy.ban_on(&person.who, &person.jid, name, now())).flatten();
    let may_knock = matches!(done, Done::Held | Done::MustKnock).then(|| {
        let has_lobby = live.view.lobby && live.view.members_only;
        has_lobby || person.who.client == Client::Plain
    });
    PersonDone {
        jid: person.jid.to_string(),
        called: (&person.who).into(),
        class: class.name().to_owned(),
        known_by: known_by.into_iter().map(|by| by.name().to_owned()).collect(),
        gateway: policy.identify(&person.who, Place::ANY).gateway.map(ToString::to_string),
        found: person.found,
        done: if would.is_some() { Done::Nothing } else { done },
        would,
        kept_out: None,
        ban: ban.map(|ban| match &ban.origin {
            Origin::Line(line) => format!("line {line}"),
            Origin::Made(id) => id.clone(),
        }),
        may_knock,
    }
}

/// Returns the room after a command, or `None` if it ended with its last occupant.
pub(super) fn after(live: Result<LiveRoom, RoomError>) -> Result<Option<LiveRoom>, RoomError> {
    match live {
        Ok(live) => Ok(Some(live)),
        Err(RoomError::None(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// How a person is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Out {
    /// They are kept out for the time of the removal.
    Kept,
    /// They may enter again once a person inside lets them in.
    Held,
}

/// The rules and the message of a removal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Removing<'a> {
    pub(super) policy: &'a Policy,
    pub(super) rules: &'a Removal,
    pub(super) out: Out,
    /// Message to the person.
    pub(super) reason: &'a str,
}

impl Removing<'_> {
    /// Records in a room's record that this person was removed, unless they are exempt.
    pub(super) fn note(&self, record: &mut Record, live: &LiveRoom, person: &Person) {
        if is_free(self.policy, live, person) {
            return;
        }
        let who = &person.who;
        let note = match self.out {
            Out::Kept => keep_out,
            Out::Held => hold,
        };
        note(record, self.rules, who, self.policy.proof(who), now());
    }

    /// Returns the outcome for a person who was found there, or `None` if there is nothing to do.
    pub(super) fn done(&self, person: &Person, live: &LiveRoom) -> Option<Done> {
        let is_free = is_free(self.policy, live, person);
        match (self.out, person.found) {
            (Out::Held, Found::Inside) if !is_free => Some(Done::Held),
            (Out::Held, _) if !is_free => Some(Done::MustKnock),
            (_, Found::Inside) => Some(Done::Removed),
            (_, Found::Waits) => Some(Done::Rejected),
            (_, Found::Refused | Found::Left | Found::Known) if is_free => None,
            (_, Found::Refused | Found::Left | Found::Known) => {
                self.rules.keep_out_for.value.map(|_| Done::KeptOut)
            }
        }
    }
}

/// Plans to remove a person from the room and its lobby, under every address that is certainly theirs.
pub(super) fn removes(
    removing: &Removing<'_>,
    jid: &BareJid,
    people: &[Person],
    live: &LiveRoom,
) -> Plan {
    let unseen = known(jid, live);
    // More than the address is known of a person who was found, including how well it was proved.
    let is_found = people.iter().any(|person| person.jid == *jid);
    let record = changed(live, |record| {
        let unseen = (!is_found).then_some(&unseen);
        unseen.into_iter().chain(people).for_each(|person| removing.note(record, live, person));
    });
    let mut plan = Plan { effects: Effects { record, ..Effects::default() }, ..Plan::default() };
    // If an address has several sessions, the first one counts.
    let mut those: BTreeMap<_, _> = people.iter().rev().map(|it| (&it.jid, it)).collect();
    those.entry(jid).or_insert(&unseen);
    for (address, person) in those {
        let (before, affiliation) = match address == jid {
            true => (&live.person, live.affiliation),
            false => (&person.who.person, person.who.affiliation),
        };
        let taken = taken(before.as_ref(), affiliation);
        let has_more = taken.is_some() && affiliation > Affiliation::None;
        let demoted = has_more.then_some(Done::Demoted);
        let Some(done) = removing.done(person, live).or(demoted) else {
            continue;
        };
        plan.effects.people.push((address.clone(), taken));
        if done == Done::Rejected {
            plan.effects.reject.push((address.clone(), None));
        }
        plan.more.push(remove(address, removing.reason));
        plan.people.push((person.clone(), done));
    }
    plan
}

/// Returns the room's rules on removals, with the time that the request gives.
pub(super) fn with_time(rules: &Removal, asked: &ForPeople) -> Removal {
    let mut removal = rules.clone();
    if let Some(time) = &asked.keep_out_for {
        removal.keep_out_for.value = Some(time.time());
    }
    removal
}

/// Returns the message to people who are removed.
pub(super) fn reason(out: Out, asked: &ForPeople) -> &str {
    let default = if out == Out::Held { HELD } else { REMOVED };
    asked.reason.as_deref().unwrap_or(default)
}
