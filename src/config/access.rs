//! `[policy.access]`, and `[room.access]` for some rooms.

use toml::de::DeValue;

use super::names::{domain_spellings, globs, jid_spellings, warn_of_words};
use super::section::{Item, Read, Section};
use super::values::{CLASSES, boolean, classes, list, text, word};
use crate::policy::access::{Access, Opening, Persistence};
use crate::policy::class::ClassSet;
use crate::policy::set::Set;

/// Puts what the table says into the rules.
pub(super) fn read(mut section: Section<'_>, rules: &mut Access) {
    section.set("open", &mut rules.open, opening);
    section.set("enter", &mut rules.enter, classes);
    listed(&mut section, rules);
    section.set("rooms", &mut rules.rooms, globs);
    section.set("refused_rooms", &mut rules.refused_rooms, globs);
    section.set("encrypted", &mut rules.encrypted, boolean);
    section.set("trust_loopback", &mut rules.trust_loopback, boolean);
    section.set("hidden", &mut rules.hidden, |item| boolean(item).map(Some));
    section.set("persistent", &mut rules.persistent, persistence);
    section.finish();
}

fn persistence(item: &Item<'_>) -> Read<Persistence> {
    let lasts =
        || boolean(item).map(|it| if it { Persistence::Always } else { Persistence::Never });
    let DeValue::String(text) = item.value else { return lasts() };
    match text.as_ref() {
        "keep" => Ok(Persistence::Keep),
        "true" | "false" => lasts(),
        text => item.wrong(
            format!("`{text}` is none of true, false and \"keep\""),
            Some("write true, false or \"keep\"".to_owned()),
        ),
    }
}

fn listed(section: &mut Section<'_>, rules: &mut Access) {
    let (mut jids, mut domains) = (Vec::new(), Vec::new());
    let read = section.read("listed", |item| {
        list(|item| {
            let is_jid = text(item)?.contains(['@', '/']);
            if is_jid { jid_spellings(item).map(Ok) } else { domain_spellings(item).map(Err) }
        })(item)
    });
    warn_of_words(section, "listed");
    let Some((entries, place)) = read else { return };
    for entry in entries {
        match entry {
            Ok(spellings) => jids.extend(spellings),
            Err(spellings) => domains.extend(spellings),
        }
    }
    let line = section.notes().line(&place);
    rules.listed_jids = Set::at(jids.into_iter().collect(), line);
    rules.listed_domains = Set::at(domains.into_iter().collect(), line);
}

/// The words for classes, and "default".
static OPENINGS: [(&str, Option<ClassSet>); 10] = {
    type Word = (&'static str, ClassSet);
    const fn class((name, classes): Word) -> (&'static str, Option<ClassSet>) {
        (name, Some(classes))
    }
    let [a, b, c, d, e, f, g, h, i] = CLASSES;
    [
        (Opening::DEFAULT, None),
        class(a),
        class(b),
        class(c),
        class(d),
        class(e),
        class(f),
        class(g),
        class(h),
        class(i),
    ]
};

/// Classes, or "default" alone.
fn opening(item: &Item<'_>) -> Read<Opening> {
    if let Ok(word) = text(item) {
        return match word == Opening::DEFAULT {
            true => Ok(Opening::Default),
            false => item.wrong(
                format!("`{word}` is no list of classes"),
                Some("write \"default\", or a list like [\"account\"]".to_owned()),
            ),
        };
    }
    let words = list(word(&OPENINGS, |(name, _)| name))(item)?;
    let is_default = |(_, classes): &(&str, Option<ClassSet>)| classes.is_none();
    match words.iter().any(is_default) {
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
}
