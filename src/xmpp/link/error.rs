//! Why the link is down, and when to try again.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::xmpp::framer::FramerError;
use crate::xmpp::handshake::{HandshakeError, StreamError};

/// Why the link is down.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The server is not on this machine, and XEP-0114 has no encryption; with its first address that is not loopback.
    #[error(
        "`{0}` is not on this machine and the component protocol is not encrypted; \
         use a loopback address, or allow plaintext on a network that you trust"
    )]
    Plaintext(SocketAddr),
    /// The server's name has no address.
    #[error("cannot find an address for the server `{server}`; check the name and the port")]
    Resolve {
        /// Host and port, as in the settings.
        server: String,
        /// The resolver's error, if any.
        source: Option<io::Error>,
    },
    /// No address of the server accepts the connection.
    #[error("cannot connect to the server at `{address}`")]
    Connect {
        /// The address that was tried last.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// A step took too long.
    #[error("the server did not answer within {limit:?} while {doing}")]
    TimedOut {
        /// The step that timed out.
        doing: &'static str,
        /// The time limit.
        limit: Duration,
    },
    /// The server did not accept the component.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The server ended a working link with an error.
    #[error(transparent)]
    Ended(StreamError),
    /// The server ended a working link without an error, or the connection broke off.
    #[error("the server closed the connection")]
    Closed,
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[source] io::Error),
    /// The server sent something other than an XMPP stream.
    #[error(transparent)]
    Framing(FramerError),
    /// The server has sent nothing for that long, not even a reply to a ping.
    #[error("nothing came from the server for {0:?}")]
    Silent(Duration),
}

/// What to do about a [`LinkError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Try again soon: the error may pass.
    Retry,
    /// Another component of this domain is connected: wait and take over when it is gone.
    Standby,
    /// Try again slowly: an operator must change something first (see [`LinkError::advice`]).
    TellOperator,
}

impl LinkError {
    /// Returns what to do about the error.
    pub fn remedy(&self) -> Remedy {
        match self.condition() {
            _ if matches!(self, Self::Plaintext(_)) => Remedy::TellOperator,
            Some("conflict") => Remedy::Standby,
            Some("not-authorized" | "host-unknown" | "invalid-namespace") => Remedy::TellOperator,
            _ => Remedy::Retry,
        }
    }

    /// Returns the condition of the stream error (RFC 6120 section 4.9.3), or the one that the error amounts to.
    fn condition(&self) -> Option<&str> {
        if let Self::Handshake(HandshakeError::Refused(error)) | Self::Ended(error) = self {
            return Some(&error.condition);
        }
        let is_other_protocol = matches!(
            self,
            Self::Handshake(HandshakeError::Unexpected(_)) | Self::Framing(FramerError::NotAStream)
        );
        is_other_protocol.then_some("invalid-namespace")
    }

    /// Returns what an operator has to change so that the component `domain` can connect; `None` if nothing.
    pub fn advice(&self, domain: &str) -> Option<String> {
        Some(match self.condition()? {
            "not-authorized" => format!(
                "the secret here differs from `component_secret` below `Component \"{domain}\"` \
                 in prosody.cfg.lua, or there is none: make them equal"
            ),
            "host-unknown" => format!(
                "prosody.cfg.lua has no `Component \"{domain}\"` block: add one with a \
                 `component_secret`, or correct the domain here, and restart Prosody"
            ),
            "conflict" => format!(
                "another process is connected as `{domain}`: this one waits to take over; \
                 if it should not be there, stop it"
            ),
            "invalid-namespace" => String::from(
                "the address is not a component port: see `component_ports` in prosody.cfg.lua, \
                 5347 unless set",
            ),
            _ => return None,
        })
    }

    /// Returns the kind of failure, for the schedule of retries.
    pub(super) fn failure(&self) -> Failure {
        match (self.remedy(), self) {
            (Remedy::TellOperator, _) => Failure::Misconfigured,
            // Coming back at once would only disconnect the other component.
            (Remedy::Standby, Self::Ended(_)) => Failure::Replaced,
            (Remedy::Standby, _) => Failure::Standby,
            (Remedy::Retry, Self::Connect { address, source })
                if source.kind() == io::ErrorKind::ConnectionRefused
                    && address.ip().to_canonical().is_loopback() =>
            {
                Failure::RefusedLocally
            }
            (Remedy::Retry, _) => Failure::Passing,
        }
    }
}

