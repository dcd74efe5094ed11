//! Questions per second.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::Interest;
use vestibule_rivals::Result;
use vestibule_rivals::arguments::Arguments;

use super::link::{Heard, Link, judge, reply};
use super::questions::join;

/// Rooms and people that the questions are about, in turn.
const ROOMS: u64 = 1_000;
const PEOPLE: u64 = 9_973;

#[derive(Default)]
struct Count {
    asked: u64,
    allowed: u64,
    refused: u64,
}

/// Keeps the window full; prints answers and seconds after the warm-up.
pub async fn run(link: &mut Link, arguments: &Arguments) -> Result<()> {
    let window: u64 = arguments.get("window")?;
    let warmup = Duration::from_secs_f64(arguments.get("warmup")?);
    let seconds = Duration::from_secs_f64(arguments.get("seconds")?);
    let mut count = Count::default();
    turn(link, window, Instant::now() + warmup, &mut count).await?;
    let (before, since) = (count.allowed, Instant::now());
    turn(link, window, since + seconds, &mut count).await?;
    let elapsed = since.elapsed().as_secs_f64();
    let (answers, refused) = (count.allowed - before, count.refused);
    println!("{}", json!({"answers": answers, "seconds": elapsed, "refused": refused}));
    Ok(())
}

async fn turn(link: &mut Link, window: u64, until: Instant, count: &mut Count) -> Result<()> {
    let stream = &mut link.stream;
    let (mut out, mut sent) = (String::new(), 0);
    while Instant::now() < until {
        if sent == out.len() {
            out.clear();
            sent = 0;
            while count.asked - count.allowed - count.refused < window {
                count.asked += 1;
                let asked = count.asked;
                join(&mut out, asked, asked % ROOMS, asked % PEOPLE, asked % 12);
            }
        }
        let interest = if sent < out.len() {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        let ready = tokio::time::timeout(Duration::from_secs(5), stream.socket.ready(interest))
            .await
            .map_err(|_| "no answer for 5 s")??;
        if ready.is_writable() && sent < out.len() {
            match stream.socket.try_write(&out.as_bytes()[sent..]) {
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        if ready.is_readable() {
            let buffer = stream.splitter.buffer();
            buffer.reserve(256 * 1024);
            match stream.socket.try_read_buf(buffer) {
                Ok(0) => return Err("the component closed the connection".into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            }
            while let Some(stanza) = stream.splitter.cut() {
                match judge(stanza) {
                    Heard::Allowed => count.allowed += 1,
                    Heard::Refused => count.refused += 1,
                    Heard::Aside => out.push_str(&reply(stanza).unwrap_or_default()),
                }
            }
        }
    }
    // Half a question would end the stream; the next turn begins with a clean one.
    stream.send(&out[sent..]).await
}
