//! What a question and an audit entry cost, in units that no load of the machine touches.
//!
//! `counts questions N` answers N questions; `counts entries N FILE` writes the entries of N questions into a database,
//! and prints its size; `counts allocations N` prints what N questions allocate. `benches/measure/counts.py` compares N
//! with 3 N, so that neither the start nor the end of the program counts. `counts memory N` prints what is allocated for
//! N rooms that are empty, and for ten people in each of them. `counts audit N FILE` writes and indexes N
//! entries as the component's thread does, and prints what one took; `counts search FILE WHAT` prints what was found
//! by one search, and in what time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "a benchmark may stop when what it measures is not there"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use bytes::BytesMut;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::broadcast::Receiver;
use tokio_util::codec::Decoder as _;
use vestibule::component::audit::Audit;
use vestibule::component::engine::{Mode, PolicyEngine};
use vestibule::policy::Policy;
use vestibule::store::sqlite::Sqlite;
use vestibule::store::{Database as _, Entry, Query};
use vestibule::wire::request::Question;
use vestibule::xmpp::element::{Document, Scope};
use vestibule::xmpp::framer::{Frame, Framer};
use vestibule::xmpp::stanza::{Iq, IqKind};

const SERVICE: &str = "conference.localhost";
const HELLO: &str = "<hello xmlns='urn:vestibule:gate:2' version='2' level='1' hosts='all'/>";
const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
    xmlns='jabber:component:accept' from='vestibule.localhost' id='5b1f0c'>";
const RECORD: &str = "{&quot;v&quot;:1,&quot;opened&quot;:&quot;2026-01-01T12:00:00Z&quot;,\
    &quot;opener&quot;:&quot;ann@localhost&quot;,&quot;password&quot;:&quot;generated&quot;}";
/// Rooms and people that the questions are about, in turn.
const ROOMS: u64 = 10;
const PEOPLE: u64 = 97;
/// People in each room whose memory is measured.
const INSIDE: u64 = 10;
/// Most entries that the component writes in one transaction.
const AT_ONCE: usize = 500;

/// A component without its sockets and threads: bytes of the server in, bytes for the server out.
struct Component {
    framer: Framer,
    scope: Scope,
    document: Document,
    engine: PolicyEngine,
    input: BytesMut,
    output: Vec<u8>,
    now: Timestamp,
    asked: u64,
}

impl Component {
    fn new(audit: Audit) -> Self {
        let policy = Arc::new(Policy { revision: "9f2c01ab".to_owned(), ..Policy::default() });
        let (services, run) = ([SERVICE.to_owned()], "c41".to_owned());
        let mut engine = PolicyEngine::new(policy, services, Mode::Enforce, audit, run);
        let service = engine.service(SERVICE).unwrap();
        engine.hello(&service, Document::parse(HELLO.as_bytes(), "").unwrap().root()).unwrap();
        let (mut framer, mut input) = (Framer::default(), BytesMut::from(HEADER));
        let Some(Frame::Open(header)) = framer.decode(&mut input).unwrap() else {
            panic!("the header is none")
        };
        let (scope, output, now) = (header.scope, Vec::new(), Timestamp::UNIX_EPOCH);
        let document = Document::default();
        Self { framer, scope, document, engine, input, output, now, asked: 0 }
    }

    /// Writes the next question where what is received stands, as the gate writes it.
    fn hear(&mut self) {
        self.asked += 1;
        self.now += SignedDuration::from_secs(1);
        let (asked, room, who) = (self.asked, self.asked % ROOMS, self.asked % PEOPLE);
        write!(
            self.input,
            "<iq type='set' id='k3v9x1.{asked}.1' from='{SERVICE}' to='vestibule.localhost'>\
             <request xmlns='urn:vestibule:gate:2' kind='join' attempt='k3v9x1.{asked}' room='meeting-{room}@{SERVICE}' \
             generation='g{room}' revision='1'><requester jid='person-{who}@localhost/Lz8kQpX2' nick='Person {who}' \
             session='client' host='localhost' provider='internal_hashed' mechanism='SCRAM-SHA-1' secure='true' \
             address='192.0.2.{who}' affiliation='none' role='none'/>\
             <state occupants='3' moderators='1' waiting='0' password='true' existing='true'><record>{RECORD}</record></state>\
             <credential check='right'/></request></iq>"
        )
        .unwrap();
    }

