//! Golden decisions: `tests/cases/*.toml`, each file a family, each case a sentence.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

#[path = "support/case.rs"]
mod case;
#[path = "support/lines.rs"]
mod lines;
#[path = "support/policies.rs"]
mod policies;

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use case::{Case, File, effects_in_short, in_short, would_in_short};
use policies::{now, policy};
use vestibule::policy::attempt::Action;
use vestibule::policy::decide::{decide, reevaluate};
use vestibule::policy::denial::Denial;
use vestibule::policy::facts::explain;
use vestibule::policy::overrides::{Override, Overrides, Selector};
use vestibule::policy::rules::{Mode, named};

#[test]
fn every_case_is_decided_as_written() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut names = HashSet::new();
    let mut wrong = Vec::new();
    let mut count = 0;
    for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        let file_name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let file: File = toml::from_str(&text).unwrap_or_else(|e| panic!("{file_name}: {e}"));
        for case in file.case {
            count += 1;
            if let Err(why) = check(&case) {
                wrong.push(format!("{file_name}: {}\n{why}", case.name));
            }
            assert!(names.insert(case.name.clone()), "{file_name}: two cases: {}", case.name);
        }
    }
    assert!(wrong.is_empty(), "{} of {count} cases:\n\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(count >= 100, "only {count} cases were found");
}

fn check(case: &Case) -> Result<(), String> {
    let mut policy = policy(&case.policy).ok_or(format!("  no policy `{}`", case.policy))?;
    let base = Arc::make_mut(&mut policy.base);
    for (name, mode) in &case.modes {
        let mode = Mode::ALL.into_iter().find(|known| known.name() == mode).unwrap();
        assert!(named(name).next().is_some(), "`{name}` is no rule");
        Arc::make_mut(&mut base.modes).put(named(name), mode, 50);
    }
    let lines = lines::number(base);
    policy.activate();
    let (attempt, room, pressure) = (case.attempt(), case.room(), case.pressure());
    let rules = policy.rules_of(&attempt, &room, now());
    let decision = decide(&policy, &rules, &attempt, &room, &pressure, now());
    let mut wrong = Vec::new();
    let mut same = |what: &str, expected: &str, found: &str| {
        if expected != found {
            wrong.push(format!("  {what}\n    expected {expected}\n    found    {found}"));
        }
    };
    same("verdict, rule, denial", &case.expect, &in_short(&decision));
    same("would", case.would.as_deref().unwrap_or("-"), &would_in_short(&decision));
    same("exceptions", &format!("{:?}", case.exceptions), &format!("{:?}", decision.exceptions));
    for rule in [Some(decision.rule), decision.would.as_ref().map(|would| would.rule)] {
        let Some((rule, line)) = rule.and_then(|rule| Some((rule, lines.get(rule.name)?))) else {
            continue;
        };
        same("line of the rule", &line.to_string(), &rule.line.to_string());
    }
    if let Some(class) = &case.class {
        same("class", class, decision.class.name());
    }
    if let Some(effects) = &case.effects {
        same("effects", &effects.join(", "), &effects_in_short(&decision.effects).join(", "));
    }
    if matches!(attempt.action, Action::Join { .. }) {
        // Whom these rules keep out does not stay inside either, whatever he knew at the door.
        let of_access = ["unreadable", "ban", "room.outcast", "access.encrypted", "access.enter"];
        let is_removed = matches!(decision.denial, Some(Denial::Removed { .. }));
        let goes = is_removed || of_access.contains(&decision.rule.name);
        let goes = goes.then(|| in_short(&decision));
        let again = reevaluate(&policy, &rules, &attempt, &room, now());
        let again = again.as_ref().map_or("he stays".to_owned(), in_short);
        same("the same inside", &goes.unwrap_or("he stays".to_owned()), &again);
    }
    let explanation = explain(&policy, &rules, &attempt, &room, &pressure, now());
    if let Some(changes) = &case.changes {
        let found: Vec<_> = explanation
            .changes
            .iter()
            .map(|change| format!("{}: {}", change.what, change.decision.verdict.name()))
            .collect();
        same("changes", &changes.join(", "), &found.join(", "));
    }
    same("explanation", &format!("{decision:?}"), &format!("{:?}", explanation.decision));
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

#[test]
fn whoever_takes_the_place_of_the_opener_brings_the_claims_by_which_rules_are_chosen() {
    let case: Case = toml::from_str(
        r#"
        name = "the next who may open rooms"
        do = "join"
        who = { client = "jitsi" }
        room = { jid = "tea@meet.example.org", lobby = true, members_only = true, occupants = 0, moderators = 0, awaited = 1 }
        expect = "allow moderators.assign"
        "#,
    )
    .unwrap();
    let staff = ("group".to_owned(), "staff".to_owned());
    let selector =
        Selector { claim: Some((staff.0.clone(), vec![staff.1.clone()])), ..Selector::default() };
    let mut policy = policy("default").unwrap();
    let rules = Arc::clone(&policy.base);
    let one = Override { selector, priority: 0, profile: None, line: 3, rules };
    policy.rooms = Overrides::new(vec![one], Vec::new()).unwrap();
    let (mut attempt, room) = (case.attempt(), case.room());
    attempt.requester.auth = vestibule::policy::attempt::Auth::Token;
    attempt.requester.claims = vec![staff.clone(), ("email".to_owned(), "a@b.example".to_owned())];
    let rules = policy.rules_of(&attempt, &room, now());
    let decision = decide(&policy, &rules, &attempt, &room, &case.pressure(), now());
    assert_eq!(decision.effects.record.unwrap().claims, [staff]);
}
