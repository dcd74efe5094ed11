//! The policy engine as gates use it: elements in, elements out.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

#[path = "support/policies.rs"]
mod policies;

use std::sync::Arc;

use jiff::SignedDuration;
use policies::{jid, now, policy};
use vestibule::component::audit::Audit;
use vestibule::component::decision_record::Line;
use vestibule::component::engine::{Consequences, Judged, Mode, PolicyEngine};
use vestibule::policy::attempt::{Action, Strength};
use vestibule::policy::bans::{Ban, Origin};
use vestibule::policy::class::{Class, ClassSet};
use vestibule::policy::{Policy, rules};
use vestibule::store::Kind;
use vestibule::wire::NS;
use vestibule::wire::request::Question;
use vestibule::wire::room::LiveRoom;
use vestibule::xmpp::element::{Document, Element};

const SERVICE: &str = "rooms.example.org";
const RECORD: &str =
    r#"{"v":1,"opened":"2026-01-01T11:55:00Z","opener":"ann@example.org","password":"generated"}"#;

struct Gate {
    engine: PolicyEngine,
    service: Arc<str>,
    asked: u32,
}

impl Gate {
    fn of(name: &str, mode: Mode, audit: Audit) -> Self {
        Self::by(policy(name).unwrap(), mode, audit)
    }

    /// With this rule in that mode.
    fn with(rule: &str, mode: rules::Mode) -> Self {
        let mut policy = policy("default").unwrap();
        let base = Arc::make_mut(&mut policy.base);
        Arc::make_mut(&mut base.modes).put(rules::named(rule), mode, 1);
        policy.activate();
        Self::by(policy, Mode::Enforce, Audit::none())
    }

    fn by(policy: Policy, mode: Mode, audit: Audit) -> Self {
        let policy = Arc::new(policy);
        let mut engine =
            PolicyEngine::new(policy, [SERVICE.to_owned()], mode, audit, "r".to_owned());
        let service = engine.service(SERVICE).unwrap();
        // A server where nobody logs in.
        engine.hello(&service, element(HELLO).root()).unwrap();
        Self { engine, service, asked: 0 }
    }

    fn under(name: &str) -> Self {
        Self::of(name, Mode::Enforce, Audit::none())
    }

    /// Puts another policy in force; what that means for those in the first part of the rooms.
    fn replace_policy(&mut self, next: Policy) -> Consequences {
        let before = self.engine.replace_policy(Arc::new(next));
        self.engine.judge_again(&before, None, now()).0
    }

    /// Asks, each time as another attempt.
    fn ask(&mut self, kind: &str, who: &str, state: &str, more: &str) -> Element {
        self.asked += 1;
        let n = self.asked;
        let mut question = Question::read(element(&format!(
            "<request xmlns='{NS}' kind='{kind}' attempt='a{n}' room='tea@{SERVICE}' revision='3'>\
             <requester secure='true' {who}/>{state}{more}</request>"
        )).root());
        if matches!(question.attempt.action, Action::Open { typed: Some(_) }) {
            question.judge_typed(Strength { length: 20, score: 4, denied: false, code: false });
        }
        let service = Arc::clone(&self.service);
        let answer = self.engine.question(&service, &question, now());
        self.engine.admit(question, &answer);
        answer
    }

    fn join(&mut self, check: &str) -> Element {
        let state = format!(
            "<state occupants='1' moderators='1' password='true'><record>{RECORD}</record></state>"
        );
        self.ask("join", GUEST, &state, &format!("<credential check='{check}'/>"))
    }

    fn report(&mut self, event: &str, more: &str) {
        let report = element(&format!(
            "<report xmlns='{NS}' event='{event}' room='tea@{SERVICE}' generation='g' {more}/>"
        ));
        let service = Arc::clone(&self.service);
        self.engine.report(&service, report.root(), now());
    }
}

/// How somebody of example.org has logged in.
const LOG_IN: &str = "session='client' host='example.org' provider='internal_hashed' mechanism='SCRAM-SHA-1' secure='true'";
const GUEST: &str = "jid='bob@guest.example.org/x' session='client' host='guest.example.org' provider='anonymous' mechanism='ANONYMOUS' address='192.0.2.7'";
const HELLO: &str = "<hello xmlns='urn:vestibule:gate:2' version='2' level='1' hosts='all'/>";