    /// Answers the question that was received.
    fn answer(&mut self) {
        let Some(Frame::Stanza(bytes)) = self.framer.decode(&mut self.input).unwrap() else {
            panic!("the question is no stanza")
        };
        let iq = Iq::try_from(self.document.read(&bytes, &self.scope).unwrap()).unwrap();
        let IqKind::Set(payload) = iq.kind else { panic!("the question is none") };
        let service = iq.from.as_deref().and_then(|from| self.engine.service(from)).unwrap();
        let answer = self.engine.question(&service, &Question::read(payload), self.now);
        assert_eq!(answer.attr("verdict"), Some("allow"));
        self.output.clear();
        Iq::result_to(&iq, Some(answer)).write(&mut self.output);
        black_box(&self.output);
    }

    fn answer_many(&mut self, questions: u64) {
        for _ in 0..questions {
            self.hear();
            self.answer();
        }
    }
}

/// A service of many rooms.
struct Rooms {
    engine: PolicyEngine,
    service: Arc<str>,
    document: Document,
    count: u64,
}

impl Rooms {
    fn new(count: u64) -> Self {
        let Component { engine, document, .. } = Component::new(Audit::none());
        let service = engine.service(SERVICE).unwrap();
        Self { engine, service, document, count }
    }

    fn hear(&mut self, report: &str) {
        let scope = Scope::default();
        let report = self.document.read(report.as_bytes(), &scope).unwrap();
        self.engine.report(&self.service, report, Timestamp::UNIX_EPOCH);
    }

    /// Opens every room, of which its opener's question is then asked and its record kept.
    fn open(&mut self) {
        for room in 0..self.count {
            let room = format!("room='meeting-{room}@{SERVICE}' generation='g{room}' revision='1'");
            self.hear(&format!("<report xmlns='urn:vestibule:gate:2' event='created' {room}/>"));
            let question = format!(
                "<request xmlns='urn:vestibule:gate:2' kind='join' attempt='a' {room}>\
                 <requester jid='ann@localhost/Lz8kQpX2' nick='Ann' session='client' host='localhost' \
                 provider='internal_hashed' mechanism='SCRAM-SHA-1' secure='true'/>\
                 <state occupants='0' password='true' existing='true'><record>{RECORD}</record></state>\
                 <credential check='right'/></request>"
            );
            let question = self.document.read(question.as_bytes(), &Scope::default()).unwrap();
            self.engine.question(&self.service, &Question::read(question), Timestamp::UNIX_EPOCH);
        }
    }

    /// Lets people into every room.
    fn fill(&mut self) {
        for who in 0..self.count * INSIDE {
            let room = who / INSIDE;
            self.hear(&format!(
                "<report xmlns='urn:vestibule:gate:2' event='joined' room='meeting-{room}@{SERVICE}' generation='g{room}' \
                 revision='1' nick='Person {who}' jid='person-{who}@localhost/Lz8kQpX2' affiliation='none' \
                 role='participant' session='client' host='localhost' provider='internal_hashed' \
                 mechanism='SCRAM-SHA-1' secure='true' address='192.0.2.{}'/>",
                who % 250,
            ));
        }
    }
}

/// Writes the entries as the component's thread does; returns the size of the file in bytes.
fn write_entries(questions: u64, path: &str) -> u64 {
    let audit = Audit::none();
    let mut entries: Receiver<Arc<Entry>> = audit.subscribe();
    let mut component = Component::new(audit);
    let mut connection = Sqlite::new(path).connect().unwrap();
    let mut taken = Vec::new();
    for _ in 0..questions {
        component.answer_many(1);
        taken.extend(std::iter::from_fn(|| entries.try_recv().ok()));
    }
    assert!(taken.len() as u64 >= questions, "not every question has an entry");
    for batch in taken.chunks(AT_ONCE) {
        connection.append(batch).unwrap();
        while connection.index().unwrap() {}
    }
    drop(connection);
    std::fs::metadata(path).unwrap().len()
}

