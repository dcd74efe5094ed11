//! The order of a gate's reports, and of what is read of its rooms: an older fact never takes the place of a newer one.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use crate::jid::BareJid;
use crate::xmpp::element::Element;

/// The most reports that are kept while rooms are read. After more, the rooms are read again.
const MOST_KEPT: usize = 100_000;

/// The reports of a gate.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// The number of greetings of the gate.
    pub(super) life: u64,
    /// The number of the last report.
    heard: Option<u64>,
    /// A report is missing since the rooms were read last.
    is_lost: bool,
    /// All rooms were read once since the gate has greeted.
    is_read: bool,
    reading: Option<Reading>,
}

/// The rooms of a gate are being read.
#[derive(Debug, Default)]
struct Reading {
    /// A report was missing when this began.
    was_lost: bool,
    met: HashSet<BareJid>,
    /// The reports that came meanwhile: number, time, report.
    reports: HashMap<BareJid, Vec<(u64, Timestamp, Element)>>,
    kept: usize,
    /// Rooms whose record a decision or a command has changed since the page that is awaited was asked for.
    decided: HashSet<BareJid>,
}

impl Feed {
    /// The gate greets: its reports begin again.
    pub(super) fn greeted(&mut self) {
        *self = Self { life: self.life.saturating_add(1), ..Self::default() };
    }

    /// Notes a report; returns whether the rooms have to be read again, for that was not known before.
    pub(super) fn reported(&mut self, report: &Element, now: Timestamp) -> bool {
        let number = report.attr("seq").and_then(|number| number.parse().ok());
        let Some(number) = number else { return false };
        let was_lost = self.is_lost;
        self.is_lost |= self.heard.is_some_and(|heard| heard.checked_add(1) != Some(number));
        self.heard = Some(number);
        let room = report.attr("room").and_then(BareJid::stamped);
        if let (Some(reading), Some(room)) = (&mut self.reading, room) {
            if reading.kept < MOST_KEPT {
                reading.kept = reading.kept.saturating_add(1);
                reading.reports.entry(room).or_default().push((number, now, report.clone()));
            } else {
                self.is_lost = true;
            }
        }
        self.is_lost && !was_lost
    }

    /// Returns whether all rooms were read since the gate has greeted.
    pub(super) const fn is_read(&self) -> bool {
        self.is_read
    }

    /// Everything is known that a gate knows whose last report has this number.
    pub(super) fn is_up_to(&self, last: Option<u64>) -> bool {
        last.is_some() && self.heard >= last && !self.is_lost && self.reading.is_none()
    }

    /// The rooms are read from now on.
    pub(super) fn begin(&mut self) {
        self.reading = Some(Reading { was_lost: self.is_lost, ..Reading::default() });
        self.is_lost = false;
    }

    /// The next page is asked for.
    pub(super) fn ask(&mut self) {
        if let Some(reading) = &mut self.reading {
            reading.decided.clear();
        }
    }

    /// The record of a room was changed by a decision or a command.
    pub(super) fn decided(&mut self, room: &BareJid) {
        if let Some(reading) = &mut self.reading {
            reading.decided.insert(room.clone());
        }
    }

    /// The gate says that its last report had this number.
    pub(super) fn told(&mut self, number: Option<u64>) {
        let is_behind = |number| self.heard.is_some_and(|heard| heard < number);
        self.is_lost |= number.is_some_and(is_behind);
        self.heard = self.heard.max(number);
    }

    /// A room was read as it was after report `number`. Returns whether its record is older than the one that is known,
    /// and the reports that came later.
    pub(super) fn met(
        &mut self,
        room: &BareJid,
        number: Option<u64>,
    ) -> (bool, Vec<(Timestamp, Element)>) {
        self.told(number);
        let Some(reading) = &mut self.reading else { return (false, Vec::new()) };
        reading.met.insert(room.clone());
        let later = reading.reports.get(room).into_iter().flatten();
        let later = later.filter(|(own, ..)| number.is_some_and(|number| *own > number));
        let later = later.map(|(_, at, report)| (*at, report.clone())).collect();
        (reading.decided.contains(room), later)
    }

    /// The room was not among those read, and nothing was heard of it meanwhile.
    pub(super) fn is_unmet(&self, room: &BareJid) -> bool {
        self.reading.as_ref().is_some_and(|it| {
            !it.met.contains(room) && !it.reports.contains_key(room) && !it.decided.contains(room)
        })
    }

    /// The reading is over; returns whether every room is known as it is.
    pub(super) fn end(&mut self, is_complete: bool) -> bool {
        let reading = self.reading.take().unwrap_or_default();
        self.is_lost |= !is_complete && reading.was_lost;
        let is_known = is_complete && !self.is_lost;
        self.is_read |= is_known;
        is_known
    }
}
