//! The handshake (`hello`): what a gate and the component report to each other first.

use super::{LEVEL, NS, NS_FAMILY, VERSION, children};
use crate::jid::BareJid;
use crate::policy::logins::{Host, Hosts};
use crate::policy::messages::{GATE_WORDS, SHARED};
use crate::policy::rules::names::Name;
use crate::policy::texts::Texts;
use crate::policy::{Policy, Rules};
use crate::xmpp::element::{Element, ElementRef};

/// The handshake of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Version of the gate.
    pub gate: String,
    /// Name and version of the server.
    pub server: String,
    /// What the gate does while the component is away: `refuse` or `allow`.
    pub failure: String,
    /// Number of rooms that the gate's service has.
    pub rooms: u64,
    /// Hosts of the server.
    pub hosts: Hosts,
}

/// Why a handshake is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// The gate speaks this other version of the protocol.
    #[error(
        "the gate speaks version {0} of the gate protocol, this component version {VERSION}: install the mod_vestibule_gate that came with this component"
    )]
    Version(String),
    /// The gate speaks this other level of the same version.
    #[error(
        "gate and component are not of one release (the gate protocol, level {0} there and {LEVEL} here): install the mod_vestibule_gate that came with this component, and restart the server"
    )]
    Level(String),
}

impl Hello {
    /// Returns whether this is a handshake, of any version of the protocol.
    pub fn is_hello(element: ElementRef<'_>) -> bool {
        element.name() == "hello" && element.ns().starts_with(NS_FAMILY)
    }

    /// Reads a gate's handshake.
    ///
    /// # Errors
    /// When the gate speaks another version of the protocol, or another level of it.
    pub fn read(element: ElementRef<'_>) -> Result<Self, HelloError> {
        let theirs = element
            .attr("version")
            .or_else(|| element.ns().strip_prefix(NS_FAMILY))
            .unwrap_or_default();
        if element.ns() != NS || theirs != VERSION {
            return Err(HelloError::Version(plain(theirs)));
        }
        // The first gates reported no level.
        let theirs = element.attr("level").unwrap_or("0");
        if theirs != LEVEL {
            return Err(HelloError::Level(plain(theirs)));
        }
        let text = |name| element.attr(name).unwrap_or("?").to_owned();
        Ok(Self {
            gate: text("gate"),
            server: text("server"),
            failure: text("failure"),
            rooms: element.attr("rooms").and_then(|rooms| rooms.parse().ok()).unwrap_or_default(),
            hosts: read_hosts(element),
        })
    }
}

/// Returns the start of a text without odd characters, for the operator's log.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).take(8).collect()
}

/// Reads the hosts that a gate reports, in its handshake or when one has changed.
pub fn read_hosts(element: ElementRef<'_>) -> Hosts {
    let hosts = children(element, "host").map(|host| Host {
        name: host.attr("name").unwrap_or_default().to_owned(),
        provider: host.attr("provider").unwrap_or_default().to_owned(),
        accounts: host.attr("accounts").and_then(|count| count.parse().ok()),
        services: host.attr("services") == Some("true"),
    });
    Hosts { hosts: hosts.collect(), complete: element.attr("hosts") == Some("all") }
}

/// Returns the component's handshake: what the gate of `service` must know before it may send requests. In observe mode
/// (`observed`) it reserves no nicks, because the gate would enforce that without a request.
pub fn welcome(policy: &Policy, service: &str, observed: bool) -> Element {
    let focus = policy.focuses.get(service);
    let mut services: Vec<_> = policy.services.keys().collect();
    services.sort();
    let mut operators: Vec<_> = policy.operators.keys().collect();
    operators.sort();
    let mut gateways: Vec<_> = policy.gateways.keys().collect();
    gateways.sort();
    let gateway = |jid: &BareJid| Element::new(NS, "gateway").with_attr("jid", jid.as_str());
    let operator = |jid: &BareJid| Element::new(NS, "operator").with_attr("jid", jid.as_str());
    let reserve = |name: &Name| Element::new(NS, "reserve").with_attr("nick", &name.text);
    Element::new(NS, "hello")
        .with_attr("version", VERSION)
        .with_attr("level", LEVEL)
        .with_attr("component", env!("CARGO_PKG_VERSION"))
        .with_attr("revision", &policy.revision)
        .with_attr_opt("observe", observed.then_some("true"))
        .with_attr("brief", "true")
        .with_attr_opt("people", counts_people(policy).then_some("true"))
        .with_attr("language", &policy.texts.default)
        .with_children(services.into_iter().map(|jid| {
            Element::new(NS, "service")
                .with_attr("jid", jid.as_str())
                .with_attr_opt("focus", (Some(jid) == focus).then_some("true"))
        }))
        .with_children(gateways.into_iter().map(gateway))
        .with_children(operators.into_iter().map(operator))
        .with_children(policy.base.names.reserved.value.iter().filter(|_| !observed).map(reserve))
        .with_children(words(&policy.texts))
}

