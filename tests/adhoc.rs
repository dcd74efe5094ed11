//! Ad-hoc commands (XEP-0050) of operators without a server: what holds whatever clients send, in any order.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use vestibule::adhoc::{AdHoc, LIFETIME, MOST, MOST_OF_ONE, Step};
use vestibule::app::commands::commands;
use vestibule::control::{
    Caller, Command, Failure, FailureKind, FieldKind, Impact, Interface, Reply, Request, Role,
};
use vestibule::xmpp::framer::MAX_STANZA;
use vestibule::xmpp::stanza::{Condition, Iq, IqKind};
use vestibule::xmpp::{Document, Element, StanzaError, ns};

const DOMAIN: &str = "vestibule.example.org";
fn offered() -> impl Iterator<Item = &'static Command> {
    commands().iter().filter(|command| !command.is_local)
}

const ROOM: &str = "tea@conference.example.org";

/// A step, as a client writes it.
#[derive(Clone, Debug)]
struct Sent<'a> {
    from: &'a str,
    node: &'a str,
    action: &'a str,
    session: Option<&'a str>,
    form: Option<Vec<(String, String)>>,
}

impl<'a> Sent<'a> {
    fn new(node: &'a str) -> Self {
        Self { from: "ann@example.org/phone", node, action: "execute", session: None, form: None }
    }

    fn going_on(self, session: &'a str) -> Self {
        Self { session: Some(session), ..self }
    }

    fn with(self, values: &[(&str, &str)]) -> Self {
        let values = values.iter().map(|(var, value)| (var.to_string(), value.to_string()));
        Self { form: Some(values.collect()), ..self }
    }

    fn iq(&self) -> Document {
        let field = |(var, value): &(String, String)| {
            Element::new(ns::DATA_FORMS, "field")
                .with_attr("var", var)
                .with_child(Element::new(ns::DATA_FORMS, "value").with_text(value))
        };
        let form = self.form.as_ref().map(|values| {
            Element::new(ns::DATA_FORMS, "x")
                .with_attr("type", "submit")
                .with_children(values.iter().map(field))
        });
        let command = Element::new(ns::COMMANDS, "command")
            .with_attr("node", self.node)
            .with_attr("action", self.action)
            .with_attr_opt("sessionid", self.session)
            .with_child_opt(form);
        received(self.from, IqKind::Set(command))
    }

    fn caller(&self, role: Role) -> Caller {
        let name = self.from.split('/').next().unwrap().to_owned();
        Caller { face: Interface::AdHoc, name, role }
    }
}

/// A request as it comes from the server.
fn received(from: &str, kind: IqKind) -> Document {
    let iq = Iq { id: "1".into(), from: Some(from.into()), to: Some(DOMAIN.into()), kind };
    let mut bytes = Vec::new();
    Element::from(iq).write(&mut bytes);
    Document::parse(&bytes, "").unwrap()
}

/// The machine, and a component that does whatever it is asked, and remembers it.
struct World {
    machine: AdHoc,
    asked: Vec<Request>,
    begun: u32,
    later: SignedDuration,
    reply: Option<Reply>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            machine: AdHoc::new(commands()),
            asked: Vec::new(),
            begun: 0,
            later: SignedDuration::ZERO,
            reply: None,
        }
    }
}

impl World {
    fn send(&mut self, sent: &Sent<'_>) -> Iq {
        self.as_role(sent, Some(Role::Operator))
    }

    fn as_role(&mut self, sent: &Sent<'_>, role: Option<Role>) -> Iq {
        self.begun += 1;
        let (iq, caller) = (sent.iq(), role.map(|role| sent.caller(role)));
        let now = Timestamp::UNIX_EPOCH + self.later;
        let fresh = format!("s{}", self.begun);
        let iq = Iq::try_from(iq.root()).unwrap();
        let mut step = self.machine.handle(&iq, DOMAIN, caller, fresh, now).unwrap();
        loop {
            let pending = match step {
                Step::Answer(answer) => return answer,
                Step::Ask(pending) => pending,
            };
            let (caller, request) = pending.asks();
            assert_eq!(Some(caller.role), role);
            let reply = match request.name() {
                "rooms" => Reply::Done(json!([{ "room": ROOM, "occupants": 2 }])),
                "room" => Reply::Done(json!({
                    "room": ROOM,
                    "occupants": [{ "nick": "Bob", "jid": "bob@example.org" }],
                    "waiting": [{ "nick": "Eve", "jid": "eve@example.org" }],
                })),
                _ => self.reply.clone().unwrap_or(Reply::Done(json!({ "room": ROOM }))),
            };
            self.asked.push(request.clone());
            step = self.machine.resume(*pending, reply, now);
        }
    }

