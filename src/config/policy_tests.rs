//! `policy-tests.toml`: attempts and the decisions that the policy has to make on them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;

use jiff::Timestamp;

use super::attempt_args::{ATTEMPTS, Described, PASSWORDS, WAYS};
use super::diagnostics::{Diagnostics, Problem};
use super::file::read_file;
use super::load::{LoadError, parse_table, schema};
use super::table_reader::TableReader;
use crate::policy::class::Class;
use crate::policy::rules::fixed::FIXED;
use crate::policy::rules::{SWITCHES, renamed};
use crate::policy::verdict::Verdict;
use crate::setting::kind::did_you_mean;
use crate::setting::values::{boolean, jid, list, moment, some_text, text, whole, word};
use crate::setting::{Item, Read};

/// A policy test: an attempt and the expected decision.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Title of the test in reports; by default the attempt and the requester.
    pub name: String,
    /// 1-based line of the test in its file.
    pub line: u32,
    /// The attempt to decide, and the room as it is then.
    pub attempt: Described,
    /// Time of the attempt; `None`: the time of the test run.
    pub at: Option<Timestamp>,
    /// The decision that the policy has to make.
    pub expected: Expected,
}

/// Expected decision on an attempt. A field that is `None` is not compared.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Verdict, which every test has to name.
    pub verdict: Verdict,
    /// Name of the rule that decides, like `lobby.admission`.
    pub rule: Option<String>,
    /// Code of the denial, as in docs/rules.md.
    pub denial: Option<String>,
    /// Class that the requester is assigned to.
    pub class: Option<Class>,
    /// Effects of the decision, each with whether it has to occur.
    pub effects: Vec<(Effect, bool)>,
}

names! {
    /// Effect of a decision, as a test names it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Effect {
        /// The requester becomes a moderator.
        Moderator = "moderator",
        /// The room gets a password.
        Password = "password",
        /// The room gets a host code.
        Code = "code",
        /// The service's own lobby is up.
        Lobby = "lobby",
        /// Only members may join.
        MembersOnly = "members_only",
        /// The room is not listed.
        Hidden = "hidden",
        /// The room outlives its last occupant.
        Persistent = "persistent",
    }
}

/// Values that one table gives to an attempt, applied over those of earlier tables.
#[derive(Default)]
struct Layer(Vec<Change>);

type Change = Box<dyn Fn(&mut Draft)>;

#[derive(Clone, Default)]
struct Draft {
    attempt: Described,
    at: Option<Timestamp>,
}

static VERDICTS: [Verdict; 4] = [Verdict::Allow, Verdict::Hold, Verdict::Prompt, Verdict::Deny];

/// Reads a file of tests.
///
/// # Errors
/// Fails if the file cannot be read or is invalid.
pub fn load_trials(path: &Path) -> Result<Vec<Trial>, LoadError> {
    let text = read_file(path).map_err(|error| LoadError::Unreadable(path.to_owned(), error))?;
    parse_trials(&path.display().to_string(), &text).map_err(LoadError::Invalid)
}

/// Parses the text of a file of policy tests.
///
/// # Errors
/// Returns every error, in the order of the file.
pub fn parse_trials(name: &str, text: &str) -> Result<Vec<Trial>, Vec<Problem>> {
    let notes = Diagnostics::new(name, text);
    let trials = parse_table(&notes, text).map(|table| {
        let mut root = TableReader::root(&notes, &table);
        let trials = read(&mut root);
        root.finish();
        trials
    });
    let (errors, _) = notes.problems(schema);
    match trials {
        Some(trials) if errors.is_empty() => Ok(trials),
        Some(_) | None => Err(errors),
    }
}

fn read(root: &mut TableReader<'_>) -> Vec<Trial> {
    let mut defaults = root.table("defaults");
    let usual = layer(&mut defaults);
    defaults.finish();
    let mut people = HashMap::new();
    for (name, mut section) in root.tables_by_name("people") {
        people.insert(name, layer(&mut section));
        section.finish();
    }
    let sections = root.tables("case");
    if sections.is_empty() {
        root.error(root.place(), "case", "there is none");
    }
    sections.into_iter().filter_map(|section| trial(section, &usual, &people)).collect()
}

fn trial(
    mut section: TableReader<'_>,
    usual: &Layer,
    people: &HashMap<String, Layer>,
) -> Option<Trial> {
    let mut draft = Draft::default();
    usual.lay_over(&mut draft);
    let who = section.value("who", |item| {
        let name = text(item)?;
        people.get(name.as_str()).map_or_else(
            || {
                let hint = did_you_mean(&name, people.keys().map(String::as_str));
                item.wrong(format!("there is no `[people.{name}]`"), hint)
            },
            Ok,
        )
    });
    if let Some(who) = who {
        who.lay_over(&mut draft);
    }
    layer(&mut section).lay_over(&mut draft);
    let name = section.value("name", some_text);
    let expected = expected(&mut section);
    let Draft { attempt, at } = draft;
    for (key, value) in [("room", &attempt.room), ("jid", &attempt.jid)] {
        // An invalid value has been reported already.
        let is_wrong = section.has(key);
        if value.is_empty() && !is_wrong {
            section.error(section.place(), key, format!("there is no `{key}`, here or above"));
        }
    }
    let line = section.line();
    let name = name.unwrap_or_else(|| format!("{} by {}", attempt.what, attempt.jid));
    section.finish();
    Some(Trial { name, line, attempt, at, expected: expected? })
}

