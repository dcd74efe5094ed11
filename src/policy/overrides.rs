//! Overrides: other rules for some rooms, found without trying each.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use globset::{Error, Glob, GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};
use sha2::{Digest as _, Sha256};

use super::Rules;
use super::record::Claim;
use super::room_name::RoomName;
use super::rules::lobby::Admission;
use super::rules::moderators::HostCode;
use crate::jid::{BareJid, folded};
use crate::setting::Setting;

/// Greatest number of claims that are kept with a room.
const MOST_CLAIMS: usize = 16;

/// An override: other rules for some rooms.
#[derive(Clone, Debug)]
pub struct Override {
    /// Rooms that it is for.
    pub selector: Selector,
    /// Breaks a tie between overrides that are equally specific: the greater wins.
    pub priority: u32,
    /// Name of the profile that it is laid over, if any.
    pub profile: Option<String>,
    /// 1-based line of its `[[room]]`.
    pub line: u32,
    /// The base rules with the profile's and the override's values in place.
    pub rules: Arc<Rules>,
}

/// Every override, the most specific first, with an index. Each is indexed by one of its selectors only; the
/// others are compared once it is found.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    all: Vec<Override>,
    services: Vec<String>,
    wanted: HashMap<String, HashSet<String>>,
    exact: HashMap<String, Vec<usize>>,
    /// By the beginning of the room's name.
    prefixes: HashMap<String, Vec<usize>>,
    /// Lengths of these beginnings, in bytes.
    lengths: Vec<usize>,
    tenants: HashMap<String, Vec<usize>>,
    claims: HashMap<Claim, Vec<usize>>,
    globs: GlobSet,
    globbed: Vec<usize>,
    /// Overrides that the index does not narrow down.
    any: Vec<usize>,
}

impl Overrides {
    /// Indexes these overrides, in any order, for the rooms of these services.
    ///
    /// # Errors
    /// The patterns are too large together.
    pub fn new(mut all: Vec<Override>, services: Vec<String>) -> Result<Self, Error> {
        let rank = |one: &Override| one.selector.specificity(one.priority);
        all.sort_by_cached_key(|one| (std::cmp::Reverse(rank(one)), one.line));
        let mut this = Self { services, ..Self::default() };
        let mut globs = GlobSetBuilder::new();
        for (at, one) in all.iter().enumerate() {
            for value in one.selector.claim.iter().flat_map(|(_, values)| values) {
                let name = one.selector.claim.as_ref().map(|(name, _)| name.clone());
                this.wanted.entry(name.unwrap_or_default()).or_default().insert(value.clone());
            }
            this.note(at, &one.selector, &mut globs)?;
        }
        this.lengths = this.prefixes.keys().map(String::len).collect();
        this.lengths.sort_unstable();
        this.lengths.dedup();
        this.globs = globs.build()?;
        this.all = all;
        Ok(this)
    }

    fn note(
        &mut self,
        at: usize,
        selector: &Selector,
        globs: &mut GlobSetBuilder,
    ) -> Result<(), Error> {
        let kind = selector.pattern.as_ref().map(|pattern| (pattern.kind(), pattern.as_str()));
        match (kind, &selector.tenant, &selector.claim) {
            (Some((Kind::Exact(name), _)), ..) => push(&mut self.exact, name.clone(), at),
            (_, Some(tenant), _) => push(&mut self.tenants, tenant.clone(), at),
            (_, _, Some((name, values))) => {
                for value in values {
                    push(&mut self.claims, (name.clone(), value.clone()), at);
                }
            }
            (Some((Kind::Prefix(prefix), _)), ..) => push(&mut self.prefixes, prefix.clone(), at),
            (Some((Kind::Glob(_), written)), ..) => {
                globs.add(glob(written)?);
                self.globbed.push(at);
            }
            (None, None, None) => self.any.push(at),
        }
        Ok(())
    }

