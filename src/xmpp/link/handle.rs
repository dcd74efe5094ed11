//! The handle by which the rest of the program uses the link.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use smol_str::SmolStr;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::metrics::{Counter, Family, Labels, metrics, zeroed};
use crate::xmpp::element::{Document, Element, ElementRef};
use crate::xmpp::framer::MAX_STANZA;
use crate::xmpp::ns;
use crate::xmpp::stanza::{Iq, IqKind, StanzaError};

/// Most orders that wait for the link.
pub(super) const QUEUE: usize = 4096;
/// Time without a turn of its task after which a link counts as stuck and answers nothing.
const STUCK: Duration = Duration::from_secs(5);

/// Sends stanzas and requests over the link. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LinkHandle {
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) up: watch::Receiver<bool>,
    /// Metrics of the link.
    pub metrics: LinkMetrics,
    pub(super) pulse: Arc<Pulse>,
    pub(super) limit: Duration,
}

/// An order of a handle to the link's task.
#[derive(Debug)]
pub(super) enum Order {
    Send(Element),
    /// A request, `get` or `set`.
    Ask {
        kind: IqKind,
        to: String,
        answer: oneshot::Sender<Answer>,
    },
}

impl LinkHandle {
    /// Queues a stanza. It is lost if the link goes down before it is written.
    ///
    /// # Errors
    /// [`SendError::Down`] without a link, [`SendError::Full`] if too many stanzas wait.
    pub fn send(&self, stanza: impl Into<Element>) -> Result<(), SendError> {
        self.order(Order::Send(stanza.into()))
    }

    /// Sends a `get` request to `to`, and waits for the payload of the answer.
    ///
    /// # Errors
    /// [`RequestError`], after `request_limit` at the latest.
    pub async fn request(
        &self,
        to: impl Into<String>,
        payload: Element,
    ) -> Result<Document, RequestError> {
        self.ask(IqKind::Get(payload), to.into()).await?.ok_or(RequestError::Empty)
    }

    /// Sends a `set` request to `to`, and waits until it is done; the answer may have no
    /// payload.
    ///
    /// # Errors
    /// [`RequestError`], after `request_limit` at the latest.
    pub async fn command(
        &self,
        to: impl Into<String>,
        payload: Element,
    ) -> Result<Option<Document>, RequestError> {
        self.ask(IqKind::Set(payload), to.into()).await
    }

    /// Returns whether there is a link, and its task has not ended.
    pub fn is_up(&self) -> bool {
        *self.up.borrow() && self.up.has_changed().is_ok()
    }

    /// Returns whether there is a link and its task has had a turn lately, so that requests are answered.
    pub fn lives(&self) -> bool {
        self.is_up() && self.has_turns(STUCK)
    }

    /// Returns whether the link's task has had a turn within this time, whether or not the link is up.
    pub fn has_turns(&self, within: Duration) -> bool {
        self.up.has_changed().is_ok() && self.pulse.is_felt(within)
    }

    /// Waits until there is a link; returns `false` if there will never be one again.
    pub async fn until_up(&mut self) -> bool {
        self.up.wait_for(|&up| up).await.is_ok()
    }

