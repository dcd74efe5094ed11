//! A small set of named policies. Each name tells the difference from the defaults.

use std::collections::HashSet;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use globset::{Glob, GlobSet, GlobSetBuilder};
use jiff::civil::date;
use jiff::tz::TimeZoneDatabase;
use jiff::{SignedDuration, Timestamp};
use unicode_script::Script;
use vestibule::jid::BareJid;
use vestibule::policy::access::{Opening, Persistence};
use vestibule::policy::bans::{Ban, Bans, Origin};
use vestibule::policy::class::{Class, ClassSet};
use vestibule::policy::close::Conditions;
use vestibule::policy::exceptions::{Exception, Exceptions, Whom};
use vestibule::policy::hours::{AtEnd, Span};
use vestibule::policy::lobby::Admission;
use vestibule::policy::moderators::{Become, HostCode};
use vestibule::policy::names::{Name, Unique};
use vestibule::policy::password::AskAgain;
use vestibule::policy::permissions::{E2ee, Permitted};
use vestibule::policy::record::Source;
use vestibule::policy::removal::By;
use vestibule::policy::room_form::SubjectBy;
use vestibule::policy::rules::kinds::Who;
use vestibule::policy::rules::moderators::Protected;
use vestibule::policy::rules::named;
use vestibule::policy::texts::{Texts, Words};
use vestibule::policy::{Policy, Rules};

/// Returns the time of every case: 2026-01-01T12:00:00Z.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_767_268_800).unwrap()
}

pub(crate) fn jid(text: &str) -> BareJid {
    BareJid::from_str(text).unwrap()
}

/// Leaves every field of the room's configuration to `who`.
fn settings_of(rules: &mut Rules, (who, line): (Who, u32)) {
    let form = Arc::make_mut(&mut rules.settings);
    form.subject.set(SubjectBy::Only(who), line);
    for setting in [
        &mut form.name,
        &mut form.description,
        &mut form.subject_change,
        &mut form.language,
        &mut form.moderated,
        &mut form.whois,
        &mut form.history,
        &mut form.member_invites,
        &mut form.private_messages,
        &mut form.presence,
        &mut form.archive,
        &mut form.max_occupants,
        &mut form.other,
    ] {
        setting.set(who, line);
    }
}

/// Returns the policy of that name, or `None` if there is none.
pub(crate) fn policy(name: &str) -> Option<Policy> {
    let mut policy = Policy { revision: name.to_owned(), ..Policy::default() };
    policy.services.insert(jid("focus@auth.example.org"), 5);
    policy.services.insert(jid("recorder@auth.example.org"), 5);
    policy.focuses.insert("meet.example.org".to_owned(), jid("focus@auth.example.org"));
    policy.operators.insert(jid("op@example.org"), 6);
    if name != "unbanned" {
        policy.bans = bans();
    }
    if name.ends_with("exceptions") {
        policy.exceptions = exceptions();
    }
    if name.starts_with("told") {
        policy.texts = told();
    }
    policy.base = Arc::new(rules(name)?);
    Some(policy)
}