    /// Returns the override for a room that a person with these claims opened.
    pub fn best(&self, room: &BareJid, claims: &[Claim]) -> Option<&Override> {
        if self.all.is_empty() {
            return None;
        }
        let (name, address) = (RoomName::of(room, &self.services), room.as_str());
        let mut best = usize::MAX;
        self.candidates(&name, address, claims, &mut |at| {
            let is_better = at < best
                && self.all.get(at).is_some_and(|one| one.selector.is_for(&name, address, claims));
            if is_better {
                best = at;
            }
        });
        self.all.get(best)
    }

    /// Returns every override that matches the room, the one that counts first.
    pub fn matching(&self, room: &BareJid, claims: &[Claim]) -> Vec<&Override> {
        let (name, address) = (RoomName::of(room, &self.services), room.as_str());
        self.all.iter().filter(|one| one.selector.is_for(&name, address, claims)).collect()
    }

    /// Returns every override, the most specific first.
    pub fn iter(&self) -> impl Iterator<Item = &Override> {
        self.all.iter()
    }

    /// Returns the rules of each override.
    pub(super) fn rules_mut(&mut self) -> impl Iterator<Item = &mut Arc<Rules>> {
        self.all.iter_mut().map(|one| &mut one.rules)
    }

    /// Returns the number of overrides.
    pub const fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns whether there are no overrides.
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns those claims of a person who opens a room that a selector names, sorted and without duplicates.
    pub fn wanted(&self, claims: &[Claim]) -> Vec<Claim> {
        let mut kept: Vec<Claim> =
            claims.iter().filter(|(name, value)| self.wants(name, value)).cloned().collect();
        kept.sort_unstable();
        kept.dedup();
        kept.truncate(MOST_CLAIMS);
        kept
    }

    /// Returns whether a selector names this claim.
    pub fn asks_for(&self, name: &str) -> bool {
        self.wanted.contains_key(name)
    }

    /// Returns whether a selector names this claim with this value.
    pub fn wants(&self, name: &str, value: &str) -> bool {
        self.wanted.get(name).is_some_and(|values| values.contains(value))
    }

    fn candidates(
        &self,
        room: &RoomName<'_>,
        address: &str,
        claims: &[Claim],
        see: &mut dyn FnMut(usize),
    ) {
        for name in room.spellings() {
            self.named(&name, see);
        }
        self.named(address, see);
        let by_tenant = room.tenant().and_then(|tenant| self.tenants.get(tenant));
        by_tenant.into_iter().flatten().copied().for_each(&mut *see);
        if !self.claims.is_empty() {
            let by_claim = claims.iter().filter_map(|claim| self.claims.get(claim));
            by_claim.flatten().copied().for_each(&mut *see);
        }
        self.any.iter().copied().for_each(see);
    }

    fn named(&self, name: &str, see: &mut dyn FnMut(usize)) {
        self.exact.get(name).into_iter().flatten().copied().for_each(&mut *see);
        let lengths = self.lengths.iter().take_while(|length| **length <= name.len());
        for prefix in lengths.filter_map(|length| name.get(..*length)) {
            self.prefixes.get(prefix).into_iter().flatten().copied().for_each(&mut *see);
        }
        if !self.globbed.is_empty() {
            let found = self.globs.matches(name);
            found.iter().filter_map(|at| self.globbed.get(*at)).copied().for_each(see);
        }
    }
}

fn push<K: Eq + std::hash::Hash>(map: &mut HashMap<K, Vec<usize>>, key: K, at: usize) {
    map.entry(key).or_default().push(at);
}

fn glob(written: &str) -> Result<Glob, Error> {
    GlobBuilder::new(written).literal_separator(false).build()
}

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A character that stands for itself.
    Literal(char),
    /// Any one character. A character class counts as this.
    One,
    /// Any text. A choice of several texts counts as this.
    Any,
}

