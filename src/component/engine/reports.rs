//! Reports of a gate: events, and the state of rooms.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};
use smol_str::SmolStr;

use super::{Mode, PolicyEngine};
use crate::component::metrics::GateEvent;
use crate::component::registry::Last;
use crate::component::room_registry::Room;
use crate::jid::BareJid;
use crate::policy::attempt::{Action, Requester, Role};
use crate::policy::opinions::permissions::compared;
use crate::store::Kind;
use crate::wire::handshake::{Hello, HelloError, read_hosts};
use crate::wire::request::{Question, read_requester};
use crate::wire::room::LiveRoom;
use crate::xmpp::element::{Document, Element, ElementRef};

impl PolicyEngine {
    /// Handles a report of a gate. Returns whether a report is missing, so that the rooms of the service must be read
    /// again; true only once until they are.
    pub fn report(&mut self, service: &Arc<str>, report: ElementRef<'_>, now: Timestamp) -> bool {
        if report.attr("event") == Some("unloading") {
            self.gate_lost(service, "it was unloaded");
            return false;
        }
        if report.attr("event") == Some("hosts") {
            if let Some(Some(hello)) = self.services.get_mut(service) {
                hello.hosts = read_hosts(report);
            }
            return false;
        }
        let room = report.attr("room").and_then(BareJid::stamped);
        let who = room.as_ref().and_then(|jid| self.who(jid, report));
        let is_missing = self.feeds.get_mut(service).is_some_and(|feed| {
            let is_unknown = report.attr("attempt").is_some() && who.is_none();
            feed.reported(report, who.as_ref(), is_unknown, now)
        });
        if let Some(jid) = room {
            self.write_report(&jid, report, who.as_ref(), now);
            self.show(service, &jid, report, who, now);
        }
        is_missing
    }

    /// Keeps the requester of an allowed join until a report names its attempt.
    pub fn admit(&mut self, question: Question, answer: &Element) {
        let attempt = question.attempt;
        if self.mode == Mode::Enforce
            && answer.attr("verdict") == Some("allow")
            && matches!(attempt.action, Action::Join { .. } | Action::Open { .. })
            && let Some(room) = attempt.room
        {
            self.admitted.push(attempt.id, room, attempt.requester);
        }
    }

    /// Returns whom a report is about; `None` if it is about nobody, or names an attempt that is not known.
    fn who(&mut self, jid: &BareJid, report: ElementRef<'_>) -> Option<Requester> {
        let event = report.attr("event").unwrap_or_default();
        if !matches!(
            event,
            "created"
                | "joined"
                | "role"
                | "renamed"
                | "session-left"
                | "left"
                | "waiting"
                | "gone"
        ) {
            return None;
        }
        let told = read_requester(report);
        if let Some(attempt) = report.attr("attempt") {
            let asked = self.admitted.take(attempt, jid).filter(|asked| asked.jid == told.jid)?;
            return Some(Requester {
                nick: told.nick,
                name: told.name,
                affiliation: told.affiliation,
                role: told.role,
                breakout: told.breakout,
                ..lasting(asked)
            });
        }
        let is_brief = event == "left" && told.nick.is_empty();
        let full = report.attr("jid").unwrap_or_default();
        let known = self.live.room(jid).filter(|_| is_brief);
        let known = known.and_then(|room| room.occupants.get(full));
        Some(known.map_or(told, |known| Requester { role: Role::None, ..known.who.clone() }))
    }

    /// Forgets the handshake of a gate that is no more, until it greets again. `why` is for the log.
    pub fn gate_lost(&mut self, service: &Arc<str>, why: &str) {
        let lost = self.services.get_mut(service).and_then(Option::take);
        if self.refused.remove(service).is_some() || lost.is_some() {
            tracing::error!(%service, why, "the gate is gone: the rooms of this service are under no policy until it connects again");
        }
    }

