//! What a join takes on an idle server: two servers in turn, one join at a time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vestibule_rivals::Result;
use vestibule_rivals::arguments::Arguments;
use vestibule_rivals::stream::Stream;

use super::join::{Seen, enter, leave, next, room};
use super::session::log_in;

/// Joins that are not counted: caches, allocators and branch predictors get to know both servers.
const WARMUP: usize = 200;
/// Between two joins: the server has nothing left to do from the one before.
const PAUSE: Duration = Duration::from_millis(2);

/// A server, a room on it, and a person at its door.
struct Door {
    visitor: Stream,
    host: Stream,
    room: String,
    nanoseconds: Vec<u64>,
}

impl Door {
    async fn open(port: u16, prefix: &str, password: &str) -> Result<Self> {
        let (mut host, visitor) = (log_in(port).await?, log_in(port).await?);
        let room = room(prefix, 0);
        host.send(&enter(&room, "host", password)).await?;
        match next(&mut host).await? {
            Seen::Joined(_) => Ok(Self { visitor, host, room, nanoseconds: Vec::new() }),
            other => Err(format!("the room was not opened: {other:?}").into()),
        }
    }

    async fn pass(&mut self, password: &str) -> Result<()> {
        let since = Instant::now();
        self.visitor.send(&enter(&self.room, "visitor", password)).await?;
        let Seen::Joined(_) = next(&mut self.visitor).await? else {
            return Err("a join was refused".into());
        };
        self.nanoseconds.push(u64::try_from(since.elapsed().as_nanos())?);
        self.visitor.send(&leave(&self.room, "visitor")).await?;
        let Seen::Left(_) = next(&mut self.visitor).await? else {
            return Err("a leave was refused".into());
        };
        self.host.drain()?;
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }
}

/// `--port --other --prefix --password --joins`: gives the nanoseconds of each join, for both servers.
pub async fn run(arguments: &Arguments) -> Result<Value> {
    let (prefix, password): (String, String) =
        (arguments.get("prefix")?, arguments.get("password")?);
    let joins: usize = arguments.get("joins")?;
    let mut first = Door::open(arguments.get("port")?, &prefix, &password).await?;
    let mut other = Door::open(arguments.get("other")?, &prefix, &password).await?;
    for _ in 0..WARMUP + joins {
        first.pass(&password).await?;
        other.pass(&password).await?;
    }
    Ok(json!({"port": first.nanoseconds[WARMUP..], "other": other.nanoseconds[WARMUP..]}))
}