/// A pattern for names of rooms, ready to be compared.
#[derive(Clone, Debug)]
pub struct Pattern {
    written: String,
    kind: Kind,
}

/// How a pattern is compared: nearly all are whole names, or beginnings of names.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Matches exactly this text.
    Exact(String),
    /// Matches every text with this prefix.
    Prefix(String),
    /// Matches by a pattern of any other form.
    Glob(Box<GlobMatcher>),
}

impl Pattern {
    /// Reads a pattern, normalised as the server normalises names of rooms: to lower case, among others.
    ///
    /// # Errors
    /// The text is no valid pattern.
    pub fn new(written: &str) -> Result<Self, Error> {
        let written = folded(written);
        let kind = match plain(&written) {
            Some(kind) => kind,
            None => {
                let glob = GlobBuilder::new(&written).literal_separator(false).build()?;
                Kind::Glob(Box::new(glob.compile_matcher()))
            }
        };
        Ok(Self { written, kind })
    }

    /// Returns the pattern as text, normalised.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Returns whether it matches one name only.
    pub const fn is_exact(&self) -> bool {
        matches!(self.kind, Kind::Exact(_))
    }

    /// Returns whether it matches this text.
    pub fn is_match(&self, text: &str) -> bool {
        match &self.kind {
            Kind::Exact(exact) => exact == text,
            Kind::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Kind::Glob(glob) => glob.is_match(text),
        }
    }

    /// Returns the number of characters that stand for themselves. What is inside `[…]` or `{…}` does not count.
    pub fn literals(&self) -> usize {
        match &self.kind {
            Kind::Exact(text) | Kind::Prefix(text) => text.chars().count(),
            Kind::Glob(_) => {
                self.parts().iter().filter(|part| matches!(part, Part::Literal(_))).count()
            }
        }
    }

    /// Returns the parts of the pattern.
    pub fn parts(&self) -> Vec<Part> {
        parts(&self.written)
    }

    pub(super) const fn kind(&self) -> &Kind {
        &self.kind
    }
}

/// Returns how a pattern is compared that needs no matcher: a name, or one with a `*` at its end. `None`: it needs one.
fn plain(written: &str) -> Option<Kind> {
    if written.contains(['?', '[', ']', '{', '}', '\\', '/']) {
        return None;
    }
    match written.split_once('*') {
        None => Some(Kind::Exact(written.to_owned())),
        Some((prefix, "")) => Some(Kind::Prefix(prefix.to_owned())),
        Some(_) => None,
    }
}

fn parts(written: &str) -> Vec<Part> {
    let mut parts = Vec::with_capacity(written.len());
    let mut chars = written.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => parts.extend(chars.next().map(Part::Literal)),
            '?' => parts.push(Part::One),
            '*' => {
                // `**/` and `/**` also match nothing.
                if chars.peek() == Some(&'*') && parts.last() == Some(&Part::Literal('/')) {
                    parts.pop();
                }
                while chars.next_if_eq(&'*').is_some() {
                    chars.next_if_eq(&'/');
                }
                parts.push(Part::Any);
            }
            '[' => {
                chars.next_if(|c| matches!(c, '!' | '^'));
                // Directly after the opening bracket, `]` is a member of the class.
                chars.next();
                chars.by_ref().take_while(|c| *c != ']').for_each(drop);
                parts.push(Part::One);
            }
            '{' => {
                let mut depth: usize = 1;
                while depth > 0 {
                    match chars.next() {
                        Some('\\') => drop(chars.next()),
                        Some('{') => depth = depth.saturating_add(1),
                        Some('}') => depth = depth.saturating_sub(1),
                        Some(_) => {}
                        None => break,
                    }
                }
                parts.push(Part::Any);
            }
            c => parts.push(Part::Literal(c)),
        }
    }
    parts
}

