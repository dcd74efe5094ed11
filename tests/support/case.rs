//! The language of `tests/cases/*.toml`: short words become an attempt, and a decision becomes short words.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;
use vestibule::policy::attempt;
use vestibule::policy::attempt::{
    Action, Affiliation, AffiliationChange, Attempt, Auth, Client, Credential, Feature,
    FieldChange, Namesake, Pressure, Requester, Role, RoleChange, RoomView, Strength, Word,
};
use vestibule::policy::denial::Denial;
use vestibule::policy::fingerprint::Mark;
use vestibule::policy::form_field::{FormField, To};
use vestibule::policy::record::{
    Closed, Entry, JoinFlood, Person, Proof, Record, Removed, Source, Suspended,
};
use vestibule::policy::verdict::{Decision, Degree, Effects, NewPassword, Rule, Verdict};

use crate::policies::{jid, now};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    #[serde(default = "default_policy")]
    pub(crate) policy: String,
    #[serde(rename = "do")]
    action: String,
    #[serde(default)]
    who: Who,
    #[serde(default)]
    room: Room,
    /// The modes of families and rules, by their names.
    #[serde(default)]
    pub(crate) modes: BTreeMap<String, String>,
    /// The person on whose behalf the focus opens the room.
    behind: Option<String>,
    #[serde(default)]
    items: Vec<String>,
    /// The occupant who has the nick of each item.
    bearer: Option<Who>,
    /// Other occupants that each item affects: they have the nick that it reserves, or are from its domain.
    #[serde(default)]
    displaced: Vec<Who>,
    /// What the room remembers of others: how they came in, and `moderator`.
    #[serde(default)]
    others: BTreeMap<String, String>,
    #[serde(default)]
    pressure: Waits,
    /// Whether another occupant has a name like the requester's, and is a moderator.
    namesake: Option<Namesake>,
    pub(crate) expect: String,
    /// What would have been decided if what is observed were enforced; without it, the same.
    pub(crate) would: Option<String>,
    /// The lines of the exceptions that hold.
    #[serde(default)]
    pub(crate) exceptions: Vec<u32>,
    pub(crate) class: Option<String>,
    pub(crate) effects: Option<Vec<String>>,
    /// What would change the verdict, and to what.
    pub(crate) changes: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Who {
    jid: Option<String>,
    auth: Option<String>,
    secure: Option<bool>,
    unknown_security: bool,
    address: Option<String>,
    nick: String,
    name: String,
    affiliation: Option<String>,
    role: Option<String>,
    claims: BTreeMap<String, String>,
    entered: Option<String>,
    moderator: bool,
    client: Option<String>,
    account: Option<String>,
    ticket: Option<String>,
    device: Option<String>,
    e2ee: bool,
    /// The breakout room into which they come.
    breakout: Option<String>,
    /// Whether they come there from another room of the meeting.
    changes: bool,
    /// Whether a moderator has sent them there.
    sent: bool,
    visitor: bool,
}

