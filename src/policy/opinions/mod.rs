//! What each rule family thinks of an attempt, and what follows when it is allowed.
//!
//! A file for each family of [`super::rules`] that is asked, and one for each occasion on which several are.

pub(super) mod access;
pub mod close;
pub(super) mod entry;
pub(super) mod focus;
pub(super) mod found;
pub mod limits;
pub(super) mod lobby;
pub(super) mod moderation;
pub(super) mod moderators;
pub(super) mod names;
pub(super) mod open;
pub(super) mod permissions;
pub(super) mod removal;
pub(super) mod room_form;
pub mod suspended;
