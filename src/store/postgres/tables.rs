//! Reads and writes of the tables, each one step of a [`Session`].

use std::borrow::Borrow;
use std::sync::Arc;

use jiff::Timestamp;
use tokio_postgres::types::ToSql;

use super::rows;
use super::search::search;
use super::session::{Session, in_time};
use super::trouble::Trouble;
use crate::store::ban::{Ban, BanState};
use crate::store::entry::{Entry, Kind};
use crate::store::query::Query;

/// Held by who writes what others read on from where they were, so that numbers come in the order of the commits:
/// "vest" and "news" in ASCII.
const LOCK: i64 = 0x7665_7374_6e65_7773;
/// Rows that are read at once.
pub(in crate::store) const PAGE: i64 = 500;

impl Session {
    /// Writes entries, all or none.
    pub(in crate::store) async fn append<E: Borrow<Entry>>(
        &mut self,
        entries: &[E],
    ) -> Result<(), Trouble> {
        self.insert(rows::INSERT, entries).await
    }

    /// Writes entries, all or none. Those that are there already stay as they are.
    pub(in crate::store) async fn ship(&mut self, entries: &[Entry]) -> Result<(), Trouble> {
        self.insert(&format!("{}{}", rows::INSERT, rows::AGAIN), entries).await
    }

    async fn insert<E: Borrow<Entry>>(
        &mut self,
        statement: &str,
        entries: &[E],
    ) -> Result<(), Trouble> {
        let has_action = entries.iter().any(|entry| entry.borrow().kind == Kind::Action);
        self.write(statement, rows::entries(entries), has_action).await.map(drop)
    }

    /// Writes bans, and that bans were lifted; how many were news.
    pub(in crate::store) async fn merge_bans(&mut self, bans: &[BanState]) -> Result<u64, Trouble> {
        self.write(rows::MERGE, rows::bans(bans), true).await
    }

    /// Writes all or none. With `tell`, the others are told when it is done.
    async fn write(
        &mut self,
        statement: &str,
        columns: Vec<Box<dyn ToSql + Sync + Send>>,
        tell: bool,
    ) -> Result<u64, Trouble> {
        let database = Arc::clone(&self.database);
        let transacted = async {
            let transaction = self.client.transaction().await?;
            if tell {
                transaction.execute("select pg_advisory_xact_lock($1)", &[&LOCK]).await?;
            }
            let written = transaction.execute(statement, &rows::parameters(&columns)).await?;
            if tell && written > 0 {
                transaction.execute("notify vestibule", &[]).await?;
            }
            transaction.commit().await?;
            Ok(written)
        };
        in_time(&database, transacted).await
    }

    /// The entries that a query is for, in the order of their numbers.
    pub(in crate::store) async fn search(&self, query: &Query) -> Result<Vec<Entry>, Trouble> {
        let search = search(query);
        let found = self.rows(&search.sql, &rows::parameters(&search.values), rows::entry).await;
        found.map(|mut found| {
            if !query.goes_forward() {
                found.reverse();
            }
            found
        })
    }

    /// The greatest number of this server's entries, or of all; 0: there is none.
    pub(in crate::store) async fn last(&self, server: Option<&str>) -> Result<i64, Trouble> {
        match server {
            Some(server) => {
                let last = "select coalesce(max(seq), 0) from vestibule_entry where server = $1";
                self.step(self.client.query_one_scalar(last, &[&server])).await
            }
            None => {
                let last = "select coalesce(max(seq), 0) from vestibule_entry";
                self.step(self.client.query_one_scalar(last, &[])).await
            }
        }
    }

    /// Returns the number of entries that have a greater number.
    pub(in crate::store) async fn count_after(&self, seq: i64) -> Result<i64, Trouble> {
        let count = "select count(*) from vestibule_entry where seq > $1";
        self.step(self.client.query_one_scalar(count, &[&seq])).await
    }

    /// Every ban that was not lifted, the oldest first.
    pub(in crate::store) async fn bans(&self) -> Result<Vec<Ban>, Trouble> {
        let sql =
            format!("select {} from vestibule_ban where not lifted order by at, id", rows::BAN);
        self.rows(&sql, &[], |row| rows::ban(row).map(|(_, state)| state.ban)).await
    }

    /// Returns where the newest action is, in the order of arrival; 0: there is none.
    pub(in crate::store) async fn newest_action(&self) -> Result<i64, Trouble> {
        let newest = "select coalesce(max(arrival), 0) from vestibule_entry where kind = 'action'";
        self.step(self.client.query_one_scalar(newest, &[])).await
    }

    /// A page of the other servers' actions that arrived after that one, each with where it is.
    pub(in crate::store) async fn actions(
        &self,
        after: i64,
        server: &str,
    ) -> Result<Vec<(i64, Entry)>, Trouble> {
        let sql = format!(
            "select {}, arrival from vestibule_entry where kind = 'action' and arrival > $1 and server <> $2 \
             order by arrival limit {PAGE}",
            rows::COLUMNS
        );
        self.rows(&sql, &[&after, &server], |row| Ok((row.try_get(23)?, rows::entry(row)?))).await
    }

    /// Lifts the bans of these ids; those that were there.
    pub(in crate::store) async fn lift_bans(
        &mut self,
        ids: &[String],
    ) -> Result<Vec<Ban>, Trouble> {
        let sql = format!(
            "select {} from vestibule_ban where id = any($1) and not lifted order by at, id",
            rows::BAN
        );
        let ban = |row: &_| rows::ban(row).map(|(_, state)| state.ban);
        let lifted = self.rows(&sql, &[&ids], ban).await?;
        let state = |ban: &Ban| BanState { ban: ban.clone(), lifted: true };
        self.merge_bans(&lifted.iter().map(state).collect::<Vec<_>>()).await?;
        Ok(lifted)
    }

    /// A page of the bans that have changed after that change, each with the number of its own.
    pub(in crate::store) async fn ban_changes(
        &self,
        after: i64,
    ) -> Result<Vec<(i64, BanState)>, Trouble> {
        let sql = format!(
            "select {} from vestibule_ban where change > $1 order by change limit {PAGE}",
            rows::BAN
        );
        self.rows(&sql, &[&after], rows::ban).await
    }

    /// Removes a page of this server's entries from before that moment, the oldest first; whether there may be more.
    /// Policies stay: decisions that stay were made by them.
    pub(in crate::store) async fn trim(
        &self,
        server: &str,
        before: Timestamp,
    ) -> Result<bool, Trouble> {
        // The numbers are moments too, and there is an index of them.
        let sql = format!(
            "delete from vestibule_entry where server = $1 and seq in (select seq from vestibule_entry \
             where server = $1 and seq < $2 and kind <> 'revision' order by seq limit {PAGE})"
        );
        let before = before.as_microsecond();
        let removed = self.step(self.client.execute(&sql, &[&server, &before])).await?;
        Ok(i64::try_from(removed).is_ok_and(|removed| removed >= PAGE))
    }

    async fn rows<T>(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
        read: impl Fn(&tokio_postgres::Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Vec<T>, Trouble> {
        self.step(async {
            let rows = self.client.query(sql, values).await?;
            rows.iter().map(read).collect()
        })
        .await
    }
}
