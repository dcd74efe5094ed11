//! Succession: rooms that lose their last moderator, as gates report it to the component.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

#[path = "support/policies.rs"]
mod policies;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use policies::{jid, now, policy};
use vestibule::component::audit::Audit;
use vestibule::component::engine::{Mode, PolicyEngine};
use vestibule::component::timetable::{confirm_plan, plan_succession, plans};
use vestibule::jid::BareJid;
use vestibule::policy::record::Person;
use vestibule::policy::succession::{Plan, Remedy};
use vestibule::policy::texts::Texts;
use vestibule::wire::NS;
use vestibule::wire::answer::{Material, Secrets, command};
use vestibule::wire::room::LiveRoom;
use vestibule::xmpp::element::Document;

const SERVICE: &str = "rooms.example.org";
const ROOM: &str = "tea@rooms.example.org";
const RECORD: &str = r#"{"v":1,"opened":"2026-01-01T11:55:00Z","opener":"ann@example.org"}"#;
const ACCOUNT: &str = "session='client' host='example.org' provider='internal_hashed' mechanism='SCRAM-SHA-1' secure='true'";

struct Gate {
    engine: PolicyEngine,
    service: Arc<str>,
    now: Timestamp,
    /// What was planned in each room when it was looked at last.
    known: BTreeMap<BareJid, Option<Plan>>,
}

fn element(xml: &str) -> Document {
    Document::parse(xml.as_bytes(), "").unwrap()
}

impl Gate {
    fn new(mode: Mode) -> Self {
        let policy = Arc::new(policy("default").unwrap());
        let services = [SERVICE.to_owned()];
        let engine = PolicyEngine::new(policy, services, mode, Audit::none(), "r".to_owned());
        let service = engine.service(SERVICE).unwrap();
        Self { engine, service, now: now(), known: BTreeMap::new() }
    }

    /// A room that ann moderates, with a guest, a service and bob inside.
    fn with_a_meeting() -> Self {
        let mut gate = Self::new(Mode::Enforce);
        gate.report("created", "");
        let focus = "nick='focus' jid='focus@auth.example.org/f' session='component' host='auth.example.org' role='moderator'";
        gate.report("joined", focus);
        gate.report(
            "joined",
            &format!("nick='Ann' jid='ann@example.org/a' {ACCOUNT} role='moderator'"),
        );
        gate.report(
            "joined",
            "nick='G' jid='g@guest.example.org/g' session='client' host='guest.example.org' provider='anonymous' mechanism='ANONYMOUS' role='participant'",
        );
        gate.report(
            "joined",
            &format!("nick='Bob' jid='bob@example.org/b' {ACCOUNT} role='participant'"),
        );
        gate
    }

    fn report(&mut self, event: &str, more: &str) {
        let report = element(&format!(
            "<report xmlns='{NS}' event='{event}' room='{ROOM}' generation='g' {more}/>"
        ));
        let service = Arc::clone(&self.service);
        self.engine.report(&service, report.root(), self.now);
    }

    fn after(&mut self, seconds: i64) -> &mut Self {
        self.now += SignedDuration::from_secs(seconds);
        self
    }

    /// What is planned in the rooms, which are looked at when their time comes. That is what a plan_succession at each of them shows.
    fn remedies(&mut self) -> Vec<Remedy> {
        self.known.extend(plans(&mut self.engine, usize::MAX, self.now));
        self.known.retain(|jid, _| self.engine.live().room(jid).is_some());
        for (jid, _) in self.engine.live().rooms() {
            assert_eq!(self.known.get(jid), Some(&plan_succession(&self.engine, jid, self.now).0));
        }
        self.known.values().flatten().map(|plan| plan.remedy.clone()).collect()
    }

    /// What the gate's view of the room makes of it.
    fn again(&mut self, moderators: u32, people: &str, asked: Option<&BareJid>) -> Option<Remedy> {
        let occupants = people.matches("<occupant").count();
        let live = LiveRoom::read(element(&format!(
            "<room xmlns='{NS}' jid='{ROOM}' generation='g' revision='3' moderators='{moderators}' \
             occupants='{occupants}' password='true'><record>{RECORD}</record>{people}</room>"
        )).root());
        confirm_plan(&mut self.engine, &live.unwrap(), asked, self.now).map(|plan| plan.remedy)
    }
}

const LEFT: &str = "nick='Ann' jid='ann@example.org/a'";

#[test]
fn somebody_inside_takes_over_from_the_last_moderator_and_never_from_one_who_is_there() {
    let mut gate = Gate::with_a_meeting();
    assert_eq!(gate.after(3600).remedies(), []);
    gate.report("left", LEFT);
    assert_eq!(gate.after(59).remedies(), []);
    assert_eq!(gate.after(1).remedies(), [Remedy::Promote(jid("bob@example.org"))]);
    gate.report("joined", &format!("{LEFT} {ACCOUNT} role='moderator'"));
    assert_eq!(gate.after(3600).remedies(), []);
}

#[test]
fn a_moderator_who_is_made_none_leaves_the_room_without() {
    let mut gate = Gate::with_a_meeting();
    gate.report("role", &format!("{LEFT} {ACCOUNT} affiliation='none' role='participant'"));
    // She has been there longest.
    assert_eq!(gate.after(60).remedies(), [Remedy::Promote(jid("ann@example.org"))]);
    gate.report("role", "nick='Bob' jid='bob@example.org/b' affiliation='owner' role='moderator'");
    assert_eq!(gate.remedies(), []);
}

