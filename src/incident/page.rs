//! The HTML page of an incident, with its bundle embedded. It loads nothing and runs no scripts.

use std::collections::{BTreeMap, BTreeSet};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::bundle::{canonical, seal};
use crate::policy::messages::{counted, is_invisible};

/// Text before the JSON in a page. No name can contain it: every `<` in a name is escaped.
pub(super) const OPENING: &str = "<script type=\"application/json\" id=\"incident\">";
/// Text after the JSON in a page.
pub(super) const CLOSING: &str = "</script>";

const STYLE: &str = include_str!("page.css");

/// Renders a bundle as an HTML page. The same bundle gives the same page.
pub fn page(bundle: &Value) -> String {
    let sha256 = seal(bundle);
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    let about = bundle.get("about").unwrap_or(&Value::Null);
    let title = match (get(about, "room"), get(about, "person")) {
        (Some(room), Some(person)) => escaped(&format!("{person} in {room}")),
        (Some(one), None) | (None, Some(one)) => escaped(one),
        (None, None) => "Incident".to_owned(),
    };
    let facts = facts(bundle, about, &sha256);
    let sections = [
        section(bundle),
        decisions(bundle),
        actions(bundle),
        everything(bundle),
        policies(bundle),
        checking(&sha256),
    ];
    let sealed = canonical(&serde_json::json!({ "sha256": sha256, "incident": bundle }));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{style}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Incident: {title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<p class=\"kind\">Incident report</p>\n<h1><bdi>{title}</bdi></h1>\n\
         {facts}</header>\n<main>\n{}</main>\n{OPENING}{}{CLOSING}\n</body>\n</html>\n",
        sections.concat(),
        embedded(&sealed),
    )
}

/// Escapes JSON so that nothing in it can end the `<script>` element that contains it.
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

fn held(entries: usize, people: usize) -> String {
    let entries = counted(entries, "entry", "entries");
    format!("{entries}, {}", counted(people, "person", "people"))
}

