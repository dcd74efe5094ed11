//! How a link ends, and how it comes back.

use super::*;
use crate::xmpp::handshake::{HandshakeError, StreamError};
use crate::xmpp::ns;

#[tokio::test(start_paused = true)]
async fn broken_framing_closes_with_the_right_error_and_comes_back() {
    let mut lab = Lab::start(|_| true);
    let mut peer = lab.up().await;
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
        let mut lab = Lab::start(|_| true);
        let mut peer = lab.up().await;
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
    let mut lab = Lab::start(|_| true);
    let mut peer = lab.up().await;
    peer.say(&stream_error("conflict")).await;
    assert_eq!(lab.down().await.remedy(), Remedy::Standby);
    drop(peer);
    lab.up().await;
    assert!(lab.waits()[0] >= Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn the_reason_is_found_although_the_server_reads_no_more() {
    let mut lab = Lab::start(|_| true);
    let mut peer = lab.up().await;
    peer.say(&format!("{QUESTION}{}", stream_error("system-shutdown"))).await;
    drop(peer);
    while !matches!(lab.event().await, LinkEvent::Down { error: LinkError::Ended(_) }) {}
    let mut peer = lab.up().await;
    peer.say(QUESTION).await;
    peer.say(&stream_error("reset")).await;
    lab.handle.send(Element::new(ns::COMPONENT, "message").with_attr("to", "a")).unwrap();
    drop(peer);
    while !matches!(lab.event().await, LinkEvent::Down { error: LinkError::Ended(_) }) {}
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
    let mut lab = Lab::start(|_| true);
    let mut peer = lab.up().await;
    let start = Instant::now();
    let ping = peer.hear("</iq>").await;
    assert!(ping.contains("urn:xmpp:ping") && ping.contains("to='v.example'"), "{ping}");
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    peer.say(" ").await;
    let heard = Instant::now();
    assert!(matches!(lab.down().await, LinkError::Silent { .. }));
    assert!(heard.elapsed() >= Duration::from_secs(25), "white space counts as a sign of life");
    lab.up().await;
}

#[tokio::test(start_paused = true)]
async fn our_own_ping_that_comes_round_is_not_answered() {
    let mut lab = Lab::start(|_| true);
    let mut peer = lab.up().await;
    let ping = peer.hear("</iq>").await;
    peer.say(&ping).await;
    peer.say(QUESTION).await;
    assert_eq!(peer.hear(ANSWER).await, ANSWER);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_slowed_down_and_given_up() {
    let mut lab = Lab::start(|_| true);
    let mut peer = lab.up().await;
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
    while !matches!(lab.event().await, LinkEvent::Down { error: LinkError::Silent { .. } }) {}
}

#[tokio::test(start_paused = true)]
async fn orders_for_an_old_link_do_not_reach_the_next() {
    let mut lab = Lab::start(|_| true);
    let peer = lab.up().await;
    drop(peer);
    lab.down().await;
    let message = Element::new(ns::COMPONENT, "message").with_attr("to", "late");
    lab.handle.orders.send(Order::Send(message)).await.unwrap();
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
