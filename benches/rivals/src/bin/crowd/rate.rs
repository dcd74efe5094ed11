//! Joins per second: rooms are opened by one person, then others join all of them at once.

use std::time::Instant;

use futures_util::future::try_join_all;
use serde_json::{Value, json};
use vestibule_rivals::Result;
use vestibule_rivals::arguments::Arguments;

use super::join::{each, enter, joined, leave, left, room};
use super::session::log_in;

/// `--port --prefix --rooms --people --window --password`: a window is for one person.
pub async fn run(arguments: &Arguments) -> Result<Value> {
    let port = arguments.get("port")?;
    let prefix: String = arguments.get("prefix")?;
    let password: String = arguments.get("password")?;
    let (rooms, people): (usize, usize) = (arguments.get("rooms")?, arguments.get("people")?);
    let window = arguments.get("window")?;
    let rooms: Vec<String> = (0..rooms).map(|number| room(&prefix, number)).collect();

    let mut opener = log_in(port).await?;
    let mut crowd = Vec::new();
    for number in 0..people {
        // Nobody begins where another one does: the rooms fill evenly.
        let mut mine = rooms.clone();
        mine.rotate_left(number * rooms.len() / people);
        crowd.push((log_in(port).await?, format!("p{number}"), mine));
    }
    let since = Instant::now();
    each(&mut opener, &rooms, window * people, |room| enter(room, "opener", &password), joined)
        .await?;
    let opening = since.elapsed().as_secs_f64();

    let since = Instant::now();
    let joining = crowd.iter_mut().map(|(stream, nick, mine)| {
        each(stream, mine, window, |room| enter(room, nick, &password), joined)
    });
    // The opener's view of it has to be read too.
    let watching = async {
        loop {
            opener.fill().await?;
            while opener.splitter.cut().is_some() {}
        }
    };
    tokio::select! {
        done = try_join_all(joining) => done?,
        ended = watching => return ended,
    };
    let elapsed = since.elapsed().as_secs_f64();

    let leaving = crowd
        .iter_mut()
        .map(|(stream, nick, mine)| each(stream, mine, window, |room| leave(room, nick), left));
    try_join_all(leaving).await?;
    each(&mut opener, &rooms, window * people, |room| leave(room, "opener"), left).await?;
    let joins = rooms.len() * people;
    Ok(
        json!({"opened": rooms.len(), "opening_seconds": opening, "joins": joins, "seconds": elapsed}),
    )
}
