//! Discovery of the commands that a caller may give (XEP-0030, XEP-0050 sections 3 and 4).

use crate::control::{Caller, Command};
use crate::xmpp::Element;
use crate::xmpp::ns;

/// The commands that this caller may give. Nobody else is told of one.
pub(super) fn offered(
    commands: &'static [Command],
    caller: Option<&Caller>,
) -> impl Iterator<Item = &'static Command> {
    commands.iter().filter(move |it| caller.is_some_and(|caller| it.authorise(caller).is_ok()))
}

/// The list of commands at `domain`.
pub(super) fn items(
    commands: &'static [Command],
    domain: &str,
    caller: Option<&Caller>,
) -> Element {
    let item = |command: &Command| {
        Element::new(ns::DISCO_ITEMS, "item")
            .with_attr("jid", domain)
            .with_attr("node", command.name)
            .with_attr("name", command.title)
    };
    Element::new(ns::DISCO_ITEMS, "query")
        .with_attr("node", ns::COMMANDS)
        .with_children(offered(commands, caller).map(item))
}

/// Returns what a node is. `None`: nothing for this caller.
pub(super) fn info(
    commands: &'static [Command],
    node: &str,
    caller: Option<&Caller>,
) -> Option<Element> {
    if node == ns::COMMANDS {
        return Some(about(node, "command-list", "Commands", &[ns::DISCO_ITEMS]));
    }
    let command = offered(commands, caller).find(|command| command.name == node)?;
    Some(about(node, "command-node", command.title, &[ns::COMMANDS, ns::DATA_FORMS]))
}

fn about(node: &str, kind: &'static str, name: &str, features: &[&str]) -> Element {
    let identity = Element::new(ns::DISCO_INFO, "identity")
        .with_attr("category", "automation")
        .with_attr("type", kind)
        .with_attr("name", name);
    let feature = |var: &&str| Element::new(ns::DISCO_INFO, "feature").with_attr("var", var);
    Element::new(ns::DISCO_INFO, "query")
        .with_attr("node", node)
        .with_child(identity)
        .with_children(features.iter().map(feature))
}
