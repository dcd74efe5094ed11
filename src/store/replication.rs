//! Replication between servers through a shared database.
//!
//! This server's file comes first: decisions never wait for the database, and what was written while it was
//! unreachable is in the file. Entries are copied from there, in order, beginning after the last that the database
//! has; bans go both ways and are merged, so that repetition does no harm; and the other servers' actions are
//! shown in the event stream of this server.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::backend::StoreError;
use super::entry::Entry;
use super::postgres::Postgres;
use super::postgres::session::Session;
use super::query::Query;
use super::writer::Store;
use crate::config::PostgresAddress;

/// Interval at which the file is read for new entries.
const TICK: Duration = Duration::from_millis(200);
/// Interval at which the database is polled without a notification, which also shows whether it can be reached.
const BEAT: Duration = Duration::from_secs(2);
/// Interval at which old entries are deleted.
const TRIM: Duration = Duration::from_secs(60);
/// Most entries that are sent in one step.
const BATCH: u32 = 500;
/// Interval at which waiting entries are counted while the database is unreachable.
const COUNT: Duration = Duration::from_secs(1);
/// The first and the longest pause before an unreachable database is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(8));

/// The state of the database that servers share.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub struct SharedState {
    /// Name of this server in the database.
    pub server: String,
    /// Since when the database has been unreachable; absent while it can be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::schema::Moment>")]
    pub away_since: Option<Timestamp>,
    /// Why the database is unreachable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Entries that are in this server's file and not in the database yet.
    pub waiting: u64,
    /// Entries that the database has refused since the start.
    pub refused: u64,
}

/// Replicates the entries and the bans of one server.
#[derive(Debug)]
pub struct Exchange {
    address: Arc<PostgresAddress>,
    server: Arc<str>,
    store: Arc<Store>,
    now: fn() -> Timestamp,
    /// Age at which entries are deleted from the database; `None`: never.
    keep: Option<Duration>,
    /// Number of the last entry known to be in the database; `None` before the first session.
    shipped: Option<i64>,
    /// Arrival number of the last action of other servers that was shown; `None` before the first session.
    shown: Option<i64>,
}

impl Exchange {
    /// Replicates between the store and the database at that address. `server`: this server's name in the database,
    /// which keeps its entries for the time `keep`.
    pub fn new(
        address: Arc<PostgresAddress>,
        server: Arc<str>,
        store: Arc<Store>,
        keep: Option<Duration>,
        now: fn() -> Timestamp,
    ) -> Self {
        let (name, away_since) = (server.to_string(), Some(now()));
        let state = SharedState { server: name, away_since, ..SharedState::default() };
        store.has_in_common(Arc::new(Postgres::new(Arc::clone(&address))), state, now);
        Self { address, server, store, now, keep, shipped: None, shown: None }
    }

    /// Runs until it is dropped. `show` receives the actions of other servers.
    pub async fn run(mut self, show: impl Fn(Arc<Entry>) + Send + Sync) {
        let (first, longest) = PAUSES;
        let mut pause = first;
        loop {
            let Err(trouble) = self.session(&show, &mut pause).await;
            let until = Instant::now().checked_add(pause);
            self.away(&trouble).await;
            while let Some(rest) =
                until.map(|until| until.saturating_duration_since(Instant::now()))
                && !rest.is_zero()
            {
                sleep(rest.min(COUNT)).await;
                let waiting = self.waiting().await;
                self.store.shared(|state| state.waiting = waiting);
            }
            pause = pause.saturating_mul(2).min(longest);
        }
    }

    /// Runs one session until it fails.
    async fn session(
        &mut self,
        show: &(impl Fn(Arc<Entry>) + Send + Sync),
        pause: &mut Duration,
    ) -> Result<std::convert::Infallible, StoreError> {
        let news = Arc::<Notify>::default();
        let mut session = Session::open(&self.address, Arc::clone(&news)).await?;
        session.prepare().await?;
        session.enter(&self.server).await?;
        self.shipped = Some(session.last_of(&self.server).await?);
        if self.shown.is_none() {
            self.shown = Some(session.newest_action().await?);
        }
        // Numbers of the last changes of bans that were sent, and received, each as counted by the side that made them.
        let (mut told_to, mut heard_to) = (0, 0);
        let mut bans = self.store.watch_bans();
        let mut told = false;
        let (mut asked, mut trimmed) = (None::<Instant>, None::<Instant>);
        *pause = PAUSES.0;
        loop {
            if !told || bans.has_changed().unwrap_or_default() {
                bans.mark_unchanged();
                told = self.tell_bans(&mut session, &mut told_to).await?;
            }
            if asked.is_none_or(|asked| asked.elapsed() >= BEAT) {
                self.hear_bans(&session, &mut heard_to).await?;
                self.hear_actions(&session, show).await?;
                asked = Some(Instant::now());
            }
            if trimmed.is_none_or(|trimmed| trimmed.elapsed() >= TRIM)
                && !self.trim(&session).await?
            {
                trimmed = Some(Instant::now());
            }
            let more = self.ship(&mut session).await?;
            self.there(more).await;
            if more {
                continue;
            }
            tokio::select! {
                () = news.notified() => asked = None,
                _ = bans.changed() => told = false,
                () = sleep(TICK) => {}
            }
        }
    }

