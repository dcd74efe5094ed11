//! Timers: what is due in the rooms that gates have reported to the component.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

#[path = "support/policies.rs"]
mod policies;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use globset::Glob;
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use policies::{jid, now, policy};
use proptest::collection::vec;
use proptest::prelude::*;
use vestibule::component::audit::Audit;
use vestibule::component::engine::{Mode, PolicyEngine};
use vestibule::component::registry::Watch;
use vestibule::component::timetable::{Look, Phases, confirm_due, look, timetable};
use vestibule::jid::BareJid;
use vestibule::policy::exceptions::{Exception, Whom};
use vestibule::policy::hours::{AtEnd, Span};
use vestibule::policy::notice::Notice;
use vestibule::policy::record::{Closed, Record};
use vestibule::policy::rules::named;
use vestibule::policy::timers::{Deed, Due};
use vestibule::policy::{Policy, Rules};
use vestibule::wire::NS;
use vestibule::wire::request::Question;
use vestibule::wire::room::LiveRoom;
use vestibule::xmpp::element::{Document, ElementRef};

const SERVICE: &str = "rooms.example.org";
const ANN: &str = "jid='ann@example.org/a' nick='Ann' session='client' host='example.org' provider='internal_hashed' mechanism='SCRAM-SHA-1' secure='true'";

struct Gate {
    engine: PolicyEngine,
    service: Arc<str>,
    now: Timestamp,
    asked: u32,
    /// What was due and would be due in each room when it was looked at last.
    known: BTreeMap<BareJid, Look>,
}

/// What is due, whatever the time that is left until then.
fn short(due: Option<Due>) -> Option<(&'static str, &'static str)> {
    due.map(|due| (due.rule.name, due.deed.name()))
}

fn element(xml: &str) -> Document {
    Document::parse(xml.as_bytes(), "").unwrap()
}

/// A room as it stands in a look or a snapshot.
fn shown(room: &str, record: &str, moderators: u32) -> Document {
    element(&format!(
        "<room xmlns='{NS}' jid='{room}@{SERVICE}' generation='g' revision='1' occupants='1' \
         moderators='{moderators}' password='true'><record>{record}</record></room>"
    ))
}

