//! Conversations with a scripted server, in paused time.

use std::future::ready;
use std::sync::Mutex;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::*;
use crate::xmpp::element::{Document, Element};
use crate::xmpp::handshake::{HandshakeError, StreamError};
use crate::xmpp::link::handle::{RECEIVED, SENT};
use crate::xmpp::ns;
use crate::xmpp::stanza::{Condition, Iq};

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
        let mut seen = std::mem::take(&mut self.seen).to_vec();
        timeout(MINUTE, self.stream.read_to_end(&mut seen)).await.unwrap().unwrap();
        String::from_utf8(seen).unwrap()
    }
}

fn stream_error(condition: &str) -> String {
    format!(
        "<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
    )
}

/// An event, kept for longer than its stanza.
#[derive(Debug)]
enum Told {
    Up,
    Down(LinkError),
    Stanza,
}

/// A running link, the connections it makes, and the events it reports.
struct Lab {
    peers: mpsc::UnboundedReceiver<Peer>,
    events: mpsc::UnboundedReceiver<Told>,
    attempts: Arc<Mutex<Vec<Instant>>>,
    handle: LinkHandle,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Lab {
    /// Starts a link; `reachable` returns for each attempt whether the server listens.
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
        let handler = move |event: LinkEvent<'_>, outbox: &mut Outbox| {
            let event = match event {
                LinkEvent::Up => Told::Up,
                LinkEvent::Down(error) => Told::Down(error),
                LinkEvent::Stanza(stanza) => {
                    if let Ok(iq) = Iq::try_from(stanza) {
                        outbox.send(Iq::result_to(&iq, None)).ok();
                    }
                    Told::Stanza
                }
                LinkEvent::Written => return,
            };
            told.send(event).ok();
        };
        let task = tokio::spawn(link.run_over(connect, cancel.clone(), handler));
        Self { peers, events, attempts, handle, cancel, task }
    }

    async fn linked() -> (Self, Peer) {
        let mut lab = Self::start(|_| true);
        let peer = lab.up().await;
        (lab, peer)
    }

    async fn peer(&mut self) -> Peer {
        timeout(MINUTE, self.peers.recv()).await.unwrap().unwrap()
    }

    async fn event(&mut self) -> Told {
        timeout(MINUTE, self.events.recv()).await.unwrap().unwrap()
    }

    async fn down(&mut self) -> LinkError {
        match self.event().await {
            Told::Down(error) => error,
            other @ (Told::Up | Told::Stanza) => panic!("{other:?}"),
        }
    }

    async fn up(&mut self) -> Peer {
        let mut peer = self.peer().await;
        peer.accept().await;
        assert!(matches!(self.event().await, Told::Up));
        peer
    }

    fn waits(&self) -> Vec<Duration> {
        let times = self.attempts.lock().unwrap();
        times.windows(2).map(|pair| pair[1].duration_since(pair[0])).collect()
    }
}

fn message() -> Element {
    Element::new(ns::COMPONENT, "message").with_attr("to", "a")
}

const QUESTION: &str =
    "<iq type='get' id='1' from='muc.example' to='v.example'><q xmlns='urn:q'/></iq>";
const ANSWER: &str = "<iq id='1' type='result' from='v.example' to='muc.example'/>";

#[tokio::test(start_paused = true)]
async fn broken_framing_closes_with_the_right_error_and_comes_back() {
    let (mut lab, mut peer) = Lab::linked().await;
    peer.say("<!-- c -->").await;
    let expected = "<stream:error><restricted-xml xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
                    </stream:error></stream:stream>";
    assert_eq!(peer.until_end().await, expected);
    assert!(matches!(lab.down().await, LinkError::Framing(_)));
    lab.up().await;
}

