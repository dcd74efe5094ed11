//! The index of the entries of an SQLite file.
//!
//! An entry is written into the table and into no index: keeping indexes up to date costs several times as much as
//! the entry itself, because each entry belongs on another page of each. Once enough entries have come, they are made
//! a segment, which is indexed at once. A search looks up what it needs in the segments, and reads the few entries
//! that belong to none one by one; the conditions of the query decide in either case.

use std::borrow::Cow;

use jiff::Timestamp;
use memchr::{memchr, memchr_iter, memmem};
use rusqlite::{Connection, Error, OptionalExtension as _, Statement, params};
use serde::Deserialize;
use serde_json::Value;

use super::query::{Field, Query};

/// Entries of a segment, so long as nobody sets another number.
pub(super) const ENTRIES: u32 = 16_384;
/// The part of a segment beyond which the entries of a term are not listed: reading all of it is as fast.
const PART: usize = 4;

/// The statements that make the tables of schema 5. Never changed: another form is a later migration.
///
/// A segment is a range of entry numbers, with the times of its entries; its index has for each term, by its hash, the
/// numbers of the entries that have it: each as the difference to the one before (at first: to the first of the
/// segment), seven bits in a byte, the lowest first, and the eighth bit where more follow. `NULL`: too many to be listed.
///
/// No entry of a segment changes. Where one does, the segment is none any more, and the next round makes it again.
macro_rules! tables {
    () => {
        "
    CREATE TABLE segments (
        last INTEGER PRIMARY KEY,
        first INTEGER NOT NULL,
        oldest INTEGER NOT NULL,
        newest INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE segment_index (
        segment INTEGER NOT NULL,
        term INTEGER NOT NULL,
        entries BLOB,
        PRIMARY KEY (segment, term)
    ) STRICT, WITHOUT ROWID;
    CREATE TRIGGER segment_deleted AFTER DELETE ON segments BEGIN
        DELETE FROM segment_index WHERE segment = old.last;
    END;
    CREATE TRIGGER entry_changed AFTER UPDATE ON entries BEGIN
        DELETE FROM segments WHERE first <= old.seq
            AND last = (SELECT min(last) FROM segments WHERE last >= old.seq);
    END;
"
    };
}
pub(super) use tables;

/// A range of entry numbers, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Range {
    /// Returns what is in both ranges, if anything is.
    fn within(self, other: Self) -> Option<Self> {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        (first <= last).then_some(Self { first, last })
    }
}

/// A segment, or a range of entries that belong to none.
#[derive(Clone, Copy, Debug)]
struct Part {
    range: Range,
    /// The times of the oldest and the newest entry of a segment, in microseconds.
    times: Option<(i64, i64)>,
}

/// Returns the segments and what is between them, in the order of the numbers. Together they are everything.
fn parts(connection: &Connection) -> Result<Vec<Part>, Error> {
    let mut statement =
        connection.prepare("SELECT first, last, oldest, newest FROM segments ORDER BY last")?;
    let mut rows = statement.query([])?;
    let (mut parts, mut next) = (Vec::new(), Some(i64::MIN));
    while let Some(row) = rows.next()? {
        let range = Range { first: row.get(0)?, last: row.get(1)? };
        let before = Range { first: next.unwrap_or(i64::MAX), last: range.first.saturating_sub(1) };
        parts.extend(before.within(before).map(|range| Part { range, times: None }));
        parts.push(Part { range, times: Some((row.get(2)?, row.get(3)?)) });
        next = range.last.checked_add(1);
    }
    let rest = next.map(|first| Range { first, last: i64::MAX });
    parts.extend(rest.map(|range| Part { range, times: None }));
    Ok(parts)
}

/// Returns the ranges of entries that belong to no segment, in the order of the numbers.
pub(super) fn open(connection: &Connection) -> Result<Vec<Range>, Error> {
    let parts = parts(connection)?.into_iter().filter(|part| part.times.is_none());
    Ok(parts.map(|part| part.range).collect())
}

