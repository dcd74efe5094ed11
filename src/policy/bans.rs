//! Bans of the operator's file, and the targets of bans.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use globset::GlobMatcher;
use ipnet::IpNet;
use jiff::Timestamp;

use super::fingerprint::Mark;
use super::room_name;
use crate::jid::{BareJid, JidError, spellings};

/// Where a ban comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The file, with the 1-based line.
    Line(u32),
    /// An operator's command while the component ran, with the id of the ban.
    Made(String),
}

/// One ban, without its target.
#[derive(Clone, Debug)]
pub struct Ban {
    /// Where the ban comes from.
    pub origin: Origin,
    /// When it ends; `None`: never.
    pub until: Option<Timestamp>,
    /// Rooms that it is for, by name; `None`: all.
    pub rooms: Option<GlobMatcher>,
    /// Reason, for the operator.
    pub reason: String,
}

impl Ban {
    /// Returns its line in the file, or 0 if it is in no file.
    pub const fn line(&self) -> u32 {
        match self.origin {
            Origin::Line(line) => line,
            Origin::Made(_) => 0,
        }
    }

    fn holds(&self, room: &str, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
            && self.rooms.as_ref().is_none_or(|rooms| {
                room_name::spellings(room).any(|spelling| rooms.is_match(&*spelling))
            })
    }
}

/// A set of bans, found by their targets.
#[derive(Clone, Debug, Default)]
pub struct Bans {
    /// By bare JID, with each spelling of its domain, as in `domains`.
    jids: HashMap<BareJid, Vec<Ban>>,
    domains: HashMap<String, Vec<Ban>>,
    /// By prefix length, so that a look-up costs at most one probe per length in use.
    networks: Vec<(u8, bool, HashMap<IpAddr, Vec<Ban>>)>,
    marks: HashMap<Mark, Vec<Ban>>,
    lines: Vec<u32>,
}

impl Bans {
    /// Returns whether there are no bans.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns the line of each ban; 0 for one that is in no file.
    pub fn lines(&self) -> impl Iterator<Item = u32> {
        self.lines.iter().copied()
    }

    /// Adds a ban on this target.
    pub fn ban(&mut self, whom: Banned, ban: Ban) {
        match whom {
            Banned::Jid(jid) => self.ban_jid(jid, ban),
            Banned::Domain(domain) => self.ban_domain(&domain, ban),
            Banned::Network(network) => self.ban_network(network, ban),
            Banned::Mark(mark) => {
                self.lines.push(ban.line());
                self.marks.entry(mark).or_default().push(ban);
            }
        }
    }

    /// Adds a ban on a bare JID, however its domain is spelt.
    pub fn ban_jid(&mut self, jid: BareJid, ban: Ban) {
        self.lines.push(ban.line());
        for jid in jid.spellings() {
            self.jids.entry(jid).or_default().push(ban.clone());
        }
    }

    /// Adds a ban on a domain, however it is spelt: on all its users and no subdomain.
    pub fn ban_domain(&mut self, domain: &str, ban: Ban) {
        self.lines.push(ban.line());
        for domain in spellings(domain) {
            self.domains.entry(domain).or_default().push(ban.clone());
        }
    }

    /// Adds a ban on a network.
    pub fn ban_network(&mut self, network: IpNet, ban: Ban) {
        self.lines.push(ban.line());
        let network = canonical(network.trunc());
        let key = (network.prefix_len(), matches!(network, IpNet::V4(_)));
        let at = self.networks.iter().position(|(len, v4, _)| (*len, *v4) == key);
        let at = at.unwrap_or_else(|| {
            self.networks.push((key.0, key.1, HashMap::new()));
            self.networks.len().saturating_sub(1)
        });
        if let Some((_, _, map)) = self.networks.get_mut(at) {
            map.entry(network.network()).or_default().push(ban);
        }
    }

    /// Returns the first ban on exactly this target, in force or not.
    pub fn just_on(&self, whom: &Banned) -> Option<&Ban> {
        let bans = match whom {
            Banned::Jid(jid) => self.jids.get(jid),
            Banned::Domain(domain) => self.domains.get(domain),
            Banned::Network(network) => self.networks.iter().find_map(|(len, v4, map)| {
                let is_so = (*len, *v4) == (network.prefix_len(), network.addr().is_ipv4());
                is_so.then(|| map.get(&network.addr())).flatten()
            }),
            Banned::Mark(mark) => self.marks.get(mark),
        };
        bans?.first()
    }

    /// Returns the ban in force on this account itself, for people exempt from bans on domains and networks.
    pub fn on_account(&self, jid: &BareJid, room: &str, now: Timestamp) -> Option<&Ban> {
        find(self.jids.get(jid), room, now)
    }

    /// Returns whether any ban is on a fingerprint.
    pub fn have_marks(&self) -> bool {
        !self.marks.is_empty()
    }

