//! Verdicts: what is decided, by which rule, and with what effects.

use std::time::Duration;

use super::attempt::{Affiliation, Role};
use super::class::Class;
use super::denial::Denial;
use super::notice::{Notice, Told};
use super::record::{Person, Record, Source};
use super::room_name::Invitations;
use crate::jid::BareJid;
use crate::setting::Setting;

names! {
    /// The verdict on an attempt. The order is the conflict rule: the greatest verdict wins, whatever
    /// the order in the file.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Verdict {
        /// Let the attempt through.
        Allow = "allow",
        /// Send the requester to the lobby.
        Hold = "hold",
        /// Ask the requester for the password.
        Prompt = "prompt",
        /// Refuse the attempt.
        Deny = "deny",
    }
}

impl Verdict {
    /// Returns the operator's notice that goes with the answer to a join, if there is one.
    pub const fn custom_notice(self) -> Option<Told> {
        match self {
            Self::Allow => None,
            Self::Hold => Some(Told::Wait),
            Self::Prompt => Some(Told::Password),
            Self::Deny => Some(Told::Refused),
        }
    }
}

/// The rule that a verdict rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Stable name of the rule, the key of the file where there is one (`password.required`).
    pub name: &'static str,
    /// 1-based line in the operator's file; 0: the built-in default.
    pub line: u32,
}

impl Rule {
    /// Returns the rule `name`, set at `line`.
    pub const fn new(name: &'static str, line: u32) -> Self {
        Self { name, line }
    }
}

impl<T> Setting<T> {
    /// Returns the rule that the setting stands for.
    pub const fn rule(&self) -> Rule {
        Rule::new(self.key, self.line)
    }
}

/// Opinion of one rule family on an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opinion {
    /// Verdict of the family.
    pub verdict: Verdict,
    /// Rule that the verdict rests on.
    pub rule: Rule,
    /// Reason, unless the verdict is to allow.
    pub denial: Option<Denial>,
}

impl Opinion {
    /// Lets the attempt go ahead.
    pub const fn allow(rule: Rule) -> Self {
        Self { verdict: Verdict::Allow, rule, denial: None }
    }

    /// Makes the requester wait in the lobby.
    pub const fn hold(rule: Rule, denial: Denial) -> Self {
        Self { verdict: Verdict::Hold, rule, denial: Some(denial) }
    }

    /// Asks for the password.
    pub const fn prompt(rule: Rule, denial: Denial) -> Self {
        Self { verdict: Verdict::Prompt, rule, denial: Some(denial) }
    }

    /// Refuses the attempt.
    pub const fn deny(rule: Rule, denial: Denial) -> Self {
        Self { verdict: Verdict::Deny, rule, denial: Some(denial) }
    }
}

/// Password that a room is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NewPassword {
    /// The one that the requester typed.
    Typed,
    /// A new one from this source.
    Made(Source),
}

/// Whom a notice is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// The requester, once the join is complete.
    RequesterJoined,
    /// The requester, at once.
    Requester,
    /// The moderators present.
    Moderators,
    /// The moderators present, once the join or the change of name is complete.
    ModeratorsAfter,
    /// Everybody inside.
    Room,
    /// Everyone who waits to be let in.
    Waiting,
}

/// Effects of a decision on the room and its people; by default none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// New record of the room.
    pub record: Option<Record>,
    /// What the room remembers of these people from now on; `None`: nothing.
    pub people: Vec<(BareJid, Option<Person>)>,
    /// New affiliation of the requester.
    pub affiliation: Option<Affiliation>,
    /// New role of the requester.
    pub role: Option<Role>,
    /// New password of the room.
    pub password: Option<NewPassword>,
    /// New host code of the room, from this source.
    pub code: Option<Source>,
    /// Whether only members may join.
    pub members_only: Option<bool>,
    /// Whether the service's own lobby is on.
    pub lobby: Option<bool>,
    /// Whether the room is unlisted.
    pub hidden: Option<bool>,
    /// Whether the room outlives its last occupant.
    pub persistent: Option<bool>,
    /// Whether a room from before the policy stays when its meeting ends: then it is emptied, not destroyed.
    pub keep: Option<bool>,
    /// Whether only moderators may speak.
    pub suspended: Option<bool>,
    /// Notices, with whom each is for.
    pub notices: Vec<(Audience, Notice)>,
    /// The link and the telephone numbers that the notices of an invitation name.
    pub invitation: Option<Invitations>,
    /// How long the requester may wait to be let in.
    pub knock: Option<Duration>,
    /// People who wait and are let in.
    pub admit: Vec<BareJid>,
    /// People who wait and are turned away, with a notice where there is one.
    pub reject: Vec<(BareJid, Option<Notice>)>,
    /// People inside who become moderators.
    pub promote: Vec<BareJid>,
    /// New permissions of these people.
    pub may: Vec<(BareJid, May)>,
    /// Media that are moderated from now on.
    pub moderated: Option<Vec<Ability>>,
    /// Owners and admins who cease to be that, with the affiliation that they get.
    pub demote: Vec<(BareJid, Affiliation)>,
    /// New affiliations: given back after a removal or ban, or taken by one.
    pub affiliate: Vec<(BareJid, Affiliation)>,
    /// People who are removed with every session and told why; their affiliation is taken.
    pub remove: Vec<(BareJid, Denial)>,
}

