//! Whether the other side is still there.

use std::time::Duration;

use tokio::time::Instant;

/// The times of the last received bytes and of the last ping.
#[derive(Debug)]
pub(super) struct Liveness {
    ping_every: Duration,
    silence: Duration,
    received: Instant,
    pinged: Instant,
}

/// The next action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Fine,
    /// Ask whether the other side is there.
    Ping,
    /// Give the connection up: it may be half-open.
    Silent,
}

impl Liveness {
    pub(super) const fn new(ping_every: Duration, silence: Duration, now: Instant) -> Self {
        Self { ping_every, silence, received: now, pinged: now }
    }

    /// Bytes came; white space is enough.
    pub(super) const fn hear(&mut self, now: Instant) {
        self.received = now;
    }

    /// Returns what is to be done; a ping is taken as sent.
    pub(super) fn check(&mut self, now: Instant) -> Health {
        if now.saturating_duration_since(self.received) >= self.silence {
            return Health::Silent;
        }
        let quiet_since = self.received.max(self.pinged);
        if now.saturating_duration_since(quiet_since) >= self.ping_every {
            self.pinged = now;
            return Health::Ping;
        }
        Health::Fine
    }

    /// Returns when to check next.
    pub(super) fn due(&self) -> Instant {
        // `Instant` cannot overflow with durations an operator would set.
        let after = |from: Instant, wait| from.checked_add(wait).unwrap_or(from);
        let ping = after(self.received.max(self.pinged), self.ping_every);
        ping.min(after(self.received, self.silence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_first_asked_about_and_then_believed() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut live = Liveness::new(Duration::from_secs(10), Duration::from_secs(25), start);
        assert_eq!(live.due(), at(10));
        assert_eq!(live.check(at(9)), Health::Fine);
        assert_eq!(live.check(at(10)), Health::Ping);
        assert_eq!(live.check(at(11)), Health::Fine);
        live.hear(at(12));
        assert_eq!(live.due(), at(22));
        assert_eq!(live.check(at(22)), Health::Ping);
        assert_eq!(live.check(at(32)), Health::Ping);
        assert_eq!(live.due(), at(37));
        assert_eq!(live.check(at(37)), Health::Silent);
    }
}
