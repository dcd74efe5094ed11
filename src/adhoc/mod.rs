//! The operators' commands in any XMPP client: ad-hoc commands (XEP-0050) with forms (XEP-0004).
//!
//! A state machine that is told the time and does nothing itself: each step is answered at once, or ends in a
//! [`Request`](crate::control::Request) that a person has to carry out before the conversation goes on. What it
//! offers is made of [`crate::control::Command`]s, and so are the rooms and people to choose from: they are
//! asked for in the caller's own name.
//!
//! INVARIANT: only a [`Caller`](crate::control::Caller) is told anything but that there are commands; a conversation is gone on with by
//! the very client that began it, each step once.

mod form;
mod session;
mod state_machine;

pub use self::session::{LIFETIME, MOST, MOST_OF_ONE};
pub use self::state_machine::{AdHoc, Pending, Refusal, Step};
