//! Rules on what people inside may do: talk, show themselves, change their name, record.
//!
//! The gate enforces most of these rules without a request, by comparing: the answer to a join says what this person
//! may do, and where a role matters, it is the one that they have at that moment.

use std::sync::LazyLock;

use serde_json::json;

use super::family::family;
use super::kinds::{class_words, classes_and, words_in_list};
use crate::policy::class::{Class, ClassSet};
use crate::policy::verdict::{Ability, Degree};
use crate::setting::kind::word;
use crate::setting::{Item, Kind, values};

/// Who may do something: people of these classes, and moderators where it says so. Operators always may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Permitted {
    /// People of these classes, whatever their role.
    pub classes: ClassSet,
    /// Those who moderate at that moment.
    pub moderators: bool,
}

impl Permitted {
    /// Permits everybody.
    pub const EVERYONE: Self = Self { classes: ClassSet::ALL, moderators: false };
    /// Permits moderators.
    pub const MODERATORS: Self = Self { classes: ClassSet::NONE, moderators: true };
    /// Permits operators alone.
    pub const OPERATORS: Self = Self { classes: ClassSet::NONE, moderators: false };

    pub(in crate::policy) const fn degree(self, classes: ClassSet) -> Degree {
        if self.classes.meets(classes) || classes.has(Class::Operator) {
            Degree::Yes
        } else if self.moderators {
            Degree::Moderator
        } else {
            Degree::No
        }
    }
}

names! {
    /// What is asked of the end-to-end encryption of Jitsi's clients.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum E2ee {
        /// Nothing is asked.
        Off = "off",
        /// Moderators are told whose client cannot encrypt.
        Prefer = "prefer",
        /// Only clients that say that they can encrypt come in, and nothing is recorded or called.
        Require = "require",
    }
}

family! {
    /// The rules on what people inside may do.
    "permissions" [r#"What people inside may do: classes as above, and "moderator" for those who moderate at that moment."#, "Operators and services always may. Who invites and removes people: [policy.moderators]."]: Permissions {
        /// Who may write to the room.
        chat: Permitted = Permitted::EVERYONE, permitted(),
            rule "Who may write to the room. This and the next five are no decisions of their own: they are part of the answer to a join, and the gate holds people to it ([permissions](permissions.md))."
            [off Permitted::EVERYONE; Compared Undescribed];
        /// Who may write to one occupant alone.
        private: Permitted = Permitted::EVERYONE, permitted(),
            rule "Who may write to one occupant alone."
            [off Permitted::EVERYONE; Compared Undescribed];
        /// Who may change the name that others see.
        rename: Permitted = Permitted::EVERYONE, permitted(),
            rule "Who may change their name."
            [off Permitted::EVERYONE; Compared Undescribed];
        /// On Jitsi, who may unmute the microphone.
        audio: Permitted = Permitted::EVERYONE, permitted(),
            rule "Who may unmute the microphone."
            [off Permitted::EVERYONE; Compared Undescribed];
        /// On Jitsi, who may start the camera.
        video: Permitted = Permitted::EVERYONE, permitted(),
            rule "Who may start the camera."
            [off Permitted::EVERYONE; Compared Undescribed];
        /// On Jitsi, who may share the screen.
        screen_share: Permitted = Permitted::EVERYONE, permitted(),
            rule "Who may share the screen."
            [off Permitted::EVERYONE; Compared Undescribed];
        /// On Jitsi, who may record, stream and transcribe.
        record: Permitted = Permitted::MODERATORS, permitted(),
            rule "Who may record, stream and transcribe, and stop it."
            [off Permitted::EVERYONE];
        /// On Jitsi, who may call telephones.
        dial: Permitted = Permitted::MODERATORS, permitted(),
            rule "Who may call telephones."
            [off Permitted::EVERYONE];
        /// On Jitsi, who may make, rename and remove breakout rooms, and send people there and back. Jitsi itself asks that they
        /// moderate.
        breakout: Permitted = Permitted::MODERATORS, permitted(),
            rule "Who may make, rename and remove breakout rooms, and send people there and back."
            [off Permitted::EVERYONE];
        /// On Jitsi, who may choose a breakout room by themselves. Others go where they are sent, and back into the main room.
        breakout_choice: Permitted = Permitted::EVERYONE, permitted(),
            rule "Who may choose a breakout room by themselves. Others go where they are sent, and back into the main room."
            [off Permitted::EVERYONE];
        /// On Jitsi, who may be in a breakout room in which no moderator is. Others are called back into the main room after
        /// 10 seconds.
        breakout_alone: Permitted = Permitted::EVERYONE, permitted(),
            rule "Who may be in a breakout room in which no moderator is. Others are called back into the main room after 10 seconds."
            [off Permitted::EVERYONE; Compared Undescribed];
        /// On Jitsi, encryption from end to end: "require" lets in only clients that say they can, and refuses recorders and
        /// telephones; "prefer" tells moderators who cannot; "off".
        e2ee: E2ee = E2ee::Off, word(),
            rule "The room takes only clients that say that they can encrypt end to end; nothing is recorded there and no telephone is called."
            [off E2ee::Off];
    }
}

/// Reads classes, and `moderator`, which is no class but a role.
fn permitted() -> Kind<Permitted> {
    const MODERATOR: &str = "moderator";
    static WORDS: LazyLock<Vec<(&str, Option<ClassSet>)>> =
        LazyLock::new(|| classes_and(MODERATOR));
    let read = |item: &Item<'_>| {
        let words = values::list(values::word(&WORDS, |(name, _)| name))(item)?;
        Ok(Permitted {
            classes: words
                .iter()
                .filter_map(|(_, classes)| *classes)
                .fold(ClassSet::NONE, ClassSet::and),
            moderators: words.iter().any(|(_, classes)| classes.is_none()),
        })
    };
    let write = |it: &Permitted| {
        let classes = class_words(it.classes);
        words_in_list(classes.into_iter().chain(it.moderators.then_some(MODERATOR)))
    };
    let names: Vec<_> = WORDS.iter().map(|(name, _)| *name).collect();
    Kind::new(read, write, json!({ "type": "array", "items": { "enum": names } }))
}

impl Permissions {
    /// Returns the media that not everybody may send.
    pub(in crate::policy) fn moderated(&self) -> Vec<Ability> {
        let kinds = [self.audio, self.video, self.screen_share];
        let moderated = Ability::MEDIA.into_iter().zip(kinds);
        moderated
            .filter(|(_, permitted)| permitted.value.classes != ClassSet::ALL)
            .map(|(ability, _)| ability)
            .collect()
    }
}
