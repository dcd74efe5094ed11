//! What a link does while it is up, and how it is told to stop.

use super::*;
use crate::xmpp::link::metrics::{RECEIVED, SENT};
use crate::xmpp::ns;
use crate::xmpp::stanza::Condition;

#[tokio::test(start_paused = true)]
async fn questions_are_answered_in_the_order_they_came() {
    let mut lab = Lab::start(|_| true);
    let mut peer = lab.up().await;
    peer.say(&QUESTION.repeat(3)).await;
    assert_eq!(peer.hear(&ANSWER.repeat(3)).await, ANSWER.repeat(3));
    assert!(lab.handle.is_up());
    let stanzas = |direction| lab.handle.metrics().stanzas.get_or_create(direction).get();
    assert_eq!((stanzas(&RECEIVED), stanzas(&SENT)), (3, 3));
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
        let mut lab = Lab::start(|_| true);
        let mut peer = lab.up().await;
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
    let mut lab = Lab::start(|_| true);
    let mut peer = lab.up().await;
    lab.handle.send(Element::new(ns::COMPONENT, "message").with_attr("to", "a")).unwrap();
    peer.hear("<message to='a' from='v.example'/>").await;
    lab.cancel.cancel();
    peer.hear("</stream:stream>").await;
    drop(peer);
    lab.task.await.unwrap();
    assert!(!lab.handle.is_up());
    let message = Element::new(ns::COMPONENT, "message").with_attr("to", "a");
    assert_eq!(lab.handle.send(message), Err(SendError::Down));
}

#[tokio::test(start_paused = true)]
async fn a_stanza_cut_by_other_work_at_any_byte_arrives_whole() {
    let mut lab = Lab::start(|_| true);
    let mut peer = lab.up().await;
    for at in 1..QUESTION.len() {
        let (first, second) = QUESTION.split_at(at);
        peer.say(first).await;
        lab.handle.send(Element::new(ns::COMPONENT, "message").with_attr("to", "a")).unwrap();
        peer.hear("<message to='a' from='v.example'/>").await;
        peer.say(second).await;
        peer.hear(ANSWER).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stanza_that_cannot_be_read_is_dropped_and_the_link_lives() {
    let mut lab = Lab::start(|_| true);
    let mut peer = lab.up().await;
    peer.say("<message><a></b></message><iq id='&nope;'/>").await;
    peer.say(&format!("{}{}", "<a>".repeat(40), "</a>".repeat(40))).await;
    peer.say(QUESTION).await;
    peer.hear(ANSWER).await;
    let metrics = lab.handle.metrics();
    assert_eq!((metrics.dropped.get(), metrics.links.get()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_without_the_handler() {
    let mut lab = Lab::start(|_| true);
    let mut peer = lab.up().await;
    peer.say(
        "<iq type='get' id='p' from='a@b/c' to='v.example'><ping xmlns='urn:xmpp:ping'/></iq>",
    )
    .await;
    peer.hear("<iq id='p' type='result' from='v.example' to='a@b/c'/>").await;
    assert!(lab.events.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_request_gets_the_answer_of_who_was_asked() {
    let mut lab = Lab::start(|_| true);
    let mut peer = lab.up().await;
    let handle = lab.handle.clone();
    let asking =
        tokio::spawn(
            async move { handle.request("muc.example", Element::new("urn:q", "q")).await },
        );
    let asked = peer.hear("</iq>").await;
    let asked = Element::parse(asked.as_bytes(), ns::COMPONENT).unwrap();
    assert_eq!((asked.attr("type"), asked.attr("from")), (Some("get"), Some("v.example")));
    let id = asked.attr("id").unwrap();
    let answer = |from: &str, name: &str| {
        format!(
            "<iq type='result' id='{id}' from='{from}' to='v.example'><{name} xmlns='urn:q'/></iq>"
        )
    };
    peer.say(&answer("evil.example", "bad")).await;
    peer.say(&answer("muc.example", "good")).await;
    assert_eq!(asking.await.unwrap().unwrap(), Element::new("urn:q", "good"));
}

#[tokio::test(start_paused = true)]
async fn a_request_ends_whatever_happens() {
    let mut lab = Lab::start(|_| true);
    assert_eq!(lab.handle.command("a", Element::new("", "q")).await, Err(RequestError::Down));
    let mut peer = lab.up().await;
    let ask = |lab: &Lab| {
        let handle = lab.handle.clone();
        tokio::spawn(async move { handle.command("muc.example", Element::new("urn:q", "q")).await })
    };
    assert_eq!(ask(&lab).await.unwrap(), Err(RequestError::TimedOut));
    let refused = ask(&lab);
    peer.hear("</iq>").await;
    let asked = Element::parse(peer.hear("</iq>").await.as_bytes(), ns::COMPONENT).unwrap();
    let id = asked.attr("id").unwrap();
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
    assert_eq!(lost.await.unwrap(), Err(RequestError::Down));
}

#[tokio::test]
async fn a_real_connection_works_too() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let (link, handle) = Link::new(LinkSettings { server, ..settings() });
    let cancel = CancellationToken::new();
    let task = tokio::spawn(link.run(cancel.clone(), |_, _| {}));
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut buffer = [0; 1024];
    assert!(stream.read(&mut buffer).await.unwrap() > 100, "the header comes in one piece");
    stream.write_all(HEADER.as_bytes()).await.unwrap();
    assert!(stream.read(&mut buffer).await.unwrap() > 40);
    stream.write_all(b"<handshake/>").await.unwrap();
    assert!(handle.clone().until_up().await);
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
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let (link, handle) = Link::new(LinkSettings { server, ..settings() });
    let (free, stuck) = std::sync::mpsc::channel::<()>();
    tokio::spawn(link.run(CancellationToken::new(), move |_, _| {
        let _ = stuck.recv();
    }));
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut buffer = [0; 1024];
    assert!(stream.read(&mut buffer).await.unwrap() > 100);
    stream.write_all(HEADER.as_bytes()).await.unwrap();
    assert!(stream.read(&mut buffer).await.unwrap() > 40);
    stream.write_all(b"<handshake/>").await.unwrap();
    assert!(handle.clone().until_up().await);
    // Its handler never returns: without a turn it answers nobody.
    let limit = Duration::from_millis(200);
    // Not by the runtime's clock, which may hang with the handler.
    std::thread::sleep(limit * 3);
    assert!(handle.is_up() && !handle.has_turns(limit));
    drop(free);
    let felt = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        handle.has_turns(limit)
    });
    assert!(felt);
}
