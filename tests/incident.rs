//! Properties of the file of an incident, whatever the audit contains.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use vestibule::incident::{About, Context, bundle, check, page, seal};
use vestibule::store::{By, Entry, Kind};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_500_000 + second).unwrap()
}

fn made(entries: &[Entry], note: &str) -> Value {
    let about = About {
        room: Some("tea@conference.example.org".to_owned()),
        since: at(0),
        until: at(3600),
        note: Some(note.to_owned()),
        person: None,
    };
    let by = By { face: "http".into(), name: "anna".to_owned(), role: "duty".into() };
    let context =
        Context { by: &by, now: at(3600), server: "v.example.org", is_cut: false, lost: 0 };
    let policies: Vec<Entry> =
        entries.iter().filter(|entry| entry.kind == Kind::Revision).cloned().collect();
    bundle(&about, entries, &[], &policies, &context)
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let nasty = prop_oneof![
        4 => ".{0,20}",
        1 => Just("</script><script>alert(1)</script>".to_owned()),
        1 => Just("<!--<script type=\"application/json\" id=\"incident\">".to_owned()),
        1 => Just("\u{202e}gpj.exe\u{2028}&#x3c;".to_owned()),
    ];
    let body = nasty.clone().prop_map(|text| json!({ "session": text, "text": text, "why": text }));
    (0..Kind::ALL.len(), nasty.clone(), nasty, body, 0..4000_i64).prop_map(
        |(kind, one, other, body, second)| Entry {
            room: Some(one.clone()),
            person: Some(other.clone()),
            nick: Some(one.clone()),
            rule: Some(other.clone().into()),
            verdict: Some(one.clone().into()),
            reason: Some(one.clone()),
            revision: Some(other.clone()),
            by: Some(By { face: one.into(), name: other, role: "duty".into() }),
            body: body.to_string(),
            ..Entry::new(Kind::ALL[kind], at(second))
        },
    )
}

proptest! {
    #[test]
    fn nothing_that_was_said_breaks_out_of_the_page_and_the_file_is_whole(
        mut entries in proptest::collection::vec(any_entry(), 0..20), note in ".{0,20}"
    ) {
        entries.sort_by_key(|entry| entry.at);
        let bundle = made(&entries, &note);
        let page = page(&bundle);
        prop_assert_eq!(page.matches("<script").count(), 1);
        prop_assert_eq!(page.matches("</script").count(), 1);
        prop_assert!(!page.contains("<!--"));
        let shown = page.split("<script").next().unwrap();
        prop_assert!(!shown.contains('\u{202e}'), "a name turns the line");
        let checked = check(&page).unwrap();
        prop_assert!(checked.is_whole() && checked.page == Some(true));
        prop_assert_eq!(&checked.sha256, &seal(&bundle));
        let alone = json!({ "sha256": seal(&bundle), "incident": bundle }).to_string();
        prop_assert!(check(&alone).unwrap().is_whole());
    }

    #[test]
    fn a_byte_that_differs_is_noticed(place in 0.0..1.0_f64, entry in any_entry()) {
        let page = page(&made(&[entry], "a note"));
        let bytes = page.as_bytes();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1")]
        let place = (bytes.len() as f64 * place) as usize;
        let mut changed = bytes.to_vec();
        changed[place] = if changed[place] == b'x' { b'y' } else { b'x' };
        let Ok(changed) = String::from_utf8(changed) else { return Ok(()) };
        prop_assert!(check(&changed).is_ok_and(|checked| !checked.is_whole()) || check(&changed).is_err());
    }
}

#[test]
fn ten_thousand_entries_make_a_page_that_can_be_read() {
    let entries: Vec<Entry> = (0..10_000)
        .map(|number| Entry {
            room: Some("tea@conference.example.org".to_owned()),
            person: Some(format!("p{number}@example.org")),
            nick: Some(format!("P {number}")),
            ..Entry::new(if number % 2 == 0 { Kind::Joined } else { Kind::Left }, at(number / 3))
        })
        .collect();
    let page = page(&made(&entries, "many"));
    assert!(page.contains("8000 more rows are in the JSON."));
    assert!(page.contains("9800 more people are in the JSON."));
    assert!(check(&page).unwrap().is_whole());
}
