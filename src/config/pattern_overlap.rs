//! Overlapping patterns: equally specific overrides, overrides without effect, and bans that others cover.
//!
//! A large file has many overrides of the same shape: names, prefixes of names, tenants, values of a claim. So only
//! those whose tenant, service, claim and prefix agree, which is cheap to find out, are compared in full.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Debug;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;

use super::diagnostics::{Diagnostics, Place};
use crate::jid::BareJid;
use crate::policy::overrides::{Override, Part, Selector, Specificity};
use crate::policy::{Policy, Rules};

/// Maximum number of ties that are reported.
const MOST: usize = 20;
/// Maximum number of pairs of patterns that are compared, which no usual file reaches. Ties beyond it are not
/// reported; the override that comes first in the file applies.
const MOST_MEETINGS: u32 = 200_000;

/// Two equally specific overrides that may match the same room, by their index in the file.
pub(super) struct Tie {
    pub(super) first: usize,
    pub(super) later: usize,
    /// Example of a room that both match, if their patterns give one.
    room: Option<String>,
}

impl Tie {
    /// Returns the error message and a suggestion.
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

/// An override, prepared for the comparison.
struct One<'a> {
    at: usize,
    selector: &'a Selector,
    parts: Vec<Part>,
    /// The characters before the first wildcard.
    prefix: String,
    /// The characters after the last wildcard.
    suffix: String,
    /// Whether the pattern can match a whole address, with the domain of a service.
    is_address: bool,
}

/// Which selectors an override has.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Shape<'a> {
    pattern: bool,
    tenant: bool,
    service: bool,
    claim: Option<&'a str>,
    share: bool,
}

/// Returns the ties, at most one for each override: with the first override that it ties with.
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

/// Returns whether one text ends with the other.
fn agree(one: &str, other: &str) -> bool {
    one.ends_with(other) || other.ends_with(one)
}

struct Ties<'a> {
    /// Suffixes of room addresses: `@` and the domain of each service.
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

/// Tenant, service and claim value, as far as both shapes have them: these have to be equal for a tie.
type Key<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>);

/// Finds the ties between the overrides of two shapes.
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

/// Adds a tie for every pair: where a pattern is missing, both may match the same room.
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

/// Compares the patterns whose prefixes agree.
fn compare(these: &[&One<'_>], those: &[&One<'_>], ties: &mut Ties<'_>) {
    both_ways(&beginning(these), &beginning(those), ties);
    // One pattern has a tenant in front of the name, the other matches the name alone.
    both_ways(&behind_tenant(these), &without_tenant(those), ties);
    both_ways(&without_tenant(these), &behind_tenant(those), ties);
}

fn both_ways(these: &Sorted<'_, '_>, those: &Sorted<'_, '_>, ties: &mut Ties<'_>) {
    nested(these, those, ties);
    nested(those, these, ties);
}

/// Overrides sorted by the prefix of their patterns.
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

/// Compares each of `these` with those of `those` whose prefix begins with its own.
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

/// Pattern of Jitsi's tenant in front of a room name, `[tenant]`.
const TENANT: [Part; 3] = [Part::Literal('['), Part::Any, Part::Literal(']')];

/// Returns the name or address of a room that both patterns match, if there can be one. A room is matched by its
/// name, by its name without a tenant and by its address, so each pattern may match another of these. `services` are
/// the suffixes `@domain`. Exact but for `[…]` and `{…}`, which count as any text, and for percent-encoded names.
pub(super) fn meet(one: &[Part], other: &[Part], services: &[Vec<Part>]) -> Option<String> {
    let longer = |parts: &[Part]| {
        // Behind a tenant no name has another tenant.
        let has_tenant = parts.first() == Some(&Part::Literal('['));
        let with_tenant = (!has_tenant).then(|| [&TENANT, parts].concat());
        let mut longer: Vec<Vec<Part>> = with_tenant.into_iter().collect();
        for service in services {
            longer.push([parts, service].concat());
            if !has_tenant {
                longer.push([&TENANT, parts, service].concat());
            }
        }
        longer
    };
    common(one, other)
        .or_else(|| longer(one).iter().find_map(|one| common(one, other)))
        .or_else(|| longer(other).iter().find_map(|other| common(one, other)))
}

