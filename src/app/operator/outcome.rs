//! What a command did with people, for its reply.

use serde_json::{Value, json};

use super::whom::Person;
use crate::app::rooms::RoomError;
use crate::policy::attempt::Client;
use crate::policy::class::{Class, ClassSet};
use crate::policy::classify::{Place, classes};
use crate::policy::removal::recognised_by;
use crate::policy::rules::{Policy, Rules};
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
            Self::Demoted => "demoted",
            Self::Spared => "spared",
            Self::Remains => "remains",
            Self::Nothing => "nothing",
        }
    }

    /// Whether the person is where this leaves them, as the room is now.
    pub(super) fn is_so(self, person: &Person, live: &LiveRoom) -> bool {
        let inside = || live.occupants.iter().any(|who| who.jid.as_ref() == Some(&person.jid));
        let waits = || live.waiting.iter().any(|(who, _)| who.jid.as_ref() == Some(&person.jid));
        match self {
            Self::Removed | Self::Held => !inside(),
            Self::Admitted | Self::Rejected => !waits(),
            Self::MayEnter
            | Self::MustKnock
            | Self::KeptOut
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
