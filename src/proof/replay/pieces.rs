//! A log in pieces that end with a line.

use std::io::{self, Read};

/// Bytes of a piece: enough that handing it over costs nothing, little enough that it stays in the cache.
const PIECE: usize = 256 * 1024;
/// The longest line: far more than a gate can ask with.
const LONGEST_LINE: usize = 4 * 1024 * 1024;

/// Some lines of a log.
pub(super) struct Piece {
    /// How many came before, of all logs.
    pub(super) number: u64,
    /// The lines.
    pub(super) bytes: Vec<u8>,
    /// Nothing follows in this log, so the last line may be torn.
    pub(super) is_last: bool,
}

/// Several logs, one after the other, in pieces.
pub(super) struct Pieces<L> {
    logs: L,
    log: Option<Box<dyn Read + Send>>,
    /// The beginning of the line that the last piece ended before.
    rest: Vec<u8>,
    number: u64,
}

impl<L: Iterator<Item = io::Result<Box<dyn Read + Send>>>> Pieces<L> {
    pub(super) const fn new(logs: L) -> Self {
        Self { logs, log: None, rest: Vec::new(), number: 0 }
    }

    /// The next piece; none after an error.
    pub(super) fn next(&mut self) -> Option<io::Result<Piece>> {
        loop {
            let log = match &mut self.log {
                Some(log) => log,
                None => match self.logs.next()? {
                    Ok(log) => self.log.insert(log),
                    Err(error) => return Some(Err(error)),
                },
            };
            let mut bytes = std::mem::take(&mut self.rest);
            bytes.reserve(PIECE);
            let is_last = match fill(log, &mut bytes) {
                Ok(is_last) => is_last,
                Err(error) => {
                    self.log = None;
                    return Some(Err(error));
                }
            };
            if is_last {
                self.log = None;
            } else {
                let end =
                    memchr::memrchr(b'\n', &bytes).map_or(bytes.len(), |at| at.saturating_add(1));
                self.rest = bytes.split_off(end);
            }
            if !bytes.is_empty() {
                let number = self.number;
                self.number = self.number.saturating_add(1);
                return Some(Ok(Piece { number, bytes, is_last }));
            }
        }
    }
}

/// Reads until there is a whole line and a piece is full, or a line is far too long (it is cut then, and
/// cannot be read as one); whether the log has ended.
fn fill(log: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let space = PIECE.saturating_sub(bytes.len()).max(PIECE / 4);
        let space = u64::try_from(space).unwrap_or(u64::MAX);
        if log.by_ref().take(space).read_to_end(bytes)? == 0 {
            return Ok(true);
        }
        let is_full = bytes.len() >= PIECE && memchr::memrchr(b'\n', bytes).is_some();
        if is_full || bytes.len() >= LONGEST_LINE {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(logs: &[&str]) -> Vec<(String, bool)> {
        let logs = logs.iter().map(|log| {
            Ok(Box::new(io::Cursor::new(log.as_bytes().to_vec())) as Box<dyn Read + Send>)
        });
        let mut pieces = Pieces::new(logs.collect::<Vec<_>>().into_iter());
        std::iter::from_fn(|| pieces.next())
            .map(|piece| piece.unwrap())
            .map(|piece| (String::from_utf8(piece.bytes).unwrap(), piece.is_last))
            .collect()
    }

    #[test]
    fn every_byte_is_in_a_piece_and_no_line_in_two() {
        let log: String = (0..200_000).map(|n| format!("line {n}\n")).collect();
        let pieces = cut(&[&log, "", "torn"]);
        assert!(pieces.len() > 5);
        assert_eq!(pieces.iter().map(|(text, _)| text.as_str()).collect::<String>(), log + "torn");
        for (text, is_last) in &pieces {
            assert!(*is_last || text.ends_with('\n'));
        }
        assert_eq!(pieces.last(), Some(&("torn".to_owned(), true)));
    }

    #[test]
    fn a_line_without_end_takes_no_memory_without_end() {
        let pieces = cut(&[&"x".repeat(3 * LONGEST_LINE)]);
        assert!(pieces.iter().all(|(text, _)| text.len() <= LONGEST_LINE + PIECE));
    }
}
