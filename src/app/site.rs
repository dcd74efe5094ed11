//! What the page and the API show beside commands.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::broadcast;

use super::clock::now;
use super::listed::listed;
use super::operator::Operator;
use crate::component::measures::{add, less, now as count};
use crate::component::registry::Watch;
use crate::control::{RoomLine, Status};
use crate::http::{Figures, Readiness, Site};
use crate::store::Entry;

impl Site for Operator {
    fn readiness(&self) -> Readiness {
        let shared = self.shared();
        if !shared.link.lives() {
            return Readiness { reasons: vec!["no link to the server".to_owned()] };
        }
        let desk = shared.desk();
        let missing = desk.services().filter(|(_, hello)| hello.is_none());
        let reasons = missing.map(|(domain, _)| match desk.refusal(domain) {
            Some(refusal) => format!("the gate of {domain} is refused: {refusal}"),
            None => format!("no gate has greeted from {domain}"),
        });
        let reasons = reasons.chain(shared.addresses.problems()).chain(desk.unlisted());
        Readiness { reasons: reasons.collect() }
    }

    fn rooms(&self) -> Vec<RoomLine> {
        listed(self.shared())
    }

    fn status(&self) -> Status {
        Self::status(self)
    }

    fn entries(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.shared().desk().audit().subscribe()
    }

    fn figures(&self) -> Figures {
        let shared = self.shared();
        let (measures, counters) = (&shared.measures, shared.link.counters());
        let (status, rooms) = (Self::status(self), listed(shared));
        let desk = shared.desk();
        let dropped = [counters.not_sent(), counters.unreadable(), counters.refused()];
        Figures {
            status,
            rooms,
            looks: Watch::ALL.map(|watch| (watch.name(), desk.looks(watch))),
            bans: desk.policy().bans.lines().count(),
            started: shared.started_at.as_duration().as_secs_f64(),
            decided: desk.decided().clone(),
            answers: measures.answers.taken(),
            judging: count(&measures.judging),
            reloads: measures.reloads.each_ref().map(count),
            commands: measures.commands.each_ref().map(|counts| counts.each_ref().map(count)),
            logins_failed: count(&measures.logins_failed),
            streams: count(&measures.streams),
            entries_dropped: count(&measures.entries_dropped),
            links: counters.links(),
            stanzas: [
                counters.received(),
                counters.sent(),
                dropped.into_iter().fold(0, u64::saturating_add),
            ],
        }
    }

    fn now(&self) -> Timestamp {
        now()
    }

    fn watching(&self, more: bool) {
        let streams = &self.shared().measures.streams;
        if more {
            add(streams, 1);
        } else {
            less(streams);
        }
    }

    fn entries_dropped(&self, entries: u64) {
        add(&self.shared().measures.entries_dropped, entries);
    }

    fn login_failed(&self) {
        add(&self.shared().measures.logins_failed, 1);
    }
}
