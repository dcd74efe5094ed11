//! XMPP addresses: opaque texts, compared byte by byte.
//!
//! The server prepares each address before it stamps it on a stanza (RFC 6122), and only the server's preparation
//! counts: two programs that prepare one address by different tables take one person for two, or two for one. So what
//! the server stamped ([`BareJid::stamped`]) is never changed here. What people write is prepared once, strictly
//! ([`BareJid::prepared`]): with the tables of RFC 3454, which refuse code points that Unicode 3.2 does not know.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::str::FromStr;

use idna::punycode;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smol_str::SmolStr;
use stringprep::tables::{case_fold_for_nfkc, commonly_mapped_to_nothing, unassigned_code_point};
use unicode_normalization::UnicodeNormalization as _;

/// Most bytes of a part of an address (RFC 6122 §2.1).
const LONGEST: usize = 1023;
/// Prefix of a domain label in punycode (A-label).
const PUNYCODE: &str = "xn--";
/// Most labels of a domain that have two spellings: the domain has one for each combination of them.
const MOST_INTERNATIONAL: usize = 6;

/// The address of an account, a room, or a domain: `node@domain` or `domain`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BareJid(SmolStr);

/// Why a text is not a bare JID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JidError {
    /// The text is not of the form of an address.
    #[error("it is not of the form `node@domain` or `domain`")]
    Form,
    /// The text is a full JID, with this bare JID.
    #[error("it has a resource, the bare JID `{0}` is meant")]
    Resource(BareJid),
    /// A part is longer than 1,023 bytes.
    #[error("the {0} is longer than {LONGEST} bytes")]
    Long(Part),
    /// A part is empty, or nothing of it is left after preparation.
    #[error("the {0} is empty")]
    Empty(Part),
    /// A part has a code point that is not in Unicode 3.2.
    #[error(
        "`{1}` (U+{code:04X}) in the {0} is not in Unicode 3.2, which addresses are limited to (RFC 6122)",
        code = u32::from(*.1)
    )]
    Unassigned(Part, char),
    /// The domain is no host name.
    #[error("`{0}` is no host name")]
    Host(String),
    /// A part has a code point, or an order of them, that it may not have.
    #[error("the {0} has what it may not have (RFC 6122): {1}")]
    Prohibited(Part, String),
}

/// A part of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Part {
    /// The part before the `@`.
    #[strum(to_string = "part before the `@`")]
    Node,
    /// The domain, after the `@` if there is one.
    Domain,
    /// The resource, after the `/`.
    Resource,
}

impl From<&BareJid> for SmolStr {
    fn from(jid: &BareJid) -> Self {
        jid.0.clone()
    }
}

impl BareJid {
    /// Returns the bare JID of an address that the server stamped, unchanged; `None` if it is not of the form of one.
    ///
    /// Use it for stanzas of the gate and what was written from them: records, logs, the audit database.
    pub fn stamped(text: &str) -> Option<Self> {
        let (node, domain, _) = split(text)?;
        if [node.unwrap_or_default(), domain].iter().any(|part| part.len() > LONGEST) {
            return None;
        }
        Some(Self::joined(node, domain))
    }

    /// Prepares what a person wrote, strictly (RFC 6122, with Unicode 3.2 only).
    ///
    /// # Errors
    /// When the text is not a bare JID.
    pub fn prepared(text: &str) -> Result<Self, JidError> {
        let (node, domain, resource) = split(text).ok_or(JidError::Form)?;
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        let domain = prepare(Part::Domain, domain)?;
        if !is_host(&domain) {
            return Err(JidError::Host(domain));
        }
        let node = node.map(|node| prepare(Part::Node, node)).transpose()?;
        let jid = Self::joined(node.as_deref(), &domain);
        if resource.is_some() { Err(JidError::Resource(jid)) } else { Ok(jid) }
    }

    fn joined(node: Option<&str>, domain: &str) -> Self {
        Self(match node {
            Some(node) => smol_str::format_smolstr!("{node}@{domain}"),
            None => SmolStr::new(domain),
        })
    }

    /// Returns the same address with each spelling of its domain, itself among them.
    pub fn spellings(&self) -> Vec<Self> {
        let all = spellings(self.domain());
        all.iter().map(|domain| Self::joined(self.node(), domain)).collect()
    }

    /// Returns the whole address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the part before the `@`, if there is one.
    pub fn node(&self) -> Option<&str> {
        self.0.split_once('@').map(|(node, _)| node)
    }

    /// Returns the domain.
    pub fn domain(&self) -> &str {
        self.0.split_once('@').map_or(&self.0, |(_, domain)| domain)
    }
}