/// Where the entries are that may match a query: ranges, in the order in which the query goes.
#[derive(Debug)]
pub(super) struct Places<'a> {
    lookup: Statement<'a>,
    terms: Vec<Vec<i64>>,
    /// What is left, the next one last.
    parts: Vec<Part>,
    ranges: Vec<Range>,
    asked: Range,
    forward: bool,
}

impl<'a> Places<'a> {
    /// Plans a search. The connection has to be in a transaction, so that every part is as of one time.
    pub(super) fn of(
        connection: &'a Connection,
        query: &Query,
        terms: &[Vec<(Field, String)>],
    ) -> Result<Self, Error> {
        let asked = Range {
            first: query.after.map_or(i64::MIN, |after| after.saturating_add(1)),
            last: query.before.map_or(i64::MAX, |before| before.saturating_sub(1)),
        };
        let since = query.since.map_or(i64::MIN, Timestamp::as_microsecond);
        let until = query.until.map_or(i64::MAX, Timestamp::as_microsecond);
        let mut parts = parts(connection)?;
        parts.retain(|part| {
            part.times.is_none_or(|(oldest, newest)| oldest < until && since <= newest)
        });
        let forward = query.goes_forward();
        if forward {
            parts.reverse();
        }
        let terms =
            terms.iter().map(|any| any.iter().map(|(field, text)| field.term(text)).collect());
        let terms = terms.collect();
        let lookup = "SELECT entries FROM segment_index WHERE segment = ?1 AND term = ?2";
        let lookup = connection.prepare(lookup)?;
        Ok(Self { lookup, terms, parts, ranges: Vec::new(), asked, forward })
    }

    /// Returns the next range; `None`: there is no more.
    pub(super) fn next(&mut self) -> Result<Option<Range>, Error> {
        while self.ranges.is_empty() {
            let Some(Part { range, times }) = self.parts.pop() else { return Ok(None) };
            let Some(asked) = range.within(self.asked) else { continue };
            let listed = if times.is_some() { self.listed(range)? } else { None };
            let Some(mut listed) = listed else { return Ok(Some(asked)) };
            if self.forward {
                listed.reverse();
            }
            let listed = listed.into_iter().map(|seq| Range { first: seq, last: seq });
            self.ranges.extend(listed.filter_map(|one| one.within(asked)));
        }
        Ok(self.ranges.pop())
    }

    /// Returns the numbers of the entries of a segment that may match, by its index; `None`: all may.
    fn listed(&mut self, segment: Range) -> Result<Option<Vec<i64>>, Error> {
        let mut all: Option<Vec<i64>> = None;
        for alternatives in &self.terms {
            let Some(found) = Self::any(&mut self.lookup, segment, alternatives)? else { continue };
            all = Some(match all {
                None => found,
                Some(all) => all.into_iter().filter(|at| found.binary_search(at).is_ok()).collect(),
            });
        }
        Ok(all)
    }

    /// Returns the sorted numbers of the entries of a segment that have one of these terms; `None`: too many.
    fn any(
        lookup: &mut Statement<'_>,
        segment: Range,
        terms: &[i64],
    ) -> Result<Option<Vec<i64>>, Error> {
        let mut found = Vec::new();
        for term in terms {
            let mut rows = lookup.query(params![segment.last, term])?;
            let Some(row) = rows.next()? else { continue };
            let Some(bytes) = row.get_ref(0)?.as_blob_or_null()? else { return Ok(None) };
            read(segment.first, bytes, &mut found);
        }
        found.sort_unstable();
        found.dedup();
        Ok(Some(found))
    }
}

/// Takes the segments for none into which entries with these numbers come: numbers grow, so hardly ever any.
pub(super) fn make_way(
    connection: &Connection,
    numbers: impl Iterator<Item = i64>,
) -> Result<(), Error> {
    let last = "SELECT coalesce(max(last), ?1) FROM segments";
    let last: i64 = connection.prepare(last)?.query_row([i64::MIN], |row| row.get(0))?;
    for number in numbers.filter(|number| *number <= last) {
        let around = "DELETE FROM segments WHERE first <= ?1 AND last >= ?1";
        connection.prepare(around)?.execute([number])?;
    }
    Ok(())
}