    /// Deletes a page of this server's entries that are too old; returns whether there may be more.
    async fn trim(&self, session: &Session) -> Result<bool, StoreError> {
        let age = self.keep.and_then(|age| SignedDuration::try_from(age).ok());
        match age.and_then(|age| (self.now)().checked_sub(age).ok()) {
            Some(before) => session.trim(&self.server, before).await,
            None => Ok(false),
        }
    }

    /// Sends the bans that changed here after the change `last`; returns whether all of them were sent.
    async fn tell_bans(&self, session: &mut Session, last: &mut i64) -> Result<bool, StoreError> {
        while let Some(changes) = here(self.store.ban_changes(*last).await) {
            let Some(&(newest, _)) = changes.last() else { return Ok(true) };
            let bans: Vec<_> = changes.into_iter().map(|(_, state)| state).collect();
            session.merge_bans(&bans).await?;
            *last = newest;
        }
        Ok(false)
    }

    /// Receives the bans that changed in the database after the change `last`.
    async fn hear_bans(&self, session: &Session, last: &mut i64) -> Result<(), StoreError> {
        loop {
            let changes = session.ban_changes(*last).await?;
            let Some(&(newest, _)) = changes.last() else { return Ok(()) };
            let bans = changes.into_iter().map(|(_, state)| state).collect();
            if here(self.store.merge_bans(bans).await).is_none() {
                return Ok(());
            }
            *last = newest;
        }
    }

    /// Shows the actions of other servers that have arrived since the last one shown.
    async fn hear_actions(
        &mut self,
        session: &Session,
        show: &(impl Fn(Arc<Entry>) + Send + Sync),
    ) -> Result<(), StoreError> {
        let newest = session.newest_action().await?;
        while let Some(shown) = self.shown.filter(|shown| *shown < newest) {
            let actions = session.actions(shown, &self.server).await?;
            // Beyond the last page there are only this server's own actions.
            self.shown = Some(actions.last().map_or(newest, |(arrival, _)| *arrival));
            actions.into_iter().for_each(|(_, action)| show(Arc::new(action)));
        }
        Ok(())
    }

    /// Sends the next entries; returns whether there are more.
    async fn ship(&mut self, session: &mut Session) -> Result<bool, StoreError> {
        let query = Query { after: self.shipped, limit: Some(BATCH), ..Query::default() };
        let Some(entries) = here(self.store.search(query).await) else { return Ok(false) };
        let Some(last) = entries.last().map(|entry| entry.seq) else { return Ok(false) };
        match session.ship(&entries).await {
            Err(trouble) if trouble.lasts() => {
                // An entry that is refused must not take others with it.
                for entry in entries.chunks(1) {
                    match session.ship(entry).await {
                        Err(trouble) if trouble.lasts() => {
                            tracing::error!(%trouble, "an entry of the audit is in the file only");
                            self.store.shared(|it| it.refused = it.refused.saturating_add(1));
                        }
                        done => done?,
                    }
                }
            }
            done => done?,
        }
        self.shipped = Some(last);
        Ok(u32::try_from(entries.len()).is_ok_and(|count| count >= BATCH))
    }

    /// Records that the database has answered.
    async fn there(&self, more: bool) {
        let waiting = if more { self.waiting().await } else { 0 };
        let is_news = self.store.shared(|state| {
            state.trouble = None;
            state.waiting = waiting;
            state.away_since.take().is_some()
        });
        if is_news == Some(true) {
            tracing::info!(database = %self.address, "the servers' database is there");
        }
    }

    /// Records that the database is unreachable.
    async fn away(&self, trouble: &StoreError) {
        let (waiting, now) = (self.waiting().await, (self.now)());
        let before = self.store.shared(|state| {
            state.away_since.get_or_insert(now);
            state.waiting = waiting;
            state.trouble.replace(trouble.to_string())
        });
        if before.flatten().as_deref() != Some(&*trouble.to_string()) {
            tracing::error!(%trouble, waiting, "the servers' database is away; what is for it waits in the file");
        }
    }

    async fn waiting(&self) -> u64 {
        let after = self.shipped.unwrap_or(self.store.last());
        let count = here(self.store.count_after(after).await).unwrap_or_default();
        u64::try_from(count).unwrap_or_default()
    }
}

/// Returns the result of an operation on this server's file. The store reports a failure itself; it is tried again.
fn here<T>(done: Result<T, StoreError>) -> Option<T> {
    done.inspect_err(|error| tracing::debug!(%error, "the file does not answer")).ok()
}