fn rules(name: &str) -> Option<Rules> {
    if let Some(name) = name.strip_prefix("code-") {
        let mut rules = rules(name)?;
        Arc::make_mut(&mut rules.moderators).code.set(HostCode::Generated, 32);
        return Some(rules);
    }
    let mut rules = Rules::default();
    Arc::make_mut(&mut rules.moderators).assign.value =
        vec![Become::Operator, Become::Listed, Become::Token, Become::Opener];
    Arc::make_mut(&mut rules.moderators).claim.value = "moderator".to_owned();
    Arc::make_mut(&mut rules.moderators).claim_values.value = vec!["true".to_owned()];
    Arc::make_mut(&mut rules.moderators).jids.value = HashSet::from([jid("chair@example.org")]);
    Arc::make_mut(&mut rules.moderators).domains.value =
        HashSet::from(["board.example.org".to_owned()]);
    Arc::make_mut(&mut rules.access).listed.value.jids = HashSet::from([jid("listed@example.org")]);
    Arc::make_mut(&mut rules.access).listed.value.domains =
        HashSet::from(["partner.example.net".to_owned()]);
    let by_nobody = (Who::Nobody, 30);
    let by_operator = (Who::Operator, 31);
    match name {
        "default" | "unbanned" | "told" => {}
        "told-no-password" => Arc::make_mut(&mut rules.password).show_to_moderators.value = false,
        "password-and-lobby" => {
            Arc::make_mut(&mut rules.lobby).admission.value = Admission::PasswordAndLobby
        }
        "password" => Arc::make_mut(&mut rules.lobby).admission.value = Admission::Password,
        "lobby" => Arc::make_mut(&mut rules.lobby).admission.value = Admission::Lobby,
        "open" => Arc::make_mut(&mut rules.lobby).admission.value = Admission::Open,
        "creator" => Arc::make_mut(&mut rules.password).source.value = Source::Creator,
        "creator-or-none" => {
            Arc::make_mut(&mut rules.password).source.value = Source::Creator;
            Arc::make_mut(&mut rules.password).required.value = false;
            Arc::make_mut(&mut rules.close).hold_until.value = Conditions::default();
        }
        "derived" => Arc::make_mut(&mut rules.password).source.value = Source::Derived,
        "preset" => Arc::make_mut(&mut rules.password).source.value = Source::Preset,
        "no-password" => {
            Arc::make_mut(&mut rules.password).required.value = false;
            Arc::make_mut(&mut rules.close).hold_until.value = Conditions::default();
        }
        "lecture" => {
            Arc::make_mut(&mut rules.lobby).admission.value = Admission::Open;
            Arc::make_mut(&mut rules.close).hold_until.value =
                Conditions { password: false, moderator: true };
            Arc::make_mut(&mut rules.moderators).assign.value =
                vec![Become::Operator, Become::Listed];
            Arc::make_mut(&mut rules.moderators).grant.set(Who::Operator, 31);
            Arc::make_mut(&mut rules.moderators).revoke.set(Who::Operator, 31);
            Arc::make_mut(&mut rules.moderators).admit.set(Who::Operator, 31);
        }
        "by-account" => Arc::make_mut(&mut rules.moderators).assign.value = vec![Become::Account],
        "settings-locked" => settings_of(&mut rules, by_nobody),
        "settings-for-operators" => settings_of(&mut rules, by_operator),
        "settings-bounded" => {
            let choices =
                |choices: &[&str]| choices.iter().map(|&choice| choice.to_owned()).collect();
            let settings = Arc::make_mut(&mut rules.settings);
            settings.name_length.set(20, 33);
            settings.description_length.set(100, 34);
            settings.subject_length.set(30, 35);
            settings.history_max.set(20, 36);
            settings.max_occupants_min.set(2, 37);
            settings.max_occupants_max.set(50, 38);
            settings.languages.set(choices(&["de", "pt-br"]), 32);
            settings.whois_choices.set(choices(&["moderators"]), 32);
            settings.private_message_choices.set(choices(&["moderators", "none"]), 32);
        }
        "names" | "unique-moderators" => {
            let names = Arc::make_mut(&mut rules.names);
            let listed = |names: &[&str]| names.iter().map(|name| Name::new(*name)).collect();
            names.reserved.set(listed(&["focus", "Recorder"]), 50);
            names.protected.set(listed(&["Moderator", "Prof. Ann Smith"]), 51);
            let unique = if name == "names" { Unique::Everybody } else { Unique::Moderators };
            names.unique.set(unique, 52);
        }
        "latin" => {
            Arc::make_mut(&mut rules.names)
                .scripts
                .set(vec![Script::from_full_name("Latin").unwrap()], 53);
        }
        "ask-nobody-again" => {
            Arc::make_mut(&mut rules.password).ask_again.value = AskAgain::Nobody;
        }
        "protect-opener" => {
            Arc::make_mut(&mut rules.moderators).protect.set(Protected::ALL.to_vec(), 70);
        }
        "protect-nobody" => {
            Arc::make_mut(&mut rules.moderators).protect.value = Vec::new();
        }
        "revoke-operator" => Arc::make_mut(&mut rules.moderators).revoke.set(Who::Operator, 31),
        "admit-operator" => Arc::make_mut(&mut rules.moderators).admit.set(Who::Operator, 31),
        "remove-nobody" => Arc::make_mut(&mut rules.moderators).remove.set(Who::Nobody, 30),
        "by-nobody" => Arc::make_mut(&mut rules.moderators).assign.value = Vec::new(),
        "locked" => {
            Arc::make_mut(&mut rules.password).change.set(Who::Nobody, 30);
            Arc::make_mut(&mut rules.password).show_to_moderators.value = false;
            Arc::make_mut(&mut rules.moderators).grant.set(Who::Nobody, 30);
            Arc::make_mut(&mut rules.moderators).revoke.set(Who::Nobody, 30);
            Arc::make_mut(&mut rules.moderators).remove.set(Who::Nobody, 30);
            Arc::make_mut(&mut rules.moderators).admit.set(Who::Nobody, 30);
            Arc::make_mut(&mut rules.moderators).end.set(Who::Nobody, 30);
            Arc::make_mut(&mut rules.close).by.set(Who::Nobody, 30);
            Arc::make_mut(&mut rules.close).reopen.set(Who::Nobody, 30);
        }
        "closing" => {
            Arc::make_mut(&mut rules.close).at_occupants.value = 3;
            Arc::make_mut(&mut rules.close).after.value = Some(Duration::from_secs(3600));
        }
        "shut-for-all" => {
            Arc::make_mut(&mut rules.close).may_enter.value = ClassSet::of(&[Class::Service]);
            Arc::make_mut(&mut rules.close).moderators_enter.value = false;
        }
        "hold-for-moderator" => {
            Arc::make_mut(&mut rules.close).hold_until.value =
                Conditions { password: true, moderator: true };
        }
        "members" => {
            let people = [Class::Operator, Class::Listed, Class::Token, Class::Account];
            Arc::make_mut(&mut rules.access).create.value = Opening::Classes(ClassSet::of(&people));
            Arc::make_mut(&mut rules.access).enter.value =
                ClassSet::of(&people).with(Class::Federated);
            Arc::make_mut(&mut rules.access).rooms.value = Some(globs(&["tea", "team-*"]));
            Arc::make_mut(&mut rules.access).refused_rooms.value = Some(globs(&["team-secret*"]));
        }
        "accounts-enter" => {
            Arc::make_mut(&mut rules.access).enter.value = ClassSet::of(&[Class::Account])
        }
        "tokens-open" => {
            Arc::make_mut(&mut rules.access).create.value =
                Opening::Classes(ClassSet::of(&[Class::Token]))
        }
        "listed-enter" => {
            Arc::make_mut(&mut rules.access).enter.value = ClassSet::of(&[Class::Listed])
        }
        "public" => {
            Arc::make_mut(&mut rules.access).hidden.value = Some(false);
            Arc::make_mut(&mut rules.access).persistent.value = Persistence::Always;
            Arc::make_mut(&mut rules.access).encrypted.value = false;
        }
        "passing" => Arc::make_mut(&mut rules.access).persistent.value = Persistence::Never,
        "behind-no-proxy" => Arc::make_mut(&mut rules.access).trust_loopback.value = false,
        "exceptions" => {
            Arc::make_mut(&mut rules.lobby).admission.value = Admission::PasswordAndLobby
        }
        "removal-of-the-moment" => Arc::make_mut(&mut rules.removal).keep_out_for.set(None, 40),
        "removal-by-ticket" => Arc::make_mut(&mut rules.removal).by.value = vec![By::Ticket],
        "webinar" | "webinar with exceptions" => {
            let listed = Permitted { classes: ClassSet::of(&[Class::Listed]), moderators: true };

            let permissions = Arc::make_mut(&mut rules.permissions);
            permissions.chat.set(Permitted::MODERATORS, 50);
            permissions.private.set(Permitted { moderators: false, ..listed }, 51);
            permissions.rename.set(Permitted { classes: ClassSet::NONE, ..listed }, 52);
            permissions.audio.set(listed, 53);
            permissions.screen_share.set(Permitted::MODERATORS, 50);
            permissions.record.set(Permitted { moderators: false, ..listed }, 54);
            permissions.dial.set(Permitted::EVERYONE, 55);
        }
        "regulars" => {
            let returning = ClassSet::of(&[Class::Returning]);
            let permissions = Arc::make_mut(&mut rules.permissions);
            permissions.chat.set(Permitted::MODERATORS, 50);
            permissions.private.set(Permitted { classes: returning, moderators: true }, 51);
            permissions.rename.set(Permitted::MODERATORS, 52);
        }
        "guided" => {
            let permissions = Arc::make_mut(&mut rules.permissions);
            let listed = Permitted { classes: ClassSet::of(&[Class::Listed]), moderators: true };
            permissions.breakout_choice.set(listed, 50);
            permissions.breakout_alone.set(listed, 51);
        }
        "encrypted-only" => {
            Arc::make_mut(&mut rules.permissions).e2ee.set(E2ee::Require, 60);
        }
        "encrypted-if-possible" => {
            Arc::make_mut(&mut rules.permissions).e2ee.set(E2ee::Prefer, 61);
        }
        "account-bypass" => {
            Arc::make_mut(&mut rules.lobby).admission.value = Admission::PasswordAndLobby;
            Arc::make_mut(&mut rules.lobby).bypass.value = ClassSet::of(&[Class::Account]);
            Arc::make_mut(&mut rules.password).bypass.value =
                ClassSet::of(&[Class::Token, Class::Listed]);
        }
        // The time of every case is a Thursday, noon.
        "office-hours" => Arc::make_mut(&mut rules.hours).open.set(office_hours(8, 18), 50),
        "evenings" => Arc::make_mut(&mut rules.hours).open.set(office_hours(18, 22), 50),
        "berlin-mornings" => {
            let hours = Arc::make_mut(&mut rules.hours);
            hours.zone.value = TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
            hours.open.set(office_hours(8, 13), 50);
        }
        "holiday" => {
            let hours = Arc::make_mut(&mut rules.hours);
            hours.open.set(office_hours(8, 18), 50);
            hours.closed_on.set(vec![date(2026, 1, 1)], 51);
            hours.who.value = ClassSet::of(&[Class::Service, Class::Operator, Class::Account]);
        }
        "limited" => {
            let limits = Arc::make_mut(&mut rules.limits);
            limits.occupants.set(3, 60);
            limits.rooms_per_opener.set(2, 61);
            limits.rooms.set(10, 62);
        }
        "waves" | "waves-password" | "waves-open" | "waves-both" => {
            Arc::make_mut(&mut rules.limits).flood_strangers.set(3, 65);
            Arc::make_mut(&mut rules.lobby).admission.value = match name {
                "waves-password" => Admission::Password,
                "waves-open" => Admission::Open,
                "waves-both" => Admission::PasswordAndLobby,
                _ => Admission::PasswordOrLobby,
            };
        }
        "unmoderated" => {
            Arc::make_mut(&mut rules.close).when_unmoderated.set(Some(Duration::from_secs(60)), 66);
        }
        "hours-close" => {
            let hours = Arc::make_mut(&mut rules.hours);
            hours.open.set(office_hours(8, 18), 50);
            hours.at_end.set(AtEnd::Close, 52);
        }
        _ => return None,
    }
    Some(rules)
}

