//! Reports of a gate: events, and the state of rooms.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::Desk;
use crate::component::lately::Last;
use crate::component::live::Room;
use crate::component::metrics::GateEvent;
use crate::jid::BareJid;
use crate::store::Kind;
use crate::wire::question::read_requester;
use crate::wire::room::LiveRoom;
use crate::xmpp::element::Element;

impl Desk {
    /// A gate reports what happened. Returns whether a report is missing, so that the rooms of the service have to be read
    /// again; once, until they are.
    pub fn report(&mut self, service: &Arc<str>, report: &Element, now: Timestamp) -> bool {
        if report.attr("event") == Some("unloading") {
            tracing::warn!(%service, "the gate is unloaded: the rooms of this service are under no policy");
            self.services.insert(Arc::clone(service), None);
            return false;
        }
        if report.attr("event") == Some("hosts") {
            self.set_hosts(service, report);
            return false;
        }
        let is_missing = self.feeds.get_mut(service).is_some_and(|feed| feed.reported(report, now));
        if let Some(jid) = report.attr("room").and_then(BareJid::stamped) {
            self.write_report(&jid, report, now);
            self.show(service, &jid, report, now);
        }
        is_missing
    }

    /// Writes a report down, and remembers who is gone by it.
    fn write_report(&mut self, jid: &BareJid, report: &Element, now: Timestamp) {
        let full = report.attr("jid").unwrap_or_default();
        let who = || read_requester(report);
        match report.attr("event").unwrap_or_default() {
            "created" => self.audit.room(Kind::Opened, jid, now),
            "joined" => self.audit.person(Kind::Joined, jid, full, &who(), now),
            "session-left" => self.audit.person(Kind::Left, jid, full, &who(), now),
            "left" => {
                let who = who();
                self.audit.person(Kind::Left, jid, full, &who, now);
                // The token's claims were told when they came in.
                let known = self.live.room(jid).and_then(|room| room.occupants.get(full));
                let who = known.map_or(who, |known| known.who.clone());
                let proof = self.policy.proof(&who);
                self.lately.note(jid, (who, proof), Last::Left, now);
            }
            "waiting" => self.audit.person(Kind::Waiting, jid, full, &who(), now),
            "gone" => {
                let who = who();
                self.audit.person(Kind::Gone, jid, full, &who, now);
                let room = self.live.room(jid);
                let known = room.and_then(|room| room.waiting.get(who.jid.as_ref()?));
                let last = known.map_or(who, |known| known.who.clone());
                let proof = self.policy.proof(&last);
                self.lately.note(jid, (last, proof), Last::Left, now);
            }
            "destroyed" => {
                self.audit.room(Kind::Ended, jid, now);
                self.lately.forget(jid);
            }
            event @ ("refused" | "opened-failing" | "failed") => {
                let others = report.attr("others").and_then(|others| others.parse().ok());
                let count = others.unwrap_or(0_u64).saturating_add(1);
                self.counted.gate_event(GateEvent::of(event), count);
                let mut details = Map::new();
                for name in ["jid", "nick", "reason", "others"] {
                    if let Some(value) = report.attr(name) {
                        details.insert(name.to_owned(), Value::from(value));
                    }
                }
                self.audit.event(event, jid.as_str(), details, now);
            }
            _ => {}
        }
    }

    /// Shows in the view of the rooms what a report says.
    fn show(&mut self, service: &Arc<str>, jid: &BareJid, report: &Element, now: Timestamp) {
        let full = report.attr("jid").unwrap_or_default();
        let generation = report.attr("generation").unwrap_or_default();
        match report.attr("event").unwrap_or_default() {
            "created" | "joined" => {
                self.live.heard_of(&self.policy, service, jid, generation);
                if !full.is_empty() {
                    self.live.joined(jid, full, read_requester(report), now);
                }
            }
            "role" => {
                self.live.changed(&self.policy, jid, full, &read_requester(report), now);
            }
            "renamed" => self.live.renamed(jid, full, read_requester(report), now),
            "session-left" => self.live.session_left(jid, full),
            "left" => {
                let nick = report.attr("nick").unwrap_or_default();
                self.live.left(&self.policy, jid, full, nick, now);
            }
            "waiting" => {
                self.live.heard_of(&self.policy, service, jid, generation);
                self.live.waits(jid, read_requester(report), now);
            }
            "gone" => self.live.gone(jid, &read_requester(report)),
            "destroyed" => {
                self.live.destroyed(jid);
                self.arrivals.forget(jid);
            }
            _ => {}
        }
    }

