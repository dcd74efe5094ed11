//! Replay of the decision log: by the policy that made it, and by another.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use vestibule::component::audit::Audit;
use vestibule::component::engine::{Mode, PolicyEngine};
use vestibule::config::{Environment, load};
use vestibule::store::sqlite::Sqlite;
use vestibule::store::{Mask, Store};
use vestibule::wire::NS;
use vestibule::wire::request::Question;
use vestibule::xmpp::element::Document;

const SERVICE: &str = "conference.example.org";
const SECRET: (&str, &str) = ("VESTIBULE_COMPONENT__SECRET", "correct horse battery staple");
const POLICY: &str = r#"version = 2
[policy.moderators]
claim = "rank"
claim_values = ["chair"]
[policy.removal]
subject_claim = "sub"
"#;

/// A component with a log, and what it was asked.
struct Lab {
    home: TempDir,
    engine: Option<PolicyEngine>,
    asked: u32,
    now: Timestamp,
}

impl Lab {
    fn observing(mode: Mode) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("component.toml"), POLICY).unwrap();
        let now = Timestamp::from_second(1_767_268_800).unwrap();
        let mut lab = Self { home, engine: None, asked: 0, now };
        let policy = Arc::new(lab.load("component.toml"));
        let store = Store::open(Sqlite::new(lab.home.path().join("audit.db")), None).unwrap();
        let audit = Audit::open(&lab.log()).unwrap();
        let audit = audit.with_store("one".to_owned(), Mask::default(), Some(Arc::new(store)));
        lab.engine =
            Some(PolicyEngine::new(policy, [SERVICE.to_owned()], mode, audit, "r".to_owned()));
        lab
    }

    fn new() -> Self {
        Self::observing(Mode::Enforce)
    }

    fn log(&self) -> PathBuf {
        self.home.path().join("decisions.jsonl")
    }

    fn load(&self, file: &str) -> vestibule::policy::Policy {
        let environment = Environment::of([(SECRET.0.into(), SECRET.1.into())]);
        load(&self.home.path().join(file), &environment).unwrap().policy
    }

    fn ask(&mut self, kind: &str, who: &str, more: &str) {
        self.asked += 1;
        self.now += SignedDuration::from_secs(1);
        let (n, room) = (self.asked, self.asked % 3);
        let record = r#"{"v":1,"opened":"2026-01-01T11:55:00Z","opener":"ann@example.org","password":"generated"}"#;
        let state = format!(
            "<state occupants='1' moderators='1' password='true' existing='true'><record>{record}</record></state>"
        );
        let state = if kind == "open" { "" } else { &state };
        let question = format!(
            "<request xmlns='{NS}' kind='{kind}' attempt='a{n}' room='tea{room}@{SERVICE}' generation='g'>\
             <requester secure='true' nick='N' {who}</requester>{state}{more}</request>"
        );
        let question = Question::read(Document::parse(question.as_bytes(), "").unwrap().root());
        let (now, service) = (self.now, Arc::from(SERVICE));
        self.engine.as_mut().unwrap().question(&service, &question, now);
    }

    /// One attempt of each kind that the log treats in a way of its own.
    fn ask_all(&mut self) {
        let guest = "jid='bob@guest.example.org' session='client' host='guest.example.org' provider='anonymous' mechanism='ANONYMOUS' address='192.0.2.7' ticket='t'>";
        let chair = "jid='ann@example.org' session='client' host='example.org' provider='token' mechanism='ANONYMOUS' token-subject='*' token-room='*'><claim name='rank'>chair</claim><claim name='sub'>canary</claim><claim name='mail'>canary</claim>";
        let owner = "jid='ann@example.org' session='client' host='example.org' provider='internal_hashed' mechanism='SCRAM-SHA-1' affiliation='owner' role='moderator'>";
        self.ask("open", chair, "");
        for check in ["none", "wrong", "wrong", "wrong", "wrong", "wrong", "right"] {
            self.ask("join", guest, &format!("<credential check='{check}'/>"));
        }
        self.ask("join", chair, "<credential check='none'/>");
        self.ask("role", owner, "<item jid='eve@example.org' from='participant' to='none'/>");
        self.ask("destroy", owner, "");
        self.ask("configure", owner, "<field name='muc#roomconfig_roomsecret'/>");
        self.ask(
            "join",
            "jid='' session='client' host='' provider='anonymous' mechanism='ANONYMOUS'>",
            "",
        );
        self.ask("later", guest, "");
    }

    /// The log, complete.
    fn written(&mut self) -> String {
        self.engine = None;
        fs::read_to_string(self.log()).unwrap()
    }

    fn vestibule(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .args(arguments)
            .current_dir(self.home.path())
            .env(SECRET.0, SECRET.1)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn replay(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let arguments = [&["replay", "--config", "component.toml"], arguments].concat();
        let output = self.vestibule(&arguments, "");
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text + &String::from_utf8(output.stderr).unwrap())
    }

    fn totals(&self, arguments: &[&str]) -> Value {
        let (status, text) = self.replay(&[arguments, &["--json"]].concat());
        assert!(status == Some(0) || status == Some(1), "{text}");
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        last["totals"].clone()
    }
}

