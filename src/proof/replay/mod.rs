//! The decision log, decided again.
//!
//! The log is read in pieces that end with a line; threads decide the pieces, and what they found is put
//! together in the order of the log. Memory does not grow with the log: of changes only totals are kept,
//! in addition to those that were asked for.

mod again;
mod found;
mod pieces;
mod report;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError, mpsc};

use jiff::Timestamp;

use self::again::Judge;
pub use self::found::{Change, Counts, Ending, Found, Skipped, Totals};
use self::pieces::Pieces;
use crate::policy::Policy;

/// The options of a replay.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question {
    /// The policy made the log: every decision has to be the same, to the rule and its line, and be explained
    /// as it was made. Decisions by other revisions are passed over.
    pub exact: bool,
    /// Not what was decided before.
    pub since: Option<Timestamp>,
    /// Nor from then on.
    pub until: Option<Timestamp>,
}

/// Decides a log again. `logs` are read one after the other; `found` is called for every change and every
/// line that cannot be read, in their order, and `read` with the bytes read so far.
///
/// # Errors
/// A log cannot be read any further.
pub fn replay(
    policy: &Policy,
    question: Question,
    logs: impl Iterator<Item = io::Result<Box<dyn Read + Send>>> + Send,
    mut found: impl FnMut(&Found),
    mut read: impl FnMut(u64),
) -> io::Result<Totals> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(MOST_THREADS);
    let pieces = Mutex::new(Pieces::new(logs));
    let (sender, receiver) = mpsc::sync_channel(threads);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (pieces, sender) = (&pieces, sender.clone());
            scope.spawn(move || {
                let mut judge = Judge::new(policy, question);
                loop {
                    let piece = pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(piece) = piece else { return };
                    let done = piece.map(|piece| (piece.number, judge.piece(&piece)));
                    if sender.send(done).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut totals = Totals::default();
        let mut early = BTreeMap::new();
        let mut next = 0_u64;
        for done in receiver {
            let (number, result) = done?;
            early.insert(number, result);
            while let Some(result) = early.remove(&next) {
                next = next.saturating_add(1);
                result.found.iter().for_each(&mut found);
                totals.add(result.totals);
                read(totals.bytes);
            }
        }
        Ok(totals)
    })
}

/// More would only wait for the disk.
const MOST_THREADS: usize = 8;