/// Selects the rooms that an override is for: all selectors that are given must match.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    /// Pattern for the room's name or its whole address.
    pub pattern: Option<Pattern>,
    /// Jitsi's tenant, in lower case.
    pub tenant: Option<String>,
    /// Domain of the MUC service.
    pub service: Option<String>,
    /// Name of a claim of the opener, and the values of which it must have one.
    pub claim: Option<(String, Vec<String>)>,
    /// Share of the rooms that it is for, in percent.
    pub share: Option<u32>,
}

/// How specific an override is: of several that match a room, the greatest counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Specificity {
    /// Number of characters of the pattern that stand for themselves.
    pub literals: usize,
    /// Whether the pattern matches one name only.
    pub exact: bool,
    /// Number of selectors in addition to the pattern.
    pub others: usize,
    /// Priority that the file gives it, to break a tie.
    pub priority: u32,
}

impl Selector {
    /// Returns how specific it is, with that priority.
    pub fn specificity(&self, priority: u32) -> Specificity {
        let others = [
            self.tenant.is_some(),
            self.service.is_some(),
            self.claim.is_some(),
            self.share.is_some(),
        ];
        Specificity {
            literals: self.pattern.as_ref().map_or(0, Pattern::literals),
            exact: self.pattern.as_ref().is_some_and(Pattern::is_exact),
            others: others.into_iter().filter(|given| *given).count(),
            priority,
        }
    }

    /// Returns whether it has no selector.
    pub const fn is_empty(&self) -> bool {
        let Self { pattern, tenant, service, claim, share } = self;
        pattern.is_none()
            && tenant.is_none()
            && service.is_none()
            && claim.is_none()
            && share.is_none()
    }

    /// Returns whether it matches a room (`address` as it was written) that a person with these claims opened.
    pub fn is_for(&self, room: &RoomName<'_>, address: &str, claims: &[Claim]) -> bool {
        let Self { pattern, tenant, service, claim, share } = self;
        tenant.as_ref().is_none_or(|tenant| room.tenant() == Some(tenant))
            && service.as_ref().is_none_or(|service| room.service == service)
            && claim.as_ref().is_none_or(|(name, values)| {
                claims.iter().any(|(other, value)| other == name && values.contains(value))
            })
            && pattern.as_ref().is_none_or(|pattern| {
                room.spellings().any(|name| pattern.is_match(&name)) || pattern.is_match(address)
            })
            && share.is_none_or(|share| self.draw(room) < share)
    }

    /// Returns a number from 0 to 99 for this room: always the same, and independent of other overrides. A larger share
    /// includes all rooms of a smaller one.
    fn draw(&self, room: &RoomName<'_>) -> u32 {
        let whole = Self { share: None, ..self.clone() };
        let text = format!("{}@{}\n{whole}", room.name, room.service);
        let hash = Sha256::digest(text);
        let number =
            hash.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        u32::try_from(number % 100).unwrap_or_default()
    }
}

/// Writes it as its author knows it: the pattern alone, or every selector by name.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pattern, tenant, service, claim, share } = self;
        let others = [
            tenant.as_ref().map(|tenant| format!("tenant {tenant}")),
            service.as_ref().map(|service| format!("service {service}")),
            claim.as_ref().map(|(name, values)| format!("claim {name} = {}", values.join(" or "))),
            share.map(|share| format!("share {share} %")),
        ];
        let parts = pattern.iter().map(|pattern| pattern.as_str().to_owned());
        f.write_str(&parts.chain(others.into_iter().flatten()).collect::<Vec<_>>().join(", "))
    }
}

impl Rules {
    /// Returns these rules as they are for a room from before the policy: without those presets that `base` has
    /// as well.
    pub(super) fn of_found(&self, base: &Self) -> Self {
        let mut kept = without_presets(self, base);
        if let (Some(observed), Some(of_base)) = (&self.observed, base.observed.as_deref()) {
            kept.observed = Some(Arc::new(without_presets(observed, of_base)));
        }
        kept
    }
}

