//! Joins and leaves one after the other, so that what the server does for them is the same each time: nothing is sent before it
//! has nothing left to do.

use std::time::Duration;

use serde_json::{Value, json};
use vestibule_rivals::Result;
use vestibule_rivals::arguments::Arguments;
use vestibule_rivals::stream::Stream;

use super::join::{Seen, enter, leave, next, room};
use super::session::log_in;

/// Between two looks at whether the server still works.
const LOOK: Duration = Duration::from_micros(200);

/// `--port --server --prefix --rooms --people --password`, of which the second is the server's process: one person opens each room, and `people` join and leave it.
pub async fn run(arguments: &Arguments) -> Result<Value> {
    let port = arguments.get("port")?;
    let (prefix, password): (String, String) =
        (arguments.get("prefix")?, arguments.get("password")?);
    let (rooms, people): (usize, usize) = (arguments.get("rooms")?, arguments.get("people")?);
    let server: u32 = arguments.get("server")?;
    let mut crowd = Vec::new();
    for _ in 0..=people {
        crowd.push(log_in(port).await?);
    }
    for room in (0..rooms).map(|number| room(&prefix, number)) {
        for place in 0..crowd.len() {
            act(server, &mut crowd, place, &enter(&room, &format!("p{place}"), &password)).await?;
        }
        // The opener leaves last, and the room ends.
        for place in (0..crowd.len()).rev() {
            act(server, &mut crowd, place, &leave(&room, &format!("p{place}"))).await?;
        }
    }
    Ok(json!({"joins": rooms * people}))
}

/// One of them does that, and has the server's answer; the others take what they were told of it.
async fn act(server: u32, crowd: &mut [Stream], place: usize, stanza: &str) -> Result<()> {
    let Some(stream) = crowd.get_mut(place) else { return Ok(()) };
    stream.send(stanza).await?;
    if let Seen::Refused(_, stanza) = next(stream).await? {
        return Err(format!("refused: {stanza}").into());
    }
    while works(server)? {
        tokio::time::sleep(LOOK).await;
    }
    crowd.iter_mut().try_for_each(Stream::drain)
}

/// Whether a process does anything but wait.
fn works(process: u32) -> Result<bool> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, state) = stat.rsplit_once(") ").ok_or("the server has no state")?;
    Ok(!state.starts_with('S'))
}
