//! The server's side of one component link (XEP-0114), for measuring the component behind it.
//!
//! `asker rate --port P --window N --warmup SECONDS --seconds SECONDS` keeps N questions outstanding and
//! counts the answers. `asker rooms --port P --rooms N --occupants N` makes the component know that many
//! rooms and people, step by step. Both print a JSON object a line.

mod link;
mod questions;
mod rate;
mod rooms;

use vestibule_rivals::Result;
use vestibule_rivals::arguments::Arguments;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let arguments = Arguments::of_process()?;
        let mut link = link::Link::accept(arguments.get("port")?).await?;
        match arguments.command.as_str() {
            "rate" => rate::run(&mut link, &arguments).await,
            "rooms" => rooms::run(&mut link, &arguments).await,
            other => Err(format!("{other}: neither `rate` nor `rooms`").into()),
        }
    })
}
