//! Whether two patterns can be for one room.

use std::collections::VecDeque;

use crate::policy::pattern::Part;

/// Jitsi's tenant in front of a name.
const TENANT: [Part; 3] = [Part::Literal('['), Part::Any, Part::Literal(']')];

/// A name or address of a room that both are for, if there can be one. A room is known by its name, by its
/// name without a tenant and by its address, so one pattern may be for the one and the other for the other.
/// `services`: what stands behind a name, `@` and a domain. Exact but for `[…]` and `{…}`, which count as anything, and for percent-encoded names.
pub(super) fn meet(one: &[Part], other: &[Part], services: &[Vec<Part>]) -> Option<String> {
    let longer = |parts: &[Part]| {
        // Behind a tenant no name has another tenant.
        let has_tenant = parts.first() == Some(&Part::Literal('['));
        let with_tenant = (!has_tenant).then(|| [&TENANT, parts].concat());
        let mut longer: Vec<Vec<Part>> = with_tenant.into_iter().collect();
        for service in services {
            longer.push([parts, service].concat());
            if !has_tenant {
                longer.push([&TENANT, parts, service].concat());
            }
        }
        longer
    };
    common(one, other)
        .or_else(|| longer(one).iter().find_map(|one| common(one, other)))
        .or_else(|| longer(other).iter().find_map(|other| common(one, other)))
}

/// The shortest text that both stand for.
fn common(one: &[Part], other: &[Part]) -> Option<String> {
    let (rows, columns) = (one.len().checked_add(1)?, other.len().checked_add(1)?);
    // From where each pair of places was reached first, and by which character.
    let mut from: Vec<Option<(usize, Option<char>)>> = vec![None; rows.checked_mul(columns)?];
    let mut next = VecDeque::from([(0, 0)]);
    let at = |i: usize, j: usize| i.saturating_mul(columns).saturating_add(j);
    let goal = at(one.len(), other.len());
    while let Some((i, j)) = next.pop_front() {
        if at(i, j) == goal {
            break;
        }
        let mut reach = |to: (usize, usize), by: Option<char>| {
            let place = at(to.0, to.1);
            if let Some(cell @ None) = from.get_mut(place)
                && place != 0
            {
                *cell = Some((at(i, j), by));
                next.push_back(to);
            }
        };
        let (a, b) = (one.get(i).copied(), other.get(j).copied());
        let (past_i, past_j) = (i.saturating_add(1), j.saturating_add(1));
        if a == Some(Part::Any) {
            reach((past_i, j), None);
        }
        if b == Some(Part::Any) {
            reach((i, past_j), None);
        }
        if let (Some(a), Some(b)) = (a, b)
            && let Some(by) = both(a, b)
        {
            let after = |part, here, past| if part == Part::Any { here } else { past };
            reach((after(a, i, past_i), after(b, j, past_j)), Some(by));
        }
    }
    let (mut place, mut text) = (goal, Vec::new());
    while place != 0 {
        let (before, by) = (*from.get(place)?)?;
        text.extend(by);
        place = before;
    }
    Some(text.into_iter().rev().collect())
}

/// A character that both parts may stand for.
fn both(a: Part, b: Part) -> Option<char> {
    match (a, b) {
        (Part::Literal(a), Part::Literal(b)) => (a == b).then_some(a),
        (Part::Literal(c), _) | (_, Part::Literal(c)) => Some(c),
        (Part::One | Part::Any, Part::One | Part::Any) => Some('x'),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::pattern::Pattern;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    fn of(one: &str, other: &str) -> Option<String> {
        let services = [pattern("@conf.test").parts()];
        meet(&pattern(one).parts(), &pattern(other).parts(), &services)
    }

    #[test]
    fn two_patterns_meet_where_one_room_is_for_both() {
        for (one, other, room) in [
            ("*-board", "board-*", "board-board"),
            ("a*", "*a", "a"),
            ("a?", "?b", "ab"),
            ("tea", "tea", "tea"),
            ("a*c", "?b?", "abc"),
            ("[ab]c", "?c", "xc"),
            ("tea*", "*@conf.test", "tea@conf.test"),
            (r"\[acme\]*", "team-*", "[acme]team-"),
            ("ab?", "ab???????????", "abx@conf.test"),
        ] {
            assert!(of(one, other).is_some(), "{one} {other}");
            assert_eq!(of(other, one).is_some(), of(one, other).is_some());
            if !room.contains('@') {
                assert_eq!(of(one, other).as_deref(), Some(room), "{one} {other}");
            }
        }
        for (one, other) in [
            ("team-*", "board-*"),
            ("a?", "b?"),
            ("a*b", "b*a"),
            ("tea", "cup"),
            ("ab?", "ab??"),
            ("*@a.test", "*@b.test"),
            ("*-team1", "*-team2"),
            (r"\[acme\]*", r"\[evil\]*"),
        ] {
            assert_eq!(of(one, other), None, "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn what_meets_by_trying_meets(one in "[ab*?]{0,5}", other in "[ab*?]{0,5}") {
            prop_assume!(!one.is_empty() && !other.is_empty());
            let (a, b) = (pattern(&one), pattern(&other));
            let found = common(&a.parts(), &b.parts());
            let mut texts = vec![String::new()];
            for _ in 0..5 {
                let longer: Vec<String> = texts
                    .iter()
                    .flat_map(|text| ["a", "b", "x"].map(|c| format!("{text}{c}")))
                    .collect();
                texts.extend(longer);
                texts.sort();
                texts.dedup();
            }
            let tried = texts.iter().any(|text| a.is_match(text) && b.is_match(text));
            if let Some(text) = &found {
                prop_assert!(a.is_match(text) && b.is_match(text), "{}", text);
            }
            prop_assert!(found.is_some() || !tried);
        }
    }
}
