//! Which namespace a prefix stands for (XML Namespaces 1.0).

use smol_str::SmolStr;

use super::ElementError;
use super::chars::is_ncname;

const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// Prefixes bound at once; more is an attack, and looking one up is linear.
const MAX_BINDINGS: usize = 64;

/// The namespaces that hold where a stanza begins: those its stream header declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    default: SmolStr,
    bindings: Vec<Binding>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Binding {
    prefix: SmolStr,
    ns: SmolStr,
    depth: usize,
}

impl Scope {
    /// A scope with a default namespace and no prefix.
    pub fn with_default(ns: &str) -> Self {
        Self { default: SmolStr::new(ns), bindings: Vec::new() }
    }

    /// The namespace of names without a prefix.
    pub fn default_ns(&self) -> &str {
        &self.default
    }

    pub(super) fn default_smol(&self) -> SmolStr {
        self.default.clone()
    }

    pub(super) fn set_default(&mut self, ns: SmolStr) -> Result<(), ElementError> {
        if ns == XML || ns == XMLNS {
            return Err(ElementError::ReservedNamespace);
        }
        self.default = ns;
        Ok(())
    }

    /// Puts back the default namespace that held outside an element that has ended.
    pub(super) fn restore_default(&mut self, ns: SmolStr) {
        self.default = ns;
    }

    /// Binds a prefix for the element at `depth` and everything in it.
    pub(super) fn bind(
        &mut self,
        prefix: &str,
        ns: SmolStr,
        depth: usize,
    ) -> Result<(), ElementError> {
        if !is_ncname(prefix) {
            return Err(ElementError::Syntax("a prefix is not a name"));
        }
        if (prefix == "xml") != (ns == XML) || prefix == "xmlns" || ns == XMLNS {
            return Err(ElementError::ReservedNamespace);
        }
        if ns.is_empty() {
            return Err(ElementError::UnboundPrefix);
        }
        let here = self.bindings.iter().rev().take_while(|b| b.depth == depth);
        if here.into_iter().any(|b| b.prefix == prefix) {
            return Err(ElementError::DuplicateAttribute);
        }
        if self.bindings.len() >= MAX_BINDINGS {
            return Err(ElementError::TooManyAttributes);
        }
        self.bindings.push(Binding { prefix: SmolStr::new(prefix), ns, depth });
        Ok(())
    }

    /// Forgets what the element at `depth` bound.
    pub(super) fn leave(&mut self, depth: usize) {
        while self.bindings.last().is_some_and(|b| b.depth >= depth && depth > 0) {
            self.bindings.pop();
        }
    }

    /// Returns what a prefix stands for here.
    pub(super) fn resolve(&self, prefix: &str) -> Result<SmolStr, ElementError> {
        if prefix == "xml" {
            return Ok(SmolStr::new_static(XML));
        }
        let found = self.bindings.iter().rev().find(|b| b.prefix == prefix);
        found.map(|b| b.ns.clone()).ok_or(ElementError::UnboundPrefix)
    }

    /// The same bindings as an outermost scope, for the stanzas of the stream whose header was
    /// read last.
    pub(super) fn into_outer(mut self) -> Self {
        for binding in &mut self.bindings {
            binding.depth = 0;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inner_binding_hides_the_outer_one_until_its_element_ends() {
        let mut scope = Scope::default();
        scope.bind("a", "urn:1".into(), 1).unwrap();
        scope.bind("a", "urn:2".into(), 2).unwrap();
        assert_eq!(scope.resolve("a").unwrap(), "urn:2");
        scope.leave(2);
        assert_eq!(scope.resolve("a").unwrap(), "urn:1");
        scope.leave(1);
        assert_eq!(scope.resolve("a"), Err(ElementError::UnboundPrefix));
    }

    #[test]
    fn reserved_names_stay_reserved() {
        let mut scope = Scope::default();
        assert!(scope.bind("xml", "urn:other".into(), 1).is_err());
        assert!(scope.bind("other", XML.into(), 1).is_err());
        assert!(scope.bind("xmlns", "urn:1".into(), 1).is_err());
        assert!(scope.bind("a", XMLNS.into(), 1).is_err());
        assert!(scope.bind("a", "".into(), 1).is_err());
        assert!(scope.set_default(XML.into()).is_err());
        assert!(scope.bind("xml", XML.into(), 1).is_ok());
    }

    #[test]
    fn bindings_are_bounded() {
        let mut scope = Scope::default();
        for n in 0..MAX_BINDINGS {
            scope.bind(&format!("p{n}"), "urn:1".into(), 1).unwrap();
        }
        assert_eq!(scope.bind("more", "urn:1".into(), 1), Err(ElementError::TooManyAttributes));
    }
}