fn element(xml: &str) -> Document {
    Document::parse(xml.as_bytes(), "").unwrap()
}

fn condition(answer: &Element) -> &str {
    answer.child(NS, "error").and_then(|error| error.attr("condition")).unwrap_or_default()
}

#[test]
fn a_stranger_is_told_to_knock_and_for_how_long_he_may_wait() {
    let answer = Gate::under("default").join("none");
    assert_eq!(answer.attr("verdict"), Some("hold"));
    assert_eq!((answer.attr("base"), answer.attr("attempt")), (Some("3"), Some("a1")));
    assert_eq!(condition(&answer), "registration-required");
    assert_eq!(answer.child(NS, "knock").unwrap().attr("expires"), Some("600"));
}

#[test]
fn the_sixth_guess_has_to_wait() {
    let mut gate = Gate::under("default");
    for _ in 0..5 {
        assert_eq!(condition(&gate.join("wrong")), "not-authorized");
    }
    assert_eq!(condition(&gate.join("right")), "resource-constraint");
    assert_eq!((gate.engine.tally().prompt, gate.engine.tally().deny), (5, 1));
}

#[test]
fn observed_guesses_are_counted_apart_and_nobody_has_to_wait() {
    let mut off = Gate::with("password.guesses.burst", rules::Mode::Off);
    let mut observed = Gate::with("password.guesses.burst", rules::Mode::Observe);
    for check in ["wrong", "wrong", "wrong", "wrong", "wrong", "wrong", "right"] {
        assert_eq!(observed.join(check), off.join(check));
    }
    assert_eq!((observed.engine.tally().prompt, observed.engine.tally().allow), (6, 1));
    assert_eq!(observed.engine.tally().would.deny, 2);
    assert!(!off.engine.tally().would.any());
}

