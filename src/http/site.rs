//! What the page and the API read of the component, in addition to commands.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::broadcast;

use super::minutes::Totals;
use crate::control::{Handler, RoomLine, Status};
use crate::metrics::Registry;
use crate::store::Entry;

/// The component as the page and the API see it: carries out commands, and returns state.
pub trait Site: Handler {
    /// Returns whether every service is under the policy.
    fn readiness(&self) -> Readiness;
    /// The rooms as they are known here, by address.
    fn rooms(&self) -> Vec<RoomLine>;
    /// Returns the status of the component.
    fn status(&self) -> Status;
    /// Registers every metric but those of the API.
    fn register(&self, registry: &mut Registry);
    /// Returns the totals that the charts of the page rest on.
    fn totals(&self) -> Totals;
    /// The time of day.
    fn now(&self) -> Timestamp;
    /// Every entry of the audit from now on.
    fn entries(&self) -> broadcast::Receiver<Arc<Entry>>;
}

/// Whether every service is under the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// What keeps it from being so; nothing: it is.
    pub reasons: Vec<String>,
}
