//! Who becomes a moderator, and who may make one.

use std::collections::HashSet;

use jid::BareJid;

use super::set::Set;
use super::who::Who;

/// A way to become a moderator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Become {
    /// Operators of the file.
    Operator,
    /// The JIDs and domains listed beside.
    Listed,
    /// A verified token with the claim named beside.
    Token,
    /// An account on a local host.
    Account,
    /// Whoever opened the room.
    Opener,
}

impl Become {
    /// Every way.
    pub const ALL: [Self; 5] =
        [Self::Operator, Self::Listed, Self::Token, Self::Account, Self::Opener];

    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Listed => "listed",
            Self::Token => "token",
            Self::Account => "account",
            Self::Opener => "opener",
        }
    }
}

/// The rules on moderators.
#[derive(Clone, Debug)]
pub struct Moderators {
    /// The ways, in order of rank; empty: nobody.
    pub become_by: Set<Vec<Become>>,
    /// For [`Become::Listed`]: bare JIDs.
    pub jids: Set<HashSet<BareJid>>,
    /// For [`Become::Listed`]: domains, in lower case.
    pub domains: Set<HashSet<String>>,
    /// For [`Become::Token`]: the name of the claim.
    pub claim: Set<String>,
    /// For [`Become::Token`]: the values that make a moderator.
    pub claim_values: Set<Vec<String>>,
    /// Who may make others moderators.
    pub grant: Set<Who>,
    /// Who may take that right from others.
    pub revoke: Set<Who>,
    /// Who may remove and ban people.
    pub remove: Set<Who>,
    /// Who may invite and let people in.
    pub admit: Set<Who>,
    /// Who may destroy the room.
    pub end: Set<Who>,
}

impl Default for Moderators {
    fn default() -> Self {
        Self {
            become_by: Set::default_of(vec![
                Become::Operator,
                Become::Listed,
                Become::Token,
                Become::Opener,
            ]),
            jids: Set::default(),
            domains: Set::default(),
            claim: Set::default_of("moderator".to_owned()),
            claim_values: Set::default_of(vec!["true".to_owned()]),
            grant: Set::default_of(Who::Moderator),
            revoke: Set::default_of(Who::Moderator),
            remove: Set::default_of(Who::Moderator),
            admit: Set::default_of(Who::Moderator),
            end: Set::default_of(Who::Moderator),
        }
    }
}
