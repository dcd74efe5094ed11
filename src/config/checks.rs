//! What each key says is right, and all together is not.

use super::notes::{Notes, Place};
use super::{moot, no_effect, times};
use crate::policy::class::{Class, ClassSet};
use crate::policy::lobby::Admission;
use crate::policy::moderators::Become;
use crate::policy::record::Source;
use crate::policy::succession::Rescue;
use crate::policy::who::Who;
use crate::policy::{Policy, Rules};

/// Notes what cannot be meant, or may not be: in the rules for every room, and in each override.
pub(super) fn check(notes: &Notes<'_>, policy: &Policy) {
    no_effect::check(notes, policy);
    let plain = &Rules::default();
    Checks { notes, policy, rules: &policy.base, plain, path: "policy" }.all();
    for room in policy.rooms.iter() {
        let path = format!("room `{}`", room.selector);
        Checks { notes, policy, rules: &room.rules, plain, path: &path }.all();
    }
}

struct Checks<'a> {
    notes: &'a Notes<'a>,
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
        times::check(self.notes, self.rules, self.path);
        moot::check(self.notes, self.policy, self.rules, self.plain, self.path);
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
