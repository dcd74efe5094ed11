//! The page: a bundle for the eye, with the bundle in it. It asks nothing of anybody, and runs nothing.

mod story;
mod text;
mod timeline;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use self::text::{base64, escaped, get, moment, whole};
use super::seal::{canonical, seal};

/// The text before the JSON in a page. No name can contain it: every `<` of one is escaped.
pub(super) const OPENING: &str = "<script type=\"application/json\" id=\"incident\">";
/// The text after it.
pub(super) const CLOSING: &str = "</script>";

const STYLE: &str = include_str!("style.css");

/// The page of a bundle, the same for the same bundle.
pub fn page(bundle: &Value) -> String {
    let sha256 = seal(bundle);
    let style = base64(&Sha256::digest(STYLE));
    let about = bundle.get("about").unwrap_or(&Value::Null);
    let (room, person) = (get(about, "room"), get(about, "person"));
    let title = match (room, person) {
        (Some(room), Some(person)) => format!("{person} in {room}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "Incident".to_owned(),
    };
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{style}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Incident: {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        escaped(&title)
    );
    out.push_str(&format!(
        "<header>\n<p class=\"kind\">Incident report</p>\n<h1><bdi>{}</bdi></h1>\n",
        escaped(&title)
    ));
    out.push_str(&facts(bundle, about, &sha256));
    out.push_str("</header>\n<main>\n");
    out.push_str(&timeline::section(bundle));
    out.push_str(&story::decisions(bundle));
    out.push_str(&story::actions(bundle));
    out.push_str(&story::everything(bundle));
    out.push_str(&story::policies(bundle));
    out.push_str(&checking(&sha256));
    out.push_str("</main>\n");
    let sealed = serde_json::json!({ "sha256": sha256, "incident": bundle });
    out.push_str(OPENING);
    out.push_str(&embedded(&canonical(&sealed)));
    out.push_str(CLOSING);
    out.push_str("\n</body>\n</html>\n");
    out
}

/// JSON in which nothing can end the element that it stands in.
fn embedded(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            other => out.push(other),
        }
    }
    out
}

/// Returns what the page is about, at a glance.
fn facts(bundle: &Value, about: &Value, sha256: &str) -> String {
    let by = bundle.get("by").unwrap_or(&Value::Null);
    let count = |name: &str| bundle.get(name).and_then(Value::as_array).map_or(0, Vec::len);
    let mut people: Vec<&str> = timeline::all(bundle).filter_map(|it| get(it, "person")).collect();
    people.sort_unstable();
    people.dedup();
    let mut rows = vec![
        ("From", moment(get(about, "since"))),
        ("Until", moment(get(about, "until"))),
        (
            "Made",
            format!(
                "{} by <bdi>{}</bdi> ({}, {}), on <bdi>{}</bdi>",
                moment(get(bundle, "made")),
                escaped(get(by, "name").unwrap_or("?")),
                escaped(get(by, "role").unwrap_or("?")),
                escaped(get(by, "interface").unwrap_or("?")),
                escaped(get(bundle, "server").unwrap_or("?")),
            ),
        ),
        ("Holds", format!("{} entries, {} people", count("entries"), people.len())),
        ("SHA-256", format!("<code>{sha256}</code>")),
    ];
    if let Some(note) = get(about, "note") {
        rows.insert(0, ("Note", format!("<bdi>{}</bdi>", escaped(note))));
    }
    let mut out = "<dl>\n".to_owned();
    for (name, value) in rows {
        out.push_str(&format!("<div><dt>{name}</dt><dd>{value}</dd></div>\n"));
    }
    out.push_str("</dl>\n");
    if bundle.get("cut") == Some(&Value::Bool(true)) {
        out.push_str(
            "<p class=\"warning\">There was more than fits: the oldest entries of this time are not here. \
             Ask for a shorter time.</p>\n",
        );
    }
    if let Some(lost) = whole(bundle, "lost").filter(|lost| *lost > 0) {
        out.push_str(&format!(
            "<p class=\"warning\">Since it started, the component could not write down {lost} entries: \
             something may be missing here.</p>\n"
        ));
    }
    out
}

fn checking(sha256: &str) -> String {
    format!(
        "<section aria-labelledby=\"check\">\n<h2 id=\"check\">To check this file</h2>\n\
         <p><code>vestibule incident --verify FILE</code> computes the checksum of the JSON in this file again, and this page \
         again from the JSON, and compares both. The checksum was told to the person who made the file, too: \
         <code>{sha256}</code>. All times are UTC.</p>\n</section>\n"
    )
}
