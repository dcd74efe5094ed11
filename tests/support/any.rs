//! Proptest strategies for attempts, rooms, rules and policies.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use globset::Glob;
use ipnet::IpNet;
use jiff::civil::date;
use jiff::tz::TimeZoneDatabase;
use jiff::{Timestamp, ToSpan};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use smol_str::SmolStr;
use strum::IntoEnumIterator;
use vestibule::jid::BareJid;
use vestibule::policy::access::{Opening, Persistence};
use vestibule::policy::attempt::{
    Action, Affiliation, AffiliationChange, Attempt, Auth, Client, Credential, Feature,
    FieldChange, Namesake, Pressure, Requester, Role, RoleChange, RoomView, Strength, Waits, Word,
};
use vestibule::policy::bans::{Ban, Origin};
use vestibule::policy::class::{Class, ClassSet};
use vestibule::policy::close::Conditions;
use vestibule::policy::fingerprint::Mark;
use vestibule::policy::form_field::{FormField, To};
use vestibule::policy::hours::{AtEnd, DAY, Hours, Span};
use vestibule::policy::limits::Limits;
use vestibule::policy::lobby::Admission;
use vestibule::policy::moderators::{Become, HostCode};
use vestibule::policy::names::Unique;
use vestibule::policy::overrides::{Override, Overrides, Pattern, Selector};
use vestibule::policy::password::AskAgain;
use vestibule::policy::permissions::{E2ee, Permitted};
use vestibule::policy::providers::{Proves, Provider};
use vestibule::policy::record::{
    Claim, Closed, Entry, JoinFlood, Person, Proof, Record, Removed, Source, Suspended,
};
use vestibule::policy::removal::By;
use vestibule::policy::requester::{Domain, Session, SessionKind, Token};
use vestibule::policy::room_form::{PersistentBy, RoomForm, SubjectBy};
use vestibule::policy::rules::kinds::Who;
use vestibule::policy::rules::lobby::Rescue;
use vestibule::policy::rules::moderators::Protected;
use vestibule::policy::{Policy, Rules};

/// Addresses, few enough that rules and attempts often name the same one.
const PEOPLE: [&str; 7] = [
    "ann@example.org",
    "bob@example.org",
    "op@example.org",
    "focus@auth.example.org",
    "zoe@partner.example.net",
    "eve@evil.example",
    "guest.example.org",
];
pub(crate) const ROOMS: [&str; 4] = ["tea", "board-1", "team-secret", ""];
const ADDRESSES: [&str; 6] =
    ["192.0.2.7", "::ffff:192.0.2.7", "127.0.0.1", "::1", "2001:db8::7", "198.51.100.7"];
const NETWORKS: [&str; 5] =
    ["192.0.2.0/24", "::ffff:192.0.2.0/120", "2001:db8::/32", "0.0.0.0/0", "127.0.0.1/32"];

pub(crate) fn jid() -> impl Strategy<Value = BareJid> + Clone {
    select(&PEOPLE[..]).prop_map(|jid| jid.parse().unwrap())
}

/// Times around the start of 2026, and the earliest and latest of all.
pub(crate) fn moment() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        8 => (1_767_000_000_i64..1_768_000_000)
            .prop_map(|seconds| Timestamp::from_second(seconds).unwrap()),
        1 => Just(Timestamp::MIN),
        1 => Just(Timestamp::MAX),
    ]
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![(0_u64..100_000).prop_map(Duration::from_secs), Just(Duration::MAX)]
}

pub(crate) fn strength() -> impl Strategy<Value = Strength> {
    (0_u32..20, 0_u8..=4, any::<bool>(), any::<bool>())
        .prop_map(|(length, score, denied, code)| Strength { length, score, denied, code })
}

pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    select(vec![Entry::Opened, Entry::Password, Entry::Admitted, Entry::Both, Entry::Proved])
}

pub(crate) fn person() -> impl Strategy<Value = Person> {
    let had = select(vec![Affiliation::Member, Affiliation::Admin, Affiliation::Owner]);
    let entry = option::weighted(0.8, entry());
    (entry, any::<bool>(), option::weighted(0.3, had), any::<bool>(), 0_u32..3).prop_map(
        |(entry, moderator, suspended, by_file, password)| match entry {
            Some(entry) => Person::entered(entry)
                .as_moderator(moderator)
                .as_by_file(by_file)
                .with_password(password),
            None => Person::suspended(None, suspended.unwrap_or_default()).as_by_file(by_file),
        },
    )
}

