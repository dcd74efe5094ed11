//! What a decision costs under a policy of 10,000 overrides and 100,000 bans.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a benchmark may stop when what it measures is not there"
)]

#[path = "../tests/support/large.rs"]
mod large;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use large::{jid, join, now, policy, room};
use vestibule::component::audit::Audit;
use vestibule::component::engine::{Mode, PolicyEngine};
use vestibule::config::{Environment, Outside, parse};
use vestibule::policy::attempt::{Credential, Pressure};
use vestibule::policy::bans::{Ban, Origin};
use vestibule::policy::decide::decide;
use vestibule::policy::record::{Entry, Person};
use vestibule::policy::verdict::Verdict;
use vestibule::wire::answer::{Material, Secrets, answer};
use vestibule::wire::request::Question;
use vestibule::xmpp::element::{Document, Scope};

const ASK: &[u8] = b"<request xmlns='urn:vestibule:gate:2' kind='join' attempt='k3v9x1' room='tea@rooms.example.org' generation='5b1f0c' revision='7'>\
<requester jid='bob@example.org/phone' nick='Bob' session='client' host='example.org' provider='internal_hashed' mechanism='SCRAM-SHA-1' secure='true' address='192.0.2.7' affiliation='none' role='none'/>\
<state occupants='3' moderators='1' waiting='0' password='true' members-only='false' existing='true'>\
<record>{&quot;v&quot;:1,&quot;opened&quot;:&quot;2026-01-01T12:00:00Z&quot;,&quot;opener&quot;:&quot;ann@example.org&quot;,&quot;password&quot;:&quot;generated&quot;}</record>\
</state><credential check='right'/></request>";

fn decisions(c: &mut Criterion) {
    let policy = policy(10_000, 100_000);
    let (room, pressure, now) = (room(), Pressure::default(), now());
    let first = join(Credential::Right);
    let mut again = join(Credential::None);
    again.requester.person = Some(Person::entered(Entry::Password));
    let mut banned = join(Credential::Right);
    banned.requester.jid = Some(jid("user3@example.org"));
    let mut banned_network = join(Credential::Right);
    banned_network.requester.address = "32.0.32.1".parse().ok();

    let mut group = c.benchmark_group("decide");
    for (name, attempt, verdict) in [
        ("allow, password right", &first, Verdict::Allow),
        ("allow, come back", &again, Verdict::Allow),
        ("hold", &join(Credential::None), Verdict::Hold),
        ("prompt, password wrong", &join(Credential::Wrong), Verdict::Prompt),
        ("deny, banned address", &banned, Verdict::Deny),
        ("deny, banned network", &banned_network, Verdict::Deny),
    ] {
        let once = || decide(&policy, &policy.base, attempt, &room, &pressure, now);
        assert_eq!(once().verdict, verdict, "{name}");
        group.bench_function(name, |b| b.iter(|| black_box(once())));
    }
    group.finish();

    let (tea, named) = (jid("tea@rooms.example.org"), jid("room9999@rooms.example.org"));
    let patterned = jid("team9996-1@rooms.example.org");
    let mut group = c.benchmark_group("rules_for");
    for (name, room) in [("no override", &tea), ("by name", &named), ("by pattern", &patterned)] {
        group
            .bench_function(name, |b| b.iter(|| black_box(policy.rules_for(black_box(room), &[]))));
    }
    group.finish();

    let mut bytes = Vec::with_capacity(1024);
    let (mut document, scope) = (Document::default(), Scope::default());
    let mut group = c.benchmark_group("question");
    group.bench_function("parse, read, decide, answer, write", |b| {
        b.iter(|| {
            let element = document.read(black_box(ASK), &scope).unwrap();
            let question = Question::read(element);
            let decision =
                decide(&policy, &policy.base, &question.attempt, &question.room, &pressure, now);
            bytes.clear();
            let material =
                Material { secrets: &Secrets::default(), texts: &policy.texts, language: None };
            answer(&question, &decision, "c41-19", material).write(&mut bytes);
            black_box(bytes.len())
        });
    });
    group.finish();
}

/// A room of 1,000 people is judged in one piece, and meanwhile nothing else is decided.
fn judging(c: &mut Criterion) {
    const SERVICE: &str = "rooms.example.org";
    let element = |xml: &str| Document::parse(xml.as_bytes(), "").unwrap();
    let stay = Arc::new(policy(10_000, 100_000));
    let mut go = policy(10_000, 100_000);
    let ban = Ban { origin: Origin::Line(1), until: None, rooms: None, reason: String::new() };
    go.bans.ban_domain("guest.example.org", ban);
    let (services, run) = ([SERVICE.to_owned()], "r".to_owned());
    let mut engine =
        PolicyEngine::new(Arc::clone(&stay), services, Mode::Enforce, Audit::none(), run);
    let service = engine.service(SERVICE).unwrap();
    let hello = "<hello xmlns='urn:vestibule:gate:2' version='2' level='1' hosts='all'/>";
    engine.hello(&service, element(hello).root()).unwrap();
    for n in 0..1000 {
        let joined = format!(
            "<report xmlns='urn:vestibule:gate:2' event='joined' seq='{n}' room='tea@{SERVICE}' generation='g' \
             nick='Guest {n}' jid='g{n}@guest.example.org/x' session='client' host='guest.example.org' \
             provider='anonymous' mechanism='ANONYMOUS' secure='true' address='192.0.2.7' role='participant'/>"
        );
        engine.report(&service, element(&joined).root(), now());
    }
    let mut group = c.benchmark_group("judge");
    for (name, next, removed) in [("1,000 who stay", &*stay, 0), ("1,000 who go", &go, 1000)] {
        let once = || engine.consequences(next, None, now()).0;
        assert_eq!((once().inside, once().removed.len()), (1000, removed), "{name}");
        group.bench_function(name, |b| b.iter(|| black_box(once())));
    }
    group.finish();
}

/// A file of so many overrides: three of four by name, the others by the beginning of names, each with a value.
fn file(overrides: u32) -> String {
    let one = |n: u32| {
        let pattern = if n.is_multiple_of(4) { format!("team{n}-*") } else { format!("room{n}") };
        format!("[[room]]\nmatch = \"{pattern}\"\n[room.password]\nwords = 6\n")
    };
    "[component]\nsecret = \"x\"\n".to_owned() + &(0..overrides).map(one).collect::<String>()
}

fn loading(c: &mut Criterion) {
    let text = file(10_000);
    let environment = Environment::default();
    let read = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let outside =
        Outside { environment: &environment, read: &read, exposed: false, lenient: false };
    let mut group = c.benchmark_group("load");
    group.sample_size(20);
    group.bench_function("10,000 overrides", |b| {
        b.iter(|| {
            let loaded = parse("component.toml", black_box(&text), &outside).unwrap();
            assert_eq!(loaded.policy.rooms.len(), 10_000);
            black_box(loaded)
        });
    });
    group.finish();
}

criterion_group!(benches, decisions, judging, loading);
criterion_main!(benches);