    /// Returns the ban in force on one of these fingerprints.
    pub fn on_marks(
        &self,
        marks: impl IntoIterator<Item = Mark>,
        room: &str,
        now: Timestamp,
    ) -> Option<&Ban> {
        marks.into_iter().find_map(|mark| find(self.marks.get(&mark), room, now))
    }

    /// Returns the ban that keeps this requester out of the room of that name now, if any.
    pub fn on(
        &self,
        jid: &BareJid,
        address: Option<IpAddr>,
        room: &str,
        now: Timestamp,
    ) -> Option<&Ban> {
        find(self.jids.get(jid), room, now)
            .or_else(|| find(self.domains.get(jid.domain()), room, now))
            .or_else(|| {
                let address = address?.to_canonical();
                self.networks.iter().find_map(|(len, v4, map)| {
                    if *v4 != address.is_ipv4() {
                        return None;
                    }
                    let network = IpNet::new(address, *len).ok()?.network();
                    find(map.get(&network), room, now)
                })
            })
    }
}

/// Returns an IPv4 network for one that is written as IPv6 (RFC 4291 §2.5.5.2), any other as it is: addresses are
/// compared in that form.
pub fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(six) = network else { return network };
    six.addr()
        .to_ipv4_mapped()
        .zip(six.prefix_len().checked_sub(96))
        .and_then(|(address, len)| IpNet::new(address.into(), len).ok())
        .unwrap_or(network)
}

fn find<'a>(bans: Option<&'a Vec<Ban>>, room: &str, now: Timestamp) -> Option<&'a Ban> {
    bans?.iter().find(|ban| ban.holds(room, now))
}

/// Target of a ban, in its canonical spelling.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Banned {
    /// A bare JID.
    Jid(BareJid),
    /// A domain: all its users and no subdomain.
    Domain(String),
    /// A network, or one address.
    Network(IpNet),
    /// Everybody with this fingerprint, of a ticket, a token or an account, under any address.
    Mark(Mark),
}

/// Prefix of a fingerprint when a target is written as text.
const MARK: &str = "mark:";

impl Banned {
    /// Reads a JID, a domain, a network or a fingerprint, told apart by their form: only a JID has an `@`, and only a
    /// network is made of nothing but digits, dots, colons and a prefix length.
    ///
    /// # Errors
    /// The text is none of them; the error says what is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(mark) = text.strip_prefix(MARK) {
            let mark = Mark::try_from(mark.to_owned());
            return mark.map(Self::Mark).map_err(|error| format!("`{text}` is no mark: {error}"));
        }
        if text.contains('@') {
            return match BareJid::prepared(text) {
                Ok(jid) => Ok(Self::Jid(jid.spellings().swap_remove(0))),
                Err(JidError::Resource(bare)) => {
                    Err(format!("`{text}` has a resource: write `{bare}`"))
                }
                Err(error @ JidError::Unassigned(..)) => Err(format!(
                    "`{text}` is no JID: {error}. Nobody of such an address is let in: anyone who is inside already is removed \
                     with `vestibule remove`"
                )),
                Err(error) => Err(format!("`{text}` is no JID: {error}")),
            };
        }
        let network = text.parse::<IpNet>();
        if let Ok(network) = network.or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
            return Ok(Self::Network(canonical(network.trunc())));
        }
        let is_digit = |c: char| c.is_ascii_hexdigit() || ".:/[]%".contains(c);
        let is_like_network = text.contains([':', '/'])
            || text.chars().all(|c| c.is_ascii_digit() || c == '.') && !text.is_empty();
        if is_like_network && text.chars().all(is_digit) {
            return Err(format!(
                "`{text}` is no network: write it like `192.0.2.0/24`, `2001:db8::/32` or `192.0.2.7`"
            ));
        }
        match BareJid::prepared(text) {
            Ok(jid) if jid.node().is_none() => {
                Ok(Self::Domain(spellings(jid.domain()).swap_remove(0)))
            }
            _ => Err(format!(
                "`{text}` is nobody: give a JID (`bob@example.org`), a domain (`example.org`) or a network (`192.0.2.0/24`)"
            )),
        }
    }

    /// Returns the kind of target: `jid`, `domain`, `network` or `mark`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Jid(_) => "jid",
            Self::Domain(_) => "domain",
            Self::Network(_) => "network",
            Self::Mark(_) => "mark",
        }
    }
}