fn mark(kind: &'static str) -> impl Strategy<Value = Mark> {
    select(vec!["1", "2"]).prop_map(move |text| Mark::of(kind, text))
}

/// Removals, with marks by which the generated people are recognised.
pub(crate) fn removed() -> impl Strategy<Value = Removed> {
    let mark = prop_oneof![
        select(&PEOPLE[..]).prop_map(|jid| Mark::of("account", jid)),
        select(vec!["true", "false"]).prop_map(|subject| Mark::of("token", subject)),
        mark("ticket"),
        mark("device"),
        select(vec!["192.0.2.0/24", "2001:db8::/64"])
            .prop_map(|network| Mark::of("address", network)),
    ];
    let proof = select(vec![Proof::Guest, Proof::Server, Proof::Account]);
    let kind = (any::<bool>(), any::<bool>());
    (moment(), vec(mark, 0..4), proof, kind).prop_map(|(until, marks, proof, (knocks, banned))| {
        let until = Timestamp::from_second(until.as_second()).unwrap();
        let unknown = Default::default();
        Removed { until, marks, proof, knocks, banned, unknown, unread: None }
    })
}

pub(crate) fn record() -> impl Strategy<Value = Record> {
    let closed = select(vec![
        Closed::Command,
        Closed::Count,
        Closed::Time,
        Closed::Unmoderated,
        Closed::Hours,
    ]);
    let opener = prop_oneof![select(&PEOPLE[..]).prop_map(str::to_owned), any::<String>()];
    let source = option::of(select(&Source::ALL[..]));
    let removed = vec(removed(), 0..3);
    let wave = option::weighted(0.3, (moment(), any::<bool>()));
    let wave = wave.prop_map(|wave| wave.map(|(since, lobby)| JoinFlood { since, lobby }));
    let suspended = option::weighted(0.2, (moment(), any::<bool>()))
        .prop_map(|suspended| suspended.map(|(since, raised)| Suspended { since, raised }));
    let warned = vec(moment(), 0..3);
    let changes = 0_u32..3;
    let claims = vec(claim(), 0..2);
    (
        moment(),
        opener,
        source,
        option::of(closed),
        option::of(moment()),
        removed,
        (wave, suspended, warned, any::<bool>(), changes, option::of(select(&Source::ALL[..]))),
        claims,
    )
        .prop_map(
            |(
                opened,
                opener,
                source,
                closed,
                reopened,
                removed,
                (wave, suspended, warned, found, changes, code),
                claims,
            )| {
                let mut record = Record::new(opened, opener, source);
                record.closed = closed;
                record.password_changes = changes;
                record.code = code;
                record.reopened = reopened;
                record.removed = removed;
                record.wave = wave;
                record.suspended = suspended;
                record.warned = warned;
                record.claims = claims;
                record.found = found;
                record
            },
        )
        .boxed()
}

fn affiliation() -> impl Strategy<Value = Affiliation> {
    use Affiliation::{Admin, Member, None, Outcast, Owner};
    select(vec![Outcast, None, Member, Admin, Owner])
}

fn role() -> impl Strategy<Value = Role> {
    select(vec![Role::None, Role::Visitor, Role::Participant, Role::Moderator])
}

fn opening() -> impl Strategy<Value = Opening> {
    prop_oneof![1 => Just(Opening::Default), 3 => classes().prop_map(Opening::Classes)].boxed()
}

fn auth() -> impl Strategy<Value = Auth> {
    use Auth::{Account, Anonymous, Component, Server, Token, Unknown};
    select(vec![Account, Token, Anonymous, Server, Component, Unknown])
}

/// Sessions: how and on which host the person logged in.
fn session() -> impl Strategy<Value = Session> {
    let kind = select(vec![
        SessionKind::Client,
        SessionKind::Client,
        SessionKind::Client,
        SessionKind::Server,
        SessionKind::Component,
        SessionKind::Unknown,
    ]);
    let word = |words: &'static [&'static str]| select(words).prop_map(SmolStr::new);
    let host = word(&["example.org", "auth.example.org", "guest.example.org"]);
    let provider =
        word(&["internal_hashed", "token", "token", "anonymous", "homemade", "ours", ""]);
    let mechanism = option::of(word(&["SCRAM-SHA-1", "ANONYMOUS"]));
    (kind, host, provider, mechanism, option::of(token()))
        .prop_map(|(kind, host, provider, mechanism, token)| Session {
            kind,
            host,
            provider,
            mechanism,
            token: token.map(Box::new),
        })
        .boxed()
}

