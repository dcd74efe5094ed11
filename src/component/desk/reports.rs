//! What a gate tells unasked: what happened, and how things are.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::Desk;
use crate::component::decided::GateDeed;
use crate::component::lately::Last;
use crate::jid::BareJid;
use crate::store::Kind;
use crate::wire::question::read_requester;
use crate::wire::room::LiveRoom;
use crate::xmpp::element::Element;

impl Desk {
    /// A gate reports what happened.
    pub fn report(&mut self, service: &Arc<str>, report: &Element, now: Timestamp) {
        if report.attr("event") == Some("unloading") {
            tracing::warn!(%service, "the gate is unloaded: the rooms of this service are under no policy");
            self.services.insert(Arc::clone(service), None);
            return;
        }
        if report.attr("event") == Some("hosts") {
            self.set_hosts(service, report);
            return;
        }
        let Some(jid) = report.attr("room").and_then(BareJid::stamped) else {
            return;
        };
        let full = report.attr("jid").unwrap_or_default();
        let generation = report.attr("generation").unwrap_or_default();
        match report.attr("event").unwrap_or_default() {
            event @ ("created" | "joined") => {
                self.live.heard_of(&self.policy, service, &jid, generation);
                if event == "created" {
                    self.audit.room(Kind::Opened, &jid, now);
                }
                if !full.is_empty() {
                    let who = read_requester(report);
                    self.audit.person(Kind::Joined, &jid, full, &who, now);
                    self.live.joined(&jid, full, who, now);
                }
            }
            "role" => {
                let who = read_requester(report);
                self.live.changed(&self.policy, &jid, full, &who, now);
            }
            "renamed" => {
                self.live.renamed(&jid, full, read_requester(report), now);
            }
            "session-left" => {
                self.audit.person(Kind::Left, &jid, full, &read_requester(report), now);
                self.live.session_left(&jid, full);
            }
            "left" => {
                let nick = report.attr("nick").unwrap_or_default();
                let who = read_requester(report);
                self.audit.person(Kind::Left, &jid, full, &who, now);
                // The token's claims were told when they came in.
                let known = self.live.room(&jid).and_then(|room| room.occupants.get(full));
                let who = known.map_or(who, |known| known.who.clone());
                self.lately.note(&jid, who, Last::Left, now);
                self.live.left(&self.policy, &jid, full, nick, now);
            }
            "waiting" => {
                self.live.heard_of(&self.policy, service, &jid, generation);
                let who = read_requester(report);
                self.audit.person(Kind::Waiting, &jid, full, &who, now);
                self.live.waits(&jid, who, now);
            }
            "gone" => {
                let who = read_requester(report);
                self.audit.person(Kind::Gone, &jid, full, &who, now);
                let room = self.live.room(&jid);
                let known = room.and_then(|room| room.waiting.get(who.jid.as_ref()?));
                let last = known.map_or_else(|| who.clone(), |known| known.who.clone());
                self.lately.note(&jid, last, Last::Left, now);
                self.live.gone(&jid, &who);
            }
            "destroyed" => {
                self.audit.room(Kind::Ended, &jid, now);
                self.live.destroyed(&jid);
                self.lately.forget(&jid);
                self.arrivals.forget(&jid);
            }
            event @ ("refused" | "opened-failing" | "failed") => {
                let others = report.attr("others").and_then(|others| others.parse().ok());
                let count = others.unwrap_or(0_u64).saturating_add(1);
                self.tally.by_gate = self.tally.by_gate.saturating_add(count);
                self.decided.by_gate(GateDeed::of(event));
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

    /// Takes a room from a snapshot.
    pub fn restore(&mut self, service: &Arc<str>, mut room: LiveRoom, now: Timestamp) {
        room.view.nobody_logs_in = self.nobody_logs_in(service);
        self.live.restore(&self.policy, service, room, now);
    }
}
