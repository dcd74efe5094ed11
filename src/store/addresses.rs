//! Masking of network addresses, by `store.addresses`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hmac::{Hmac, KeyInit as _, Mac as _};
use ipnet::{Ipv4Net, Ipv6Net};
use sha2::Sha256;

use crate::config::Addresses;

/// How the line of a decision writes an address. No other text in it can look like that, because quotation marks in
/// a text have a backslash before them.
const KEY: &str = r#""address":""#;

/// Masks network addresses.
#[derive(Clone)]
pub struct Mask {
    how: Addresses,
    /// Key of the hash.
    key: [u8; 32],
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mask").field(&self.how).finish()
    }
}

impl Default for Mask {
    fn default() -> Self {
        Self::new(Addresses::default(), [0; 32])
    }
}

impl Mask {
    /// Creates a mask; the key is used only where addresses are hashed.
    pub const fn new(how: Addresses, key: [u8; 32]) -> Self {
        Self { how, key }
    }

    /// Returns an address as it may be kept, or `None` if it may not.
    ///
    /// The result is an address again, so that decisions can be replayed: a shortened address is the first of its
    /// network (/24, or /48 of IPv6), a hashed one lies in `fd00::/8`, from which no client of a server connects.
    pub fn address(&self, address: IpAddr) -> Option<IpAddr> {
        let address = address.to_canonical();
        match self.how {
            Addresses::None => None,
            Addresses::Whole => Some(address),
            Addresses::Shorten => match address {
                IpAddr::V4(four) => Ipv4Net::new(four, 24).ok().map(|net| net.network().into()),
                IpAddr::V6(six) => Ipv6Net::new(six, 48).ok().map(|net| net.network().into()),
            },
            Addresses::Hash => {
                let mut hash = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
                match address {
                    IpAddr::V4(four) => hash.update(&Ipv4Addr::octets(&four)),
                    IpAddr::V6(six) => hash.update(&Ipv6Addr::octets(&six)),
                }
                let mut octets: [u8; 16] = hash.finalize().into_bytes().first_chunk().copied()?;
                if let Some(first) = octets.first_mut() {
                    *first = 0xfd;
                }
                Some(Ipv6Addr::from(octets).into())
            }
        }
    }

    /// Returns the line of a decision with every address in it masked.
    pub fn line(&self, line: String) -> String {
        if self.how == Addresses::Whole || !line.contains(KEY) {
            return line;
        }
        let mut pieces = line.split(KEY);
        let mut kept = String::with_capacity(line.len());
        kept.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let (address, rest) = piece.split_once('"').unwrap_or((piece, ""));
            kept.push_str(r#""address":"#);
            match address.parse().ok().and_then(|address| self.address(address)) {
                Some(address) => kept.push_str(&format!("\"{address}\"")),
                None => kept.push_str("null"),
            }
            kept.push_str(rest);
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(how: Addresses) -> Mask {
        Mask::new(how, [7; 32])
    }

    fn kept(how: Addresses, address: &str) -> Option<String> {
        mask(how).address(address.parse().unwrap()).map(|address| address.to_string())
    }

    #[test]
    fn an_address_is_kept_as_the_file_says() {
        for (given, short) in [
            ("192.0.2.77", "192.0.2.0"),
            ("::ffff:192.0.2.77", "192.0.2.0"),
            ("2001:db8:1:2:3::4", "2001:db8:1::"),
        ] {
            assert_eq!(kept(Addresses::Shorten, given).unwrap(), short);
            assert_eq!(kept(Addresses::None, given), None);
        }
        assert_eq!(kept(Addresses::Whole, "192.0.2.77").unwrap(), "192.0.2.77");
        let hashed = |address| kept(Addresses::Hash, address).unwrap();
        assert!(hashed("192.0.2.77").starts_with("fd"));
        assert_eq!(hashed("192.0.2.77"), hashed("::ffff:192.0.2.77"));
        assert_ne!(hashed("192.0.2.77"), hashed("192.0.2.78"));
        let other = Mask::new(Addresses::Hash, [8; 32]).address("192.0.2.77".parse().unwrap());
        assert_ne!(other.unwrap().to_string(), hashed("192.0.2.77"));
    }

    #[test]
    fn every_address_of_a_line_is_kept_like_that_and_no_other_text() {
        let nick = serde_json::to_string(r#"","address":"192.0.2.77""#).unwrap();
        let line =
            format!(r#"{{"nick":{nick},"a":{{"address":"192.0.2.77"}},"address":"2001:db8::1"}}"#);
        let short = mask(Addresses::Shorten).line(line.clone());
        assert_eq!(
            short,
            line.replace(r#":"192.0.2.77"}"#, r#":"192.0.2.0"}"#).replace("db8::1", "db8::")
        );
        let none = mask(Addresses::None).line(line.clone());
        assert_eq!(none, format!(r#"{{"nick":{nick},"a":{{"address":null}},"address":null}}"#));
        assert_eq!(mask(Addresses::Whole).line(line.clone()), line);
    }
}
