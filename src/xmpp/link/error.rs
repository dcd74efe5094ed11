//! Why there is no link, and what follows from that.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::xmpp::backoff::Failure;
use crate::xmpp::framer::FramerError;
use crate::xmpp::handshake::{HandshakeError, StreamError};

/// Why the link is down.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// XEP-0114 has no encryption, and the server is not on this machine.
    #[error(
        "`{address}` is not on this machine and the component protocol is not encrypted; \
         use a loopback address, or allow plaintext on a network that you trust"
    )]
    Plaintext {
        /// The first address that is not loopback.
        address: SocketAddr,
    },
    /// The server's name has no address.
    #[error("cannot find an address for the server `{server}`; check the name and the port")]
    Resolve {
        /// As it is in the settings.
        server: String,
        /// The resolver's message, if any.
        source: Option<io::Error>,
    },
    /// No address of the server takes the connection.
    #[error("cannot connect to the server at `{address}`")]
    Connect {
        /// The address that was tried last.
        address: SocketAddr,
        /// The system's message.
        source: io::Error,
    },
    /// Something took too long.
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
    /// What the server sent is no XMPP stream.
    #[error(transparent)]
    Framing(FramerError),
    /// The server is connected and says nothing, not even when asked.
    #[error("nothing came from the server for {silence:?}")]
    Silent {
        /// The time of silence.
        silence: Duration,
    },
}

/// The remedy for a [`LinkError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Try again: it may pass.
    Retry,
    /// Another component of this domain is connected: wait and take over when it is gone.
    Standby,
    /// Try again slowly: an operator must change something first, see [`LinkError::advice`].
    TellOperator,
}

impl LinkError {
    /// Returns what is to be done.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Plaintext { .. }
            | Self::Handshake(HandshakeError::Unexpected(_))
            | Self::Framing(FramerError::NotAStream) => Remedy::TellOperator,
            Self::Handshake(HandshakeError::Refused(error)) | Self::Ended(error) => {
                match error.condition.as_str() {
                    "conflict" => Remedy::Standby,
                    "not-authorized" | "host-unknown" | "invalid-namespace" => Remedy::TellOperator,
                    _ => Remedy::Retry,
                }
            }
            Self::Handshake(HandshakeError::Closed)
            | Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::TimedOut { .. }
            | Self::Closed
            | Self::Io(_)
            | Self::Framing(_)
            | Self::Silent { .. } => Remedy::Retry,
        }
    }

    /// Returns what an operator has to change for the component `domain` to connect, in words.
    pub fn advice(&self, domain: &str) -> Option<String> {
        let condition = match self {
            Self::Handshake(HandshakeError::Refused(error)) | Self::Ended(error) => {
                error.condition.as_str()
            }
            Self::Handshake(HandshakeError::Unexpected(_))
            | Self::Framing(FramerError::NotAStream) => "invalid-namespace",
            Self::Plaintext { .. }
            | Self::Handshake(HandshakeError::Closed)
            | Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::TimedOut { .. }
            | Self::Closed
            | Self::Io(_)
            | Self::Framing(_)
            | Self::Silent { .. } => return None,
        };
        Some(match condition {
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

    /// Returns how the failure counts for the schedule of retries.
    pub(super) fn failure(&self) -> Failure {
        match (self.remedy(), self) {
            (Remedy::TellOperator, _) => Failure::Misconfigured,
            // Coming back at once would only push the other one out again.
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
}
