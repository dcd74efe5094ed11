//! The wire format: no input stops the reader, and every answer can be read back.

#![cfg(test)]

#[path = "support/any.rs"]
mod any;

use proptest::prelude::*;
use proptest::sample::select;
use vestibule::policy::attempt::Pressure;
use vestibule::policy::decide::decide;
use vestibule::policy::verdict::Verdict;
use vestibule::secret::Secret;
use vestibule::wire::NS;
use vestibule::wire::answer::{Material, Secrets, answer, observed};
use vestibule::wire::handshake::Hello;
use vestibule::wire::request::Question;
use vestibule::wire::room::LiveRoom;
use vestibule::xmpp::element::{Document, Element};

const NAMES: [&str; 14] = [
    "request",
    "requester",
    "state",
    "credential",
    "field",
    "item",
    "target",
    "command",
    "claim",
    "person",
    "record",
    "room",
    "occupant",
    "affiliation",
];
const ATTRIBUTES: [&str; 28] = [
    "kind",
    "attempt",
    "room",
    "generation",
    "revision",
    "jid",
    "nick",
    "session",
    "host",
    "provider",
    "token-subject",
    "token-room",
    "token-expires",
    "secure",
    "address",
    "affiliation",
    "role",
    "current",
    "occupants",
    "password",
    "existing",
    "check",
    "var",
    "same",
    "language",
    "register",
    "answer",
    "name",
];
const WORDS: [&str; 31] = [
    "open",
    "join",
    "configure",
    "affiliation",
    "role",
    "destroy",
    "invite",
    "knock",
    "command",
    "true",
    "right",
    "wrong",
    "none",
    "owner",
    "moderator",
    "account",
    "anonymous",
    "client",
    "token",
    "example.org",
    "*",
    "1",
    "-1",
    "99999999999999999999",
    "bob@example.org",
    "tea@rooms.example.org",
    "focus@auth.example.org",
    "192.0.2.7",
    "muc#roomconfig_roomsecret",
    "close",
    "@@",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => select(&WORDS[..]).prop_map(str::to_owned), 1 => any::<String>()]
}

fn element(name: impl Strategy<Value = &'static str> + 'static) -> BoxedStrategy<Element> {
    let ns = prop_oneof![5 => Just(NS), 1 => Just("jabber:client")];
    let attributes = proptest::collection::vec((select(&ATTRIBUTES[..]), text()), 0..8);
    (ns, name, attributes, proptest::option::of(text()))
        .prop_map(|(ns, name, attributes, text)| {
            let element =
                attributes.into_iter().fold(Element::new(ns, name), |element, (name, value)| {
                    element.with_attr(name, value)
                });
            element.with_text(text.unwrap_or_default())
        })
        .boxed()
}

/// An element with a tree of others in it.
fn tree(name: &'static str) -> impl Strategy<Value = Element> {
    let leaf = element(select(&NAMES[..]));
    let inner = leaf.prop_recursive(3, 24, 5, |inner| {
        (element(select(&NAMES[..])), proptest::collection::vec(inner, 0..5))
            .prop_map(|(element, children)| element.with_children(children))
    });
    (element(Just(name)), proptest::collection::vec(inner, 0..6))
        .prop_map(|(element, children)| element.with_children(children))
}

fn read_again(element: &Element) -> Document {
    let mut bytes = Vec::new();
    element.write(&mut bytes);
    Document::parse(&bytes, "").unwrap()
}

fn reads_back(element: &Element) -> Result<(), TestCaseError> {
    let read = read_again(element);
    prop_assert_eq!(&read.root(), element);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_asked_is_answered(ask in tree("request"), parts in any::parts(), pressure in any::pressure(), now in any::moment()) {
        let mut question = Question::read(read_again(&ask).root());
        question.judge_typed(vestibule::policy::attempt::Strength::default());
        let policy = parts.policy();
        let rules = policy.rules_of(&question.attempt, &question.room, now);
        let decision = decide(&policy, &rules, &question.attempt, &question.room, &pressure, now);
        if question.attempt.room.is_none() || question.attempt.requester.jid.is_none() {
            prop_assert_eq!(decision.verdict, Verdict::Deny);
        }
        let element = answer(&question, &decision, "d-1", Material { secrets: &Secrets::default(), texts: &policy.texts, language: None });
        prop_assert_eq!(element.attr("attempt"), Some(question.attempt.id.as_str()));
        prop_assert_eq!(element.attr("verdict"), Some(decision.verdict.name()));
        let error = element.child(NS, "error");
        prop_assert_eq!(error.is_some(), decision.verdict != Verdict::Allow);
        reads_back(&element)?;
        reads_back(&observed(&question, "d-1"))?;
    }

    #[test]
    fn a_password_is_written_where_one_is_set_and_nowhere_else(
        ask in tree("request"), attempt in any::attempt(), parts in any::parts(), room in any::room(),
    ) {
        let mut question = Question::read(read_again(&ask).root());
        question.attempt = attempt;
        let policy = parts.policy();
        let pressure = Pressure::default();
        let now = jiff::Timestamp::UNIX_EPOCH;
        let decision = decide(&policy, &policy.base, &question.attempt, &room, &pressure, now);
        let secret = Secret::new("umbrella-kiwi-thunder");
        let code = Some(Secret::new("lantern-quartz-violet"));
        let secrets = Secrets { password: Some(secret), code };
        let material = Material { secrets: &secrets, texts: &policy.texts, language: Some("de") };
        let element = answer(&question, &decision, "d-1", material);
        let mut bytes = Vec::new();
        element.write(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        prop_assert_eq!(text.matches("umbrella").count(), usize::from(decision.effects.password.is_some()));
        prop_assert_eq!(text.matches("lantern").count(), usize::from(decision.effects.code.is_some()));
    }

    #[test]
    fn rooms_and_greetings_are_read_or_are_none(room in tree("room"), hello in element(Just("hello"))) {
        if let Some(live) = LiveRoom::read(read_again(&room).root()) {
            prop_assert!(live.view.exists);
            prop_assert!(room.attr("revision").is_some());
        }
        prop_assert!(Hello::read(read_again(&hello).root()).is_err() || hello.ns() == NS);
    }
}
