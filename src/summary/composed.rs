//! Sentences that several values decide, and how several sentences are put.

use std::time::Duration;

use super::Facts;
use super::words::{Words, can, counted, hours, list, people, say, time};
use crate::policy::access::Opening;
use crate::policy::class::{Class, ClassSet};
use crate::policy::hours::AtEnd;
use crate::policy::lobby::Admission;
use crate::policy::moderators::Become;
use crate::policy::permissions::Permitted;
use crate::policy::record::Source;
use crate::policy::removal::By;
use crate::policy::rules::kinds::Who;
use crate::policy::rules::lobby::Rescue;

/// Words for what a person may do, in English and in German.
pub(super) type Act = (&'static str, &'static str);

pub(super) const CHAT: Act = ("write in the chat", "im Chat schreiben");
pub(super) const PRIVATE: Act = ("write to one person privately", "einer Person privat schreiben");
pub(super) const RENAME: Act = ("change their name inside", "ihren Namen nachträglich ändern");
pub(super) const AUDIO: Act = ("speak", "sprechen");
pub(super) const VIDEO: Act = ("turn on the camera", "die Kamera einschalten");
pub(super) const SCREEN: Act = ("share the screen", "den Bildschirm teilen");

/// Returns who may start a meeting.
pub(super) fn opening(it: &Facts<'_>) -> Option<Words> {
    let (act, tun) = ("start a meeting", "eine Besprechung beginnen");
    let signed_in = ClassSet::of(&[Class::Token, Class::Account]);
    let only = |classes| can(it, Permitted { classes, moderators: false }, act, tun);
    match (it.rules.access.create.value, it.guests_open) {
        (Opening::Classes(classes), _) => Some(only(classes)),
        (Opening::Default, Some(false)) => Some(only(signed_in)),
        (Opening::Default, Some(true)) => Some(only(ClassSet::ALL)),
        (Opening::Default, None) => say(
            "If people can sign in on this server, only those who have signed in can start a meeting; if not, everyone can.",
            "Wenn man sich auf diesem Server anmelden kann, können nur angemeldete Personen eine Besprechung beginnen, sonst alle.",
        ),
    }
}

/// Returns where the password of a new meeting comes from.
pub(super) fn new_password(it: &Facts<'_>) -> Option<Words> {
    let password = &it.rules.password;
    if !password.required.value {
        return say(
            "A meeting has no password unless a moderator sets one.",
            "Eine Besprechung hat kein Passwort, außer ein Moderator setzt eines.",
        );
    }
    let words = password.words.value;
    match password.source.value {
        Source::Generated => say(
            format!("Each meeting gets a password of {words} words, which nobody can remove."),
            format!(
                "Jede Besprechung bekommt ein Passwort aus {words} Wörtern, das niemand entfernen kann."
            ),
        ),
        Source::Derived => {
            let period = password.period.value.map(|period| {
                let period = time(period);
                Words::new(
                    format!(" It stays the same for {}.", period.en),
                    format!(" Es bleibt {} lang dasselbe.", period.de),
                )
            });
            let Words { en: until, de: bis } = period.unwrap_or_else(|| Words::new("", ""));
            say(
                format!(
                    "Each meeting has a password of {words} words from the operator, which nobody can remove.{until}"
                ),
                format!(
                    "Jede Besprechung hat ein Passwort aus {words} Wörtern vom Betreiber, das niemand entfernen kann.{bis}"
                ),
            )
        }
        Source::Preset => say(
            "All meetings have the same password, which the operator has set.",
            "Alle Besprechungen haben dasselbe Passwort; der Betreiber hat es festgelegt.",
        ),
        Source::Creator => {
            let length = password.min_length.value;
            say(
                format!(
                    "If you start a meeting, you choose its password: at least {length} characters, and not easy to guess."
                ),
                format!(
                    "Wenn Sie eine Besprechung beginnen, wählen Sie ihr Passwort: mindestens {length} Zeichen, und nicht leicht zu erraten."
                ),
            )
        }
    }
}

/// Returns whether a password is asked for at the door, as far as the rules say.
pub(super) fn asks_for_password(it: &Facts<'_>) -> bool {
    it.rules.password.required.value && it.rules.lobby.admission.value.has_password()
}

