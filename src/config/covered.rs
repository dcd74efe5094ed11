//! Bans that others cover.

use std::collections::HashMap;

use ipnet::IpNet;
use jiff::Timestamp;

use super::notes::{Notes, Place};
use crate::jid::BareJid;

/// On whom a ban is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum On {
    Jid(BareJid),
    Domain(String),
    Network(IpNet),
}

/// A ban as far as another may cover it.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    pub(super) on: On,
    /// The pattern of its rooms; `None`: all.
    pub(super) rooms: Option<String>,
    /// Its end; `None`: never.
    pub(super) until: Option<Timestamp>,
    pub(super) line: u32,
    pub(super) place: Place,
}

impl Reach {
    /// All rooms and times of the other are this one's too.
    fn covers(&self, other: &Self) -> bool {
        let rooms = self.rooms.is_none() || self.rooms == other.rooms;
        let until = self.until.is_none_or(|end| other.until.is_some_and(|other| other <= end));
        rooms && until
    }
}

/// Notes each ban that can never be the one that keeps a person out. A ban on an account also holds for operators and
/// for whom exceptions spare, so only a ban on the account itself covers it.
pub(super) fn check(notes: &Notes<'_>, bans: &[Reach]) {
    let mut by_whom: HashMap<&On, Vec<usize>> = HashMap::new();
    for (at, ban) in bans.iter().enumerate() {
        by_whom.entry(&ban.on).or_default().push(at);
    }
    for (at, ban) in bans.iter().enumerate() {
        let whom = wider(&ban.on);
        let candidates = whom.iter().filter_map(|on| by_whom.get(on)).flatten();
        let covering = candidates
            .filter(|other| **other != at)
            .filter_map(|other| Some((*other, bans.get(*other)?)))
            // Of two that cover one another, the second has no effect.
            .find(|(other, wide)| wide.covers(ban) && (*other < at || !ban_covers_back(ban, wide)));
        if let Some((_, wide)) = covering {
            notes.warning(
                ban.place.clone(),
                "ban",
                format!("the ban at line {} covers this one, which has no effect", wide.line),
                Some("delete it".to_owned()),
            );
        }
    }
}

fn ban_covers_back(ban: &Reach, wide: &Reach) -> bool {
    ban.on == wide.on && ban.covers(wide)
}

/// Everything of which it is a part, itself among them.
fn wider(on: &On) -> Vec<On> {
    let mut all = vec![on.clone()];
    if let On::Network(network) = on {
        let mut wide = *network;
        while let Some(wider) = wide.supernet() {
            all.push(On::Network(wider));
            wide = wider;
        }
    }
    all
}
