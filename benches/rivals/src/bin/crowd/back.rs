//! A server comes back: how soon does a person get in?

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::sleep;
use vestibule_rivals::Result;
use vestibule_rivals::arguments::Arguments;

use super::join::{Seen, enter, next, room};
use super::session::log_in;

/// How closely the port is watched.
const LOOK: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(30);

/// Now, in seconds since 1970, comparable between processes.
pub fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// `--port --watch --prefix --password`: waits until the port `watch` takes connections, then logs in at `port` and
/// opens a room. Gives the seconds from then to being logged in and to being in the room.
pub async fn run(arguments: &Arguments) -> Result<Value> {
    let (port, watch): (u16, u16) = (arguments.get("port")?, arguments.get("watch")?);
    let (prefix, password): (String, String) =
        (arguments.get("prefix")?, arguments.get("password")?);
    println!("{}", json!({"began": unix_seconds()}));
    let waiting = Instant::now();
    until_open(watch, waiting).await?;
    let since = Instant::now();
    until_open(port, waiting).await?;
    let mut stream = log_in(port).await?;
    let logged_in = since.elapsed().as_secs_f64();
    stream.send(&enter(&room(&prefix, 0), "first", &password)).await?;
    match next(&mut stream).await? {
        Seen::Joined(_) => Ok(json!({"login": logged_in, "joined": since.elapsed().as_secs_f64()})),
        other => Err(format!("not let in: {other:?}").into()),
    }
}

async fn until_open(port: u16, since: Instant) -> Result<()> {
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        if since.elapsed() > PATIENCE {
            return Err("the server did not come back".into());
        }
        sleep(LOOK).await;
    }
    Ok(())
}
