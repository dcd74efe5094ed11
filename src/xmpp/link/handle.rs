//! The link as the rest of the program sees it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::metrics::LinkMetrics;
use super::outbox::SendError;
use super::pulse::Pulse;
use super::requests::{Answer, RequestError};
use crate::xmpp::element::Element;

/// Orders that wait for the link.
pub(super) const QUEUE: usize = 4096;
/// A link whose task has had no turn for so long answers nothing, whatever it was before.
const STUCK: Duration = Duration::from_secs(5);

/// Sends stanzas that answer nothing, and asks questions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LinkHandle {
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) up: watch::Receiver<bool>,
    pub(super) metrics: LinkMetrics,
    pub(super) pulse: Arc<Pulse>,
    pub(super) limit: Duration,
}

/// An order of a handle to the link.
#[derive(Debug)]
pub(super) enum Order {
    Send(Element),
    Ask { kind: Ask, to: String, payload: Element, answer: oneshot::Sender<Answer> },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    Get,
    Set,
}

impl LinkHandle {
    /// Queues a stanza. It is lost if the link goes down before it is written.
    ///
    /// # Errors
    /// [`SendError::Down`] without a link, [`SendError::Full`] when too many wait.
    pub fn send(&self, stanza: impl Into<Element>) -> Result<(), SendError> {
        self.order(Order::Send(stanza.into()))
    }

    /// Asks `to` for something (`get`) and waits for what it returns.
    ///
    /// # Errors
    /// [`RequestError`], in bounded time whatever the other side does.
    pub async fn request(
        &self,
        to: impl Into<String>,
        payload: Element,
    ) -> Result<Element, RequestError> {
        self.ask(Ask::Get, to.into(), payload).await?.ok_or(RequestError::Empty)
    }

    /// Asks `to` to do something (`set`) and waits until it is done; what it returns may be
    /// nothing.
    ///
    /// # Errors
    /// [`RequestError`], in bounded time whatever the other side does.
    pub async fn command(
        &self,
        to: impl Into<String>,
        payload: Element,
    ) -> Result<Option<Element>, RequestError> {
        self.ask(Ask::Set, to.into(), payload).await
    }

    /// Returns whether there is a link: its task has not ended.
    pub fn is_up(&self) -> bool {
        *self.up.borrow() && self.up.has_changed().is_ok()
    }

    /// Returns whether there is a link and its task has its turns, so that questions are answered.
    pub fn lives(&self) -> bool {
        self.is_up() && self.has_turns(STUCK)
    }

    /// Returns whether the link's task has had a turn within this time, with a link or without.
    pub fn has_turns(&self, within: Duration) -> bool {
        self.up.has_changed().is_ok() && self.pulse.is_felt(within)
    }

    /// Waits until there is a link; false when there will not be one any more.
    pub async fn until_up(&mut self) -> bool {
        self.up.wait_for(|&up| up).await.is_ok()
    }

    /// Returns what passed over the link.
    pub const fn metrics(&self) -> &LinkMetrics {
        &self.metrics
    }

    async fn ask(&self, kind: Ask, to: String, payload: Element) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Ask { kind, to, payload, answer }).map_err(|error| match error {
            SendError::Down => RequestError::Down,
            SendError::Full => RequestError::Busy,
            SendError::ForeignSender | SendError::NoAddressee | SendError::TooLarge => {
                RequestError::Unsendable(error)
            }
        })?;
        match timeout(self.limit, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(RequestError::Down),
            Err(_) => Err(RequestError::TimedOut),
        }
    }

    fn order(&self, order: Order) -> Result<(), SendError> {
        if !self.is_up() {
            return Err(SendError::Down);
        }
        self.orders.try_send(order).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Down,
        })
    }
}
