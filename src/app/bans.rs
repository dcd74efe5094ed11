//! The bans that operators make: stored in the database, and in force in addition to those of the file.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

use super::clock::now;
use super::reload::enforce;
use super::{Shared, rooms};
use crate::component::engine::Consequences;
use crate::policy::Policy;
use crate::policy::bans::{self, Banned, Bans, Origin};
use crate::policy::room_name::pattern;
use crate::store::{Ban, Store, StoreError};

/// The interval at which bans that are only in memory are offered to the database.
const AGAIN: Duration = Duration::from_secs(5);

/// The runtime bans, by where they are stored.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// Bans in the database, which survive a restart.
    pub(super) stored: Vec<Ban>,
    /// Bans that are only in memory: there is no database, or it has not accepted them yet.
    pub(super) unstored: Vec<Ban>,
    /// Ids of lifted bans that the database still has, because it has not accepted the change yet.
    pub(super) unlifted: Vec<String>,
}

impl Pages {
    /// Reads the bans from the database, and compiles them.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(super) async fn read(store: &Store) -> Result<(Self, Bans), StoreError> {
        let pages = Self { stored: store.bans().await?, ..Self::default() };
        let compiled = compile(pages.all(), now());
        Ok((pages, compiled))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Ban> {
        self.stored.iter().chain(&self.unstored)
    }

    /// Records that the database has accepted a ban, by reading its bans again.
    pub(super) async fn taken(&mut self, store: &Store, ban: Ban) {
        match store.bans().await {
            Ok(kept) => self.stored = self.not_lifted(kept),
            Err(_) => self.stored.push(ban),
        }
    }

    /// Removes the bans that were lifted from those of the database.
    fn not_lifted(&self, mut kept: Vec<Ban>) -> Vec<Ban> {
        kept.retain(|ban| !self.unlifted.contains(&ban.id));
        kept
    }
}

/// Compiles bans for lookup. A ban that cannot be parsed is left out, with an error in the log.
fn compile<'a>(kept: impl IntoIterator<Item = &'a Ban>, now: Timestamp) -> Bans {
    let mut compiled = Bans::default();
    for ban in kept.into_iter().filter(|ban| holds(ban, now)) {
        let rooms = ban.room.as_deref().map(pattern).transpose();
        match (Banned::read(&ban.who), rooms.map_err(|error| error.to_string())) {
            (Ok(whom), Ok(rooms)) => {
                let rooms = rooms.map(|rooms| rooms.compile_matcher());
                let origin = Origin::Made(ban.id.clone());
                let reason = ban.reason.clone();
                compiled.ban(whom, bans::Ban { origin, until: ban.until, rooms, reason });
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(ban = ban.id, error, "a ban of the database is not in force");
            }
        }
    }
    compiled
}

/// Returns whether a ban has not expired.
pub(super) fn holds(ban: &Ban, now: Timestamp) -> bool {
    ban.until.is_none_or(|until| now < until)
}

/// Puts these bans in force instead of the earlier ones; returns the consequences for the people in rooms.
pub(super) async fn activate(shared: &Shared, bans: &Pages) -> Consequences {
    // A reload must not replace the policy meanwhile.
    let _alone = shared.reloading.lock().await;
    let made = Arc::new(compile(bans.all(), now()));
    let running = Arc::clone(shared.engine().policy());
    let policy = Arc::new(Policy { made, ..Policy::clone(&running) });
    let before = shared.engine().replace_policy(policy);
    rooms::judge_again(shared, before).await
}

/// Offers the database the bans that are only in memory. The list is not locked meanwhile: a ban that is lifted during
/// the transfer is lifted in the database afterwards.
async fn offer(shared: &Shared, store: &Store) {
    let unlifted = shared.bans.lock().await.unlifted.clone();
    if !unlifted.is_empty() {
        if store.lift_bans(unlifted.clone()).await.is_err() {
            return;
        }
        shared.bans.lock().await.unlifted.retain(|id| !unlifted.contains(id));
        tracing::info!(bans = ?unlifted, "the audit database has taken that bans were lifted");
    }
    let unstored = shared.bans.lock().await.unstored.clone();
    for ban in unstored {
        if store.add_ban(ban.clone()).await.is_err() {
            return; // it takes no other either
        }
        let mut book = shared.bans.lock().await;
        let before = book.unstored.len();
        book.unstored.retain(|one| one.id != ban.id);
        if book.unstored.len() == before {
            if let Err(error) = store.lift_bans(vec![ban.id.clone()]).await {
                tracing::warn!(ban = ban.id, %error, "a ban is lifted, and stored still");
                book.unlifted.push(ban.id);
            }
            continue;
        }
        let id = ban.id.clone();
        tracing::info!(ban = id, "the audit database has taken a ban that was only in memory");
        book.taken(store, ban).await;
        if !book.stored.iter().any(|ban| ban.id == id) {
            // An earlier attempt had written it, and another server has lifted it since.
            let _alone = shared.banning.lock().await;
            let consequences = activate(shared, &book).await;
            enforce(shared, consequences).await;
        }
    }
}

/// Follows the bans that other servers write to the database, and offers it those that are only in memory.
pub(super) async fn watch(shared: Shared) {
    let store = shared.engine().audit().store().map(Arc::clone);
    let Some(store) = store else { return pending().await };
    let mut changes = store.watch_bans();
    loop {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = sleep(AGAIN) => {
                offer(&shared, &store).await;
                continue;
            }
        }
        let mut book = shared.bans.lock().await;
        match store.bans().await {
            Ok(kept) if book.not_lifted(kept.clone()) == book.stored => {}
            Ok(kept) => {
                book.stored = book.not_lifted(kept);
                let _alone = shared.banning.lock().await;
                let consequences = activate(&shared, &book).await;
                enforce(&shared, consequences).await;
            }
            Err(error) => tracing::error!(%error, "the bans of the database are not known"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_or_cannot_be_read_is_not_in_force() {
        let ban = |who: &str, until: Option<Timestamp>| Ban {
            id: "1".to_owned(),
            who: who.to_owned(),
            room: None,
            until,
            reason: String::new(),
            by: "root".to_owned(),
            at: Timestamp::UNIX_EPOCH,
        };
        let now = Timestamp::UNIX_EPOCH;
        assert!(compile(&[ban("bob@example.org", Some(now)), ban("bob@", None)], now).is_empty());
        assert!(!compile(&[ban("bob@example.org", None)], now).is_empty());
    }
}
