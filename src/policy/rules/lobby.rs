//! Who has to knock.

use std::time::Duration;

use super::family::family;
use super::kinds::classes;
use super::password::AskAgain;
use super::{fixed, limits, moderators, permissions};
use crate::policy::attempt::{Affiliation, Client, Credential, Role, UNLIMITED};
use crate::policy::class::{Class, ClassSet};
use crate::policy::context::Case;
use crate::policy::denial::Denial;
use crate::policy::notice::Notice;
use crate::policy::record::{Entry, Person, Record, Source};
use crate::policy::verdict::{Audience, Effects, Opinion, Rule, Verdict};
use crate::policy::{moderation, open, suspended};
use crate::setting::kind::{SECOND, duration, ordered, whole, word};

names! {
    /// What it takes to come in.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub enum Admission {
        /// The password, or a person inside who opens the door.
        #[default]
        PasswordOrLobby = "password-or-lobby",
        /// Both.
        PasswordAndLobby = "password-and-lobby",
        /// The password.
        Password = "password",
        /// A person inside who opens the door.
        Lobby = "lobby",
        /// Nothing.
        Open = "open",
    }
}

impl Admission {
    /// Nobody comes in by the password alone, so the room service itself can keep strangers out
    /// (a members-only room, XEP-0045 §3).
    pub const fn is_members_only(self) -> bool {
        matches!(self, Self::PasswordAndLobby | Self::Lobby)
    }

    /// People may wait to be let in.
    pub const fn has_lobby(self) -> bool {
        matches!(self, Self::PasswordOrLobby | Self::PasswordAndLobby | Self::Lobby)
    }
}

family! {
    /// The rules on the lobby.
    "lobby": Lobby {
        /// What it takes to come in: "password-or-lobby", "password-and-lobby", "password", "lobby" or "open".
        admission: Admission = Admission::PasswordOrLobby, word(),
            rule "What it takes to come in: the password, a person inside who opens the door, both, or nothing."
            [switch |lobby| {
                lobby.by_room = true;
                lobby.admission.value = match lobby.admission.value {
                    Admission::PasswordOrLobby | Admission::PasswordAndLobby | Admission::Password => {
                        Admission::Password
                    }
                    Admission::Lobby | Admission::Open => Admission::Open,
                };
            }, exempt |lobby| lobby.bypass.value = ClassSet::ALL; Compared];
        /// Who need not knock.
        bypass: ClassSet = ClassSet::of(&[Class::Service, Class::Operator, Class::Listed]), classes();
        /// Most people waiting at one room.
        max_waiting: u32 = 50, whole(0..=10_000),
            rule "The lobby is full."
            [off UNLIMITED];
        /// How long a person may wait.
        wait: Duration = Duration::from_secs(600), duration(SECOND);
        /// Knocks of one person at one room ...
        max_knocks: u32 = 5, whole(1..=10_000),
            rule "This address or account has knocked too often."
            [off UNLIMITED; Undescribed];
        /// ... within this time.
        max_knocks_per: Duration = Duration::from_secs(300), duration(SECOND);
        /// What is tried, in this order, for people who have waited that long while nobody inside can let them in:
        /// "occupant" makes a moderator of the successor (`moderators.successors`) who has been inside longest,
        /// "knocker" lets in, as a moderator, the successor who has waited longest, "refuse" turns all who wait away
        /// in words. Empty: the log says that they wait.
        unattended: Vec<Rescue> = Rescue::ALL.to_vec(), ordered(),
            rule "People waited, and nobody inside could let them in: a person inside moderates now, or a person who waited was let in as a moderator, or all who waited were turned away."
            [switch |lobby| {
                (lobby.unattended.value, lobby.unattended_after.value) = (Vec::new(), Duration::MAX);
            }; Undescribed];
        /// That long; counted again when the last moderator leaves.
        unattended_after: Duration = Duration::from_secs(60), duration(SECOND);
    }
    also {
        /// Who comes in is left to the room: its own password, its list of members and its lobby count, and none of
        /// them is preset. It is what remains of `lobby.admission` when it is off.
        by_room: bool = false,
    }
}

