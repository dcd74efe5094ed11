//! A pattern for rooms: `*` any text, `?` any character, `[…]` one of these, `{…,…}` one of these texts.

use globset::{Error, GlobBuilder, GlobMatcher};

use crate::jid::folded;

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A character that stands for itself.
    Literal(char),
    /// Any character. One of a class counts as any.
    One,
    /// Any text. One of several texts counts as any.
    Any,
}

/// A pattern, ready to be compared.
#[derive(Clone, Debug)]
pub struct Pattern {
    written: String,
    kind: Kind,
}

/// How it is compared: nearly all are names, or a beginning of names.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// This text.
    Exact(String),
    /// A text that begins so.
    Prefix(String),
    /// Anything else.
    Glob(Box<GlobMatcher>),
}

impl Pattern {
    /// Reads a pattern, which is put as the server has the names of rooms: in lower case, among others.
    ///
    /// # Errors
    /// It is no pattern.
    pub fn new(written: &str) -> Result<Self, Error> {
        let written = folded(written);
        let kind = match plain(&written) {
            Some(kind) => kind,
            None => {
                let glob = GlobBuilder::new(&written).literal_separator(false).build()?;
                Kind::Glob(Box::new(glob.compile_matcher()))
            }
        };
        Ok(Self { written, kind })
    }

    /// As it was written, as the server has names.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// It stands for one name only.
    pub const fn is_exact(&self) -> bool {
        matches!(self.kind, Kind::Exact(_))
    }

    /// It stands for this text.
    pub fn is_match(&self, text: &str) -> bool {
        match &self.kind {
            Kind::Exact(exact) => exact == text,
            Kind::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Kind::Glob(glob) => glob.is_match(text),
        }
    }

    /// Returns the number of characters that stand for themselves. What is inside `[…]` or `{…}` does not count.
    pub fn literals(&self) -> usize {
        match &self.kind {
            Kind::Exact(text) | Kind::Prefix(text) => text.chars().count(),
            Kind::Glob(_) => {
                self.parts().iter().filter(|part| matches!(part, Part::Literal(_))).count()
            }
        }
    }

    /// Its parts.
    pub fn parts(&self) -> Vec<Part> {
        parts(&self.written)
    }

    pub(super) const fn kind(&self) -> &Kind {
        &self.kind
    }
}

/// A pattern without anything that only a matcher understands.
fn plain(written: &str) -> Option<Kind> {
    if written.contains(['?', '[', ']', '{', '}', '\\', '/']) {
        return None;
    }
    match written.split_once('*') {
        None => Some(Kind::Exact(written.to_owned())),
        Some((prefix, "")) => Some(Kind::Prefix(prefix.to_owned())),
        Some(_) => None,
    }
}

fn parts(written: &str) -> Vec<Part> {
    let mut parts = Vec::with_capacity(written.len());
    let mut chars = written.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => parts.extend(chars.next().map(Part::Literal)),
            '?' => parts.push(Part::One),
            '*' => {
                // `**/` and `/**` also stand for nothing.
                if chars.peek() == Some(&'*') && parts.last() == Some(&Part::Literal('/')) {
                    parts.pop();
                }
                while chars.next_if_eq(&'*').is_some() {
                    chars.next_if_eq(&'/');
                }
                parts.push(Part::Any);
            }
            '[' => {
                chars.next_if(|c| matches!(c, '!' | '^'));
                // Right after the beginning `]` is one of the class.
                chars.next();
                chars.by_ref().take_while(|c| *c != ']').for_each(drop);
                parts.push(Part::One);
            }
            '{' => {
                let mut depth: usize = 1;
                while depth > 0 {
                    match chars.next() {
                        Some('\\') => drop(chars.next()),
                        Some('{') => depth = depth.saturating_add(1),
                        Some('}') => depth = depth.saturating_sub(1),
                        Some(_) => {}
                        None => break,
                    }
                }
                parts.push(Part::Any);
            }
            c => parts.push(Part::Literal(c)),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_characters_that_stand_for_themselves_are_counted() {
        for (pattern, count) in [
            ("board-*", 6),
            ("*", 0),
            ("board-[0-9]?", 6),
            ("{a,bc}x", 1),
            (r"a\*b", 3),
            ("[]a]b", 1),
            (r"\[acme\]*", 6),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().literals(), count, "{pattern}");
        }
    }

    #[test]
    fn names_and_beginnings_are_compared_without_a_matcher() {
        let kind = |pattern| Pattern::new(pattern).unwrap().kind;
        assert!(matches!(kind("Tea"), Kind::Exact(text) if text == "tea"));
        assert!(matches!(kind("tea-*"), Kind::Prefix(text) if text == "tea-"));
        for other in ["*tea", "te?", "t[ea]", "{tea,cup}", r"\*", "te**"] {
            assert!(matches!(kind(other), Kind::Glob(_)), "{other}");
        }
    }

    #[test]
    fn a_pattern_is_a_pattern_of_the_crate() {
        let tries = ["", "tea", "tea-1", "[acme]tea", "a*b", "team/x", "cup"];
        for pattern in ["*", "tea", "tea*", "te?", r"\[acme\]*", "{tea,cup}", r"a\*b", "**", "t**"]
        {
            let ours = Pattern::new(pattern).unwrap();
            let glob = globset::Glob::new(pattern).unwrap().compile_matcher();
            for text in tries {
                assert_eq!(ours.is_match(text), glob.is_match(text), "{pattern} {text}");
            }
        }
        assert!(Pattern::new("a[").is_err() && Pattern::new("a}").is_err());
    }

    #[test]
    fn a_name_is_exact_and_a_beginning_is_not() {
        assert!(Pattern::new("tea").unwrap().is_exact());
        assert!(!Pattern::new("tea*").unwrap().is_exact());
    }

    #[test]
    fn between_slashes_two_stars_also_stand_for_nothing() {
        let parts = |written| Pattern::new(written).unwrap().parts();
        let a = Part::Literal('a');
        assert_eq!(parts("a/**"), [a, Part::Any]);
        assert_eq!(parts("a/*"), [a, Part::Literal('/'), Part::Any]);
        assert_eq!(parts("a**"), [a, Part::Any]);
        assert_eq!(parts("aa*"), [a, a, Part::Any]);
    }
}