fn token() -> impl Strategy<Value = Token> {
    let word = |words: &'static [&'static str]| select(words).prop_map(Box::<str>::from);
    let room = option::of(word(&["*", "tea", "TEA", "other", "t.*"]));
    let subject = word(&["*", "example.org", "rooms.example.org", "acme"]);
    let expires = option::of(select(vec![0_i64, 1_767_225_600, 4_102_444_800]));
    (room, subject, expires, any::<bool>(), any::<bool>())
        .prop_map(|(room, subject, expires, pattern, domain)| Token {
            room,
            subject,
            expires,
            pattern,
            found: pattern.then(|| "tea".into()),
            domain: domain.then(|| {
                Box::new(Domain {
                    service: "rooms.example.org".into(),
                    prefix: "rooms".into(),
                    names_room: true,
                })
            }),
            ..Token::default()
        })
        .boxed()
}

fn claim() -> impl Strategy<Value = Claim> {
    (select(vec!["moderator", "x", "id"]), select(vec!["true", "false"]))
        .prop_map(|(name, value)| (name.to_owned(), value.to_owned()))
}

pub(crate) fn requester() -> impl Strategy<Value = Requester> {
    let address = option::of(select(&ADDRESSES[..]).prop_map(|a| a.parse::<IpAddr>().unwrap()));
    (
        (option::weighted(0.95, jid()), auth(), option::of(any::<bool>()), address, ".{0,8}"),
        (affiliation(), role(), vec(claim(), 0..3), option::of(person()), any::<bool>()),
        (
            option::of(mark("ticket")),
            option::of(mark("device")),
            option::weighted(0.2, jid()),
            any::<bool>(),
            option::of((session(), session())),
        ),
    )
        .prop_map(
            |(
                (jid, auth, secure, address, nick),
                (affiliation, role, claims, person, jitsi),
                (ticket, device, account, e2ee, sessions),
            )| {
                let (session, account_session) = sessions.unzip();
                Requester {
                    jid,
                    session: session.map(Arc::new),
                    account_session: account_session.map(Box::new),
                    auth,
                    secure,
                    address,
                    nick: nick.into(),
                    affiliation,
                    role,
                    claims,
                    person,
                    client: if jitsi { Client::Jitsi } else { Client::Plain },
                    ticket,
                    device,
                    account: account.map(Box::new),
                    e2ee,
                    ..Requester::default()
                }
            },
        )
        .boxed()
}

pub(crate) fn credential() -> impl Strategy<Value = Credential> {
    select(vec![Credential::None, Credential::Wrong, Credential::Right, Credential::Code])
}

fn to() -> impl Strategy<Value = To> {
    prop_oneof![
        (0_u32..200).prop_map(To::Text),
        option::of(0_u32..40).prop_map(To::Number),
        select(vec!["anyone", "moderators", "none", "de-ch", "x"])
            .prop_map(|word| To::Word(word.to_owned())),
        any::<bool>().prop_map(To::Flag),
        Just(To::Anything),
    ]
}

pub(crate) fn field() -> impl Strategy<Value = FieldChange> {
    prop_oneof![
        Just(FieldChange::PasswordKept),
        Just(FieldChange::PasswordRemoved),
        strength().prop_map(FieldChange::PasswordSet),
        any::<bool>().prop_map(FieldChange::MembersOnly),
        any::<bool>().prop_map(FieldChange::Public),
        any::<bool>().prop_map(FieldChange::Persistent),
        any::<String>().prop_map(FieldChange::Other),
        any::<String>().prop_map(FieldChange::Kept),
        (select(&FormField::ALL[..]), to())
            .prop_map(|(setting, to)| FieldChange::Setting(setting, to)),
    ]
}

pub(crate) fn affiliation_change() -> impl Strategy<Value = AffiliationChange> {
    let nick = option::of(select(vec!["focus", "FOCUS", "bob"]).prop_map(str::to_owned));
    let bearer = option::weighted(0.3, requester());
    (
        option::weighted(0.9, jid()),
        affiliation(),
        option::weighted(0.9, affiliation()),
        nick,
        bearer,
        vec(requester(), 0..2),
    )
        .prop_map(|(jid, from, to, nick, bearer, displaced)| AffiliationChange {
            jid,
            from,
            to,
            nick,
            bearer,
            displaced,
        })
}

