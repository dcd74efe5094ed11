//! Whatever is asked is decided and answered, and the answer reads back.

use std::io;
use std::path::Path;
use std::sync::OnceLock;

use jiff::Timestamp;
use vestibule::config::{Environment, Outside, parse};
use vestibule::policy::Policy;
use vestibule::policy::attempt::Pressure;
use vestibule::policy::decide::decide;
use vestibule::policy::facts::{Facts, explain};
use vestibule::policy::verdict::Verdict;
use vestibule::wire::NS;
use vestibule::wire::answer::{Material, answer, observed};
use vestibule::wire::request::Question;
use vestibule::xmpp::Document;

/// What an empty file means, and one where every family has something to say.
const FILES: [&str; 2] = ["", include_str!("question.toml")];

/// # Panics
/// When an explanation differs from the decision, or an answer does not read back as written.
pub(crate) fn check(bytes: &[u8]) {
    static POLICIES: OnceLock<Vec<Policy>> = OnceLock::new();
    let Ok(ask) = Document::parse(bytes, NS) else { return };
    let read = Question::read(ask.root());
    let policies = POLICIES.get_or_init(|| FILES.iter().map(|text| policy(text)).collect());
    for policy in policies {
        let mut question = read.clone();
        let now = Timestamp::UNIX_EPOCH;
        let rules = policy.rules_of(&question.attempt, &question.room, now);
        if let Some(strength) =
            vestibule::component::engine::rooms::strength(&question, &rules, now)
        {
            question.judge_typed(strength);
        }
        let (attempt, room) = (&question.attempt, &question.room);
        let pressure = Pressure::default();
        let decision = decide(policy, &rules, attempt, room, &pressure, now);
        assert_eq!(explain(policy, &rules, attempt, room, &pressure, now).decision, decision);
        let nobody = attempt.room.is_none() || attempt.requester.jid.is_none();
        assert!(!nobody || decision.verdict == Verdict::Deny);
        let facts = Facts::of(policy, &rules, attempt, room, &pressure);
        let written = serde_json::to_string(&facts).unwrap();
        let read: Facts<'_> = serde_json::from_str(&written).unwrap();
        // What of a record is not understood is no fact.
        assert_eq!(serde_json::to_string(&read).unwrap(), written);
        let (attempt, room, pressure) = read.into_parts(attempt.id.clone(), attempt.room.clone());
        assert_eq!(decide(policy, &rules, &attempt, &room, &pressure, now), decision);
        let secrets = vestibule::component::engine::rooms::secrets(
            &decision.effects,
            question.attempt.room.as_ref(),
            (question.typed.as_ref(), None),
            &rules,
            now,
        )
        .unwrap_or_default();
        let material = Material {
            secrets: &secrets,
            texts: &policy.texts,
            language: question.attempt.requester.language.as_deref(),
        };
        for answer in [answer(&question, &decision, "d1", material), observed(&question, "d2")] {
            let mut written = Vec::new();
            answer.write_in(NS, &mut written);
            assert!(Document::parse(&written, NS).is_ok_and(|read| read.root() == answer));
            assert_eq!(answer.attr("attempt").unwrap_or_default(), attempt.id);
        }
    }
}

/// # Panics
/// When the file is wrong: the target would exercise nothing.
fn policy(text: &str) -> Policy {
    let variable = ("VESTIBULE_COMPONENT__SECRET", "correct horse battery staple");
    let environment = Environment::of([(variable.0.to_owned(), variable.1.to_owned())]);
    let read = |_: &Path| Err(io::ErrorKind::NotFound.into());
    let outside =
        Outside { environment: &environment, read: &read, exposed: false, lenient: false };
    let loaded = parse("question.toml", text, &outside);
    assert!(loaded.is_ok(), "{:?}", loaded.err());
    loaded.map(|loaded| loaded.policy).unwrap_or_default()
}
