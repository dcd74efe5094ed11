//! What this face shows and asks, beside commands.

use crate::control::{Handler, RoomLine};

/// Whoever carries out commands, and knows how things are.
pub trait Site: Handler {
    /// Whether every service is under the policy.
    fn readiness(&self) -> Readiness;
    /// The rooms as they are known here, by address.
    fn rooms(&self) -> Vec<RoomLine>;
    /// Somebody came without a valid token.
    fn login_failed(&self);
}

/// Whether every service is under the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// What keeps it from being so; nothing: it is.
    pub reasons: Vec<String>,
}