/// Returns whether a rule depends on the number of people inside: the gate counts them only then.
fn counts_people(policy: &Policy) -> bool {
    let limits =
        |rules: &Rules| rules.limits.occupants.value > 0 || rules.close.at_occupants.value > 0;
    limits(&policy.base) || policy.rooms.iter().any(|room| limits(&room.rules))
}

/// Returns the messages that a gate sends by itself, in the operator's words.
fn words(texts: &Texts) -> impl Iterator<Item = Element> {
    let names = || GATE_WORDS.iter().map(|(name, _)| *name).chain(SHARED);
    texts.languages.values().flat_map(move |words| {
        let known = names().filter_map(|name| Some((name, words.sentences.get(name)?)));
        known.map(|(name, text)| {
            Element::new(NS, "message")
                .with_attr("name", name)
                .with_attr("xml:lang", &words.language)
                .with_text(text)
        })
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::policy::texts::Words;
    use crate::xmpp::element::Document;

    fn hello(version: u8, attributes: &str) -> Document {
        let hello =
            format!("<hello xmlns='{NS_FAMILY}{version}' version='{version}'{attributes}/>");
        Document::parse(hello.as_bytes(), "").unwrap()
    }

    #[test]
    fn a_gate_of_another_version_is_told_both_versions() {
        let hello = hello(3, "");
        assert!(Hello::is_hello(hello.root()));
        let error = Hello::read(hello.root()).unwrap_err().to_string();
        assert!(error.contains("version 3") && error.contains("version 2"), "{error}");
    }

    #[test]
    fn a_gate_that_is_only_observed_reserves_no_nick() {
        let policy = Policy::default();
        let reserves = |observed| welcome(&policy, "x", observed).child(NS, "reserve").is_some();
        assert!(reserves(false) && !reserves(true));
        assert_eq!(welcome(&policy, "x", true).attr("observe"), Some("true"));
    }

    #[test]
    fn a_gate_counts_people_where_a_rule_does() {
        let counts = |policy: &Policy| welcome(policy, "x", false).attr("people").is_some();
        let mut policy = Policy::default();
        assert!(!counts(&policy));
        let base = Arc::make_mut(&mut policy.base);
        Arc::make_mut(&mut base.limits).occupants.value = 5;
        assert!(counts(&policy));
    }

    #[test]
    fn a_gate_is_told_its_own_words_and_no_others() {
        let mut policy = Policy::default();
        policy.texts.default = "de".to_owned();
        let said = [("gate-chat", "Nein."), ("banned", "Nie."), ("reserved-nick", "Vergeben.")];
        let sentences = said.map(|(name, text)| (name, text.to_owned())).into();
        let words = Words { language: "de-CH".to_owned(), sentences, ..Words::default() };
        policy.texts.languages.insert("de-ch".to_owned(), words);
        let welcome = welcome(&policy, "x", false);
        assert_eq!(welcome.attr("language"), Some("de"));
        let told = welcome.children().filter(|child| child.is(NS, "message"));
        let told: Vec<_> = told
            .map(|it| (it.attr("name").unwrap(), it.attr("xml:lang").unwrap(), it.text()))
            .collect();
        let text = |text: &str| text.to_owned();
        let expected =
            [("gate-chat", "de-CH", text("Nein.")), ("reserved-nick", "de-CH", text("Vergeben."))];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_gate_of_this_version_is_welcome() {
        let told = " level='1' gate='0.1.0' server='Prosody 0.12.3' failure='refuse' rooms='3'";
        assert_eq!(Hello::read(hello(2, told).root()).unwrap().rooms, 3);
    }

    #[test]
    fn a_gate_of_another_release_is_refused() {
        for level in ["", " level='2'", " level='3'"] {
            let error = Hello::read(hello(2, level).root()).unwrap_err().to_string();
            assert!(error.contains("not of one release"), "{error}");
        }
    }
}