fn without_presets(rules: &Rules, base: &Rules) -> Rules {
    let mut kept = rules.clone();
    let (password, of_base) = (&rules.password, &base.password);
    if !is_own(&password.required, &of_base.required) && !is_own(&password.source, &of_base.source)
    {
        Arc::make_mut(&mut kept.password).required.value = false;
        Arc::make_mut(&mut kept.close).hold_until.value.password = false;
    }
    let lobby = Arc::make_mut(&mut kept.lobby);
    if !is_own(&rules.lobby.admission, &base.lobby.admission) {
        lobby.by_room = true;
        lobby.admission.value = Admission::Password;
    }
    // A room that has owners is not without a moderator because none of them is there.
    if !is_own(&rules.close.hold_until, &base.close.hold_until) {
        Arc::make_mut(&mut kept.close).hold_until.value.moderator = false;
    }
    if !is_own(&rules.lobby.unattended, &base.lobby.unattended) {
        lobby.unattended.value = Vec::new();
    }
    if !is_own(&rules.moderators.code, &base.moderators.code) {
        Arc::make_mut(&mut kept.moderators).code.value = HostCode::Nowhere;
    }
    let moderators = &rules.moderators.succession_after;
    if !is_own(moderators, &base.moderators.succession_after) {
        Arc::make_mut(&mut kept.moderators).succession_after.value = None;
    }
    if !is_own(&rules.access.hidden, &base.access.hidden) {
        Arc::make_mut(&mut kept.access).hidden.value = None;
    }
    kept
}