pub(crate) fn role_change() -> impl Strategy<Value = RoleChange> {
    let bearer = option::weighted(0.3, requester());
    (option::weighted(0.9, jid()), role(), option::weighted(0.9, role()), bearer)
        .prop_map(|(jid, from, to, bearer)| RoleChange { jid, from, to, bearer })
}

pub(crate) fn action() -> impl Strategy<Value = Action> {
    let word = select(vec![Word::Password, Word::Help, Word::Close, Word::Reopen, Word::Unknown]);
    let someone = option::weighted(0.9, jid());
    prop_oneof![
        2 => option::of(strength()).prop_map(|typed| Action::Open { typed }),
        6 => credential().prop_map(|credential| Action::Join { credential }),
        2 => vec(field(), 0..4).prop_map(|fields| Action::Configure { fields }),
        3 => (vec(affiliation_change(), 0..4), any::<bool>())
            .prop_map(|(items, register)| Action::Affiliation { items, register }),
        2 => vec(role_change(), 0..4).prop_map(|items| Action::Role { items }),
        1 => Just(Action::Destroy),
        1 => vec(someone.clone(), 0..3).prop_map(|to| Action::Invite { to }),
        1 => (someone, any::<bool>()).prop_map(|(target, admit)| Action::Knock { target, admit }),
        1 => word.prop_map(Action::Command),
        1 => (vec(jid(), 0..3), any::<bool>())
            .prop_map(|(waiting, admit)| Action::AnswerAll { waiting, admit }),
        2 => (select(Feature::iter().map(Into::into).collect::<Vec<&str>>()), any::<bool>())
            .prop_map(|(name, stops)| Action::Feature(Feature::read(name, stops).unwrap())),
        1 => Just(Action::Rename),
        1 => Just(Action::Request),
        1 => Just(Action::Unknown),
    ]
}

pub(crate) fn attempt() -> impl Strategy<Value = Attempt> {
    let room = option::weighted(0.95, select(&ROOMS[..]).prop_map(room_jid));
    let behind = option::of(requester());
    let others = vec((jid(), person()), 0..3);
    let namesake = option::of(select(vec![Namesake::Occupant, Namesake::Moderator]));
    (room, requester(), action(), behind, others, namesake)
        .prop_map(|(room, requester, action, behind, others, namesake)| Attempt {
            id: "a1".into(),
            room,
            requester,
            action,
            behind,
            others,
            banned: vestibule::policy::attempt::Held::default(),
            namesake,
        })
        .boxed()
}

pub(crate) fn room_jid(name: &str) -> BareJid {
    let service = "rooms.example.org";
    if name.is_empty() { service.to_owned() } else { format!("{name}@{service}") }.parse().unwrap()
}

pub(crate) fn room() -> impl Strategy<Value = RoomView> {
    let many = || prop_oneof![0_u32..5, Just(u32::MAX)];
    (
        (many(), many(), many()),
        (
            any::<bool>(),
            any::<bool>(),
            any::<bool>(),
            any::<bool>(),
            option::weighted(0.8, record()),
        ),
        (any::<bool>(), any::<bool>(), many(), any::<bool>()),
    )
        .prop_map(
            |(
                (occupants, moderators, waiting),
                (password, members_only, lobby, exists, record),
                (persistent, unasked, affiliations, nobody_logs_in),
            )| {
                RoomView {
                    occupants,
                    others: None,
                    moderators,
                    waiting,
                    has_password: password,
                    members_only,
                    lobby,
                    exists,
                    persistent,
                    unasked,
                    unreadable: false,
                    affiliations,
                    nobody_logs_in,
                    record,
                }
            },
        )
        .boxed()
}

pub(crate) fn pressure() -> impl Strategy<Value = Pressure> {
    let wait = || option::weighted(0.2, duration());
    let count = || prop_oneof![4 => 0_u32..4, 1 => Just(u32::MAX)];
    ((wait(), wait(), wait()), (count(), count(), count())).prop_map(
        |((guesses, room, knocks), (rooms_of_opener, rooms, strangers))| Pressure {
            guesses,
            room,
            knocks,
            rooms_of_opener,
            rooms,
            strangers,
            observed: Waits { guesses, room, knocks },
        },
    )
}

