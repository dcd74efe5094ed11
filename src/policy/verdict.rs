//! What is decided, by which rule, and what follows.

use std::time::Duration;

use super::attempt::{Affiliation, Role};
use super::class::Class;
use super::denial::Denial;
use super::notice::{Notice, Told};
use super::record::{Person, Record, Source};
use crate::jid::BareJid;
use crate::setting::Setting;

names! {
    /// The verdict on an attempt. The order is the conflict rule: the greatest opinion wins, whatever
    /// the order in the file.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Verdict {
        /// Let it through.
        Allow = "allow",
        /// Send to the lobby.
        Hold = "hold",
        /// Ask for the password.
        Prompt = "prompt",
        /// Refuse.
        Deny = "deny",
    }
}

impl Verdict {
    /// Returns the notice that goes with the answer to a join.
    pub const fn custom_notice(self) -> Option<Told> {
        match self {
            Self::Allow => None,
            Self::Hold => Some(Told::Wait),
            Self::Prompt => Some(Told::Password),
            Self::Deny => Some(Told::Refused),
        }
    }
}

/// What a verdict rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// The rule's stable name, the key of the file where there is one (`password.required`).
    pub name: &'static str,
    /// 1-based line in the operator's file; 0: the built-in default.
    pub line: u32,
}

impl Rule {
    /// The rule `name`, set at `line`.
    pub const fn new(name: &'static str, line: u32) -> Self {
        Self { name, line }
    }
}

impl<T> Setting<T> {
    /// Returns the rule that it is.
    pub const fn rule(&self) -> Rule {
        Rule::new(self.key, self.line)
    }
}

/// What one rule family thinks of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opinion {
    /// Its verdict.
    pub verdict: Verdict,
    /// On which rule.
    pub rule: Rule,
    /// Why not, unless it allows.
    pub denial: Option<Denial>,
}

impl Opinion {
    /// It may go ahead.
    pub const fn allow(rule: Rule) -> Self {
        Self { verdict: Verdict::Allow, rule, denial: None }
    }

    /// It has to wait.
    pub const fn hold(rule: Rule, denial: Denial) -> Self {
        Self { verdict: Verdict::Hold, rule, denial: Some(denial) }
    }

    /// A password is needed.
    pub const fn prompt(rule: Rule, denial: Denial) -> Self {
        Self { verdict: Verdict::Prompt, rule, denial: Some(denial) }
    }

    /// It may not.
    pub const fn deny(rule: Rule, denial: Denial) -> Self {
        Self { verdict: Verdict::Deny, rule, denial: Some(denial) }
    }
}

/// The password that a room gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NewPassword {
    /// What the requester typed.
    Typed,
    /// One from this source.
    Made(Source),
}

/// Whom a notice is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// To the requester, once the join is complete.
    RequesterJoined,
    /// To the requester, at once.
    Requester,
    /// The moderators present.
    Moderators,
    /// The moderators present, once the join or the change of name is complete.
    ModeratorsAfter,
    /// Everybody inside.
    Room,
}

/// What changes with the decision. Empty costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The room's record from now on.
    pub record: Option<Record>,
    /// What the room remembers of these people from now on; `None`: nothing.
    pub people: Vec<(BareJid, Option<Person>)>,
    /// The requester's affiliation.
    pub affiliation: Option<Affiliation>,
    /// The requester's role.
    pub role: Option<Role>,
    /// The room's password.
    pub password: Option<NewPassword>,
    /// Only members may join.
    pub members_only: Option<bool>,
    /// The service's own lobby is on.
    pub lobby: Option<bool>,
    /// The room is not listed.
    pub hidden: Option<bool>,
    /// The room outlives its last occupant.
    pub persistent: Option<bool>,
    /// The room was there before and stays: what ends a room empties it.
    pub keep: Option<bool>,
    /// Only moderators speak.
    pub suspended: Option<bool>,
    /// What is said to whom.
    pub notices: Vec<(Audience, Notice)>,
    /// The requester waits so long to be let in.
    pub knock: Option<Duration>,
    /// These are let in.
    pub admit: Vec<BareJid>,
    /// These are turned away, in these words where there are any.
    pub reject: Vec<(BareJid, Option<Notice>)>,
    /// These, who are inside, become moderators.
    pub promote: Vec<BareJid>,
    /// These may do so much from now on.
    pub may: Vec<(BareJid, May)>,
    /// The media that are moderated from now on.
    pub moderated: Option<Vec<Ability>>,
    /// These are owners or admins no longer, but have that affiliation.
    pub demote: Vec<(BareJid, Affiliation)>,
    /// These get back the affiliation that a removal or ban had taken, or lose it.
    pub affiliate: Vec<(BareJid, Affiliation)>,
    /// These are removed with every session, and told why; their affiliation is taken.
    pub remove: Vec<(BareJid, Denial)>,
}

