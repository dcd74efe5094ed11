//! The overrides of a file, found without trying each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use globset::{Error, Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use super::Rules;
use super::pattern::Kind;
use super::room_name::RoomName;
use super::selector::{Claim, Selector};
use crate::jid::BareJid;

/// The most claims that are kept with a room.
const MOST_CLAIMS: usize = 16;

/// Other rules for some rooms.
#[derive(Clone, Debug)]
pub struct Override {
    /// For which.
    pub selector: Selector,
    /// Breaks a tie between two that are as specific as each other.
    pub priority: u32,
    /// The profile that it is laid over, by name.
    pub profile: Option<String>,
    /// The 1-based line of the `[[room]]`.
    pub line: u32,
    /// The base rules with the profile's and the override's values in place.
    pub rules: Arc<Rules>,
}

/// Every override, the most specific first, and where to look for them. An override is looked for by one
/// of its selectors only; the others are compared then.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    all: Vec<Override>,
    services: Vec<String>,
    wanted: HashMap<String, HashSet<String>>,
    exact: HashMap<String, Vec<usize>>,
    /// By the beginning of the name.
    prefixes: HashMap<String, Vec<usize>>,
    /// The lengths of these beginnings, in bytes.
    lengths: Vec<usize>,
    tenants: HashMap<String, Vec<usize>>,
    claims: HashMap<Claim, Vec<usize>>,
    globs: GlobSet,
    globbed: Vec<usize>,
    /// Those that any room may be for.
    any: Vec<usize>,
}

impl Overrides {
    /// These overrides, in any order, for the rooms of these services.
    ///
    /// # Errors
    /// The patterns are too much together.
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

    /// The override for a room that a person with these claims opened.
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

    /// Every override for that room, the one that counts first.
    pub fn matching(&self, room: &BareJid, claims: &[Claim]) -> Vec<&Override> {
        let (name, address) = (RoomName::of(room, &self.services), room.as_str());
        self.all.iter().filter(|one| one.selector.is_for(&name, address, claims)).collect()
    }

    /// Every override, the most specific first.
    pub fn iter(&self) -> impl Iterator<Item = &Override> {
        self.all.iter()
    }

    /// The rules of each.
    pub(super) fn rules_mut(&mut self) -> impl Iterator<Item = &mut Arc<Rules>> {
        self.all.iter_mut().map(|one| &mut one.rules)
    }

    /// Returns how many there are.
    pub const fn len(&self) -> usize {
        self.all.len()
    }

    /// There is none.
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Of the claims of a person who opens a room, those that a selector names.
    pub fn wanted(&self, claims: &[Claim]) -> Vec<Claim> {
        let mut kept: Vec<Claim> =
            claims.iter().filter(|(name, value)| self.wants(name, value)).cloned().collect();
        kept.sort_unstable();
        kept.dedup();
        kept.truncate(MOST_CLAIMS);
        kept
    }

    /// A selector names this claim.
    pub fn asks_for(&self, name: &str) -> bool {
        self.wanted.contains_key(name)
    }

    /// A selector names this claim with this value.
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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::policy::pattern::Pattern;

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
}
