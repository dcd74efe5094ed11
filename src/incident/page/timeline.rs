//! The drawing of the timeline: who was there when.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::text::{escaped, get, list, moment};

/// Most people drawn for a room; more are in the JSON.
const MOST: usize = 200;
/// The width of the whole time in a drawing.
const WIDTH: f64 = 1000.0;
/// The narrowest bar that can be seen.
const LEAST: f64 = 3.0;

/// Everybody's presences.
pub(super) fn all(bundle: &Value) -> impl Iterator<Item = &Value> {
    list(bundle, "presence").iter()
}

/// The section.
pub(super) fn section(bundle: &Value) -> String {
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
    for (person, presences) in people.iter().take(MOST) {
        let mut nicks: Vec<&str> = presences.iter().filter_map(|it| get(it, "nick")).collect();
        nicks.sort_unstable();
        nicks.dedup();
        let bars: String = presences.iter().map(|it| bar(it, axis)).collect();
        let marks: String = marks(bundle, room, person, axis);
        let times: Vec<String> = presences.iter().map(|it| interval(it)).collect();
        out.push_str(&format!(
            "<tr><th scope=\"row\"><bdi>{}</bdi><small><bdi>{}</bdi></small></th>\
             <td><svg viewBox=\"0 0 1000 24\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
             <rect class=\"ground\" x=\"0\" y=\"0\" width=\"1000\" height=\"24\"/>{bars}{marks}</svg></td>\
             <td class=\"times\">{}</td></tr>\n",
            escaped(&nicks.join(", ")),
            escaped(person),
            times.join("<br>"),
        ));
    }
    out.push_str("</tbody></table></div>\n");
    if let Some(more) = people.len().checked_sub(MOST).filter(|more| *more > 0) {
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

/// Returns what happened to a person in a room.
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

/// The time that is drawn.
struct Axis {
    since: f64,
    length: f64,
}

impl Axis {
    /// From the first thing that is known to the last, within the time that the incident is about.
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
