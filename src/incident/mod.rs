//! Incident reports: who was there when, what they did, what was decided and why, and by which policy, in one file.
//!
//! Pure: entries of the audit become a [`bundle`] with a checksum ([`seal`]), and a [`page`] that opens in any browser
//! and contains the bundle as JSON. The page is made of the bundle alone, so that anyone who has a bundle can make the
//! page again and compare.

mod bundle;
mod page;
mod presence;
mod words;

pub use self::bundle::{About, Checked, Unreadable, canonical, check, moment, seal};
pub use bundle::{Context, FORMAT, MOST, bundle};
pub use page::page;
pub use presence::{Presence, presences};
pub use words::{denial, is_judged_again};