    /// Records a report in the audit, and remembers who left.
    fn write_report(
        &mut self,
        jid: &BareJid,
        report: ElementRef<'_>,
        who: Option<&Requester>,
        now: Timestamp,
    ) {
        let full = report.attr("jid").unwrap_or_default();
        match (report.attr("event").unwrap_or_default(), who) {
            ("created", _) => self.audit.room(Kind::Opened, jid, now),
            ("joined", Some(who)) => self.audit.person(Kind::Joined, jid, full, who, now),
            ("session-left", Some(who)) => self.audit.person(Kind::Left, jid, full, who, now),
            ("left", Some(who)) => {
                self.audit.person(Kind::Left, jid, full, who, now);
                // The token's claims were reported only when they joined.
                let known = self.live.room(jid).and_then(|room| room.occupants.get(full));
                let who = known.map_or(who, |known| &known.who).clone();
                let proof = self.policy.proof(&who);
                self.lately.note(jid, (who, proof), Last::Left, now);
            }
            ("waiting", Some(who)) => self.audit.person(Kind::Waiting, jid, full, who, now),
            ("gone", Some(who)) => {
                self.audit.person(Kind::Gone, jid, full, who, now);
                let room = self.live.room(jid);
                let known = room.and_then(|room| room.waiting.get(who.jid.as_ref()?));
                let last = known.map_or(who, |known| &known.who).clone();
                let proof = self.policy.proof(&last);
                self.lately.note(jid, (last, proof), Last::Left, now);
            }
            ("destroyed", _) => {
                self.audit.room(Kind::Ended, jid, now);
                self.lately.forget(jid);
            }
            (event @ ("refused" | "opened-failing" | "failed" | "carried-out"), _) => {
                let others = report.attr("others").and_then(|others| others.parse().ok());
                let count = others.unwrap_or(0_u64).saturating_add(1);
                if event != "carried-out" {
                    self.counted.gate_event(GateEvent::of(event), count);
                }
                let detail = |name: &str| Some((name.to_owned(), Value::from(report.attr(name)?)));
                let names = ["jid", "nick", "reason", "others", "module", "change"];
                let mut details: Map<_, _> = names.into_iter().filter_map(detail).collect();
                let rules = self.live.rules(&self.policy, Some(jid));
                if let Some(rule) = report.attr("reason").and_then(|it| compared(&rules, it)) {
                    details.insert("rule".to_owned(), rule.name.into());
                    details.insert("line".to_owned(), rule.line.into());
                }
                self.write_event(event, jid.as_str(), details, now);
            }
            _ => {}
        }
    }

    /// Applies a report to the room registry.
    fn show(
        &mut self,
        service: &Arc<str>,
        jid: &BareJid,
        report: ElementRef<'_>,
        who: Option<Requester>,
        now: Timestamp,
    ) {
        let full = report.attr("jid").unwrap_or_default();
        let generation = report.attr("generation").unwrap_or_default();
        match (report.attr("event").unwrap_or_default(), who) {
            ("created" | "joined", who) => {
                self.live.upsert(&self.policy, service, jid, generation);
                if let Some(who) = who.filter(|_| !full.is_empty()) {
                    self.live.joined(jid, full, who, now);
                }
            }
            ("role", Some(who)) => self.live.changed(&self.policy, jid, full, &who, now),
            ("renamed", Some(who)) => self.live.joined(jid, full, who, now),
            ("session-left", _) => self.live.session_left(jid, full),
            ("left", Some(who)) => self.live.left(&self.policy, jid, full, &who, now),
            ("waiting", Some(who)) => {
                self.live.upsert(&self.policy, service, jid, generation);
                self.live.waits(jid, who, now);
            }
            ("gone", Some(who)) => self.live.gone(jid, &who),
            ("destroyed", _) => {
                self.live.destroyed(jid);
                self.arrivals.forget(jid);
            }
            _ => {}
        }
    }

    /// Returns the number of handshakes of a service's gate since the start.
    pub fn life(&self, service: &str) -> u64 {
        self.feeds.get(service).map_or(0, |feed| feed.life)
    }

