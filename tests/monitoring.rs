//! The alert rules and the dashboard that are shipped name metrics and labels that there are.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The names under which the metrics of `src/http/metrics.rs` are read, by their types.
fn metrics() -> BTreeSet<String> {
    let source = read("src/http/metrics.rs");
    let mut names = BTreeSet::new();
    for (call, ends) in [
        ("info(", &["_info"][..]),
        ("flag(", &[""]),
        ("gauge(", &[""]),
        ("gauges(", &[""]),
        ("counter(", &["_total"]),
        ("counters(", &["_total"]),
        ("histogram(", &["_bucket", "_sum", "_count"]),
    ] {
        for rest in source.split(&format!("to.{call}")).skip(1) {
            let name = rest.trim_start().strip_prefix('"').unwrap().split('"').next().unwrap();
            names.extend(ends.iter().map(|end| format!("{name}{end}")));
        }
    }
    names
}

/// The names of metrics in a text.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_metric =
        |word: &&str| word.starts_with("vestibule_") || word.starts_with("process_start_time");
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
    let source = read("src/http/metrics.rs")
        + &read("src/component/decided.rs")
        + &read("src/policy/verdict.rs")
        + &read("src/control/room_line.rs");
    for file in ["monitoring/vestibule.rules.yml", "monitoring/vestibule.json"] {
        let labels = labels(&read(file));
        assert!(labels.len() > 2, "{file}: {labels:?}");
        for (label, value) in labels {
            for word in [label, value] {
                assert!(source.contains(&format!("\"{word}\"")), "{file}: {word}");
            }
        }
    }
}

#[test]
fn every_metric_and_every_alert_is_explained() {
    let document = read("docs/monitoring.md");
    for name in metrics() {
        let name = ["_bucket", "_sum", "_count"]
            .iter()
            .fold(&*name, |name, end| name.strip_suffix(end).unwrap_or(name));
        assert!(document.contains(&format!("`{name}")), "{name}");
    }
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
