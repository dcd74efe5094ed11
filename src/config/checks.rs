//! Cross-field validation: each key is valid, and the combination is not, or changes nothing.

use super::diagnostics::{Diagnostics, Place};
use super::pattern_overlap;
use crate::policy::class::{Class, ClassSet};
use crate::policy::hours::AtEnd;
use crate::policy::lobby::Admission;
use crate::policy::moderators::Become;
use crate::policy::record::Source;
use crate::policy::removal::By;
use crate::policy::rules::kinds::Who;
use crate::policy::rules::lobby::Rescue;
use crate::policy::{Policy, Rules};
use crate::setting::Setting;

/// Diagnostics what cannot be meant, or may not be: in the rules for every room, and in each override.
pub(super) fn check(notes: &Diagnostics<'_>, policy: &Policy) {
    pattern_overlap::check(notes, policy);
    let plain = &Rules::default();
    Checks { notes, policy, rules: &policy.base, plain, path: "policy" }.all();
    for room in policy.rooms.iter() {
        let path = format!("room `{}`", room.selector);
        Checks { notes, policy, rules: &room.rules, plain, path: &path }.all();
    }
}

struct Checks<'a> {
    notes: &'a Diagnostics<'a>,
    policy: &'a Policy,
    rules: &'a Rules,
    /// Those of an empty file.
    plain: &'a Rules,
    path: &'a str,
}

