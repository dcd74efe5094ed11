//! Questions that this side asked and that are not answered yet.

use std::collections::HashMap;

use tokio::sync::oneshot;

use crate::xmpp::element::Element;
use crate::xmpp::stanza::{Iq, IqKind, StanzaError};

/// Questions open at once.
pub(super) const MAX_OPEN: usize = 1024;

/// Why a question got no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The link is down or went down.
    #[error("the link to the server is down")]
    Down,
    /// Too many questions are open.
    #[error("too many questions wait for an answer")]
    Busy,
    /// No answer came in time.
    #[error("no answer came in time")]
    TimedOut,
    /// The answer is an error.
    #[error("the question was refused with `{}`", .0.condition.as_str())]
    Refused(StanzaError),
    /// The answer is empty although something was asked for.
    #[error("the answer is empty")]
    Empty,
    /// The question would close the link.
    #[error(transparent)]
    Unsendable(super::SendError),
}

/// An answer: its payload, or the error.
pub(super) type Answer = Result<Option<Element>, RequestError>;

/// The open questions of one process.
#[derive(Debug)]
pub(super) struct Requests {
    prefix: String,
    last: u64,
    open: HashMap<String, Open>,
}

#[derive(Debug)]
struct Open {
    to: String,
    answer: oneshot::Sender<Answer>,
}

impl Requests {
    /// `seed` sets the ids of this process apart from those of an earlier one, whose answers may
    /// still come.
    pub(super) fn new(seed: u64) -> Self {
        Self { prefix: format!("{seed:x}-"), last: 0, open: HashMap::new() }
    }

    /// An id that was not used before.
    pub(super) fn next_id(&mut self) -> String {
        self.last = self.last.saturating_add(1);
        format!("{}{}", self.prefix, self.last)
    }

    /// Remembers a question; false when there are too many.
    pub(super) fn begin(
        &mut self,
        id: String,
        to: String,
        answer: oneshot::Sender<Answer>,
    ) -> Result<(), oneshot::Sender<Answer>> {
        if self.open.len() >= MAX_OPEN {
            self.open.retain(|_, open| !open.answer.is_closed());
        }
        if self.open.len() >= MAX_OPEN {
            return Err(answer);
        }
        self.open.insert(id, Open { to, answer });
        Ok(())
    }

    /// Hands an answer to who waits for it; gives it back when nobody does.
    ///
    /// An answer counts only from the address that was asked.
    pub(super) fn settle(&mut self, element: Element) -> Option<Element> {
        if self.open.is_empty() {
            return Some(element);
        }
        let asked = element.attr("id").and_then(|id| self.open.get(id));
        if asked.is_none_or(|open| element.attr("from") != Some(open.to.as_str())) {
            return Some(element);
        }
        let open = element.attr("id").and_then(|id| self.open.remove(id))?;
        let answer = match Iq::try_from(element).map(|iq| iq.kind) {
            Ok(IqKind::Result(payload)) => Ok(payload),
            Ok(IqKind::Error(error)) => Err(RequestError::Refused(error)),
            Ok(IqKind::Get(_) | IqKind::Set(_)) | Err(_) => Err(RequestError::Empty),
        };
        // Nobody may be waiting any more.
        let _ = open.answer.send(answer);
        None
    }

    /// Tells who waits for this answer that it will not come.
    pub(super) fn fail(&mut self, id: &str, error: RequestError) {
        if let Some(open) = self.open.remove(id) {
            let _ = open.answer.send(Err(error));
        }
    }

    /// Tells everybody who waits that the link is down.
    pub(super) fn abandon(&mut self) {
        for (_, open) in self.open.drain() {
            let _ = open.answer.send(Err(RequestError::Down));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp::ns;

    fn result(id: &str, from: &str) -> Element {
        Element::new(ns::COMPONENT, "iq")
            .with_attr("type", "result")
            .with_attr("id", id)
            .with_attr("from", from)
    }

    #[test]
    fn only_who_was_asked_can_answer_and_only_once() {
        let mut requests = Requests::new(7);
        let (answer, mut answered) = oneshot::channel();
        let id = requests.next_id();
        requests.begin(id.clone(), "muc.example".into(), answer).unwrap();
        assert!(requests.settle(result(&id, "other.example")).is_some());
        assert!(requests.settle(result("other", "muc.example")).is_some());
        assert!(requests.settle(result(&id, "muc.example")).is_none());
        assert_eq!(answered.try_recv().unwrap(), Ok(None));
        assert!(requests.settle(result(&id, "muc.example")).is_some());
    }

    #[test]
    fn questions_are_bounded_and_given_up_ones_make_room() {
        let mut requests = Requests::new(7);
        let mut waiting = Vec::new();
        for _ in 0..MAX_OPEN {
            let (answer, answered) = oneshot::channel();
            let id = requests.next_id();
            requests.begin(id, "x".into(), answer).unwrap();
            waiting.push(answered);
        }
        let (answer, _answered) = oneshot::channel();
        assert!(requests.begin("more".into(), "x".into(), answer).is_err());
        waiting.pop();
        let (answer, _answered) = oneshot::channel();
        assert!(requests.begin("more".into(), "x".into(), answer).is_ok());
        requests.abandon();
        assert_eq!(waiting.pop().unwrap().try_recv().unwrap(), Err(RequestError::Down));
    }
}