#[test]
fn the_policy_that_made_a_log_decides_it_alike_to_the_line() {
    for mode in [Mode::Enforce, Mode::Observe] {
        let mut lab = Lab::observing(mode);
        lab.ask_all();
        let text = lab.written();
        assert!(!text.contains("canary"), "{text}");
        let (status, said) = lab.replay(&["--exact", "decisions.jsonl"]);
        assert_eq!(status, Some(0), "{said}{text}");
        assert!(said.starts_with("14 lines, 14 decided again: 14 the same, 0 DIFFERENT"), "{said}");
        let observed = lab.totals(&["decisions.jsonl"])["observed"].clone();
        assert_eq!(observed, if mode == Mode::Observe { 14 } else { 0 });
    }
}

#[test]
fn a_log_that_says_otherwise_is_found_out() {
    let mut lab = Lab::new();
    lab.ask_all();
    let text = lab.written();
    for (true_word, false_word) in [
        (r#""verdict":"prompt""#, r#""verdict":"deny""#),
        (r#""rule":"password.required""#, r#""rule":"lobby.admission""#),
        (r#""line":0"#, r#""line":7"#),
        (r#""denial":"password-wrong""#, r#""denial":"lobby""#),
        (r#""credential":"wrong""#, r#""credential":"right""#),
        (r#""class":"guest""#, r#""class":"account""#),
    ] {
        assert!(text.contains(true_word), "{true_word}: {text}");
        fs::write(lab.log(), text.replacen(true_word, false_word, 1)).unwrap();
        let (status, said) = lab.replay(&["--exact", "decisions.jsonl"]);
        assert_eq!(status, Some(1), "{false_word}: {said}");
        assert!(said.contains("13 the same, 1 DIFFERENT") && said.contains("\n  was "), "{said}");
    }
}

#[test]
fn a_log_with_the_names_of_before_is_decided_alike() {
    let mut lab = Lab::new();
    lab.ask_all();
    let text = lab.written();
    let mut older = text.clone();
    for (before, now) in vestibule::policy::rules::RENAMED {
        older = older.replace(&format!(r#""rule":"{now}""#), &format!(r#""rule":"{before}""#));
    }
    for (before, now) in [
        (r#""v":1"#, r#""v":2"#),
        (r#""v":2"#, r#""v":3"#),
        (r#""behind":"#, r#""on_behalf_of":"#),
        (r#""banned":"#, r#""runtime_bans":"#),
        (r#""marks":"#, r#""fingerprints":"#),
    ] {
        older = older.replace(now, before);
    }
    assert!(older != text, "{text}");
    fs::write(lab.log(), older).unwrap();
    let (status, said) = lab.replay(&["--exact", "decisions.jsonl"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.starts_with("14 lines, 14 decided again: 14 the same, 0 DIFFERENT"), "{said}");
}

#[test]
fn another_policy_is_compared_by_how_attempts_end() {
    let mut lab = Lab::new();
    lab.ask_all();
    lab.written();
    let stricter = format!("{POLICY}\n[policy.lobby]\nadmission = \"password-and-lobby\"\n");
    fs::write(lab.home.path().join("new.toml"), stricter).unwrap();
    let totals = lab.totals(&["--policy", "new.toml", "decisions.jsonl"]);
    assert_eq!((&totals["decided"], &totals["by_another_revision"]), (&json!(14), &json!(14)));
    assert_eq!(totals["changed"], json!(1), "{totals}");
    assert_eq!(totals["by_verdict"], json!({"hold lobby -> prompt password-needed": 1}));
    assert_eq!(totals["by_rule"], json!({"lobby.admission -> password.required": 1}));
    assert_eq!(totals["by_class"], json!({"guest": 1}));
    assert_eq!(totals["by_kind"], json!({"join": 1}));
    assert_eq!(totals["by_room"], json!({"tea2@conference.example.org": 1}));
    let (status, said) = lab.replay(&["--policy", "new.toml", "decisions.jsonl"]);
    assert_eq!(status, Some(0));
    assert!(said.contains("was hold, by lobby.admission (default), lobby; class guest"), "{said}");
    assert!(said.contains("now prompt, by password.required (default)"), "{said}");

    let totals = lab.totals(&["--policy", "new.toml", "--exact", "decisions.jsonl"]);
    assert_eq!(totals["skipped"], json!({"other-revision": 14}));
    assert_eq!(lab.replay(&["--policy", "new.toml", "--exact", "decisions.jsonl"]).0, Some(1));
}

#[test]
fn what_the_log_does_not_know_is_said_and_not_guessed() {
    let mut lab = Lab::new();
    lab.ask_all();
    lab.written();
    let other = POLICY.replace(r#"claim = "rank""#, r#"claim = "mail""#);
    fs::write(lab.home.path().join("new.toml"), other).unwrap();
    let totals = lab.totals(&["--policy", "new.toml", "decisions.jsonl"]);
    assert_eq!(totals["skipped"], json!({"claim": 2}));
    assert_eq!(totals["decided"], json!(12));
}

#[test]
fn whoever_is_judged_again_after_a_reload_is_judged_again_in_a_replay() {
    let mut lab = Lab::new();
    let report = format!(
        "<report xmlns='{NS}' event='joined' room='tea@{SERVICE}' generation='g' nick='N' \
         jid='eve@example.org/x' session='client' host='example.org' provider='internal_hashed' mechanism='SCRAM-SHA-1' secure='true'/>"
    );
    let report = Document::parse(report.as_bytes(), "").unwrap();
    let now = lab.now;
    lab.engine.as_mut().unwrap().report(&Arc::from(SERVICE), report.root(), now);
    let banned = format!("{POLICY}\n[[ban]]\njid = \"eve@example.org\"\nreason = \"spam\"\n");
    fs::write(lab.home.path().join("component.toml"), banned).unwrap();
    let policy = Arc::new(lab.load("component.toml"));
    let engine = lab.engine.as_mut().unwrap();
    let before = engine.replace_policy(policy);
    assert_eq!(engine.judge_again(&before, None, now).0.removed.len(), 1);
    let text = lab.written();
    assert!(text.contains(r#""reevaluated":true"#), "{text}");
    assert_eq!(lab.replay(&["--exact", "decisions.jsonl"]).0, Some(0));
    fs::write(lab.home.path().join("old.toml"), POLICY).unwrap();
    let totals = lab.totals(&["--policy", "old.toml", "decisions.jsonl"]);
    assert_eq!(totals["by_verdict"], json!({"deny banned -> allow": 1}));
}

#[test]
fn no_line_is_passed_over_in_silence() {
    let mut lab = Lab::new();
    lab.ask_all();
    let text = lab.written();
    let (first, rest) = text.split_once('\n').unwrap();
    let event =
        r#"{"v":2,"at":"2026-01-01T12:00:00Z","event":"close","room":"tea@x","details":{}}"#;
    let old = r#"{"v":1,"at":"2026-01-01T12:00:00Z","id":"r-1","verdict":"allow","facts":{"auth":"account"}}"#;
    let newer = first.replacen(r#""facts":{"#, r#""facts":{"moon":"full","#, 1);
    let fault = first.replacen(r#""rule""#, r#""denial":"fault","rule""#, 1);
    let (torn, _) = first.split_at(first.len() / 2);
    let log = format!("{event}\n{old}\n\n{first}\n{fault}\n{newer}\nno line\n{rest}{torn}");
    fs::write(lab.home.path().join("decisions.jsonl"), log).unwrap();
    let skipped = json!({"event": 1, "other-version": 1, "fault": 1, "unreadable": 2, "torn": 1});
    let totals = lab.totals(&["decisions.jsonl"]);
    assert_eq!((&totals["skipped"], &totals["decided"]), (&skipped, &json!(14)));
    assert_eq!(totals["lines"], json!(14 + 6));
    let (status, said) = lab.replay(&["--exact", "decisions.jsonl"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("unknown field `moon`") && said.contains("no line"), "{said}");

    let between = ["--since", "2026-01-01T12:00:03Z", "--until", "2026-01-01T12:00:05Z"];
    let totals = lab.totals(&[&between[..], &["decisions.jsonl"]].concat());
    assert_eq!(totals["decided"], json!(2), "{totals}");
}

#[test]
fn rotated_logs_and_the_standard_input_are_read_in_turn() {
    let mut lab = Lab::new();
    lab.ask_all();
    let text = lab.written();
    fs::rename(lab.log(), lab.home.path().join("decisions.jsonl.1")).unwrap();
    let arguments =
        ["replay", "--config", "component.toml", "--json", "--exact", "decisions.jsonl.1", "-"];
    let output = lab.vestibule(&arguments, &text);
    assert_eq!(output.status.code(), Some(0));
    let totals: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(totals["totals"]["same"], json!(28));
    let (status, said) = lab.replay(&["decisions.jsonl.1", "none.jsonl"]);
    assert_eq!(status, Some(2));
    assert!(said.contains("cannot read none.jsonl"), "{said}");
    assert!(Path::new(&lab.home.path().join("decisions.jsonl.1")).exists());
}

#[test]
fn a_long_log_is_told_in_order_whatever_the_threads_do() {
    let mut lab = Lab::new();
    lab.ask_all();
    let text = lab.written();
    let wrong = text.lines().find(|line| line.contains("password-wrong")).unwrap();
    let lie = wrong.replace(r#""verdict":"prompt""#, r#""verdict":"allow""#);
    let log: String =
        (0..6000).map(|n| lie.replace(r#""id":"r-"#, &format!(r#""id":"{n}-"#)) + "\n").collect();
    assert!(log.len() > 10 * 256 * 1024);
    fs::write(lab.home.path().join("decisions.jsonl"), log).unwrap();
    let (_, said) = lab.replay(&["--all", "--json", "decisions.jsonl"]);
    let ids: Vec<u32> = said
        .lines()
        .filter_map(|line| {
            let found: Value = serde_json::from_str(line).unwrap();
            let id = found["change"]["id"].as_str()?;
            Some(id.split('-').next().unwrap().parse().unwrap())
        })
        .collect();
    assert_eq!(ids, (0..6000).collect::<Vec<_>>());
    let (_, said) = lab.replay(&["--first", "3", "decisions.jsonl"]);
    assert_eq!(said.matches("  was ").count(), 3);
    assert!(said.contains("... 5997 more"), "{said}");
}

#[test]
fn check_says_what_of_a_file_the_log_has_not_met() {
    let mut lab = Lab::new();
    lab.ask_all();
    lab.written();
    let file = r#"
[[room]]
match = "tea*"
close = { at_occupants = 9 }
[[room]]
match = "board-*"
close = { at_occupants = 9 }
[[ban]]
network = "192.0.2.0/24"
reason = "met"
[[ban]]
jid = "mallory@example.org"
reason = "not met"
[[exception]]
domain = "guest.example.org"
rules = ["password.guesses.burst"]
reason = "nothing of it is proved: not met"
[[exception]]
room = "tea1"
rules = ["password.guesses.burst"]
reason = "met"
"#;
    fs::write(lab.home.path().join("new.toml"), file).unwrap();
    for log in ["decisions.jsonl", "audit.db"] {
        let output = lab.vestibule(&["check", "new.toml", "--log", log], "");
        let shown = String::from_utf8(output.stdout).unwrap();
        let unseen: Vec<_> = shown.lines().filter(|line| line.starts_with("unseen: ")).collect();
        let expected = [
            "unseen: new.toml:5: room `board-*`: nothing in the log has met it",
            "unseen: new.toml:11: ban: nothing in the log has met it",
            "unseen: new.toml:14: exception: nothing in the log has met it",
        ];
        assert_eq!(unseen, expected, "{log}: {shown}");
        let last = shown.lines().last().unwrap();
        assert!(
            last.starts_with("the log has 14 decisions on 3 rooms, from 2026-01-01T12:00:01Z"),
            "{log}: {last}"
        );
    }
    let missing = lab.vestibule(&["check", "new.toml", "--log", "nothing"], "");
    assert_eq!(missing.status.code(), Some(2));
    let as_json = |arguments: &[&str]| {
        let output = lab.vestibule(arguments, "");
        (output.status.success(), serde_json::from_slice::<Value>(&output.stdout).unwrap())
    };
    let (is_valid, found) = as_json(&["check", "--json", "new.toml", "--log", "audit.db"]);
    assert!(is_valid && found["valid"] == true && found["revision"].is_string(), "{found}");
    assert_eq!(found["unmet"].as_array().unwrap().len(), 4, "{found}");
    fs::write(lab.home.path().join("bad.toml"), "[policy.lobby]\nadmission = 7\n").unwrap();
    let (is_valid, found) = as_json(&["check", "--json", "bad.toml"]);
    let problem = &found["problems"][0];
    assert!(!is_valid && found["valid"] == false && problem["line"] == 2, "{found}");
    assert_eq!(problem["key"], "policy.lobby.admission");
    let (is_valid, found) = as_json(&["check", "--json", "/dev/zero"]);
    let message = found["problems"][0]["message"].as_str().unwrap();
    assert!(!is_valid && message.ends_with("a device or a pipe, not a file"), "{found}");
}