#[test]
fn whoever_waits_is_known_until_he_is_gone() {
    let mut gate = Gate::new(Mode::Enforce);
    let eve = format!("nick='Eve' jid='eve@example.org/e' {ACCOUNT}");
    let guest = "nick='G' jid='g@guest.example.org/g' session='client' host='guest.example.org' provider='anonymous' mechanism='ANONYMOUS' secure='true'";
    gate.report("waiting", &eve);
    gate.report("waiting", guest);
    gate.report("gone", &eve);
    let refused = Remedy::Refuse(vec![jid("g@guest.example.org")]);
    assert_eq!(gate.after(60).remedies(), [refused]);
    gate.report("gone", guest);
    assert_eq!(gate.remedies(), []);
}

#[test]
fn the_gate_is_believed_before_anything_is_done() {
    let mut gate = Gate::with_a_meeting();
    gate.report("left", LEFT);
    gate.after(60);
    let bob = jid("bob@example.org");
    let is_inside = "<occupant nick='Bob' jid='bob@example.org/b' session='client' host='example.org' provider='internal_hashed' mechanism='SCRAM-SHA-1' role='participant'/>";
    assert_eq!(gate.again(1, is_inside, Some(&bob)), None, "there is a moderator");
    assert_eq!(gate.again(0, is_inside, Some(&bob)), Some(Remedy::Promote(bob.clone())));
    let guest = "<occupant nick='G' jid='g@guest.example.org/g' session='client' host='guest.example.org' provider='anonymous' mechanism='ANONYMOUS' role='participant'/>";
    assert_eq!(gate.again(0, guest, Some(&bob)), Some(Remedy::Nobody), "bob has left");
}

#[test]
fn whoever_was_removed_is_passed_over_once_that_is_known() {
    let mut gate = Gate::new(Mode::Enforce);
    gate.report("waiting", &format!("nick='Eve' jid='eve@example.org/e' {ACCOUNT}"));
    let eve = jid("eve@example.org");
    let waits = "<waiting nick='Eve' jid='eve@example.org/e'/>";
    gate.after(60);
    assert_eq!(gate.again(0, waits, Some(&eve)), Some(Remedy::Admit(eve.clone())));
    let removed = format!("{waits}<person>{}</person>", Person::removed().write());
    let refused = Remedy::Refuse(vec![eve.clone()]);
    assert_eq!(gate.again(0, &removed, Some(&eve)), Some(refused.clone()));
    assert_eq!(gate.remedies(), [refused], "it is remembered");
}

#[test]
fn a_snapshot_tells_how_long_people_have_waited() {
    let mut gate = Gate::new(Mode::Enforce);
    let since = gate.now.as_second() - 60;
    let room = element(&format!(
        "<room xmlns='{NS}' jid='{ROOM}' generation='g' revision='3' password='true'><record>{RECORD}</record>\
         <waiting nick='Eve' jid='eve@example.org/e' {ACCOUNT} since='{since}'/>\
         <waiting nick='Bob' jid='bob@example.org/b' {ACCOUNT} since='nonsense'/></room>"
    ));
    let (service, moment) = (Arc::clone(&gate.service), gate.now);
    gate.engine.restore(&service, LiveRoom::read(room.root()).unwrap(), moment);
    // Its opener was a moderator, and may have left just now.
    assert_eq!(gate.after(59).remedies(), []);
    assert_eq!(gate.after(1).remedies(), [Remedy::Admit(jid("eve@example.org"))]);
}

#[test]
fn whoever_only_looks_on_rescues_nobody() {
    let mut gate = Gate::new(Mode::Observe);
    gate.report("waiting", &format!("nick='Eve' jid='eve@example.org/e' {ACCOUNT}"));
    assert_eq!(gate.after(3600).remedies(), []);
}

#[test]
fn a_remedy_is_written_in_the_words_of_the_protocol() {
    let bob = jid("bob@example.org");
    let write = |remedy: &Remedy| {
        let effects = remedy.effects(None);
        let material =
            Material { secrets: &Secrets::default(), texts: &Texts::default(), language: None };
        command(&jid(ROOM), "g", Some(3), "d1", &effects, material, [])
    };
    let admitted = r#"{"v":2,"entry":"admitted","moderator":true}"#;
    for (remedy, name) in
        [(Remedy::Promote(bob.clone()), "promote"), (Remedy::Admit(bob.clone()), "admit")]
    {
        let element = write(&remedy);
        assert_eq!(element.child(NS, name).unwrap().attr("jid"), Some("bob@example.org"));
        assert_eq!(element.child(NS, "person").unwrap().text(), admitted);
    }
    let refused = write(&Remedy::Refuse(vec![bob.clone(), jid("eve@example.org")]));
    let turned_away: Vec<_> = refused.children().map(|it| (it.name(), it.text())).collect();
    let words = "Nobody is here to let you in. Please try again later.".to_owned();
    assert_eq!(turned_away, [("reject", words.clone()), ("reject", words)]);
}