/// Returns the shortest text that both patterns match.
fn common(one: &[Part], other: &[Part]) -> Option<String> {
    let (rows, columns) = (one.len().checked_add(1)?, other.len().checked_add(1)?);
    // For each pair of positions, the pair that it was first reached from, and by which character.
    let mut from: Vec<Option<(usize, Option<char>)>> = vec![None; rows.checked_mul(columns)?];
    let mut next = VecDeque::from([(0, 0)]);
    let at = |i: usize, j: usize| i.saturating_mul(columns).saturating_add(j);
    let goal = at(one.len(), other.len());
    while let Some((i, j)) = next.pop_front() {
        if at(i, j) == goal {
            break;
        }
        let mut reach = |to: (usize, usize), by: Option<char>| {
            let place = at(to.0, to.1);
            if let Some(cell @ None) = from.get_mut(place)
                && place != 0
            {
                *cell = Some((at(i, j), by));
                next.push_back(to);
            }
        };
        let (a, b) = (one.get(i).copied(), other.get(j).copied());
        let (past_i, past_j) = (i.saturating_add(1), j.saturating_add(1));
        if a == Some(Part::Any) {
            reach((past_i, j), None);
        }
        if b == Some(Part::Any) {
            reach((i, past_j), None);
        }
        if let (Some(a), Some(b)) = (a, b)
            && let Some(by) = both(a, b)
        {
            let after = |part, here, past| if part == Part::Any { here } else { past };
            reach((after(a, i, past_i), after(b, j, past_j)), Some(by));
        }
    }
    let (mut place, mut text) = (goal, Vec::new());
    while place != 0 {
        let (before, by) = (*from.get(place)?)?;
        text.extend(by);
        place = before;
    }
    Some(text.into_iter().rev().collect())
}

/// Returns a character that both parts match.
fn both(a: Part, b: Part) -> Option<char> {
    match (a, b) {
        (Part::Literal(a), Part::Literal(b)) => (a == b).then_some(a),
        (Part::Literal(c), _) | (_, Part::Literal(c)) => Some(c),
        (Part::One | Part::Any, Part::One | Part::Any) => Some('x'),
    }
}

/// Maximum number of overrides in a file that is checked: larger files are generated, and have to load fast.
const MOST_OVERRIDES: usize = 500;

/// Reports each override that equals the base rules. One that takes rooms out of another, wider override has an effect
/// all the same.
pub(super) fn check(notes: &Diagnostics<'_>, policy: &Policy) {
    if policy.rooms.iter().nth(MOST_OVERRIDES).is_some() {
        return;
    }
    for room in policy.rooms.iter() {
        let mut others = policy.rooms.iter().filter(|other| other.line != room.line);
        let is_alone = !others.any(|other| may_meet(&room.selector, &other.selector));
        if is_alone && is_same(&room.rules, &policy.base) {
            notes.warning(
                notes.place_of(room.line),
                format!("room `{}`", room.selector),
                "this override is as `[policy]` is, and has no effect",
                Some("change something in it, or delete it".to_owned()),
            );
        }
    }
}

/// Returns whether a room may match both selectors; `true` also where that cannot be excluded.
fn may_meet(one: &Selector, other: &Selector) -> bool {
    match (&one.pattern, &other.pattern) {
        (Some(one), Some(other)) => {
            let is_address = [one, other].iter().any(|pattern| pattern.as_str().contains('@'));
            is_address || meet(&one.parts(), &other.parts(), &[]).is_some()
        }
        (None, _) | (_, None) => true,
    }
}

/// Compares the families of two rules. Each is named, so that a new one cannot be forgotten.
macro_rules! are_same {
    ($rules:ident, $base:ident: $($family:ident)*) => {{
        let Rules { $($family,)* observed: _ } = $rules;
        $(same($family, &$base.$family))&&*
    }};
}

fn is_same(rules: &Rules, base: &Rules) -> bool {
    let (password, plain) = (&rules.password, &base.password);
    let (access, open) = (&rules.access, &base.access);
    // Secrets and compiled patterns cannot be compared by value: one on another line counts as different.
    let reads = password.preset.line == plain.preset.line
        && password.secret.line == plain.secret.line
        && password.deny_list.line == plain.deny_list.line
        && access.rooms.line == open.rooms.line
        && access.refused_rooms.line == open.refused_rooms.line;
    reads
        && are_same!(rules, base: password access lobby moderators close removal names settings
            permissions hours limits modes)
}

fn same<T: Debug>(one: &Arc<T>, other: &Arc<T>) -> bool {
    Arc::ptr_eq(one, other) || values(one) == values(other)
}

/// Returns the values without their lines, sorted, since the order of sets differs.
fn values(rules: &impl Debug) -> Vec<String> {
    let shown = format!("{rules:#?}");
    let is_line = |text: &&str| text.trim_start().starts_with("line: ");
    let mut values: Vec<_> =
        shown.lines().filter(|text| !is_line(text)).map(str::to_owned).collect();
    values.sort_unstable();
    values
}

/// Target of a ban.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum On {
    Jid(BareJid),
    Domain(String),
    Network(IpNet),
}

