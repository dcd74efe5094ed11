//! `hello`: what a gate and the component tell each other first.

use super::{NS, NS_FAMILY, VERSION};
use crate::policy::rules::Policy;
use crate::xmpp::element::Element;

/// What a gate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The gate's own version.
    pub gate: String,
    /// The server's name and version.
    pub server: String,
    /// What the gate does while the component is away: `refuse` or `allow`.
    pub failure: String,
    /// How many rooms there are.
    pub rooms: u64,
}

/// Why a hello is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// Another version of the protocol.
    #[error(
        "the gate speaks version {theirs} of the gate protocol, this component version {VERSION}: install the mod_vestibule_gate that came with this component"
    )]
    Version {
        /// What the gate speaks.
        theirs: String,
    },
}

impl Hello {
    /// Whether this is a greeting, of whatever version.
    pub fn is_hello(element: &Element) -> bool {
        element.name() == "hello" && element.ns().starts_with(NS_FAMILY)
    }

    /// Reads a greeting.
    ///
    /// # Errors
    /// When the gate speaks another version of the protocol.
    pub fn read(element: &Element) -> Result<Self, HelloError> {
        let theirs = element
            .attr("version")
            .or_else(|| element.ns().strip_prefix(NS_FAMILY))
            .unwrap_or_default();
        if element.ns() != NS || theirs != VERSION {
            // The words reach the operator's log: nothing long or odd in them.
            let theirs = theirs.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
            return Err(HelloError::Version { theirs });
        }
        let text = |name| element.attr(name).unwrap_or("?").to_owned();
        Ok(Self {
            gate: text("gate"),
            server: text("server"),
            failure: text("failure"),
            rooms: element.attr("rooms").and_then(|rooms| rooms.parse().ok()).unwrap_or_default(),
        })
    }
}

/// The component's answer: what the gate of `service` has to know before it may ask. A gate that is only `observed` gets no
/// nicks to reserve: that is enforced without a question.
pub fn welcome(policy: &Policy, service: &str, observed: bool) -> Element {
    let focus = policy.focuses.get(service);
    let mut services: Vec<_> = policy.services.keys().collect();
    services.sort();
    Element::new(NS, "hello")
        .with_attr("version", VERSION)
        .with_attr("component", env!("CARGO_PKG_VERSION"))
        .with_attr("revision", &policy.revision)
        .with_attr_opt("observe", observed.then_some("true"))
        .with_children(services.into_iter().map(|jid| {
            Element::new(NS, "service")
                .with_attr("jid", jid.as_str())
                .with_attr_opt("focus", (Some(jid) == focus).then_some("true"))
        }))
        .with_children(
            policy
                .reserved_nicks
                .iter()
                .filter(|_| !observed)
                .map(|nick| Element::new(NS, "reserve").with_attr("nick", nick)),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_of_another_version_is_told_both_versions() {
        let hello =
            Element::parse(b"<hello xmlns='urn:vestibule:gate:2' version='2'/>", "").unwrap();
        assert!(Hello::is_hello(&hello));
        let error = Hello::read(&hello).unwrap_err().to_string();
        assert!(error.contains("version 2") && error.contains("version 1"), "{error}");
    }

    #[test]
    fn a_gate_that_is_only_observed_reserves_no_nick() {
        let policy = Policy { reserved_nicks: vec!["focus".to_owned()], ..Policy::default() };
        let reserves = |observed| welcome(&policy, "x", observed).child(NS, "reserve").is_some();
        assert!(reserves(false) && !reserves(true));
        assert_eq!(welcome(&policy, "x", true).attr("observe"), Some("true"));
    }

    #[test]
    fn a_gate_of_this_version_is_welcome() {
        let hello = Element::parse(
            b"<hello xmlns='urn:vestibule:gate:1' version='1' gate='0.1.0' server='Prosody 0.12.3' failure='refuse' rooms='3'/>",
            "",
        )
        .unwrap();
        assert_eq!(Hello::read(&hello).unwrap().rooms, 3);
    }
}