/// Writes and indexes entries of a thousand rooms and ten thousand people; returns the processor time of one, in ns.
fn write_audit(entries: u64, path: &str) -> u64 {
    let audit = Audit::none();
    let mut made: Receiver<Arc<Entry>> = audit.subscribe();
    let mut component = Component::new(audit);
    component.answer_many(1);
    let like = made.try_recv().unwrap();
    let mut connection = Sqlite::new(path).connect().unwrap();
    let (mut number, mut spent, mut seq) = (0, 0, 1_700_000_000_000_000);
    while number < entries {
        let batch = std::iter::from_fn(|| {
            number += 1;
            // In no order, as people come.
            let any = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            seq += 1 + i64::try_from(any % 2000).unwrap();
            let rare = number % 5000 == 0;
            let rule = match any % 3 {
                _ if rare => "limits.occupants",
                0 => "password.required",
                1 => "lobby.admission",
                _ => "access.create",
            };
            Some(Arc::new(Entry {
                seq,
                at: Timestamp::from_microsecond(seq).unwrap(),
                id: Some(format!("c41-{number}")),
                room: Some(format!("meeting-{}@{SERVICE}", any % 1000)),
                person: Some(format!("person-{}@localhost", any % 9973)),
                nick: Some(format!("Person {}", any % 9973)),
                rule: Some(rule.into()),
                verdict: Some(if rare { "deny" } else { "allow" }.into()),
                ..(*like).clone()
            }))
        });
        let batch: Vec<_> = batch.take(AT_ONCE).collect();
        let before = processor_time();
        connection.append(&batch).unwrap();
        while connection.index().unwrap() {}
        spent += processor_time() - before;
    }
    spent / number
}

/// Returns the processor time of this thread in ns, user and system.
fn processor_time() -> u64 {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    times.split(' ').next().unwrap().parse().unwrap()
}

/// Searches by `field=text`, all that is given, as `vestibule log` does; returns how many entries were found.
fn search(path: &str, what: &str) -> (usize, u128) {
    let mut connection = Sqlite::read_only(path).connect().unwrap();
    let pairs = what.split(',').filter_map(|pair| pair.split_once('='));
    let query: serde_json::Map<_, _> =
        pairs.map(|(field, text)| (field.to_owned(), text.into())).collect();
    let query: Query = serde_json::from_value(query.into()).unwrap();
    let begun = std::time::Instant::now();
    let found = connection.search(&query).unwrap();
    (found.len(), begun.elapsed().as_nanos())
}

fn main() {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match *words {
        ["questions", count] => Component::new(Audit::none()).answer_many(count.parse().unwrap()),
        ["entries", count, path] => println!("{}", write_entries(count.parse().unwrap(), path)),
        ["audit", count, path] => println!("{}", write_audit(count.parse().unwrap(), path)),
        ["search", path, what] => {
            let (entries, ns) = search(path, what);
            println!("{{\"entries\": {entries}, \"ns\": {ns}}}");
        }
        ["allocations", count] => {
            let mut component = Component::new(Audit::none());
            component.answer_many(3 * PEOPLE);
            let (mut count_total, mut bytes_total) = (0, 0);
            for _ in 0..count.parse().unwrap() {
                component.hear();
                let counted = allocation_counter::measure(|| component.answer());
                count_total += counted.count_total;
                bytes_total += counted.bytes_total;
            }
            println!("{{\"allocations\": {count_total}, \"bytes\": {bytes_total}}}");
        }
        ["memory", count] => {
            let mut rooms = Rooms::new(count.parse().unwrap());
            let opened = allocation_counter::measure(|| rooms.open()).bytes_current;
            let filled = allocation_counter::measure(|| rooms.fill()).bytes_current;
            println!("{{\"rooms\": {opened}, \"occupants\": {filled}}}");
        }
        // By cargo itself.
        _ => Component::new(Audit::none()).answer_many(100),
    }
}
