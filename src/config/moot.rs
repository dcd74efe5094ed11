//! Keys that change nothing because of others.

use super::notes::Notes;
use crate::policy::class::{Class, ClassSet};
use crate::policy::lobby::Admission;
use crate::policy::moderators::Become;
use crate::policy::record::Source;
use crate::policy::removal::By;
use crate::policy::who::Who;
use crate::policy::{Policy, Rules};
use crate::setting::Setting;

/// One suspicion: it is one if it holds, at that key's line.
type Suspicion = (bool, u32, &'static str, &'static str, &'static str);

/// Notes what was written, is not as in the `plain` rules of an empty file, and has no effect.
pub(super) fn check(notes: &Notes<'_>, policy: &Policy, rules: &Rules, plain: &Rules, path: &str) {
    let all = [passwords(rules, plain), ways_in(policy, rules, plain), settings(rules)];
    for (holds, line, key, message, hint) in all.into_iter().flatten() {
        if holds {
            let path = format!("{path}.{key}");
            notes.warning(notes.place_of(line), path, message, Some(hint.to_owned()));
        }
    }
}

/// It was written, and differs from what it would be.
fn is_meant<T: PartialEq>(set: &Setting<T>, default: &Setting<T>) -> bool {
    set.line > 0 && set.value != default.value
}

fn passwords(rules: &Rules, plain: &Rules) -> Vec<Suspicion> {
    let (password, plain) = (&rules.password, &plain.password);
    let source = password.source.value;
    let is_chosen = source == Source::Creator || password.change.value != Who::Nobody;
    let strangers = ClassSet::of(&[Class::Guest, Class::Federated]);
    vec![
        (
            is_meant(&password.words, &plain.words)
                && matches!(source, Source::Creator | Source::Preset),
            password.words.line,
            "password.words",
            "no password is made of words (`password.source`)",
            "leave it out, or write `source = \"generated\"`",
        ),
        (
            is_meant(&password.period, &plain.period) && source != Source::Derived,
            password.period.line,
            "password.period",
            "only derived passwords have a period (`password.source`)",
            "leave it out, or write `source = \"derived\"`",
        ),
        (
            is_meant(&password.min_score, &plain.min_score) && !is_chosen,
            password.min_score.line,
            "password.min_score",
            "nobody chooses a password (`password.source`, `password.change`)",
            "leave it out, or let moderators choose one: `change = \"moderator\"`",
        ),
        (
            is_meant(&password.min_length, &plain.min_length)
                && !is_chosen
                && source != Source::Preset,
            password.min_length.line,
            "password.min_length",
            "nobody chooses a password (`password.source`, `password.change`)",
            "leave it out, or let moderators choose one: `change = \"moderator\"`",
        ),
        (
            rules.lobby.admission.value == Admission::PasswordOrLobby
                && password.bypass.value.meets(strangers),
            password.bypass.line,
            "password.bypass",
            "strangers need neither the password nor to knock, though `lobby.admission` asks for one of them",
            "leave \"guest\" and \"federated\" out",
        ),
    ]
}

fn ways_in(policy: &Policy, rules: &Rules, plain: &Rules) -> Vec<Suspicion> {
    let (moderators, close, removal) = (&rules.moderators, &rules.close, &rules.removal);
    let takes_tokens = moderators.assign.value.contains(&Become::Token);
    let strangers = ClassSet::of(&[Class::Guest, Class::Federated]);
    let comes_from_jitsi = |by: &By| matches!(by, By::Ticket | By::Device);
    let by_subject = removal.by.value.contains(&By::Token);
    vec![
        (
            !takes_tokens
                && (is_meant(&moderators.claim, &plain.moderators.claim)
                    || is_meant(&moderators.claim_values, &plain.moderators.claim_values)),
            moderators.claim.line.max(moderators.claim_values.line),
            "moderators.claim",
            "no claim makes a moderator: \"token\" is not in `assign`",
            "add \"token\"",
        ),
        (
            is_meant(&close.may_enter, &plain.close.may_enter)
                && close.may_enter.value.meets(strangers),
            close.may_enter.line,
            "close.may_enter",
            "strangers may enter a closed room: closing it keeps nobody out",
            "leave \"guest\" and \"federated\" out",
        ),
        (
            removal.by.line > 0
                && policy.focuses.is_empty()
                && removal.keep_out_for.value.is_some()
                && !removal.by.value.is_empty()
                && removal.by.value.iter().all(comes_from_jitsi),
            removal.by.line,
            "removal.by",
            "no service has a focus: without Jitsi nobody has a ticket or a device",
            "add \"account\" and \"address\"",
        ),
        (
            is_meant(&removal.subject_claim, &plain.removal.subject_claim) && !by_subject,
            removal.subject_claim.line,
            "removal.subject_claim",
            "nobody is recognised by a claim: \"token\" is not in `removal.by`",
            "add \"token\"",
        ),
        (
            removal.keep_out_for.value.is_some() && removal.by.value.is_empty(),
            removal.by.line,
            "removal.by",
            "nobody who was removed is recognised: `keep_out_for` has no effect",
            "write [\"account\", \"address\"], or `keep_out_for = \"never\"`",
        ),
        (
            rules.lobby.admission.value.has_lobby()
                && !rules.lobby.unattended.value.is_empty()
                && rules.lobby.unattended_after.value >= rules.lobby.wait.value,
            rules.lobby.unattended_after.line.max(rules.lobby.wait.line),
            "lobby.unattended_after",
            "anyone who waits is sent away (`lobby.wait`) before they are rescued",
            "make it shorter than `wait`",
        ),
    ]
}

fn settings(rules: &Rules) -> Vec<Suspicion> {
    let (settings, limits) = (&rules.settings, &rules.limits);
    let (least, most) = (settings.max_occupants_min, settings.max_occupants_max);
    let locked = |by: Setting<Who>, bound: Setting<u32>| by.value == Who::Nobody && bound.value > 0;
    vec![
        (
            most.value > 0 && least.value > most.value,
            least.line.max(most.line),
            "settings.max_occupants_min",
            "it is more than `max_occupants_max`: no number is left",
            "make it the smaller one",
        ),
        (
            limits.occupants.value > 0 && most.value > limits.occupants.value,
            most.line.max(limits.occupants.line),
            "settings.max_occupants_max",
            "the room is full before that (`limits.occupants`)",
            "leave one of the two out",
        ),
        (
            locked(settings.name, settings.name_length),
            settings.name_length.line,
            "settings.name_length",
            "nobody may change the name",
            "leave it out, or let a person change it: `name = \"moderator\"`",
        ),
        (
            locked(settings.description, settings.description_length),
            settings.description_length.line,
            "settings.description_length",
            "nobody may change the description",
            "leave it out, or let a person change it: `description = \"moderator\"`",
        ),
        (
            locked(settings.history, settings.history_max),
            settings.history_max.line,
            "settings.history_max",
            "nobody may change the history",
            "leave it out, or let a person change it: `history = \"moderator\"`",
        ),
        (
            locked(settings.max_occupants, least) || locked(settings.max_occupants, most),
            least.line.max(most.line),
            "settings.max_occupants_max",
            "nobody may change how many may be inside",
            "leave the bounds out, or let a person change it: `max_occupants = \"moderator\"`",
        ),
    ]
}