/// Returns texts of the operator for everyone who enters and for moderators.
fn told() -> Texts {
    let sentences = [("notice-enter", "Welcome."), ("notice-moderate", "It is {password}.")];
    let sentences = sentences.map(|(name, text)| (name, text.to_owned())).into();
    let words = Words { language: "en".to_owned(), sentences, ..Words::default() };
    Texts { languages: [("en".to_owned(), words)].into(), ..Texts::default() }
}

fn exceptions() -> Exceptions {
    let mut exceptions = Exceptions::default();
    let glob = |pattern| Some(Glob::new(pattern).unwrap().compile_matcher());
    let one = |line, rules: &[&str]| Exception {
        line,
        until: None,
        rooms: None,
        rules: rules.iter().flat_map(|rule| named(rule)).collect(),
        bans: rules.contains(&"ban"),
        reason: String::new(),
    };
    let account = |name: &str| Whom::Jid(jid(&format!("{name}@example.org")));
    let hour = SignedDuration::from_hours(1);
    exceptions.add(account("plain"), one(100, &["access.encrypted"]));
    exceptions.add(
        account("plain"),
        Exception { rooms: glob("board-*"), ..one(101, &["password", "lobby"]) },
    );
    exceptions.add(account("late"), Exception { until: Some(now()), ..one(102, &["access"]) });
    exceptions.add(
        account("early"),
        Exception { until: Some(now() + hour), ..one(103, &["access", "close"]) },
    );
    exceptions.add(account("spared"), one(104, &["ban"]));
    exceptions.add(account("banned"), one(105, &["ban"]));
    exceptions.add(Whom::Jid(jid("good@evil.example")), one(106, &["ban"]));
    exceptions.add(Whom::Domain("branch.example".to_owned()), one(107, &["password.required"]));
    exceptions.add(Whom::Class(Class::Token), one(108, &["lobby.admission"]));
    exceptions
        .add(Whom::All, Exception { rooms: glob("lounge"), ..one(109, &["password", "lobby"]) });
    exceptions.add(Whom::All, Exception { rooms: glob("fair"), ..one(112, &["ban"]) });
    exceptions.add(account("talker"), one(111, &["permissions.chat"]));
    exceptions.add(account("closer"), one(110, &["close.by", "moderators.grant"]));
    exceptions
}

