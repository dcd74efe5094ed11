//! Log messages while there is no link: everything new at once, the same trouble
//! again every minute.

use std::error::Error as _;
use std::time::Duration;

use tokio::time::Instant;

use super::{LinkError, Remedy};

const REMIND: Duration = Duration::from_secs(60);

/// The trouble that was logged last.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    last: Option<(String, Instant)>,
}

impl Trouble {
    /// Logs the error if it is new or was not logged for a while; true when it is new.
    pub(super) fn tell(&mut self, error: &LinkError, domain: &str, now: Instant) -> bool {
        let text = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        let same = self.last.as_ref().filter(|(last, _)| *last == text);
        let news = same.is_none();
        if same.is_some_and(|(_, at)| now.saturating_duration_since(*at) < REMIND) {
            return false;
        }
        let advice = error.advice(domain).unwrap_or_default();
        match error.remedy() {
            Remedy::Retry => tracing::warn!(domain, "no link to the server: {text}"),
            Remedy::Standby => tracing::info!(domain, advice, "no link to the server: {text}"),
            Remedy::TellOperator => {
                tracing::error!(domain, advice, "no link to the server: {text}");
            }
        }
        self.last = Some((text, now));
        news
    }

    /// Forgets: the link is up.
    pub(super) fn clear(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_news_once() {
        let now = Instant::now();
        let mut trouble = Trouble::default();
        assert!(trouble.tell(&LinkError::Closed, "v", now));
        assert!(!trouble.tell(&LinkError::Closed, "v", now + Duration::from_secs(1)));
        assert!(!trouble.tell(&LinkError::Closed, "v", now + REMIND));
        let silent = LinkError::Silent { silence: REMIND };
        assert!(trouble.tell(&silent, "v", now));
        trouble.clear();
        assert!(trouble.tell(&silent, "v", now));
    }
}
