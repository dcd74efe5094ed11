//! The clocks, read here and nowhere else.

use std::time::Instant;

use jiff::Timestamp;

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "this is the place where the clock is read")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A point in time to measure from.
pub(super) fn instant() -> Instant {
    Instant::now()
}

/// Names this run of the program, so that ids are unique over restarts.
pub(super) fn run_id() -> String {
    let mut bytes = [0; 2];
    // Without randomness the time alone has to do.
    let _ = getrandom::fill(&mut bytes);
    format!("{:x}{}", now().as_second(), hex::encode(bytes))
}