/// Splits an address into node, domain and resource as Prosody's `util.jid.split` does. No part that exists is empty.
fn split(text: &str) -> Option<(Option<&str>, &str, Option<&str>)> {
    let (bare, resource) = match text.split_once('/') {
        Some((bare, resource)) => (bare, Some(resource)),
        None => (text, None),
    };
    let (node, domain) = match bare.split_once('@') {
        Some((node, domain)) => (Some(node), domain),
        None => (None, bare),
    };
    let is_whole = ![node, Some(domain), resource].contains(&Some("")) && !domain.contains('@');
    is_whole.then_some((node, domain, resource))
}

/// Prepares a part strictly, by the stringprep profile for it (RFC 6122).
///
/// # Errors
/// When the part has something that it may not have, is too long, or is empty.
pub fn prepare(part: Part, text: &str) -> Result<String, JidError> {
    if text.len() > LONGEST {
        return Err(JidError::Long(part));
    }
    // Before any mapping: newer tables would map a code point that was unknown then to a known letter.
    if let Some(unknown) = text.chars().find(|c| unassigned_code_point(*c)) {
        return Err(JidError::Unassigned(part, unknown));
    }
    let text: Cow<'_, str> = match text.contains(|c| corrected(c) != c) {
        true => text.chars().map(corrected).collect(),
        false => text.into(),
    };
    let prepared = match part {
        Part::Node => stringprep::nodeprep(&text),
        Part::Domain => stringprep::nameprep(&text),
        Part::Resource => stringprep::resourceprep(&text),
    };
    let prepared = prepared.map_err(|error| JidError::Prohibited(part, error.to_string()))?;
    match prepared.len() {
        0 => Err(JidError::Empty(part)),
        len if len > LONGEST => Err(JidError::Long(part)),
        _ => Ok(prepared.into_owned()),
    }
}

/// Prepares a pattern for room names as the server prepares the names: mapped and composed like a node, but nothing is
/// refused. Code points that Unicode 3.2 does not know stay.
pub fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let known = text.split_inclusive(unassigned_code_point);
    for run in known {
        let end = run.chars().next_back().filter(|c| unassigned_code_point(*c));
        let run = end.map_or(run, |end| run.strip_suffix(end).unwrap_or(run));
        let mapped = run.chars().map(corrected).filter(|c| !commonly_mapped_to_nothing(*c));
        out.extend(mapped.flat_map(case_fold_for_nfkc).nfkc());
        out.extend(end);
    }
    out
}

/// Returns what Unicode 3.2 maps ideographs to whose mapping was corrected later (Corrigendum 4).
const fn corrected(c: char) -> char {
    match c {
        '\u{2F868}' => '\u{2136A}',
        '\u{2F874}' => '\u{5F33}',
        '\u{2F91F}' => '\u{43AB}',
        '\u{2F95F}' => '\u{7AAE}',
        '\u{2F9BF}' => '\u{4D57}',
        _ => c,
    }
}

/// Returns each spelling of a prepared domain, in letters first: a label outside of ASCII is written as it is (U-label)
/// or in punycode (A-label, RFC 5890 §2.3.2.1), and a server may stamp either.
pub fn spellings(domain: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for (at, label) in domain.split('.').enumerate() {
        let dot = if at == 0 { "" } else { "." };
        let forms = forms(label);
        all = forms
            .iter()
            .flat_map(|form| all.iter().map(move |begin| format!("{begin}{dot}{form}")))
            .collect();
    }
    all
}

/// Returns the spellings of a label: in letters, and in punycode.
fn forms(label: &str) -> Vec<String> {
    if !label.is_ascii() {
        let coded = punycode::encode_str(label).map(|code| format!("{PUNYCODE}{code}"));
        return [Some(label.to_owned()), coded].into_iter().flatten().collect();
    }
    let letters = label.strip_prefix(PUNYCODE).and_then(punycode::decode_to_string);
    let is_other = |letters: &String| {
        !letters.is_ascii()
            && prepare(Part::Domain, letters).as_ref() == Ok(letters)
            && forms(letters).iter().any(|form| form == label)
    };
    letters.filter(is_other).into_iter().chain([label.to_owned()]).collect()
}

/// Returns whether a domain has labels of letters, digits, hyphens and underscores, or is an IPv6 address in brackets.
fn is_host(domain: &str) -> bool {
    let is_address = || {
        let address = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
    };
    let is_of_host = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_label = |label: &str| !label.is_empty() && label.chars().all(is_of_host);
    let is_international = |label: &&str| !label.is_ascii() || label.starts_with(PUNYCODE);
    let is_name = domain.split('.').all(is_label)
        && domain.split('.').filter(is_international).count() <= MOST_INTERNATIONAL;
    is_name || is_address()
}

impl FromStr for BareJid {
    type Err = JidError;

    fn from_str(text: &str) -> Result<Self, JidError> {
        Self::prepared(text)
    }
}

impl std::hash::Hash for BareJid {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for BareJid {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for BareJid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for BareJid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BareJid").field(&self.as_str()).finish()
    }
}

