//! Replies to service discovery, software version and ping.

use super::element::{Element, ElementRef};
use super::ns;
use super::stanza::{Condition, ErrorType, Iq, IqKind, StanzaError};

/// The identity of the component, for its replies.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// Domain of the component; only requests to the domain itself are answered.
    pub domain: &'a str,
    /// Name that people see.
    pub name: &'a str,
    /// Version of the software.
    pub version: &'a str,
    /// Features in addition to those answered here (XEP-0030 section 3.1).
    pub features: &'a [&'a str],
}

const OWN_FEATURES: [&str; 4] = [ns::DISCO_INFO, ns::DISCO_ITEMS, ns::PING, ns::VERSION];

/// Returns the answer to a request that nothing else answers: disco#info and disco#items (XEP-0030), ping (XEP-0199)
/// and version (XEP-0092); `service-unavailable` for anything else, as RFC 6120 section 8.4 says.
///
/// Returns `None` if `iq` is itself an answer.
pub fn answer(iq: &Iq<ElementRef<'_>>, identity: &Identity<'_>) -> Option<Iq> {
    let to_service = iq.to.as_deref() == Some(identity.domain);
    let question = match iq.kind {
        IqKind::Get(question) => Some(question).filter(|_| to_service),
        IqKind::Set(_) => None,
        IqKind::Result(_) | IqKind::Error(_) => return None,
    };
    let payload = match question.map(|question| (question, question.ns(), question.name())) {
        Some((_, ns::PING, "ping")) => Ok(None),
        Some((_, ns::VERSION, "query")) => Ok(Some(version(identity))),
        Some((query, ns::DISCO_INFO, "query")) if query.attr("node").is_none_or(str::is_empty) => {
            Ok(Some(info(identity)))
        }
        Some((_, ns::DISCO_INFO, "query")) => Err(Condition::ItemNotFound),
        Some((_, ns::DISCO_ITEMS, "query")) => Ok(Some(Element::new(ns::DISCO_ITEMS, "query"))),
        Some(_) | None => Err(Condition::ServiceUnavailable),
    };
    Some(match payload {
        Ok(payload) => Iq::result_to(iq, payload),
        Err(condition) => Iq::error_to(iq, StanzaError::new(ErrorType::Cancel, condition)),
    })
}

fn info(identity: &Identity<'_>) -> Element {
    let feature = |var: &&str| Element::new(ns::DISCO_INFO, "feature").with_attr("var", var);
    let own = Element::new(ns::DISCO_INFO, "identity")
        .with_attr("category", "component")
        .with_attr("type", "generic")
        .with_attr("name", identity.name);
    Element::new(ns::DISCO_INFO, "query")
        .with_child(own)
        .with_children(OWN_FEATURES.iter().map(feature))
        .with_children(identity.features.iter().map(feature))
}

fn version(identity: &Identity<'_>) -> Element {
    Element::new(ns::VERSION, "query")
        .with_child(Element::new(ns::VERSION, "name").with_text(identity.name))
        .with_child(Element::new(ns::VERSION, "version").with_text(identity.version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp::element::Document;

    const IDENTITY: Identity<'_> = Identity {
        domain: "v.example",
        name: "Vestibule",
        version: "1.2",
        features: &["urn:more"],
    };

    fn ask(kind: &str, to: &str, body: &str) -> Option<Iq> {
        let xml = format!("<iq type='{kind}' id='1' from='a@b/c' to='{to}'>{body}</iq>");
        let document = Document::parse(xml.as_bytes(), ns::COMPONENT).unwrap();
        answer(&Iq::try_from(document.root()).unwrap(), &IDENTITY)
    }

    fn result(to: &str, body: &str) -> Option<Element> {
        let kind = ask("get", to, body).unwrap().kind;
        let IqKind::Result(payload) = kind else { panic!("{kind:?}") };
        payload
    }

    fn refusal(kind: &str, to: &str, body: &str) -> Condition {
        let kind = ask(kind, to, body).unwrap().kind;
        let IqKind::Error(error) = kind else { panic!("{kind:?}") };
        error.condition
    }

    #[test]
    fn the_service_says_what_it_is() {
        let info = result("v.example", "<query xmlns='http://jabber.org/protocol/disco#info'/>");
        let info = info.unwrap();
        let features: Vec<_> = info.children().filter_map(|child| child.attr("var")).collect();
        assert_eq!(features, [ns::DISCO_INFO, ns::DISCO_ITEMS, ns::PING, ns::VERSION, "urn:more"]);
        assert_eq!(info.child(ns::DISCO_INFO, "identity").unwrap().attr("name"), Some("Vestibule"));
        let version = result("v.example", "<query xmlns='jabber:iq:version'/>").unwrap();
        assert_eq!(version.child(ns::VERSION, "version").unwrap().text(), "1.2");
        assert_eq!(result("v.example", "<ping xmlns='urn:xmpp:ping'/>"), None);
    }

    #[test]
    fn anything_else_is_refused() {
        let ping = "<ping xmlns='urn:xmpp:ping'/>";
        assert_eq!(
            refusal("get", "v.example", "<q xmlns='urn:q'/>"),
            Condition::ServiceUnavailable
        );
        assert_eq!(refusal("set", "v.example", ping), Condition::ServiceUnavailable);
        assert_eq!(refusal("get", "user@v.example", ping), Condition::ServiceUnavailable);
        let node = "<query node='n' xmlns='http://jabber.org/protocol/disco#info'/>";
        assert_eq!(refusal("get", "v.example", node), Condition::ItemNotFound);
    }

    #[test]
    fn an_answer_is_never_answered() {
        assert_eq!(ask("result", "v.example", ""), None);
        assert_eq!(ask("error", "v.example", ""), None);
    }
}
