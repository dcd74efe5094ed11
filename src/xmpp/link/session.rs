//! One connection, from the handshake to its end.

use std::pin::pin;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf,
};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::codec::Decoder as _;
use tokio_util::sync::CancellationToken;

use super::handle::{Order, RECEIVED, RequestError};
use super::{Link, LinkError, LinkEvent, Outbox};
use crate::xmpp::element::{Document, Element, ElementRef, Scope};
use crate::xmpp::framer::{Frame, Framer};
use crate::xmpp::handshake::{Handshake, HandshakeError, Step, StreamError};
use crate::xmpp::ns;
use crate::xmpp::stanza::{InvalidStanza, Iq, IqKind};

const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Time limit for closing the stream before the connection is dropped.
const FAREWELL_LIMIT: Duration = Duration::from_millis(500);
/// Bytes waiting to be written above which nothing more is read: a peer that sends requests and
/// does not read the answers is slowed down instead of filling the memory.
const HIGH_WATER: usize = 1024 * 1024;
const READ_SIZE: usize = 64 * 1024;
/// Most orders that are taken before answers are written again.
const ORDERS_AT_ONCE: usize = 64;

/// An open connection and its stream.
pub(super) struct Session<'a, S> {
    pub(super) link: &'a mut Link,
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    framer: Framer,
    buffer: BytesMut,
    scope: Scope,
    /// The stanza that is handled.
    document: Document,
}

impl<'a, S: AsyncRead + AsyncWrite> Session<'a, S> {
    /// Opens the stream on a new connection, and authenticates the component.
    pub(super) async fn open(stream: S, link: &'a mut Link) -> Result<Self, LinkError> {
        let (reader, writer) = tokio::io::split(stream);
        let (framer, buffer, scope, document) = Default::default();
        let mut session = Self { link, reader, writer, framer, buffer, scope, document };
        let late = LinkError::TimedOut { doing: "shaking hands", limit: HANDSHAKE_LIMIT };
        match timeout(HANDSHAKE_LIMIT, session.handshake()).await.unwrap_or(Err(late)) {
            Ok(()) => {
                // What was ordered for an earlier link is discarded.
                while session.link.orders.try_recv().is_ok() {}
                Ok(session)
            }
            Err(error) => {
                session.farewell(Some(&error)).await;
                Err(error)
            }
        }
    }

    async fn handshake(&mut self) -> Result<(), LinkError> {
        let (mut handshake, header) = Handshake::begin(&self.link.settings.domain);
        let mut unsent = self.writer.write_all(&header).await.err();
        loop {
            let Some(frame) = self.framer.decode(&mut self.buffer)? else {
                self.buffer.reserve(READ_SIZE);
                match self.reader.read_buf(&mut self.buffer).await.map_err(LinkError::Io)? {
                    0 => return Err(unsent.map_or(HandshakeError::Closed.into(), LinkError::Io)),
                    _ => continue,
                }
            };
            match handshake.receive(&frame, self.link.settings.secret.expose())? {
                Step::Wait => {}
                Step::Send(proof) => {
                    // A server that has hung up may have sent its reason before, so reading goes on.
                    unsent = unsent.or(self.writer.write_all(&proof).await.err());
                }
                Step::Done(scope) => {
                    self.scope = scope;
                    return Ok(());
                }
            }
        }
    }

