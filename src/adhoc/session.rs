//! Conversations that wait for their next step: limited in number and time, each bound to one client.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::form::Values;
use super::state_machine::Refusal;
use crate::control::Command;

/// How long a conversation waits for its next step.
pub const LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// Most conversations that wait, over all callers; the oldest is dropped for a new one.
pub const MOST: usize = 64;
/// Most conversations of one caller that wait; the oldest is dropped for a new one.
pub const MOST_OF_ONE: usize = 8;

/// The stage of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The form asks for the room, so that its people can be offered next.
    Room,
    /// The form asks for the other arguments, or for all if there is no stage for the room.
    Fields,
    /// The form asks to confirm an irreversible command.
    Confirm,
}

/// A conversation about one command.
#[derive(Debug)]
pub(super) struct Session {
    /// Full JID of the client that began it: only this client may continue it.
    pub(super) owner: String,
    /// Bare JID of the caller.
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
    /// Returns the conversation of that id, if this client began it and it is about this command.
    ///
    /// # Errors
    /// [`Refusal::BadSession`] if there is none, [`Refusal::Expired`] if it has waited for too long.
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

    /// Takes a conversation out, so that a step that is sent twice is taken once.
    pub(super) fn take(&mut self, id: &str) -> Option<Session> {
        self.all.remove(id).map(|(_, session)| session)
    }

    /// Lets a conversation wait for its next step; erases expired values, and drops the oldest beyond the limits.
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