    /// What was carried out, but for what a form is made of.
    fn done(&self) -> Vec<&'static str> {
        let names = self.asked.iter().map(Request::name);
        names.filter(|name| !["rooms", "room"].contains(name)).collect()
    }
}

fn command(answer: &Iq) -> &Element {
    let IqKind::Result(Some(command)) = &answer.kind else { panic!("{answer:?}") };
    command
}

fn refusal(answer: &Iq) -> (Condition, Option<&'static str>) {
    let IqKind::Error(StanzaError { condition, detail, .. }) = &answer.kind else {
        panic!("{answer:?}")
    };
    (*condition, detail.map(|(_, name)| name))
}

fn session(answer: &Iq) -> String {
    command(answer).attr("sessionid").unwrap().to_owned()
}

fn fields(answer: &Iq) -> Vec<&Element> {
    let form = command(answer).child(ns::DATA_FORMS, "x").unwrap();
    form.children().filter(|child| child.name() == "field").collect()
}

fn items(caller: Option<Caller>) -> BTreeSet<String> {
    let query = Element::new(ns::DISCO_ITEMS, "query").with_attr("node", ns::COMMANDS);
    let iq = received("ann@example.org/phone", IqKind::Get(query));
    let iq = Iq::try_from(iq.root()).unwrap();
    let step = AdHoc::new(commands())
        .handle(&iq, DOMAIN, caller, "s".into(), Timestamp::UNIX_EPOCH)
        .unwrap();
    let Step::Answer(answer) = step else { panic!("{step:?}") };
    command(&answer).children().map(|item| item.attr("node").unwrap().to_owned()).collect()
}

#[test]
fn whoever_asks_is_offered_what_the_table_says_he_may() {
    assert!(items(None).is_empty());
    for role in Role::ALL {
        let may = offered().filter(|command| role >= command.role).map(|it| it.name.to_owned());
        assert_eq!(items(Some(Sent::new("").caller(role))), may.collect());
        for each in offered() {
            let answer = World::default().as_role(&Sent::new(each.name), Some(role));
            let is_refused = matches!(answer.kind, IqKind::Error(_));
            assert_eq!(is_refused, role < each.role, "{} {role:?}", each.name);
            if is_refused {
                assert_eq!(refusal(&answer), (Condition::Forbidden, None));
            }
        }
    }
}

#[test]
fn each_command_asks_for_all_its_fields_and_for_a_yes_to_what_is_final() {
    for each in offered() {
        let mut world = World::default();
        let mut answer = world.send(&Sent::new(each.name));
        let mut asked = BTreeSet::new();
        while command(&answer).attr("status") == Some("executing") {
            let id = session(&answer);
            let filled: Vec<(String, String)> = fields(&answer)
                .iter()
                .filter_map(|field| {
                    let var = field.attr("var")?;
                    let known = each.fields.iter().find(|it| it.name == var);
                    let value = match known.map(|field| field.kind) {
                        None => "true",
                        Some(FieldKind::Room) => ROOM,
                        Some(FieldKind::Person) => "bob@example.org",
                        Some(FieldKind::Duration) => "2 hours",
                        Some(FieldKind::Time) => "2026-11-24T00:00:00Z",
                        Some(FieldKind::Flag) => "1",
                        Some(FieldKind::Number) => "3",
                        Some(FieldKind::Choice(words)) => words[0],
                        Some(FieldKind::List) => "a=b",
                        Some(_) if var == "address" => "192.0.2.7",
                        Some(FieldKind::Text | FieldKind::Lines | FieldKind::Secret) => "a text",
                    };
                    Some((var.to_owned(), value.to_owned()))
                })
                .collect();
            asked.extend(filled.iter().map(|(var, _)| var.clone()));
            assert!(world.done().is_empty(), "{} was done before everything was said", each.name);
            let sent = Sent { form: Some(filled), session: Some(&id), ..Sent::new(each.name) };
            answer = world.send(&sent);
            assert!(asked.len() < 64, "{}: {answer:?}", each.name);
        }
        let wanted: BTreeSet<String> = each.fields.iter().map(|it| it.name.to_owned()).collect();
        let extra = BTreeSet::from(["confirm".to_owned()]);
        let extra = if each.impact == Impact::Irreversible { extra } else { BTreeSet::new() };
        assert_eq!(asked, wanted.union(&extra).cloned().collect(), "{}", each.name);
        assert_eq!(world.asked.last().map(Request::name), Some(each.name));
        assert_eq!(world.machine.waiting(), 0);
    }
}

