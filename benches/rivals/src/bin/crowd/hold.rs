//! People who stay in rooms: all of them in each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures_util::future::try_join_all;
use serde_json::{Value, json};
use vestibule_rivals::Result;
use vestibule_rivals::arguments::Arguments;
use vestibule_rivals::stream::Stream;

use super::join::{Seen, each, enter, joined, judge, room};
use super::session::log_in_as;

/// People who join at the same time.
const AT_ONCE: usize = 16;

/// `--port --prefix --password --rooms --people --window`: everybody joins every room, the first one opens them. Prints
/// `{"seconds", "people"}`, the addresses of people in the order in which they came. After a line of input it prints how
/// many rooms each has left: by nobody's own wish.
pub async fn run(arguments: &Arguments) -> Result<Value> {
    let port = arguments.get("port")?;
    let (prefix, password): (String, String) =
        (arguments.get("prefix")?, arguments.get("password")?);
    let (rooms, people): (usize, usize) = (arguments.get("rooms")?, arguments.get("people")?);
    let window = arguments.get("window")?;
    let rooms: Vec<String> = (0..rooms).map(|number| room(&prefix, number)).collect();
    let (mut addresses, mut out) = (Vec::new(), Vec::new());
    let since = Instant::now();
    let mut first = 0;
    while first < people {
        // A person who opens a room is alone at it.
        let last = if first == 0 { 1 } else { people.min(first + AT_ONCE) };
        let mut some = Vec::new();
        for number in first..last {
            let (stream, address) = log_in_as(port).await?;
            addresses.push(address.split('/').next().unwrap_or_default().to_owned());
            some.push((stream, format!("p{number}")));
        }
        let joining = some.iter_mut().map(|(stream, nick)| {
            each(stream, &rooms, window, |room| enter(room, nick, &password), joined)
        });
        try_join_all(joining).await?;
        for (stream, _) in some {
            let left = Arc::<AtomicU64>::default();
            out.push(Arc::clone(&left));
            tokio::spawn(stay(stream, left));
        }
        first = last;
    }
    println!("{}", json!({"seconds": since.elapsed().as_secs_f64(), "people": addresses}));
    let line = || std::io::stdin().read_line(&mut String::new());
    tokio::task::spawn_blocking(line).await??;
    let out: Vec<_> = out.iter().map(|left| left.load(Ordering::Relaxed)).collect();
    Ok(json!({"out": out}))
}

/// Reads what comes, and counts the rooms that are left.
async fn stay(mut stream: Stream, left: Arc<AtomicU64>) {
    loop {
        while let Some(stanza) = stream.splitter.cut() {
            if matches!(judge(stanza), Some(Seen::Left(_))) {
                left.fetch_add(1, Ordering::Relaxed);
            }
        }
        if stream.fill_some_time().await.is_err() {
            return;
        }
    }
}