/// Returns what it takes to come in.
pub(super) fn admission(it: &Facts<'_>) -> Option<Words> {
    let password = &it.rules.password;
    let is_required = password.required.value;
    // A password that a person has chosen is asked for whatever the file says.
    let is_chosen = is_required && password.source.value == Source::Creator;
    let admission = match it.rules.lobby.admission.value {
        Admission::Lobby if is_chosen => Admission::PasswordOrLobby,
        Admission::Open if is_chosen => Admission::Password,
        by_policy @ (Admission::PasswordOrLobby
        | Admission::PasswordAndLobby
        | Admission::Password
        | Admission::Lobby
        | Admission::Open) => by_policy,
    };
    match admission {
        Admission::PasswordOrLobby if !is_required => lobby(false),
        Admission::PasswordOrLobby => say(
            "To join, type the password. Without it, you wait in the lobby until a moderator lets you in.",
            "Zum Teilnehmen geben Sie das Passwort ein. Ohne Passwort warten Sie in der Lobby, bis ein Moderator Sie hereinlässt.",
        ),
        Admission::PasswordAndLobby => say(
            "To join, type the password, then wait in the lobby until a moderator lets you in.",
            "Zum Teilnehmen geben Sie das Passwort ein; dann warten Sie in der Lobby, bis ein Moderator Sie hereinlässt.",
        ),
        Admission::Password => {
            say("To join, type the password.", "Zum Teilnehmen geben Sie das Passwort ein.")
        }
        Admission::Lobby => lobby(is_required),
        Admission::Open if is_required => say(
            "You can join without a password and without waiting, unless a moderator has chosen another password or turned on the lobby.",
            "Sie können ohne Passwort und ohne zu warten teilnehmen, außer ein Moderator hat ein anderes Passwort gewählt oder die Lobby eingeschaltet.",
        ),
        Admission::Open => say(
            "You can join without a password and without waiting, unless a moderator has set a password or turned on the lobby.",
            "Sie können ohne Passwort und ohne zu warten teilnehmen, außer ein Moderator hat ein Passwort gesetzt oder die Lobby eingeschaltet.",
        ),
    }
}

/// Returns that people wait in the lobby. `has_password`: each meeting has a password, which does not open the door.
fn lobby(has_password: bool) -> Option<Words> {
    if has_password {
        return say(
            "To join, you wait in the lobby until a moderator lets you in. A password that a moderator has chosen opens the door, too.",
            "Zum Teilnehmen warten Sie in der Lobby, bis ein Moderator Sie hereinlässt. Mit einem Passwort, das ein Moderator gewählt hat, kommen Sie auch herein.",
        );
    }
    say(
        "To join, you wait in the lobby until a moderator lets you in. If a moderator has set a password, it opens the door, too.",
        "Zum Teilnehmen warten Sie in der Lobby, bis ein Moderator Sie hereinlässt. Hat ein Moderator ein Passwort gesetzt, kommen Sie auch damit herein.",
    )
}

/// Returns that people of these classes are exempt from something; `None`: nobody is.
pub(super) fn exempt(it: &Facts<'_>, classes: ClassSet, en: &str, de: &str) -> Option<Words> {
    if classes == ClassSet::ALL {
        return say(format!("All people {en}."), format!("Alle {de}."));
    }
    let all = people(it, classes);
    let Words { en: who, de: wer } = list(&all);
    (!all.is_empty())
        .then(|| Words::new(format!("{} {en}.", capital(&who)), format!("{} {de}.", capital(&wer))))
}

pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// Returns what happens to people who wait while nobody inside can let them in.
pub(super) fn unattended(it: &Facts<'_>) -> Option<Words> {
    let lobby = &it.rules.lobby;
    if !lobby.admission.value.has_lobby() || lobby.unattended.value.is_empty() {
        return None;
    }
    let moderators = &it.rules.moderators;
    let successors = moderators.successors.value;
    let who = list(&people(it, successors));
    let takes_over = !who.en.is_empty() && !moderators.assign.value.is_empty();
    let ways = lobby.unattended.value.iter();
    let ways: Vec<_> = ways.filter(|way| takes_over || **way == Rescue::Refuse).collect();
    let after = time(lobby.unattended_after.value);
    let mut told = Words::new("", "");
    for (at, way) in ways.iter().enumerate() {
        let step = match way {
            Rescue::Occupant => Words::new(
                "the person who has been inside longest becomes a moderator",
                "wird Moderator, wer am längsten da ist",
            ),
            Rescue::Knocker => Words::new(
                "the person who has waited longest comes in as the moderator",
                "kommt als Moderator herein, wer am längsten wartet",
            ),
            Rescue::Refuse => Words::new(
                "those who wait are asked to try again later",
                "werden die Wartenden gebeten, es später noch einmal zu versuchen",
            ),
        };
        let (en, de) = match at {
            0 => (
                format!("If nobody inside can let people in for {}, ", after.en),
                format!("Wenn {} lang niemand da ist, der andere hereinlassen kann, ", after.de),
            ),
            _ => (" If that is not possible, ".to_owned(), " Geht das nicht, ".to_owned()),
        };
        told.en.push_str(&format!("{en}{}.", step.en));
        told.de.push_str(&format!("{de}{}.", step.de));
    }
    if successors != ClassSet::ALL && ways.iter().any(|way| **way != Rescue::Refuse) {
        told.en.push_str(&format!(" Only {} can take over like this.", who.en));
        told.de.push_str(&format!(" So übernehmen können nur {}.", who.de));
    }
    (!ways.is_empty()).then_some(told)
}

pub(super) fn times(number: u32) -> Words {
    match number {
        1 => Words::new("once", "einmal"),
        many => Words::new(format!("{many} times"), format!("{many}-mal")),
    }
}

pub(super) fn wrong_passwords(number: u32) -> Words {
    let german = ["falschen Passwort", "falschen Passwörtern"];
    counted(number, ["wrong password", "wrong passwords"], german)
}

/// Returns what everybody may do inside.
pub(super) fn free(it: &Facts<'_>) -> Option<Words> {
    let may = &it.rules.permissions;
    let all = [
        (AUDIO, may.audio.value, true),
        (VIDEO, may.video.value, true),
        (SCREEN, may.screen_share.value, true),
        (CHAT, may.chat.value, false),
        (PRIVATE, may.private.value, false),
        (RENAME, may.rename.value, false),
    ];
    let free = all
        .into_iter()
        .filter(|(_, who, of_jitsi)| who.classes == ClassSet::ALL && (it.is_jitsi() || !of_jitsi));
    let acts: Vec<_> = free.map(|((en, de), ..)| Words::new(en, de)).collect();
    let acts = list(&acts);
    (!acts.en.is_empty()).then(|| {
        Words::new(format!("Everyone can {}.", acts.en), format!("Alle können {}.", acts.de))
    })
}

/// Returns who may do something that not everybody may.
pub(super) fn bound(it: &Facts<'_>, who: Permitted, (en, de): Act) -> Option<Words> {
    (who.classes != ClassSet::ALL).then(|| can(it, who, en, de))
}

/// Returns as [`bound`] does, on Jitsi Meet only.
pub(super) fn media(it: &Facts<'_>, who: Permitted, act: Act) -> Option<Words> {
    it.is_jitsi().then(|| bound(it, who, act)).flatten()
}

/// Returns who may send a medium. Moderators can let others do so one by one, where they may themselves.
pub(super) fn sending(it: &Facts<'_>, who: Permitted, act: Act) -> Option<Words> {
    let said = media(it, who, act)?;
    if !who.moderators {
        return Some(said);
    }
    let (en, de) = (said.en.trim_end_matches('.'), said.de.trim_end_matches('.'));
    say(
        format!("{en}, and anyone whom a moderator allows to."),
        format!("{de}, außerdem alle, denen ein Moderator es erlaubt."),
    )
}