impl From<FramerError> for LinkError {
    fn from(error: FramerError) -> Self {
        match error {
            FramerError::Io(source) => Self::Io(source),
            FramerError::Truncated => Self::Closed,
            other @ (FramerError::NotWellFormed(_)
            | FramerError::Restricted(_)
            | FramerError::NotAStream
            | FramerError::Header(_)
            | FramerError::HeaderTooLarge) => Self::Framing(other),
        }
    }
}

const REMIND: Duration = Duration::from_secs(60);

/// The error that was logged last, to log it less often.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    last: Option<(String, Instant)>,
}

impl Trouble {
    /// Logs the error if it is new or was not logged for a minute; returns whether it is new.
    pub(super) fn tell(&mut self, error: &LinkError, domain: &str, now: Instant) -> bool {
        let text = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        let same = self.last.as_ref().filter(|(last, _)| *last == text);
        let news = same.is_none();
        if same.is_some_and(|(_, at)| now.saturating_duration_since(*at) < REMIND) {
            return false;
        }
        let advice = error.advice(domain).unwrap_or_default();
        match error.remedy() {
            Remedy::Retry => tracing::warn!(domain, "no link to the server: {text}"),
            Remedy::Standby => tracing::info!(domain, advice, "no link to the server: {text}"),
            Remedy::TellOperator => {
                tracing::error!(domain, advice, "no link to the server: {text}");
            }
        }
        self.last = Some((text, now));
        news
    }

    /// Forgets the error, because the link is up.
    pub(super) fn clear(&mut self) {
        self.last = None;
    }
}

/// The kind of a failure, which decides how long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody listens on this machine's port: trying again costs nothing.
    RefusedLocally,
    /// Any failure that may pass by itself.
    Passing,
    /// Another component of this domain is connected: wait to take over.
    Standby,
    /// Another component of this domain has replaced a working link.
    Replaced,
    /// An operator must change something.
    Misconfigured,
}

/// The schedule of retries.
///
/// The first retry comes at once. While a local server is away the next ones follow so closely
/// that its return is noticed within a quarter of a second; other failures are retried at that
/// pace for a while and then ever more slowly.
#[derive(Debug, Default)]
pub struct Backoff {
    attempts: u32,
}

/// Shortest pause after the first retry: a peer that hangs up at once must not be flooded.
const SHORTEST: Duration = Duration::from_millis(50);
const LOCAL: Duration = Duration::from_millis(200);
const QUICK: Duration = Duration::from_millis(250);
/// Number of retries at the quick pace: about ten seconds of them.
const QUICK_ATTEMPTS: u32 = 60;
const STANDBY: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(5);
/// Pause after being replaced: two components under `component_conflict_resolve = "kick_old"` would otherwise
/// disconnect each other without end.
const REPLACED: Duration = Duration::from_secs(30);

impl Backoff {
    /// Resets the schedule, because the link has been up for a while.
    pub const fn succeed(&mut self) {
        self.attempts = 0;
    }

    /// Returns how long to wait before the next attempt.
    ///
    /// `random` is uniform over all values: it keeps many components from retrying at the same time.
    pub fn next(&mut self, failure: Failure, random: u32) -> Duration {
        let attempts = self.attempts;
        self.attempts = attempts.saturating_add(1);
        match failure {
            Failure::Standby => between(STANDBY.mul_f64(0.9), STANDBY, random),
            Failure::Replaced => REPLACED,
            Failure::Misconfigured => LONGEST,
            Failure::RefusedLocally | Failure::Passing if attempts == 0 => Duration::ZERO,
            Failure::RefusedLocally => between(SHORTEST, LOCAL, random),
            Failure::Passing if attempts <= QUICK_ATTEMPTS => between(SHORTEST, QUICK, random),
            Failure::Passing => {
                let doublings = attempts.saturating_sub(QUICK_ATTEMPTS).min(8);
                let ceiling = QUICK.saturating_mul(1_u32 << doublings).min(LONGEST);
                between(ceiling.mul_f64(0.5), ceiling, random)
            }
        }
    }
}

