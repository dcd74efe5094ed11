//! Cross-field validation: each key is valid, and the combination is not, or changes nothing.

use super::diagnostics::{Diagnostics, Place};
use super::pattern_overlap;
use crate::policy::class::{Class, ClassSet};
use crate::policy::hours::AtEnd;
use crate::policy::lobby::Admission;
use crate::policy::moderators::{Become, HostCode};
use crate::policy::record::Source;
use crate::policy::removal::By;
use crate::policy::rules::kinds::Who;
use crate::policy::rules::lobby::Rescue;
use crate::policy::{Policy, Rules};
use crate::setting::Setting;

/// Warning about a policy by which strangers moderate.
pub const GUESTS_OPEN: &str = "guests may open rooms, and who opens a room moderates it: on a server without accounts, an \
                               early stranger";

/// Reports contradictions (errors) and settings without effect (warnings), in the base rules and in each override.
pub(super) fn check(notes: &Diagnostics<'_>, policy: &Policy) {
    pattern_overlap::check(notes, policy);
    let plain = &Rules::default();
    Checks { notes, policy, rules: &policy.base, plain, path: "policy" }.all();
    for room in policy.rooms.iter() {
        let path = format!("room `{}`", room.selector);
        Checks { notes, policy, rules: &room.rules, plain, path: &path }.all();
    }
}

/// Key and line at which a problem is reported.
#[derive(Clone, Copy)]
struct At {
    key: &'static str,
    line: u32,
}

/// Returns the key and line of a setting. A default has line 0, which stands for the file as a whole.
const fn at<T>(setting: &Setting<T>) -> At {
    At { key: setting.key, line: setting.line }
}

impl At {
    /// Moves to the line of another setting if that comes later, and keeps the key.
    fn or<T>(self, other: &Setting<T>) -> Self {
        Self { line: self.line.max(other.line), ..self }
    }
}

const STRANGERS: ClassSet = ClassSet::of(&[Class::Guest, Class::Federated]);

