//! What is done with one room.

use std::sync::Arc;

use jid::BareJid;
use serde_json::{Value, json};

use super::Operator;
use crate::app::clock::now;
use crate::app::rooms::{address, apply};
use crate::control::Failure;
use crate::policy::close::closing;
use crate::policy::rules::Rules;
use crate::policy::verdict::Effects;
use crate::wire::answer::end;
use crate::wire::room::LiveRoom;
use crate::xmpp::Element;

impl Operator {
    /// Lets nobody else in, or people in again.
    pub(super) async fn close(&self, room: &str, close: bool) -> Result<Value, Failure> {
        self.change(room, None, |live| (closing(&live.view, close, now()), Vec::new())).await
    }

    /// Everybody out, and the room is no more.
    pub(super) async fn end(&self, room: &str, reason: &str) -> Result<Value, Failure> {
        self.change(room, None, |_| (Effects::default(), vec![end(reason)])).await
    }

    /// The rules for a room as far as it is known.
    pub(super) fn rules(&self, room: &str) -> Arc<Rules> {
        let desk = self.shared.desk();
        desk.live().rules(desk.policy(), room.parse().ok().as_ref())
    }

    /// Changes a room by what `effects` makes of it, and of what it remembers of `person`.
    pub(super) async fn change(
        &self,
        room: &str,
        person: Option<&BareJid>,
        effects: impl Fn(&LiveRoom) -> (Effects, Vec<Element>),
    ) -> Result<Value, Failure> {
        let jid = address(room)?;
        apply(&self.shared, &jid, person, effects).await?;
        Ok(json!({ "room": jid.as_str() }))
    }
}