fn record(opened: &str, more: &str) -> String {
    format!(r#"{{"v":1,"opened":"{opened}","opener":"ann@example.org"{more}}}"#)
}

impl Gate {
    fn under(mode: Mode, change: impl FnOnce(&mut Rules)) -> Self {
        let mut policy = policy("default").unwrap();
        let mut rules = (*policy.base).clone();
        change(&mut rules);
        policy.base = Arc::new(rules);
        let services = [SERVICE.to_owned()];
        let engine =
            PolicyEngine::new(Arc::new(policy), services, mode, Audit::none(), "r".to_owned());
        let service = engine.service(SERVICE).unwrap();
        Self { engine, service, now: now(), asked: 0, known: BTreeMap::new() }
    }

    fn with(change: impl FnOnce(&mut Rules)) -> Self {
        Self::under(Mode::Enforce, change)
    }

    /// Asks, and tells the verdict.
    fn ask(&mut self, kind: &str, room: &str, who: &str, state: &str) -> String {
        self.asked += 1;
        let n = self.asked;
        let question = Question::read(element(&format!(
            "<request xmlns='{NS}' kind='{kind}' attempt='a{n}' room='{room}@{SERVICE}' revision='1' {}>\
             <requester {who}/>{state}</request>",
            if kind == "open" { "" } else { "generation='g'" }
        )).root());
        let service = Arc::clone(&self.service);
        let answer = self.engine.question(&service, &question, self.now);
        answer.attr("verdict").unwrap().to_owned()
    }

    fn open(&mut self, room: &str) -> String {
        self.ask("open", room, ANN, "")
    }

    fn report(&mut self, event: &str, room: &str, more: &str) {
        let report = element(&format!(
            "<report xmlns='{NS}' event='{event}' room='{room}@{SERVICE}' generation='g' {more}/>"
        ));
        let service = Arc::clone(&self.service);
        self.engine.report(&service, report.root(), self.now);
    }

    fn restore(&mut self, room: ElementRef<'_>) {
        let service = Arc::clone(&self.service);
        self.engine.restore(&service, LiveRoom::read(room).unwrap(), self.now);
    }

    fn wait(&mut self, seconds: i64) -> Vec<Deed> {
        self.now += SignedDuration::from_secs(seconds);
        self.look();
        self.known.values().filter_map(|look| Some(look.due?.deed)).collect()
    }

    /// Looks at the rooms whose time has come. What is known then is what a look at every room shows.
    fn look(&mut self) {
        loop {
            let looked = timetable(&mut self.engine, 7, self.now);
            if looked.is_empty() {
                break;
            }
            self.known.extend(looked);
        }
        self.known.retain(|jid, _| self.engine.live().room(jid).is_some());
        let next = self.engine.next_look(Watch::Timers);
        assert!(next.is_none_or(|next| next > self.now));
        let mut phases = Phases::at(self.now);
        for (jid, _) in self.engine.live().rooms() {
            let naive = look(&self.engine, jid, &mut phases);
            let known = self.known.get(jid).copied().unwrap_or_default();
            assert_eq!(short(known.due), short(naive.due), "{jid} at {}", self.now);
            assert_eq!(short(known.would), short(naive.would), "{jid} at {}", self.now);
        }
    }

    fn would(&self) -> Vec<Deed> {
        self.known.values().filter_map(|look| Some(look.would?.deed)).collect()
    }

    fn confirm_due(&mut self, room: ElementRef<'_>) -> Option<Deed> {
        let live = LiveRoom::read(room).unwrap();
        confirm_due(&mut self.engine, &live, self.now).map(|due| due.deed)
    }
}

fn minutes(minutes: u64) -> Option<Duration> {
    Some(Duration::from_secs(minutes * 60))
}

fn closing(rules: &mut Rules) {
    Arc::make_mut(&mut rules.close).after.value = minutes(10);
}

fn ending(rules: &mut Rules) {
    Arc::make_mut(&mut rules.limits).duration.value = minutes(60);
    Arc::make_mut(&mut rules.limits).warn_before.value = None;
}

#[test]
fn a_room_has_its_times_from_the_moment_at_which_it_is_opened() {
    let mut gate = Gate::with(ending);
    assert_eq!(gate.open("tea"), "allow");
    assert_eq!(gate.wait(3600), [], "it is not there yet");
    gate.now = now();
    assert_eq!(gate.open("tea"), "allow");
    gate.report("created", "tea", ANN);
    assert_eq!(gate.wait(3599), []);
    let next = gate.engine.next_look(Watch::Timers);
    assert_eq!(next, Some(now() + SignedDuration::from_mins(60)));
    assert_eq!(gate.wait(1), [Deed::End(Notice::TimeIsUp)]);
    gate.report("destroyed", "tea", "");
    assert_eq!(gate.wait(1), []);
}

#[test]
fn a_component_that_only_looks_on_does_nothing_by_itself() {
    let mut gate = Gate::under(Mode::Observe, ending);
    gate.restore(shown("tea", &record("2026-01-01T00:00:00Z", ""), 1).root());
    assert_eq!(gate.wait(0), []);
    assert_eq!((gate.would(), gate.engine.next_look(Watch::Timers)), (vec![], None));
}

#[test]
fn a_rule_that_is_only_observed_says_what_it_would_do() {
    let mut gate = Gate::with(|rules| {
        let mut observed = rules.clone();
        ending(&mut observed);
        rules.observed = Some(Arc::new(observed));
    });
    gate.restore(shown("tea", &record("2026-01-01T11:30:00Z", ""), 1).root());
    let end = Some(now() + SignedDuration::from_mins(30));
    assert_eq!(gate.wait(0), []);
    assert_eq!((gate.would(), gate.engine.next_look(Watch::Timers)), (vec![], end));
    assert_eq!(gate.wait(1800), [], "nothing follows");
    assert_eq!(gate.would(), [Deed::End(Notice::TimeIsUp)]);
}

#[test]
fn a_room_that_is_found_after_a_restart_has_the_times_of_its_record() {
    let mut gate = Gate::with(ending);
    gate.restore(shown("tea", &record("2026-01-01T11:30:00Z", ""), 1).root());
    assert_eq!(gate.wait(1799), []);
    assert_eq!(gate.wait(1), [Deed::End(Notice::TimeIsUp)]);
}

#[test]
fn what_is_due_is_looked_at_again_as_the_room_is_then() {
    let mut gate = Gate::with(closing);
    gate.restore(shown("tea", &record("2026-01-01T11:30:00Z", ""), 1).root());
    assert_eq!(gate.wait(0), [Deed::Close(Closed::Time)]);
    let reopened = r#","reopened":"2026-01-01T11:59:00Z""#;
    let room = shown("tea", &record("2026-01-01T11:30:00Z", reopened), 1);
    assert_eq!(gate.confirm_due(room.root()), None);
    assert_eq!(gate.wait(0), [], "which is known from then on");
    assert_eq!(gate.wait(540), [Deed::Close(Closed::Time)]);
    assert_eq!(gate.confirm_due(room.root()), Some(Deed::Close(Closed::Time)));
}

#[test]
fn a_room_that_was_reopened_by_a_word_has_its_time_again() {
    let mut gate = Gate::with(closing);
    let closed = record("2026-01-01T11:30:00Z", r#","closed":"time""#);
    gate.restore(shown("tea", &closed, 1).root());
    assert_eq!(gate.wait(0), []);
    let state = format!(
        "<state occupants='1' moderators='1' password='true' existing='true'><record>{closed}</record></state>\
         <command name='reopen'/>"
    );
    let ann = format!("{ANN} affiliation='owner' role='moderator'");
    assert_eq!(gate.ask("command", "tea", &ann, &state), "allow");
    assert_eq!(gate.wait(599), []);
    assert_eq!(gate.wait(1), [Deed::Close(Closed::Time)]);
}

#[test]
fn without_a_moderator_the_time_runs_until_one_is_there() {
    let mut gate = Gate::with(|rules| {
        Arc::make_mut(&mut rules.close).when_unmoderated.value = minutes(1);
    });
    assert_eq!(gate.open("tea"), "allow");
    gate.report("created", "tea", "");
    gate.report("joined", "tea", &format!("{ANN} role='moderator'"));
    assert_eq!(gate.wait(600), []);
    gate.report("left", "tea", ANN);
    assert_eq!(gate.wait(59), []);
    assert_eq!(gate.wait(1), [Deed::Close(Closed::Unmoderated)]);
    let room = |moderators| shown("tea", &record("2026-01-01T12:00:00Z", ""), moderators);
    assert_eq!(gate.confirm_due(room(1).root()), None, "the gate knows better");
    assert_eq!(gate.confirm_due(room(0).root()), Some(Deed::Close(Closed::Unmoderated)));
    gate.report("joined", "tea", &format!("{ANN} role='moderator'"));
    assert_eq!(gate.wait(0), []);
}

#[test]
fn rooms_are_counted_by_who_opened_them_also_before_they_are_there() {
    let mut gate = Gate::with(|rules| {
        let limits = Arc::make_mut(&mut rules.limits);
        limits.rooms_per_opener.value = 2;
        limits.rooms.value = 4;
    });
    assert_eq!(gate.open("a"), "allow");
    assert_eq!(gate.open("b"), "allow");
    assert_eq!(gate.open("c"), "deny");
    gate.report("created", "a", "");
    assert_eq!(gate.open("c"), "deny");
    // One that did not come is no room.
    gate.now += SignedDuration::from_secs(15);
    assert_eq!(gate.open("c"), "allow");
    gate.report("created", "c", "");
    gate.report("destroyed", "a", "");
    assert_eq!(gate.open("d"), "allow");
    assert_eq!(gate.open("e"), "deny");

    let bob = "jid='bob@example.org/b' nick='Bob' session='client' host='example.org' provider='internal_hashed' mechanism='SCRAM-SHA-1' secure='true'";
    assert_eq!(gate.ask("open", "f", bob, ""), "allow");
    // What a service opened for itself does not count.
    let service = r#"{"v":1,"opened":"2026-01-01T11:30:00Z","opener":"focus@auth.example.org"}"#;
    gate.restore(shown("health", service, 0).root());
    assert_eq!(gate.ask("open", "g", bob, ""), "allow");
    let eve = "jid='eve@example.org/e' nick='Eve' session='client' host='example.org' provider='internal_hashed' mechanism='SCRAM-SHA-1' secure='true'";
    assert_eq!(gate.ask("open", "h", eve, ""), "deny");
}

/// A guest joins with the right password.
fn join(gate: &mut Gate, guest: &str, wave: bool) -> String {
    let wave = if wave { r#","wave":{"since":"2026-01-01T12:00:00Z"}"# } else { "" };
    let record = record("2026-01-01T11:30:00Z", wave);
    let state = format!(
        "<state occupants='1' moderators='1' password='true' existing='true'><record>{record}</record></state>\
         <credential check='right'/>"
    );
    let who = format!(
        "jid='{guest}@guest.example.org/x' session='client' host='guest.example.org' provider='anonymous' mechanism='ANONYMOUS' secure='true'"
    );
    gate.ask("join", "tea", &who, &state)
}

/// Strangers, or those who raise the lobby.
fn strangers(gate: &Gate) -> bool {
    let room = gate.engine.live().room(&jid(&format!("tea@{SERVICE}"))).unwrap();
    room.view.record.as_ref().unwrap().wave.is_some()
}

fn waves(rules: &mut Rules) {
    Arc::make_mut(&mut rules.limits).flood_strangers.value = 3;
}

#[test]
fn many_strangers_within_the_time_are_a_wave_and_fewer_are_none() {
    let mut gate = Gate::with(waves);
    for guest in ["a", "b", "b", "b"] {
        assert_eq!(join(&mut gate, guest, false), "allow");
        assert!(!strangers(&gate), "one stranger is not many");
    }
    gate.now += SignedDuration::from_secs(60);
    for guest in ["c", "d"] {
        assert_eq!(join(&mut gate, guest, false), "allow");
        assert!(!strangers(&gate), "those before came too long ago");
    }
    assert_eq!(join(&mut gate, "e", false), "allow");
    assert!(strangers(&gate));
}

#[test]
fn a_wave_lasts_until_no_stranger_has_knocked_for_a_while_and_begins_anew() {
    let mut gate = Gate::with(waves);
    for guest in ["a", "b", "c"] {
        join(&mut gate, guest, false);
    }
    assert_eq!(gate.wait(599), []);
    assert_eq!(join(&mut gate, "d", true), "hold");
    assert_eq!(gate.wait(599), []);
    assert_eq!(gate.wait(1), [Deed::Calm]);
    let tea = jid(&format!("tea@{SERVICE}"));
    gate.engine.calmed(&tea);
    assert_eq!(gate.engine.last_stranger(&tea), None);
    for guest in ["e", "f"] {
        join(&mut gate, guest, false);
        assert!(!strangers(&gate));
    }
}

/// How often rooms were looked at for their times.
fn looks(gate: &Gate) -> u64 {
    gate.engine.looks(Watch::Timers)
}

#[test]
fn ten_thousand_rooms_that_are_due_at_one_time_are_looked_at_twice_each_and_an_idle_second_costs_none()
 {
    const ROOMS: u64 = 10_000;
    let mut gate = Gate::with(|rules| {
        ending(rules);
        closing(rules);
    });
    for room in 0..ROOMS {
        gate.restore(shown(&format!("r{room}"), &record("2026-01-01T12:00:00Z", ""), 1).root());
    }
    let looked = |gate: &mut Gate, seconds: i64, most: usize| {
        gate.now += SignedDuration::from_secs(seconds);
        let before = looks(gate);
        let table = timetable(&mut gate.engine, most, gate.now);
        (
            table.into_iter().filter(|(_, look)| look.due.is_some()).collect::<Vec<_>>(),
            looks(gate) - before,
        )
    };
    assert_eq!(looked(&mut gate, 0, usize::MAX), (vec![], ROOMS));
    for _ in 0..599 {
        assert_eq!(looked(&mut gate, 1, 50), (vec![], 0), "nothing has changed and nothing is due");
    }
    let before = looks(&gate);
    gate.now += SignedDuration::from_secs(1);
    // As the watcher does: some at a time; each is looked at as its gate shows it, and its record is changed.
    let mut closed = 0;
    loop {
        let table = timetable(&mut gate.engine, 50, gate.now);
        if table.is_empty() {
            break;
        }
        for (jid, _) in table.into_iter().filter(|(_, look)| look.due.is_some()) {
            let name = jid.node().unwrap().to_owned();
            let open = record("2026-01-01T12:00:00Z", "");
            assert_eq!(
                gate.confirm_due(shown(&name, &open, 1).root()),
                Some(Deed::Close(Closed::Time))
            );
            let done = record("2026-01-01T12:00:00Z", r#","closed":"time""#);
            gate.engine.recorded(&jid, Record::read(&done).unwrap());
            closed += 1;
        }
    }
    assert_eq!((closed, looks(&gate) - before), (ROOMS, 2 * ROOMS));
    assert_eq!(looked(&mut gate, 1, 50), (vec![], 0), "all is done");
}

#[test]
fn a_policy_in_force_is_followed_by_all_rooms_a_part_at_a_time() {
    let mut gate = Gate::with(|_| {});
    for room in 0..1000 {
        gate.restore(shown(&format!("r{room}"), &record("2026-01-01T11:30:00Z", ""), 1).root());
    }
    assert_eq!(gate.wait(0), []);
    gate.replace_policy(ending);
    assert_eq!(gate.wait(1799), []);
    assert_eq!(gate.wait(1).len(), 1000);
}

impl Gate {
    /// Puts other rules in force, and has all rooms follow.
    fn replace_policy(&mut self, change: impl FnOnce(&mut Rules)) {
        let mut next = Policy::clone(self.engine.policy());
        let mut rules = (*policy("default").unwrap().base).clone();
        change(&mut rules);
        next.base = Arc::new(rules);
        let before = self.engine.replace_policy(Arc::new(next));
        let mut after = None;
        loop {
            let (_, last) = self.engine.judge_again(&before, after.as_ref(), self.now);
            if last.is_none() {
                return;
            }
            after = last;
        }
    }
}

/// Rules under which something happens by itself.
const RULES: [fn(&mut Rules); 8] = [
    |_| {},
    |rules| {
        ending(rules);
        Arc::make_mut(&mut rules.limits).warn_before.value = minutes(5);
    },
    |rules| {
        closing(rules);
        Arc::make_mut(&mut rules.close).when_unmoderated.value = minutes(1);
    },
    |rules| {
        waves(rules);
        Arc::make_mut(&mut rules.limits).without_moderator.value = minutes(2);
    },
    |rules| hours(rules, AtEnd::End, &[(8, 18)]),
    |rules| hours(rules, AtEnd::Close, &[(8, 14), (16, 18)]),
    // More openings in a row than the end of can be seen.
    |rules| hours(rules, AtEnd::End, &[(0, 6), (6, 12), (12, 18), (18, 24)]),
    |rules| {
        let mut observed = rules.clone();
        ending(&mut observed);
        hours(&mut observed, AtEnd::Close, &[(8, 13)]);
        rules.observed = Some(Arc::new(observed));
        closing(rules);
    },
];

fn hours(rules: &mut Rules, at_end: AtEnd, open: &[(u32, u32)]) {
    let hours = Arc::make_mut(&mut rules.hours);
    let span = |(from, to): &(u32, u32)| Span { days: 0x7f, from: from * 3600, to: to * 3600 };
    hours.open.value = open.iter().map(span).collect();
    hours.closed_on.value = vec![date(2026, 1, 3), date(2026, 1, 25)];
    hours.at_end.value = at_end;
}

const RECORDS: [&str; 4] = [
    "",
    r#","closed":"time""#,
    r#","reopened":"2026-01-01T12:10:00Z""#,
    r#","wave":{"since":"2026-01-01T12:00:00Z"}"#,
];
const PEOPLE: [&str; 3] = [
    "jid='ann@example.org/a' nick='Ann' affiliation='owner' role='moderator' session='client' host='example.org' provider='internal_hashed' mechanism='SCRAM-SHA-1' secure='true'",
    "jid='bob@example.org/b' nick='Bob' role='participant' session='client' host='example.org' provider='internal_hashed' mechanism='SCRAM-SHA-1' secure='true'",
    "jid='g@guest.example.org/g' nick='G' role='participant' session='client' host='guest.example.org' provider='anonymous' mechanism='ANONYMOUS' secure='true'",
];
const SECONDS: [i64; 9] = [0, 1, 59, 60, 540, 599, 3600, 6 * 3600, 86_400];

#[test]
fn an_end_of_the_hours_that_is_too_far_away_to_be_seen_comes_all_the_same() {
    let mut gate =
        Gate::with(|rules| hours(rules, AtEnd::End, &[(0, 6), (6, 12), (12, 18), (18, 24)]));
    gate.now = "2026-01-04T06:00:00Z".parse().unwrap();
    gate.restore(shown("tea", &record("2026-01-04T00:00:00Z", ""), 1).root());
    let end: Timestamp = "2026-01-25T00:00:00Z".parse().unwrap();
    let warned = format!(r#","warned":["{end}"]"#);
    assert_eq!(gate.wait(0), []);
    while gate.now < end - SignedDuration::from_secs(1) {
        let next = gate.engine.next_look(Watch::Timers).unwrap();
        gate.now = next.min(end - SignedDuration::from_secs(1));
        if gate.wait(0).iter().any(|deed| matches!(deed, Deed::Warn { .. })) {
            gate.restore(shown("tea", &record("2026-01-04T00:00:00Z", &warned), 1).root());
        }
        assert_eq!(gate.wait(0), [], "{}", gate.now);
    }
    assert!(matches!(gate.wait(1)[..], [Deed::End(Notice::HoursAreOver(_))]));
}

#[test]
fn a_wave_without_its_last_stranger_is_over_sooner() {
    let mut gate = Gate::with(waves);
    for guest in ["a", "b", "c"] {
        join(&mut gate, guest, false);
    }
    gate.wait(500);
    assert_eq!(join(&mut gate, "d", true), "hold");
    assert_eq!(gate.wait(100), []);
    gate.engine.calmed(&jid(&format!("tea@{SERVICE}")));
    assert_eq!(gate.wait(0), [Deed::Calm]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// What is known of the rooms that were looked at when their time came or they changed is what a look at all of them
    /// shows: [`Gate::look`] compares.
    #[test]
    fn no_change_and_no_time_is_missed(
        first in 0..RULES.len(),
        steps in vec((0..11_u8, 0..3_u8, 0..PEOPLE.len(), 0..RECORDS.len(), 0..SECONDS.len(), 0..RULES.len()), 1..40),
    ) {
        let mut gate = Gate::with(RULES[first]);
        let exception = Exception {
            line: 1,
            until: Some(now() + SignedDuration::from_mins(90)),
            rooms: Some(Glob::new("r1").unwrap().compile_matcher()),
            rules: ["limits.duration", "close.after"].iter().flat_map(|rule| named(rule)).collect(),
            bans: false,
            reason: String::new(),
        };
        let mut with_exception = Policy::clone(gate.engine.policy());
        with_exception.exceptions.add(Whom::All, exception);
        gate.engine.replace_policy(Arc::new(with_exception));
        for (what, room, person, more, seconds, rules) in steps {
            let room = format!("r{room}");
            let at = jid(&format!("{room}@{SERVICE}"));
            let known = shown(&room, &record("2026-01-01T11:55:00Z", RECORDS[more]), u32::from(person == 0));
            match what {
                0 => gate.report("created", &room, ""),
                1 => gate.report("joined", &room, PEOPLE[person]),
                2 => gate.report("left", &room, PEOPLE[person]),
                3 => gate.report("role", &room, &PEOPLE[person].replace("role='moderator'", "role='participant'")),
                4 => gate.report("destroyed", &room, ""),
                5 => gate.restore(known.root()),
                6 => drop(gate.confirm_due(known.root())),
                7 => gate.replace_policy(RULES[rules]),
                8 => gate.engine.calmed(&at),
                9 => {
                    gate.open(&room);
                }
                _ => drop(join(&mut gate, "stranger", more == 3)),
            }
            gate.wait(SECONDS[seconds]);
        }
    }
}
