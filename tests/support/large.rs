//! A policy with any number of overrides and bans, and a join that it allows.

use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use vestibule::jid::BareJid;
use vestibule::policy::attempt::{Action, Attempt, Auth, Credential, Requester, RoomView};
use vestibule::policy::bans::{Ban, Origin};
use vestibule::policy::overrides::{Override, Overrides, Pattern, Selector};
use vestibule::policy::record::{Record, Source};
use vestibule::policy::{Policy, Rules};

pub(crate) fn jid(text: &str) -> BareJid {
    BareJid::from_str(text).unwrap()
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_767_268_800).unwrap()
}

/// Returns a policy of this size. A third of the bans each is on accounts, domains and networks; three of
/// four overrides match a name, the others a pattern.
pub(crate) fn policy(overrides: u32, bans: u32) -> Policy {
    let mut policy = Policy { revision: "9f2c01ab".to_owned(), ..Policy::default() };
    policy.operators.insert(jid("op@example.org"), 6);
    policy.services.insert(jid("focus@auth.example.org"), 5);
    for n in 0..bans {
        let ban = Ban { origin: Origin::Line(n), until: None, rooms: None, reason: String::new() };
        match n % 3 {
            0 => policy.bans.ban_jid(jid(&format!("user{n}@example.org")), ban),
            1 => policy.bans.ban_domain(&format!("d{n}.example"), ban),
            _ => {
                let bits = 16 + n % 17;
                let address = std::net::Ipv4Addr::from(0x2000_0000 + n * 4096);
                policy.bans.ban_network(format!("{address}/{bits}").parse().unwrap(), ban);
            }
        }
    }
    let mut rooms = Vec::new();
    let rules = Arc::new(Rules::default());
    for n in 0..overrides {
        let pattern = if n % 4 == 0 { format!("team{n}-*") } else { format!("room{n}") };
        let selector = Selector { pattern: Pattern::new(&pattern).ok(), ..Selector::default() };
        let rules = Arc::clone(&rules);
        rooms.push(Override { selector, priority: 0, profile: None, line: n, rules });
    }
    policy.rooms = Overrides::new(rooms, vec!["rooms.example.org".to_owned()]).unwrap();
    policy
}

/// Returns a join of Bob, who has an account, at the room `tea`.
pub(crate) fn join(credential: Credential) -> Attempt {
    Attempt {
        id: "k3v9x1".into(),
        room: Some(jid("tea@rooms.example.org")),
        requester: Requester {
            jid: Some(jid("bob@example.org")),
            auth: Auth::Account,
            secure: Some(true),
            address: Some("192.0.2.7".parse().unwrap()),
            nick: "Bob".into(),
            ..Requester::default()
        },
        action: Action::Join { credential },
        ..Attempt::default()
    }
}

/// Returns a room with a password, three occupants and a moderator.
pub(crate) fn room() -> RoomView {
    RoomView {
        occupants: 3,
        moderators: 1,
        has_password: true,
        exists: true,
        record: Some(Record::new(now(), "ann@example.org", Some(Source::Generated))),
        ..RoomView::default()
    }
}