pub(crate) fn classes() -> impl Strategy<Value = ClassSet> {
    vec(select(&Class::ALL[..]), 0..6).prop_map(|classes| ClassSet::of(&classes))
}

fn who() -> impl Strategy<Value = Who> {
    select(&Who::ALL[..])
}

fn permitted() -> impl Strategy<Value = Permitted> {
    (classes(), any::<bool>()).prop_map(|(classes, moderators)| Permitted { classes, moderators })
}

fn people() -> impl Strategy<Value = HashSet<BareJid>> {
    vec(jid(), 0..3).prop_map(|people| people.into_iter().collect())
}

fn domains() -> impl Strategy<Value = HashSet<String>> {
    let one = select(vec!["partner.example.net", "evil.example", "guest.example.org"]);
    vec(one.prop_map(str::to_owned), 0..2).prop_map(|domains| domains.into_iter().collect())
}

/// Opening hours in zones with and without daylight saving time, some of which changes at midnight or by half an hour.
pub(crate) fn hours() -> impl Strategy<Value = Hours> {
    let zone = select(vec![
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Beirut",
        "Pacific/Apia",
        "Asia/Kathmandu",
    ]);
    let second = || {
        (0_u32..=24, select(vec![0_u32, 0, 1800, 60]))
            .prop_map(|(h, s): (u32, u32)| h.saturating_mul(3600).saturating_add(s))
    };
    let span = (1_u8..0x80, second(), second()).prop_filter_map("empty", |(days, a, b)| {
        let (from, to) = (a.min(b), a.max(b).min(DAY));
        (from < to).then_some(Span { days, from, to })
    });
    let day = (0_i64..400).prop_map(|days| date(2025, 12, 1).checked_add(days.days()).unwrap());
    (zone, vec(span, 0..4), vec(day, 0..4), classes(), select(&AtEnd::ALL[..])).prop_map(
        |(zone, open, closed_on, who, at_end)| {
            let mut hours = Hours::default();
            hours.zone.value = TimeZoneDatabase::bundled().get(zone).unwrap();
            hours.open.value = open;
            hours.closed_on.value = closed_on;
            hours.who.value = who;
            hours.at_end.value = at_end;
            hours
        },
    )
}

fn limits() -> impl Strategy<Value = Limits> {
    let number = || prop_oneof![Just(0_u32), 1_u32..4];
    let time = || option::weighted(0.3, duration());
    ((number(), number(), number(), number()), (time(), time(), time()), duration(), duration())
        .prop_map(|(numbers, times, within, calm)| {
            let mut limits = Limits::default();
            let set = &mut limits;
            (
                set.occupants.value,
                set.rooms.value,
                set.rooms_per_opener.value,
                set.flood_strangers.value,
            ) = numbers;
            (set.duration.value, set.without_moderator.value, set.warn_before.value) = times;
            set.flood_within.value = within;
            set.flood_calm.value = calm;
            limits
        })
}

prop_compose! {
    fn settings()(
        by in vec(who(), 13),
        subject in select(&SubjectBy::ALL[..]),
        persistent in select(&PersistentBy::ALL[..]),
        bounds in vec(0_u32..100, 6),
        choices in vec(select(vec!["anyone", "moderators", "de"]), 0..3),
    ) -> RoomForm {
        let mut settings = RoomForm::default();
        settings.subject.value = subject;
        settings.persistent.value = persistent;
        let keys = [
            &mut settings.name, &mut settings.description, &mut settings.subject_change,
            &mut settings.language, &mut settings.moderated, &mut settings.whois,
            &mut settings.history, &mut settings.member_invites, &mut settings.private_messages,
            &mut settings.presence, &mut settings.archive, &mut settings.max_occupants,
            &mut settings.other,
        ];
        for (key, who) in keys.into_iter().zip(by) {
            key.value = who;
        }
        let keys = [
            &mut settings.name_length, &mut settings.description_length,
            &mut settings.subject_length, &mut settings.history_max,
            &mut settings.max_occupants_min, &mut settings.max_occupants_max,
        ];
        for (key, bound) in keys.into_iter().zip(bounds) {
            key.value = bound;
        }
        for key in [
            &mut settings.languages, &mut settings.whois_choices, &mut settings.private_message_choices,
        ] {
            key.value = choices.iter().map(|choice| (*choice).to_owned()).collect();
        }
        settings
    }
}