    async fn ask(&self, kind: IqKind, to: String) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Ask { kind, to, answer }).map_err(|error| match error {
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

/// Interval between two beats.
const BEAT: Duration = Duration::from_secs(1);

/// The time of the last turn that the link's task has had.
#[derive(Debug)]
pub(super) struct Pulse {
    start: Instant,
    /// Milliseconds since `start`.
    last: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Pulse {
    /// Records turns until it is dropped.
    pub(super) async fn beat(&self) {
        loop {
            self.last.store(self.elapsed(), Ordering::Relaxed);
            sleep(BEAT).await;
        }
    }

    /// Returns whether the last turn was within this time.
    pub(super) fn is_felt(&self, within: Duration) -> bool {
        let silence = self.elapsed().saturating_sub(self.last.load(Ordering::Relaxed));
        Duration::from_millis(silence) <= within
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

metrics! {
    /// Metrics of the link.
    pub struct LinkMetrics {
        /// Times that the link came up
        links: Counter = "vestibule_links";
        /// Stanzas over the link
        stanzas: Family<Labels<1>, Counter> = "vestibule_stanzas", zeroed([RECEIVED, SENT]);
        /// Stanzas that were not sent, not readable or too large
        dropped: Counter = "vestibule_stanzas_dropped";
    }
}

/// Label of stanzas that were received whole.
pub(super) const RECEIVED: Labels<1> = [("direction", "received")];
/// Label of stanzas that were queued to be sent.
pub(super) const SENT: Labels<1> = [("direction", "sent")];

impl LinkMetrics {
    /// Counts a stanza of this direction.
    pub(super) fn count(&self, direction: &Labels<1>) {
        self.stanzas.get_or_create(direction).inc();
    }
}

/// Most requests that are open at once.
pub(super) const MAX_OPEN: usize = 1024;

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The link is down or went down.
    #[error("the link to the server is down")]
    Down,
    /// Too many requests are open.
    #[error("too many questions wait for an answer")]
    Busy,
    /// No answer came in time.
    #[error("no answer came in time")]
    TimedOut,
    /// The answer is an error.
    #[error("the question was refused with `{}`", .0.condition.name())]
    Refused(StanzaError),
    /// The answer has no payload although one is required.
    #[error("the answer is empty")]
    Empty,
    /// The server would close the link because of the request.
    #[error(transparent)]
    Unsendable(SendError),
}

/// The payload of an answer, or why there is none.
pub(super) type Answer = Result<Option<Document>, RequestError>;

/// The open requests of one process.
#[derive(Debug)]
pub(super) struct Requests {
    prefix: String,
    last: u64,
    open: HashMap<String, Open>,
}

#[derive(Debug)]
struct Open {
    to: String,
    answer: oneshot::Sender<Answer>,
}

impl Requests {
    /// Creates an empty set. `seed` distinguishes the ids of this process from those of an earlier one, whose answers
    /// may still arrive.
    pub(super) fn new(seed: u64) -> Self {
        Self { prefix: format!("{seed:x}-"), last: 0, open: HashMap::new() }
    }

    /// Returns an id that was not used before.
    pub(super) fn next_id(&mut self) -> String {
        self.last = self.last.saturating_add(1);
        format!("{}{}", self.prefix, self.last)
    }

    /// Registers a request; gives `answer` back if too many are open.
    pub(super) fn begin(
        &mut self,
        id: String,
        to: String,
        answer: oneshot::Sender<Answer>,
    ) -> Result<(), oneshot::Sender<Answer>> {
        if self.open.len() >= MAX_OPEN {
            self.open.retain(|_, open| !open.answer.is_closed());
        }
        if self.open.len() >= MAX_OPEN {
            return Err(answer);
        }
        self.open.insert(id, Open { to, answer });
        Ok(())
    }

    /// Passes an answer to the task that waits for it; returns an element that nobody waits for.
    ///
    /// An answer counts only if it comes from the address that was asked.
    pub(super) fn settle<'a>(&mut self, element: ElementRef<'a>) -> Option<ElementRef<'a>> {
        if self.open.is_empty() || !Iq::is_answer(element) {
            return Some(element);
        }
        let asked = element.attr("id").and_then(|id| self.open.get(id));
        if asked.is_none_or(|open| element.attr("from") != Some(open.to.as_str())) {
            return Some(element);
        }
        let open = element.attr("id").and_then(|id| self.open.remove(id))?;
        let answer = match Iq::try_from(element).map(|iq| iq.kind) {
            Ok(IqKind::Result(payload)) => Ok(payload.map(ElementRef::to_document)),
            Ok(IqKind::Error(error)) => Err(RequestError::Refused(error)),
            Ok(IqKind::Get(_) | IqKind::Set(_)) | Err(_) => Err(RequestError::Empty),
        };
        // The task may have stopped waiting.
        let _ = open.answer.send(answer);
        None
    }

    /// Ends the request of this id with an error.
    pub(super) fn fail(&mut self, id: &str, error: RequestError) {
        if let Some(open) = self.open.remove(id) {
            let _ = open.answer.send(Err(error));
        }
    }

    /// Ends all requests, because the link is down.
    pub(super) fn abandon(&mut self) {
        for (_, open) in self.open.drain() {
            let _ = open.answer.send(Err(RequestError::Down));
        }
    }
}

/// The stanzas of one batch, as bytes that are written together.
#[derive(Debug)]
pub struct Outbox {
    domain: Arc<str>,
    metrics: LinkMetrics,
    open: bool,
    bytes: Vec<u8>,
    written: usize,
}

/// Why a stanza is not sent: there is no link, or the server would close it because of the stanza.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no link.
    #[error("the link to the server is down")]
    Down,
    /// The queue to the link is full.
    #[error("too many stanzas wait to be sent")]
    Full,
    /// The `from` has another domain, which a server answers with `invalid-from`.
    #[error("a stanza may only come from an address of the component's own domain")]
    ForeignSender,
    /// The stanza has no `to`.
    #[error("a stanza from a component must have an addressee")]
    NoAddressee,
    /// The stanza has more bytes than a server accepts.
    #[error("a stanza may not be larger than {MAX_STANZA} bytes")]
    TooLarge,
}

impl Outbox {
    pub(super) const fn new(domain: Arc<str>, metrics: LinkMetrics) -> Self {
        Self { domain, metrics, open: false, bytes: Vec::new(), written: 0 }
    }

    /// Adds a stanza. Without a `from` it is sent from the component's domain.
    ///
    /// # Errors
    /// [`SendError`]: the stanza is not sent but counted as dropped, and the link stays up.
    pub fn send(&mut self, stanza: impl Into<Element>) -> Result<(), SendError> {
        let mut stanza = stanza.into();
        if stanza.attr("from").is_none() {
            stanza.set_attr("from", &self.domain);
        }
        let (from, to) = (stanza.attr("from"), stanza.attr("to"));
        let result = self.add(from, to, |out| stanza.write_in(ns::COMPONENT, out));
        self.counted(result)
    }

    /// Adds the answer to a request, as [`Outbox::send`] does.
    ///
    /// # Errors
    /// As [`Outbox::send`].
    pub fn reply(&mut self, mut iq: Iq) -> Result<(), SendError> {
        let from = iq.from.get_or_insert_with(|| SmolStr::from(&*self.domain)).clone();
        let to = iq.to.clone();
        let result = self.add(Some(&from), to.as_deref(), |out| iq.write(out));
        self.counted(result)
    }

    fn counted(&self, result: Result<(), SendError>) -> Result<(), SendError> {
        match result {
            Ok(()) => self.metrics.count(&SENT),
            Err(_) => _ = self.metrics.dropped.inc(),
        }
        result
    }

    fn add(
        &mut self,
        from: Option<&str>,
        to: Option<&str>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), SendError> {
        if !self.open {
            return Err(SendError::Down);
        }
        if from.is_none_or(|from| domain_of(from) != &*self.domain) {
            return Err(SendError::ForeignSender);
        }
        if to.is_none_or(str::is_empty) {
            return Err(SendError::NoAddressee);
        }
        let start = self.bytes.len();
        write(&mut self.bytes);
        if self.bytes.len().saturating_sub(start) > MAX_STANZA {
            self.bytes.truncate(start);
            return Err(SendError::TooLarge);
        }
        Ok(())
    }

    /// Adds bytes of the stream itself, which are no stanza.
    pub(super) fn push_raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Accepts stanzas from now on.
    pub(super) const fn open(&mut self) {
        self.open = true;
    }

    /// Discards what was not written, and accepts no more stanzas.
    pub(super) fn close(&mut self) {
        self.open = false;
        self.bytes = Vec::new();
        self.written = 0;
    }

    /// Returns the bytes that are still to be written.
    pub(super) fn pending(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    /// Records that the first `count` pending bytes were written.
    pub(super) fn wrote(&mut self, count: usize) {
        self.written = self.written.saturating_add(count);
        if self.written >= self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
            self.written = 0;
        } else if self.written > KEPT {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
    }
}

/// Most bytes of buffer that are kept between batches.
const KEPT: usize = 256 * 1024;

/// Returns the domain of an address, split as Prosody does when it checks the sender.
fn domain_of(address: &str) -> &str {
    let bare = address.split_once('/').map_or(address, |(bare, _)| bare);
    bare.split_once('@').map_or(bare, |(_, domain)| domain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp::element::received;
    use crate::xmpp::ns;

    fn result(id: &str, from: &str) -> Document {
        let result = Element::new(ns::COMPONENT, "iq")
            .with_attr("type", "result")
            .with_attr("id", id)
            .with_attr("from", from);
        received(&result)
    }

    #[test]
    fn only_who_was_asked_can_answer_and_only_once() {
        let mut requests = Requests::new(7);
        let (answer, mut answered) = oneshot::channel();
        let id = requests.next_id();
        requests.begin(id.clone(), "muc.example".into(), answer).unwrap();
        assert!(requests.settle(result(&id, "other.example").root()).is_some());
        assert!(requests.settle(result("other", "muc.example").root()).is_some());
        assert!(requests.settle(result(&id, "muc.example").root()).is_none());
        assert!(matches!(answered.try_recv().unwrap(), Ok(None)));
        assert!(requests.settle(result(&id, "muc.example").root()).is_some());
    }

    #[test]
    fn questions_are_bounded_and_given_up_ones_make_room() {
        let mut requests = Requests::new(7);
        let mut waiting = Vec::new();
        for _ in 0..MAX_OPEN {
            let (answer, answered) = oneshot::channel();
            let id = requests.next_id();
            requests.begin(id, "x".into(), answer).unwrap();
            waiting.push(answered);
        }
        let (answer, _answered) = oneshot::channel();
        assert!(requests.begin("more".into(), "x".into(), answer).is_err());
        waiting.pop();
        let (answer, _answered) = oneshot::channel();
        assert!(requests.begin("more".into(), "x".into(), answer).is_ok());
        requests.abandon();
        let last = waiting.pop().unwrap().try_recv().unwrap();
        assert_eq!(last.unwrap_err(), RequestError::Down);
    }

    fn outbox() -> Outbox {
        let mut outbox = Outbox::new("v.example".into(), LinkMetrics::default());
        outbox.open();
        outbox
    }

    fn message(from: Option<&str>) -> Element {
        Element::new(ns::COMPONENT, "message").with_attr("to", "a@b").with_attr_opt("from", from)
    }

    #[test]
    fn every_stanza_comes_from_the_components_domain() {
        let mut outbox = outbox();
        outbox.send(message(None)).unwrap();
        assert_eq!(outbox.pending(), b"<message to='a@b' from='v.example'/>");
        for own in ["v.example", "x@v.example", "x@v.example/a@b/c", "v.example/r"] {
            assert_eq!(outbox.send(message(Some(own))), Ok(()), "{own}");
        }
        for foreign in ["", "b", "v.example@b", "b/v.example", "b/@v.example", "V.example"] {
            assert_eq!(outbox.send(message(Some(foreign))), Err(SendError::ForeignSender));
        }
    }

    #[test]
    fn what_would_close_the_link_is_not_sent() {
        let mut outbox = outbox();
        let nowhere = Element::new(ns::COMPONENT, "message");
        assert_eq!(outbox.send(nowhere), Err(SendError::NoAddressee));
        let large = message(None).with_text("x".repeat(MAX_STANZA));
        assert_eq!(outbox.send(large), Err(SendError::TooLarge));
        assert_eq!(outbox.pending(), b"");
        outbox.close();
        assert_eq!(outbox.send(message(None)), Err(SendError::Down));
    }

    #[test]
    fn what_is_partly_written_goes_on_where_it_stopped() {
        let mut outbox = outbox();
        outbox.push_raw(b"abcdef");
        outbox.wrote(2);
        outbox.push_raw(b"g");
        assert_eq!(outbox.pending(), b"cdefg");
        outbox.wrote(5);
        assert_eq!(outbox.pending(), b"");
        outbox.push_raw(&vec![b'x'; 3 * KEPT]);
        outbox.wrote(2 * KEPT);
        assert_eq!(outbox.pending().len(), KEPT);
    }
}
