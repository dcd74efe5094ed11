//! Rules on moderators: who becomes one, and who may make one.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use super::family::family;
use super::kinds::{Who, classes, words_in_list};
use crate::jid::BareJid;
use crate::policy::class::{Class, ClassSet};
use crate::policy::record::Source;
use crate::setting::kind::{SECOND, duration_or_never, list, once, some_text, word};
use crate::setting::values::{account_or, domain_spellings, words_for_domains};
use crate::setting::{Item, Kind, values};

names! {
    /// A way to become a moderator.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Become {
        /// Operators of the file.
        Operator = "operator",
        /// The JIDs and domains of the list.
        Listed = "listed",
        /// A verified token with the named claim.
        Token = "token",
        /// An account on a local host.
        Account = "account",
        /// The person who opened the room.
        Opener = "opener",
    }
}

names! {
    /// Where a room's host code comes from.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum HostCode {
        /// Rooms have none.
        Nowhere = "none",
        /// Made by the component when the room opens.
        Generated = "generated",
        /// Computed from a secret, the room's name and the time.
        Derived = "derived",
    }
}

impl HostCode {
    /// Returns the source of a new code, or `None` where rooms have none.
    pub const fn source(self) -> Option<Source> {
        match self {
            Self::Nowhere => None,
            Self::Generated => Some(Source::Generated),
            Self::Derived => Some(Source::Derived),
        }
    }
}

family! {
    /// The rules on moderators.
    "moderators": Moderators {
        /// Who becomes a moderator, the strongest first: "operator", "listed" (here below), "token", "account",
        /// "opener" (the person who opened the room), or "nobody".
        assign: Vec<Become> = vec![Become::Operator, Become::Listed, Become::Token, Become::Opener], ways(),
            rule "A moderator by the policy: operator, listed, token, account, or the opener."
            [switch |moderators| {
                (moderators.by_room, moderators.assign.value) = (true, Vec::new());
            }, exempt |_| {}; Compared];
        /// For "listed": bare JIDs.
        jids: HashSet<BareJid> = HashSet::new(), accounts();
        /// For "listed": domains.
        domains: HashSet<String> = HashSet::new(), domains();
        /// For "token": the claim that makes a moderator ...
        claim: String = "moderator".to_owned(), some_text();
        /// ... if it has one of these values.
        claim_values: Vec<String> = vec!["true".to_owned()], list(some_text());
        /// The host code, a second password that makes the person who types it a moderator, for people without an account:
        /// "none", "generated" when the room opens, or "derived" from `password.secret` and the room's name. It is as
        /// long as `password.words` says, and a derived one changes with `password.period`.
        code: HostCode = HostCode::Nowhere, word(),
            rule "A moderator because they typed the room's host code where the password is asked for: it opens the lobby as well, and nothing else. Bans, removals, a closed, suspended or full room, hours, names and `access.enter` hold as for everybody. Wrong codes count as wrong passwords. It makes nobody a moderator again from whom a moderator took that. Also: what was typed is no code."
            [off HostCode::Nowhere, exempt |_| {}; Compared];
        /// Who may make others moderators: "moderator", "operator" or "nobody", as in the next four.
        grant: Who = Who::Moderator, word(),
            rule "Made a moderator by a person who may; or: who may do that."
            [off Who::Anybody];
        /// Who may take moderation from others.
        revoke: Who = Who::Moderator, word(),
            rule "Who may take moderation from others, and give or take voice."
            [off Who::Anybody; Undescribed];
        /// Who may remove and ban people.
        remove: Who = Who::Moderator, word(),
            rule "Who may remove and ban people, and reserve a nick that a person bears. A ban of a moderator takes moderation, and needs `revoke` as well."
            [off Who::Anybody];
        /// Who may invite people, and let them in from the lobby.
        admit: Who = Who::Moderator, word(),
            rule "Who may invite, let people in and make members. Nobody makes themselves a member by registration."
            [off Who::Anybody];
        /// Who may end the meeting for all.
        end: Who = Who::Moderator, word(),
            rule "Who may destroy the room."
            [off Who::Anybody];
        /// Whom moderators made by a person's hand cannot remove, ban, demote or mute: "file" (moderators by `assign`, the
        /// opener apart), "opener" (while moderating); [] protects services and operators only.
        protect: Vec<Protected> = vec![Protected::File], list(word()),
            rule "Moderators by the file (operators, listed, by token, by account: each way of `assign` but the opener) are not removed, banned, demoted, muted (by role) or given a nick by those made moderators by a person's hand; nor is the opener, where the file says so. Among equals, and upwards down, the other rules decide; everybody may step down. Jitsi's own buttons to mute a person are not held to it."
            [off Vec::new(); Undescribed];
        /// Who may take over when the last moderator has left; the one who has been inside longest does.
        successors: ClassSet = ClassSet::of(&[Class::Operator, Class::Listed, Class::Token, Class::Account]), classes(),
            rule "The last moderator has left and has not come back: the one of these who has been inside longest moderates now."
            [switch |moderators| moderators.succession_after.value = None; Undescribed];
        /// How long the last moderator has to come back before; "never": nobody takes over.
        succession_after: Option<Duration> = Some(Duration::from_secs(60)), duration_or_never(SECOND);
    }
    also {
        /// Who moderates is left to the room service: no rule makes a moderator, and none demotes an opener. It is what
        /// remains of `moderators.assign` when it is off.
        by_room: bool = false,
    }
}