impl fmt::Display for Banned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jid(jid) => jid.fmt(f),
            Self::Domain(domain) => f.write_str(domain),
            Self::Mark(mark) => write!(f, "{MARK}{}", String::from(*mark)),
            Self::Network(network) if network.prefix_len() == network.max_prefix_len() => {
                network.addr().fmt(f)
            }
            Self::Network(network) => network.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use globset::Glob;
    use jiff::SignedDuration;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn ban(line: u32) -> Ban {
        Ban { origin: Origin::Line(line), until: None, rooms: None, reason: String::new() }
    }

    fn jid(text: &str) -> BareJid {
        BareJid::from_str(text).unwrap()
    }

    /// Returns the line of the ban on a person at that address.
    fn at(bans: &Bans, address: &str) -> Option<u32> {
        let address = Some(address.parse().unwrap());
        bans.on(&jid("bob@example.org"), address, "tea", NOW).map(Ban::line)
    }

    /// Returns the line of the ban on that JID.
    fn of(bans: &Bans, who: &str, room: &str, now: Timestamp) -> Option<u32> {
        bans.on(&jid(who), None, room, now).map(Ban::line)
    }

    #[test]
    fn a_network_bans_its_addresses_and_no_others() {
        let mut bans = Bans::default();
        bans.ban_network("192.0.2.77/26".parse().unwrap(), ban(1));
        bans.ban_network("203.0.113.9/32".parse().unwrap(), ban(2));
        bans.ban_network("2001:db8:1::/48".parse().unwrap(), ban(3));
        for (address, line) in [
            ("192.0.2.64", Some(1)),
            ("192.0.2.127", Some(1)),
            ("192.0.2.63", None),
            ("192.0.2.128", None),
            ("203.0.113.9", Some(2)),
            ("203.0.113.8", None),
            ("2001:db8:1:ffff::1", Some(3)),
            ("2001:db8:2::1", None),
        ] {
            assert_eq!(at(&bans, address), line, "{address}");
        }
    }

    #[test]
    fn an_ipv4_address_is_the_same_however_it_is_written() {
        let mut bans = Bans::default();
        bans.ban_network("192.0.2.0/24".parse().unwrap(), ban(1));
        bans.ban_network("::ffff:198.51.100.0/120".parse().unwrap(), ban(2));
        for (address, line) in [
            ("192.0.2.1", Some(1)),
            ("::ffff:192.0.2.1", Some(1)),
            ("198.51.100.1", Some(2)),
            ("::ffff:198.51.100.1", Some(2)),
            ("198.51.101.1", None),
        ] {
            assert_eq!(at(&bans, address), line, "{address}");
        }
    }

    #[test]
    fn all_of_one_family_is_nothing_of_the_other() {
        let mut bans = Bans::default();
        bans.ban_network("0.0.0.0/0".parse().unwrap(), ban(1));
        assert_eq!(at(&bans, "203.0.113.1"), Some(1));
        assert_eq!(at(&bans, "2001:db8::1"), None);
        let mut bans = Bans::default();
        bans.ban_network("::/0".parse().unwrap(), ban(2));
        assert_eq!(at(&bans, "203.0.113.1"), None);
        assert_eq!(at(&bans, "2001:db8::1"), Some(2));
    }

    #[test]
    fn who_has_no_address_is_not_in_a_network() {
        let mut bans = Bans::default();
        bans.ban_network("0.0.0.0/0".parse().unwrap(), ban(1));
        assert_eq!(of(&bans, "bob@example.org", "tea", NOW), None);
    }

    #[test]
    fn a_domain_is_found_in_whatever_case_it_was_written() {
        let mut bans = Bans::default();
        bans.ban(Banned::read("Bücher.EXAMPLE").unwrap(), ban(1));
        assert_eq!(of(&bans, "a@bücher.example", "tea", NOW), Some(1));
        assert_eq!(of(&bans, "a@xn--bcher-kva.example", "tea", NOW), Some(1));
        assert_eq!(of(&bans, "a@sub.bücher.example", "tea", NOW), None);
    }

    #[test]
    fn a_ban_ends_at_its_moment_and_not_before() {
        let second = SignedDuration::from_secs(1);
        let mut bans = Bans::default();
        bans.ban_jid(jid("bob@example.org"), Ban { until: Some(NOW), ..ban(1) });
        assert_eq!(of(&bans, "bob@example.org", "tea", NOW - second), Some(1));
        assert_eq!(of(&bans, "bob@example.org", "tea", NOW), None);
    }

    #[test]
    fn a_ban_that_is_over_does_not_hide_one_that_holds() {
        let mut bans = Bans::default();
        let board = Glob::new("board-*").unwrap().compile_matcher();
        bans.ban_jid(jid("bob@example.org"), Ban { until: Some(NOW), ..ban(1) });
        bans.ban_jid(jid("bob@example.org"), Ban { rooms: Some(board), ..ban(2) });
        bans.ban_domain("example.org", ban(3));
        assert_eq!(of(&bans, "bob@example.org", "board-1", NOW), Some(2));
        assert_eq!(of(&bans, "bob@example.org", "tea", NOW), Some(3));
    }

    #[test]
    fn two_networks_of_one_length_are_both_kept() {
        let mut bans = Bans::default();
        bans.ban_network("192.0.2.0/24".parse().unwrap(), ban(1));
        bans.ban_network("198.51.100.0/24".parse().unwrap(), ban(2));
        assert_eq!(at(&bans, "192.0.2.1"), Some(1));
        assert_eq!(at(&bans, "198.51.100.1"), Some(2));
    }

    #[test]
    fn a_ban_is_on_the_domain_in_both_spellings_and_on_nothing_else() {
        for (domain, whom) in [
            ("bücher.example", "mallory@bücher.example"),
            ("xn--bcher-kva.example", "mallory@xn--bcher-kva.example"),
        ] {
            let mut bans = Bans::default();
            bans.ban_domain(domain, ban(1));
            bans.ban_jid(jid(whom), ban(2));
            assert_eq!(bans.lines().collect::<Vec<_>>(), [1, 2]);
            let line = |stamped: &str| {
                let jid = BareJid::stamped(stamped).unwrap();
                bans.on(&jid, None, "tea", NOW).map(Ban::line)
            };
            for spelling in ["bücher.example", "xn--bcher-kva.example"] {
                assert_eq!(line(&format!("a@{spelling}")), Some(1));
                assert_eq!(line(&format!("mallory@{spelling}/x")), Some(2));
                assert_eq!(line(&format!("{spelling}/x")), Some(1));
            }
            // The gate refuses these before it asks the component.
            for other in ["a@BÜCHER.example", "a@bücher.example.", "a@b\u{1D58}cher.example"] {
                assert_eq!(line(other), None, "{other}");
            }
        }
    }

    #[test]
    fn each_ban_is_named_by_its_line() {
        let mut bans = Bans::default();
        bans.ban_jid(jid("bob@example.org"), ban(1));
        bans.ban_domain("spam.example", ban(2));
        bans.ban_network("192.0.2.0/24".parse().unwrap(), ban(3));
        let mut lines: Vec<_> = bans.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, [1, 2, 3]);
    }

    #[test]
    fn a_ban_is_found_by_just_whom_it_is_on() {
        let mut bans = Bans::default();
        assert!(bans.is_empty());
        bans.ban_jid(jid("bob@example.org"), ban(1));
        bans.ban_domain("spam.example", ban(2));
        bans.ban_network("192.0.2.0/24".parse().unwrap(), ban(3));
        assert!(!bans.is_empty());
        let on = |whom: &str| bans.just_on(&Banned::read(whom).unwrap()).map(Ban::line);
        for (whom, line) in [("bob@example.org", 1), ("spam.example", 2), ("192.0.2.0/24", 3)] {
            assert_eq!(on(whom), Some(line), "{whom}");
        }
        for whom in ["ann@example.org", "example.org", "192.0.2.0/25", "192.0.2.7", "2001:db8::/24"]
        {
            assert_eq!(on(whom), None, "{whom}");
        }
    }

    #[test]
    fn whom_a_ban_is_on_is_told_by_its_form_and_has_one_spelling() {
        for (typed, kind, read) in [
            ("Bob@Example.ORG", "jid", "bob@example.org"),
            (" mallory@evil.example. ", "jid", "mallory@evil.example"),
            ("a@xn--bcher-kva.example", "jid", "a@bücher.example"),
            ("Example.ORG.", "domain", "example.org"),
            ("localhost", "domain", "localhost"),
            ("192.0.2.77/26", "network", "192.0.2.64/26"),
            ("192.0.2.7", "network", "192.0.2.7"),
            ("192.0.2.7/32", "network", "192.0.2.7"),
            ("2001:DB8::/32", "network", "2001:db8::/32"),
            ("::ffff:192.0.2.0/120", "network", "192.0.2.0/24"),
            ("::1", "network", "::1"),
            ("mark:0123456789abcdef", "mark", "mark:0123456789abcdef"),
            ("face.b00c.example", "domain", "face.b00c.example"),
        ] {
            let banned = Banned::read(typed).unwrap();
            assert_eq!((banned.kind(), &*banned.to_string()), (kind, read), "{typed}");
            assert_eq!(Banned::read(&banned.to_string()), Ok(banned));
        }
    }

    #[test]
    fn what_is_nobody_is_refused_with_what_to_write() {
        for (typed, hint) in [
            ("bob@example.org/phone", "write `bob@example.org`"),
            ("@", "no JID"),
            ("192.0.2.0/33", "no network"),
            ("300.1.2.3", "no network"),
            ("2001:db8::zz/32", "nobody"),
            ("[::1]", "no network"),
            ("example.org/room", "nobody"),
            ("", "nobody"),
            ("two words", "nobody"),
            ("mark:0123", "no mark"),
        ] {
            let error = Banned::read(typed).unwrap_err();
            assert!(error.contains(hint), "{typed}: {error}");
        }
    }
}