fn between(low: Duration, high: Duration, random: u32) -> Duration {
    let share = f64::from(random) / f64::from(u32::MAX);
    low.saturating_add(high.saturating_sub(low).mul_f64(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(condition: &str) -> StreamError {
        StreamError { condition: condition.into(), text: None }
    }

    #[test]
    fn a_conflict_means_waiting_and_a_wrong_secret_means_telling() {
        for (condition, remedy, failure) in [
            ("conflict", Remedy::Standby, Failure::Standby),
            ("not-authorized", Remedy::TellOperator, Failure::Misconfigured),
            ("host-unknown", Remedy::TellOperator, Failure::Misconfigured),
            ("system-shutdown", Remedy::Retry, Failure::Passing),
        ] {
            let error = LinkError::Handshake(refused(condition).into());
            assert_eq!((error.remedy(), error.failure()), (remedy, failure), "{condition}");
            assert_eq!(error.advice("v.example").is_some(), remedy != Remedy::Retry);
        }
        assert_eq!(LinkError::Ended(refused("conflict")).failure(), Failure::Replaced);
    }

    #[test]
    fn the_advice_names_what_to_change() {
        let advice =
            |condition| LinkError::Handshake(refused(condition).into()).advice("v.example");
        assert!(advice("not-authorized").unwrap().contains("component_secret"));
        assert!(advice("host-unknown").unwrap().contains("Component \"v.example\""));
    }

    #[test]
    fn only_a_refusal_on_this_machine_is_cheap() {
        let connect = |address: &str, kind: io::ErrorKind| {
            LinkError::Connect { address: address.parse().unwrap(), source: kind.into() }.failure()
        };
        let refused = io::ErrorKind::ConnectionRefused;
        assert_eq!(connect("127.0.0.1:1", refused), Failure::RefusedLocally);
        assert_eq!(connect("[::ffff:127.0.0.1]:1", refused), Failure::RefusedLocally);
        assert_eq!(connect("192.0.2.1:1", refused), Failure::Passing);
        assert_eq!(connect("127.0.0.1:1", io::ErrorKind::TimedOut), Failure::Passing);
    }

    #[test]
    fn the_same_trouble_is_news_once() {
        let now = Instant::now();
        let mut trouble = Trouble::default();
        assert!(trouble.tell(&LinkError::Closed, "v", now));
        assert!(!trouble.tell(&LinkError::Closed, "v", now + Duration::from_secs(1)));
        assert!(!trouble.tell(&LinkError::Closed, "v", now + REMIND));
        let silent = LinkError::Silent(REMIND);
        assert!(trouble.tell(&silent, "v", now));
        trouble.clear();
        assert!(trouble.tell(&silent, "v", now));
    }

    #[test]
    fn the_first_retry_comes_at_once() {
        for failure in [Failure::RefusedLocally, Failure::Passing] {
            let mut backoff = Backoff::default();
            assert_eq!(backoff.next(failure, u32::MAX), Duration::ZERO);
            assert!(backoff.next(failure, 0) >= SHORTEST);
            backoff.succeed();
            assert_eq!(backoff.next(failure, 0), Duration::ZERO);
        }
    }

    #[test]
    fn a_local_server_is_found_again_within_a_quarter_of_a_second() {
        let mut backoff = Backoff::default();
        for _ in 0..100_000 {
            assert!(backoff.next(Failure::RefusedLocally, u32::MAX) <= Duration::from_millis(200));
        }
    }

    #[test]
    fn other_failures_are_retried_ever_more_slowly_up_to_a_limit() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..80).map(|_| backoff.next(Failure::Passing, u32::MAX)).collect();
        assert!(waits.is_sorted());
        assert!(waits[60] <= Duration::from_millis(250));
        assert_eq!(waits[79], LONGEST);
        assert!(backoff.next(Failure::Passing, 0) >= LONGEST / 2);
    }

    #[test]
    fn waiting_to_take_over_and_for_an_operator_does_not_slow_down() {
        let mut backoff = Backoff::default();
        for _ in 0..1000 {
            assert!(backoff.next(Failure::Standby, u32::MAX) <= STANDBY);
            assert_eq!(backoff.next(Failure::Misconfigured, 7), LONGEST);
        }
    }
}
