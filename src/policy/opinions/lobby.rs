//! Opinions on admission: who has to know the password, and who has to knock.

use super::found;
use super::moderators::{self, room_pressure};
use crate::policy::Rules;
use crate::policy::attempt::{Affiliation, Client, Credential, RoomView, UNLIMITED};
use crate::policy::context::Case;
use crate::policy::denial::Denial;
use crate::policy::record::{Entry, Person, Source};
use crate::policy::rules::fixed;
use crate::policy::rules::lobby::Admission;
use crate::policy::rules::password::AskAgain;
use crate::policy::verdict::{Effects, Opinion, Rule, Verdict};

/// Returns whether the service's own lobby is on in every room.
pub(in crate::policy) fn has_own(case: &Case<'_>) -> bool {
    is_own_on(case.rules, case.room)
}

fn is_own_on(rules: &Rules, room: &RoomView) -> bool {
    room.lobby && rules.lobby.admission.value.has_lobby()
}

/// Returns whether every room is members-only: the room service keeps strangers out, or its lobby does.
pub(in crate::policy) fn is_members_only(case: &Case<'_>) -> bool {
    is_always_members_only(case.rules, case.room)
}

fn is_always_members_only(rules: &Rules, room: &RoomView) -> bool {
    rules.lobby.admission.value.is_members_only() || is_own_on(rules, room)
}

/// Returns what admission to this room takes. A password and a lobby of a moderator's own count in every room, as people
/// know it from Jitsi: the right password passes that lobby.
fn admission(rules: &Rules, room: &RoomView) -> Admission {
    let by_policy = rules.lobby.admission.value;
    let has_lobby = room.lobby && is_members_only_by_choice(rules, room);
    match (by_policy, has_lobby, has_own_password(room)) {
        (Admission::Password, true, _) | (Admission::Open, true, true) => {
            Admission::PasswordOrLobby
        }
        (Admission::Lobby, _, true) => Admission::PasswordOrLobby,
        (Admission::Open, true, false) => Admission::Lobby,
        (Admission::Open, false, true) => Admission::Password,
        _ => by_policy,
    }
}

/// Returns what the door of a room asks of a stranger now, for operators: what admission takes, without a password that
/// the room does not have, and the lobby alone for members-only rooms and during a join flood.
pub fn door(rules: &Rules, room: &RoomView) -> Admission {
    let is_flooded = rules.limits.flood_strangers.value > 0
        && room.record.as_ref().is_some_and(|record| record.wave.is_some());
    let is_for_members = room.members_only
        && !room.lobby
        && (rules.lobby.by_room || room.is_found() || is_members_only_by_choice(rules, room));
    let has_password = has_password(rules, room) || rules.password.required.value;
    let asked = admission(rules, room);
    if has_password && asked == Admission::PasswordAndLobby {
        return asked;
    }
    match (has_password, asked.has_password(), asked.has_lobby()) {
        _ if is_flooded || is_for_members => Admission::Lobby,
        (false, true, true) => Admission::Lobby,
        (false, true, false) => Admission::Open,
        _ => asked,
    }
}

/// Returns whether a person has made the room members-only, rather than the policy.
fn is_members_only_by_choice(rules: &Rules, room: &RoomView) -> bool {
    let is_for_a_wave = room.record.as_ref().and_then(|it| it.wave).is_some_and(|wave| wave.lobby);
    let is_for_a_suspension = room.suspended().is_some_and(|it| it.raised);
    room.members_only
        && !is_always_members_only(rules, room)
        && !is_for_a_wave
        && !is_for_a_suspension
}

/// Returns whether only members may enter, as the room's own setting says, on a service without a lobby of its own.
/// Where the rules leave admission to the room, the room service itself keeps the others out.
fn is_for_members(case: &Case<'_>) -> bool {
    let is_judged = !case.room.lobby && !case.rules.lobby.by_room;
    found::is_for_members(case) || (is_judged && is_members_only_by_choice(case.rules, case.room))
}

/// Returns whether there is a lobby that this client can wait in.
fn can_wait(case: &Case<'_>) -> bool {
    !case.who.visitor && (case.room.lobby || case.who.client == Client::Plain)
}

