//! Looking on without a hand in it.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::policy::attempt::{Action, Attempt, RoomView};
use crate::policy::record::Record;
use crate::policy::selector::Claim;
use crate::wire::question::Question;

/// Returns the attempt and the room as they would be if the policy were in force. As it is not, nothing is ever written into a room: one
/// that is there is taken for one that is simply open, and who joins it, for a person who joins.
/// `claims`: what its record would keep of its opener.
pub(super) fn as_if_enforced<'a>(
    question: &'a Question,
    claims: &[Claim],
    now: Timestamp,
) -> (Cow<'a, Attempt>, RoomView) {
    let mut attempt = Cow::Borrowed(&question.attempt);
    let mut room = question.room.clone();
    if room.exists && matches!(attempt.action, Action::Open { .. }) {
        attempt.to_mut().action = Action::Join { credential: question.credential };
    }
    if !matches!(attempt.action, Action::Open { .. }) {
        as_if_open(&mut room, claims, now);
    }
    (attempt, room)
}

/// The room has a record, if only this one.
pub(super) fn as_if_open(room: &mut RoomView, claims: &[Claim], now: Timestamp) {
    if room.record.is_none() {
        let mut record = Record::new(now, String::new(), None);
        record.claims = claims.to_vec();
        record.found = room.is_found();
        room.record = Some(record);
    }
}
