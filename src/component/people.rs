//! The number of people among sessions.

use std::collections::HashMap;

use crate::jid::BareJid;
use crate::policy::attempt::Requester;
use crate::policy::mark::Mark;

/// An identifier of one person.
#[derive(PartialEq, Eq, Hash)]
enum Own<'a> {
    Address(&'a BareJid),
    Ticket(Mark),
}

/// Returns the number of people among these sessions. Sessions of one bare address, account or ticket are one person's;
/// one of which nothing is known is a person of its own. A device proves nothing, so it makes nobody one with another.
pub fn count<'a>(sessions: impl IntoIterator<Item = &'a Requester>) -> usize {
    // Which session of a person was the first, by what they have; and of each session, which stands for it.
    let (mut firsts, mut stands_for) = (HashMap::new(), Vec::<usize>::new());
    let mut people = 0_usize;
    for (number, who) in sessions.into_iter().enumerate() {
        stands_for.push(number);
        people = people.saturating_add(1);
        let addresses = [who.jid.as_ref(), who.account.as_ref()].into_iter().flatten();
        let own = addresses.map(Own::Address).chain(who.ticket.map(Own::Ticket));
        for own in own {
            let first = *firsts.entry(own).or_insert(number);
            let (one, other) = (root(&stands_for, first), root(&stands_for, number));
            if one != other
                && let Some(stands_for) = stands_for.get_mut(other)
            {
                *stands_for = one;
                people = people.saturating_sub(1);
            }
        }
    }
    people
}

fn root(stands_for: &[usize], mut number: usize) -> usize {
    while let Some(&next) = stands_for.get(number)
        && next != number
    {
        number = next;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(jid: &str, account: Option<&str>, ticket: Option<&str>) -> Requester {
        Requester {
            jid: jid.parse().ok(),
            account: account.and_then(|account| account.parse().ok()),
            ticket: ticket.map(|ticket| Mark::of("ticket", ticket)),
            device: Some(Mark::of("device", "the same for all")),
            ..Requester::default()
        }
    }

    #[test]
    fn sessions_of_one_address_account_or_ticket_are_one_person() {
        let ann = [
            session("ann@example.org", None, None),
            session("x1@guest.example.org", Some("ann@example.org"), Some("t1")),
            session("x2@guest.example.org", None, Some("t1")),
        ];
        assert_eq!(count(&ann), 1);
        assert_eq!(count(ann.iter().rev()), 1);
        // What makes them one comes last.
        let bob = [
            session("y1@guest.example.org", None, Some("t2")),
            session("bob@example.org", None, None),
            session("y2@guest.example.org", Some("bob@example.org"), Some("t2")),
        ];
        assert_eq!(count(&bob), 1);
        assert_eq!(count(ann.iter().chain(&bob)), 2);
    }

    #[test]
    fn a_device_makes_nobody_one_with_another_and_who_is_unknown_counts() {
        let unknown = Requester::default();
        let guests =
            ["a@guest.example.org", "b@guest.example.org"].map(|jid| session(jid, None, None));
        assert_eq!(count(guests.iter().chain([&unknown, &unknown])), 4);
        assert_eq!(count([]), 0);
    }
}