    /// Returns whether everything is known that a service's gate has reported, up to the report of this number.
    pub fn is_up_to(&self, service: &str, last: Option<u64>) -> bool {
        let is_known = |feed: &Feed| !feed.is_lost && feed.reading.is_none() && feed.heard >= last;
        last.is_some() && self.feeds.get(service).is_some_and(is_known)
    }

    /// Begins to read all rooms of a service.
    pub fn begin_reading(&mut self, service: &Arc<str>) {
        let feed = self.feeds.entry(Arc::clone(service)).or_default();
        feed.reading = Some(Reading { was_lost: feed.is_lost, ..Reading::default() });
        feed.is_lost = false;
    }

    /// Prepares for the next page of rooms, which is requested now.
    pub fn ask_for_page(&mut self, service: &str) {
        let feed = self.feeds.get_mut(service);
        if let Some(reading) = feed.and_then(|feed| feed.reading.as_mut()) {
            reading.decided.clear();
        }
    }

    /// Takes the number of the gate's last report, which a page of rooms contains.
    pub fn told(&mut self, service: &str, number: Option<u64>) {
        if let Some(feed) = self.feeds.get_mut(service) {
            feed.told(number);
        }
    }

    /// Takes a room as it was read, then applies the reports that came later; ignores a room that has ended since.
    pub fn restore(&mut self, service: &Arc<str>, mut room: LiveRoom, now: Timestamp) {
        room.view.nobody_logs_in = self.nobody_logs_in(service);
        let feed = self.feeds.entry(Arc::clone(service)).or_default();
        let (is_older, later) = feed.met(&room.jid, room.number);
        // What is known of the address was reported later, and belongs to the room that was opened there since.
        if later.iter().any(|(_, report, _)| report.root().attr("event") == Some("destroyed")) {
            return;
        }
        let jid = room.jid.clone();
        let before = self.live.restore(&self.policy, service, room, is_older, now);
        for (at, report, who) in later {
            self.show(service, &jid, report.root(), who, at);
        }
        if let Some(before) = before {
            self.write_unreported(&jid, *before, now);
        }
    }

    /// Records who joined and left according to what was read of a room, where no report said so.
    fn write_unreported(&mut self, jid: &BareJid, before: Room, now: Timestamp) {
        let Some(room) = self.live.room(jid) else { return };
        for (full, known) in &room.occupants {
            if !before.occupants.contains_key(full) {
                self.audit.person(Kind::Joined, jid, full, &known.who, now);
            }
        }
        for (bare, known) in &room.waiting {
            if !before.waiting.contains_key(bare) {
                self.audit.person(Kind::Waiting, jid, bare.as_str(), &known.who, now);
            }
        }
        let left =
            before.occupants.into_iter().filter(|(full, _)| !room.occupants.contains_key(full));
        let left = left.map(|(full, known)| (Kind::Left, full, known.who));
        let gone = before.waiting.into_iter().filter(|(bare, _)| !room.waiting.contains_key(bare));
        let gone = gone.map(|(bare, known)| (Kind::Gone, bare.as_str().into(), known.who));
        for (kind, session, who) in left.chain(gone) {
            self.audit.person(kind, jid, &session, &who, now);
            let proof = self.policy.proof(&who);
            self.lately.note(jid, (who, proof), Last::Left, now);
        }
    }

    /// Returns whether a known room of a service was neither among those read nor reported meanwhile.
    pub fn is_unmet(&self, service: &str, jid: &BareJid) -> bool {
        let is_own = self.live.room(jid).is_some_and(|room| &*room.service == service);
        is_own && self.feeds.get(service).is_some_and(|feed| feed.is_unmet(jid))
    }