/// Target and scope of a ban, to find out whether another one covers it.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    pub(super) on: On,
    /// Pattern of the rooms; `None`: all rooms.
    pub(super) rooms: Option<String>,
    /// End of the ban; `None`: never.
    pub(super) until: Option<Timestamp>,
    pub(super) line: u32,
    pub(super) place: Place,
}

impl Reach {
    /// Returns whether this ban applies to all rooms and times of the other. Targets are not compared.
    fn covers(&self, other: &Self) -> bool {
        let rooms = self.rooms.is_none() || self.rooms == other.rooms;
        let until = self.until.is_none_or(|end| other.until.is_some_and(|other| other <= end));
        rooms && until
    }
}

/// Reports each ban that another one makes redundant. A ban on an account also applies to operators and to people whom
/// exceptions exempt from bans, so only another ban on the same account covers it.
pub(super) fn note_redundant_bans(notes: &Diagnostics<'_>, bans: &[Reach]) {
    let mut by_whom: HashMap<&On, Vec<usize>> = HashMap::new();
    for (at, ban) in bans.iter().enumerate() {
        by_whom.entry(&ban.on).or_default().push(at);
    }
    for (at, ban) in bans.iter().enumerate() {
        let whom = wider(&ban.on);
        let candidates = whom.iter().filter_map(|on| by_whom.get(on)).flatten();
        let covering = candidates
            .filter(|other| **other != at)
            .filter_map(|other| Some((*other, bans.get(*other)?)))
            // Of two that cover one another, the second has no effect.
            .find(|(other, wide)| wide.covers(ban) && (*other < at || !ban_covers_back(ban, wide)));
        if let Some((_, wide)) = covering {
            notes.warning(
                ban.place.clone(),
                "ban",
                format!("the ban at line {} covers this one, which has no effect", wide.line),
                Some("delete it".to_owned()),
            );
        }
    }
}

fn ban_covers_back(ban: &Reach, wide: &Reach) -> bool {
    ban.on == wide.on && ban.covers(wide)
}

/// Returns the target itself and, for a network, every larger network that contains it.
fn wider(on: &On) -> Vec<On> {
    let mut all = vec![on.clone()];
    if let On::Network(network) = on {
        let mut wide = *network;
        while let Some(wider) = wide.supernet() {
            all.push(On::Network(wider));
            wide = wider;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::overrides::Pattern;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    fn of(one: &str, other: &str) -> Option<String> {
        let services = [pattern("@conf.test").parts()];
        meet(&pattern(one).parts(), &pattern(other).parts(), &services)
    }

    #[test]
    fn two_patterns_meet_where_one_room_is_for_both() {
        for (one, other, room) in [
            ("*-board", "board-*", "board-board"),
            ("a*", "*a", "a"),
            ("a?", "?b", "ab"),
            ("tea", "tea", "tea"),
            ("a*c", "?b?", "abc"),
            ("[ab]c", "?c", "xc"),
            ("tea*", "*@conf.test", "tea@conf.test"),
            (r"\[acme\]*", "team-*", "[acme]team-"),
            ("ab?", "ab???????????", "abx@conf.test"),
        ] {
            assert!(of(one, other).is_some(), "{one} {other}");
            assert_eq!(of(other, one).is_some(), of(one, other).is_some());
            if !room.contains('@') {
                assert_eq!(of(one, other).as_deref(), Some(room), "{one} {other}");
            }
        }
        for (one, other) in [
            ("team-*", "board-*"),
            ("a?", "b?"),
            ("a*b", "b*a"),
            ("tea", "cup"),
            ("ab?", "ab??"),
            ("*@a.test", "*@b.test"),
            ("*-team1", "*-team2"),
            (r"\[acme\]*", r"\[evil\]*"),
        ] {
            assert_eq!(of(one, other), None, "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn what_meets_by_trying_meets(one in "[ab*?]{0,5}", other in "[ab*?]{0,5}") {
            prop_assume!(!one.is_empty() && !other.is_empty());
            let (a, b) = (pattern(&one), pattern(&other));
            let found = common(&a.parts(), &b.parts());
            let mut texts = vec![String::new()];
            for _ in 0..5 {
                let longer: Vec<String> = texts
                    .iter()
                    .flat_map(|text| ["a", "b", "x"].map(|c| format!("{text}{c}")))
                    .collect();
                texts.extend(longer);
                texts.sort();
                texts.dedup();
            }
            let tried = texts.iter().any(|text| a.is_match(text) && b.is_match(text));
            if let Some(text) = &found {
                prop_assert!(a.is_match(text) && b.is_match(text), "{}", text);
            }
            prop_assert!(found.is_some() || !tried);
        }
    }
}
