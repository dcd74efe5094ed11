//! Rooms and people that a component knows of.

use serde_json::json;
use std::io::BufRead as _;
use vestibule_rivals::Result;
use vestibule_rivals::arguments::Arguments;

use super::link::{Heard, Link, judge};
use super::questions::{created, join, joined};

/// Rooms told of between two waits for answers.
const BATCH: u64 = 64;

/// Makes all rooms known, then fills them; after each step it prints the step and waits for a line.
pub async fn run(link: &mut Link, arguments: &Arguments) -> Result<()> {
    let rooms: u64 = arguments.get("rooms")?;
    let occupants: u64 = arguments.get("occupants")?;
    step("greeted")?;
    each_batch(link, rooms, |out, room| {
        created(out, room);
        join(out, room, room, room * occupants, 0);
        1
    })
    .await?;
    step("rooms")?;
    each_batch(link, rooms, |out, room| {
        for place in 0..occupants {
            let who = room * occupants + place;
            join(out, rooms + who, room, who, place);
            joined(out, room, who);
        }
        occupants
    })
    .await?;
    step("occupants")
}

/// `write` puts a room's stanzas into the text and says how many answers they bring.
async fn each_batch(
    link: &mut Link,
    rooms: u64,
    write: impl Fn(&mut String, u64) -> u64,
) -> Result<()> {
    let mut first = 0;
    while first < rooms {
        let next = rooms.min(first + BATCH);
        let mut out = String::new();
        let mut due: u64 = (first..next).map(|room| write(&mut out, room)).sum();
        link.stream.send(&out).await?;
        while due > 0 {
            let stanza = link.stream.next().await?;
            match judge(&stanza) {
                Heard::Allowed => due -= 1,
                Heard::Refused => {
                    return Err(format!("refused: {}", String::from_utf8_lossy(&stanza)).into());
                }
                Heard::Aside => link.reply(&stanza).await?,
            }
        }
        first = next;
    }
    Ok(())
}

fn step(name: &str) -> Result<()> {
    println!("{}", json!({ "step": name }));
    std::io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}