fn expected(section: &mut TableReader<'_>) -> Option<Expected> {
    let verdict = section.value("expect", word(&VERDICTS, Verdict::name));
    if !section.has("expect") {
        section.error(section.place(), "expect", "there is no `expect`");
    }
    let rule = section.value("rule", rule);
    let denial = section.value("denial", some_text);
    let class = section.value("class", word(&Class::ALL, Class::name));
    let mut effects = Vec::new();
    let mut table = section.table("effects");
    for effect in Effect::ALL {
        effects.extend(table.value(effect.name(), boolean).map(|follows| (effect, follows)));
    }
    table.finish();
    Some(Expected { verdict: verdict?, rule, denial, class, effects })
}

fn layer(section: &mut TableReader<'_>) -> Layer {
    let mut layer = Layer::default();
    let name = |name: &'static str| name;
    let count = || whole(0..=u32::MAX);
    let word_of = |words| move |item: &Item<'_>| word(words, name)(item).map(str::to_owned);
    layer.take(section, "do", word_of(&ATTEMPTS[..]), |draft| &mut draft.attempt.what);
    layer.take(section, "room", address, |draft| &mut draft.attempt.room);
    layer.take(section, "jid", address, |draft| &mut draft.attempt.jid);
    layer.take(section, "nick", |item| some_text(item).map(Some), |draft| &mut draft.attempt.nick);
    layer.take(section, "auth", word_of(&WAYS[..]), |draft| {
        draft.attempt.auth.get_or_insert_default()
    });
    layer.take(section, "claims", list(claim), |draft| &mut draft.attempt.claims);
    layer.take(section, "unencrypted", boolean, |draft| &mut draft.attempt.unencrypted);
    layer.take(section, "address", network_address, |draft| &mut draft.attempt.address);
    layer.take(section, "password", word_of(&PASSWORDS[..]), |draft| &mut draft.attempt.password);
    layer.take(section, "admitted", boolean, |draft| &mut draft.attempt.admitted);
    layer.take(section, "moderator", boolean, |draft| &mut draft.attempt.moderator);
    layer.take(section, "occupants", count(), |draft| &mut draft.attempt.occupants);
    layer.take(section, "moderators", count(), |draft| &mut draft.attempt.moderators);
    layer.take(section, "waiting", count(), |draft| &mut draft.attempt.waiting);
    layer.take(section, "no_password", boolean, |draft| &mut draft.attempt.no_password);
    layer.take(section, "closed", boolean, |draft| &mut draft.attempt.closed);
    layer.take(section, "jitsi", boolean, |draft| &mut draft.attempt.jitsi);
    layer.take(section, "e2ee", boolean, |draft| &mut draft.attempt.e2ee);
    layer.take(section, "nobody_logs_in", boolean, |draft| &mut draft.attempt.nobody_logs_in);
    layer.take(section, "at", moment, |draft| &mut draft.at);
    layer
}

impl Layer {
    fn take<T: Clone + 'static>(
        &mut self,
        section: &mut TableReader<'_>,
        key: &'static str,
        kind: impl FnOnce(&Item<'_>) -> Read<T>,
        of: fn(&mut Draft) -> &mut T,
    ) {
        if let Some(value) = section.value(key, kind) {
            self.0.push(Box::new(move |draft| of(draft).clone_from(&value)));
        }
    }

    fn lay_over(&self, draft: &mut Draft) {
        self.0.iter().for_each(|change| change(draft));
    }
}

fn address(item: &Item<'_>) -> Read<String> {
    jid(item).map(|jid| jid.to_string())
}

fn network_address(item: &Item<'_>) -> Read<Option<IpAddr>> {
    let text = text(item)?;
    text.parse()
        .map_or_else(|_| item.wrong(format!("`{text}` is no IP address"), None), |ip| Ok(Some(ip)))
}

fn claim(item: &Item<'_>) -> Read<String> {
    let text = text(item)?;
    if text.contains('=') {
        Ok(text)
    } else {
        item.wrong(format!("`{text}` is no claim"), Some("write \"name=value\"".to_owned()))
    }
}

/// Reads the name of a rule, which has to exist: with a typo the test could never pass.
fn rule(item: &Item<'_>) -> Read<String> {
    let text = text(item)?;
    let rules = || {
        let always = FIXED.iter().map(|rule| rule.name);
        SWITCHES.iter().map(|switch| switch.name).chain(always)
    };
    if rules().any(|rule| rule == text) {
        return Ok(text);
    }
    let now = renamed(&text).map(|now| format!("it is `{now}` now"));
    item.wrong(format!("`{text}` is no rule"), now.or_else(|| did_you_mean(&text, rules())))
}
