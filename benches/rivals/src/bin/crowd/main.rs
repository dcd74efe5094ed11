//! People joining rooms on a real Prosody, as raw XML over logged-in sessions.
//!
//! `crowd rate` fills many rooms as fast as the server lets it in; `crowd latency` joins two servers in turn, one
//! person at a time; `crowd storm` joins at a steady pace and writes down each outcome; `crowd back` waits for a
//! server to come back and joins; `crowd hold` stays in its rooms; `crowd count` does one thing after the other. Each prints one JSON object, some one before.

mod back;
mod count;
mod hold;
mod join;
mod latency;
mod rate;
mod session;
mod storm;

use vestibule_rivals::Result;
use vestibule_rivals::arguments::Arguments;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let arguments = Arguments::of_process()?;
        let figures = match arguments.command.as_str() {
            "rate" => rate::run(&arguments).await?,
            "latency" => latency::run(&arguments).await?,
            "storm" => storm::run(&arguments).await?,
            "back" => back::run(&arguments).await?,
            "hold" => hold::run(&arguments).await?,
            "count" => count::run(&arguments).await?,
            other => {
                return Err(
                    format!("{other}: none of rate, latency, storm, back, hold, count").into()
                );
            }
        };
        println!("{figures}");
        Ok(())
    })
}