#[test]
fn what_was_typed_in_secret_is_neither_sent_back_nor_shown() {
    const SECRET: &str = "correct horse battery";
    for each in offered() {
        for field in each.fields.iter().filter(|field| field.kind == FieldKind::Secret) {
            // The form comes back, for want of what is required, or because it fails.
            let reply = Some(Reply::Failed(Failure::new(FailureKind::Invalid, "no")));
            let mut world = World { reply, ..World::default() };
            let answer = world.send(&Sent::new(each.name).with(&[(field.name, SECRET)]));
            let mut written = Vec::new();
            command(&answer).write(&mut written);
            assert!(!String::from_utf8(written).unwrap().contains(SECRET), "{}", each.name);
            assert!(!format!("{:?}", world.machine).contains(SECRET));
        }
    }
}

#[test]
fn a_conversation_that_waits_too_long_is_over() {
    let mut world = World::default();
    let id = session(&world.send(&Sent::new("close")));
    let step = Sent::new("close").with(&[("room", ROOM)]).going_on(&id);
    world.later = LIFETIME + SignedDuration::from_secs(1);
    assert_eq!(refusal(&world.send(&step)), (Condition::NotAllowed, Some("session-expired")));
    assert!(world.done().is_empty());

    let id = session(&world.send(&Sent::new("close")));
    world.later += LIFETIME;
    let step = Sent::new("close").with(&[("room", ROOM)]).going_on(&id);
    assert_eq!(command(&world.send(&step)).attr("status"), Some("completed"));
    assert_eq!(world.done(), ["close"]);
}

#[test]
fn few_conversations_wait_and_the_oldest_gives_way() {
    let mut world = World::default();
    let first = session(&world.send(&Sent::new("close")));
    for at in 1..1000 {
        world.later = SignedDuration::from_millis(at);
        let _ = world.send(&Sent::new("close"));
        assert!(world.machine.waiting() <= MOST_OF_ONE);
    }
    let answer = world.send(&Sent::new("close").going_on(&first));
    assert_eq!(refusal(&answer), (Condition::BadRequest, Some("bad-sessionid")));
    let people: Vec<String> = (0..1000).map(|at| format!("p{at}@example.org/x")).collect();
    for from in &people {
        let _ = world.send(&Sent { from, ..Sent::new("close") });
        assert!(world.machine.waiting() <= MOST);
    }
    assert_eq!(world.machine.waiting(), MOST);
}

#[test]
fn a_room_that_is_not_there_is_asked_for_again() {
    let mut machine = AdHoc::new(commands());
    let sent = Sent::new("remove").with(&[("room", "no@conference.example.org")]);
    let caller = Some(sent.caller(Role::Duty));
    let now = Timestamp::UNIX_EPOCH;
    let iq = sent.iq();
    let iq = Iq::try_from(iq.root()).unwrap();
    let mut step = machine.handle(&iq, DOMAIN, caller, "s".into(), now).unwrap();
    let mut asked = Vec::new();
    let answer = loop {
        match step {
            Step::Answer(answer) => break answer,
            Step::Ask(pending) => {
                asked.push(pending.asks().1.name());
                let nowhere = Failure::new(FailureKind::NotFound, "there is no room");
                let reply = match asked.last() {
                    Some(&"rooms") => Reply::Done(json!([])),
                    _ => Reply::Failed(nowhere),
                };
                step = machine.resume(*pending, reply, now);
            }
        }
    };
    assert_eq!(asked, ["room", "rooms"]);
    let kinds: Vec<_> = fields(&answer).iter().map(|field| field.attr("type").unwrap()).collect();
    assert_eq!(kinds, ["jid-single"]);
    let note = command(&answer).child(ns::COMMANDS, "note").unwrap();
    assert_eq!((note.attr("type"), &*note.text()), (Some("error"), "there is no room"));
}