    /// Serves the stream until it ends; `Ok` if it was cancelled.
    pub(super) async fn serve(
        mut self,
        cancel: &CancellationToken,
        handler: &mut impl FnMut(LinkEvent<'_>, &mut Outbox),
    ) -> Result<(), LinkError> {
        self.link.outbox.open();
        handler(LinkEvent::Up, &mut self.link.outbox);
        let result = self.exchange(cancel, handler).await;
        self.farewell(result.as_ref().err()).await;
        self.link.outbox.close();
        handler(LinkEvent::Written, &mut self.link.outbox);
        self.link.requests.abandon();
        result
    }

    async fn exchange(
        &mut self,
        cancel: &CancellationToken,
        handler: &mut impl FnMut(LinkEvent<'_>, &mut Outbox),
    ) -> Result<(), LinkError> {
        let now = Instant::now();
        let mut live =
            Liveness::new(self.link.settings.ping_every, self.link.settings.silence, now);
        let mut tick = pin!(sleep_until(live.due()));
        // The server may have sent stanzas together with the end of its handshake.
        self.receive(handler)?;
        loop {
            let pending = self.link.outbox.pending();
            let room = pending.len() < HIGH_WATER;
            self.buffer.reserve(READ_SIZE);
            // Writing comes before reading: the answers of one batch leave before the next.
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(()),
                written = self.writer.write(pending), if !pending.is_empty() => {
                    match written {
                        Ok(count @ 1..) => {
                            self.link.outbox.wrote(count);
                            if self.link.outbox.pending().is_empty() {
                                handler(LinkEvent::Written, &mut self.link.outbox);
                            }
                        }
                        Ok(0) => return Err(self.last_words(LinkError::Closed).await),
                        Err(error) => return Err(self.last_words(LinkError::Io(error)).await),
                    }
                }
                () = tick.as_mut() => {
                    match live.check(Instant::now()) {
                        Health::Fine => {}
                        Health::Ping => self.ping(),
                        Health::Silent => {
                            return Err(LinkError::Silent(self.link.settings.silence));
                        }
                    }
                    tick.as_mut().reset(live.due());
                }
                read = self.reader.read_buf(&mut self.buffer), if room => {
                    if read.map_err(LinkError::Io)? == 0 {
                        return Err(LinkError::Closed);
                    }
                    live.hear(Instant::now());
                    self.receive(handler)?;
                }
                Some(order) = self.link.orders.recv(), if room => {
                    self.carry_out(order);
                    for _ in 1..ORDERS_AT_ONCE {
                        let Ok(order) = self.link.orders.try_recv() else { break };
                        self.carry_out(order);
                    }
                }
            }
        }
    }

    /// Takes every whole frame from the buffer.
    fn receive(
        &mut self,
        handler: &mut impl FnMut(LinkEvent<'_>, &mut Outbox),
    ) -> Result<(), LinkError> {
        while let Some(frame) = self.framer.decode(&mut self.buffer)? {
            match frame {
                Frame::Stanza(bytes) => {
                    self.link.metrics.count(&RECEIVED);
                    let mut document = std::mem::take(&mut self.document);
                    let taken = match document.read(&bytes, &self.scope) {
                        Ok(stanza) => self.take(stanza, handler),
                        Err(error) => {
                            self.link.metrics.dropped.inc();
                            tracing::debug!(%error, "dropped a stanza that cannot be read");
                            self.refuse_unread(&bytes, &mut document);
                            Ok(())
                        }
                    };
                    self.document = document;
                    taken?;
                }
                Frame::Refused(refusal) => {
                    self.link.metrics.dropped.inc();
                    tracing::debug!(?refusal, "dropped a stanza");
                }
                Frame::Close => return Err(LinkError::Closed),
                Frame::Open(_) | Frame::Keepalive => {}
            }
        }
        Ok(())
    }

    /// Refuses a question of which only the start tag can be read. Otherwise the peer would keep a place for it until
    /// its time is up, and a person who can bring such a text into questions would hold up all others.
    fn refuse_unread(&mut self, stanza: &[u8], document: &mut Document) {
        let Some(start) = start_tag(stanza) else { return };
        let Ok(iq) = document.read(&[start, b"/>"].concat(), &self.scope) else { return };
        // Without a payload it is no question either, and the error has the reply.
        if let Err(InvalidStanza { reply: Some(reply), .. }) = Iq::try_from(iq) {
            // The outbox counts what it does not accept.
            let _ = self.link.outbox.reply(*reply);
        }
    }

    /// Handles stanzas that concern the link itself, and passes on the others.
    fn take(
        &mut self,
        stanza: ElementRef<'_>,
        handler: &mut impl FnMut(LinkEvent<'_>, &mut Outbox),
    ) -> Result<(), LinkError> {
        if let Some(error) = StreamError::read(stanza) {
            return Err(LinkError::Ended(error));
        }
        let own = Some(self.link.settings.domain.as_str());
        if stanza.attr("to") == own && stanza.attr("from") == own {
            // The component's own ping has come back, which is all that it is for.
            return Ok(());
        }
        let Some(stanza) = self.link.requests.settle(stanza) else { return Ok(()) };
        if is_ping(stanza) && stanza.attr("to") == own {
            if let Ok(ping) = Iq::try_from(stanza) {
                // The outbox counts what it does not accept.
                let _ = self.link.outbox.reply(Iq::result_to(&ping, None));
            }
            return Ok(());
        }
        handler(LinkEvent::Stanza(stanza), &mut self.link.outbox);
        Ok(())
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Send(stanza) => {
                if let Err(error) = self.link.outbox.send(stanza) {
                    tracing::warn!(%error, "did not send a stanza");
                }
            }
            Order::Ask { answer, .. } if answer.is_closed() => {}
            Order::Ask { kind, to, answer } => {
                let id = self.link.requests.next_id();
                if let Err(answer) = self.link.requests.begin(id.clone(), to.clone(), answer) {
                    let _ = answer.send(Err(RequestError::Busy));
                    return;
                }
                let iq = Iq { id: id.as_str().into(), from: None, to: Some(to.into()), kind };
                if let Err(error) = self.link.outbox.send(iq) {
                    self.link.requests.fail(&id, RequestError::Unsendable(error));
                }
            }
        }
    }

    /// Pings the component's own domain (XEP-0199), which surely exists. The server routes the
    /// ping back, so its return proves both directions.
    fn ping(&mut self) {
        let id = self.link.requests.next_id().into();
        let kind = IqKind::Get(Element::new(ns::PING, "ping"));
        let to = Some(self.link.settings.domain.as_str().into());
        let _ = self.link.outbox.send(Iq { id, from: None, to, kind });
    }

    /// Looks for a reason in what the server sent before it stopped reading.
    async fn last_words(&mut self, error: LinkError) -> LinkError {
        let mut said = None;
        let listening = async {
            loop {
                while let Ok(Some(frame)) = self.framer.decode(&mut self.buffer) {
                    if let Frame::Stanza(bytes) = frame
                        && let Ok(element) = Document::parse_in(&bytes, &self.scope)
                        && let Some(reason) = StreamError::read(element.root())
                    {
                        said = Some(reason);
                        return;
                    }
                }
                self.buffer.reserve(READ_SIZE);
                if !matches!(self.reader.read_buf(&mut self.buffer).await, Ok(1..)) {
                    return;
                }
            }
        };
        // Without a reason in time, the failure itself is the reason.
        let _ = timeout(FAREWELL_LIMIT, listening).await;
        said.map_or(error, LinkError::Ended)
    }

    /// Sends what is left, and ends the stream if the server still reads.
    async fn farewell(&mut self, error: Option<&LinkError>) {
        if let Some(LinkError::Framing(error)) = error {
            let condition = Element::new(ns::STREAM_ERRORS, error.condition());
            let mut bytes = Vec::new();
            condition.write(&mut bytes);
            self.link.outbox.push_raw(b"<stream:error>");
            self.link.outbox.push_raw(&bytes);
            self.link.outbox.push_raw(b"</stream:error>");
        }
        self.link.outbox.push_raw(b"</stream:stream>");
        let bytes = self.link.outbox.pending();
        let said = async {
            self.writer.write_all(bytes).await?;
            self.writer.shutdown().await
        };
        // A farewell that fails has no consequences.
        let _ = timeout(FAREWELL_LIMIT, said).await;
        self.link.outbox.close();
        if error.is_none() {
            let reader = &mut self.reader;
            let mut rest = [0; 1024];
            let heard = async { while matches!(reader.read(&mut rest).await, Ok(1..)) {} };
            let _ = timeout(FAREWELL_LIMIT, heard).await;
        }
    }
}

fn is_ping(stanza: ElementRef<'_>) -> bool {
    stanza.is(ns::COMPONENT, "iq")
        && stanza.attr("type") == Some("get")
        && stanza.child(ns::PING, "ping").is_some()
}

const LIMIT: Duration = Duration::from_secs(5);

/// Connects to `server` (`host:port`), which must be on this machine unless `allow_network`.
///
/// Every address of the name is checked before the first is tried: the secret's digest and the
/// passwords of rooms would cross the network unencrypted.
pub(super) async fn connect(server: String, allow_network: bool) -> Result<TcpStream, LinkError> {
    let addresses: Vec<_> = match timeout(LIMIT, lookup_host(server.clone())).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(source)) => return Err(LinkError::Resolve { server, source: Some(source) }),
        Err(_) => {
            return Err(LinkError::TimedOut { doing: "looking up its address", limit: LIMIT });
        }
    };
    let remote = addresses.iter().find(|address| !address.ip().to_canonical().is_loopback());
    if let (Some(&address), false) = (remote, allow_network) {
        return Err(LinkError::Plaintext(address));
    }
    let mut last = LinkError::Resolve { server, source: None };
    for address in addresses {
        match timeout(LIMIT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Answers are written in batches already, so waiting for more would only delay them.
                stream.set_nodelay(true).map_err(LinkError::Io)?;
                return Ok(stream);
            }
            Ok(Err(source)) => last = LinkError::Connect { address, source },
            Err(_) => last = LinkError::TimedOut { doing: "connecting", limit: LIMIT },
        }
    }
    Err(last)
}

