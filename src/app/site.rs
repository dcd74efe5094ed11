//! What the page and the API show in addition to commands.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::broadcast;

use super::clock::now;
use super::commands::Operator;
use super::listed::listed;
use super::metrics::Groups;
use crate::control::{RoomLine, Status};
use crate::http::{Readiness, Site, Totals};
use crate::metrics::Registry;
use crate::policy::verdict::Verdict;
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
        let unread = desk.unread().map(|domain| format!("the rooms of {domain} are not read yet"));
        let reasons = reasons.chain(unread);
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

    fn register(&self, registry: &mut Registry) {
        Groups::now(self).register(registry);
    }

    fn totals(&self) -> Totals {
        let shared = self.shared();
        let desk = shared.desk();
        let counted = desk.counted();
        Totals {
            joins: Verdict::ALL.map(|verdict| counted.joins(verdict)),
            denials: counted.denials().clone(),
            answers: shared.metrics.answers.counts(),
        }
    }

    fn now(&self) -> Timestamp {
        now()
    }
}
