//! Rules on access: who may open rooms, and who may enter them at all.

use std::collections::HashSet;
use std::sync::LazyLock;

use globset::GlobSet;
use serde_json::json;

use super::family::family;
use super::kinds::{classes, classes_and, globs, words_in_list};
use crate::jid::BareJid;
use crate::policy::class::{Class, ClassSet};
use crate::setting::kind::flag;
use crate::setting::values::{domain_spellings, jid_spellings, words_for_domains};
use crate::setting::{Item, Kind, values};

/// Who may open rooms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Opening {
    /// People who have proved an identity; guests too where nobody logs in to the server.
    #[default]
    Default,
    /// People of these classes.
    Classes(ClassSet),
}

impl Opening {
    /// Word for the default in the file.
    pub const DEFAULT: &'static str = "default";

    const PROVED: ClassSet = ClassSet::of(&[
        Class::Service,
        Class::Operator,
        Class::Listed,
        Class::Token,
        Class::Account,
    ]);

    /// Returns the classes that may open rooms, on a server where people log in or not ([`RoomView::nobody_logs_in`]).
    ///
    /// [`RoomView::nobody_logs_in`]: crate::policy::attempt::RoomView::nobody_logs_in
    pub const fn classes(self, nobody_logs_in: bool) -> ClassSet {
        match self {
            Self::Default if nobody_logs_in => Self::PROVED.with(Class::Guest),
            Self::Default => Self::PROVED,
            Self::Classes(classes) => classes,
        }
    }
}

family! {
    /// The rules on access.
    "access": Access {
        /// Who may open rooms: classes, like ["account"]; or "default": people who log in; where nobody does, guests too.
        create: Opening = Opening::Default, opening(),
            rule r#"People of this class do not open rooms here. By default (`"default"`) that is guests and federated people; where nobody logs in to the server with an account or a token, guests open rooms. Hosts of services do not count: that of the focus, those with service accounts only, and with Jitsi the `localhost` that Debian ships, those that its options name, and those without an account."#
            [off Opening::Classes(ClassSet::ALL)];
        /// Who may enter rooms at all.
        enter: ClassSet = ClassSet::ALL, classes(),
            rule "People of this class do not enter rooms here."
            [off ClassSet::ALL; Compared];
        /// JIDs and domains that make up the class "listed", like "ann@example.org" and "example.org".
        listed: Listed = Listed::default(), listed();
        /// Patterns for the names that rooms may have, like "team-*"; none: any name.
        rooms: Option<GlobSet> = None, globs(),
            rule "Rooms have names of these patterns only."
            [off None];
        /// Patterns for names that no room may have.
        refused_rooms: Option<GlobSet> = None, globs(),
            rule "Rooms do not have names of these patterns."
            [off None];
        /// Only people whose connection is encrypted may open or enter.
        encrypted: bool = true, flag(),
            rule "The connection is not encrypted, and has to be."
            [off false; Compared];
        /// Whether a connection from this machine counts as encrypted: a web server in front of it ends TLS there.
        trust_loopback: bool = true, flag();
        /// Whether rooms are kept out of public listings.
        hidden: Option<bool> = Some(true), flag().map(Some, |it| it.unwrap_or_default()),
            rule "Rooms are not listed in public, and nobody inside changes that."
            [off None; Compared];
        /// Rooms outlive their last occupant: true, false, or "keep": those that were there before this policy do as they did, and
        /// a new one does where a person makes it so (`settings.persistent`). With false, stored rooms are lost: see the README.
        persistent: Persistence = Persistence::Keep, persistence(),
            rule r#"Whether a room outlives its last occupant is set here, and nobody inside changes that; with `"keep"` rooms do as they did, and `settings.persistent` says who changes it."#
            [off Persistence::ByRoom; Compared];
    }
}

/// The JIDs and domains that make up the class `listed`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Bare JIDs of the class, in every spelling of their domains.
    pub jids: HashSet<BareJid>,
    /// Domains of the class, in every spelling.
    pub domains: HashSet<String>,
}