/// Returns the header of the page: scope, time, origin, size and checksum.
fn facts(bundle: &Value, about: &Value, sha256: &str) -> String {
    let by = bundle.get("by").unwrap_or(&Value::Null);
    let count = |name: &str| bundle.get(name).and_then(Value::as_array).map_or(0, Vec::len);
    let people: BTreeSet<&str> = all(bundle).filter_map(|it| get(it, "person")).collect();
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
        ("Holds", held(count("entries"), people.len())),
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
            "<p class=\"warning\">Since it started, the component could not write down {}: \
             something may be missing here.</p>\n",
            counted(lost, "entry", "entries")
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

/// The largest number of rows in a table; the JSON has them all.
const MOST: usize = 2000;

/// Returns the table cell of an entry's room, or nothing if the incident is about one room.
fn room(bundle: &Value, entry: &Value) -> String {
    if is_of_one_room(bundle) {
        return String::new();
    }
    format!("<td><bdi>{}</bdi></td>", escaped(get(entry, "room").unwrap_or_default()))
}

fn is_of_one_room(bundle: &Value) -> bool {
    bundle.get("about").is_some_and(|about| get(about, "room").is_some())
}

fn decisions(bundle: &Value) -> String {
    let row = |entry: &Value| {
        let verdict = get(entry, "verdict").unwrap_or("?");
        let why = get(entry, "in_words").unwrap_or_default();
        let rule = get(entry, "rule").unwrap_or("?");
        let line = match whole(entry, "line") {
            None | Some(0) => "default".to_owned(),
            Some(line) => format!("line {line}"),
        };
        format!(
            "<td><span class=\"verdict {0}\">{0}</span></td><td><bdi>{1}</bdi></td><td><code>{2}</code> {line}</td>\
             <td><code>{3}</code></td>",
            escaped(verdict),
            escaped(why),
            escaped(rule),
            escaped(get(entry, "revision").unwrap_or("?")),
        )
    };
    let columns = ["When", "Verdict", "Who wanted what, and why", "Rule", "Policy"];
    table(bundle, "decisions", "What was decided", &columns, &["decision"], row)
}

fn actions(bundle: &Value) -> String {
    let row = |entry: &Value| {
        let outcome = get(entry, "outcome").unwrap_or("?");
        format!(
            "<td><span class=\"verdict {0}\">{0}</span></td><td><bdi>{1}</bdi></td>{2}",
            escaped(outcome),
            escaped(get(entry, "in_words").unwrap_or_default()),
            room(bundle, entry),
        )
    };
    let columns = ["When", "Outcome", "Who did what", "Room"];
    table(bundle, "actions", "What operators did", &columns, &["action"], row)
}

/// Returns the table of all entries, in the order of time.
fn everything(bundle: &Value) -> String {
    let row = |entry: &Value| {
        format!(
            "<td><span class=\"what\">{}</span></td><td><bdi>{}</bdi></td>{}",
            escaped(get(entry, "kind").unwrap_or("?")),
            escaped(get(entry, "in_words").unwrap_or_default()),
            room(bundle, entry),
        )
    };
    let columns = ["When", "What", "In words", "Room"];
    table(bundle, "everything", "Everything that happened", &columns, &[], row)
}

/// Returns the section with each policy that was in force.
fn policies(bundle: &Value) -> String {
    let mut out =
        "<section aria-labelledby=\"policy\">\n<h2 id=\"policy\">The policy at that time</h2>\n"
            .to_owned();
    let policies = list(bundle, "policies");
    if policies.is_empty() {
        out.push_str("<p>It is not written down.</p>\n");
    }
    for entry in policies {
        let body = entry.get("body").unwrap_or(&Value::Null);
        let text = get(body, "text").unwrap_or_default();
        let revision = escaped(get(entry, "revision").unwrap_or("?"));
        let since = moment(get(entry, "at"));
        out.push_str(&format!("<h3>Policy <code>{revision}</code>, in force since {since}</h3>\n"));
        out.push_str(&changes(body));
        let lines: String =
            text.lines().map(|line| format!("<li>{}</li>", escaped(line))).collect();
        out.push_str(&format!(
            "<details><summary>The file, {}, without its secrets</summary>\n<ol class=\"file\">{lines}</ol></details>\n",
            counted(text.lines().count(), "line", "lines")
        ));
    }
    out.push_str("</section>\n");
    out
}

fn changes(body: &Value) -> String {
    let changes = list(body, "changes");
    if changes.is_empty() {
        return String::new();
    }
    let side = |change: &Value, name: &str| {
        let value = change.get(name).and_then(|said| get(said, "value"));
        value.map_or_else(
            || "<i>default</i>".to_owned(),
            |it| format!("<code>{}</code>", escaped(it)),
        )
    };
    let rows: String = changes
        .iter()
        .map(|change| {
            format!(
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>\n",
                escaped(get(change, "key").unwrap_or("?")),
                side(change, "before"),
                side(change, "after"),
            )
        })
        .collect();
    format!(
        "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">What it changed</th><th scope=\"col\">Before</th>\
         <th scope=\"col\">After</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    )
}

/// Returns the entries of these kinds (of all kinds, if none is named) as a table.
fn table(
    bundle: &Value,
    id: &str,
    title: &str,
    columns: &[&str],
    kinds: &[&str],
    row: impl Fn(&Value) -> String,
) -> String {
    let is_one = |entry: &&Value| {
        kinds.is_empty() || get(entry, "kind").is_some_and(|kind| kinds.contains(&kind))
    };
    let entries: Vec<&Value> = list(bundle, "entries").iter().filter(is_one).collect();
    let mut out = format!("<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n");
    if entries.is_empty() {
        return out + "<p>Nothing.</p>\n</section>\n";
    }
    let is_shown = |column: &&&str| **column != "Room" || !is_of_one_room(bundle);
    let columns = columns.iter().filter(is_shown);
    let heads: String = columns.map(|it| format!("<th scope=\"col\">{it}</th>")).collect();
    out.push_str(&format!(
        "<div class=\"scroll\"><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n"
    ));
    for entry in entries.iter().take(MOST) {
        out.push_str(&format!("<tr><td>{}</td>{}</tr>\n", moment(get(entry, "at")), row(entry)));
    }
    out.push_str("</tbody></table></div>\n");
    if let Some(more) = entries.len().checked_sub(MOST).filter(|more| *more > 0) {
        out.push_str(&format!("<p>{more} more rows are in the JSON.</p>\n"));
    }
    out + "</section>\n"
}

/// Escapes a text for HTML. Bidirectional controls and invisible characters become U+FFFD: a name must not rearrange
/// the text next to it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(letter),
            other if other.is_control() || is_invisible(other) => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

fn get<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn whole(value: &Value, name: &str) -> Option<u64> {
    value.get(name).and_then(Value::as_u64)
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Returns a timestamp as HTML, to the second, or `?` if it is absent.
fn moment(text: Option<&str>) -> String {
    let Some(text) = text else { return "?".to_owned() };
    let shown = text
        .parse::<Timestamp>()
        .map_or_else(|_| escaped(text), |moment| moment.strftime("%Y-%m-%d %H:%M:%S").to_string());
    format!("<time datetime=\"{}\">{shown}</time>", escaped(text))
}

/// The largest number of people in the timeline of a room; the JSON has them all.
const MOST_PEOPLE: usize = 200;
/// Width of the timeline, in SVG units.
const WIDTH: f64 = 1000.0;
/// Width of the narrowest bar, in SVG units: still visible.
const LEAST: f64 = 3.0;

fn all(bundle: &Value) -> impl Iterator<Item = &Value> {
    list(bundle, "presence").iter()
}

fn section(bundle: &Value) -> String {
    let mut out =
        "<section aria-labelledby=\"who\">\n<h2 id=\"who\">Who was there when</h2>\n".to_owned();
    let Some(axis) = Axis::of(bundle) else { return out + "</section>\n" };
    let mut rooms: BTreeMap<&str, BTreeMap<&str, Vec<&Value>>> = BTreeMap::new();
    for presence in all(bundle) {
        let (Some(room), Some(person)) = (get(presence, "room"), get(presence, "person")) else {
            continue;
        };
        rooms.entry(room).or_default().entry(person).or_default().push(presence);
    }
    if rooms.is_empty() {
        out.push_str("<p>Nobody is known to have been there.</p>\n");
    } else {
        out.push_str(
            "<p class=\"legend\"><span class=\"key inside\"></span>inside \
             <span class=\"key waiting\"></span>waiting <span class=\"key no\"></span>not let in \
             <span class=\"key act\"></span>an operator acted on this person</p>\n",
        );
    }
    for (room, people) in &rooms {
        out.push_str(&drawing(bundle, room, people, &axis));
    }
    out.push_str("</section>\n");
    out
}

fn drawing(
    bundle: &Value,
    room: &str,
    people: &BTreeMap<&str, Vec<&Value>>,
    axis: &Axis,
) -> String {
    let mut out = format!(
        "<div class=\"scroll\"><table class=\"timeline\">\n<caption><bdi>{}</bdi></caption>\n\
         <thead><tr><th scope=\"col\">Person</th><th scope=\"col\" class=\"axis\"><span>{}</span><span>{}</span>\
         <span>{}</span></th><th scope=\"col\">There</th></tr></thead>\n<tbody>\n",
        escaped(room),
        axis.label(0.0),
        axis.label(0.5),
        axis.label(1.0),
    );
    for (person, presences) in people.iter().take(MOST_PEOPLE) {
        let of = |key| presences.iter().filter_map(move |it| get(it, key));
        let names: BTreeSet<&str> = of("name").filter(|name| !name.is_empty()).collect();
        let nicks: BTreeSet<&str> = of("nick").filter(|nick| !names.contains(nick)).collect();
        let names: Vec<&str> = names.into_iter().chain(nicks).collect();
        let bars: String = presences.iter().map(|it| bar(it, axis)).collect();
        let marks: String = marks(bundle, room, person, axis);
        let times: Vec<String> = presences.iter().map(|it| interval(it)).collect();
        out.push_str(&format!(
            "<tr><th scope=\"row\"><bdi>{}</bdi><small><bdi>{}</bdi></small></th>\
             <td><svg viewBox=\"0 0 1000 24\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
             <rect class=\"ground\" x=\"0\" y=\"0\" width=\"1000\" height=\"24\"/>{bars}{marks}</svg></td>\
             <td class=\"times\">{}</td></tr>\n",
            escaped(&names.join(", ")),
            escaped(person),
            times.join("<br>"),
        ));
    }
    out.push_str("</tbody></table></div>\n");
    if let Some(more) = people.len().checked_sub(MOST_PEOPLE).filter(|more| *more > 0) {
        out.push_str(&format!("<p>{more} more people are in the JSON.</p>\n"));
    }
    out
}

fn bar(presence: &Value, axis: &Axis) -> String {
    let from = get(presence, "from").map_or(0.0, |from| axis.place(from));
    let until = get(presence, "until").map_or(WIDTH, |until| axis.place(until));
    let width = (until - from).max(LEAST);
    let from = from.min(WIDTH - LEAST);
    let (class, y, height) = match get(presence, "what") {
        Some("inside") => ("inside", 5, 14),
        _ => ("waiting", 9, 6),
    };
    format!(
        "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{height}\"/>"
    )
}

/// Returns the marks of refusals and operator actions on a person's timeline in a room.
fn marks(bundle: &Value, room: &str, person: &str, axis: &Axis) -> String {
    let is_his =
        |entry: &&Value| get(entry, "person") == Some(person) && get(entry, "room") == Some(room);
    let mark = |entry: &Value| {
        let class = match (get(entry, "kind")?, get(entry, "verdict")) {
            ("decision", Some("allow")) => return None,
            ("decision", _) => "no",
            ("action", _) => "act",
            _ => return None,
        };
        let place = axis.place(get(entry, "at")?).min(WIDTH - LEAST);
        Some(format!(
            "<rect class=\"{class}\" x=\"{place:.1}\" y=\"0\" width=\"{LEAST}\" height=\"24\"/>"
        ))
    };
    list(bundle, "entries").iter().filter(is_his).filter_map(mark).collect()
}

fn interval(presence: &Value) -> String {
    let from = get(presence, "from").map_or_else(|| "before".to_owned(), |it| moment(Some(it)));
    let until =
        get(presence, "until").map_or_else(|| "still there".to_owned(), |it| moment(Some(it)));
    let what = if get(presence, "what") == Some("inside") { "" } else { " waiting" };
    format!("{from} – {until}{what}")
}

/// The period that the timelines cover, in seconds since 1970.
struct Axis {
    since: f64,
    length: f64,
}

impl Axis {
    /// Returns the period from the first known event to the last, within the time of the incident.
    fn of(bundle: &Value) -> Option<Self> {
        let about = bundle.get("about")?;
        let since = seconds(get(about, "since")?)?;
        let until = seconds(get(about, "until")?)?;
        let entries = list(bundle, "entries").iter().filter_map(|it| seconds(get(it, "at")?));
        let was_there =
            all(bundle).any(|it| get(it, "from").and_then(seconds).is_none_or(|from| from < since));
        let first = entries.clone().fold(until, f64::min);
        let last = entries.fold(since, f64::max);
        let is_there = all(bundle).any(|it| get(it, "until").is_none());
        let since = if was_there { since } else { first.max(since) };
        let until = if is_there { until } else { last.max(since) };
        let spare = (until - since).max(1.0) * 0.01;
        Some(Self { since: since - spare, length: (until - since).max(1.0) + 2.0 * spare })
    }

    fn place(&self, moment: &str) -> f64 {
        let second = seconds(moment).unwrap_or(self.since);
        ((second - self.since) / self.length * WIDTH).clamp(0.0, WIDTH)
    }

    fn label(&self, part: f64) -> String {
        #[expect(clippy::cast_possible_truncation, reason = "a moment of the audit, to the second")]
        let second = (self.since + self.length * part).round() as i64;
        let moment = Timestamp::from_second(second).ok();
        moment.map(|it| it.strftime("%m-%d %H:%M:%S").to_string()).unwrap_or_default()
    }
}

fn seconds(moment: &str) -> Option<f64> {
    moment.parse::<Timestamp>().ok().map(|moment| moment.as_duration().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_markup_or_turns_the_line() {
        assert_eq!(
            escaped("<b a='\"'>&\u{202e}x\u{0}"),
            "&lt;b a=&#39;&quot;&#39;&gt;&amp;\u{fffd}x\u{fffd}"
        );
    }
}
