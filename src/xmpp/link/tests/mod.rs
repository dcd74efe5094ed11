//! Conversations with a scripted server, in paused time.

mod coming_back;
mod working;

use std::future::ready;
use std::sync::Mutex;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::*;
use crate::xmpp::stanza::Iq;

const HEADER: &str = "<?xml version='1.0'?><stream:stream id='i' from='v.example' \
     xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:component:accept'>";
const MINUTE: Duration = Duration::from_secs(60);

fn settings() -> LinkSettings {
    LinkSettings {
        server: "127.0.0.1:1".into(),
        domain: "v.example".into(),
        secret: Secret::new("secret"),
        ping_every: Duration::from_secs(10),
        silence: Duration::from_secs(25),
        request_limit: Duration::from_secs(5),
        allow_plaintext_network: false,
    }
}

/// The server's end of one connection.
struct Peer {
    stream: DuplexStream,
    seen: BytesMut,
}

impl Peer {
    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Waits for the text and returns everything up to its end.
    async fn hear(&mut self, text: &str) -> String {
        loop {
            let seen = String::from_utf8(self.seen.to_vec()).unwrap();
            if let Some(at) = seen.find(text) {
                let heard = self.seen.split_to(at.saturating_add(text.len()));
                return String::from_utf8(heard.to_vec()).unwrap();
            }
            let read = timeout(MINUTE, self.stream.read_buf(&mut self.seen)).await;
            assert_ne!(read.expect("silence").unwrap(), 0, "end instead of {text}: {seen}");
        }
    }

    async fn accept(&mut self) {
        assert!(self.hear("'v.example'>").await.starts_with("<?xml"));
        self.say(HEADER).await;
        self.hear("</handshake>").await;
        self.say("<handshake/>").await;
    }

    async fn refuse(&mut self, condition: &str) {
        self.hear(">").await;
        self.say(HEADER).await;
        self.say(&stream_error(condition)).await;
        self.say("</stream:stream>").await;
    }

    async fn until_end(&mut self) -> String {
        let mut rest = String::new();
        let mut seen = std::mem::take(&mut self.seen).to_vec();
        timeout(MINUTE, self.stream.read_to_end(&mut seen)).await.unwrap().unwrap();
        rest.push_str(std::str::from_utf8(&seen).unwrap());
        rest
    }
}

fn stream_error(condition: &str) -> String {
    format!(
        "<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
    )
}

/// A running link, the connections it makes and what it tells.
struct Lab {
    peers: mpsc::UnboundedReceiver<Peer>,
    events: mpsc::UnboundedReceiver<LinkEvent>,
    attempts: Arc<Mutex<Vec<Instant>>>,
    handle: LinkHandle,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Lab {
    /// `reachable` says for each attempt whether the server listens.
    fn start(mut reachable: impl FnMut(usize) -> bool + Send + 'static) -> Self {
        let (link, handle) = Link::new(settings());
        let (connected, peers) = mpsc::unbounded_channel();
        let (told, events) = mpsc::unbounded_channel();
        let cancel = CancellationToken::new();
        let attempts: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let times = Arc::clone(&attempts);
        let connect = move || {
            let mut times = times.lock().unwrap();
            times.push(Instant::now());
            if !reachable(times.len()) {
                let address = "127.0.0.1:1".parse().unwrap();
                let source = std::io::ErrorKind::ConnectionRefused.into();
                return ready(Err(LinkError::Connect { address, source }));
            }
            let (ours, theirs) = duplex(4096);
            connected.send(Peer { stream: theirs, seen: BytesMut::new() }).ok();
            ready(Ok(ours))
        };
        let handler = move |event: LinkEvent, outbox: &mut Outbox| {
            if let LinkEvent::Stanza(stanza) = &event
                && let Ok(iq) = Iq::try_from(stanza.clone())
            {
                outbox.send(Iq::result_to(&iq, None)).ok();
            }
            told.send(event).ok();
        };
        let task = tokio::spawn(link.run_over(connect, cancel.clone(), handler));
        Self { peers, events, attempts, handle, cancel, task }
    }

    async fn peer(&mut self) -> Peer {
        timeout(MINUTE, self.peers.recv()).await.unwrap().unwrap()
    }

    async fn event(&mut self) -> LinkEvent {
        timeout(MINUTE, self.events.recv()).await.unwrap().unwrap()
    }

    async fn down(&mut self) -> LinkError {
        match self.event().await {
            LinkEvent::Down { error } => error,
            other @ (LinkEvent::Up | LinkEvent::Stanza(_)) => panic!("{other:?}"),
        }
    }

    async fn up(&mut self) -> Peer {
        let mut peer = self.peer().await;
        peer.accept().await;
        assert!(matches!(self.event().await, LinkEvent::Up));
        peer
    }

    fn waits(&self) -> Vec<Duration> {
        let times = self.attempts.lock().unwrap();
        times.windows(2).map(|pair| pair[1].duration_since(pair[0])).collect()
    }
}

const QUESTION: &str =
    "<iq type='get' id='1' from='muc.example' to='v.example'><q xmlns='urn:q'/></iq>";
const ANSWER: &str = "<iq id='1' type='result' from='v.example' to='muc.example'/>";
