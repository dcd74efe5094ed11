//! `done`: what came of a command.

use super::NS;
use crate::xmpp::element::Element;

/// People named in words, at most.
const NAMED: usize = 3;

/// The outcome of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Nothing was done, because what the command asked for was not so.
    pub is_unmet: bool,
    /// Whom it met, by nick: those for whom it was not so, or those whom it removed or promoted. At most 64.
    pub met: Vec<String>,
}

impl Done {
    /// Reads the answer to a command.
    pub fn read(element: Option<&Element>) -> Self {
        let Some(element) = element.filter(|element| element.is(NS, "done")) else {
            return Self::default();
        };
        let met = element.children().filter(|child| child.is(NS, "met"));
        Self {
            is_unmet: element.attr("unmet") == Some("true"),
            met: met.filter_map(|met| met.attr("nick").map(str::to_owned)).collect(),
        }
    }

    /// Returns the first of those whom it met, as words.
    pub fn names(&self) -> String {
        let named: Vec<_> = self.met.iter().take(NAMED).map(String::as_str).collect();
        let more = if self.met.len() > NAMED { " and others" } else { "" };
        if named.is_empty() { "a person".to_owned() } else { format!("{}{more}", named.join(", ")) }
    }
}
