//! The shipped alert rules and dashboard name only metrics and labels that exist.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn metrics() -> BTreeSet<String> {
    vestibule::app::names_of_samples().into_iter().collect()
}

/// The names of metrics in a text.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_metric = |word: &&str| word.starts_with("vestibule_") || word.starts_with("process_");
    words.filter(is_metric).map(str::to_owned).collect()
}

/// Each label that is asked for, with its values, like `deed` and `failed-open`; `by (…)` too.
fn labels(text: &str) -> BTreeSet<(String, String)> {
    let text = text.replace("\\\"", "\"");
    let mut labels = BTreeSet::new();
    let ends = ["_total{", "_info{", "_findings{"];
    for selector in ends.into_iter().flat_map(|end| text.split(end).skip(1)) {
        let inside = selector.split('}').next().unwrap();
        for pair in inside.split(',').filter_map(|pair| pair.split_once('=')) {
            let values = pair.1.trim_start_matches('~').trim_matches('"').split('|');
            labels.extend(values.map(|value| (pair.0.to_owned(), value.to_owned())));
        }
    }
    labels
}

#[test]
fn alerts_and_dashboard_name_metrics_that_there_are() {
    let metrics = metrics();
    assert!(
        metrics.len() > 35 && metrics.contains("vestibule_answer_seconds_bucket"),
        "{metrics:?}"
    );
    for file in ["monitoring/vestibule.rules.yml", "monitoring/vestibule.json"] {
        let named = named(&read(file));
        let unknown: Vec<_> = named.difference(&metrics).collect();
        assert!(named.len() > 10 && unknown.is_empty(), "{file} names {unknown:?}");
    }
}

#[test]
fn alerts_and_dashboard_ask_for_labels_that_there_are() {
    let sources = [
        "src/app/api_backend.rs",
        "src/component/metrics.rs",
        "src/control/reply.rs",
        "src/control/reply.rs",
        "src/policy/verdict.rs",
    ];
    let source = sources.map(read).concat();
    let words: BTreeSet<_> =
        source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').collect();
    for file in ["monitoring/vestibule.rules.yml", "monitoring/vestibule.json"] {
        let labels = labels(&read(file));
        assert!(labels.len() > 2, "{file}: {labels:?}");
        for (label, value) in labels {
            for word in [label, value] {
                assert!(words.contains(&*word), "{file}: {word}");
            }
        }
    }
}

#[test]
fn every_metric_and_every_alert_is_explained_and_no_other() {
    let document = read("docs/monitoring.md");
    let table = document.split("| metric | what |").nth(1).unwrap();
    let rows: String = table.lines().skip(1).take_while(|row| row.starts_with('|')).collect();
    let is_histogram_part =
        |name: &&String| ["_bucket", "_sum", "_count"].iter().any(|end| name.ends_with(end));
    let (parts, whole): (BTreeSet<_>, BTreeSet<_>) =
        metrics().into_iter().partition(|name| is_histogram_part(&name));
    let ends = parts.iter().filter_map(|name| name.strip_suffix("_bucket")).map(str::to_owned);
    let expected: BTreeSet<_> = whole.into_iter().chain(ends).collect();
    let first = rows.split("| `").skip(1).flat_map(|row| named(row.split(" | ").next().unwrap()));
    assert_eq!(first.collect::<BTreeSet<_>>(), expected);
    let rules = read("monitoring/vestibule.rules.yml");
    let alerts: Vec<_> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10);
    for alert in alerts {
        assert!(document.contains(&format!("| `{alert}` |")), "{alert}");
    }
}

#[test]
fn the_dashboard_is_json_whose_panels_do_not_lie_on_each_other() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("monitoring/vestibule.json")).unwrap();
    let mut cells = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for x in at("x")..at("x") + at("w") {
            assert!(x < 24);
            for y in at("y")..at("y") + at("h") {
                assert!(cells.insert((x, y)), "{}", panel["title"]);
            }
        }
    }
}
