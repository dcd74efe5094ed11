//! For which rooms an override is, and which of two is the more specific.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::pattern::Pattern;
use super::room_name::RoomName;

/// A claim of a token: name and value.
pub type Claim = (String, String);

/// For which rooms an override is: all that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    /// The pattern for the room's name or its whole address.
    pub pattern: Option<Pattern>,
    /// Jitsi's tenant, in lower case.
    pub tenant: Option<String>,
    /// The domain of the MUC service.
    pub service: Option<String>,
    /// A claim of the opener, and its values of which one must be there.
    pub claim: Option<(String, Vec<String>)>,
    /// Holds for a share of the rooms, in percent.
    pub share: Option<u32>,
}

/// How specific an override is: of several that are for a room the greatest counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Specificity {
    /// Characters of the pattern that stand for themselves.
    pub literals: usize,
    /// The pattern is one name.
    pub exact: bool,
    /// The number of selectors in addition to the pattern.
    pub others: usize,
    /// Breaks a tie.
    pub priority: u32,
}

impl Selector {
    /// Returns how specific it is.
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

    /// It says nothing.
    pub const fn is_empty(&self) -> bool {
        let Self { pattern, tenant, service, claim, share } = self;
        pattern.is_none()
            && tenant.is_none()
            && service.is_none()
            && claim.is_none()
            && share.is_none()
    }

    /// It holds for a room (`address` as it was written) that a person with these claims opened.
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

    /// A number from 0 to 99 for this room: always the same, and by chance another for another override. A larger share
    /// has all rooms of a smaller one.
    fn draw(&self, room: &RoomName<'_>) -> u32 {
        let whole = Self { share: None, ..self.clone() };
        let text = format!("{}@{}\n{whole}", room.name, room.service);
        let hash = Sha256::digest(text);
        let number =
            hash.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        u32::try_from(number % 100).unwrap_or_default()
    }
}

/// As its writer knows it: the pattern alone, or every selector by name.
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

#[cfg(test)]
mod tests {
    use super::*;

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
        // Written down once: another version draws the same rooms.
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