#[tokio::test(start_paused = true)]
async fn an_end_at_any_place_brings_the_link_back_at_once() {
    let parts = ["", "<", "<iq id='1", "<iq id='1'>", "</stream:stream>", "</str"];
    for part in parts {
        let (mut lab, mut peer) = Lab::linked().await;
        peer.say(part).await;
        drop(peer);
        let error = lab.down().await;
        assert!(matches!(error, LinkError::Closed | LinkError::Io(_)), "{part}: {error}");
        lab.up().await;
        assert_eq!(lab.waits()[0], Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_during_the_handshake_is_a_failure_like_others() {
    let mut lab = Lab::start(|_| true);
    drop(lab.peer().await);
    lab.down().await;
    let mut peer = lab.peer().await;
    peer.hear(">").await;
    peer.say("<?xml version='1.0'?><stream:str").await;
    drop(peer);
    lab.up().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_is_found_within_a_quarter_of_a_second() {
    let mut lab = Lab::start(|attempt| attempt > 100);
    assert!(matches!(lab.down().await, LinkError::Connect { .. }));
    lab.up().await;
    let waits = lab.waits();
    assert_eq!(waits[0], Duration::ZERO);
    assert!(waits[1..].iter().all(|&w| w >= Duration::from_millis(50)));
    assert!(waits.iter().all(|&w| w <= Duration::from_millis(201)), "{waits:?}");
    assert!(lab.events.try_recv().is_err(), "the same failure is told once");
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_waited_out_and_told_once() {
    let mut lab = Lab::start(|_| true);
    for _ in 0..5 {
        lab.peer().await.refuse("conflict").await;
    }
    assert_eq!(lab.down().await.remedy(), Remedy::Standby);
    lab.up().await;
    let waits = lab.waits();
    let second = |w: &Duration| (900..=1001).contains(&w.as_millis());
    assert!(waits.iter().all(second), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_is_told_and_retried_slowly() {
    let mut lab = Lab::start(|_| true);
    lab.peer().await.refuse("not-authorized").await;
    let error = lab.down().await;
    assert_eq!(error.remedy(), Remedy::TellOperator);
    assert!(!format!("{error} {error:?} {:?}", error.advice("v")).contains("\"secret\""));
    lab.peer().await.refuse("not-authorized").await;
    lab.up().await;
    assert_eq!(lab.waits(), [Duration::from_secs(5), Duration::from_secs(5)]);
}

#[tokio::test(start_paused = true)]
async fn a_replaced_link_does_not_push_back() {
    let (mut lab, mut peer) = Lab::linked().await;
    peer.say(&stream_error("conflict")).await;
    assert_eq!(lab.down().await.remedy(), Remedy::Standby);
    drop(peer);
    lab.up().await;
    assert!(lab.waits()[0] >= Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn the_reason_is_found_although_the_server_reads_no_more() {
    let (mut lab, mut peer) = Lab::linked().await;
    peer.say(&format!("{QUESTION}{}", stream_error("system-shutdown"))).await;
    drop(peer);
    while !matches!(lab.event().await, Told::Down(LinkError::Ended(_))) {}
    let mut peer = lab.up().await;
    peer.say(QUESTION).await;
    peer.say(&stream_error("reset")).await;
    lab.handle.send(message()).unwrap();
    drop(peer);
    while !matches!(lab.event().await, Told::Down(LinkError::Ended(_))) {}
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_shakes_hands_is_given_up() {
    let mut lab = Lab::start(|_| true);
    let _mute = lab.peer().await;
    assert!(matches!(lab.down().await, LinkError::TimedOut { .. }));
    lab.up().await;
}

#[tokio::test(start_paused = true)]
async fn another_protocol_is_told() {
    let mut lab = Lab::start(|_| true);
    lab.peer().await.say("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert_eq!(lab.down().await.remedy(), Remedy::TellOperator);
    let mut peer = lab.peer().await;
    peer.hear(">").await;
    peer.say(&HEADER.replace("jabber:component:accept", "jabber:client")).await;
    let error = lab.down().await;
    assert!(matches!(error, LinkError::Handshake(HandshakeError::Unexpected(_))), "{error}");
}

#[tokio::test(start_paused = true)]
async fn silence_is_asked_about_and_a_half_open_link_is_given_up() {
    let (mut lab, mut peer) = Lab::linked().await;
    let start = Instant::now();
    let ping = peer.hear("</iq>").await;
    assert!(ping.contains("urn:xmpp:ping") && ping.contains("to='v.example'"), "{ping}");
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    peer.say(" ").await;
    let heard = Instant::now();
    assert!(matches!(lab.down().await, LinkError::Silent(_)));
    assert!(heard.elapsed() >= Duration::from_secs(25), "white space counts as a sign of life");
    lab.up().await;
}

#[tokio::test(start_paused = true)]
async fn our_own_ping_that_comes_round_is_not_answered() {
    let (_lab, mut peer) = Lab::linked().await;
    let ping = peer.hear("</iq>").await;
    peer.say(&ping).await;
    peer.say(QUESTION).await;
    assert_eq!(peer.hear(ANSWER).await, ANSWER);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_slowed_down_and_given_up() {
    let (mut lab, mut peer) = Lab::linked().await;
    let flood = QUESTION.repeat(64);
    let sent = timeout(MINUTE, async {
        let mut sent = 0_usize;
        while peer.stream.write_all(flood.as_bytes()).await.is_ok() {
            sent = sent.saturating_add(flood.len());
        }
        sent
    });
    let sent = sent.await.unwrap();
    assert!(sent < 4 * 1024 * 1024, "{sent}");
    while !matches!(lab.event().await, Told::Down(LinkError::Silent(_))) {}
}

#[tokio::test(start_paused = true)]
async fn orders_for_an_old_link_do_not_reach_the_next() {
    let mut lab = Lab::start(|_| true);
    let peer = lab.up().await;
    drop(peer);
    lab.down().await;
    lab.handle.orders.send(Order::Send(message())).await.unwrap();
    let mut peer = lab.up().await;
    peer.say(QUESTION).await;
    assert_eq!(peer.hear(ANSWER).await, ANSWER);
}

#[test]
fn the_server_error_is_told_in_words() {
    let error = StreamError { condition: "conflict".into(), text: Some("in <use>".into()) };
    let said = LinkError::Ended(error).to_string();
    assert_eq!(said, "the server closed the stream with `conflict`: \"in <use>\"");
}

#[tokio::test(start_paused = true)]
async fn questions_are_answered_in_the_order_they_came() {
    let (lab, mut peer) = Lab::linked().await;
    peer.say(&QUESTION.repeat(3)).await;
    assert_eq!(peer.hear(&ANSWER.repeat(3)).await, ANSWER.repeat(3));
    assert!(lab.handle.is_up());
    let stanzas = |direction| lab.handle.metrics.stanzas.get_or_create(direction).get();
    assert_eq!((stanzas(&RECEIVED), stanzas(&SENT)), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_on_its_way_before_what_waits_for_that() {
    let (link, _handle) = Link::new(settings());
    let (ours, theirs) = duplex(4096);
    let mut connections = vec![ours];
    let connect = move || ready(Ok(connections.pop().unwrap()));
    let (has_answer, slow_store) = std::sync::mpsc::channel();
    let (wrote, written) = std::sync::mpsc::channel();
    let handler = move |event: LinkEvent<'_>, outbox: &mut Outbox| match event {
        LinkEvent::Stanza(stanza) => {
            outbox.send(Iq::result_to(&Iq::try_from(stanza).unwrap(), None)).unwrap();
        }
        LinkEvent::Written => wrote.send(slow_store.recv_timeout(MINUTE)).unwrap(),
        LinkEvent::Up | LinkEvent::Down(_) => {}
    };
    let cancel = CancellationToken::new();
    let task = tokio::spawn(link.run_over(connect, cancel.clone(), handler));
    let mut peer = Peer { stream: theirs, seen: BytesMut::new() };
    peer.accept().await;
    peer.say(QUESTION).await;
    peer.hear(ANSWER).await;
    has_answer.send(()).unwrap();
    drop(has_answer);
    cancel.cancel();
    peer.until_end().await;
    task.await.unwrap();
    let written: Vec<_> = written.iter().map(|before| before.is_ok()).collect();
    // The second time is at the end of the link.
    assert_eq!(written, [true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_stanza_right_behind_the_handshake_is_not_lost() {
    let mut lab = Lab::start(|_| true);
    let mut peer = lab.peer().await;
    peer.hear(">").await;
    peer.say(HEADER).await;
    peer.hear("</handshake>").await;
    peer.say(&format!("<handshake/>{QUESTION}")).await;
    peer.hear(ANSWER).await;
}

#[tokio::test(start_paused = true)]
async fn cancelling_at_any_byte_of_a_stanza_says_goodbye() {
    for at in 0..QUESTION.len() {
        let (lab, mut peer) = Lab::linked().await;
        peer.say(QUESTION.split_at(at).0).await;
        sleep(Duration::from_millis(1)).await;
        lab.cancel.cancel();
        assert_eq!(peer.until_end().await, "</stream:stream>", "at {at}");
        drop(peer);
        lab.task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn cancelling_sends_what_was_already_answered() {
    let (lab, mut peer) = Lab::linked().await;
    lab.handle.send(message()).unwrap();
    peer.hear("<message to='a' from='v.example'/>").await;
    lab.cancel.cancel();
    peer.hear("</stream:stream>").await;
    drop(peer);
    lab.task.await.unwrap();
    assert!(!lab.handle.is_up());
    assert_eq!(lab.handle.send(message()), Err(SendError::Down));
}

#[tokio::test(start_paused = true)]
async fn a_stanza_cut_by_other_work_at_any_byte_arrives_whole() {
    let (lab, mut peer) = Lab::linked().await;
    for at in 1..QUESTION.len() {
        let (first, second) = QUESTION.split_at(at);
        peer.say(first).await;
        lab.handle.send(message()).unwrap();
        peer.hear("<message to='a' from='v.example'/>").await;
        peer.say(second).await;
        peer.hear(ANSWER).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stanza_that_cannot_be_read_is_dropped_and_the_link_lives() {
    let (lab, mut peer) = Lab::linked().await;
    peer.say("<message><a></b></message><iq id='&nope;'/>").await;
    peer.say(&format!("{}{}", "<a>".repeat(40), "</a>".repeat(40))).await;
    peer.say(QUESTION).await;
    peer.hear(ANSWER).await;
    let metrics = &lab.handle.metrics;
    assert_eq!((metrics.dropped.get(), metrics.links.get()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_question_that_cannot_be_read_is_refused_at_once() {
    let (_lab, mut peer) = Lab::linked().await;
    for (id, rest) in [
        ("a", "><request nick='\u{1}'/></iq>"),
        ("b", "><request>\u{fffe}</request></iq>"),
        ("c", " odd='/>'><request nick='&nope;'/></iq>"),
    ] {
        peer.say(&format!("<iq type='set' id='{id}' from='gate' to='v.example'{rest}")).await;
        let error = "<error type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
        peer.hear(&format!("<iq id='{id}' type='error' from='v.example' to='gate'>{error}</iq>"))
            .await;
        // No answer to an answer, nor to what is no request.
        peer.say(&format!("<iq type='error' id='{id}' from='gate' to='v.example'{rest}")).await;
        peer.say(&format!("<message id='{id}' from='gate' to='v.example'><a\u{1}/></message>"))
            .await;
    }
    peer.say(QUESTION).await;
    peer.hear(ANSWER).await;
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_without_the_handler() {
    let (mut lab, mut peer) = Lab::linked().await;
    peer.say(
        "<iq type='get' id='p' from='a@b/c' to='v.example'><ping xmlns='urn:xmpp:ping'/></iq>",
    )
    .await;
    peer.hear("<iq id='p' type='result' from='v.example' to='a@b/c'/>").await;
    assert!(lab.events.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_request_gets_the_answer_of_who_was_asked() {
    let (lab, mut peer) = Lab::linked().await;
    let handle = lab.handle.clone();
    let asking =
        tokio::spawn(
            async move { handle.request("muc.example", Element::new("urn:q", "q")).await },
        );
    let asked = peer.hear("</iq>").await;
    let asked = Document::parse(asked.as_bytes(), ns::COMPONENT).unwrap();
    let asked = asked.root();
    assert_eq!((asked.attr("type"), asked.attr("from")), (Some("get"), Some("v.example")));
    let id = asked.attr("id").unwrap();
    let answer = |from: &str, name: &str| {
        format!(
            "<iq type='result' id='{id}' from='{from}' to='v.example'><{name} xmlns='urn:q'/></iq>"
        )
    };
    peer.say(&answer("evil.example", "bad")).await;
    peer.say(&answer("muc.example", "good")).await;
    assert_eq!(asking.await.unwrap().unwrap().root(), Element::new("urn:q", "good"));
}

#[tokio::test(start_paused = true)]
async fn a_request_ends_whatever_happens() {
    let mut lab = Lab::start(|_| true);
    let refused = lab.handle.command("a", Element::new("", "q")).await;
    assert_eq!(refused.unwrap_err(), RequestError::Down);
    let mut peer = lab.up().await;
    let ask = |lab: &Lab| {
        let handle = lab.handle.clone();
        tokio::spawn(async move { handle.command("muc.example", Element::new("urn:q", "q")).await })
    };
    assert_eq!(ask(&lab).await.unwrap().unwrap_err(), RequestError::TimedOut);
    let refused = ask(&lab);
    peer.hear("</iq>").await;
    let asked = Document::parse(peer.hear("</iq>").await.as_bytes(), ns::COMPONENT).unwrap();
    let id = asked.root().attr("id").unwrap();
    peer.say(&format!(
        "<iq type='error' id='{id}' from='muc.example'><error type='cancel'><item-not-found \
         xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    ))
    .await;
    let Err(RequestError::Refused(error)) = refused.await.unwrap() else { panic!() };
    assert_eq!(error.condition, Condition::ItemNotFound);
    let lost = ask(&lab);
    peer.hear("</iq>").await;
    drop(peer);
    assert_eq!(lost.await.unwrap().unwrap_err(), RequestError::Down);
}

/// A link over a real connection, and the server's end of it.
async fn connected(
    cancel: &CancellationToken,
    handler: impl FnMut(LinkEvent<'_>, &mut Outbox) + Send + 'static,
) -> (LinkHandle, JoinHandle<()>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let (link, handle) = Link::new(LinkSettings { server, ..settings() });
    let task = tokio::spawn(link.run(cancel.clone(), handler));
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut buffer = [0; 1024];
    assert!(stream.read(&mut buffer).await.unwrap() > 100, "the header comes in one piece");
    stream.write_all(HEADER.as_bytes()).await.unwrap();
    assert!(stream.read(&mut buffer).await.unwrap() > 40);
    stream.write_all(b"<handshake/>").await.unwrap();
    assert!(handle.clone().until_up().await);
    (handle, task, stream)
}

#[tokio::test]
async fn a_real_connection_works_too() {
    let cancel = CancellationToken::new();
    let (_handle, task, mut stream) = connected(&cancel, |_, _| {}).await;
    cancel.cancel();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "</stream:stream>");
    drop(stream);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_link_whose_task_has_died_is_none() {
    let mut lab = Lab::start(|_| true);
    let _peer = lab.up().await;
    assert!(lab.handle.lives());
    lab.task.abort();
    let _ = (&mut lab.task).await;
    assert!(!lab.handle.is_up() && !lab.handle.lives() && !lab.handle.has_turns(MINUTE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_hangs_is_up_and_does_not_live() {
    let (free, stuck) = std::sync::mpsc::channel::<()>();
    let hang = move |_: LinkEvent<'_>, _: &mut Outbox| _ = stuck.recv();
    let (handle, _task, _stream) = connected(&CancellationToken::new(), hang).await;
    // The handler never returns: without a turn the link answers nobody.
    let limit = Duration::from_millis(200);
    // Measured in real time, because the runtime's clock may hang with the handler.
    std::thread::sleep(limit * 3);
    assert!(handle.is_up() && !handle.has_turns(limit));
    drop(free);
    let felt = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        handle.has_turns(limit)
    });
    assert!(felt);
}