/// Returns the number of entries that came after the last segment.
pub(super) fn after_last(connection: &Connection) -> Result<u64, Error> {
    let count =
        "SELECT count(*) FROM entries WHERE seq > (SELECT coalesce(max(last), ?1) FROM segments)";
    let count = connection.prepare(count)?.query_row([i64::MIN], |row| row.get::<_, i64>(0))?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Makes the oldest entries that belong to no segment one, if there are so many; returns whether there were.
pub(super) fn close(connection: &Connection, entries: u32) -> Result<bool, Error> {
    for range in open(connection)? {
        let last =
            "SELECT seq FROM entries WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT 1 OFFSET ?3";
        let offset = entries.saturating_sub(1);
        let mut statement = connection.prepare(last)?;
        let last = statement
            .query_row(params![range.first, range.last, offset], |row| row.get(0))
            .optional()?;
        if let Some(last) = last {
            index(connection, Range { last, ..range })?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes a segment and its index. The range has entries.
fn index(connection: &Connection, range: Range) -> Result<(), Error> {
    let columns = COLUMNS.map(|(name, _)| name).join(", ");
    let entries = format!(
        "SELECT seq, at, body, {columns} FROM entries WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq"
    );
    let mut statement = connection.prepare(&entries)?;
    let mut rows = statement.query(params![range.first, range.last])?;
    let (mut terms, mut count) = (Vec::new(), 0_usize);
    let (mut first, mut oldest, mut newest) = (range.last, i64::MAX, i64::MIN);
    while let Some(row) = rows.next()? {
        let (seq, at): (i64, i64) = (row.get(0)?, row.get(1)?);
        (first, oldest, newest) = (first.min(seq), oldest.min(at), newest.max(at));
        count = count.saturating_add(1);
        for (column, (_, field)) in (3..).zip(COLUMNS) {
            if let Ok(Some(text)) = row.get_ref(column)?.as_str_or_null() {
                terms.extend(field.terms(text).map(|term| (term, seq)));
            }
        }
        let body = row.get_ref(2)?.as_str().unwrap_or_default();
        names(body, |name| terms.push((Field::Called.term(name), seq)));
    }
    terms.sort_unstable();
    terms.dedup();
    connection
        .prepare("INSERT INTO segments (last, first, oldest, newest) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![range.last, first, oldest, newest])?;
    let mut insert = connection
        .prepare("INSERT INTO segment_index (segment, term, entries) VALUES (?1, ?2, ?3)")?;
    let mut bytes = Vec::new();
    for same in terms.chunk_by(|(one, _), (other, _)| one == other) {
        let Some((term, _)) = same.first() else { continue };
        bytes.clear();
        let is_listed = same.len() <= count / PART;
        if is_listed {
            write(first, same.iter().map(|(_, seq)| *seq), &mut bytes);
        }
        insert.execute(params![range.last, term, is_listed.then_some(&bytes)])?;
    }
    Ok(())
}

/// Columns by which entries are indexed; the display name is in the body.
const COLUMNS: [(&str, Field); 7] = [
    ("kind", Field::Kind),
    ("verdict", Field::Verdict),
    ("rule", Field::Rule),
    ("id", Field::Id),
    ("room", Field::Room),
    ("person", Field::Person),
    ("nick", Field::Called),
];

impl Field {
    /// Returns the term for a text. Different texts may have the same: it says only where to look.
    fn term(self, text: &str) -> i64 {
        let text = text.as_bytes();
        let part = match self {
            // What is before the `@` is also searched for alone.
            Self::Room | Self::Person => memchr(b'@', text).and_then(|at| text.get(..=at)),
            // Ids are counted up, so many neighbours can share an entry of the index.
            Self::Id => text.len().checked_sub(2).and_then(|end| text.get(..end)),
            Self::Kind | Self::Verdict | Self::Rule | Self::Called => None,
        };
        let bytes = part.unwrap_or(text).iter().map(u8::to_ascii_lowercase);
        // FNV-1a.
        let hash =
            [self as u8].into_iter().chain(bytes).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        hash.cast_signed()
    }

    /// Returns the terms by which a text of an entry is found.
    fn terms(self, text: &str) -> impl Iterator<Item = i64> {
        let families = memchr_iter(b'.', text.as_bytes()).filter(move |_| self == Self::Rule);
        families.chain([text.len()]).filter_map(move |end| Some(self.term(text.get(..end)?)))
    }
}

/// Passes on the display names in a body.
fn names(body: &str, mut each: impl FnMut(&str)) {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow, default)]
        name: Option<Cow<'a, str>>,
        #[serde(borrow, default)]
        facts: Option<Facts<'a>>,
    }
    #[derive(Deserialize)]
    struct Facts<'a> {
        #[serde(borrow, default)]
        who: Option<Who<'a>>,
    }
    #[derive(Deserialize)]
    struct Who<'a> {
        #[serde(borrow, default)]
        name: Option<Cow<'a, str>>,
    }
    // Most bodies have none, and need not be parsed.
    if memmem::find(body.as_bytes(), br#""name":"#).is_none() {
        return;
    }
    if let Ok(body) = serde_json::from_str::<Body<'_>>(body) {
        let who = body.facts.and_then(|facts| facts.who?.name);
        body.name.into_iter().chain(who).for_each(|name| each(&name));
    } else if let Ok(body) = serde_json::from_str::<Value>(body) {
        // Only what other programs have written.
        let names = ["/name", "/facts/who/name"].into_iter().filter_map(|at| body.pointer(at));
        names.for_each(|name| each(&name.as_str().map_or_else(|| name.to_string(), str::to_owned)));
    }
}

