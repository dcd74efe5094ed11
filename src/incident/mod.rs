//! An incident in one file: who was there when, what they did, what was decided and why, and by which policy.
//!
//! Pure: entries of the audit become a [`bundle`], with a [`seal`] over it, and a [`page`] that anybody can read
//! in a browser and that holds the whole bundle as JSON. The page is made of the bundle alone, so that anyone
//! who has one can make it again and compare.

mod about;
mod bundle;
mod file;
mod page;
mod presence;
mod seal;
mod words;

pub use about::{About, moment};
pub use bundle::{Context, FORMAT, MOST, bundle};
pub use file::{Checked, Unreadable, check};
pub use page::page;
pub use presence::{Presence, presences};
pub use seal::{canonical, seal};