/// Tracks when bytes were last received, and when the last ping was sent.
#[derive(Debug)]
pub(super) struct Liveness {
    ping_every: Duration,
    silence: Duration,
    received: Instant,
    pinged: Instant,
}

/// What to do about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Fine,
    /// Ping the server.
    Ping,
    /// Close the connection: it may be half-open.
    Silent,
}

impl Liveness {
    pub(super) const fn new(ping_every: Duration, silence: Duration, now: Instant) -> Self {
        Self { ping_every, silence, received: now, pinged: now }
    }

    /// Records that bytes were received, if only white space.
    pub(super) const fn hear(&mut self, now: Instant) {
        self.received = now;
    }

    /// Returns what to do; after [`Health::Ping`] the ping counts as sent.
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
        // The durations that an operator can set never overflow an `Instant`.
        let after = |from: Instant, wait| from.checked_add(wait).unwrap_or(from);
        let ping = after(self.received.max(self.pinged), self.ping_every);
        ping.min(after(self.received, self.silence))
    }
}

/// Returns a start tag without its end: `<iq id='a'` of `<iq id='a'><b/></iq>`.
fn start_tag(stanza: &[u8]) -> Option<&[u8]> {
    let mut quote = None;
    let end = stanza.iter().position(|&byte| {
        match (quote, byte) {
            (None, b'>') => return true,
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
        false
    })?;
    let start = stanza.get(..end)?;
    Some(start.strip_suffix(b"/").unwrap_or(start))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_server_elsewhere_is_refused_before_it_is_connected_to() {
        let error = connect("192.0.2.1:5347".into(), false).await.unwrap_err();
        assert!(matches!(error, LinkError::Plaintext(_)), "{error}");
        let error = connect("0.0.0.0:1".into(), false).await.unwrap_err();
        assert!(matches!(error, LinkError::Plaintext(_)), "{error}");
    }

    #[tokio::test]
    async fn a_server_on_this_machine_is_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert!(connect(address.to_string(), false).await.unwrap().nodelay().unwrap());
        drop(listener);
        let error = connect(address.to_string(), false).await.unwrap_err();
        assert!(matches!(error, LinkError::Connect { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_name_without_port_is_told() {
        let error = connect("localhost".into(), false).await.unwrap_err();
        assert!(matches!(error, LinkError::Resolve { .. }), "{error}");
    }

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
