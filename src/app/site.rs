//! What the page and the API show beside commands.

use std::sync::Arc;

use tokio::sync::broadcast;

use super::listed::listed;
use super::operator::Operator;
use crate::control::{RoomLine, Status};
use crate::http::{Readiness, Site};
use crate::store::Entry;

impl Site for Operator {
    fn readiness(&self) -> Readiness {
        let shared = self.shared();
        if !shared.link.is_up() {
            return Readiness { reasons: vec!["no link to the server".to_owned()] };
        }
        let desk = shared.desk();
        let missing = desk.services().filter(|(_, hello)| hello.is_none());
        let reasons = missing.map(|(domain, _)| format!("no gate has greeted from {domain}"));
        Readiness { reasons: reasons.collect() }
    }

    fn rooms(&self) -> Vec<RoomLine> {
        listed(&self.shared().desk())
    }

    fn status(&self) -> Status {
        Self::status(self)
    }

    fn entries(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.shared().desk().audit().subscribe()
    }

    fn entries_dropped(&self, _entries: u64) {}

    fn login_failed(&self) {}
}