impl Effects {
    /// Returns the effects that turn these people away who wait, with these words where there are any.
    pub fn rejecting(people: impl IntoIterator<Item = BareJid>, words: Option<Notice>) -> Self {
        let reject = people.into_iter().map(|jid| (jid, words)).collect();
        Self { reject, ..Self::default() }
    }

    /// Adds the effects of `more`, which has precedence where both set something.
    pub fn merge(&mut self, more: Self) {
        self.record = more.record.or(self.record.take());
        self.people.extend(more.people);
        self.affiliation = more.affiliation.or(self.affiliation);
        self.role = more.role.or(self.role);
        self.password = more.password.or(self.password);
        self.code = more.code.or(self.code);
        if let (Some(record), Some(code)) = (&mut self.record, self.code) {
            record.code = Some(code);
        }
        self.members_only = more.members_only.or(self.members_only);
        self.lobby = more.lobby.or(self.lobby);
        self.hidden = more.hidden.or(self.hidden);
        self.persistent = more.persistent.or(self.persistent);
        self.keep = more.keep.or(self.keep);
        self.suspended = more.suspended.or(self.suspended);
        self.notices.extend(more.notices);
        self.invitation = more.invitation.or(self.invitation.take());
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

/// A decision, complete: it can be carried out, logged, explained and repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Verdict on the attempt.
    pub verdict: Verdict,
    /// Rule that the verdict rests on.
    pub rule: Rule,
    /// Strongest class that the requester has proved.
    pub class: Class,
    /// Reason, unless the verdict is to allow.
    pub denial: Option<Denial>,
    /// Effects when the decision is carried out.
    pub effects: Effects,
    /// Opinion that would count if the rules that are only observed were enforced, where it is not the
    /// same. Nothing follows from it.
    pub would: Option<Opinion>,
    /// Lines of the exceptions that hold for it, in the order of the file.
    pub exceptions: Vec<u32>,
}

names! {
    /// An ability of people inside, which the gate enforces by itself.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Ability {
        /// To write messages to the room.
        Chat = "chat",
        /// To write messages to one occupant.
        Private = "private",
        /// To change one's name.
        Rename = "rename",
        /// To use the microphone.
        Audio = "audio",
        /// To use the camera.
        Video = "video",
        /// To share the screen.
        Desktop = "desktop",
        /// To record, stream or transcribe: each request is asked about, and clients show no button without it.
        Record = "record",
        /// To call telephones: the same.
        Dial = "dial",
        /// To be in a breakout room in which no moderator is.
        Alone = "alone",
        /// To read the room's configuration form, and whom it bans.
        Form = "form",
        /// To read the password in that form.
        Secret = "secret",
    }
}

impl Ability {
    /// Abilities that are media.
    pub const MEDIA: [Self; 3] = [Self::Audio, Self::Video, Self::Desktop];

    /// Returns the degree of a person of whom nothing is said: reading, recording and calling are for moderators only.
    pub const fn unsaid(self) -> Degree {
        match self {
            Self::Record | Self::Dial | Self::Form | Self::Secret => Degree::Moderator,
            Self::Chat
            | Self::Private
            | Self::Rename
            | Self::Audio
            | Self::Video
            | Self::Desktop
            | Self::Alone => Degree::Yes,
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
    /// They may while they moderate.
    Moderator,
    /// They may not.
    No,
}

impl Degree {
    /// Returns the name on the wire.
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

/// Permissions of one person in a room: a degree for each ability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct May(pub(super) [Degree; Ability::ALL.len()]);

impl Default for May {
    /// Returns the permissions of a person of whom nothing is said.
    fn default() -> Self {
        Self(Ability::ALL.map(Ability::unsaid))
    }
}

impl May {
    /// Returns each ability, with its degree.
    pub fn iter(self) -> impl Iterator<Item = (Ability, Degree)> {
        Ability::ALL.into_iter().zip(self.0)
    }

    /// Reads degrees by their names; an ability without a known name has the degree of which nothing is said.
    pub fn told<'a>(mut degree: impl FnMut(Ability) -> Option<&'a str>) -> Self {
        Self(
            Ability::ALL.map(|ability| {
                degree(ability).and_then(Degree::from_name).unwrap_or(ability.unsaid())
            }),
        )
    }

    /// Returns the permissions after a moderator has given voice (XEP-0045 §8.3): what they have in writing.
    pub(super) fn with_voice(self) -> Self {
        let mut given = self;
        let [chat, private, ..] = &mut given.0;
        for degree in [chat, private] {
            if *degree == Degree::Moderator {
                *degree = Degree::Given;
            }
        }
        given
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
