//! The operators' commands in any XMPP client: ad-hoc commands (XEP-0050) with forms (XEP-0004).
//!
//! The state machine gets the time from its caller and does no I/O: each step is either answered at once, or ends in a
//! [`Request`](crate::control::Request) that has to be carried out before the conversation goes on. The commands are
//! made from [`crate::control::Command`]s. The rooms and people to choose from are requested on behalf of the caller,
//! with the caller's role.
//!
//! INVARIANT: only a [`Caller`](crate::control::Caller) learns more than that there are commands. A conversation is
//! continued only by the client that began it, and each step is taken once.

mod form;
mod session;
mod state_machine;

pub use self::session::{LIFETIME, MOST, MOST_OF_ONE};
pub use self::state_machine::{AdHoc, Pending, Refusal, Step};