/// Appends sorted numbers.
fn write(mut before: i64, numbers: impl Iterator<Item = i64>, bytes: &mut Vec<u8>) {
    for number in numbers {
        let mut rest = number.wrapping_sub(before).cast_unsigned();
        loop {
            let [low, ..] = rest.to_le_bytes();
            rest >>= 7;
            bytes.push(if rest > 0 { low | 0x80 } else { low });
            if rest == 0 {
                break;
            }
        }
        before = number;
    }
}

/// Reads what [`write`] has written.
fn read(mut before: i64, bytes: &[u8], numbers: &mut Vec<i64>) {
    let (mut rest, mut bits) = (0_u64, 0_u32);
    for byte in bytes {
        rest |= u64::from(byte & 0x7f).checked_shl(bits).unwrap_or_default();
        bits = bits.saturating_add(7);
        if *byte < 0x80 {
            before = before.wrapping_add(rest.cast_signed());
            numbers.push(before);
            (rest, bits) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_as_they_were_written() {
        for numbers in [vec![], vec![i64::MIN, -1, 0, 1, i64::MAX], (5..3000).step_by(37).collect()]
        {
            let (mut bytes, mut back) = (Vec::new(), Vec::new());
            let first = numbers.first().copied().unwrap_or_default();
            write(first, numbers.iter().copied(), &mut bytes);
            read(first, &bytes, &mut back);
            assert_eq!(back, numbers);
        }
    }

    #[test]
    fn a_text_has_the_terms_that_are_searched_for() {
        let has = |field: Field, text: &str, sought: &str| {
            field.terms(text).any(|term| term == field.term(sought))
        };
        for (field, text, sought) in [
            (Field::Rule, "password.guesses.burst", "password"),
            (Field::Rule, "password.guesses.burst", "password.guesses"),
            (Field::Rule, "password.guesses.burst", "password.guesses.burst"),
            (Field::Room, "tea@conference.example.org", "tea@"),
            (Field::Room, "tea@conference.example.org", "tea@conference.example.org"),
            (Field::Person, "example.org", "example.org"),
            (Field::Id, "c41-1907", "c41-1907"),
            (Field::Called, "Zoë B.", "zoë b."),
        ] {
            assert!(has(field, text, sought), "{text}: {sought}");
        }
        for (field, text, sought) in [
            (Field::Rule, "access.openly", "access.open"),
            (Field::Room, "tea-time@conference.example.org", "tea@"),
            (Field::Id, "c41-1907", "c41-2007"),
        ] {
            assert!(!has(field, text, sought), "{text}: {sought}");
        }
        assert_ne!(Field::Room.term("bob@"), Field::Person.term("bob@"));
    }
}
