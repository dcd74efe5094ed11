//! What this face shows and asks, beside commands.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::broadcast;

use super::figures::Figures;
use crate::control::{Handler, RoomLine, Status};
use crate::store::Entry;

/// Whoever carries out commands, and knows how things are.
pub trait Site: Handler {
    /// Whether every service is under the policy.
    fn readiness(&self) -> Readiness;
    /// The rooms as they are known here, by address.
    fn rooms(&self) -> Vec<RoomLine>;
    /// How the component is.
    fn status(&self) -> Status;
    /// Everything that is counted.
    fn figures(&self) -> Figures;
    /// The time of day.
    fn now(&self) -> Timestamp;
    /// One more or one less looks on.
    fn watching(&self, more: bool);
    /// Every entry of the audit from now on.
    fn entries(&self) -> broadcast::Receiver<Arc<Entry>>;
    /// Somebody who looks on was too slow for so many entries.
    fn entries_dropped(&self, entries: u64);
    /// Somebody came without a valid token.
    fn login_failed(&self);
}

/// Whether every service is under the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// What keeps it from being so; nothing: it is.
    pub reasons: Vec<String>,
}