impl Checks<'_> {
    fn all(&self) {
        self.password();
        self.coming_in();
        self.opening();
        self.moderating();
        self.being_left();
        note_conflicting_times(self.notes, self.rules, self.path);
        note_ineffective_keys(self.notes, self.policy, self.rules, self.plain, self.path);
    }

    fn password(&self) {
        let password = &self.rules.password;
        let source = password.source;
        if source.value == Source::Preset && password.preset.value.is_none() {
            self.error(
                source.line,
                "password.source",
                "there is no preset password",
                "write it into a file of its own, and its name here: `preset_file = \"…\"`",
            );
        }
        if source.value == Source::Derived && password.secret.value.is_none() {
            self.error(
                source.line,
                "password.source",
                "there is no secret to derive passwords from",
                "write at least 32 characters into a file of its own, and its name here: \
                 `secret_file = \"…\"`",
            );
        }
        let is_made = matches!(source.value, Source::Derived | Source::Preset);
        if is_made && !password.required.value {
            self.warning(
                source.line.max(password.required.line),
                "password.source",
                "with `required = false` rooms are not given this password",
                "write `required = true`",
            );
        }
        if let Some(preset) = &password.preset.value {
            let length = u32::try_from(preset.expose().chars().count()).unwrap_or(u32::MAX);
            if length < password.min_length.value {
                self.warning(
                    password.preset.line,
                    "password.preset",
                    "the preset password is shorter than `min_length`",
                    "take a longer one",
                );
            }
            if password.deny_list.value.contains(&preset.expose().to_lowercase()) {
                self.error(
                    password.preset.line,
                    "password.preset",
                    "the preset password stands on the deny-list",
                    "take another one",
                );
            }
        }
        let guesses = &password.guesses;
        if guesses.delay.value > guesses.max_delay.value {
            self.error(
                guesses.delay.line.max(guesses.max_delay.line),
                "password.guesses",
                "`delay` is longer than `max_delay`",
                "make `max_delay` the longer one",
            );
        }
    }

    fn coming_in(&self) {
        let (password, lobby, close) = (&self.rules.password, &self.rules.lobby, &self.rules.close);
        let admission = lobby.admission;
        let needs_password =
            matches!(admission.value, Admission::Password | Admission::PasswordAndLobby);
        if needs_password && !password.required.value {
            self.error(
                admission.line.max(password.required.line),
                "lobby.admission",
                format!(
                    "\"{}\" needs a password, and `password.required = false` makes rooms without one",
                    admission.value.name()
                ),
                "require a password, or let people in another way",
            );
        }
        if close.hold_until.value.password && !password.required.value {
            self.error(
                close.hold_until.line.max(password.required.line),
                "close.hold_until",
                "people wait for a password that nothing requires: nobody would come in",
                "write `hold_until = []` in `close`, or require a password",
            );
        }
        if close.hold_until.value.moderator && !self.can_moderate() {
            self.error(
                close.hold_until.line.max(self.rules.moderators.assign.line),
                "close.hold_until",
                "people wait for a moderator, and nobody can become one",
                "name operators, or another way in `moderators.assign`",
            );
        }
        let strangers = ClassSet::of(&[Class::Guest, Class::Federated]);
        if needs_password && password.bypass.value.meets(strangers) {
            self.warning(
                password.bypass.line,
                "password.bypass",
                "strangers need no password, though `lobby.admission` asks for one",
                "leave \"guest\" and \"federated\" out",
            );
        }
        if lobby.admission.value.is_members_only() && lobby.bypass.value.meets(strangers) {
            self.warning(
                lobby.bypass.line,
                "lobby.bypass",
                "strangers need not knock, though `lobby.admission` asks for it",
                "leave \"guest\" and \"federated\" out",
            );
        }
        if admission.value.is_members_only() && !self.can_admit() {
            let moderators = &self.rules.moderators;
            self.warning(
                admission.line.max(moderators.assign.line).max(moderators.admit.line),
                "lobby.admission",
                "nobody can let people in from the lobby",
                "name operators, or another way in `moderators.assign` and `moderators.admit`",
            );
        }
        if !self.can_be(self.rules.access.enter.value) {
            self.error(
                self.rules.access.enter.line,
                "access.enter",
                "nobody can enter a room",
                "write [\"everyone\"], or name the accounts of these classes",
            );
        }
    }

    fn opening(&self) {
        let access = &self.rules.access;
        // Without a server, one is assumed where people log in.
        let open = access.create.value.classes(false);
        // Nobody returns to a room that does not exist.
        let openers = Class::ALL.into_iter().filter(|class| *class != Class::Returning);
        let openers = openers.filter(|class| open.has(*class)).fold(ClassSet::NONE, ClassSet::with);
        if !self.can_be(openers) {
            self.error(
                access.create.line,
                "access.create",
                "nobody can open a room",
                "write \"default\", or name the accounts of these classes",
            );
        }
        // Everybody belongs to exactly one of these; the other classes come on top.
        let outside = [Class::Token, Class::Account, Class::Federated, Class::Guest]
            .into_iter()
            .filter(|class| open.has(*class) && !access.enter.value.has(*class));
        let outside: Vec<_> = outside.map(|class| format!("\"{class}\"")).collect();
        if !outside.is_empty() {
            self.warning(
                access.create.line.max(access.enter.line),
                "access.create",
                format!("who opens a room enters it, and {} may not enter", outside.join(", ")),
                "add them to `access.enter`, or take them from `access.create`",
            );
        }
        let assign = &self.rules.moderators.assign;
        let guests_open = open.has(Class::Guest) && access.enter.value.has(Class::Guest);
        if guests_open && assign.value.contains(&Become::Opener) {
            self.warning(
                access.create.line.max(assign.line),
                "access.create",
                "guests may open rooms, and who opens a room moderates it: on a server without \
                 accounts, an early stranger",
                "leave \"guest\" out of `access.create`, or \"opener\" out of `moderators.assign`",
            );
        }
    }

    fn moderating(&self) {
        let moderators = &self.rules.moderators;
        let ways = &moderators.assign;
        let named = !moderators.jids.value.is_empty() || !moderators.domains.value.is_empty();
        if named && !ways.value.contains(&Become::Listed) {
            self.warning(
                moderators.jids.line.max(moderators.domains.line),
                "moderators.assign",
                "`jids` and `domains` name moderators, and \"listed\" is not in `assign`",
                "add \"listed\"",
            );
        }
        if ways.line > 0
            && ways.value.contains(&Become::Token)
            && moderators.claim_values.value.is_empty()
        {
            self.warning(
                moderators.claim_values.line,
                "moderators.claim_values",
                "no value of the claim makes a moderator, and \"token\" is in `assign`",
                "write [\"true\"]",
            );
        }
        if !self.can_moderate() && self.policy.operators.is_empty() {
            self.warning(
                ways.line,
                "moderators.assign",
                "nobody can ever moderate a room: nobody removes people there, or lets them in",
                "name operators, or another way",
            );
        }
    }

    /// The last moderator has left, and people wait.
    fn being_left(&self) {
        let (moderators, lobby) = (&self.rules.moderators, &self.rules.lobby);
        let (successors, after) = (moderators.successors, moderators.succession_after);
        let rescue = &lobby.unattended;
        let can_take_over = !moderators.assign.value.is_empty()
            && self.can_be(successors.value)
            && (after.value.is_some() || !rescue.value.is_empty());
        if lobby.admission.value.has_lobby()
            && !can_take_over
            && !rescue.value.contains(&Rescue::Refuse)
        {
            self.warning(
                rescue.line.max(successors.line).max(after.line),
                "lobby.unattended",
                "when the last moderator has left, nobody takes over, and a person who waits in the lobby \
                 is not told so",
                "add \"refuse\", or let a person take over (`moderators.successors`, \
                 `moderators.succession_after`)",
            );
        }
    }

    /// A person can belong to one of these classes.
    fn can_be(&self, classes: ClassSet) -> bool {
        let access = &self.rules.access;
        classes.iter().any(|class| match class {
            Class::Service => !self.policy.services.is_empty(),
            Class::Operator => !self.policy.operators.is_empty(),
            Class::Listed => {
                !access.listed.value.jids.is_empty() || !access.listed.value.domains.is_empty()
            }
            Class::Token | Class::Account | Class::Returning | Class::Federated | Class::Guest => {
                true
            }
        })
    }

    fn can_moderate(&self) -> bool {
        let moderators = &self.rules.moderators;
        moderators.assign.value.iter().any(|way| match way {
            Become::Operator => !self.policy.operators.is_empty(),
            Become::Listed => {
                !moderators.jids.value.is_empty() || !moderators.domains.value.is_empty()
            }
            Become::Token => !moderators.claim_values.value.is_empty(),
            Become::Account | Become::Opener => true,
        })
    }

    fn can_admit(&self) -> bool {
        match self.rules.moderators.admit.value {
            Who::Moderator | Who::Anybody => {
                self.can_moderate() || !self.policy.operators.is_empty()
            }
            Who::Operator => !self.policy.operators.is_empty(),
            Who::Nobody => false,
        }
    }

    fn error(&self, line: u32, key: &str, message: impl Into<String>, hint: &str) {
        let path = format!("{}.{key}", self.path);
        self.notes.error(self.place(line), path, message, Some(hint.to_owned()));
    }

    fn warning(&self, line: u32, key: &str, message: impl Into<String>, hint: &str) {
        let path = format!("{}.{key}", self.path);
        self.notes.warning(self.place(line), path, message, Some(hint.to_owned()));
    }

    /// The line of a setting; for a default, the file as a whole.
    fn place(&self, line: u32) -> Place {
        self.notes.place_of(line)
    }
}

