//! Another policy, for those who are there.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Shared;
use super::clock::now;
use super::parts;
use super::reading;
use super::rooms::{self, RoomError};
use crate::component::desk::{Consequences, Judged};
use crate::jid::BareJid;
use crate::policy::removal::admission;
use crate::policy::verdict::Effects;
use crate::wire::room::LiveRoom;

/// The number of looks at whether anyone is left.
const ROUNDS: u32 = 3;

/// The outcome: people by room, and the rooms that failed.
#[derive(Debug, Default)]
pub(super) struct Enforced {
    /// Were inside, and are out.
    pub(super) removed: Vec<(BareJid, BareJid)>,
    /// Waited, and were turned away.
    pub(super) turned_away: Vec<(BareJid, BareJid)>,
    /// Are inside or wait still.
    pub(super) failed: Vec<(BareJid, BareJid, RoomError)>,
    /// Services of which it is not known who is there.
    pub(super) unread: Vec<(Arc<str>, RoomError)>,
}

impl Enforced {
    fn is_new(&self, judged: &Judged) -> bool {
        let failed = self.failed.iter().map(|(room, jid, _)| (room, jid));
        let mut tried = self.turned_away.iter().map(|(room, jid)| (room, jid)).chain(failed);
        !tried.any(|one| judged.about() == Some(one))
    }
}

/// Removes those who may no longer be inside, lets in those who need not wait any more, and turns away those who could only
/// wait in vain, as the gates say who is there; and then those who came in meanwhile by an earlier decision.
pub(super) async fn enforce(shared: &Shared, consequences: Consequences) -> Enforced {
    let mut all = Enforced { unread: reading::catch_up(shared).await, ..Enforced::default() };
    let mut now_out = parts::misplaced(shared).await;
    let mut judged: HashSet<_> = consequences.removed.iter().filter_map(owned).collect();
    answer(shared, &consequences.let_in, true, &mut all).await;
    answer(shared, &consequences.turned_away, false, &mut all).await;
    for _ in 0..ROUNDS {
        now_out.removed.retain(|judged| all.is_new(judged));
        now_out.turned_away.retain(|judged| all.is_new(judged));
        if now_out.removed.is_empty() && now_out.turned_away.is_empty() {
            break;
        }
        let new = now_out.removed.iter().filter(|it| owned(it).is_some_and(|it| judged.insert(it)));
        let new: Vec<_> = new.cloned().collect();
        shared.desk().write_removals(&new, now());
        remove(shared, &now_out.removed, &mut all).await;
        answer(shared, &now_out.turned_away, false, &mut all).await;
        all.unread = reading::catch_up(shared).await;
        now_out = parts::misplaced(shared).await;
    }
    // A person who came in meanwhile may have been removed twice.
    all.removed.sort();
    all.removed.dedup();
    all
}

/// Rejects those who can only wait in vain by the policy in force, as far as is known here: it may be another one than that by
/// which they knocked.
pub(super) async fn turn_away(shared: &Shared) {
    // Those whom a ban rejects are named in its reply.
    let _alone = shared.banning.lock().await;
    let waiting = parts::misplaced(shared).await.turned_away;
    answer(shared, &waiting, false, &mut Enforced::default()).await;
}

fn owned(judged: &Judged) -> Option<(BareJid, BareJid)> {
    judged.about().map(|(room, jid)| (room.clone(), jid.clone()))
}

async fn remove(shared: &Shared, those: &[Judged], all: &mut Enforced) {
    for (room, jid, done) in rooms::remove_all(shared, those).await {
        match done {
            Ok(true) => all.removed.push((room, jid)),
            // They had left before.
            Ok(false) => {}
            Err(error) => all.failed.push((room, jid, error)),
        }
    }
}

async fn answer(shared: &Shared, those: &[Judged], lets_in: bool, all: &mut Enforced) {
    for judged in those {
        let Some((room, jid)) = judged.about() else { continue };
        match answer_one(shared, judged, (room, jid), lets_in).await {
            Ok(true) if !lets_in => all.turned_away.push((room.clone(), jid.clone())),
            Ok(_) => {}
            Err(error) => all.failed.push((room.clone(), jid.clone(), error)),
        }
    }
}

/// Returns whether they waited.
async fn answer_one(
    shared: &Shared,
    judged: &Judged,
    (room, jid): (&BareJid, &BareJid),
    lets_in: bool,
) -> Result<bool, RoomError> {
    let waited = AtomicBool::new(false);
    let effects = |live: &LiveRoom| {
        let waits = live.waiting.iter().any(|(who, _)| who.jid.as_ref() == Some(jid));
        waited.store(waits, Ordering::Relaxed);
        let effects = match (waits, lets_in) {
            (false, _) => Effects::default(),
            (true, true) => admission(jid, live.person.as_ref()),
            (true, false) => Effects { reject: vec![(jid.clone(), None)], ..Effects::default() },
        };
        (effects, Vec::new())
    };
    let action = if lets_in { "admitted" } else { "rejected" };
    let rule = judged.decision.rule.name;
    match rooms::apply(shared, room, Some(jid), effects).await {
        Ok(()) => {
            let waited = waited.into_inner();
            if waited {
                shared.desk().audit().event(action, room.as_str(), rooms::about(jid), now());
                tracing::info!(?room, ?jid, rule, "{action}: the policy has changed meanwhile");
            }
            Ok(waited)
        }
        Err(RoomError::None(_)) => Ok(false),
        Err(error) => {
            tracing::warn!(?room, ?jid, %error, "a person who waits could not be answered");
            Err(error)
        }
    }
}
