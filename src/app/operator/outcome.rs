//! What a command did with people, for its reply.

use serde_json::{Value, json};

use super::whom::{Found, Person};
use crate::app::clock::now;
use crate::app::rooms::RoomError;
use crate::jid::BareJid;
use crate::policy::attempt::{Client, Requester};
use crate::policy::bans::Origin;
use crate::policy::class::{Class, ClassSet};
use crate::policy::classify::{Place, classes};
use crate::policy::removal::{Removal, is_exempt, is_kept_out, is_same, recognised_by};
use crate::policy::{Policy, Rules};
use crate::wire::room::LiveRoom;

/// What is done with one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// Waited, and is let in.
    Admitted,
    /// Is not there, and may enter.
    MayEnter,
    /// Waited, and is turned away.
    Rejected,
    /// Was inside, and is out.
    Removed,
    /// Was inside, and has to be let in again.
    Held,
    /// Is not there, and has to be let in.
    MustKnock,
    /// Is not there, and may not enter for as long as the rules say.
    KeptOut,
    /// Is not inside, and may not enter: a ban is on them.
    Banned,
    /// Is not there; what they are in the room is taken from them.
    Demoted,
    /// A moderator or operator, whom the description was not meant for.
    Spared,
    /// Is there still, or again.
    Remains,
    /// Nothing.
    Nothing,
}

impl Done {
    /// The name in replies.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::MayEnter => "may-enter",
            Self::Rejected => "rejected",
            Self::Removed => "removed",
            Self::Held => "held",
            Self::MustKnock => "must-knock",
            Self::KeptOut => "kept-out",
            Self::Banned => "banned",
            Self::Demoted => "demoted",
            Self::Spared => "spared",
            Self::Remains => "remains",
            Self::Nothing => "nothing",
        }
    }

    /// Whether the person is where this leaves them, as the room is now.
    pub(super) fn is_so(self, person: &Person, live: &LiveRoom, rules: &Removal) -> bool {
        let is_theirs = |who: &Requester| {
            who.jid.as_ref() == Some(&person.jid) || is_same(rules, who, &person.who)
        };
        let inside = || live.occupants.iter().any(is_theirs);
        let waits = || live.waiting.iter().any(|(who, _)| who.jid.as_ref() == Some(&person.jid));
        match self {
            Self::Removed | Self::Held => !inside(),
            Self::Admitted | Self::Rejected => !waits(),
            Self::MayEnter
            | Self::MustKnock
            | Self::KeptOut
            | Self::Banned
            | Self::Demoted
            | Self::Spared
            | Self::Remains
            | Self::Nothing => true,
        }
    }
}

/// The classes of somebody at a room.
pub(super) fn classes_of(policy: &Policy, rules: &Rules, live: &LiveRoom, it: &Person) -> ClassSet {
    classes(policy, rules, &it.who, Place::inside(&live.jid))
}

/// Whether no removal keeps this person out.
pub(super) fn is_free(policy: &Policy, live: &LiveRoom, it: &Person) -> bool {
    // Of somebody who is not there, only the address is known.
    let is_named =
        || policy.operators.contains_key(&it.jid) || policy.services.contains_key(&it.jid);
    is_exempt(classes_of(policy, &policy.base, live, it)) || it.found == Found::Known && is_named()
}

/// Adds whether the room, as it is after a removal by these rules, keeps the person out. Of a room that went with them
/// there is nothing to say, nor where the rules keep nobody out.
pub(super) fn tell_kept_out(
    told: &mut Value,
    person: &Person,
    (policy, removal): (&Policy, &Removal),
    after: Option<&LiveRoom>,
) {
    let (Some(live), Some(_), Some(fields)) = (after, removal.keep_out.value, told.as_object_mut())
    else {
        return;
    };
    let record = live.view.record.as_ref();
    let is_kept = !is_free(policy, live, person)
        && record.is_some_and(|record| is_kept_out(record, removal, &person.who, now()));
    fields.insert("kept_out".to_owned(), is_kept.into());
}

/// Whether a ban keeps this session of a person out of the room.
pub(super) fn is_banned(policy: &Policy, live: &LiveRoom, jid: &BareJid, who: &Requester) -> bool {
    let name = live.jid.node().unwrap_or_default();
    policy.ban_on(who, jid, name, now()).is_some()
}

/// Why nobody is kept out of a room of these rules.
pub(super) fn why_never(rules: &Rules) -> String {
    let mut switched = rules.modes.switched();
    match switched.find(|(switch, _)| switch.name == "removal.keep_out") {
        Some((_, mode)) => {
            format!("the mode of `removal.keep_out` is \"{}\" for this room", mode.value.name())
        }
        None => "`removal.keep_out` is \"never\" for this room".to_owned(),
    }
}

/// Who it is, how they are known, where they were found, and what was done; in a dry run, what would be.
pub(super) fn told(
    (policy, rules): (&Policy, &Rules),
    live: &LiveRoom,
    (person, done): (&Person, Done),
    is_dry: bool,
) -> Value {
    let proof = policy.proof(&person.who);
    let known_by: Vec<_> = recognised_by(&rules.removal, &person.who, proof);
    let known_by: Vec<_> = known_by.into_iter().map(|by| by.name()).collect();
    // Everybody inside has been inside: that says nothing about who they are.
    let mut all = classes_of(policy, rules, live, person).iter();
    let class = all.find(|class| *class != Class::Returning).unwrap_or(Class::Guest);
    let mut told = json!({
        "jid": person.jid, "nick": person.who.nick, "class": class.name(), "known_by": known_by,
        "found": person.found.name(), "done": done.name(),
    });
    if is_dry
        && done != Done::Spared
        && let Some(fields) = told.as_object_mut()
    {
        fields.insert("would".to_owned(), done.name().into());
        fields.insert("done".to_owned(), Done::Nothing.name().into());
    }
    let name = live.jid.node().unwrap_or_default();
    if done == Done::Banned
        && let Some(ban) = policy.ban_on(&person.who, &person.jid, name, now())
        && let Some(fields) = told.as_object_mut()
    {
        let ban = match &ban.origin {
            Origin::Line(line) => format!("line {line}"),
            Origin::Made(id) => id.clone(),
        };
        fields.insert("ban".to_owned(), ban.into());
    }
    if matches!(done, Done::Held | Done::MustKnock)
        && let Some(fields) = told.as_object_mut()
    {
        let has_lobby = live.view.lobby && live.view.members_only;
        let may_knock = has_lobby || person.who.client == Client::Plain;
        fields.insert("may_knock".to_owned(), may_knock.into());
    }
    told
}

/// The room after a command; `None`: it went with the last person.
pub(super) fn after(live: Result<LiveRoom, RoomError>) -> Result<Option<LiveRoom>, RoomError> {
    match live {
        Ok(live) => Ok(Some(live)),
        Err(RoomError::None(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
