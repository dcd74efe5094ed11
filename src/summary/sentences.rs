//! The sentences of the page, each with the keys of the file that it depends on.

use super::composed::{
    AUDIO, CHAT, PRIVATE, RENAME, SCREEN, VIDEO, ability, admission, asks_for_password, at_end,
    bound, exempt, free, keeps, mark, media, new_password, opening, opening_hours, sending, times,
    unattended, warning, who_moderates, wrong_passwords,
};
use super::words::{Words, can, counted, dates, dative, list, people, persons, say, time};
use super::{Facts, Section};
use crate::config::Addresses;
use crate::policy::attempt::UNLIMITED;
use crate::policy::class::ClassSet;
use crate::policy::lobby::Admission;
use crate::policy::moderators::{HostCode, Protected};
use crate::policy::names::Unique;
use crate::policy::password::AskAgain;
use crate::policy::permissions::{E2ee, Permitted};

/// A sentence of the page.
#[derive(Clone, Copy, Debug)]
pub struct Sentence {
    /// Where it stands.
    pub section: Section,
    /// The keys of the file that it depends on; those of the policy without `policy.`.
    pub keys: &'static [&'static str],
    /// Returns the words; `None`: there is nothing to say.
    pub words: fn(&Facts<'_>) -> Option<Words>,
}

macro_rules! sentences {
    ($($section:ident { $([$($key:literal),+] $words:expr;)* })*) => {
        /// All sentences, in the order of the page.
        pub static SENTENCES: &[Sentence] = &[
            $($(Sentence { section: Section::$section, keys: &[$($key),+], words: $words },)*)*
        ];
    };
}

