//! `[[room]]`: other rules for some rooms.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use globset::{Glob, GlobSet, GlobSetBuilder};

use super::names::glob;
use super::notes::{Notes, Place};
use super::outside::Outside;
use super::rules;
use super::section::{Item, Read, Section};
use super::values::text;
use crate::policy::rules::{Override, Rules};

/// Reads every `[[room]]`: the overrides, the most specific first, and their patterns as one automaton.
pub(super) fn read(
    notes: &Notes<'_>,
    sections: Vec<Section<'_>>,
    base: &Rules,
    outside: &Outside<'_>,
) -> (Vec<Override>, GlobSet) {
    let mut rooms = Vec::with_capacity(sections.len());
    let mut lines = HashMap::new();
    for mut section in sections {
        let mut rules = base.clone();
        let has_match = section.given("match", |_| ()).is_some();
        let pattern = section.read("match", pattern);
        rules::read(&mut section, &mut rules, outside);
        if !has_match {
            section.error_with(
                section.place(),
                "match",
                "it is missing",
                "write a pattern for the names of the rooms, like `match = \"board-*\"`",
            );
        }
        if let Some(((written, glob), place)) = pattern {
            let line = section.line();
            if let Some(first) = lines.insert(glob.glob().to_owned(), line) {
                let message = format!("`{written}` has rules already, at line {first}");
                section.error(place, "match", message);
            }
            rooms.push((Reverse(literals(glob.glob())), glob, written, line, rules));
        }
        section.finish();
    }
    rooms.sort_by(|a, b| (a.0, a.1.glob()).cmp(&(b.0, b.1.glob())));

    let mut set = GlobSetBuilder::new();
    let overrides = rooms
        .into_iter()
        .map(|(_, glob, pattern, line, rules)| {
            let matcher = glob.compile_matcher();
            set.add(glob);
            Override { pattern, matcher, line, rules: Arc::new(rules) }
        })
        .collect();
    let set = set.build().unwrap_or_else(|error| {
        let message = format!("the patterns are too much together: {}", error.kind());
        notes.error(Place::Whole, "room", message, None);
        GlobSet::empty()
    });
    (overrides, set)
}

fn pattern(item: &Item<'_>) -> Read<(String, Glob)> {
    Ok((text(item)?, glob(item)?))
}

/// How specific a pattern is: the characters that stand for themselves. What is inside `[…]` or `{…}`
/// does not count.
fn literals(pattern: &str) -> usize {
    let (mut count, mut depth): (usize, usize) = (0, 0);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '[' | '{' => depth = depth.saturating_add(1),
            ']' | '}' => depth = depth.saturating_sub(1),
            '*' | '?' => {}
            c => {
                if c == '\\' {
                    chars.next();
                }
                if depth == 0 {
                    count = count.saturating_add(1);
                }
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_characters_that_stand_for_themselves_are_counted() {
        for (pattern, count) in
            [("board-*", 6), ("*", 0), ("board-[0-9]?", 6), ("{a,bc}x", 1), (r"a\*b", 3)]
        {
            assert_eq!(literals(pattern), count, "{pattern}");
        }
    }
}
