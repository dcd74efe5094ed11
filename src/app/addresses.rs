//! Preparation of addresses outside of ASCII: the server prepares them as well, and its result counts.
//!
//! Both prepare ASCII alike, as a test shows for every part of an address. They should agree on everything else, too,
//! but a server may be built with other Unicode tables than those that were tested.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::Shared;
use super::commands::{invalid, unavailable};
use crate::config::Written;
use crate::control::Failure;
use crate::jid::BareJid;
use crate::wire::answer::{MOST, prepare, prepared};
use crate::xmpp::link::RequestError;

/// The pause before the server is asked again after a first error, ...
const RETRY: Duration = Duration::from_secs(1);
/// ... which doubles with each further error, up to this.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// The problems with addresses of the file in force, by service.
#[derive(Debug, Default)]
pub(super) struct Addresses(Mutex<BTreeMap<Arc<str>, Vec<String>>>);

impl Addresses {
    /// Returns why the component is not ready because of addresses, one reason each.
    pub(super) fn problems(&self) -> Vec<String> {
        self.0.lock().values().flatten().cloned().collect()
    }

    /// Forgets the problems, because another file is in force.
    pub(super) fn forget(&self) {
        self.0.lock().clear();
    }
}

/// Has the server of a service prepare the addresses of the file in force, and compares the results. The component is
/// not ready before the server has answered.
pub(super) fn check(shared: &Shared, service: &Arc<str>) {
    let written = Arc::clone(&shared.upkeep.lock().written);
    if written.is_empty() {
        return;
    }
    let waits = format!("the server of {service} has not yet prepared the addresses of the file");
    shared.addresses.0.lock().insert(Arc::clone(service), vec![waits]);
    tokio::spawn(compare(shared.clone(), Arc::clone(service), written));
}

async fn compare(shared: Shared, service: Arc<str>, written: Arc<[Written]>) {
    let texts: Vec<_> = written.iter().map(|written| &*written.text).collect();
    let mut pause = RETRY;
    loop {
        let answer = ask(&shared, &service, &texts).await;
        let problems = match &answer {
            Ok(theirs) => different(&written, theirs, &service),
            Err(error) => {
                vec![format!(
                    "the gate of {service} did not prepare the addresses of the file: {error}"
                )]
            }
        };
        {
            let mut known = shared.addresses.0.lock();
            // The results for another file do not apply to the one in force.
            if !Arc::ptr_eq(&shared.upkeep.lock().written, &written) {
                return;
            }
            for problem in &problems {
                tracing::error!("NOT READY: {problem}");
            }
            known.insert(Arc::clone(&service), problems);
        }
        let is_greeted = shared.engine().greeted().contains(&service);
        if answer.is_ok() || !is_greeted {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(LONGEST_RETRY);
    }
}

fn different(written: &[Written], theirs: &[Option<BareJid>], service: &str) -> Vec<String> {
    let theirs = theirs.iter().map(Option::as_ref).chain(std::iter::repeat(None));
    let pairs = written.iter().zip(theirs);
    pairs
        .filter(|(ours, theirs)| Some(&ours.prepared) != *theirs)
        .map(|(ours, theirs)| {
            let Written { text, prepared, line } = ours;
            let theirs = theirs.map_or("no address".to_owned(), |theirs| format!("`{theirs}`"));
            format!(
                "line {line} of the file: `{text}` is {theirs} for the server of {service}, and `{prepared}` here: \
                 write the one that is meant as the server has it"
            )
        })
        .collect()
}

/// Has a server prepare these addresses. Returns `None` for each that it rejects.
async fn ask(
    shared: &Shared,
    service: &Arc<str>,
    texts: &[&str],
) -> Result<Vec<Option<BareJid>>, RequestError> {
    let mut all = Vec::new();
    for some in texts.chunks(MOST) {
        let reply = shared.ask(service, prepare(some.iter().copied())).await?;
        // Addresses that are missing from one reply must not shift those of the next.
        all.extend(
            prepared(reply.root()).into_iter().chain(std::iter::repeat(None)).take(some.len()),
        );
    }
    Ok(all)
}

/// Has a server prepare an address that an operator has typed, before it is used.
///
/// # Errors
/// The server's result is another address, or none. Text that our own tables reject is left to the command's parser.
pub(super) async fn confirm(shared: &Shared, text: &str) -> Result<(), Failure> {
    let text = text.trim();
    let Ok(ours) = BareJid::prepared(text) else { return Ok(()) };
    // Without a gate, only our own tables can be used.
    let service = shared.engine().greeted().into_iter().next();
    let Some(service) = service.filter(|_| !text.is_ascii()) else { return Ok(()) };
    let theirs = ask(shared, &service, &[text]).await;
    match theirs.map_err(unavailable)?.into_iter().next().flatten() {
        Some(theirs) if theirs == ours => Ok(()),
        Some(theirs) => {
            Err(invalid(format!("the server makes `{theirs}` of `{text}`, not `{ours}`")))
        }
        None => Err(invalid(format!("`{text}` is no address on this server"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_prepares_otherwise_is_told_with_its_line() {
        let written = |text: &str, line| Written {
            text: text.to_owned(),
            prepared: BareJid::prepared(text).unwrap(),
            line,
        };
        let ours = [written("J\u{F6}rg@Example.org", 3), written("\u{E9}.example", 7)];
        let theirs: Vec<_> = ours.iter().map(|ours| Some(ours.prepared.clone())).collect();
        assert!(different(&ours, &theirs, "c").is_empty());
        for (theirs, said) in [
            (vec![theirs[0].clone(), None], "line 7 of the file: `\u{E9}.example` is no address"),
            (vec![theirs[0].clone()], "line 7"),
            (vec![BareJid::stamped("jorg@example.org"), theirs[1].clone()], "line 3"),
        ] {
            let different = different(&ours, &theirs, "c");
            assert!(different.len() == 1 && different[0].contains(said), "{different:?}");
        }
    }
}
