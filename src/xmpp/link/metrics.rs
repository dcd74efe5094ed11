//! Metrics of the link.

use crate::metrics::{Counter, EncodeLabelSet, Family, metrics, zeroed};

metrics! {
    /// What passed over the link, and what did not.
    pub struct LinkMetrics {
        /// Times that the link came up
        links: Counter = "vestibule_links";
        /// Stanzas over the link
        stanzas: Family<DirectionLabel, Counter> = "vestibule_stanzas", zeroed([RECEIVED, SENT]);
        /// Stanzas that were not sent, not readable or too large
        dropped: Counter = "vestibule_stanzas_dropped";
    }
}

/// The label of `vestibule_stanzas`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DirectionLabel {
    direction: &'static str,
}

/// Stanzas that were received whole.
pub(super) const RECEIVED: DirectionLabel = DirectionLabel { direction: "received" };
/// Stanzas that were handed over to be sent.
pub(super) const SENT: DirectionLabel = DirectionLabel { direction: "sent" };

impl LinkMetrics {
    /// Counts a stanza.
    pub(super) fn count(&self, direction: &DirectionLabel) {
        self.stanzas.get_or_create(direction).inc();
    }
}