fn bans() -> Bans {
    let mut bans = Bans::default();
    let ban =
        |line| Ban { origin: Origin::Line(line), until: None, rooms: None, reason: String::new() };
    let hour = SignedDuration::from_hours(1);
    bans.ban_jid(jid("banned@example.org"), ban(90));
    bans.ban_jid(jid("was-banned@example.org"), Ban { until: Some(now() - hour), ..ban(91) });
    bans.ban_jid(jid("banned-today@example.org"), Ban { until: Some(now() + hour), ..ban(92) });
    let board = Glob::new("board-*").unwrap().compile_matcher();
    bans.ban_jid(jid("not-the-board@example.org"), Ban { rooms: Some(board), ..ban(93) });
    bans.ban_jid(jid("focus@auth.example.org"), ban(94));
    bans.ban_domain("evil.example", ban(95));
    bans.ban_network("198.51.100.0/24".parse().unwrap(), ban(96));
    bans.ban_network("2001:db8:bad::/48".parse().unwrap(), ban(97));
    bans
}

fn globs(patterns: &[&str]) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).unwrap());
    }
    set.build().unwrap()
}

/// Returns hours from Monday to Friday.
fn office_hours(from: u32, to: u32) -> Vec<Span> {
    vec![Span { days: 0b001_1111, from: from * 3600, to: to * 3600 }]
}
