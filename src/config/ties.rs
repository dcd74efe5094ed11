//! Overrides that are as specific as each other, and that one room may be for.
//!
//! Most files have overrides of one shape, many of them: names, beginnings of names, tenants, values of a claim. So
//! only those are compared that agree in what is compared quickly.

use std::collections::{BTreeMap, HashMap};

use super::meeting::meet;
use crate::policy::overrides::Override;
use crate::policy::pattern::Part;
use crate::policy::selector::{Selector, Specificity};

/// The number of ties that are reported at once.
const MOST: usize = 20;
/// The number of patterns that are compared with each other: beyond that, which no file of a usual shape reaches, the order of
/// the file settles what nobody was told of.
const MOST_MEETINGS: u32 = 200_000;

/// Two overrides of which neither counts before the other, by their place in the file.
pub(super) struct Tie {
    pub(super) first: usize,
    pub(super) later: usize,
    /// A room for both, if their patterns give one.
    room: Option<String>,
}

impl Tie {
    /// Returns what to say of it, and what to do.
    pub(super) fn said(
        &self,
        first: &Selector,
        line: u32,
        later: &Selector,
    ) -> (String, Option<String>) {
        if first.to_string() == later.to_string() {
            return (format!("`{later}` has rules already, at line {line}"), None);
        }
        let room = self.room.as_ref().filter(|room| !room.is_empty());
        let example = room.map(|room| format!(" like `{room}`")).unwrap_or_default();
        let message = format!(
            "`{first}` at line {line} is as specific as `{later}`, and a room{example} may be for both"
        );
        let hint = "make one of them more specific, or write `priority = 1` in the one that counts";
        (message, Some(hint.to_owned()))
    }
}

/// An override as it is compared.
struct One<'a> {
    at: usize,
    selector: &'a Selector,
    parts: Vec<Part>,
    /// The characters before the first wildcard.
    prefix: String,
    /// The characters after the last wildcard.
    suffix: String,
    /// It can be for a whole address.
    is_address: bool,
}

/// Which selectors are given. Two of a kind are compared by all of these.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Shape<'a> {
    pattern: bool,
    tenant: bool,
    service: bool,
    claim: Option<&'a str>,
    share: bool,
}

/// The ties, each override once: with the first that it cannot be told from.
pub(super) fn find(rooms: &[Override], services: &[String]) -> Vec<Tie> {
    let services: Vec<String> = services.iter().map(|service| format!("@{service}")).collect();
    let mut groups = BTreeMap::<Specificity, BTreeMap<Shape<'_>, Vec<One<'_>>>>::new();
    for (at, room) in rooms.iter().enumerate() {
        let specificity = room.selector.specificity(room.priority);
        let group = groups.entry(specificity).or_default();
        group.entry(shape(&room.selector)).or_default().push(one(at, &room.selector, &services));
    }
    let services: Vec<Vec<Part>> =
        services.iter().map(|service| service.chars().map(Part::Literal).collect()).collect();
    let mut ties = Ties { services: &services, found: BTreeMap::new(), meetings: 0 };
    for group in groups.values() {
        let mut kinds = group.values();
        while let Some(kind) = kinds.next() {
            for other in std::iter::once(kind).chain(kinds.clone()) {
                join(kind, other, &mut ties);
            }
        }
    }
    ties.found.into_values().collect()
}

fn shape(selector: &Selector) -> Shape<'_> {
    Shape {
        pattern: selector.pattern.is_some(),
        tenant: selector.tenant.is_some(),
        service: selector.service.is_some(),
        claim: selector.claim.as_ref().map(|(name, _)| name.as_str()),
        share: selector.share.is_some(),
    }
}

fn one<'a>(at: usize, selector: &'a Selector, services: &[String]) -> One<'a> {
    let parts = selector.pattern.as_ref().map(|pattern| pattern.parts()).unwrap_or_default();
    let literal = |part: &Part| match part {
        Part::Literal(c) => Some(*c),
        Part::One | Part::Any => None,
    };
    let prefix = parts.iter().map_while(literal).collect();
    let backwards: Vec<char> = parts.iter().rev().map_while(literal).collect();
    let suffix: String = backwards.into_iter().rev().collect();
    let is_address = services.iter().any(|service| agree(service, &suffix));
    One { at, selector, parts, prefix, suffix, is_address }
}

/// One is the end of the other.
fn agree(one: &str, other: &str) -> bool {
    one.ends_with(other) || other.ends_with(one)
}

struct Ties<'a> {
    /// What stands behind a room's name.
    services: &'a [Vec<Part>],
    found: BTreeMap<usize, Tie>,
    meetings: u32,
}

