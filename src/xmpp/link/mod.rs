//! The link to the server: the only place that uses a socket.
//!
//! [`Link::run`] connects, stays connected, and reconnects. Every stanza is passed to one handler,
//! which answers into an [`Outbox`] at once; the answers to one read are written together. Other
//! tasks send stanzas and requests through a [`LinkHandle`].

pub mod error;
mod handle;
mod session;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use self::error::{Backoff, Trouble};
use self::handle::{Order, Pulse, QUEUE, Requests};
use self::session::Session;
use super::element::ElementRef;
use crate::secret::Secret;

pub use self::error::{LinkError, Remedy};
pub use self::handle::{LinkHandle, LinkMetrics, Outbox, RequestError, SendError};

/// The settings of a link.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// The address of the server's component port, as `host:port`.
    pub server: String,
    /// The component's domain, as the server's configuration names it.
    pub domain: String,
    /// The secret shared with the server.
    pub secret: Secret,
    /// Time of silence after which the server is pinged.
    pub ping_every: Duration,
    /// Time of silence after which the connection is closed; longer than `ping_every`.
    pub silence: Duration,
    /// Time limit for the answer to a request of a [`LinkHandle`].
    pub request_limit: Duration,
    /// Whether the server may be on another machine. The protocol has no encryption.
    pub allow_plaintext_network: bool,
}

/// An event of a link.
#[derive(Debug)]
pub enum LinkEvent<'a> {
    /// The server has accepted the component; stanzas that the handler sends now are the first.
    Up,
    /// There is no link, and why. Comes when a link ends, and when an attempt fails in another way
    /// than the one before.
    Down(LinkError),
    /// A stanza has come that the link does not answer itself.
    Stanza(ElementRef<'a>),
    /// Everything that was queued is written, or lost with the link.
    Written,
}

/// A link that is not running yet.
#[derive(Debug)]
pub struct Link {
    settings: LinkSettings,
    orders: mpsc::Receiver<Order>,
    requests: Requests,
    outbox: Outbox,
    up: watch::Sender<bool>,
    metrics: LinkMetrics,
    pulse: Arc<Pulse>,
}

/// Time after which a link counts as a success, so that its end is the first failure.
const LASTING: Duration = Duration::from_secs(5);

impl Link {
    /// Creates a link, and the handle to it.
    pub fn new(settings: LinkSettings) -> (Self, LinkHandle) {
        let (sender, orders) = mpsc::channel(QUEUE);
        let (up, watched) = watch::channel(false);
        let metrics = LinkMetrics::default();
        let handle = LinkHandle {
            orders: sender,
            up: watched,
            metrics: metrics.clone(),
            pulse: Arc::default(),
            limit: settings.request_limit,
        };
        let pulse = Arc::clone(&handle.pulse);
        let requests = Requests::new(getrandom::u64().unwrap_or_default());
        let outbox = Outbox::new(settings.domain.as_str().into(), metrics.clone());
        (Self { settings, orders, requests, outbox, up, metrics, pulse }, handle)
    }

    /// Keeps the link up until `cancel`, then closes it properly.
    ///
    /// The handler is called for one event at a time and must not block, because it runs between
    /// reading and writing.
    pub async fn run(
        self,
        cancel: CancellationToken,
        handler: impl FnMut(LinkEvent<'_>, &mut Outbox),
    ) {
        let server = self.settings.server.clone();
        let allow_network = self.settings.allow_plaintext_network;
        let connect = || session::connect(server.clone(), allow_network);
        self.run_over(connect, cancel, handler).await;
    }

    async fn run_over<C, F, S>(
        self,
        connect: C,
        cancel: CancellationToken,
        handler: impl FnMut(LinkEvent<'_>, &mut Outbox),
    ) where
        C: FnMut() -> F,
        F: Future<Output = Result<S, LinkError>>,
        S: AsyncRead + AsyncWrite,
    {
        // In the same task as the link: it records turns for as long as the task gets them.
        let pulse = Arc::clone(&self.pulse);
        tokio::select! {
            () = self.stay(connect, cancel, handler) => {}
            () = pulse.beat() => {}
        }
    }

    async fn stay<C, F, S>(
        mut self,
        mut connect: C,
        cancel: CancellationToken,
        mut handler: impl FnMut(LinkEvent<'_>, &mut Outbox),
    ) where
        C: FnMut() -> F,
        F: Future<Output = Result<S, LinkError>>,
        S: AsyncRead + AsyncWrite,
    {
        let mut backoff = Backoff::default();
        let mut trouble = Trouble::default();
        loop {
            let once = self.once(connect(), &cancel, &mut handler).await;
            let Err(Ended { lasted, error }) = once else { return };
            if lasted.is_some_and(|lasted| lasted >= LASTING) {
                backoff.succeed();
            }
            let wait = backoff.next(error.failure(), getrandom::u32().unwrap_or_default());
            if lasted.is_some() {
                trouble.clear();
            }
            let news = trouble.tell(&error, &self.settings.domain, Instant::now());
            if news {
                handler(LinkEvent::Down(error), &mut self.outbox);
            }
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                () = self.pause(wait) => {}
            }
        }
    }

    /// Runs one connection from beginning to end; `Ok` if it was cancelled.
    async fn once<S: AsyncRead + AsyncWrite>(
        &mut self,
        connecting: impl Future<Output = Result<S, LinkError>>,
        cancel: &CancellationToken,
        handler: &mut impl FnMut(LinkEvent<'_>, &mut Outbox),
    ) -> Result<(), Ended> {
        let opening = async { Session::open(connecting.await?, self).await };
        let session = tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(()),
            opened = opening => opened.map_err(|error| Ended { lasted: None, error })?,
        };
        session.link.metrics.links.inc();
        tracing::info!(domain = session.link.settings.domain, "connected to the server");
        let since = Instant::now();
        session.link.up.send_replace(true);
        let result = session.serve(cancel, handler).await;
        self.up.send_replace(false);
        result.map_err(|error| Ended { lasted: Some(since.elapsed()), error })
    }

    /// Waits for the next attempt, and discards what was ordered meanwhile, which was meant for the old link.
    async fn pause(&mut self, wait: Duration) {
        let mut sleep = pin!(sleep(wait));
        loop {
            tokio::select! {
                biased;
                () = sleep.as_mut() => return,
                Some(order) = self.orders.recv() => drop(order),
            }
        }
    }
}

/// The end of a connection.
struct Ended {
    /// How long the link was up; `None` if it never was.
    lasted: Option<Duration>,
    error: LinkError,
}

#[cfg(test)]
mod tests;