/// The service's own lobby is on in every room.
pub(in crate::policy) fn has_own(case: &Case<'_>) -> bool {
    case.room.lobby && case.rules.lobby.admission.value.has_lobby()
}

/// Every room is members-only: the room service keeps strangers out, or its lobby does.
pub(in crate::policy) fn is_members_only(case: &Case<'_>) -> bool {
    case.rules.lobby.admission.value.is_members_only() || has_own(case)
}

/// Returns what it takes to come into this room: a moderator may have put up a lobby that the policy does not ask for.
fn admission(case: &Case<'_>) -> Admission {
    let by_policy = case.rules.lobby.admission.value;
    let wave = case.room.record.as_ref().and_then(|record| record.wave);
    let is_for_a_wave = wave.is_some_and(|wave| wave.lobby);
    let is_chosen = !is_for_a_wave && !suspended::of(case.room).is_some_and(|it| it.raised);
    let has_one = case.room.lobby && case.room.members_only && is_chosen;
    match by_policy {
        Admission::Password if has_one => Admission::PasswordOrLobby,
        Admission::Open if has_one => Admission::Lobby,
        Admission::Open if case.rules.lobby.by_room && !case.rules.password.required.value => {
            Admission::Password
        }
        Admission::Password
        | Admission::Open
        | Admission::PasswordOrLobby
        | Admission::PasswordAndLobby
        | Admission::Lobby => by_policy,
    }
}

/// There is a lobby that this client can wait in.
fn can_wait(case: &Case<'_>) -> bool {
    case.room.lobby || case.who().client == Client::Plain
}

/// Returns what it takes this requester to come in.
pub(in crate::policy) fn join(case: &Case<'_>, credential: Credential) -> Option<Opinion> {
    let rules = case.rules;
    let admission = admission(case);
    if moderators::entitlement(case).is_some() {
        return None;
    }
    let asks_for_password = !matches!(admission, Admission::Lobby | Admission::Open);
    let needs_password = asks_for_password && !may_skip_password(case);
    let needs_lobby = !may_skip_lobby(case);
    if needs_password && let Some(opinion) = guessed_too_often(case, credential) {
        return Some(opinion);
    }
    // Under attack, a room takes no stranger's password, not even the right one: it may be the hit. Nor
    // does it tell the two apart, or the guesser had only to come back with the right one later.
    let is_attacked = room_pressure(case).is_some();
    let is_right = credential == Credential::Right && !is_attacked;
    let knows = !needs_password || is_right;
    // Where there is no password to know, the door has only the bell.
    let knows_one =
        is_right || (knows && (has_password(case) || case.rules.password.required.value));
    let allowed = || (!rules.lobby.by_room).then(|| Opinion::allow(rule(case)));
    if needs_lobby && open::is_for_members(case) {
        return Some(open::knock(case));
    }
    match admission {
        Admission::Open => allowed(),
        Admission::Password if knows => allowed(),
        Admission::Password => Some(ask_for_password(case, credential)),
        Admission::Lobby if !needs_lobby => allowed(),
        Admission::Lobby => Some(knock(case)),
        Admission::PasswordOrLobby if knows_one || !needs_lobby => allowed(),
        Admission::PasswordOrLobby
            if !can_wait(case) || (credential == Credential::Wrong && !is_attacked) =>
        {
            Some(ask_for_password(case, credential))
        }
        Admission::PasswordOrLobby => Some(knock(case)),
        Admission::PasswordAndLobby if !knows => Some(ask_for_password(case, credential)),
        Admission::PasswordAndLobby if needs_lobby => Some(knock(case)),
        Admission::PasswordAndLobby => allowed(),
    }
}

/// By which a person has to knock: the policy's or, where there is none, that a moderator has put up.
fn rule(case: &Case<'_>) -> Rule {
    let lobby = &case.rules.lobby;
    if lobby.by_room { fixed::ROOM_LOBBY.at(0) } else { lobby.admission.rule() }
}

