//! Making and judging passwords. Pure: randomness and time are arguments.

mod derive;
mod strength;
mod words;

pub use self::derive::{DeriveError, derive, period_at};
pub use self::strength::judge;
pub use self::words::{RandomnessFailed, generate};
