//! What is due in the rooms that the component has heard of.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

#[path = "support/policies.rs"]
mod policies;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use policies::{jid, now, policy};
use vestibule::component::audit::Audit;
use vestibule::component::desk::{Desk, Mode};
use vestibule::component::timetable::{Timetable, due_again, timetable};
use vestibule::policy::notice::Notice;
use vestibule::policy::record::Closed;
use vestibule::policy::rules::Rules;
use vestibule::policy::timers::Deed;
use vestibule::wire::NS;
use vestibule::wire::question::Question;
use vestibule::wire::room::LiveRoom;
use vestibule::xmpp::element::Element;

const SERVICE: &str = "rooms.example.org";
const ANN: &str = "jid='ann@example.org/a' nick='Ann' session='client' host='example.org' provider='internal_hashed' mechanism='SCRAM-SHA-1' secure='true'";

struct Gate {
    desk: Desk,
    service: Arc<str>,
    now: Timestamp,
    asked: u32,
}

fn element(xml: &str) -> Element {
    Element::parse(xml.as_bytes(), "").unwrap()
}

/// A room as it stands in a look or a snapshot.
fn shown(room: &str, record: &str, moderators: u32) -> Element {
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
        let desk = Desk::new(Arc::new(policy), services, mode, Audit::none(), "r".to_owned());
        let service = desk.service(SERVICE).unwrap();
        Self { desk, service, now: now(), asked: 0 }
    }

    fn with(change: impl FnOnce(&mut Rules)) -> Self {
        Self::under(Mode::Enforce, change)
    }

    /// Asks, and tells the verdict.
    fn ask(&mut self, kind: &str, room: &str, who: &str, state: &str) -> String {
        self.asked += 1;
        let n = self.asked;
        let question = Question::read(&element(&format!(
            "<ask xmlns='{NS}' kind='{kind}' attempt='a{n}' room='{room}@{SERVICE}' revision='1' {}>\
             <requester {who}/>{state}</ask>",
            if kind == "open" { "" } else { "generation='g'" }
        )));
        let service = Arc::clone(&self.service);
        let answer = self.desk.question(&service, &question, self.now);
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
        self.desk.report(&service, &report, self.now);
    }

    fn restore(&mut self, room: &Element) {
        let service = Arc::clone(&self.service);
        self.desk.restore(&service, LiveRoom::read(room).unwrap(), self.now);
    }

    fn wait(&mut self, seconds: i64) -> Vec<Deed> {
        self.now += SignedDuration::from_secs(seconds);
        timetable(&self.desk, self.now).due.into_iter().map(|(_, due)| due.deed).collect()
    }

    fn due_again(&mut self, room: &Element) -> Option<Deed> {
        let live = LiveRoom::read(room).unwrap();
        due_again(&mut self.desk, &live, self.now).map(|due| due.deed)
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
    let next = timetable(&gate.desk, gate.now).next;
    assert_eq!(next, Some(now() + SignedDuration::from_mins(60)));
    assert_eq!(gate.wait(1), [Deed::End(Notice::TimeIsUp)]);
    gate.report("destroyed", "tea", "");
    assert_eq!(gate.wait(1), []);
}

#[test]
fn a_component_that_only_looks_on_does_nothing_by_itself() {
    let mut gate = Gate::under(Mode::Observe, ending);
    gate.restore(&shown("tea", &record("2026-01-01T00:00:00Z", ""), 1));
    assert_eq!(timetable(&gate.desk, gate.now), Timetable::default());
}

#[test]
fn a_rule_that_is_only_observed_says_what_it_would_do() {
    let mut gate = Gate::with(|rules| {
        let mut observed = rules.clone();
        ending(&mut observed);
        rules.observed = Some(Arc::new(observed));
    });
    gate.restore(&shown("tea", &record("2026-01-01T11:30:00Z", ""), 1));
    let end = Some(now() + SignedDuration::from_mins(30));
    let table = timetable(&gate.desk, gate.now);
    assert_eq!((table.due.len(), table.would.len(), table.next), (0, 0, end));
    assert_eq!(gate.wait(1800), [], "nothing follows");
    let would = timetable(&gate.desk, gate.now).would;
    assert_eq!(would[0].1.deed, Deed::End(Notice::TimeIsUp));
}

#[test]
fn a_room_that_is_found_after_a_restart_has_the_times_of_its_record() {
    let mut gate = Gate::with(ending);
    gate.restore(&shown("tea", &record("2026-01-01T11:30:00Z", ""), 1));
    assert_eq!(gate.wait(1799), []);
    assert_eq!(gate.wait(1), [Deed::End(Notice::TimeIsUp)]);
}

#[test]
fn what_is_due_is_looked_at_again_as_the_room_is_then() {
    let mut gate = Gate::with(closing);
    gate.restore(&shown("tea", &record("2026-01-01T11:30:00Z", ""), 1));
    assert_eq!(gate.wait(0), [Deed::Close(Closed::Time)]);
    let reopened = r#","reopened":"2026-01-01T11:59:00Z""#;
    let room = shown("tea", &record("2026-01-01T11:30:00Z", reopened), 1);
    assert_eq!(gate.due_again(&room), None);
    assert_eq!(gate.wait(0), [], "which is known from then on");
    assert_eq!(gate.wait(540), [Deed::Close(Closed::Time)]);
    assert_eq!(gate.due_again(&room), Some(Deed::Close(Closed::Time)));
}

#[test]
fn a_room_that_was_reopened_by_a_word_has_its_time_again() {
    let mut gate = Gate::with(closing);
    let closed = record("2026-01-01T11:30:00Z", r#","closed":"time""#);
    gate.restore(&shown("tea", &closed, 1));
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
    assert_eq!(gate.due_again(&room(1)), None, "the gate knows better");
    assert_eq!(gate.due_again(&room(0)), Some(Deed::Close(Closed::Unmoderated)));
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
    gate.restore(&shown("health", service, 0));
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
    let room = gate.desk.live().room(&jid(&format!("tea@{SERVICE}"))).unwrap();
    room.view.record.as_ref().unwrap().wave.is_some()
}

fn waves(rules: &mut Rules) {
    Arc::make_mut(&mut rules.limits).wave_strangers.value = 3;
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
    gate.desk.calmed(&tea);
    assert_eq!(gate.desk.last_stranger(&tea), None);
    for guest in ["e", "f"] {
        join(&mut gate, guest, false);
        assert!(!strangers(&gate));
    }
}