/// Returns who moderates.
pub(super) fn who_moderates(it: &Facts<'_>) -> Option<Words> {
    let moderators = &it.rules.moderators;
    if moderators.by_room {
        return None;
    }
    let has_listed = !moderators.jids.value.is_empty() || !moderators.domains.value.is_empty();
    let ways = moderators.assign.value.iter().filter_map(|way| match way {
        Become::Operator if it.policy.operators.is_empty() => None,
        Become::Operator => say("operators of this server", "Betreiber dieses Servers"),
        Become::Listed if !has_listed => None,
        Become::Listed => {
            say("people whom the operator has named", "vom Betreiber benannte Personen")
        }
        Become::Token if moderators.claim_values.value.is_empty() || !it.has_tokens() => None,
        Become::Token => say(
            "people whose invitation system marks them as moderators",
            "vom Einladungssystem als Moderatoren gekennzeichnete Personen",
        ),
        Become::Account => {
            say("people with an account here", "Personen mit einem Konto auf diesem Server")
        }
        Become::Opener => {
            say("the person who started the meeting", "wer die Besprechung begonnen hat")
        }
    });
    let ways: Vec<_> = ways.collect();
    if ways.is_empty() {
        return say("Nobody moderates by these rules.", "Nach diesen Regeln moderiert niemand.");
    }
    let ways = list(&ways);
    say(
        format!("These moderate: {}. They join without a password and without waiting.", ways.en),
        format!(
            "Es moderieren: {}. Wer moderiert, nimmt ohne Passwort und ohne zu warten teil.",
            ways.de
        ),
    )
}

/// Returns who can do something that is, as a rule, for moderators.
pub(super) fn ability(who: Who, en: &str, de: &str) -> Option<Words> {
    match who {
        Who::Moderator => say(format!("Moderators can {en}."), format!("Moderatoren können {de}.")),
        Who::Operator => say(
            format!("Only operators of this server can {en}."),
            format!("Nur Betreiber dieses Servers können {de}."),
        ),
        Who::Nobody => say(format!("Nobody can {en}."), format!("Niemand kann {de}.")),
        Who::Anybody => None,
    }
}

/// Returns the opening hours.
pub(super) fn opening_hours(it: &Facts<'_>) -> Option<Words> {
    let rules = &it.rules.hours;
    if rules.are_none() {
        return say("Meetings are open at any time.", "Besprechungen sind jederzeit möglich.");
    }
    let zone = rules.zone.value.iana_name().unwrap_or("UTC");
    if rules.open.value.is_empty() {
        return say(
            format!("Meetings are open at any time, but for the days below (time zone {zone})."),
            format!(
                "Besprechungen sind jederzeit möglich, außer an den folgenden Tagen (Zeitzone {zone})."
            ),
        );
    }
    let hours = hours(&rules.open.value);
    say(
        format!("Meetings are open {} (time zone {zone}).", hours.en),
        format!("Besprechungen sind möglich: {} (Zeitzone {zone}).", hours.de),
    )
}

/// Returns what happens to a meeting when the hours end.
pub(super) fn at_end(it: &Facts<'_>) -> Option<Words> {
    let rules = &it.rules.hours;
    if rules.are_none() {
        return None;
    }
    let warning = warning(rules.warn_before.value);
    match rules.at_end.value {
        AtEnd::Stay => say(
            "When the hours end, people who are inside can stay, and nobody else comes in.",
            "Wenn die Zeit endet, können alle bleiben, die da sind; niemand sonst kommt herein.",
        ),
        AtEnd::Close => say(
            format!("When the hours end, meetings close to newcomers for good.{}", warning.en),
            format!(
                "Wenn die Zeit endet, schließen Besprechungen endgültig für Neue.{}",
                warning.de
            ),
        ),
        AtEnd::End => say(
            format!("When the hours end, meetings end.{}", warning.en),
            format!("Wenn die Zeit endet, enden auch die Besprechungen.{}", warning.de),
        ),
    }
}

/// Returns when a warning comes, as a further sentence; empty: never.
pub(super) fn warning(before: Option<Duration>) -> Words {
    before.map_or_else(
        || Words::new("", ""),
        |before| {
            Words::new(
                format!(" The chat says so {} before.", time(before).en),
                format!(" Der Chat kündigt das {} vorher an.", time(before).de),
            )
        },
    )
}

/// Returns whether anything is kept.
pub(super) fn keeps(it: &Facts<'_>) -> bool {
    it.settings.store.file.is_some() || it.settings.log.decisions.is_some()
}

/// Returns what a removed person is recognised by.
pub(super) fn mark(by: &By) -> Words {
    match by {
        By::Account => Words::new("the account", "dem Konto"),
        By::Token => Words::new("the token", "dem Token"),
        By::Ticket => Words::new("the session of the app", "der Sitzung des Programms"),
        By::Device => Words::new("the device", "dem Gerät"),
        By::Address => Words::new("the network", "dem Netz"),
    }
}