impl Serialize for BareJid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Reads an address as [`BareJid::stamped`] does.
impl<'de> Deserialize<'de> for BareJid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::stamped(&text).ok_or_else(|| de::Error::custom(format!("`{text}` is no JID")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_stamped_stays_as_it_is() {
        for (text, node, domain) in [
            ("ann@example.org/phone", Some("ann"), "example.org"),
            ("ann@example.org/a/b@c", Some("ann"), "example.org"),
            ("Ro\u{1D52}t@Localhost.", Some("Ro\u{1D52}t"), "Localhost."),
            ("example.org", None, "example.org"),
            ("example.org/x", None, "example.org"),
        ] {
            let jid = BareJid::stamped(text).unwrap();
            assert_eq!((jid.node(), jid.domain()), (node, domain));
            assert_eq!(jid.as_str(), text.split('/').next().unwrap());
        }
    }

    #[test]
    fn what_has_not_the_form_of_an_address_is_none() {
        let (long, longer) = ("a".repeat(1023), "a".repeat(1024));
        for wrong in ["", "@", "@b", "a@", "a@/x", "a@b/", "/x", "a@b@c", "@@", "a@@b", "@a@b"] {
            assert_eq!(BareJid::stamped(wrong), None, "{wrong}");
            assert!(BareJid::prepared(wrong).is_err(), "{wrong}");
        }
        assert!(BareJid::stamped(&format!("{long}@{long}/{longer}")).is_some());
        for wrong in [format!("{longer}@b"), format!("a@{longer}")] {
            assert_eq!(BareJid::stamped(&wrong), None);
            assert!(matches!(BareJid::prepared(&wrong), Err(JidError::Long(_))));
        }
    }

    #[test]
    fn what_people_write_is_prepared() {
        for (written, prepared) in [
            ("Ann@Example.ORG.", "ann@example.org"),
            ("JOSÉ@BÜCHER.example", "josé@bücher.example"),
            ("stra\u{DF}e@stra\u{DF}e.example", "strasse@strasse.example"),
            ("\u{FF41}nn@example.org", "ann@example.org"),
            ("an\u{AD}n@example.org", "ann@example.org"),
            ("[acme]tea@conference.example.org", "[acme]tea@conference.example.org"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("prosody_1.internal", "prosody_1.internal"),
        ] {
            assert_eq!(BareJid::prepared(written).unwrap().as_str(), prepared, "{written}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_why() {
        for (written, why) in [
            ("ro\u{1D52}t@localhost", "U+1D52"),
            ("tea@example.org/ann", "has a resource"),
            ("a b@example.org", "before the `@`"),
            ("two words", "is no host name"),
            ("a..b", "is no host name"),
            (".", "the domain is empty"),
            ("\u{AD}@example.org", "is empty"),
            ("a@*", "is no host name"),
            ("\u{1F389}@example.org", "Unicode 3.2"),
            ("a@\u{E9}.\u{E9}.\u{E9}.\u{E9}.\u{E9}.\u{E9}.\u{E9}", "is no host name"),
        ] {
            let error = BareJid::prepared(written).unwrap_err().to_string();
            assert!(error.contains(why), "{written}: {error}");
        }
    }

    #[test]
    fn a_domain_is_spelt_in_letters_and_in_punycode() {
        let both = ["bücher.example", "xn--bcher-kva.example"];
        for domain in both {
            assert_eq!(spellings(domain), both);
        }
        assert_eq!(spellings("example.org"), ["example.org"]);
        assert_eq!(spellings("é.é").len(), 4);
        // IDNA 2008 decodes the first, but Unicode 3.2 has another form for it; the others are no valid punycode.
        for only in ["xn--strae-oqa.example", "xn--a.example", "xn--.example", "xn--abc-.example"] {
            assert_eq!(spellings(only), [only]);
        }
    }

    #[test]
    fn a_pattern_is_as_the_server_has_the_names() {
        for (written, folded_to) in [
            ("Tea-*", "tea-*"),
            ("STRA\u{DF}E-{a,B}[0-9]", "strasse-{a,b}[0-9]"),
            ("\u{FF42}oard e\u{301}\u{AD}", "board \u{E9}"),
            ("\u{1F389}Stra\u{DF}e\u{1D52}", "\u{1F389}strasse\u{1D52}"),
            ("", ""),
        ] {
            assert_eq!(folded(written), folded_to);
            assert_eq!(folded(folded_to), folded_to);
        }
    }

    #[test]
    fn what_was_written_down_is_read_as_it_was_stamped() {
        let jid: BareJid = serde_json::from_str("\"Ro\u{1D52}t@localhost\"").unwrap();
        assert_eq!(jid.as_str(), "Ro\u{1D52}t@localhost");
        assert!(serde_json::from_str::<BareJid>("\"@\"").is_err());
    }
}