/// One suspicion: it is one if it holds, at that key's line.
type Suspicion = (bool, u32, &'static str, &'static str, &'static str);

/// Diagnostics what was written, is not as in the `plain` rules of an empty file, and has no effect.
pub(super) fn note_ineffective_keys(
    notes: &Diagnostics<'_>,
    policy: &Policy,
    rules: &Rules,
    plain: &Rules,
    path: &str,
) {
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

/// Diagnostics which of the rules never come to pass because of others.
pub(super) fn note_conflicting_times(notes: &Diagnostics<'_>, rules: &Rules, path: &str) {
    let (hours, limits, close) = (&rules.hours, &rules.limits, &rules.close);
    let warning = |line, key: &str, message: &str, hint: &str| {
        let path = format!("{path}.{key}");
        notes.warning(notes.place_of(line), path, message, Some(hint.to_owned()));
    };
    if hours.are_none() && hours.at_end.value != AtEnd::Stay {
        warning(
            hours.at_end.line,
            "hours.at_end",
            "there are no hours that could end",
            "write some in `open`, like \"mon-fri 08:00-18:00\"",
        );
    }
    let succession = rules.moderators.succession_after;
    if let (Some(end), Some(succession)) = (limits.without_moderator.value, succession.value)
        && end <= succession
    {
        warning(
            limits.without_moderator.line,
            "limits.without_moderator",
            "the room ends before anybody takes over (`moderators.succession_after`)",
            "make it longer, or write `succession_after = \"never\"`",
        );
    }
    let (most, at) = (limits.occupants, close.at_occupants);
    if most.value > 0 && at.value > most.value {
        warning(
            at.line.max(most.line),
            "close.at_occupants",
            "the room is full before it is closed (`limits.occupants`)",
            "leave one of the two out",
        );
    }
}
