//! Opinions of each rule family on an attempt, and the effects when it is allowed.
//!
//! There is a file for each family of [`super::rules`] that has opinions, and one for each occasion that asks several.

pub(super) mod access;
pub mod close;
pub(super) mod entry;
pub(super) mod focus;
pub(super) mod found;
pub mod limits;
pub mod lobby;
pub(super) mod moderation;
pub mod moderators;
pub(super) mod names;
pub(super) mod open;
pub mod permissions;
pub(super) mod removal;
pub(super) mod room_form;
pub mod suspended;