sentences! {
    Start {
        ["access.create", "access.listed", "operators"] opening;
        ["access.rooms", "access.refused_rooms"] |it| {
            let access = &it.rules.access;
            let is_bound = access.rooms.value.is_some() || access.refused_rooms.value.is_some();
            is_bound.then(|| Words::new(
                "Not every name is allowed for a meeting. If yours is refused, please choose another one.",
                "Nicht jeder Name ist für eine Besprechung erlaubt. Wird Ihrer abgelehnt, wählen Sie bitte einen anderen.",
            ))
        };
        [
            "password.required", "password.source", "password.words", "password.min_length", "password.period"
        ] new_password;
        ["access.hidden"] |it| match it.rules.access.hidden.value {
            Some(true) => say(
                "Meetings are not listed in public: people need the link or the name.",
                "Besprechungen stehen in keinem öffentlichen Verzeichnis: Man braucht den Link oder den Namen.",
            ),
            Some(false) => say(
                "Meetings are listed in public.",
                "Besprechungen stehen in einem öffentlichen Verzeichnis.",
            ),
            None => None,
        };
        ["room"] |it| (it.room.is_none() && it.policy.rooms.iter().next().is_some()).then(|| Words::new(
            "Some meetings have rules of their own, which are not on this page.",
            "Für manche Besprechungen gelten eigene Regeln, die nicht auf dieser Seite stehen.",
        ));
        ["exception"] |it| (!it.policy.exceptions.is_empty()).then(|| Words::new(
            "For some people or meetings, the operator has made exceptions.",
            "Für manche Personen oder Besprechungen hat der Betreiber Ausnahmen gemacht.",
        ));
        ["limits.rooms_per_opener"] |it| match it.rules.limits.rooms_per_opener.value {
            0 => None,
            most => say(
                format!("One person can hold at most {most} of the meetings at a time."),
                format!("Eine Person kann höchstens {most} der Besprechungen gleichzeitig halten."),
            ),
        };
        ["limits.rooms"] |it| match it.rules.limits.rooms.value {
            0 => None,
            most => {
                let meetings = counted(most, ["meeting", "meetings"], ["Besprechung", "Besprechungen"]);
                say(
                    format!("This server has at most {} at a time.", meetings.en),
                    format!("Auf diesem Server gibt es höchstens {} gleichzeitig.", meetings.de),
                )
            }
        };
    }
    Join {
        ["access.enter", "access.listed", "operators"] |it| {
            let enter = it.rules.access.enter.value;
            (enter != ClassSet::ALL).then(|| {
                can(it, Permitted { classes: enter, moderators: false }, "join meetings here", "hier teilnehmen")
            })
        };
        ["lobby.admission", "password.required", "password.source"] admission;
        ["lobby.bypass", "password.bypass", "lobby.admission", "password.required", "access.listed", "operators"] |it| {
            let classes = it.rules.lobby.bypass.value.and(it.rules.password.bypass.value);
            (it.rules.lobby.admission.value == Admission::PasswordOrLobby)
                .then(|| exempt(it, classes, "need neither", "brauchen beides nicht"))
                .flatten()
        };
        ["password.bypass", "lobby.admission", "password.required", "access.listed", "operators"] |it| {
            let admission = it.rules.lobby.admission.value;
            matches!(admission, Admission::Password | Admission::PasswordAndLobby)
                .then(|| exempt(it, it.rules.password.bypass.value, "need no password", "brauchen kein Passwort"))
                .flatten()
        };
        ["lobby.bypass", "lobby.admission", "access.listed", "operators"] |it| it.rules.lobby.admission.value.is_members_only()
            .then(|| exempt(it, it.rules.lobby.bypass.value, "do not wait in the lobby", "warten nicht in der Lobby"))
            .flatten();
        ["close.hold_until"] |it| it.rules.close.hold_until.value.moderator.then(|| Words::new(
            "If you are early, you wait until a moderator is there.",
            "Wenn Sie früh kommen, warten Sie, bis ein Moderator da ist.",
        ));
        ["access.encrypted"] |it| it.rules.access.encrypted.value.then(|| Words::new(
            "Your connection to the server has to be encrypted, as it is with any current browser or app.",
            "Ihre Verbindung zum Server muss verschlüsselt sein; mit jedem aktuellen Browser oder Programm ist sie das.",
        ));
        ["permissions.e2ee"] |it| match it.rules.permissions.e2ee.value {
            _ if !it.is_jitsi() => None,
            E2ee::Off => None,
            E2ee::Prefer => say(
                "Please turn on end-to-end encryption if your app supports it. Moderators see whose app does not.",
                "Bitte schalten Sie die Ende-zu-Ende-Verschlüsselung ein, wenn Ihr Programm sie unterstützt. Moderatoren sehen, wessen Programm das nicht tut.",
            ),
            E2ee::Require => say(
                "You need an app that supports end-to-end encryption. Please turn it on: the server cannot do that for you.",
                "Sie brauchen ein Programm, das Ende-zu-Ende-Verschlüsselung unterstützt. Bitte schalten Sie sie ein: Der Server kann das nicht für Sie tun.",
            ),
        };
        ["lobby.wait", "lobby.admission"] |it| it.rules.lobby.admission.value.has_lobby().then(|| {
            let wait = it.rules.lobby.wait.value;
            Words::new(
                format!("You can wait in the lobby for {}. After that, please ask again.", time(wait).en),
                format!("In der Lobby können Sie {} warten. Danach fragen Sie bitte noch einmal.", time(wait).de),
            )
        });
        [
            "lobby.unattended", "lobby.unattended_after", "lobby.admission", "moderators.successors", "moderators.assign",
            "access.listed", "operators"
        ] unattended;
        ["lobby.max_waiting", "lobby.admission"] |it| {
            let most = it.rules.lobby.max_waiting.value;
            (it.rules.lobby.admission.value.has_lobby() && most < UNLIMITED).then(|| Words::new(
                format!("At most {} can wait for one meeting at a time.", persons(most).en),
                format!("In der Lobby einer Besprechung ist Platz für {}.", persons(most).de),
            ))
        };
        ["lobby.max_knocks", "lobby.max_knocks_per", "lobby.admission"] |it| {
            let (most, per) = (it.rules.lobby.max_knocks.value, it.rules.lobby.max_knocks_per.value);
            (it.rules.lobby.admission.value.has_lobby() && most < UNLIMITED).then(|| Words::new(
                format!("You can ask to be let in {} within {}.", times(most).en, time(per).en),
                format!("Innerhalb von {} können Sie {} um Einlass bitten.", dative(per).de, times(most).de),
            ))
        };
        [
            "password.guesses.burst", "password.guesses.delay", "password.guesses.max_delay", "lobby.admission",
            "password.required"
        ] |it| {
            let guesses = &it.rules.password.guesses;
            let burst = guesses.burst.value;
            (asks_for_password(it) && burst < UNLIMITED).then(|| {
                let (delay, longest) = (guesses.delay.value, guesses.max_delay.value);
                Words::new(
                    format!(
                        "After {} you have to wait before you can try again: {} at first, {} at most.",
                        wrong_passwords(burst).en, time(delay).en, time(longest).en
                    ),
                    format!(
                        "Nach {} müssen Sie warten, bevor Sie es wieder versuchen können: zuerst {}, höchstens {}.",
                        wrong_passwords(burst).de, time(delay).de, time(longest).de
                    ),
                )
            })
        };
        ["password.guesses.room_burst", "lobby.admission", "password.required"] |it| {
            let burst = it.rules.password.guesses.room_burst.value;
            (asks_for_password(it) && burst < UNLIMITED).then(|| Words::new(
                format!("After {} from strangers, a meeting takes no password from strangers for a while.", wrong_passwords(burst).en),
                format!("Nach {} von Fremden nimmt eine Besprechung eine Weile kein Passwort von Fremden an.", wrong_passwords(burst).de),
            ))
        };
        ["password.ask_again", "lobby.admission", "password.required"] |it| asks_for_password(it).then(|| {
            match it.rules.password.ask_again.value {
                AskAgain::Everybody => Words::new(
                    "After the password was changed, everyone who comes back types the new one.",
                    "Wurde das Passwort geändert, gibt jeder, der wiederkommt, das neue ein.",
                ),
                AskAgain::Nobody => Words::new(
                    "After the password was changed, people who came in with the old one can still come back.",
                    "Wurde das Passwort geändert, können alle wiederkommen, die mit dem alten hereingekommen sind.",
                ),
            }
        });
        ["names.unique"] |it| match it.rules.names.unique.value {
            Unique::Nobody => None,
            Unique::Moderators => say(
                "You cannot use a name that looks like a moderator's.",
                "Sie können keinen Namen verwenden, der wie der eines Moderators aussieht.",
            ),
            Unique::Everybody => say(
                "You cannot use a name that looks like that of another person in the meeting.",
                "Sie können keinen Namen verwenden, der wie der einer anderen Person in der Besprechung aussieht.",
            ),
        };
        ["names.protected"] |it| (!it.rules.names.protected.value.is_empty()).then(|| Words::new(
            "Some names are for moderators only.",
            "Manche Namen sind nur für Moderatoren.",
        ));
        ["names.scripts"] |it| {
            let scripts = &it.rules.names.scripts.value;
            let names: Vec<_> = scripts.iter().map(|one| Words::new(one.full_name(), one.full_name())).collect();
            (!names.is_empty()).then(|| Words::new(
                format!("Names are written in these scripts: {}.", list(&names).en),
                format!("Namen schreibt man in diesen Schriften: {}.", list(&names).de),
            ))
        };
    }
    Inside {
        [
            "permissions.chat", "permissions.private", "permissions.rename", "permissions.audio", "permissions.video",
            "permissions.screen_share"
        ] free;
        ["permissions.chat", "access.listed", "operators"] |it| bound(it, it.rules.permissions.chat.value, CHAT);
        ["permissions.private", "access.listed", "operators"] |it| bound(it, it.rules.permissions.private.value, PRIVATE);
        ["permissions.rename", "access.listed", "operators"] |it| bound(it, it.rules.permissions.rename.value, RENAME);
        ["permissions.audio", "access.listed", "operators"] |it| sending(it, it.rules.permissions.audio.value, AUDIO);
        ["permissions.video", "access.listed", "operators"] |it| sending(it, it.rules.permissions.video.value, VIDEO);
        ["permissions.screen_share", "access.listed", "operators"] |it| sending(it, it.rules.permissions.screen_share.value, SCREEN);
        ["permissions.record", "permissions.e2ee", "access.listed", "operators"] |it| match it.rules.permissions.e2ee.value {
            _ if !it.is_jitsi() => None,
            E2ee::Require => say(
                "The server records, streams and transcribes nothing, because meetings are encrypted from end to end.",
                "Der Server zeichnet nichts auf, überträgt nichts und schreibt nichts mit, weil Besprechungen Ende-zu-Ende-verschlüsselt sind.",
            ),
            E2ee::Off | E2ee::Prefer => Some(can(
                it,
                it.rules.permissions.record.value,
                "record, stream or transcribe on this server",
                "auf diesem Server aufzeichnen, übertragen oder mitschreiben lassen",
            )),
        };
        ["permissions.dial", "permissions.e2ee", "access.listed", "operators"] |it| match it.rules.permissions.e2ee.value {
            _ if !it.is_jitsi() => None,
            E2ee::Require => say(
                "Nobody can be called by phone, because meetings are encrypted from end to end.",
                "Niemand kann per Telefon angerufen werden, weil Besprechungen Ende-zu-Ende-verschlüsselt sind.",
            ),
            E2ee::Off | E2ee::Prefer => {
                Some(can(it, it.rules.permissions.dial.value, "call telephones", "Telefone anrufen"))
            }
        };
        ["permissions.breakout", "access.listed", "operators"] |it| it.is_jitsi().then(|| can(
            it,
            it.rules.permissions.breakout.value,
            "make breakout rooms and send people there",
            "Breakout-Räume anlegen und andere dorthin schicken",
        ));
        ["permissions.breakout_choice", "access.listed", "operators"] |it| media(
            it,
            it.rules.permissions.breakout_choice.value,
            ("choose a breakout room by themselves; others go where they are sent", "sich selbst einen Breakout-Raum aussuchen; alle anderen gehen dorthin, wohin sie geschickt werden"),
        );
        ["permissions.breakout_alone", "access.listed", "operators"] |it| media(
            it,
            it.rules.permissions.breakout_alone.value,
            ("stay in a breakout room without a moderator; others are called back", "ohne Moderator in einem Breakout-Raum bleiben; alle anderen werden zurückgerufen"),
        );
        ["removal.keep_out_for"] |it| it.rules.removal.keep_out_for.value.map(|keep_out| Words::new(
            format!("A person whom a moderator removes stays out of that meeting for {}.", time(keep_out).en),
            format!("Wen ein Moderator entfernt, der bleibt {} aus dieser Besprechung ausgeschlossen.", time(keep_out).de),
        ));
    }
    Moderators {
        [
            "moderators.assign", "moderators.jids", "moderators.domains", "moderators.claim_values", "operators"
        ] who_moderates;
        ["moderators.code"] |it| (it.rules.moderators.code.value != HostCode::Nowhere).then(|| Words::new(
            "Each meeting has a host code. Anyone who types it where the password is asked for becomes a moderator, so give it to hosts only.",
            "Jede Besprechung hat einen Moderatorencode. Wer ihn eingibt, wo nach dem Passwort gefragt wird, wird Moderator; geben Sie ihn deshalb nur Gastgebern.",
        ));
        ["moderators.admit"] |it| ability(
            it.rules.moderators.admit.value,
            "invite people, and let them in from the lobby or turn them away (also all at once: !admit all and !reject all in the chat)",
            "andere einladen und aus der Lobby hereinlassen oder abweisen (auch alle auf einmal: !admit all und !reject all im Chat)",
        );
        ["moderators.remove"] |it| ability(
            it.rules.moderators.remove.value, "remove people", "andere entfernen",
        );
        ["moderators.grant"] |it| ability(
            it.rules.moderators.grant.value, "make others moderators", "andere zu Moderatoren machen",
        );
        ["moderators.revoke"] |it| ability(
            it.rules.moderators.revoke.value, "take moderation from others", "anderen die Moderation entziehen",
        );
        ["moderators.protect"] |it| {
            let protect = &it.rules.moderators.protect.value;
            match (protect.contains(&Protected::File), protect.contains(&Protected::Opener)) {
                (true, true) => say(
                    "Moderators whom another person has appointed cannot remove people who moderate by the rules of this server, or the person who started the meeting.",
                    "Moderatoren, die von einer anderen Person ernannt wurden, können niemanden entfernen, der nach den Regeln dieses Servers moderiert oder die Besprechung begonnen hat.",
                ),
                (true, false) => say(
                    "Moderators whom another person has appointed cannot remove people who moderate by the rules of this server.",
                    "Moderatoren, die von einer anderen Person ernannt wurden, können niemanden entfernen, der nach den Regeln dieses Servers moderiert.",
                ),
                (false, true) => say(
                    "Moderators whom another person has appointed cannot remove the person who started the meeting.",
                    "Moderatoren, die von einer anderen Person ernannt wurden, können die Person nicht entfernen, die die Besprechung begonnen hat.",
                ),
                (false, false) => None,
            }
        };
        ["password.change", "password.min_length", "password.min_score", "password.required"] |it| {
            let password = &it.rules.password;
            let length = password.min_length.value;
            let (good, gut) = if password.min_score.value > 0 {
                (" that are not easy to guess", ", die nicht leicht zu erraten sind")
            } else {
                ("", "")
            };
            let (a, ein) = if password.required.value { ("another", "ein anderes") } else { ("a", "ein") };
            ability(
                password.change.value,
                &format!("set {a} password, with at least {length} characters{good} (!password NEW-PASSWORD in the chat)"),
                &format!("{ein} Passwort setzen, mit mindestens {length} Zeichen{gut} (!password NEUES-PASSWORT im Chat)"),
            )
        };
        ["password.show_to_moderators", "password.required"] |it| {
            let password = &it.rules.password;
            let (set, gesetzt) =
                if password.required.value { ("", "") } else { (", if one is set", ", falls eines gesetzt ist,") };
            match password.show_to_moderators.value {
                true => say(
                    format!("Moderators see the password of the meeting{set} (!password in the chat), and an invitation to copy (!invite)."),
                    format!("Moderatoren sehen das Passwort der Besprechung (!password im Chat){gesetzt} und eine Einladung zum Kopieren (!invite)."),
                ),
                false => say(
                    format!("Moderators are not shown the password of the meeting{set}."),
                    format!("Moderatoren wird das Passwort der Besprechung{gesetzt} nicht gezeigt."),
                ),
            }
        };
        ["close.by"] |it| ability(
            it.rules.close.by.value,
            "close the meeting to newcomers (!close in the chat)",
            "die Besprechung für Neue schließen (!close im Chat)",
        );
        ["close.reopen"] |it| ability(
            it.rules.close.reopen.value,
            "open a closed meeting again (!reopen in the chat)",
            "eine geschlossene Besprechung wieder öffnen (!reopen im Chat)",
        );
        ["close.may_enter", "close.moderators_enter", "access.listed", "operators"] |it| {
            let close = &it.rules.close;
            let mut all = people(it, close.may_enter.value);
            if close.moderators_enter.value {
                all.push(Words::new("moderators", "Moderatoren"));
            }
            match list(&all) {
                _ if all.is_empty() => say(
                    "Nobody can come into a closed meeting.",
                    "In eine geschlossene Besprechung kommt niemand herein.",
                ),
                all => say(
                    format!("Into a closed meeting come only {}.", all.en),
                    format!("In eine geschlossene Besprechung kommen nur {}.", all.de),
                ),
            }
        };
        ["moderators.end"] |it| ability(
            it.rules.moderators.end.value, "end the meeting for all", "die Besprechung für alle beenden",
        );
        ["moderators.successors", "moderators.succession_after", "access.listed", "operators"] |it| {
            let moderators = &it.rules.moderators;
            let successors = list(&people(it, moderators.successors.value));
            match moderators.succession_after.value {
                Some(after) if !successors.en.is_empty() => say(
                    format!(
                        "When the last moderator has left and is not back within {}, the person who has been inside longest takes over. That can be: {}.",
                        time(after).en, successors.en
                    ),
                    format!(
                        "Wenn der letzte Moderator gegangen und nicht innerhalb von {} zurück ist, übernimmt, wer am längsten da ist. Das können sein: {}.",
                        dative(after).de, successors.de
                    ),
                ),
                Some(_) | None => say(
                    "When the last moderator has left, nobody takes over.",
                    "Wenn der letzte Moderator gegangen ist, übernimmt niemand.",
                ),
            }
        };
    }
    Times {
        ["hours.open", "hours.closed_on", "hours.zone"] opening_hours;
        ["hours.closed_on"] |it| {
            let days = &it.rules.hours.closed_on.value;
            (!days.is_empty()).then(|| Words::new(
                format!("On these days there are no meetings: {}.", dates(days).en),
                format!("An diesen Tagen gibt es keine Besprechungen: {}.", dates(days).de),
            ))
        };
        ["hours.who", "hours.open", "hours.closed_on", "access.listed", "operators"] |it| (!it.rules.hours.are_none()).then(|| {
            exempt(
                it, it.rules.hours.who.value,
                "can start and join meetings at any time",
                "können jederzeit Besprechungen beginnen und daran teilnehmen",
            )
        }).flatten();
        ["hours.at_end", "hours.warn_before", "hours.open", "hours.closed_on"] at_end;
        ["limits.occupants"] |it| match it.rules.limits.occupants.value {
            0 => None,
            most => say(
                format!("A meeting takes {}. Moderators still come in after that.", persons(most).en),
                format!("Eine Besprechung hat Platz für {}. Moderatoren kommen auch danach noch herein.", persons(most).de),
            ),
        };
        ["limits.duration", "limits.warn_before"] |it| it.rules.limits.duration.value.map(|most| {
            let warning = warning(it.rules.limits.warn_before.value);
            Words::new(
                format!("A meeting ends {} after it started.{}", time(most).en, warning.en),
                format!("Eine Besprechung endet {} nach ihrem Beginn.{}", time(most).de, warning.de),
            )
        });
        ["limits.without_moderator"] |it| it.rules.limits.without_moderator.value.map(|after| Words::new(
            format!("A meeting ends when no moderator was there for {}.", time(after).en),
            format!("Eine Besprechung endet, wenn {} lang kein Moderator da war.", time(after).de),
        ));
        ["close.at_occupants"] |it| match it.rules.close.at_occupants.value {
            0 => None,
            most => say(
                format!("A meeting closes to newcomers as soon as it has {} inside.", persons(most).en),
                format!("Eine Besprechung schließt für Neue bei {}.", persons(most).de),
            ),
        };
        ["close.after"] |it| it.rules.close.after.value.map(|after| Words::new(
            format!("A meeting closes to newcomers {} after it started.", time(after).en),
            format!("Eine Besprechung schließt {} nach ihrem Beginn für Neue.", time(after).de),
        ));
        ["close.when_unmoderated"] |it| it.rules.close.when_unmoderated.value.map(|after| Words::new(
            format!("A meeting closes to newcomers when no moderator was there for {}.", time(after).en),
            format!("Eine Besprechung schließt für Neue, wenn {} lang kein Moderator da war.", time(after).de),
        ));
        ["limits.flood_strangers", "limits.flood_within", "limits.flood_calm"] |it| {
            let limits = &it.rules.limits;
            let (within, calm) = (limits.flood_within.value, limits.flood_calm.value);
            match limits.flood_strangers.value {
                0 => None,
                most => say(
                    format!(
                        "When {most} strangers come within {}, further ones have to wait in the lobby, even with the password, until none has come for {}.",
                        time(within).en, time(calm).en
                    ),
                    format!(
                        "Wenn innerhalb von {} {most} Fremde kommen, müssen weitere in der Lobby warten, auch mit dem Passwort, bis {} lang keiner mehr gekommen ist.",
                        dative(within).de, time(calm).de
                    ),
                ),
            }
        };
    }
    Records {
        ["store.file", "store.retention"] |it| match (&it.settings.store.file, it.settings.store.retention) {
            (None, _) => say(
                "No record is kept of who was in a meeting.",
                "Wer in einer Besprechung war, wird nicht aufgeschrieben.",
            ),
            (Some(_), Some(retention)) => say(
                format!("Who came, waited and left, when, by which name and address, and what was decided at the door is kept for {}.", time(retention).en),
                format!("Wer kam, wartete und ging, wann, mit welchem Namen und welcher Adresse, und was an der Tür entschieden wurde, wird {} lang gespeichert.", time(retention).de),
            ),
            (Some(_), None) => say(
                "Who came, waited and left, when, by which name and address, and what was decided at the door is kept without a time limit.",
                "Wer kam, wartete und ging, wann, mit welchem Namen und welcher Adresse, und was an der Tür entschieden wurde, wird unbefristet gespeichert.",
            ),
        };
        ["store.addresses", "store.file", "log.decisions"] |it| keeps(it).then(|| match it.settings.store.addresses {
            Addresses::Shorten => Words::new(
                "Of your network address (IP), only the beginning is kept: it shows your network, not your connection.",
                "Von Ihrer Netzwerkadresse (IP) wird nur der Anfang gespeichert: Er zeigt Ihr Netz, nicht Ihren Anschluss.",
            ),
            Addresses::Hash => Words::new(
                "Your network address (IP) is kept only as a code that does not show it.",
                "Ihre Netzwerkadresse (IP) wird nur als Code gespeichert, der sie nicht zeigt.",
            ),
            Addresses::Whole => Words::new(
                "Your network address (IP) is kept in full.",
                "Ihre Netzwerkadresse (IP) wird vollständig gespeichert.",
            ),
            Addresses::None => Words::new(
                "Your network address (IP) is not kept.",
                "Ihre Netzwerkadresse (IP) wird nicht gespeichert.",
            ),
        });
        ["log.decisions"] |it| it.settings.log.decisions.as_ref().map(|_| Words::new(
            "What was decided at the door is also in a log file, from which the oldest goes only when it is full.",
            "Was an der Tür entschieden wurde, steht auch in einer Logdatei, aus der das Älteste erst verschwindet, wenn sie voll ist.",
        ));
        ["store.postgres"] |it| it.settings.store.postgres.as_ref().map(|_| Words::new(
            "These records are shared with other servers of the same operator.",
            "Diese Aufzeichnungen teilen sich mehrere Server desselben Betreibers.",
        ));
        ["store.file", "log.decisions"] |it| keeps(it).then(|| Words::new(
            "What you say, write and show is not part of these records, and passwords are not either. Chats and recordings may be kept by the meeting server itself: its operator can tell you.",
            "Was Sie sagen, schreiben und zeigen, gehört nicht zu diesen Aufzeichnungen, Passwörter auch nicht. Chats und Aufnahmen speichert vielleicht der Besprechungsserver selbst: Das sagt Ihnen sein Betreiber.",
        ));
        ["removal.by", "removal.keep_out_for"] |it| {
            let removal = &it.rules.removal;
            let all: Vec<_> = removal.by.value.iter().map(mark).collect();
            let keep_out = removal.keep_out_for.value.filter(|_| !all.is_empty())?;
            say(
                format!("To recognise a person who was removed, the meeting remembers a code for {}, made of {}.", time(keep_out).en, list(&all).en),
                format!("Um eine entfernte Person wiederzuerkennen, merkt sich die Besprechung {} lang einen Code aus: {}.", time(keep_out).de, list(&all).de),
            )
        };
    }
}