/// Judges admission: allows, asks for the password, or makes the requester knock. `None`: nothing is asked of them.
pub(in crate::policy) fn join(case: &Case<'_>, credential: Credential) -> Option<Opinion> {
    let rules = case.rules;
    let admission = admission(case.rules, case.room);
    if moderators::moderates(case).is_some() {
        return None;
    }
    let credential = as_password(case, credential);
    let asks_for_password = admission.has_password();
    let needs_password = asks_for_password && !may_skip_password(case);
    let needs_lobby = !may_skip_lobby(case);
    // Where people only wait, for a moderator or to be let in, what they type is meant to be the host code.
    let waits = match admission {
        Admission::Lobby => needs_lobby || awaits_moderator(case),
        Admission::Open => awaits_moderator(case),
        Admission::Password | Admission::PasswordOrLobby | Admission::PasswordAndLobby => false,
    };
    let is_for_code = waits && moderators::has_code(case);
    if (needs_password || is_for_code)
        && let Some(opinion) = guessed_too_often(case, credential)
    {
        return Some(opinion);
    }
    // Under attack, a room takes no stranger's password, not even the right one: it may be a lucky guess. Nor
    // does it tell the two apart: a guesser would only have to come back later with the right one.
    let is_attacked = room_pressure(case).is_some();
    let is_right = credential == Credential::Right && !is_attacked;
    let knows = !needs_password || is_right;
    // Without a password to know, only the lobby is left.
    let knows_one =
        is_right || (knows && (has_password(rules, case.room) || rules.password.required.value));
    let allowed = || (!rules.lobby.by_room).then(|| Opinion::allow(rule(case)));
    if needs_lobby && is_for_members(case) {
        return Some(Opinion { rule: fixed::ROOM_MEMBERS.at(0), ..knock(case) });
    }
    match admission {
        _ if is_for_code && credential != Credential::None && !is_right => {
            Some(ask_for_password(case, credential))
        }
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

/// Returns what was typed as compared with the password alone: a host code that does not count is a wrong one. Without a
/// password, and without a code that counts, there is nothing to compare with.
fn as_password(case: &Case<'_>, credential: Credential) -> Credential {
    match credential {
        Credential::Code | Credential::Wrong
            if !case.room.has_password && !moderators::has_code(case) =>
        {
            Credential::None
        }
        Credential::Code => Credential::Wrong,
        Credential::None | Credential::Wrong | Credential::Right => credential,
    }
}

/// Returns the rule by which people come in.
fn rule(case: &Case<'_>) -> Rule {
    let lobby = &case.rules.lobby;
    if lobby.by_room { fixed::ROOM_LOBBY.at(0) } else { lobby.admission.rule() }
}

/// Returns the rule by which people knock: the policy's or, where it has no lobby, that of one put up by a moderator.
fn knock_rule(case: &Case<'_>) -> Rule {
    let is_by_policy = case.rules.lobby.admission.value.has_lobby();
    if is_by_policy { rule(case) } else { fixed::ROOM_LOBBY.at(0) }
}

/// Returns whether there is a password to ask for. One that was made for the room counts only while one is required;
/// one that a person chose always counts.
fn has_password(rules: &Rules, room: &RoomView) -> bool {
    has_own_password(room) || (room.has_password && rules.password.required.value)
}

/// Returns whether the room has a password that a person chose.
fn has_own_password(room: &RoomView) -> bool {
    let source = room.record.as_ref().and_then(|record| record.password);
    room.has_password && source.is_none_or(|source| source == Source::Creator)
}

/// Adds the effects of having to wait.
pub(in crate::policy) fn wait(case: &Case<'_>, credential: Credential, effects: &mut Effects) {
    effects.knock = Some(case.rules.lobby.wait.value);
    // A client that was let in from a separate lobby does not send the password again.
    let proves =
        case.room.lobby && credential == Credential::Right && room_pressure(case).is_none();
    if proves && case.who.person.is_none() {
        let person = Person::entered(Entry::Proved).with_password(password_now(case));
        effects.people.push((case.jid.clone(), Some(person)));
    }
}

/// Adds the effects of a wrong password where the requester may wait in the service's own lobby: they stay there, or
/// still go.
pub(in crate::policy) fn wait_on(case: &Case<'_>, denial: Option<Denial>, effects: &mut Effects) {
    let has_lobby = case.room.lobby && case.room.members_only && case.who.client == Client::Jitsi;
    if denial == Some(Denial::PasswordWrong)
        && has_lobby
        && (admission(case.rules, case.room) == Admission::PasswordOrLobby || asks_for_code(case))
        && knock(case).verdict == Verdict::Hold
    {
        effects.knock = Some(case.rules.lobby.wait.value);
    }
}

/// Returns whether what is typed can only be the host code, as the room asks for no password.
fn asks_for_code(case: &Case<'_>) -> bool {
    !admission(case.rules, case.room).has_password() && moderators::has_code(case)
}

/// Returns whether people wait until a moderator is inside.
pub(super) fn awaits_moderator(case: &Case<'_>) -> bool {
    case.rules.close.hold_until.value.moderator && case.room.moderators == 0
}

fn may_skip_password(case: &Case<'_>) -> bool {
    let who = case.who;
    case.rules.password.bypass.value.meets(case.classes)
        || who.affiliation >= Affiliation::Admin
        || found::is_member(case)
        || knew_password(case)
        || (!has_password(case.rules, case.room) && !case.rules.password.required.value)
}

/// Returns whether the requester has proved to know the password, and need not prove it again.
pub(super) fn knew_password(case: &Case<'_>) -> bool {
    case.who.person.as_ref().is_some_and(|person| {
        person.knew_password()
            && (case.rules.password.ask_again.value == AskAgain::Nobody
                || person.password == password_now(case))
    })
}

/// Returns the number of the room's present password.
pub(super) fn password_now(case: &Case<'_>) -> u32 {
    case.room.record.as_ref().map_or(0, |record| record.password_changes)
}

fn may_skip_lobby(case: &Case<'_>) -> bool {
    let who = case.who;
    case.rules.lobby.bypass.value.meets(case.classes)
        || (who.affiliation >= Affiliation::Member
            && !who.person.as_ref().is_some_and(|person| person.is_removed()))
        || who.person.as_ref().is_some_and(|person| person.is_admitted())
        || found::is_member(case)
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
    let is_by_policy = password.required.value && case.rules.lobby.admission.value.has_password();
    let rule = match is_by_policy {
        true => password.required.rule(),
        false if asks_for_code(case) => case.rules.moderators.code.rule(),
        false => fixed::ROOM_PASSWORD.at(0),
    };
    Opinion::prompt(
        rule,
        match credential {
            Credential::None => Denial::PasswordNeeded,
            Credential::Wrong | Credential::Right | Credential::Code => Denial::PasswordWrong,
        },
    )
}

/// Makes the requester knock by another rule than that of the lobby.
pub(in crate::policy) fn knock_by(case: &Case<'_>, rule: Rule) -> Opinion {
    // The service has lobbies, and that of this room is off: there is none to wait in.
    let is_off = case.room.lobby && !case.room.members_only && case.who.client == Client::Jitsi;
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
        return Opinion::deny(knock_rule(case), Denial::NoLobby);
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
    Opinion::hold(knock_rule(case), Denial::Lobby)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::policy::record::{JoinFlood, Record};

    #[test]
    fn what_the_door_asks_is_what_admission_takes_of_what_the_room_has() {
        let record = Record::new(Timestamp::UNIX_EPOCH, String::new(), Some(Source::Generated));
        let made = RoomView {
            exists: true,
            has_password: true,
            record: Some(record),
            ..RoomView::default()
        };
        let asked = |admission, required, room: &RoomView| {
            let mut rules = Rules::default();
            Arc::make_mut(&mut rules.lobby).admission.value = admission;
            Arc::make_mut(&mut rules.password).required.value = required;
            Arc::make_mut(&mut rules.limits).flood_strangers.value = 5;
            door(&rules, room)
        };
        for admission in Admission::ALL {
            assert_eq!(asked(admission, true, &made), admission);
        }
        let bare = RoomView { has_password: false, ..made.clone() };
        for (admission, without) in [
            (Admission::PasswordOrLobby, Admission::Lobby),
            (Admission::PasswordAndLobby, Admission::Lobby),
            (Admission::Password, Admission::Open),
            (Admission::Lobby, Admission::Lobby),
            (Admission::Open, Admission::Open),
        ] {
            assert_eq!(asked(admission, false, &bare), without);
        }
        // A moderator of a Jitsi room has put up the lobby, or chosen a password.
        let lobby = RoomView { lobby: true, members_only: true, ..made.clone() };
        assert_eq!(asked(Admission::Password, true, &lobby), Admission::PasswordOrLobby);
        let chosen = Record { password: Some(Source::Creator), ..made.record.clone().unwrap() };
        let chosen = RoomView { record: Some(chosen), ..made.clone() };
        assert_eq!(asked(Admission::Open, false, &chosen), Admission::Password);
        // A flood of strangers has everybody knock.
        let wave = Some(JoinFlood { since: Timestamp::UNIX_EPOCH, lobby: false });
        let flooded = Record { wave, ..made.record.clone().unwrap() };
        let flooded = RoomView { record: Some(flooded), ..made };
        assert_eq!(asked(Admission::Password, true, &flooded), Admission::Lobby);
    }
}
