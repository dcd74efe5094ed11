//! Whom a ban is on, as a person types it.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::bans::canonical;
use super::mark::Mark;
use crate::jid::{BareJid, JidError, spellings};

/// Whom a ban is on, in the one spelling.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Banned {
    /// A bare JID.
    Jid(BareJid),
    /// A domain: all its users and no subdomain.
    Domain(String),
    /// A network, or one address.
    Network(IpNet),
    /// Everybody who has this mark, of a ticket, a token or an account, under any address.
    Mark(Mark),
}

/// What the text of a mark begins with.
const MARK: &str = "mark:";

impl Banned {
    /// Reads a JID, a domain, or a network, told apart by their form: only a JID has an `@`, and only a network is
    /// made of nothing but digits, dots, colons and a prefix length.
    ///
    /// # Errors
    /// It is none of them; what is wrong with it.
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

    /// Returns the target.
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
    use super::*;

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