/// There is a password to ask for. One that was made for the room counts as long as one is required; one that
/// a person chose is the room's own.
fn has_password(case: &Case<'_>) -> bool {
    let source = case.room.record.as_ref().and_then(|record| record.password);
    let is_own = source.is_none_or(|source| source == Source::Creator);
    case.room.has_password && (is_own || case.rules.password.required.value)
}

/// What follows when a person comes in.
pub(in crate::policy) fn enter(case: &Case<'_>, credential: Credential, effects: &mut Effects) {
    let rules = case.rules;
    if case.is_service() {
        return;
    }
    let moderates = moderators::entitlement(case).is_some();
    if case.room.is_found() {
        open::seat(case, moderates, effects);
    } else if moderates && !rules.moderators.by_room {
        effects.affiliation = Some(Affiliation::Owner);
        effects.role = Some(Role::Moderator);
    } else if let Some(suspended) = case.who().person.as_ref().and_then(|person| person.suspended) {
        effects.affiliation = Some(suspended);
    } else if case.room.members_only
        && case.who().affiliation < Affiliation::Member
        && !rules.lobby.by_room
    {
        effects.affiliation = Some(Affiliation::Member);
        effects.role = Some(Role::Participant);
    }
    if moderates && case.room.has_password && rules.password.show_to_moderators.value {
        effects.notices.push((Audience::RequesterJoined, Notice::Password));
    }
    permissions::entered(case, moderates, effects);
    suspended::entered(case, effects);
    let takes_the_place = moderates && open::takes_the_place(case);
    // The opener may have come back with another address before they were in for the first time.
    let opened =
        case.who().person.as_ref().is_some_and(|person| person.entry == Some(Entry::Opened));
    let is_opener = |record: &Record| opened || record.opener == case.jid.as_str();
    let is_awaited =
        |record: &&Record| record.awaited.is_some() && (takes_the_place || is_opener(record));
    if let Some(record) = case.room.record.as_ref().filter(is_awaited) {
        let opener = case.jid.to_string();
        let claims = if takes_the_place {
            case.policy.claims_by(case.who(), case.place)
        } else {
            record.claims.clone()
        };
        effects.record = Some(Record { opener, claims, awaited: None, ..record.clone() });
    }
    let before = case.who().person.as_ref();
    let knows = credential == Credential::Right || knew_password(case);
    let proves = credential == Credential::Right;
    let password =
        if proves { password_now(case) } else { before.map_or(0, |person| person.password) };
    let admitted = before.is_some_and(|p| p.is_admitted());
    let entry = match (before.and_then(|p| p.entry), knows, admitted) {
        _ if takes_the_place => Entry::Opened,
        (Some(Entry::Opened), _, _) => Entry::Opened,
        (_, true, true) => Entry::Both,
        (_, true, false) => Entry::Password,
        (_, false, _) => Entry::Admitted,
    };
    let after = Person::entered(entry)
        .as_moderator(moderates && !open::moderates(case))
        .as_by_file(moderates && moderation::is_by_file(case))
        .with_password(password)
        .known_as(before);
    if before != Some(&after) {
        effects.people.push((case.jid.clone(), Some(after)));
    }
    limits::enter(case, effects);
    super::close::count(case, effects);
}

/// What follows when a person has to wait.
pub(in crate::policy) fn wait(case: &Case<'_>, credential: Credential, effects: &mut Effects) {
    effects.knock = Some(case.rules.lobby.wait.value);
    // A client that was let in from a separate lobby does not send the password again.
    let proves =
        case.room.lobby && credential == Credential::Right && room_pressure(case).is_none();
    if proves && case.who().person.is_none() {
        let person = Person::entered(Entry::Proved).with_password(password_now(case));
        effects.people.push((case.jid.clone(), Some(person)));
    }
}

/// Returns how long the room takes no password from strangers.
fn room_pressure(case: &Case<'_>) -> Option<Duration> {
    let limit = case.rules.password.guesses.room_burst.value;
    case.pressure.room.filter(|_| limit < UNLIMITED)
}

