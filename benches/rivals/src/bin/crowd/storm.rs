//! Joins at a steady pace while something happens to the component: who got in, who did not, and when.

use std::time::Duration;

use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use vestibule_rivals::Result;
use vestibule_rivals::arguments::Arguments;
use vestibule_rivals::stream::Stream;

use super::back::unix_seconds;
use super::join::{Seen, each, enter, joined, leave, next, room};
use super::session::log_in;

/// Nobody waits longer: the gate answers within 10 s whatever happens.
const SILENCE: Duration = Duration::from_secs(12);

/// `--port --prefix --password --rooms --people --every MILLISECONDS --seconds`: each person joins a room every so
/// often, and every tenth types a wrong password. Prints `began`, then one `[sent, answered, right, outcome]` for
/// each join, in seconds since 1970; the outcome is "joined", an error condition, or "silence".
pub async fn run(arguments: &Arguments) -> Result<Value> {
    let port = arguments.get("port")?;
    let (prefix, password): (String, String) =
        (arguments.get("prefix")?, arguments.get("password")?);
    let (rooms, people): (usize, usize) = (arguments.get("rooms")?, arguments.get("people")?);
    let every = Duration::from_millis(arguments.get("every")?);
    let seconds = Duration::from_secs_f64(arguments.get("seconds")?);
    let rooms: Vec<String> = (0..rooms).map(|number| room(&prefix, number)).collect();

    let mut opener = log_in(port).await?;
    each(&mut opener, &rooms, 16, |room| enter(room, "opener", &password), joined).await?;
    let mut crowd = Vec::new();
    for _ in 0..people {
        crowd.push(log_in(port).await?);
    }
    println!("{}", json!({"began": unix_seconds()}));
    let (count, until) = (u32::try_from(people)?, Instant::now() + seconds);
    let storm = crowd.into_iter().zip(0_u32..).map(|(stream, number)| {
        let typed = if number % 10 == 9 { "wrong" } else { &password };
        let begin = Instant::now() + every * number / count;
        person(stream, &rooms, number, typed, (begin, every, until))
    });
    let watching = async {
        loop {
            opener.fill().await?;
            while opener.splitter.cut().is_some() {}
        }
    };
    tokio::select! {
        outcomes = try_join_all(storm) => Ok(Value::from(outcomes?.concat())),
        ended = watching => ended,
    }
}

async fn person(
    mut stream: Stream,
    rooms: &[String],
    number: u32,
    typed: &str,
    (begin, every, until): (Instant, Duration, Instant),
) -> Result<Vec<Value>> {
    let (nick, mut outcomes) = (format!("p{number}"), Vec::new());
    let mut pace = interval_at(begin, every);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for room in rooms.iter().cycle().skip(usize::try_from(number)?) {
        pace.tick().await;
        if Instant::now() >= until {
            break;
        }
        let sent = unix_seconds();
        stream.send(&enter(room, &nick, typed)).await?;
        let outcome = match timeout(SILENCE, next(&mut stream)).await {
            Err(_) => "silence".to_owned(),
            Ok(seen) => match seen? {
                Seen::Joined(_) => "joined".to_owned(),
                Seen::Left(_) => "left".to_owned(),
                Seen::Refused(_, stanza) => condition(&stanza).to_owned(),
            },
        };
        outcomes.push(json!([sent, unix_seconds(), typed != "wrong", outcome]));
        if outcome == "joined" {
            stream.send(&leave(room, &nick)).await?;
            timeout(SILENCE, next(&mut stream)).await??;
        }
    }
    Ok(outcomes)
}

/// The condition of a stanza error (RFC 6120 section 8.3.3).
fn condition(stanza: &str) -> &str {
    let inside = stanza.split_once("<error").map_or("", |(_, inside)| inside);
    let child =
        inside.split('<').find(|tag| tag.contains("xmpp-stanzas") && !tag.starts_with("text"));
    child.map_or("unknown", |tag| tag.split([' ', '/', '>']).next().unwrap_or_default())
}
