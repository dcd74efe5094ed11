//! The clocks, which are read only here.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Returns the current time.
#[expect(clippy::disallowed_methods, reason = "this is the place where the clock is read")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Returns a point in monotonic time, from which durations are measured.
pub(super) fn instant() -> Instant {
    Instant::now()
}

/// Returns the processor time that all threads of this process have used.
pub(super) fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// Returns an id of this run of the program, so that decision ids are unique across restarts.
pub(super) fn run_id() -> String {
    let mut bytes = [0; 2];
    // Without random numbers the time alone has to do.
    let _ = getrandom::fill(&mut bytes);
    format!("{:x}{}", now().as_second(), hex::encode(bytes))
}