/// A person who was removed: for how many minutes more, and by what they are recognised.
#[derive(Deserialize)]
struct Gone {
    left: i64,
    #[serde(default)]
    knocks: bool,
    #[serde(default)]
    banned: bool,
    #[serde(flatten)]
    marks: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Room {
    jid: Option<String>,
    occupants: Option<u32>,
    moderators: Option<u32>,
    waiting: u32,
    password: Option<bool>,
    members_only: bool,
    lobby: bool,
    /// Whether people log in to the server; otherwise all are guests.
    people_log_in: bool,
    exists: Option<bool>,
    persistent: bool,
    unasked: bool,
    /// Whether the room was there before the policy, by its record.
    found: bool,
    record: Option<bool>,
    opener: Option<String>,
    /// Source of its password; by default `generated`.
    source: Option<String>,
    closed: Option<String>,
    opened: Option<i64>,
    reopened: Option<i64>,
    /// How many minutes ago the time ended in which the opener had to come.
    awaited: Option<i64>,
    removed: Vec<Gone>,
    /// How many minutes ago an operator suspended it.
    suspended: Option<i64>,
    /// How often the password was changed.
    password_changes: u32,
    /// Whether it has a host code.
    code: bool,
    /// A join flood that began now: `lobby` if the lobby was put up for it, else another word.
    wave: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Waits {
    guesses: Option<u64>,
    room: Option<u64>,
    knocks: Option<u64>,
    /// The waits, also in seconds, by the rules that are only observed.
    observed_guesses: Option<u64>,
    observed_room: Option<u64>,
    observed_knocks: Option<u64>,
    /// Number of rooms that the opener of this one has opened; `rooms` counts all.
    rooms_of_opener: u32,
    rooms: u32,
    /// Number of strangers who joined within the time of the flood rule.
    strangers: u32,
}

fn default_policy() -> String {
    "default".to_owned()
}

impl Who {
    /// Returns the requester as an occupant, unless the case gives another role.
    fn occupant(&self) -> Requester {
        let requester = self.requester();
        let role = match self.role {
            Some(_) => requester.role,
            None if requester.affiliation >= Affiliation::Admin => Role::Moderator,
            None => Role::Participant,
        };
        Requester { role, ..requester }
    }

    fn requester(&self) -> Requester {
        let named = self.jid.as_deref().unwrap_or("bob@guest.example.org");
        let person = self.entered.as_deref().map(person_of);
        let mark = |kind, text: &Option<String>| text.as_deref().map(|text| Mark::of(kind, text));
        Requester {
            jid: (!named.is_empty()).then(|| jid(named)),
            auth: Auth::from_name(self.auth.as_deref().unwrap_or("anonymous")),
            secure: (!self.unknown_security).then(|| self.secure.unwrap_or(true)),
            address: self.address.as_deref().map(|address| address.parse().unwrap()),
            nick: self.nick.as_str().into(),
            name: self.name.as_str().into(),
            affiliation: affiliation(self.affiliation.as_deref().unwrap_or("none")),
            role: role(self.role.as_deref().unwrap_or("none")),
            claims: self.claims.clone().into_iter().collect(),
            person: if self.moderator {
                Some(person.unwrap_or(Person::entered(Entry::Both)).as_moderator(true))
            } else {
                person
            },
            account: self.account.as_deref().map(jid).map(Box::new),
            client: self.client.as_deref().map_or(Client::Plain, Client::from_name),
            ticket: mark("ticket", &self.ticket),
            device: mark("device", &self.device),
            e2ee: self.e2ee,
            breakout: self.breakout.as_deref().map(jid).map(Box::new),
            changes: self.changes,
            sent: self.sent,
            visitor: self.visitor,
            ..Requester::default()
        }
    }
}

impl Room {
    fn source(&self) -> Source {
        let named = self.source.as_deref().unwrap_or(Source::Generated.name());
        Source::ALL.into_iter().find(|source| source.name() == named).unwrap()
    }
}

impl Gone {
    fn entry(&self) -> Removed {
        Removed {
            until: now() + SignedDuration::from_mins(self.left),
            marks: self.marks.iter().map(|(kind, text)| Mark::of(kind, text)).collect(),
            proof: Proof::default(),
            knocks: self.knocks,
            banned: self.banned,
            unknown: Default::default(),
            unread: None,
        }
    }
}

impl Case {
    /// Returns the attempt: of Bob, anonymous, at the room `tea`, unless the case says otherwise.
    pub(crate) fn attempt(&self) -> Attempt {
        Attempt {
            id: self.name.as_str().into(),
            room: self.room.jid.as_deref().map_or(Some(jid("tea@rooms.example.org")), |room| {
                (!room.is_empty()).then(|| jid(room))
            }),
            requester: match self.action.split(' ').next() {
                Some("request" | "open" | "join" | "register") => self.who.requester(),
                _ => self.who.occupant(),
            },
            action: self.action(),
            behind: self.behind.as_deref().map(|named| Requester {
                jid: Some(jid(named)),
                auth: if named.contains("guest") { Auth::Anonymous } else { Auth::Account },
                secure: Some(true),
                client: Client::Jitsi,
                ..Requester::default()
            }),
            banned: attempt::Held::default(),
            namesake: self.namesake,
            others: self.others.iter().map(|(who, how)| (jid(who), person_of(how))).collect(),
        }
    }

    /// Returns the room: opened by Ann five minutes ago, alone in it, with a password; for an `open` there is none.
    pub(crate) fn room(&self) -> RoomView {
        let room = &self.room;
        let is_there = room.exists.unwrap_or(!self.action.starts_with("open"));
        let has_record = room.record.unwrap_or(!self.action.starts_with("open"));
        let ago = |minutes: i64| now() - SignedDuration::from_mins(minutes);
        let one = u32::from(is_there);
        RoomView {
            occupants: room.occupants.unwrap_or(one),
            others: None,
            moderators: room.moderators.unwrap_or(one),
            waiting: room.waiting,
            has_password: room.password.unwrap_or(is_there),
            members_only: room.members_only,
            lobby: room.lobby,
            nobody_logs_in: !room.people_log_in,
            exists: is_there,
            persistent: room.persistent,
            unasked: room.unasked,
            affiliations: 0,
            unreadable: false,
            record: has_record.then(|| {
                let opener = room.opener.clone().unwrap_or("ann@example.org".to_owned());
                let opened = ago(room.opened.unwrap_or(5));
                let mut record = Record::new(opened, opener, Some(room.source()));
                record.closed = room.closed.as_deref().map(closed);
                record.reopened = room.reopened.map(ago);
                record.awaited = room.awaited.map(ago);
                let raised = room.members_only;
                record.suspended =
                    room.suspended.map(|since| Suspended { since: ago(since), raised });
                record.found = room.found;
                record.password_changes = room.password_changes;
                record.code = room.code.then_some(Source::Generated);
                record.removed = room.removed.iter().map(Gone::entry).collect();
                record.wave =
                    room.wave.as_deref().map(|by| JoinFlood { since: now(), lobby: by == "lobby" });
                record
            }),
        }
    }

    pub(crate) fn pressure(&self) -> Pressure {
        let waits = &self.pressure;
        let of = |seconds: Option<u64>| seconds.map(Duration::from_secs);
        Pressure {
            guesses: of(waits.guesses),
            room: of(waits.room),
            knocks: of(waits.knocks),
            observed: attempt::Waits {
                guesses: of(waits.observed_guesses),
                room: of(waits.observed_room),
                knocks: of(waits.observed_knocks),
            },
            rooms_of_opener: waits.rooms_of_opener,
            rooms: waits.rooms,
            strangers: waits.strangers,
        }
    }

    fn bearer(&self) -> Option<Requester> {
        self.bearer.as_ref().map(Who::requester)
    }

    fn action(&self) -> Action {
        let words: Vec<&str> = self.action.split(' ').collect();
        match *words {
            ["request"] => Action::Request,
            ["open"] => Action::Open { typed: None },
            ["open", ref typed @ ..] => Action::Open { typed: Some(strength(typed)) },
            ["join"] => Action::Join { credential: Credential::None },
            ["join", "wrong"] => Action::Join { credential: Credential::Wrong },
            ["join", "right"] => Action::Join { credential: Credential::Right },
            ["join", "code"] => Action::Join { credential: Credential::Code },
            ["configure"] => {
                Action::Configure { fields: self.items.iter().map(|item| field(item)).collect() }
            }
            ["affiliation"] | ["register"] => Action::Affiliation {
                items: self
                    .items
                    .iter()
                    .map(|item| AffiliationChange {
                        bearer: self.bearer(),
                        displaced: self.displaced.iter().map(Who::requester).collect(),
                        ..affiliation_change(item)
                    })
                    .collect(),
                register: words == ["register"],
            },
            ["role"] => {
                let change =
                    |item: &String| RoleChange { bearer: self.bearer(), ..role_change(item) };
                Action::Role { items: self.items.iter().map(change).collect() }
            }
            ["destroy"] => Action::Destroy,
            ["invite"] => Action::Invite { to: self.items.iter().map(|to| maybe(to)).collect() },
            ["admit", who] => Action::Knock { target: maybe(who), admit: true },
            ["reject", who] => Action::Knock { target: maybe(who), admit: false },
            ["say", "!password"] => Action::Command(Word::Password),
            ["say", "!invite"] => Action::Command(Word::Invite),
            ["say", "!help"] => Action::Command(Word::Help),
            ["say", "!close"] => Action::Command(Word::Close),
            ["say", which @ ("!admit" | "!reject"), "all"] => Action::AnswerAll {
                waiting: self.items.iter().map(|jid| jid.parse().unwrap()).collect(),
                admit: which == "!admit",
            },
            ["say", "!reopen"] => Action::Command(Word::Reopen),
            ["say", _] => Action::Command(Word::Unknown),
            ["stop", "recording"] => Action::Feature(Feature::Record { stops: true }),
            ["rename"] => Action::Rename,
            ["unknown"] => Action::Unknown,
            [name] => Feature::read(name, false)
                .map_or_else(|| panic!("`{name}` is no action"), Action::Feature),
            _ => panic!("`{}` is no action", self.action),
        }
    }
}

/// Parses `12 4`, `12 4 denied` or `12 4 code`: length, score, and whether the password is on the deny list, or the host
/// code.
fn strength(words: &[&str]) -> Strength {
    match words {
        [length, score, more @ ..] => Strength {
            length: length.parse().unwrap(),
            score: score.parse().unwrap(),
            denied: *more == ["denied"],
            code: *more == ["code"],
        },
        _ => panic!("`{words:?}` is no strength"),
    }
}

fn field(text: &str) -> FieldChange {
    match *text.split(' ').collect::<Vec<_>>() {
        ["password", "kept"] => FieldChange::PasswordKept,
        ["password", "removed"] => FieldChange::PasswordRemoved,
        ["password", ref typed @ ..] => FieldChange::PasswordSet(strength(typed)),
        ["members-only", on] => FieldChange::MembersOnly(on == "on"),
        ["public", on] => FieldChange::Public(on == "on"),
        ["persistent", on] => FieldChange::Persistent(on == "on"),
        [name, "kept"] => FieldChange::Kept(name.to_owned()),
        [name, ref value @ ..] => FormField::ALL
            .into_iter()
            .find(|setting| setting.name() == name && *setting != FormField::Other)
            .map_or_else(
                || FieldChange::Other(text.to_owned()),
                |setting| FieldChange::Setting(setting, to(value)),
            ),
        [] => panic!("no field"),
    }
}

/// Parses the new value of a field: `12 characters`, `20`, `no number`, `on`, `off`, a word, or nothing.
fn to(words: &[&str]) -> To {
    match *words {
        [] => To::Anything,
        [length, "characters"] => To::Text(length.parse().unwrap()),
        ["no", "number"] => To::Number(None),
        ["on"] => To::Flag(true),
        ["off"] => To::Flag(false),
        [one] => {
            one.parse().map_or_else(|_| To::Word(one.to_owned()), |number| To::Number(Some(number)))
        }
        _ => panic!("`{words:?}` is no value"),
    }
}

/// Parses `eve@example.org none -> owner`, followed by ` as nick` where a nick is reserved.
fn affiliation_change(text: &str) -> AffiliationChange {
    let (text, nick) =
        text.split_once(" as ").map_or((text, None), |(text, nick)| (text, Some(nick.to_owned())));
    match *text.split(' ').collect::<Vec<_>>() {
        [who, from, "->", to] => AffiliationChange {
            jid: maybe(who),
            from: affiliation(from),
            to: Affiliation::from_name(to),
            nick,
            ..AffiliationChange::default()
        },
        _ => panic!("`{text}` is no change of an affiliation"),
    }
}

fn role_change(text: &str) -> RoleChange {
    match *text.split(' ').collect::<Vec<_>>() {
        [who, from, "->", to] => {
            RoleChange { jid: maybe(who), from: role(from), to: Role::from_name(to), bearer: None }
        }
        _ => panic!("`{text}` is no change of a role"),
    }
}

fn maybe(text: &str) -> Option<vestibule::jid::BareJid> {
    (text != "?").then(|| jid(text))
}

fn affiliation(name: &str) -> Affiliation {
    Affiliation::from_name(name).unwrap_or_else(|| panic!("`{name}` is no affiliation"))
}

fn role(name: &str) -> Role {
    Role::from_name(name).unwrap_or_else(|| panic!("`{name}` is no role"))
}

fn person_of(text: &str) -> Person {
    let (entry, rank) = text.split_once(' ').unwrap_or((text, ""));
    if entry == "removed" {
        let had = rank.strip_prefix("had=").map(affiliation);
        return Person::suspended(None, had.unwrap_or_default());
    }
    let has = |word| rank.split(' ').any(|one| one == word);
    Person::entered(entry_of(entry))
        .as_moderator(has("moderator"))
        .as_by_file(has("by-file"))
        .with_code(has("by-code"))
}

fn entry_of(name: &str) -> Entry {
    match name {
        "opened" => Entry::Opened,
        "password" => Entry::Password,
        "admitted" => Entry::Admitted,
        "both" => Entry::Both,
        "proved" => Entry::Proved,
        _ => panic!("`{name}` is no way in"),
    }
}

fn closed(name: &str) -> Closed {
    match name {
        "command" => Closed::Command,
        "count" => Closed::Count,
        "time" => Closed::Time,
        "unmoderated" => Closed::Unmoderated,
        "hours" => Closed::Hours,
        _ => panic!("`{name}` closes nothing"),
    }
}

/// Returns a decision like `deny ban banned`: the verdict, the rule, the code of the denial.
pub(crate) fn in_short(decision: &Decision) -> String {
    words(decision.verdict, decision.rule, decision.denial)
}

/// Returns in the same form what would be decided if observed rules were enforced, or `-` if that is the same.
pub(crate) fn would_in_short(decision: &Decision) -> String {
    let would = decision.would.as_ref();
    would.map_or("-".to_owned(), |would| words(would.verdict, would.rule, would.denial))
}

fn words(verdict: Verdict, rule: Rule, denial: Option<Denial>) -> String {
    let mut words = vec![verdict.name(), rule.name];
    words.extend(denial.map(|denial| denial.code()));
    words.join(" ")
}

/// Returns every effect on a line of its own.
pub(crate) fn effects_in_short(effects: &Effects) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(record) = &effects.record {
        let state = record.closed.map_or("open".to_owned(), |closed| closed.name().to_owned());
        let source = record.password.map_or("none", Source::name);
        let awaited = if record.awaited.is_some() { " awaited" } else { "" };
        let reopened = if record.reopened == Some(now()) { " reopened" } else { "" };
        let removed = match record.removed.len() {
            0 => String::new(),
            count => format!(" removed={count}"),
        };
        let wave = match record.wave {
            None => "",
            Some(JoinFlood { lobby: false, .. }) => " wave",
            Some(JoinFlood { lobby: true, .. }) => " wave+lobby",
        };
        let suspended = match record.suspended {
            None => "",
            Some(Suspended { raised: false, .. }) => " suspended",
            Some(Suspended { raised: true, .. }) => " suspended+raised",
        };
        let opener = &record.opener;
        let found = if record.found { " found" } else { "" };
        lines.push(format!(
            "record {state} by={opener} password={source}{found}{awaited}{reopened}{removed}{wave}{suspended}"
        ));
    }
    for (who, person) in &effects.people {
        lines.push(match person {
            None => format!("forget {who}"),
            Some(person) => {
                let entry =
                    person.entry.map_or("removed".to_owned(), |e| format!("{e:?}").to_lowercase());
                let rank = if person.moderator { " moderator" } else { "" };
                let by_code = if person.code { " by-code" } else { "" };
                let by_file = if person.by_file { " by-file" } else { "" };
                let had = person.suspended.map(|had| format!(" had={}", had.name()));
                let knows = match person.password {
                    0 => String::new(),
                    password => format!(" password={password}"),
                };
                let had = had.unwrap_or_default();
                format!("remember {who} {entry}{rank}{by_file}{by_code}{had}{knows}")
            }
        });
    }
    let mut put = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("{name} {value}")));
    };
    put("affiliation", effects.affiliation.map(|affiliation| affiliation.name().to_owned()));
    put("role", effects.role.map(|role| role.name().to_owned()));
    put(
        "password",
        effects.password.map(|password| match password {
            NewPassword::Typed => "typed".to_owned(),
            NewPassword::Made(source) => source.name().to_owned(),
        }),
    );
    put("code", effects.code.map(|source| source.name().to_owned()));
    put("members-only", effects.members_only.map(|on| on.to_string()));
    put("lobby", effects.lobby.map(|on| on.to_string()));
    put("hidden", effects.hidden.map(|on| on.to_string()));
    put("persistent", effects.persistent.map(|on| on.to_string()));
    put("keep", effects.keep.map(|on| on.to_string()));
    put("knock", effects.knock.map(|wait| wait.as_secs().to_string()));
    for (audience, notice) in &effects.notices {
        put("say", Some(format!("{audience:?} {notice:?}")));
    }
    for who in &effects.admit {
        put("admit", Some(who.to_string()));
    }
    for (who, _) in &effects.reject {
        put("reject", Some(who.to_string()));
    }
    for who in &effects.promote {
        put("promote", Some(who.to_string()));
    }
    for (who, affiliation) in &effects.affiliate {
        put("affiliate", Some(format!("{who} {}", affiliation.name())));
    }
    for (who, _) in &effects.remove {
        put("remove", Some(who.to_string()));
    }
    for (who, may) in &effects.may {
        let restricted = may.iter().filter(|(_, degree)| *degree != Degree::Yes);
        let words = restricted.map(|(what, degree)| format!(" {}={}", what.name(), degree.name()));
        put("may", Some(format!("{who}{}", words.collect::<String>())));
    }
    for media in effects.moderated.iter().flatten() {
        put("moderated", Some(media.name().to_owned()));
    }
    if effects.moderated.as_ref().is_some_and(Vec::is_empty) {
        put("moderated", Some("nothing".to_owned()));
    }
    lines
}