/// The ways that the file may name; `None` stands for `nobody`.
static WAYS: [Option<Become>; 6] = [
    Some(Become::Operator),
    Some(Become::Listed),
    Some(Become::Token),
    Some(Become::Account),
    Some(Become::Opener),
    None,
];

/// Reads the ways to become a moderator, the strongest first; `nobody` stands alone.
fn ways() -> Kind<Vec<Become>> {
    let name = |way: Option<Become>| way.map_or("nobody", Become::name);
    let read = move |item: &Item<'_>| {
        let words = values::list(values::word(&WAYS, name))(item)?;
        if words.contains(&None) {
            return match words.len() {
                1 => Ok(Vec::new()),
                _ => {
                    item.wrong("`nobody` stands with others", Some("write [\"nobody\"]".to_owned()))
                }
            };
        }
        once(item, words.into_iter().flatten().collect())
    };
    let write = move |ways: &Vec<Become>| match ways.as_slice() {
        [] => words_in_list([name(None)]),
        ways => words_in_list(ways.iter().map(|way| way.name())),
    };
    Kind::new(read, write, json!({ "type": "array", "items": { "enum": WAYS.map(name) } }))
}

/// Reads accounts, in each spelling of their domains.
fn accounts() -> Kind<HashSet<BareJid>> {
    let account = |item: &Item<'_>| {
        let hint =
            |domain: &str| format!("write it into `domains`, like `domains = [\"{domain}\"]`");
        account_or(item, hint).map(|jid| jid.spellings())
    };
    Kind::new(
        move |item| Ok(values::list(account)(item)?.into_iter().flatten().collect()),
        |jids: &HashSet<BareJid>| words_in_list(jids.iter().map(BareJid::as_str)),
        json!({ "type": "array", "items": { "type": "string" } }),
    )
}

/// Reads domains, in each of their spellings.
fn domains() -> Kind<HashSet<String>> {
    Kind::new(
        |item| Ok(values::list(domain_spellings)(item)?.into_iter().flatten().collect()),
        |domains: &HashSet<String>| words_in_list(domains.iter().map(String::as_str)),
        json!({ "type": "array", "items": { "type": "string" } }),
    )
    .warning(words_for_domains)
}

names! {
    /// Whom moderators of a lower rank cannot remove, ban, demote or mute.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Protected {
        /// Moderators by the file: by each way of `moderators.assign` but `opener`.
        File = "file",
        /// The opener, while they moderate.
        Opener = "opener",
    }
}