    /// Ends a room that was not among those read, once the gate confirms that it does not exist.
    pub fn not_there(&mut self, service: &str, jid: &BareJid, now: Timestamp) {
        if self.feeds.get(service).is_some_and(|feed| feed.is_unmet(jid)) {
            self.audit.room(Kind::Ended, jid, now);
            self.lately.forget(jid);
            self.live.destroyed(jid);
            self.arrivals.forget(jid);
        }
    }

    /// Ends the reading of a service's rooms; returns whether every room is known as it is.
    pub fn end_reading(&mut self, service: &str, is_complete: bool) -> bool {
        let Some(feed) = self.feeds.get_mut(service) else { return false };
        let reading = feed.reading.take().unwrap_or_default();
        feed.is_lost |= !is_complete && reading.was_lost;
        let is_known = is_complete && !feed.is_lost;
        feed.is_read |= is_known;
        is_known
    }
}

impl PolicyEngine {
    /// Forgets all handshakes when the link is lost: each gate has to greet again.
    pub fn link_lost(&mut self) {
        self.refused.clear();
        for hello in self.services.values_mut() {
            *hello = None;
        }
    }

    /// Handles the handshake of a gate. What is known of its rooms stays until they are read.
    ///
    /// # Errors
    /// When the gate speaks another version. It is refused until it greets again.
    pub fn hello(
        &mut self,
        service: &Arc<str>,
        element: ElementRef<'_>,
    ) -> Result<Element, HelloError> {
        match Hello::read(element) {
            Ok(hello) => {
                self.refused.remove(service);
                // Its reports begin again.
                let feed = self.feeds.entry(Arc::clone(service)).or_default();
                *feed = Feed { life: feed.life.saturating_add(1), ..Feed::default() };
                self.services.insert(Arc::clone(service), Some(hello));
                Ok(self.welcome(service))
            }
            Err(error) => {
                self.refused.insert(Arc::clone(service), error.clone());
                self.services.insert(Arc::clone(service), None);
                Err(error)
            }
        }
    }

    /// Returns the services whose gates have greeted.
    pub fn greeted(&self) -> Vec<Arc<str>> {
        let greeted = self.services.iter().filter(|(_, hello)| hello.is_some());
        greeted.map(|(service, _)| Arc::clone(service)).collect()
    }

    /// Returns the services whose gates have greeted but whose rooms were not read since: what is known of them may be
    /// out of date.
    pub fn unread(&self) -> impl Iterator<Item = &str> {
        let greeted = self.services.iter().filter(|(_, hello)| hello.is_some());
        let is_unread =
            |service: &&Arc<str>| !self.feeds.get(*service).is_some_and(|feed| feed.is_read);
        greeted.map(|(service, _)| service).filter(is_unread).map(|service| &**service)
    }

    /// Returns the configured services, each with the handshake of its gate, or `None` before that.
    pub fn services(&self) -> impl Iterator<Item = (&str, Option<&Hello>)> {
        self.services.iter().map(|(domain, hello)| (&**domain, hello.as_ref()))
    }

    /// Returns why the gate of a service is refused, or `None` if it is not.
    pub fn refusal(&self, service: &str) -> Option<&HelloError> {
        self.refused.get(service)
    }
}

/// Returns of a requester what is true as long as they are inside, not what was said or remembered with their request.
fn lasting(requester: Requester) -> Requester {
    Requester {
        person: None,
        language: None,
        e2ee: false,
        changes: false,
        sent: false,
        ..requester
    }
}

/// Most allowed joins whose requesters are kept; the oldest go first. A join that fails later on is never reported.
const MOST_ADMITTED: usize = 1_000;

/// The requesters of allowed joins that were not reported yet: attempt, room, requester; the newest last.
#[derive(Debug, Default)]
pub(super) struct Admitted(VecDeque<(SmolStr, BareJid, Requester)>);

impl Admitted {
    fn push(&mut self, attempt: SmolStr, room: BareJid, requester: Requester) {
        if self.0.len() >= MOST_ADMITTED {
            self.0.pop_front();
        }
        self.0.push_back((attempt, room, requester));
    }

