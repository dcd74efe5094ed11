//! The policy in plain words, for participants and moderators: what it takes to start a meeting and to join one, what
//! moderators can do, and what is kept.
//!
//! Pure: [`summary`] makes the page from the rules in force alone. Each of its sentences is declared once, in
//! [`SENTENCES`], with the keys of the file that it depends on.

mod composed;
mod page;
mod sentences;
mod words;

pub use sentences::{SENTENCES, Sentence};
pub use words::Words;

use crate::config::Settings;
use crate::jid::BareJid;
use crate::policy::providers::Proves;
use crate::policy::{Policy, Rules};

names! {
    /// A language of the page.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Language {
        /// English.
        English = "en",
        /// German.
        German = "de",
    }
}

names! {
    /// A format of the page.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Format {
        /// Plain text.
        Text = "text",
        /// Markdown.
        Markdown = "markdown",
        /// One HTML file that loads nothing.
        Html = "html",
    }
}

/// A part of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// What it takes to start a meeting.
    Start,
    /// What it takes to join one.
    Join,
    /// What participants can do.
    Inside,
    /// Who moderates, and what moderators can do.
    Moderators,
    /// Opening hours and limits.
    Times,
    /// What is kept about people, and for how long.
    Records,
}

impl Section {
    /// All sections, in the order of the page.
    pub const ALL: [Self; 6] =
        [Self::Start, Self::Join, Self::Inside, Self::Moderators, Self::Times, Self::Records];

    /// Returns the heading.
    fn heading(self) -> Words {
        match self {
            Self::Start => Words::new("Start a meeting", "Eine Besprechung beginnen"),
            Self::Join => Words::new("Join a meeting", "An einer Besprechung teilnehmen"),
            Self::Inside => Words::new("In the meeting", "In der Besprechung"),
            Self::Moderators => Words::new("Moderators", "Moderatoren"),
            Self::Times => Words::new("Hours and limits", "Zeiten und Grenzen"),
            Self::Records => Words::new("What is kept about you", "Was über Sie gespeichert wird"),
        }
    }
}

/// What the sentences are made from.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The rules in force, for the room or for every room.
    pub rules: &'a Rules,
    /// The other settings of the file.
    pub settings: &'a Settings,
    /// The room that the page is about; `None`: every room without rules of its own.
    pub room: Option<&'a BareJid>,
    /// Whether guests open rooms by default, where the running server has said so.
    pub guests_open: Option<bool>,
    /// Whether a log-in can prove a token, where the running server has said so.
    pub tokens: Option<bool>,
}

impl Facts<'_> {
    /// Returns whether meetings are held with Jitsi Meet, in the room or, without one, on any service of the file.
    fn is_jitsi(&self) -> bool {
        let focuses = &self.policy.focuses;
        self.room.map_or(!focuses.is_empty(), |room| focuses.contains_key(room.domain()))
    }

    /// Returns whether people can have tokens: as the running server says, else with Jitsi Meet or by the file.
    fn has_tokens(&self) -> bool {
        let mut providers = self.policy.providers.values();
        let proves_token = providers.any(|provider| provider.proves == Proves::Token);
        self.tokens.unwrap_or(proves_token || self.is_jitsi())
    }
}

/// The page: the policy in plain words, in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The language.
    pub language: Language,
    /// The title.
    pub title: String,
    /// The sentences before the first heading.
    pub introduction: String,
    /// Each section with its heading and sentences, without empty sections.
    pub sections: Vec<(String, Vec<Told>)>,
}

/// A sentence of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The words.
    pub text: String,
    /// The keys of the file that they depend on.
    pub keys: &'static [&'static str],
}

/// Returns the policy in plain words.
pub fn summary(facts: &Facts<'_>, language: Language) -> Summary {
    let name = facts.room.map(|room| room.node().unwrap_or(room.as_str()));
    let title = match name {
        None => {
            Words::new("How meetings are protected here", "Wie Besprechungen hier geschützt sind")
        }
        Some(name) => Words::new(
            format!("How the meeting {name} is protected"),
            format!("Wie die Besprechung {name} geschützt ist"),
        ),
    };
    let introduction = Words::new(
        "This server has rules for meetings. This page is made from the rules of this server.",
        "Auf diesem Server gibt es Regeln für Besprechungen. Diese Seite entsteht aus den Regeln dieses Servers.",
    );
    let sections = Section::ALL.into_iter().filter_map(|section| {
        let sentences = SENTENCES.iter().filter(|sentence| sentence.section == section);
        let told = sentences.filter_map(|sentence| {
            let words = (sentence.words)(facts)?;
            Some(Told { text: words.of(language), keys: sentence.keys })
        });
        let told: Vec<_> = told.collect();
        (!told.is_empty()).then(|| (section.heading().of(language), told))
    });
    Summary {
        language,
        title: title.of(language),
        introduction: introduction.of(language),
        sections: sections.collect(),
    }
}