struct Checks<'a> {
    notes: &'a Diagnostics<'a>,
    policy: &'a Policy,
    rules: &'a Rules,
    /// Rules of an empty file, to find out what a file changes.
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
        self.times();
        self.ineffective_passwords();
        self.ineffective_ways_in();
        self.ineffective_settings();
    }

    fn password(&self) {
        let password = &self.rules.password;
        let source = password.source;
        self.error_if(
            source.value == Source::Preset && password.preset.value.is_none(),
            at(&source),
            "there is no preset password",
            "write it into a file of its own, and its name here: `preset_file = \"…\"`",
        );
        self.error_if(
            source.value == Source::Derived && password.secret.value.is_none(),
            at(&source),
            "there is no secret to derive passwords from",
            "write at least 32 characters into a file of its own, and its name here: \
             `secret_file = \"…\"`",
        );
        let code = self.rules.moderators.code;
        self.error_if(
            code.value == HostCode::Derived && password.secret.value.is_none(),
            at(&code),
            "there is no secret to derive host codes from",
            "write at least 32 characters into a file of its own, and its name into `password`: \
             `secret_file = \"…\"`",
        );
        self.warn_if(
            matches!(source.value, Source::Derived | Source::Preset) && !password.required.value,
            at(&source).or(&password.required),
            "with `required = false` rooms are not given this password",
            "write `required = true`",
        );
        if let Some(preset) = &password.preset.value {
            let length = u32::try_from(preset.expose().chars().count()).unwrap_or(u32::MAX);
            self.warn_if(
                length < password.min_length.value,
                at(&password.preset),
                "the preset password is shorter than `min_length`",
                "take a longer one",
            );
            self.error_if(
                password.deny_list.value.contains(&preset.expose().to_lowercase()),
                at(&password.preset),
                "the preset password stands on the deny-list",
                "take another one",
            );
        }
        let guesses = &password.guesses;
        self.error_if(
            guesses.delay.value > guesses.max_delay.value,
            At { key: "password.guesses", ..at(&guesses.delay).or(&guesses.max_delay) },
            "`delay` is longer than `max_delay`",
            "make `max_delay` the longer one",
        );
    }

    fn coming_in(&self) {
        let Rules { password, lobby, close, moderators, access, .. } = self.rules;
        let admission = lobby.admission;
        let needs_password =
            matches!(admission.value, Admission::Password | Admission::PasswordAndLobby);
        self.error_if(
            needs_password && !password.required.value,
            at(&admission).or(&password.required),
            format!(
                "\"{}\" needs a password, and `password.required = false` makes rooms without one",
                admission.value.name()
            ),
            "require a password, or let people in another way",
        );
        self.error_if(
            close.hold_until.value.password && !password.required.value,
            at(&close.hold_until).or(&password.required),
            "people wait for a password that nothing requires: nobody would come in",
            "write `hold_until = []` in `close`, or require a password",
        );
        self.error_if(
            close.hold_until.value.moderator && !self.can_moderate(),
            at(&close.hold_until).or(&moderators.assign),
            "people wait for a moderator, and nobody can become one",
            "name operators, or another way in `moderators.assign`",
        );
        self.warn_if(
            needs_password && password.bypass.value.meets(STRANGERS),
            at(&password.bypass),
            "strangers need no password, though `lobby.admission` asks for one",
            "leave \"guest\" and \"federated\" out",
        );
        self.warn_if(
            admission.value.is_members_only() && lobby.bypass.value.meets(STRANGERS),
            at(&lobby.bypass),
            "strangers need not knock, though `lobby.admission` asks for it",
            "leave \"guest\" and \"federated\" out",
        );
        self.warn_if(
            admission.value.is_members_only() && !self.can_admit(),
            at(&admission).or(&moderators.assign).or(&moderators.admit),
            "nobody can let people in from the lobby",
            "name operators, or another way in `moderators.assign` and `moderators.admit`",
        );
        self.error_if(
            !self.can_be(access.enter.value),
            at(&access.enter),
            "nobody can enter a room",
            "write [\"everyone\"], or name the accounts of these classes",
        );
    }

    fn opening(&self) {
        let access = &self.rules.access;
        // The server is not known here: people are assumed to log in to it.
        let open = access.create.value.classes(false);
        // Nobody returns to a room that does not exist.
        let openers = Class::ALL.into_iter().filter(|class| *class != Class::Returning);
        let openers = openers.filter(|class| open.has(*class)).fold(ClassSet::NONE, ClassSet::with);
        self.error_if(
            !self.can_be(openers),
            at(&access.create),
            "nobody can open a room",
            "write \"default\", or name the accounts of these classes",
        );
        // Everybody belongs to exactly one of these; the other classes come on top.
        let outside = [Class::Token, Class::Account, Class::Federated, Class::Guest]
            .into_iter()
            .filter(|class| open.has(*class) && !access.enter.value.has(*class));
        let outside: Vec<_> = outside.map(|class| format!("\"{class}\"")).collect();
        self.warn_if(
            !outside.is_empty(),
            at(&access.create).or(&access.enter),
            format!("who opens a room enters it, and {} may not enter", outside.join(", ")),
            "add them to `access.enter`, or take them from `access.create`",
        );
        let assign = &self.rules.moderators.assign;
        let guests_open = open.has(Class::Guest) && access.enter.value.has(Class::Guest);
        self.warn_if(
            guests_open && assign.value.contains(&Become::Opener),
            at(&access.create).or(assign),
            GUESTS_OPEN,
            "leave \"guest\" out of `access.create`, or \"opener\" out of `moderators.assign`",
        );
    }

    fn moderating(&self) {
        let moderators = &self.rules.moderators;
        let ways = &moderators.assign;
        let named = !moderators.jids.value.is_empty() || !moderators.domains.value.is_empty();
        self.warn_if(
            named && !ways.value.contains(&Become::Listed),
            At { key: ways.key, ..at(&moderators.jids).or(&moderators.domains) },
            "`jids` and `domains` name moderators, and \"listed\" is not in `assign`",
            "add \"listed\"",
        );
        let takes_tokens = ways.line > 0 && ways.value.contains(&Become::Token);
        self.warn_if(
            takes_tokens && moderators.claim_values.value.is_empty(),
            at(&moderators.claim_values),
            "no value of the claim makes a moderator, and \"token\" is in `assign`",
            "write [\"true\"]",
        );
        self.warn_if(
            !self.can_moderate() && self.policy.operators.is_empty(),
            at(ways),
            "nobody can ever moderate a room: nobody removes people there, or lets them in",
            "name operators, or another way",
        );
    }

    /// Warns of lobbies where, once the last moderator has left, nobody takes over and nobody who waits is told.
    fn being_left(&self) {
        let (moderators, lobby) = (&self.rules.moderators, &self.rules.lobby);
        let (successors, after) = (moderators.successors, moderators.succession_after);
        let rescue = &lobby.unattended;
        let can_take_over = !moderators.assign.value.is_empty()
            && self.can_be(successors.value)
            && (after.value.is_some() || !rescue.value.is_empty());
        let is_told = can_take_over || rescue.value.contains(&Rescue::Refuse);
        self.warn_if(
            lobby.admission.value.has_lobby() && !is_told,
            at(rescue).or(&successors).or(&after),
            "when the last moderator has left, nobody takes over, and a person who waits in the lobby \
             is not told so",
            "add \"refuse\", or let a person take over (`moderators.successors`, \
             `moderators.succession_after`)",
        );
        let access = &self.rules.access;
        let open = access.create.value.classes(false);
        let guests_moderate = open.has(Class::Guest)
            && access.enter.value.has(Class::Guest)
            && moderators.assign.value.contains(&Become::Opener);
        self.warn_if(
            guests_moderate && after.value.is_some() && !successors.value.has(Class::Guest),
            at(&successors).or(&access.create),
            "a guest who opens a room moderates it, and no guest takes over: when they have left for good, \
             nobody moderates a meeting of guests",
            "add \"guest\" to `moderators.successors`",
        );
    }

    /// Warns of deadlines and limits that never take effect because of other rules.
    fn times(&self) {
        let Rules { hours, limits, close, moderators, .. } = self.rules;
        self.warn_if(
            hours.are_none() && hours.at_end.value != AtEnd::Stay,
            at(&hours.at_end),
            "there are no hours that could end",
            "write some in `open`, like \"mon-fri 08:00-18:00\"",
        );
        let ends = limits.without_moderator.value.zip(moderators.succession_after.value);
        self.warn_if(
            ends.is_some_and(|(end, succession)| end <= succession),
            at(&limits.without_moderator),
            "the room ends before anybody takes over (`moderators.succession_after`)",
            "make it longer, or write `succession_after = \"never\"`",
        );
        let most = limits.occupants;
        self.warn_if(
            most.value > 0 && close.at_occupants.value > most.value,
            at(&close.at_occupants).or(&most),
            "the room is full before it is closed (`limits.occupants`)",
            "leave one of the two out",
        );
    }

    fn ineffective_passwords(&self) {
        let (password, plain) = (&self.rules.password, &self.plain.password);
        let source = password.source.value;
        let code = self.rules.moderators.code.value;
        let is_chosen = source == Source::Creator || password.change.value != Who::Nobody;
        self.warn_if(
            is_meant(&password.words, &plain.words)
                && matches!(source, Source::Creator | Source::Preset)
                && code == HostCode::Nowhere,
            at(&password.words),
            "no password is made of words (`password.source`)",
            "leave it out, or write `source = \"generated\"`",
        );
        self.warn_if(
            is_meant(&password.period, &plain.period)
                && source != Source::Derived
                && code != HostCode::Derived,
            at(&password.period),
            "only derived passwords have a period (`password.source`)",
            "leave it out, or write `source = \"derived\"`",
        );
        self.warn_if(
            is_meant(&password.min_score, &plain.min_score) && !is_chosen,
            at(&password.min_score),
            "nobody chooses a password (`password.source`, `password.change`)",
            "leave it out, or let moderators choose one: `change = \"moderator\"`",
        );
        let is_given = is_chosen || source == Source::Preset;
        self.warn_if(
            is_meant(&password.min_length, &plain.min_length) && !is_given,
            at(&password.min_length),
            "nobody chooses a password (`password.source`, `password.change`)",
            "leave it out, or let moderators choose one: `change = \"moderator\"`",
        );
        self.warn_if(
            self.rules.lobby.admission.value == Admission::PasswordOrLobby
                && password.bypass.value.meets(STRANGERS),
            at(&password.bypass),
            "strangers need neither the password nor to knock, though `lobby.admission` asks for one of them",
            "leave \"guest\" and \"federated\" out",
        );
    }

    fn ineffective_ways_in(&self) {
        let Rules { moderators, close, removal, lobby, .. } = self.rules;
        let plain = self.plain;
        let is_claim_meant = is_meant(&moderators.claim, &plain.moderators.claim)
            || is_meant(&moderators.claim_values, &plain.moderators.claim_values);
        self.warn_if(
            is_claim_meant && !moderators.assign.value.contains(&Become::Token),
            at(&moderators.claim).or(&moderators.claim_values),
            "no claim makes a moderator: \"token\" is not in `assign`",
            "add \"token\"",
        );
        self.warn_if(
            is_meant(&close.may_enter, &plain.close.may_enter)
                && close.may_enter.value.meets(STRANGERS),
            at(&close.may_enter),
            "strangers may enter a closed room: closing it keeps nobody out",
            "leave \"guest\" and \"federated\" out",
        );
        let by = &removal.by;
        let keeps_out = removal.keep_out_for.value.is_some();
        let comes_from_jitsi = |by: &By| matches!(by, By::Ticket | By::Device);
        let is_only_jitsi = !by.value.is_empty() && by.value.iter().all(comes_from_jitsi);
        self.warn_if(
            by.line > 0 && self.policy.focuses.is_empty() && keeps_out && is_only_jitsi,
            at(by),
            "no service has a focus: without Jitsi nobody has a ticket or a device",
            "add \"account\" and \"address\"",
        );
        let is_subject_meant = is_meant(&removal.subject_claim, &plain.removal.subject_claim);
        self.warn_if(
            is_subject_meant && !by.value.contains(&By::Token),
            at(&removal.subject_claim),
            "nobody is recognised by a claim: \"token\" is not in `removal.by`",
            "add \"token\"",
        );
        self.warn_if(
            keeps_out && by.value.is_empty(),
            at(by),
            "nobody who was removed is recognised: `keep_out_for` has no effect",
            "write [\"account\", \"address\"], or `keep_out_for = \"never\"`",
        );
        self.warn_if(
            lobby.admission.value.has_lobby()
                && !lobby.unattended.value.is_empty()
                && lobby.unattended_after.value >= lobby.wait.value,
            at(&lobby.unattended_after).or(&lobby.wait),
            "anyone who waits is sent away (`lobby.wait`) before they are rescued",
            "make it shorter than `wait`",
        );
    }

    fn ineffective_settings(&self) {
        let (settings, limits) = (&self.rules.settings, &self.rules.limits);
        let (least, most) = (settings.max_occupants_min, settings.max_occupants_max);
        self.warn_if(
            most.value > 0 && least.value > most.value,
            at(&least).or(&most),
            "it is more than `max_occupants_max`: no number is left",
            "make it the smaller one",
        );
        self.warn_if(
            limits.occupants.value > 0 && most.value > limits.occupants.value,
            at(&most).or(&limits.occupants),
            "the room is full before that (`limits.occupants`)",
            "leave one of the two out",
        );
        let is_locked = |by: &Setting<Who>| by.value == Who::Nobody;
        for (by, bound, name) in [
            (&settings.name, &settings.name_length, "name"),
            (&settings.description, &settings.description_length, "description"),
            (&settings.history, &settings.history_max, "history"),
        ] {
            self.warn_if(
                is_locked(by) && bound.value > 0,
                at(bound),
                format!("nobody may change the {name}"),
                &format!("leave it out, or let a person change it: `{name} = \"moderator\"`"),
            );
        }
        self.warn_if(
            is_locked(&settings.max_occupants) && (least.value > 0 || most.value > 0),
            at(&most).or(&least),
            "nobody may change how many may be inside",
            "leave the bounds out, or let a person change it: `max_occupants = \"moderator\"`",
        );
    }

    /// Returns whether any person can belong to one of these classes.
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
        let has_code = moderators.code.value != HostCode::Nowhere;
        has_code
            || moderators.assign.value.iter().any(|way| match way {
                Become::Operator => !self.policy.operators.is_empty(),
                Become::Listed => {
                    !moderators.jids.value.is_empty() || !moderators.domains.value.is_empty()
                }
                Become::Token => !moderators.claim_values.value.is_empty(),
                Become::Account | Become::Opener => true,
            })
    }

    fn can_admit(&self) -> bool {
        let has_operators = !self.policy.operators.is_empty();
        match self.rules.moderators.admit.value {
            Who::Moderator | Who::Anybody => self.can_moderate() || has_operators,
            Who::Operator => has_operators,
            Who::Nobody => false,
        }
    }

    fn error_if(&self, holds: bool, at: At, message: impl Into<String>, hint: &str) {
        if holds {
            let (place, path) = self.located(at);
            self.notes.error(place, path, message, Some(hint.to_owned()));
        }
    }

    fn warn_if(&self, holds: bool, at: At, message: impl Into<String>, hint: &str) {
        if holds {
            let (place, path) = self.located(at);
            self.notes.warning(place, path, message, Some(hint.to_owned()));
        }
    }

    fn located(&self, at: At) -> (Place, String) {
        (self.notes.place_of(at.line), format!("{}.{}", self.path, at.key))
    }
}

/// Returns whether the file sets this value, and differs from the default.
fn is_meant<T: PartialEq>(set: &Setting<T>, default: &Setting<T>) -> bool {
    set.line > 0 && set.value != default.value
}