    /// Returns how often the gate of a service has greeted.
    pub fn life(&self, service: &str) -> u64 {
        self.feeds.get(service).map_or(0, |feed| feed.life)
    }

    /// Everything is known that the gate of a service knows whose last report has this number.
    pub fn is_up_to(&self, service: &str, last: Option<u64>) -> bool {
        self.feeds.get(service).is_some_and(|feed| feed.is_up_to(last))
    }

    /// All rooms of a service are read from now on.
    pub fn begin_reading(&mut self, service: &Arc<str>) {
        self.feeds.entry(Arc::clone(service)).or_default().begin();
    }

    /// The next page of them is asked for.
    pub fn ask_for_page(&mut self, service: &str) {
        if let Some(feed) = self.feeds.get_mut(service) {
            feed.ask();
        }
    }

    /// A page of rooms says that the last report had this number.
    pub fn told(&mut self, service: &str, number: Option<u64>) {
        if let Some(feed) = self.feeds.get_mut(service) {
            feed.told(number);
        }
    }

    /// Takes a room as it was read, and then what was reported since; nothing of one that has ended since.
    pub fn restore(&mut self, service: &Arc<str>, mut room: LiveRoom, now: Timestamp) {
        room.view.nobody_logs_in = self.nobody_logs_in(service);
        let feed = self.feeds.entry(Arc::clone(service)).or_default();
        let (is_older, later) = feed.met(&room.jid, room.number);
        // All that is known of that address was reported since, with the record that another room of it was opened with.
        if later.iter().any(|(_, report)| report.attr("event") == Some("destroyed")) {
            return;
        }
        let jid = room.jid.clone();
        let before = self.live.restore(&self.policy, service, room, is_older, now);
        for (at, report) in later {
            self.show(service, &jid, &report, at);
        }
        if let Some(before) = before {
            self.write_unreported(&jid, *before, now);
        }
    }

    /// Writes down who came and went by what was read of a room, with no report.
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
        let gone = gone.map(|(bare, known)| (Kind::Gone, bare.to_string(), known.who));
        for (kind, session, who) in left.chain(gone) {
            self.audit.person(kind, jid, &session, &who, now);
            let proof = self.policy.proof(&who);
            self.lately.note(jid, (who, proof), Last::Left, now);
        }
    }

    /// A room of a service that is known was not among those read, and nothing was heard of it meanwhile.
    pub fn is_unmet(&self, service: &str, jid: &BareJid) -> bool {
        let is_own = self.live.room(jid).is_some_and(|room| &*room.service == service);
        is_own && self.feeds.get(service).is_some_and(|feed| feed.is_unmet(jid))
    }

    /// The gate says that a room which was not met is not there.
    pub fn not_there(&mut self, service: &str, jid: &BareJid, now: Timestamp) {
        if self.feeds.get(service).is_some_and(|feed| feed.is_unmet(jid)) {
            self.audit.room(Kind::Ended, jid, now);
            self.lately.forget(jid);
            self.live.destroyed(jid);
            self.arrivals.forget(jid);
        }
    }

    /// The rooms of a service were read, or not all of them; returns whether every room is known as it is.
    pub fn end_reading(&mut self, service: &str, is_complete: bool) -> bool {
        self.feeds.get_mut(service).is_some_and(|feed| feed.end(is_complete))
    }
}