    /// Removes an attempt of that room; returns its requester.
    fn take(&mut self, attempt: &str, room: &BareJid) -> Option<Requester> {
        let found = self.0.iter().rposition(|(id, at, _)| id == attempt && at == room)?;
        self.0.remove(found).map(|(.., requester)| requester)
    }
}

/// A report that arrived while rooms are read: the time, the report, and whom it is about.
type Later = (Timestamp, Document, Option<Requester>);

/// Most reports that are kept while rooms are read. If more arrive, the rooms are read again.
const MOST_KEPT: usize = 100_000;

/// State of the reports of one gate.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// Number of handshakes of the gate.
    life: u64,
    /// Number of the last report; `None` before the first.
    heard: Option<u64>,
    /// Whether a report is missing since the rooms were last read.
    is_lost: bool,
    /// Whether all rooms were read once since the handshake.
    is_read: bool,
    reading: Option<Reading>,
}

/// A reading of a gate's rooms that is under way.
#[derive(Debug, Default)]
struct Reading {
    /// Whether a report was missing when the reading began.
    was_lost: bool,
    met: HashSet<BareJid>,
    /// Reports that arrived meanwhile, by room, each with its number.
    reports: HashMap<BareJid, Vec<(u64, Later)>>,
    kept: usize,
    /// Rooms whose record was changed by a decision or a command since the awaited page was requested.
    decided: HashSet<BareJid>,
}

impl Feed {
    /// Records a report; returns whether the rooms have to be read again, unless that was known before.
    /// `is_unknown`: it names an attempt that is not known.
    fn reported(
        &mut self,
        report: ElementRef<'_>,
        who: Option<&Requester>,
        is_unknown: bool,
        now: Timestamp,
    ) -> bool {
        let number = report.attr("seq").and_then(|number| number.parse().ok());
        let Some(number) = number else { return false };
        let was_lost = self.is_lost;
        self.is_lost |= is_unknown;
        self.is_lost |= self.heard.is_some_and(|heard| heard.checked_add(1) != Some(number));
        self.heard = Some(number);
        let room = report.attr("room").and_then(BareJid::stamped);
        if let (Some(reading), Some(room)) = (&mut self.reading, room) {
            if reading.kept < MOST_KEPT {
                reading.kept = reading.kept.saturating_add(1);
                let later = (now, report.to_document(), who.cloned());
                reading.reports.entry(room).or_default().push((number, later));
            } else {
                self.is_lost = true;
            }
        }
        self.is_lost && !was_lost
    }

    /// Records that a decision or a command changed the record of a room.
    pub(super) fn decided(&mut self, room: &BareJid) {
        if let Some(reading) = &mut self.reading {
            reading.decided.insert(room.clone());
        }
    }

    /// Takes the number of the gate's last report; one that is ahead means that a report is missing.
    fn told(&mut self, number: Option<u64>) {
        let is_behind = |number| self.heard.is_some_and(|heard| heard < number);
        self.is_lost |= number.is_some_and(is_behind);
        self.heard = self.heard.max(number);
    }

    /// Records that a room was read as it was after report `number`. Returns whether its record is older than the known
    /// one, and the reports that came later.
    fn met(&mut self, room: &BareJid, number: Option<u64>) -> (bool, Vec<Later>) {
        self.told(number);
        let Some(reading) = &mut self.reading else { return (false, Vec::new()) };
        reading.met.insert(room.clone());
        let later = reading.reports.get(room).into_iter().flatten();
        let later = later.filter(|(own, ..)| number.is_some_and(|number| *own > number));
        let later = later.map(|(_, later)| later.clone()).collect();
        (reading.decided.contains(room), later)
    }

    /// Returns whether the room was neither among those read nor reported or changed meanwhile.
    fn is_unmet(&self, room: &BareJid) -> bool {
        self.reading.as_ref().is_some_and(|it| {
            !it.met.contains(room) && !it.reports.contains_key(room) && !it.decided.contains(room)
        })
    }
}
