//! What is done with people in one room.

use std::iter;

use serde_json::Value;

use super::Operator;
use super::failure::conflict;
use crate::app::clock::now;
use crate::app::rooms::{RoomError, address, room};
use crate::control::{Failure, Length};
use crate::jid::BareJid;
use crate::policy::attempt::Requester;
use crate::policy::record::Record;
use crate::policy::removal::{Removal, admission, keep_out, lift, taken};
use crate::policy::verdict::Effects;
use crate::wire::answer::remove;
use crate::wire::room::LiveRoom;

impl Operator {
    /// Lets somebody in who waits.
    pub(super) async fn admit(&self, room: &str, jid: String) -> Result<Value, Failure> {
        let jid = self.person(room, jid).await?;
        let rules = self.rules(room);
        let admit = |live: &LiveRoom| {
            let who = Requester { jid: Some(jid.clone()), ..Requester::default() };
            let record = changed(live, |record| lift(record, &rules.removal, &who));
            let effects = Effects { record, ..admission(&jid, live.person) };
            (effects, Vec::new())
        };
        self.change(room, Some(&jid), admit).await
    }

    /// Turns somebody away who waits.
    pub(super) async fn reject(&self, room: &str, jid: String) -> Result<Value, Failure> {
        let jid = self.person(room, jid).await?;
        let reject = |_: &LiveRoom| {
            (Effects { reject: vec![(jid.clone(), None)], ..Effects::default() }, Vec::new())
        };
        self.change(room, None, reject).await
    }

    /// Removes somebody, who stays out for so long, or as long as the room's rules say.
    pub(super) async fn remove(
        &self,
        room: &str,
        jid: String,
        reason: &str,
        stays_out: Option<&Length>,
    ) -> Result<Value, Failure> {
        let jid = self.person(room, jid).await?;
        let rules = self.rules(room);
        let mut removal = Removal::clone(&rules.removal);
        if let Some(time) = stays_out {
            if removal.keep_out.value.is_none() {
                return Err(conflict(
                    "`removal.keep_out` is \"never\" for this room, so nobody is kept out of it: ban him from it instead",
                ));
            }
            removal.keep_out.value = Some(time.time());
        }
        let remove = |live: &LiveRoom| {
            let away = Requester { jid: Some(jid.clone()), ..Requester::default() };
            let inside = live.occupants.iter().filter(|who| who.jid == away.jid);
            let record = changed(live, |record| {
                for who in iter::once(&away).chain(inside) {
                    keep_out(record, &removal, who, now());
                }
            });
            let taken = taken(live.person, live.affiliation);
            let people = vec![(jid.clone(), taken)];
            let effects = Effects { record, people, ..Effects::default() };
            (effects, vec![remove(&jid, reason)])
        };
        self.change(room, Some(&jid), remove).await
    }

    /// Returns the person of that address: as somebody wrote it, prepared; or, where it is none, as the server has
    /// stamped it on somebody who is in the room or waits. Whoever came in before the gate may have such an address.
    async fn person(&self, name: &str, text: String) -> Result<BareJid, RoomError> {
        let error = match text.parse() {
            Ok(jid) => return Ok(jid),
            Err(error) => error,
        };
        let stamped = BareJid::stamped(text.trim());
        let live = room(&self.shared, &address(name)?, None).await?;
        let waiting = live.waiting.iter().map(|(who, _)| who);
        let is_there = live.occupants.iter().chain(waiting).any(|who| who.jid == stamped);
        stamped.filter(|_| is_there).ok_or(RoomError::Person(text, error))
    }
}

/// The room's record, with this change. `None`: there is none, or it stays as it is.
fn changed(live: &LiveRoom, change: impl FnOnce(&mut Record)) -> Option<Record> {
    let before = live.view.record.as_ref()?;
    let mut after = before.clone();
    change(&mut after);
    (after != *before).then_some(after)
}