/// Returns whether an override, or its profile, sets the value.
const fn is_own<T>(value: &Setting<T>, base: &Setting<T>) -> bool {
    value.line != base.line
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    const SERVICE: &str = "conf.test";

    fn selector() -> impl Strategy<Value = Selector> {
        let pattern = prop_oneof![
            "[ab]{1,3}",
            "[ab]{0,2}\\*",
            "[ab*?]{1,4}",
            Just("*@conf.test".to_owned()),
            Just("\\[t\\]*".to_owned()),
            Just("caf*".to_owned()),
            Just("café".to_owned()),
        ];
        let value = select(vec!["x", "y", "z"]).prop_map(str::to_owned);
        (
            option::weighted(0.7, pattern),
            option::weighted(0.3, select(vec!["t", "u"])),
            option::weighted(0.3, select(vec![SERVICE, "other.test"])),
            option::weighted(0.3, (select(vec!["c", "d"]), vec(value, 1..3))),
            option::weighted(0.2, 1_u32..=100),
        )
            .prop_map(|(pattern, tenant, service, claim, share)| Selector {
                pattern: pattern.map(|pattern| Pattern::new(&pattern).unwrap()),
                tenant: tenant.map(str::to_owned),
                service: service.map(str::to_owned),
                claim: claim.map(|(name, values)| (name.to_owned(), values)),
                share,
            })
    }

    fn overrides() -> impl Strategy<Value = Vec<Override>> {
        vec((selector(), 0_u32..3), 0..12).prop_map(|all| {
            let line = |at: usize| u32::try_from(at).unwrap();
            let one = |(at, (selector, priority)): (usize, (Selector, u32))| Override {
                selector,
                priority,
                profile: None,
                line: line(at),
                rules: Arc::default(),
            };
            all.into_iter().enumerate().map(one).collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_looked_up_is_what_is_found_by_trying_each(
            all in overrides(),
            name in "[ab]{1,4}|\\[[tu]\\][ab]{1,3}|caf%c3%a9|café|a%62",
            host in select(vec!["conf.test", "other.test", "conf.t.test"]),
            claims in vec((select(vec!["c", "d"]), select(vec!["x", "y"])), 0..3),
        ) {
            let claims: Vec<Claim> =
                claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let services = vec![SERVICE.to_owned(), "other.test".to_owned()];
            let Ok(room) = format!("{name}@{host}").parse::<BareJid>() else { return Ok(()) };
            let room_name = RoomName::of(&room, &services);
            let naive = all
                .iter()
                .filter(|one| one.selector.is_for(&room_name, room.as_str(), &claims))
                .max_by_key(|one| (one.selector.specificity(one.priority), std::cmp::Reverse(one.line)))
                .map(|one| one.line);
            let overrides = Overrides::new(all.clone(), services.clone()).unwrap();
            prop_assert_eq!(overrides.best(&room, &claims).map(|one| one.line), naive);
            let first = overrides.matching(&room, &claims).first().map(|one| one.line);
            prop_assert_eq!(first, naive);
            let kept = overrides.wanted(&claims);
            prop_assert_eq!(overrides.best(&room, &kept).map(|one| one.line), naive);
        }
    }

    #[test]
    fn overrides_are_counted_listed_and_asked_which_claims_they_want() {
        let none = Overrides::default();
        assert!(none.is_empty() && none.iter().next().is_none());
        let claim = Some(("group".to_owned(), vec!["board".to_owned()]));
        let of = |line, selector| Override {
            selector,
            priority: 0,
            profile: None,
            line,
            rules: Arc::default(),
        };
        let all = vec![
            of(3, Selector { claim, ..Selector::default() }),
            of(5, Selector { pattern: Pattern::new("tea").ok(), ..Selector::default() }),
        ];
        let mut two = Overrides::new(all, Vec::new()).unwrap();
        assert!(!two.is_empty() && two.len() == 2);
        assert_eq!(two.iter().map(|one| one.line).collect::<Vec<_>>(), [5, 3]);
        assert!(two.asks_for("group") && !two.asks_for("email"));
        two.rules_mut()
            .for_each(|rules| Arc::make_mut(&mut Arc::make_mut(rules).password).required.line = 77);
        assert!(two.iter().all(|one| one.rules.password.required.line == 77));
    }

    #[test]
    fn only_characters_that_stand_for_themselves_are_counted() {
        for (pattern, count) in [
            ("board-*", 6),
            ("*", 0),
            ("board-[0-9]?", 6),
            ("{a,bc}x", 1),
            (r"a\*b", 3),
            ("[]a]b", 1),
            (r"\[acme\]*", 6),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().literals(), count, "{pattern}");
        }
    }

    #[test]
    fn names_and_beginnings_are_compared_without_a_matcher() {
        let kind = |pattern| Pattern::new(pattern).unwrap().kind;
        assert!(matches!(kind("Tea"), Kind::Exact(text) if text == "tea"));
        assert!(matches!(kind("tea-*"), Kind::Prefix(text) if text == "tea-"));
        for other in ["*tea", "te?", "t[ea]", "{tea,cup}", r"\*", "te**"] {
            assert!(matches!(kind(other), Kind::Glob(_)), "{other}");
        }
    }

    #[test]
    fn a_pattern_is_a_pattern_of_the_crate() {
        let tries = ["", "tea", "tea-1", "[acme]tea", "a*b", "team/x", "cup"];
        for pattern in ["*", "tea", "tea*", "te?", r"\[acme\]*", "{tea,cup}", r"a\*b", "**", "t**"]
        {
            let ours = Pattern::new(pattern).unwrap();
            let glob = Glob::new(pattern).unwrap().compile_matcher();
            for text in tries {
                assert_eq!(ours.is_match(text), glob.is_match(text), "{pattern} {text}");
            }
        }
        assert!(Pattern::new("a[").is_err() && Pattern::new("a}").is_err());
    }

    #[test]
    fn a_name_is_exact_and_a_beginning_is_not() {
        assert!(Pattern::new("tea").unwrap().is_exact());
        assert!(!Pattern::new("tea*").unwrap().is_exact());
    }

    #[test]
    fn between_slashes_two_stars_also_stand_for_nothing() {
        let parts = |written| Pattern::new(written).unwrap().parts();
        let a = Part::Literal('a');
        assert_eq!(parts("a/**"), [a, Part::Any]);
        assert_eq!(parts("a/*"), [a, Part::Literal('/'), Part::Any]);
        assert_eq!(parts("a**"), [a, Part::Any]);
        assert_eq!(parts("aa*"), [a, a, Part::Any]);
    }

    fn room(name: &str) -> RoomName<'_> {
        RoomName { name: name.into(), service: "conference.example.org" }
    }

    fn share(percent: u32) -> Selector {
        Selector { share: Some(percent), ..Selector::default() }
    }

    #[test]
    fn a_share_is_a_share_and_grows_without_letting_go() {
        let names: Vec<String> = (0..2000).map(|n| format!("room{n}")).collect();
        let of = |selector: &Selector| -> Vec<&str> {
            let has = |name: &&String| selector.is_for(&room(name), "", &[]);
            names.iter().filter(has).map(String::as_str).collect()
        };
        let (tenth, third) = (of(&share(10)), of(&share(33)));
        assert!((140..260).contains(&tenth.len()), "{}", tenth.len());
        assert!((560..760).contains(&third.len()), "{}", third.len());
        assert!(tenth.iter().all(|name| third.contains(name)));
        assert_eq!(of(&share(100)).len(), names.len());

        let other = Selector { pattern: Pattern::new("room*").ok(), ..share(10) };
        assert_ne!(of(&other), tenth);
    }

    #[test]
    fn a_share_holds_so_many_of_the_hundred_numbers() {
        let drawn = Selector::default().draw(&room("tea"));
        assert!(!share(drawn).is_for(&room("tea"), "", &[]));
        assert!(share(drawn + 1).is_for(&room("tea"), "", &[]));
    }

    #[test]
    fn a_share_never_moves() {
        // Fixed numbers: every version has to draw the same rooms.
        let drawn: Vec<u32> =
            ["tea", "board", "[acme]tea"].map(|name| share(1).draw(&room(name))).into();
        assert_eq!(drawn, [58, 38, 27]);
    }

    #[test]
    fn every_selector_has_to_hold() {
        let all = Selector {
            pattern: Pattern::new("tea*").ok(),
            tenant: Some("acme".to_owned()),
            service: Some("conference.example.org".to_owned()),
            claim: Some(("group".to_owned(), vec!["board".to_owned(), "staff".to_owned()])),
            share: Some(100),
        };
        let claims = [("group".to_owned(), "staff".to_owned())];
        let tea = room("[acme]tea-1");
        assert!(all.is_for(&tea, "", &claims));
        assert!(!all.is_for(&tea, "", &[]));
        assert!(!all.is_for(&tea, "", &[("group".to_owned(), "guests".to_owned())]));
        assert!(!all.is_for(&room("[evil]tea-1"), "", &claims));
        assert!(!all.is_for(&room("tea-1"), "", &claims));
        assert!(!all.is_for(&room("[acme]cup"), "", &claims));
        assert!(!all.is_for(&RoomName { service: "elsewhere.test", ..tea }, "", &claims));
        assert!(!Selector { share: Some(0), ..all }.is_for(&room("[acme]tea-1"), "", &claims));
    }

    #[test]
    fn a_selector_is_empty_only_when_it_says_nothing_at_all() {
        assert!(Selector::default().is_empty());
        let one = Selector::default;
        for selector in [
            Selector { pattern: Pattern::new("tea").ok(), ..one() },
            Selector { tenant: Some("acme".to_owned()), ..one() },
            Selector { service: Some("rooms.test".to_owned()), ..one() },
            Selector { claim: Some(("group".to_owned(), Vec::new())), ..one() },
            share(50),
        ] {
            assert!(!selector.is_empty(), "{selector:?}");
        }
    }
}