fn may_skip_password(case: &Case<'_>) -> bool {
    let who = case.who();
    case.rules.password.bypass.value.meets(case.classes)
        || who.affiliation >= Affiliation::Admin
        || open::is_member(case)
        || knew_password(case)
        || (!has_password(case) && !case.rules.password.required.value)
}

/// The requester has proved to know the password, and need not prove it again.
fn knew_password(case: &Case<'_>) -> bool {
    case.who().person.as_ref().is_some_and(|person| {
        person.knew_password()
            && (case.rules.password.ask_again.value == AskAgain::Nobody
                || person.password == password_now(case))
    })
}

/// Returns which of the room's passwords is the present one.
fn password_now(case: &Case<'_>) -> u32 {
    case.room.record.as_ref().map_or(0, |record| record.password_changes)
}

fn may_skip_lobby(case: &Case<'_>) -> bool {
    let who = case.who();
    case.rules.lobby.bypass.value.meets(case.classes)
        || (who.affiliation >= Affiliation::Member
            && !who.person.as_ref().is_some_and(|person| person.is_removed()))
        || who.person.as_ref().is_some_and(|person| person.is_admitted())
        || open::is_member(case)
}

fn guessed_too_often(case: &Case<'_>, credential: Credential) -> Option<Opinion> {
    let guesses = &case.rules.password.guesses;
    if credential == Credential::None {
        return None;
    }
    let wait = case.pressure.guesses.filter(|_| guesses.burst.value < UNLIMITED)?;
    let rule = guesses.burst.rule();
    Some(Opinion::deny(rule, Denial::TooManyGuesses { wait }))
}

fn ask_for_password(case: &Case<'_>, credential: Credential) -> Opinion {
    let password = &case.rules.password;
    if credential != Credential::None
        && let Some(wait) = room_pressure(case)
    {
        let rule = password.guesses.room_burst.rule();
        return Opinion::deny(rule, Denial::TooManyGuesses { wait });
    }
    let rule =
        if password.required.value { password.required.rule() } else { fixed::ROOM_PASSWORD.at(0) };
    Opinion::prompt(
        rule,
        match credential {
            Credential::None => Denial::PasswordNeeded,
            Credential::Wrong | Credential::Right => Denial::PasswordWrong,
        },
    )
}

/// They have to knock by another rule than that of the lobby.
pub(in crate::policy) fn knock_by(case: &Case<'_>, rule: Rule) -> Opinion {
    // The service has lobbies, and this room's is off: there is none to wait in.
    let is_off = case.room.lobby && !case.room.members_only && case.who().client == Client::Jitsi;
    let knock = knock(case);
    match knock.verdict {
        _ if is_off => Opinion::deny(rule, Denial::NoLobby),
        Verdict::Hold => Opinion::hold(rule, Denial::Lobby),
        Verdict::Deny if knock.denial == Some(Denial::NoLobby) => {
            Opinion::deny(rule, Denial::NoLobby)
        }
        Verdict::Allow | Verdict::Prompt | Verdict::Deny => knock,
    }
}

pub(in crate::policy) fn knock(case: &Case<'_>) -> Opinion {
    let lobby = &case.rules.lobby;
    if !can_wait(case) {
        return Opinion::deny(rule(case), Denial::NoLobby);
    }
    if let Some(wait) = case.pressure.knocks.filter(|_| lobby.max_knocks.value < UNLIMITED) {
        let rule = lobby.max_knocks.rule();
        return Opinion::deny(rule, Denial::TooManyKnocks { wait });
    }
    let most = lobby.max_waiting.value;
    if most < UNLIMITED && case.room.waiting >= most {
        let rule = lobby.max_waiting.rule();
        return Opinion::deny(rule, Denial::LobbyFull);
    }
    Opinion::hold(rule(case), Denial::Lobby)
}

names! {
    /// A way to help those who wait while nobody inside can let them in.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Rescue {
        /// The occupant who has been there longest becomes a moderator, if they are a successor.
        Occupant = "occupant",
        /// The one who waits longest is let in as a moderator, if they are a successor.
        Knocker = "knocker",
        /// All who wait are turned away.
        Refuse = "refuse",
    }
}