prop_compose! {
    pub(crate) fn rules()(
        (required, source, change, tell, skip_password) in
            (any::<bool>(), select(&Source::ALL[..]), who(), any::<bool>(), classes()),
        (admission, skip_lobby, max_waiting, wait) in
            (select(&Admission::ALL[..]), classes(), 0_u32..6, duration()),
        (assign, jids, moderating, grant, revoke, remove, admit, end) in
            (vec(select(&Become::ALL[..]), 0..4), people(), domains(), who(), who(), who(), who(), who()),
        (password, moderator, at, after, may_enter, moderators_enter, by, reopen) in
            (any::<bool>(), any::<bool>(), 0_u32..6, option::of(duration()), classes(), any::<bool>(), who(), who()),
        (successors, succession_after, rescue, unattended_after) in
            (classes(), option::of(duration()), vec(select(&Rescue::ALL[..]), 0..4), duration()),
        (chat, rename, audio, record, dial, e2ee) in
            (permitted(), permitted(), permitted(), permitted(), permitted(), select(&E2ee::ALL[..])),
        (open, enter, listed, listed_domains) in (opening(), classes(), people(), domains()),
        (protect, ask_again, code) in
            (vec(select(&Protected::ALL[..]), 0..3), select(&AskAgain::ALL[..]), select(&HostCode::ALL[..])),
        (everybody, encrypted, trust_loopback, hidden) in any::<(bool, bool, bool, bool)>(),
        persistent in select(vec![Persistence::Keep, Persistence::Always, Persistence::Never]),
        (keep_out, recognised_by) in (option::weighted(0.8, duration()), vec(select(&By::ALL[..]), 0..6)),
        (settings, unique) in (settings(), select(&Unique::ALL[..])),
        (hours, limits) in (hours(), limits()),
    ) -> Rules {
        let mut rules = Rules::default();
        Arc::make_mut(&mut rules.names).unique.value = unique;
        Arc::make_mut(&mut rules.password).required.value = required;
        Arc::make_mut(&mut rules.password).source.value = source;
        Arc::make_mut(&mut rules.password).change.value = change;
        Arc::make_mut(&mut rules.password).show_to_moderators.value = tell;
        Arc::make_mut(&mut rules.password).bypass.value = skip_password;
        Arc::make_mut(&mut rules.lobby).admission.value = admission;
        Arc::make_mut(&mut rules.lobby).bypass.value = skip_lobby;
        Arc::make_mut(&mut rules.lobby).max_waiting.value = max_waiting;
        Arc::make_mut(&mut rules.lobby).wait.value = wait;
        Arc::make_mut(&mut rules.permissions).chat.value = chat;
        Arc::make_mut(&mut rules.permissions).rename.value = rename;
        Arc::make_mut(&mut rules.permissions).audio.value = audio;
        Arc::make_mut(&mut rules.permissions).record.value = record;
        Arc::make_mut(&mut rules.permissions).dial.value = dial;
        Arc::make_mut(&mut rules.permissions).e2ee.value = e2ee;
        Arc::make_mut(&mut rules.moderators).assign.value = assign;
        Arc::make_mut(&mut rules.moderators).jids.value = jids;
        Arc::make_mut(&mut rules.moderators).domains.value = moderating;
        Arc::make_mut(&mut rules.moderators).claim.value = "moderator".to_owned();
        Arc::make_mut(&mut rules.moderators).claim_values.value = vec!["true".to_owned()];
        Arc::make_mut(&mut rules.moderators).code.value = code;
        Arc::make_mut(&mut rules.moderators).grant.value = grant;
        Arc::make_mut(&mut rules.moderators).revoke.value = revoke;
        Arc::make_mut(&mut rules.moderators).remove.value = remove;
        Arc::make_mut(&mut rules.moderators).admit.value = admit;
        Arc::make_mut(&mut rules.moderators).end.value = end;
        Arc::make_mut(&mut rules.moderators).protect.value = protect;
        Arc::make_mut(&mut rules.password).ask_again.value = ask_again;
        Arc::make_mut(&mut rules.moderators).successors.value = successors;
        Arc::make_mut(&mut rules.moderators).succession_after.value = succession_after;
        Arc::make_mut(&mut rules.lobby).unattended.value = rescue;
        Arc::make_mut(&mut rules.lobby).unattended_after.value = unattended_after;
        Arc::make_mut(&mut rules.close).hold_until.value = Conditions { password, moderator };
        Arc::make_mut(&mut rules.close).at_occupants.value = at;
        Arc::make_mut(&mut rules.close).after.value = after;
        Arc::make_mut(&mut rules.close).may_enter.value = may_enter;
        Arc::make_mut(&mut rules.close).moderators_enter.value = moderators_enter;
        Arc::make_mut(&mut rules.close).by.value = by;
        Arc::make_mut(&mut rules.close).reopen.value = reopen;
        Arc::make_mut(&mut rules.access).create.value =
            if everybody { Opening::Classes(ClassSet::ALL) } else { open };
        Arc::make_mut(&mut rules.access).enter.value = if everybody { ClassSet::ALL } else { enter };
        Arc::make_mut(&mut rules.access).listed.value.jids = listed;
        Arc::make_mut(&mut rules.access).listed.value.domains = listed_domains;
        Arc::make_mut(&mut rules.access).encrypted.value = encrypted;
        Arc::make_mut(&mut rules.access).trust_loopback.value = trust_loopback;
        Arc::make_mut(&mut rules.access).hidden.value = Some(hidden);
        Arc::make_mut(&mut rules.access).persistent.value = persistent;
        Arc::make_mut(&mut rules.removal).keep_out_for.value = keep_out;
        Arc::make_mut(&mut rules.removal).by.value = recognised_by;
        rules.settings = Arc::new(settings);
        rules.hours = Arc::new(hours);
        rules.limits = Arc::new(limits);
        rules
    }
}

