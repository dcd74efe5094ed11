//! Seeing to rooms whose time has come.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::clock::now;
use super::trials::{Outcome, see_to_rooms};
use super::{Shared, rooms};
use crate::component::desk::Desk;
use crate::component::registry::Watch;
use crate::component::timetable::{due_again, timetable};
use crate::jid::BareJid;
use crate::policy::timers::{Deed, Due, effects};
use crate::policy::verdict::Effects;
use crate::wire::answer::{Only, end, only};
use crate::wire::room::LiveRoom;

/// Watches until aborted.
pub(super) async fn watch(shared: Shared) {
    let mut said = Said::default();
    let look = move |desk: &mut Desk, most, now| {
        let looked = timetable(desk, most, now).into_iter().map(|(room, look)| {
            said.tell(desk, &room, look.would, now);
            (room, look.due)
        });
        looked.collect()
    };
    let see_to = |shared: Shared, room, due| async move { carry_out(&shared, &room, &due).await };
    see_to_rooms(shared, Watch::Timers, "what is due in a room", look, |_| false, see_to).await;
}

/// The actions due by observed rules that were written down once, by room.
#[derive(Debug, Default)]
struct Said(HashMap<BareJid, &'static str>);

impl Said {
    fn tell(&mut self, desk: &Desk, room: &BareJid, would: Option<Due>, now: Timestamp) {
        let Some(Due { rule, deed }) = would else {
            self.0.remove(room);
            return;
        };
        if self.0.insert(room.clone(), rule.name) != Some(rule.name) {
            desk.timed(deed.name(), room, rule, true, now);
        }
    }
}

/// Does what is due, if it still is when the gate is asked.
async fn carry_out(shared: &Shared, room: &BareJid, due: &Due) -> Outcome {
    let done = Mutex::new(None);
    let make = |live: &LiveRoom| {
        let again = due_again(&mut shared.desk(), live, now());
        *done.lock().unwrap_or_else(PoisonError::into_inner) = again;
        let Some(Due { deed, .. }) = again else { return (Effects::default(), Vec::new()) };
        let more = match deed {
            Deed::End(notice) => {
                let policy = Arc::clone(shared.desk().policy());
                vec![end(&policy.texts.notice(notice, None).text)]
            }
            Deed::Close(_) | Deed::Calm | Deed::Warn { .. } => Vec::new(),
        };
        let more = more
            .into_iter()
            .chain(deed.is_for_want_of_a_moderator().then(|| only(Only::Unmoderated)));
        (effects(deed, &live.view, now()), more.collect())
    };
    let result = rooms::apply(shared, room, None, make).await;
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    match (result, done) {
        (Ok(()), Some(Due { deed, rule })) => {
            let mut desk = shared.desk();
            if deed == Deed::Calm {
                desk.calmed(room);
            }
            desk.timed(deed.name(), room, rule, false, now());
            Outcome::Done(SignedDuration::ZERO)
        }
        // It is not due any more, which we know now.
        (Ok(()), None) => Outcome::Done(SignedDuration::ZERO),
        (Err(error), _) => {
            let (room, rule) = (room.as_str(), due.rule.name);
            tracing::warn!(room, rule, %error, "what was due in a room could not be done");
            Outcome::Failed
        }
    }
}
