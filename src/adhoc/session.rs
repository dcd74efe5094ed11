//! The conversations that wait for their next step: few, each its caller's own, and none for long.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::form::Values;
use super::state_machine::Refusal;
use crate::control::Command;

/// The time that a conversation waits for its next step.
pub const LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// Most that wait, over all callers; the oldest gives way.
pub const MOST: usize = 64;
/// Most of one caller.
pub const MOST_OF_ONE: usize = 8;

/// The stage of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The room is asked for, so that its people can be offered.
    Room,
    /// Everything else is asked for.
    Fields,
    /// The confirmation of an irreversible command.
    Confirm,
}

/// A conversation about one command.
#[derive(Debug)]
pub(super) struct Session {
    /// The full JID that began it: nobody else, nor another client of theirs, may go on with it.
    pub(super) owner: String,
    /// The bare JID of the caller.
    pub(super) name: String,
    pub(super) command: &'static Command,
    pub(super) stage: Stage,
    pub(super) values: Values,
}

#[derive(Debug, Default)]
pub(super) struct Sessions {
    all: HashMap<String, (Timestamp, Session)>,
}

impl Sessions {
    /// The conversation of that id, if it is this caller's, about this command.
    ///
    /// # Errors
    /// [`Refusal::BadSession`] if not, [`Refusal::Expired`] if it has waited for too long.
    pub(super) fn find(
        &self,
        id: &str,
        owner: &str,
        command: &Command,
        now: Timestamp,
    ) -> Result<&Session, Refusal> {
        let found = self
            .all
            .get(id)
            .filter(|(_, session)| session.owner == owner && session.command.name == command.name);
        match found {
            None => Err(Refusal::BadSession),
            Some((since, _)) if is_over(*since, now) => Err(Refusal::Expired),
            Some((_, session)) => Ok(session),
        }
    }

    /// Takes the session out: a step that is sent twice is taken once.
    pub(super) fn take(&mut self, id: &str) -> Option<Session> {
        self.all.remove(id).map(|(_, session)| session)
    }

    /// Lets it wait for its next step.
    pub(super) fn keep(&mut self, id: String, session: Session, now: Timestamp) {
        for (since, session) in self.all.values_mut() {
            if is_over(*since, now) {
                session.values.clear();
            }
        }
        while self.of(&session.name) >= MOST_OF_ONE {
            self.forget_oldest(Some(&session.name));
        }
        while self.all.len() >= MOST {
            self.forget_oldest(None);
        }
        self.all.insert(id, (now, session));
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    fn of(&self, name: &str) -> usize {
        self.all.values().filter(|(_, session)| session.name == name).count()
    }

    fn forget_oldest(&mut self, of: Option<&str>) {
        let mine =
            self.all.iter().filter(|(_, (_, session))| of.is_none_or(|of| session.name == of));
        let oldest = mine.min_by_key(|(_, (since, _))| *since).map(|(id, _)| id.clone());
        if let Some(id) = oldest {
            self.all.remove(&id);
        }
    }
}

fn is_over(since: Timestamp, now: Timestamp) -> bool {
    now.duration_since(since) > LIFETIME
}