/// Target of a ban.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Jid(BareJid),
    Domain(String),
    Network(IpNet),
}

pub(crate) fn ban() -> impl Strategy<Value = (Target, Ban)> {
    let target = prop_oneof![
        jid().prop_map(Target::Jid),
        jid().prop_map(|jid| Target::Domain(jid.domain().to_owned())),
        select(&NETWORKS[..]).prop_map(|network| Target::Network(network.parse().unwrap())),
    ];
    let rooms = option::weighted(0.3, select(vec!["board-*", "t*", "*"]));
    (target, 1_u32..100, option::weighted(0.3, moment()), rooms).prop_map(
        |(target, line, until, rooms)| {
            let rooms = rooms.map(|rooms| Glob::new(rooms).unwrap().compile_matcher());
            (target, Ban { origin: Origin::Line(line), until, rooms, reason: String::new() })
        },
    )
}

/// A policy, before its parts are put together.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) bans: Vec<(Target, Ban)>,
    /// Rules by the pattern of their rooms; an empty pattern stands for a claim.
    pub(crate) overrides: Vec<(&'static str, Rules)>,
    pub(crate) base: Rules,
}

impl Parts {
    pub(crate) fn policy(&self) -> Policy {
        let mut policy = Policy { base: Arc::new(self.base.clone()), ..Policy::default() };
        let own = Provider { proves: Proves::Account, line: 5 };
        policy.providers.insert("ours".to_owned(), own);
        policy.services.insert("focus@auth.example.org".parse().unwrap(), 5);
        policy.operators.insert("op@example.org".parse().unwrap(), 6);
        for (target, ban) in self.bans.clone() {
            match target {
                Target::Jid(jid) => policy.bans.ban_jid(jid, ban),
                Target::Domain(domain) => policy.bans.ban_domain(&domain, ban),
                Target::Network(network) => policy.bans.ban_network(network, ban),
            }
        }
        let rooms = self.overrides.iter().map(|(pattern, rules)| Override {
            selector: match *pattern {
                "" => Selector {
                    claim: Some(("x".to_owned(), vec!["true".to_owned()])),
                    ..Selector::default()
                },
                pattern => Selector { pattern: Pattern::new(pattern).ok(), ..Selector::default() },
            },
            priority: 0,
            profile: None,
            line: 1,
            rules: Arc::new(rules.clone()),
        });
        policy.rooms = Overrides::new(rooms.collect(), Vec::new()).unwrap();
        policy
    }
}

/// Policies whose patterns match different rooms, so that no two overrides are equally specific for one room.
pub(crate) fn parts() -> impl Strategy<Value = Parts> {
    let [base, tea, claimed, board] = [(); 4].map(|()| rules().boxed());
    (vec(ban(), 0..5).boxed(), base, tea, claimed, board, 0_usize..4)
        .prop_map(|(bans, base, tea, claimed, board, count)| {
            let all = [("tea", tea), ("", claimed), ("board-*", board)];
            Parts { bans, overrides: all.into_iter().take(count).collect(), base }
        })
        .boxed()
}
