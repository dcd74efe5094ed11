//! Attempts that a person only describes: what would be decided on them.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{Desk, Mode};
use crate::component::observe::as_if_open;
use crate::policy::attempt::{Action, Attempt, Credential, RoomView};
use crate::policy::decide::decide;
use crate::policy::explain::{Explanation, explain};
use crate::policy::facts::Facts;
use crate::policy::pressure::Pressure;

impl Desk {
    /// Completes what a person has described by what else is known, as with a question of a gate, and the room by what
    /// becomes of it before that question is answered.
    pub fn complete(
        &self,
        attempt: Attempt,
        mut room: RoomView,
        now: Timestamp,
    ) -> (Attempt, RoomView) {
        let Some(jid) = attempt.room.clone() else { return (attempt, room) };
        room.nobody_logs_in = self.nobody_logs_in(jid.domain());
        let mut attempt = self.noted(Cow::Owned(attempt), now);
        let joins = matches!(attempt.action, Action::Join { .. });
        if self.mode == Mode::Enforce && joins && room.record.is_none() {
            room = self.adopted(&attempt, room, now);
        }
        if let Action::Join { credential } = &mut attempt.to_mut().action
            && !room.has_password
        {
            *credential = Credential::None;
        }
        if self.mode == Mode::Observe && !matches!(attempt.action, Action::Open { .. }) {
            let known = self.live.room(&jid).map(|room| room.claims()).unwrap_or_default();
            as_if_open(&mut room, known, now);
        }
        let rules = self.live.rules_of(&self.policy, &attempt, &room, now);
        self.look_for_namesake(&mut attempt, &rules);
        if self.mode == Mode::Observe && !matches!(attempt.action, Action::Open { .. }) {
            room.has_password |= rules.password.required.value;
        }
        (attempt.into_owned(), room)
    }

    /// A room to which no policy was applied yet, once the first join has brought it under this one.
    fn adopted(&self, attempt: &Attempt, room: RoomView, now: Timestamp) -> RoomView {
        let open = Attempt { action: Action::Open { typed: None }, ..attempt.clone() };
        let before = RoomView { exists: true, ..room };
        let rules = self.live.rules_of(&self.policy, &open, &before, now);
        let decided = decide(&self.policy, &rules, &open, &before, &Pressure::default(), now);
        let effects = decided.effects;
        RoomView {
            has_password: before.has_password || effects.password.is_some(),
            members_only: effects.members_only.unwrap_or(before.members_only),
            persistent: effects.persistent.unwrap_or(before.persistent),
            record: effects.record,
            exists: false,
            unasked: false,
            ..before
        }
    }

    /// Explains an attempt at a room as it is.
    pub fn explain<'a>(
        &self,
        attempt: &'a Attempt,
        room: &'a RoomView,
        now: Timestamp,
    ) -> (Explanation, Facts<'a>) {
        let rules = self.live.rules_of(&self.policy, attempt, room, now);
        let pressure = self.pressure(attempt, &rules, now);
        let explanation = explain(&self.policy, &rules, attempt, room, &pressure, now);
        (explanation, Facts::of(&self.policy, &rules, attempt, room, &pressure))
    }
}
