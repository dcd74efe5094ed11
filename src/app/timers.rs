//! Seeing to rooms whose time has come.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::clock::now;
use super::tasks::guarded;
use super::trials::{Outcome, Trials};
use super::{Shared, rooms};
use crate::component::timetable::{due_again, timetable};
use crate::jid::BareJid;
use crate::policy::timers::{Deed, Due, effects};
use crate::policy::verdict::Effects;
use crate::wire::answer::{Only, end, only};
use crate::wire::room::LiveRoom;

/// We look at least that often: rooms change meanwhile.
const LOOK: Duration = Duration::from_secs(1);
/// Rooms that are seen to at the same time; the others have their turn a moment later.
const AT_ONCE: usize = 50;

/// Watches until aborted.
pub(super) async fn watch(shared: Shared) {
    let mut trials = Trials::default();
    let mut said = Said::default();
    let mut running = JoinSet::new();
    let mut pause = LOOK;
    loop {
        tokio::select! {
            () = sleep(pause) => {}
            Some(ended) = running.join_next() => {
                if let Ok((room, outcome)) = ended {
                    trials.ended(&room, outcome, now());
                }
            }
        }
        pause = LOOK;
        if !shared.link.is_up() {
            continue;
        }
        let table = timetable(&shared.desk(), now());
        if let Some(next) = table.next {
            let left = Duration::try_from(next.duration_since(now())).unwrap_or_default();
            pause = pause.min(left);
        }
        said.tell(&shared, table.would);
        trials.keep(table.due.iter().map(|(room, _)| room));
        for (room, due) in table.due {
            if running.len() < AT_ONCE && trials.start(&room, false, now()) {
                let shared = shared.clone();
                running.spawn(async move {
                    let outcome =
                        guarded("what is due in a room", carry_out(&shared, &room, &due)).await;
                    (room, outcome.unwrap_or(Outcome::Failed))
                });
            }
        }
    }
}

/// What would be due if the rules that are only observed were enforced, and was written down once.
#[derive(Debug, Default)]
struct Said(HashSet<(BareJid, &'static str)>);

impl Said {
    fn tell(&mut self, shared: &Shared, would: Vec<(BareJid, Due)>) {
        let before = std::mem::take(&mut self.0);
        for (room, Due { rule, deed }) in would {
            let one = (room, rule.name);
            if !before.contains(&one) {
                shared.desk().timed(deed.name(), &one.0, rule, true, now());
            }
            self.0.insert(one);
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
