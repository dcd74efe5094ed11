//! An incident in one file: who was there when, what they did, what was decided and why, and by which policy.
//!
//! Pure: entries of the audit become a [`bundle`], with a [`seal`] over it, and a [`page`] that anybody can read
//! in a browser and that holds the whole bundle as JSON. The page is made of the bundle alone, so that anyone
//! who has one can make it again and compare.

mod bundle;
mod page;
mod presence;
mod words;

pub use self::bundle::{About, Checked, Unreadable, canonical, check, moment, seal};
pub use bundle::{Context, FORMAT, MOST, bundle};
pub use page::page;
pub use presence::{Presence, presences};
pub use words::denial;
