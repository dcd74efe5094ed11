//! What the page and the API show beside commands.

use super::listed::listed;
use super::operator::Operator;
use crate::control::RoomLine;
use crate::http::{Readiness, Site};

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

    fn login_failed(&self) {}
}