fn listed() -> Kind<Listed> {
    let entry = |item: &Item<'_>| {
        let is_jid = values::text(item)?.contains(['@', '/']);
        if is_jid { jid_spellings(item).map(Ok) } else { domain_spellings(item).map(Err) }
    };
    let read = move |item: &Item<'_>| {
        let mut listed = Listed::default();
        for entry in values::list(entry)(item)? {
            match entry {
                Ok(jids) => listed.jids.extend(jids),
                Err(domains) => listed.domains.extend(domains),
            }
        }
        Ok(listed)
    };
    let write = |listed: &Listed| {
        let jids = listed.jids.iter().map(BareJid::as_str);
        words_in_list(jids.chain(listed.domains.iter().map(String::as_str)))
    };
    Kind::new(read, write, json!({ "type": "array", "items": { "type": "string" } }))
        .warning(words_for_domains)
}

/// Reads and writes `true`, `false` or `"keep"`.
fn persistence() -> Kind<Persistence> {
    let read = |item: &Item<'_>| {
        let text = item.value.as_str();
        match text {
            Some("keep") => Ok(Persistence::Keep),
            Some("true" | "false") | None => {
                let lasts = values::boolean(item)?;
                Ok(if lasts { Persistence::Always } else { Persistence::Never })
            }
            Some(text) => item.wrong(
                format!("`{text}` is none of true, false and \"keep\""),
                Some("write true, false or \"keep\"".to_owned()),
            ),
        }
    };
    let write = |it: &Persistence| match it {
        Persistence::Always => "true",
        Persistence::Never => "false",
        Persistence::Keep | Persistence::ByRoom => "\"keep\"",
    };
    Kind::new(read, move |it| write(it).to_owned(), json!({ "enum": [true, false, "keep"] }))
}

/// Reads and writes a list of classes, or `"default"` alone.
fn opening() -> Kind<Opening> {
    static WORDS: LazyLock<Vec<(&str, Option<ClassSet>)>> =
        LazyLock::new(|| classes_and(Opening::DEFAULT));
    let read = |item: &Item<'_>| {
        if let Some(word) = item.value.as_str() {
            return match word == Opening::DEFAULT {
                true => Ok(Opening::Default),
                false => item.wrong(
                    format!("`{word}` is no list of classes"),
                    Some("write \"default\", or a list like [\"account\"]".to_owned()),
                ),
            };
        }
        let words = values::list(values::word(&WORDS, |(name, _)| name))(item)?;
        match words.iter().any(|(_, classes)| classes.is_none()) {
            true if words.len() == 1 => Ok(Opening::Default),
            true => {
                let hint = "write \"default\" alone, or the classes that it means".to_owned();
                item.wrong("`default` stands with others", Some(hint))
            }
            false => {
                let all = words.into_iter().filter_map(|(_, classes)| classes);
                Ok(Opening::Classes(all.fold(ClassSet::NONE, ClassSet::and)))
            }
        }
    };
    let write = |opening: &Opening| match opening {
        Opening::Default => format!("\"{}\"", Opening::DEFAULT),
        Opening::Classes(some) => classes().write(some),
    };
    let schema = json!({
        "anyOf": [{ "enum": [Opening::DEFAULT, [Opening::DEFAULT]] }, classes().schema()],
    });
    Kind::new(read, write, schema)
}

/// Whether rooms outlive their last occupant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Persistence {
    /// Rooms from before the policy stay as they are; a new one does not outlive its last occupant, unless a person
    /// makes it so whom `settings.persistent` lets.
    #[default]
    Keep,
    /// All rooms do.
    Always,
    /// No room does, those from before the policy included.
    Never,
    /// The room decides. No word in the file: it is what remains of a rule that is off.
    ByRoom,
}

impl Persistence {
    /// Returns what is set in every room, or `None` where rooms differ.
    pub const fn fixed(self) -> Option<bool> {
        match self {
            Self::Always => Some(true),
            Self::Never => Some(false),
            Self::Keep | Self::ByRoom => None,
        }
    }

    /// Returns what is set in a new room, or `None` where nothing is.
    pub const fn preset(self) -> Option<bool> {
        match self {
            Self::Always => Some(true),
            Self::Never | Self::Keep => Some(false),
            Self::ByRoom => None,
        }
    }
}