impl Ties<'_> {
    fn are_enough(&self) -> bool {
        self.found.len() >= MOST || self.meetings >= MOST_MEETINGS
    }

    fn meet(&mut self, a: &One<'_>, b: &One<'_>) {
        if agree(&a.suffix, &b.suffix) || a.is_address || b.is_address {
            self.meetings = self.meetings.saturating_add(1);
            if let Some(room) = meet(&a.parts, &b.parts, self.services) {
                self.add(a.at, b.at, Some(room));
            }
        }
    }

    fn add(&mut self, a: usize, b: usize, room: Option<String>) {
        let (first, later) = (a.min(b), a.max(b));
        let tie = self.found.entry(later).or_insert(Tie { first, later, room: None });
        if first <= tie.first {
            *tie = Tie { first, later, room };
        }
    }
}

/// What both kinds name in addition to the pattern, if they do: it has to be the same.
type Key<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>);

/// Compares the overrides of two kinds.
fn join<'a>(these: &[One<'a>], those: &[One<'a>], ties: &mut Ties<'_>) {
    let (Some(this), Some(that)) = (these.first(), those.first()) else { return };
    let (a, b) = (shape(this.selector), shape(that.selector));
    let claim = a.claim.is_some() && a.claim == b.claim;
    let keys = |one: &One<'a>| -> Vec<Key<'a>> {
        let selector = one.selector;
        let tenant = selector.tenant.as_deref().filter(|_| b.tenant && a.tenant);
        let service = selector.service.as_deref().filter(|_| b.service && a.service);
        match selector.claim.as_ref().filter(|_| claim) {
            None => vec![(tenant, service, None)],
            Some((_, values)) => {
                values.iter().map(|value| (tenant, service, Some(value.as_str()))).collect()
            }
        }
    };
    let mut buckets = HashMap::<Key<'a>, (Vec<&One<'a>>, Vec<&One<'a>>)>::new();
    for one in these {
        keys(one).into_iter().for_each(|key| buckets.entry(key).or_default().0.push(one));
    }
    for one in those {
        keys(one).into_iter().for_each(|key| buckets.entry(key).or_default().1.push(one));
    }
    for (these, those) in buckets.into_values() {
        if a.pattern && b.pattern {
            compare(&these, &those, ties);
        } else {
            pairs(&these, &those, ties);
        }
    }
}

/// Every one may be for a room of every other.
fn pairs(these: &[&One<'_>], those: &[&One<'_>], ties: &mut Ties<'_>) {
    for a in these {
        for b in those.iter().filter(|b| b.at != a.at) {
            if ties.are_enough() {
                return;
            }
            ties.add(a.at, b.at, None);
        }
    }
}

/// Those whose names can begin the same.
fn compare(these: &[&One<'_>], those: &[&One<'_>], ties: &mut Ties<'_>) {
    both_ways(&beginning(these), &beginning(those), ties);
    // A tenant in front of a name that the other is for.
    both_ways(&behind_tenant(these), &without_tenant(those), ties);
    both_ways(&without_tenant(these), &behind_tenant(those), ties);
}

fn both_ways(these: &Sorted<'_, '_>, those: &Sorted<'_, '_>, ties: &mut Ties<'_>) {
    nested(these, those, ties);
    nested(those, these, ties);
}

/// By how they begin.
type Sorted<'a, 'b> = Vec<(&'b str, &'b One<'a>)>;

fn sorted<'a, 'b>(all: impl Iterator<Item = (&'b str, &'b One<'a>)>) -> Sorted<'a, 'b> {
    let mut all: Vec<_> = all.collect();
    all.sort_unstable_by_key(|(prefix, one)| (*prefix, one.at));
    all
}

fn beginning<'a, 'b>(all: &[&'b One<'a>]) -> Sorted<'a, 'b> {
    sorted(all.iter().map(|one| (one.prefix.as_str(), *one)))
}

fn behind_tenant<'a, 'b>(all: &[&'b One<'a>]) -> Sorted<'a, 'b> {
    sorted(all.iter().filter_map(|one| {
        let rest = one.prefix.strip_prefix('[')?;
        Some((rest.split_once(']').map_or("", |(_, rest)| rest), *one))
    }))
}

fn without_tenant<'a, 'b>(all: &[&'b One<'a>]) -> Sorted<'a, 'b> {
    let without = all.iter().filter(|one| !one.prefix.starts_with('['));
    sorted(without.map(|one| (one.prefix.as_str(), *one)))
}

/// Of the second, those that begin as one of the first does.
fn nested(these: &Sorted<'_, '_>, those: &Sorted<'_, '_>, ties: &mut Ties<'_>) {
    for (prefix, a) in these {
        let from = those.partition_point(|(other, _)| other < prefix);
        let within = those.iter().skip(from).take_while(|(other, _)| other.starts_with(prefix));
        for (_, b) in within.filter(|(_, b)| b.at != a.at) {
            if ties.are_enough() {
                return;
            }
            ties.meet(a, b);
        }
    }
}