#[test]
fn a_huge_result_fits_a_stanza_and_says_what_is_left_out() {
    let nasty = "<&\"'\u{0}>".repeat(40);
    let rows: Vec<Value> =
        (0..5000).map(|at| json!({ "room": format!("{nasty}{at}"), "opener": nasty })).collect();
    let mut world = World { reply: Some(Reply::Done(rows.into())), ..World::default() };
    let answer = world.send(&Sent::new("status"));
    let notes = command(&answer).children().filter(|child| child.name() == "note");
    let said: Vec<_> = notes.map(Element::text).collect();
    assert!(said[1].contains("more entries do not fit"), "{said:?}");
    let rows = command(&answer).child(ns::DATA_FORMS, "x").unwrap().children();
    let rows = rows.filter(|child| child.name() == "item").count();
    assert!(rows > 20 && said[1].starts_with(&(5000 - rows).to_string()), "{rows} {said:?}");
    let mut written = Vec::new();
    Element::from(answer).write(&mut written);
    assert!(written.len() < MAX_STANZA / 2);
}

/// A step by one of three clients, with an id and values that may fit.
fn any_step()
-> impl Strategy<Value = (usize, String, &'static str, usize, Vec<(String, String)>, i64)> {
    let node = prop_oneof![
        8 => (0..offered().count()).prop_map(|at| offered().nth(at).unwrap().name.to_owned()),
        1 => ".{0,4}",
    ];
    let action = prop_oneof![
        6 => Just("execute"), 3 => Just("next"), 3 => Just("complete"), 2 => Just("prev"),
        1 => Just("cancel"), 1 => Just("leap"),
    ];
    let var = prop_oneof![
        Just("room".to_owned()),
        Just("jid".to_owned()),
        Just("confirm".to_owned()),
        ".{0,4}"
    ];
    let value = prop_oneof![
        Just(ROOM.to_owned()),
        Just("bob@example.org".to_owned()),
        Just("1".to_owned()),
        ".{0,8}"
    ];
    let form = proptest::collection::vec((var, value), 0..4);
    (0..4_usize, node, action, 0..6_usize, form, prop_oneof![9 => 0..60_i64, 1 => 0..1200_i64])
}

proptest! {
    #[test]
    fn whatever_is_sent_is_answered_and_nothing_final_is_done_unconfirmed(
        steps in proptest::collection::vec(any_step(), 1..60)
    ) {
        let clients = ["ann@example.org/a", "ann@example.org/b", "bob@example.org/a"];
        let mut world = World::default();
        let mut ids: Vec<(String, &str)> = Vec::new();
        for (who, node, action, which, form, pause) in steps {
            world.later += SignedDuration::from_secs(pause);
            let known = ids.len().checked_sub(which).and_then(|at| ids.get(at)).cloned();
            let (id, owner) = known.map_or((None, None), |(id, owner)| (Some(id), Some(owner)));
            let stranger = who == 3;
            let from = clients[who % 3];
            let sent = Sent {
                from, node: &node, action, session: id.as_deref(), form: Some(form.clone()),
            };
            let before = world.done().len();
            let role = (!stranger).then_some(Role::Operator);
            let answer = world.as_role(&sent, role);
            prop_assert_eq!(answer.to.as_deref(), Some(from));
            prop_assert!(world.machine.waiting() <= MOST_OF_ONE * 2);
            if let IqKind::Result(Some(command)) = &answer.kind {
                prop_assert!(!stranger);
                prop_assert!(owner.is_none_or(|owner| owner == from), "another's conversation");
                ids.push((command.attr("sessionid").unwrap().to_owned(), from));
            }
            let done = world.done();
            if done.len() > before {
                let what = offered().find(|it| it.name == done[before]).unwrap();
                let yes = form.iter().find(|(var, _)| var == "confirm").map(|(_, value)| value.as_str());
                prop_assert!(what.impact != Impact::Irreversible || yes == Some("1"));
            }
        }
    }
}
