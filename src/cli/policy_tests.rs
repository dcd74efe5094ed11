//! `test`: runs policy tests and prints those that fail.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::broken;
use super::out::{Ended, say, status};
use super::running::explained;
use crate::app::now;
use crate::config::{Loaded, load_trials};
use crate::policy::Policy;
use crate::proof::policy_tests;
use crate::proof::policy_tests::{Coverage, Outcome, run};

/// Arguments of `test`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The file of tests
    #[arg(value_name = "TESTS")]
    tests: PathBuf,
    /// Write the results to this file, as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Show which rules and overrides of the policy no test has reached
    #[arg(long)]
    coverage: bool,
    /// Fail unless this percentage of the rules and overrides is reached
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(..=100))]
    min_coverage: Option<u8>,
}

/// Runs the tests on a policy file, and prints those that fail.
pub(super) fn by_file(file: &Path, loaded: &Loaded, arguments: &Arguments, json: bool) -> Ended {
    let trials = load_trials(&arguments.tests).map_err(broken)?;
    let (outcomes, coverage) = run(&loaded.policy, &trials, now());
    let tests = arguments.tests.display().to_string();
    if let Some(path) = &arguments.junit {
        policy_tests::junit(&tests, &file.display().to_string(), &outcomes)
            .and_then(|xml| fs::write(path, xml))
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.wrong.is_empty()).collect();
    let is_covered =
        arguments.min_coverage.is_none_or(|least| coverage.percent() >= usize::from(least));
    if json {
        say(&in_json(&loaded.policy, &outcomes, failed.len(), &coverage));
    } else {
        for outcome in &failed {
            say(&failure(&tests, file, &loaded.policy, outcome));
        }
        say(&format!("{} tests, {} failed", outcomes.len(), failed.len()));
        if arguments.coverage || !is_covered {
            say(&covered(&coverage));
        }
    }
    Ok(status(failed.is_empty() && is_covered))
}

fn failure(tests: &str, file: &Path, policy: &Policy, outcome: &Outcome<'_>) -> String {
    let trial = outcome.trial;
    let mut lines = vec![format!("FAILED {tests}:{}: {}", trial.line, trial.name)];
    for (what, expected, found) in &outcome.wrong {
        lines.push(format!("  {what}: expected {expected}, found {found}"));
    }
    if let Ok(tried) = &outcome.tried {
        let words = explained(tried, policy).in_words(Some(file));
        lines.extend(words.lines().map(|line| format!("    {line}")));
    }
    lines.join("\n")
}

fn covered(coverage: &Coverage) -> String {
    let missed = coverage.missed();
    let mut lines = vec![format!(
        "{} % of {} rules and overrides were reached",
        coverage.percent(),
        coverage.all()
    )];
    lines.extend(missed.iter().map(|what| format!("  not reached: {what}")));
    lines.join("\n")
}

fn in_json(policy: &Policy, outcomes: &[Outcome<'_>], failed: usize, coverage: &Coverage) -> Value {
    let tests = outcomes.iter().map(|outcome| {
        let wrong = outcome.wrong.iter().map(
            |(what, expected, found)| json!({ "what": what, "expected": expected, "found": found }),
        );
        let tried = outcome.tried.as_ref().ok();
        json!({
            "name": outcome.trial.name,
            "line": outcome.trial.line,
            "passed": outcome.wrong.is_empty(),
            "wrong": wrong.collect::<Vec<_>>(),
            "explained": tried.map(|tried| explained(tried, policy)),
        })
    });
    json!({
        "tests": tests.collect::<Vec<_>>(),
        "failed": failed,
        "coverage": {
            "percent": coverage.percent(),
            "all": coverage.all(),
            "missed": coverage.missed(),
        },
    })
}