#[test]
fn an_opened_room_gets_a_password_that_the_log_never_sees() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("decisions.jsonl");
    let mut gate = Gate::of("default", Mode::Enforce, Audit::open(&path).unwrap());
    let answer = gate.ask("open", GUEST, "", "<credential>umbrella-kiwi</credential>");
    let password = answer.child(NS, "room").unwrap().attr("password").unwrap().to_owned();
    assert!(password.len() >= 12, "{password}");
    assert!(answer.child(NS, "record").unwrap().text().contains("bob@guest.example.org"));
    assert!(!format!("{:?}", gate.engine).contains(&password));
    drop(gate);
    let log = std::fs::read_to_string(path).unwrap();
    assert!(log.contains(r#""rule":"moderators.assign""#), "{log}");
    assert!(!log.contains(&password) && !log.contains("umbrella"), "{log}");
}

#[test]
fn what_happens_becomes_entries_without_whole_addresses_for_whoever_looks_on() {
    let audit = Audit::none();
    let mut live = audit.subscribe();
    let mut gate = Gate::of("default", Mode::Enforce, audit);
    let who = format!("{GUEST} nick='Bob' role='participant'");
    gate.join("wrong");
    gate.report("created", "");
    for event in ["joined", "left", "waiting", "gone", "destroyed", "refused"] {
        gate.report(event, &who);
    }
    let entries: Vec<_> = std::iter::from_fn(|| live.try_recv().ok()).collect();
    let kinds: Vec<_> = entries.iter().map(|entry| entry.kind.name()).collect();
    assert_eq!(kinds, ["decision", "opened", "joined", "left", "waiting", "gone", "ended", "gate"]);
    assert!(entries.is_sorted_by(|one, next| one.seq < next.seq));
    for entry in &entries {
        assert_eq!(entry.room.as_deref(), Some("tea@rooms.example.org"));
        let is_of_a_room = matches!(entry.kind, Kind::Opened | Kind::Ended);
        assert_eq!(entry.person.is_none(), is_of_a_room, "{entry:?}");
        assert!(!entry.body.contains("192.0.2.7"), "{entry:?}");
    }
    let decision = &entries[0];
    assert_eq!(decision.verdict.as_deref(), Some("prompt"));
    assert_eq!(decision.denial.as_deref(), Some("password-wrong"));
    assert!(decision.body.contains(r#""address":"192.0.2.0""#), "{}", decision.body);
    // What is kept can be decided again.
    assert!(serde_json::from_str::<Line<'_>>(&decision.body).is_ok());
    assert_eq!(entries[2].nick.as_deref(), Some("Bob"));
    assert!(entries[2].body.contains(r#""address":"192.0.2.0""#), "{}", entries[2].body);
}

#[test]
fn what_the_opener_typed_becomes_the_password_where_openers_choose() {
    let typed = "<credential>umbrella-kiwi-thunder</credential>";
    let answer = Gate::under("creator").ask("open", GUEST, "", typed);
    assert_eq!(answer.child(NS, "room").unwrap().attr("password"), Some("umbrella-kiwi-thunder"));
}

#[test]
fn a_room_whose_password_cannot_be_made_does_not_open() {
    let answer = Gate::under("derived").ask("open", GUEST, "", "");
    assert_eq!(answer.attr("verdict"), Some("deny"));
    assert_eq!(condition(&answer), "internal-server-error");
    for effect in ["room", "record", "person", "requester", "say"] {
        assert!(answer.child(NS, effect).is_none(), "{effect}");
    }
}

#[test]
fn whoever_only_looks_on_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("decisions.jsonl");
    let mut gate = Gate::of("default", Mode::Observe, Audit::open(&path).unwrap());
    for answer in [gate.join("wrong"), gate.ask("open", GUEST, "", "")] {
        assert_eq!((answer.attr("verdict"), answer.attr("observe")), (Some("allow"), Some("true")));
        assert_eq!(answer.children().count(), 0);
    }
    drop(gate);
    let log = std::fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines[0].contains(r#""denial":"password-wrong""#), "{log}");
    assert!(lines[1].contains(r#""rule":"moderators.assign""#), "{log}");
    assert!(lines.iter().all(|line| line.contains(r#""observed":true"#)), "{log}");
}

#[test]
fn a_new_policy_is_applied_to_those_inside() {
    let mut gate = Gate::under("default");
    gate.report("created", "");
    for who in ["bob", "eve", "gone"] {
        gate.report("joined", &format!("nick='{who}' jid='{who}@example.org/x' {LOG_IN}"));
    }
    let focus = LOG_IN.replace("example.org", "auth.example.org");
    gate.report("joined", &format!("nick='F' jid='focus@auth.example.org/x' {focus}"));
    gate.report("left", "jid='gone@example.org/x'");
    let mut next = policy("default").unwrap();
    let ban =
        |line| Ban { origin: Origin::Line(line), until: None, rooms: None, reason: String::new() };
    for (line, who) in
        ["eve@example.org", "gone@example.org", "focus@auth.example.org"].iter().enumerate()
    {
        next.bans.ban_jid(jid(who), ban(u32::try_from(line).unwrap()));
    }
    let done = gate.replace_policy(next);
    let [removed] = &done.removed[..] else { panic!("{done:?}") };
    assert_eq!(removed.about().unwrap().1, &jid("eve@example.org"));
    let told = removed.decision.denial.unwrap().text();
    assert_eq!(told, "You have been banned by the operator of this server.");
}

#[test]
fn what_a_policy_would_mean_is_counted_by_people() {
    let mut gate = Gate::under("default");
    gate.report("created", "");
    for who in ["ann@example.org/1", "ann@example.org/2", "bob@example.org/1", "eve@example.org/1"]
    {
        gate.report("joined", &format!("nick='N' jid='{who}' {LOG_IN}"));
    }
    gate.report(
        "joined",
        "nick='focus' jid='focus@auth.example.org/x' session='client' host='auth.example.org' provider='internal_hashed' mechanism='SCRAM-SHA-1' secure='true'",
    );
    let mut next = policy("default").unwrap();
    next.revision = "next".to_owned();
    let ban =
        |line| Ban { origin: Origin::Line(line), until: None, rooms: None, reason: String::new() };
    next.bans.ban_jid(jid("ann@example.org"), ban(1));
    next.bans.ban_jid(jid("bob@example.org"), ban(2));
    let (would, last) = gate.engine.consequences(&next, None, now());
    assert_eq!(last, None, "there is one room");
    assert_eq!(would.removed.len(), 2, "each person once");
    assert_eq!(would.inside, 3, "people, not sessions nor services");
    assert_ne!(gate.engine.policy().revision, "next", "nothing is changed");
    assert_eq!(gate.replace_policy(next).removed.len(), 2);
    assert_eq!(gate.engine.policy().revision, "next");
}

#[test]
fn everybody_in_many_rooms_is_judged_once_a_part_at_a_time() {
    let mut gate = Gate::under("default");
    let service = Arc::clone(&gate.service);
    let report = |engine: &mut PolicyEngine, event: &str, room: String, more: &str| {
        let report = element(&format!(
            "<report xmlns='{NS}' event='{event}' room='{room}@{SERVICE}' generation='g' {more}/>"
        ));
        engine.report(&service, report.root(), now());
    };
    for room in 0..1000 {
        report(&mut gate.engine, "created", format!("r{room}"), "");
        for who in ["ann", "eve"] {
            let who = format!("nick='N' jid='{who}@example.org/x' {LOG_IN}");
            report(&mut gate.engine, "joined", format!("r{room}"), &who);
        }
    }
    let mut next = policy("default").unwrap();
    let ban = Ban { origin: Origin::Line(1), until: None, rooms: None, reason: String::new() };
    next.bans.ban_jid(jid("eve@example.org"), ban);
    let before = gate.engine.replace_policy(Arc::new(next));
    let (mut after, mut removed, mut parts) = (None, Vec::new(), 0);
    loop {
        let (some, last) = gate.engine.judge_again(&before, after.as_ref(), now());
        assert!(some.inside <= 260, "a part is small: {}", some.inside);
        let about = some.removed.iter().map(|one| one.about().unwrap());
        removed.extend(about.map(|(room, who)| (room.clone(), who.clone())));
        parts += 1;
        if last.is_none() {
            break;
        }
        // What comes and goes meanwhile neither doubles anybody nor leaves anybody out.
        report(&mut gate.engine, "created", format!("new{parts}"), "");
        report(&mut gate.engine, "destroyed", format!("new{}", parts - 1), "");
        after = last;
    }
    assert!(parts > 5);
    let rooms: std::collections::HashSet<_> = removed.iter().collect();
    assert_eq!((removed.len(), rooms.len()), (1000, 1000));
    assert!(removed.iter().all(|(_, who)| *who == jid("eve@example.org")));
}

#[test]
fn those_who_wait_are_judged_by_a_new_policy() {
    let mut gate = Gate::under("default");
    let service = Arc::clone(&gate.service);
    let room = format!(
        "<room xmlns='{NS}' jid='tea@{SERVICE}' generation='g' revision='1' occupants='1' moderators='1' \
         password='true'><record>{RECORD}</record></room>"
    );
    let room = LiveRoom::read(element(&room).root()).unwrap();
    gate.engine.restore(&service, room, now());
    for who in ["ann@example.org", "eve@example.org"] {
        gate.report("waiting", &format!("nick='N' jid='{who}/x' {LOG_IN}"));
    }
    let mut next = policy("default").unwrap();
    Arc::make_mut(&mut Arc::make_mut(&mut next.base).lobby).bypass.value =
        ClassSet::of(&[Class::Account]);
    let ban = Ban { origin: Origin::Line(1), until: None, rooms: None, reason: String::new() };
    next.bans.ban_jid(jid("eve@example.org"), ban);
    let (found, _) = gate.engine.consequences(&next, None, now());
    let names = |judged: &[Judged]| -> Vec<String> {
        judged.iter().map(|one| one.about().unwrap().1.to_string()).collect()
    };
    assert_eq!(names(&found.let_in), ["ann@example.org"]);
    assert_eq!(names(&found.turned_away), ["eve@example.org"]);
    let (same, _) = gate.engine.consequences(&policy("default").unwrap(), None, now());
    assert!(same.let_in.is_empty() && same.turned_away.is_empty());
}

#[test]
fn a_room_that_was_destroyed_is_judged_no_more() {
    let mut gate = Gate::under("default");
    gate.report("created", "");
    gate.report("joined", "nick='E' jid='banned@example.org/x' session='client' host='example.org' provider='internal_hashed' mechanism='SCRAM-SHA-1' secure='true'");
    gate.report("destroyed", "");
    assert!(gate.replace_policy(policy("default").unwrap()).removed.is_empty());
}

#[test]
fn only_a_service_of_the_file_is_heard_and_only_in_this_version() {
    let mut gate = Gate::under("default");
    gate.engine.link_lost();
    assert!(gate.engine.service("other.example.org").is_none() && !gate.engine.is_ready());
    let service = Arc::clone(&gate.service);
    let newer = element("<hello xmlns='urn:vestibule:gate:3' version='3'/>");
    assert!(gate.engine.hello(&service, newer.root()).is_err() && !gate.engine.is_ready());
    let welcome = gate.engine.hello(&service, element(HELLO).root()).unwrap();
    assert!(!gate.engine.is_ready(), "its rooms are not read");
    assert!(gate.engine.unread().eq([SERVICE]));
    // One that fails, and one of which a report is missing, are none.
    gate.engine.begin_reading(&service);
    assert!(!gate.engine.end_reading(SERVICE, false) && !gate.engine.is_ready());
    gate.engine.begin_reading(&service);
    for seq in ["seq='1'", "seq='3'"] {
        gate.report("created", seq);
    }
    assert!(!gate.engine.end_reading(SERVICE, true) && !gate.engine.is_ready());
    gate.engine.begin_reading(&service);
    assert!(gate.engine.end_reading(SERVICE, true) && gate.engine.is_ready());
    assert_eq!(welcome.child(NS, "service").unwrap().attr("jid"), Some("focus@auth.example.org"));
    // Greeted again, they are to be read again.
    gate.engine.hello(&service, element(HELLO).root()).unwrap();
    assert!(!gate.engine.is_ready());
    gate.engine.link_lost();
    assert!(!gate.engine.is_ready() && gate.engine.unread().next().is_none());
}

#[test]
fn what_a_gate_refused_by_itself_is_counted() {
    let mut gate = Gate::under("default");
    gate.report("refused", "jid='bob@example.org/x' reason='timeout'");
    gate.report("what is this", "");
    assert_eq!(gate.engine.tally().by_gate, 1);
}

#[test]
fn an_explanation_agrees_with_the_answer_and_counts_nothing() {
    let mut gate = Gate::under("default");
    let question = Question::read(element(&format!(
        "<request xmlns='{NS}' kind='join' attempt='x' room='tea@{SERVICE}'><requester secure='true' {GUEST}/>\
         <state password='true' moderators='1'><record>{RECORD}</record></state><credential check='wrong'/></request>"
    )).root());
    for _ in 0..10 {
        let later = now() + SignedDuration::from_secs(1);
        let (explained, _) = gate.engine.explain(&question.attempt, &question.room, later);
        assert_eq!(explained.decision.rule.name, "password.required");
        assert!(explained.changes.iter().any(|change| change.what == "the right password"));
    }
    assert_eq!(condition(&gate.join("right")), "");
}

#[test]
fn a_report_that_names_an_attempt_is_about_who_was_asked_about() {
    let audit = Audit::none();
    let mut live = audit.subscribe();
    let mut gate = Gate::of("default", Mode::Enforce, audit);
    let address = "bob@guest.example.org/x";
    gate.report("created", "");
    assert_eq!(gate.join("right").attr("verdict"), Some("allow"));
    let seat = format!("jid='{address}' nick='Rob' affiliation='member' role='moderator'");
    gate.report("joined", &format!("attempt='a1' {seat}"));
    let room = jid(&format!("tea@{SERVICE}"));
    let who = gate.engine.live().room(&room).unwrap().occupants[address].who.clone();
    // Role and affiliation are as reported, whatever was asked for.
    assert_eq!(
        (who.nick.as_str(), who.role.name(), who.affiliation.name()),
        ("Rob", "moderator", "member")
    );
    assert_eq!(who.session.as_ref().unwrap().host.as_str(), "guest.example.org");
    assert_eq!(who.address, Some("192.0.2.7".parse().unwrap()));
    gate.report("left", &format!("jid='{address}'"));
    assert!(gate.engine.live().room(&room).unwrap().occupants.is_empty());
    let entries: Vec<_> = std::iter::from_fn(|| live.try_recv().ok()).collect();
    for (entry, kind) in entries[2..].iter().zip(["joined", "left"]) {
        assert_eq!(entry.kind.name(), kind);
        assert_eq!(entry.nick.as_deref(), Some("Rob"));
        assert!(entry.body.contains(r#""address":"192.0.2.0""#), "{}", entry.body);
        assert!(entry.body.contains(r#""provider":"anonymous""#), "{}", entry.body);
    }
}

#[test]
fn an_attempt_that_is_not_known_brings_nobody_in_and_the_rooms_are_read_again() {
    let mut gate = Gate::under("default");
    let (service, mut number) = (Arc::clone(&gate.service), 0);
    gate.join("right");
    gate.join("wrong");
    let mut named = |gate: &mut Gate, attempt: &str, who: &str, room: &str| {
        number += 1;
        let report = element(&format!(
            "<report xmlns='{NS}' event='joined' seq='{number}' room='{room}@{SERVICE}' generation='g' attempt='{attempt}' \
             jid='{who}@guest.example.org/x' nick='N' affiliation='none' role='participant'/>"
        ));
        let is_missing = gate.engine.report(&service, report.root(), now());
        gate.engine.begin_reading(&service);
        gate.engine.end_reading(&service, true);
        (is_missing, seen_inside(&gate.engine, &format!("{room}@{SERVICE}")).len())
    };
    let gate = &mut gate;
    assert_eq!(named(gate, "a1", "eve", "tea"), (true, 0), "another person's");
    assert_eq!(named(gate, "a1", "bob", "tea"), (true, 0), "it is taken already");
    assert_eq!(named(gate, "a2", "bob", "tea"), (true, 0), "it was not allowed");
    assert_eq!(named(gate, "a9", "bob", "tea"), (true, 0), "nobody has asked");
    gate.join("right");
    assert_eq!(named(gate, "a3", "bob", "coffee"), (true, 0), "of another room");
    assert_eq!(named(gate, "a3", "bob", "tea"), (false, 1));
}

#[test]
fn what_was_reported_by_its_attempt_while_rooms_were_read_stays() {
    let mut gate = Gate::under("default");
    let service = Arc::clone(&gate.service);
    gate.join("right");
    gate.engine.begin_reading(&service);
    gate.engine.ask_for_page(&service);
    gate.report("joined", "seq='11' attempt='a1' jid='bob@guest.example.org/x' nick='Bob'");
    gate.engine.restore(&service, page(10, &["ann"]), now());
    assert_eq!(seen_inside(&gate.engine, "tea@rooms.example.org"), ["Bob", "ann"]);
}

fn seen_inside(engine: &PolicyEngine, room: &str) -> Vec<String> {
    let room = engine.live().room(&jid(room));
    let mut nicks: Vec<_> = room
        .map(|room| room.occupants.values().map(|known| known.who.nick.to_string()).collect())
        .unwrap_or_default();
    nicks.sort();
    nicks
}

/// A report of that number about somebody in the room `tea`.
fn numbered(gate: &mut Gate, number: u64, event: &str, nick: &str) -> bool {
    let service = Arc::clone(&gate.service);
    let report = format!(
        "<report xmlns='{NS}' event='{event}' seq='{number}' room='tea@rooms.example.org' generation='g' revision='1' \
         nick='{nick}' jid='{nick}@example.org/a' role='participant' affiliation='none'/>"
    );
    gate.engine.report(&service, element(&report).root(), now())
}

/// The room `tea` as it was after that report.
fn page(number: u64, nicks: &[&str]) -> LiveRoom {
    let inside: String = nicks
        .iter()
        .map(|nick| {
            format!("<occupant nick='{nick}' jid='{nick}@example.org/a' role='participant'/>")
        })
        .collect();
    let room = format!(
        "<room xmlns='{NS}' jid='tea@rooms.example.org' seq='{number}' generation='g' revision='1'>{inside}</room>"
    );
    LiveRoom::read(element(&room).root()).unwrap()
}

#[test]
fn a_page_overwrites_nothing_that_was_reported_after_it() {
    let mut gate = Gate::of("default", Mode::Enforce, Audit::none());
    let service = Arc::clone(&gate.service);
    gate.engine.begin_reading(&service);
    gate.engine.ask_for_page(&service);
    assert!(!numbered(&mut gate, 11, "left", "ann"));
    assert!(!numbered(&mut gate, 12, "joined", "cid"));
    gate.engine.restore(&service, page(10, &["ann", "bob"]), now());
    assert_eq!(seen_inside(&gate.engine, "tea@rooms.example.org"), ["bob", "cid"]);
    assert!(gate.engine.end_reading(&service, true));
    // A room that ended is not there again.
    gate.engine.begin_reading(&service);
    gate.engine.ask_for_page(&service);
    assert!(!numbered(&mut gate, 13, "destroyed", "ann"));
    gate.engine.restore(&service, page(12, &["bob", "cid"]), now());
    assert!(gate.engine.live().room(&jid("tea@rooms.example.org")).is_none());
    assert!(gate.engine.end_reading(&service, true));
}

#[test]
fn a_page_with_a_room_that_ended_since_changes_nothing_of_the_next_room_of_that_address() {
    let mut gate = Gate::of("default", Mode::Enforce, Audit::none());
    let service = Arc::clone(&gate.service);
    let tea = jid("tea@rooms.example.org");
    gate.engine.restore(&service, page(9, &["ann"]), now());
    gate.engine.begin_reading(&service);
    gate.engine.ask_for_page(&service);
    assert!(!numbered(&mut gate, 10, "joined", "ann"));
    assert!(!numbered(&mut gate, 11, "destroyed", "ann"));
    gate.ask("open", GUEST, "", "<credential>umbrella-kiwi</credential>");
    assert!(!numbered(&mut gate, 12, "created", "bob"));
    gate.engine.restore(&service, page(10, &["ann"]), now());
    assert_eq!(seen_inside(&gate.engine, tea.as_str()), ["bob"]);
    let record = gate.engine.live().room(&tea).and_then(|room| room.view.record.as_ref());
    assert_eq!(record.map(|record| record.opener.as_str()), Some("bob@guest.example.org"));
    assert!(gate.engine.end_reading(&service, true));
}

#[test]
fn a_missing_report_is_noticed_once_until_the_rooms_are_read() {
    let mut gate = Gate::of("default", Mode::Enforce, Audit::none());
    let service = Arc::clone(&gate.service);
    assert!(!numbered(&mut gate, 7, "joined", "ann"), "the first has no place to miss");
    assert!(!numbered(&mut gate, 8, "joined", "bob"));
    assert!(numbered(&mut gate, 10, "joined", "dan"));
    assert!(!numbered(&mut gate, 12, "joined", "eve"));
    gate.engine.begin_reading(&service);
    assert!(!gate.engine.end_reading(&service, false), "they were not read");
    gate.engine.begin_reading(&service);
    gate.engine.restore(&service, page(12, &["ann", "bob", "cid"]), now());
    assert!(gate.engine.end_reading(&service, true));
    // One that is missing shows in the number of a page, too.
    gate.engine.begin_reading(&service);
    gate.engine.restore(&service, page(14, &["ann"]), now());
    assert!(!gate.engine.end_reading(&service, true));
    // With a new hello the count begins again.
    gate.engine.hello(&service, element(HELLO).root()).unwrap();
    assert!(!numbered(&mut gate, 1, "joined", "ann"));
}

#[test]
fn what_is_known_stays_until_the_rooms_are_read_and_a_room_that_is_not_there_goes() {
    let mut gate = Gate::of("default", Mode::Enforce, Audit::none());
    let service = Arc::clone(&gate.service);
    let tea = jid("tea@rooms.example.org");
    gate.engine.restore(&service, page(5, &["ann"]), now());
    gate.engine.hello(&service, element(HELLO).root()).unwrap();
    assert_eq!(seen_inside(&gate.engine, "tea@rooms.example.org"), ["ann"]);
    gate.engine.begin_reading(&service);
    assert!(gate.engine.is_unmet(&service, &tea));
    numbered(&mut gate, 6, "joined", "bob");
    assert!(!gate.engine.is_unmet(&service, &tea), "it was heard of meanwhile");
    gate.engine.not_there(&service, &tea, now());
    assert!(gate.engine.live().room(&tea).is_some());
    assert!(gate.engine.end_reading(&service, true));
    gate.engine.begin_reading(&service);
    gate.engine.not_there(&service, &tea, now());
    assert!(gate.engine.live().room(&tea).is_none());
}
