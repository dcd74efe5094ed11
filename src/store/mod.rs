//! The audit database: what was decided, what operators did, what happened in the rooms; and the bans that
//! operators have made at run time.
//!
//! Decisions never wait for it. The caller leaves an [`Entry`] with the [`Store`] and goes on; a thread takes
//! all waiting entries twenty times a second and writes them in one transaction. Each kind of database is a
//! [`Database`] that gives [`Connection`]s; the tests in `tests/store.rs` are the same for each kind.

mod addresses;
mod backend;
mod entry;
mod person;
pub mod postgres;
mod query;
mod queue;
mod renames;
mod replication;
mod segments;
pub mod sqlite;
mod writer;

pub use self::addresses::Mask;
pub use self::backend::{Connection, Database, Keep, StoreError};
pub use self::entry::{Ban, BanState, By, Entry, Kind};
pub use self::person::{Concern, Person, Pseudonym};
pub use self::query::{Found, Query};
pub use self::queue::StoreState;
pub use self::replication::{Exchange, SharedState};
pub use self::writer::{Place, Sequence, Store};