impl Effects {
    /// Returns those by which people who wait are turned away, in these words where there are any.
    pub fn rejecting(people: impl IntoIterator<Item = BareJid>, words: Option<Notice>) -> Self {
        let reject = people.into_iter().map(|jid| (jid, words)).collect();
        Self { reject, ..Self::default() }
    }

    /// These effects and those of `more`; where both say something, `more` does.
    pub fn merge(&mut self, more: Self) {
        self.record = more.record.or(self.record.take());
        self.people.extend(more.people);
        self.affiliation = more.affiliation.or(self.affiliation);
        self.role = more.role.or(self.role);
        self.password = more.password.or(self.password);
        self.members_only = more.members_only.or(self.members_only);
        self.lobby = more.lobby.or(self.lobby);
        self.hidden = more.hidden.or(self.hidden);
        self.persistent = more.persistent.or(self.persistent);
        self.keep = more.keep.or(self.keep);
        self.suspended = more.suspended.or(self.suspended);
        self.notices.extend(more.notices);
        self.knock = more.knock.or(self.knock);
        self.admit.extend(more.admit);
        self.reject.extend(more.reject);
        self.promote.extend(more.promote);
        self.may.extend(more.may);
        self.moderated = more.moderated.or(self.moderated.take());
        self.demote.extend(more.demote);
        self.affiliate.extend(more.affiliate);
        self.remove.extend(more.remove);
    }
}

/// A decision, complete: it can be carried out, written down, explained and repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What.
    pub verdict: Verdict,
    /// By which rule.
    pub rule: Rule,
    /// Who the requester was taken for.
    pub class: Class,
    /// Why not, unless allowed.
    pub denial: Option<Denial>,
    /// What changes.
    pub effects: Effects,
    /// What the decision would rest on if the rules that are only observed were enforced, where that is not the
    /// same. Nothing follows from it.
    pub would: Option<Opinion>,
    /// The lines of the exceptions that hold for it, in the order of the file.
    pub exceptions: Vec<u32>,
}

names! {
    /// What the gate enforces by itself.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Ability {
        /// Messages to the room.
        Chat = "chat",
        /// Messages to one occupant.
        Private = "private",
        /// Another name.
        Rename = "rename",
        /// The microphone.
        Audio = "audio",
        /// The camera.
        Video = "video",
        /// The screen.
        Desktop = "desktop",
        /// Reading the room's configuration form, and whom it bans.
        Form = "form",
        /// Reading the password in that form.
        Secret = "secret",
    }
}

impl Ability {
    /// Those that are media.
    pub const MEDIA: [Self; 3] = [Self::Audio, Self::Video, Self::Desktop];

    /// The degree of a person of whom nothing is said: what is read is kept to moderators.
    pub const fn unsaid(self) -> Degree {
        match self {
            Self::Form | Self::Secret => Degree::Moderator,
            Self::Chat
            | Self::Private
            | Self::Rename
            | Self::Audio
            | Self::Video
            | Self::Desktop => Degree::Yes,
        }
    }
}

/// Whether a person may do something, from the most to the least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Degree {
    /// They may.
    #[default]
    Yes,
    /// They may, because a moderator has given them voice.
    Given,
    /// While they moderate.
    Moderator,
    /// They may not.
    No,
}

impl Degree {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Given => "given",
            Self::Moderator => "moderator",
            Self::No => "no",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Yes, Self::Given, Self::Moderator, Self::No]
            .into_iter()
            .find(|degree| degree.name() == name)
    }
}

/// What one person may do in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct May(pub(super) [Degree; Ability::ALL.len()]);

impl Default for May {
    /// What a person may of whom nothing is said.
    fn default() -> Self {
        Self(Ability::ALL.map(Ability::unsaid))
    }
}

impl May {
    /// Each ability, and whether they have it.
    pub fn iter(self) -> impl Iterator<Item = (Ability, Degree)> {
        Ability::ALL.into_iter().zip(self.0)
    }

    /// What is told by name; nothing of it is unknown.
    pub fn told<'a>(mut degree: impl FnMut(Ability) -> Option<&'a str>) -> Self {
        Self(
            Ability::ALL.map(|ability| {
                degree(ability).and_then(Degree::from_name).unwrap_or(ability.unsaid())
            }),
        )
    }

    /// The same, with what moderators may give by giving voice (XEP-0045 §8.3): what they have themselves.
    pub(super) fn with_voice(self) -> Self {
        let [chat, private, rest @ ..] = self.0;
        let given = |degree| if degree == Degree::Moderator { Degree::Given } else { degree };
        let [rename, audio, video, desktop, form, secret] = rest;
        Self([given(chat), given(private), rename, audio, video, desktop, form, secret])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_its_own() {
        let verdicts = [Verdict::Allow, Verdict::Hold, Verdict::Prompt, Verdict::Deny];
        let notices = verdicts.map(Verdict::custom_notice);
        assert_eq!(notices, [None, Some(Told::Wait), Some(Told::Password), Some(Told::Refused)]);
    }
}
