//! The backend of the page and the API, and the groups of metrics that a scrape registers.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use tokio::sync::broadcast;

use super::Shared;
use super::clock::{now, processor_time};
use super::commands::Operator;
use super::commands::listing::listed;
use crate::component::drift::DriftMetrics;
use crate::component::metrics::DeskMetrics;
use crate::control::{Interface, RoomLine, RoomMetrics, Status, StatusMetrics};
use crate::http::{ApiBackend, HttpMetrics, Totals};
use crate::metrics::{
    Counter, Family, Gauge, Group, Labels, Latency, Registry, gauged, metrics, sample_names, zeroed,
};
use crate::policy::verdict::Verdict;
use crate::store::Entry;
use crate::xmpp::link::LinkMetrics;

metrics! {
    /// Metrics of the app itself: latency, reloads and operator commands.
    pub(super) struct AppMetrics {
        /// From a question to its answer
        answers: Latency = "vestibule_answer_seconds";
        /// Questions whose password is being judged
        judging: Gauge = "vestibule_requests_in_flight";
        /// Reloads of the policy file
        reloads: Family<Labels<1>, Counter> = "vestibule_reloads", zeroed([true, false].map(|is_done| [outcome(is_done)]));
        /// Commands of operators
        commands: Family<Labels<2>, Counter> = "vestibule_commands", zeroed(every_command());
    }
}

metrics! {
    /// Metrics that are computed at each scrape.
    pub(super) struct ProcessMetrics {
        /// When the process started, in seconds since 1970
        started: Gauge<f64, AtomicU64> = "process_start_time_seconds";
        /// Processor time of all threads, in seconds
        processor: Counter<f64, AtomicU64> = "process_cpu_seconds";
        /// Bans of the policy file
        bans: Gauge = "vestibule_bans";
    }
}

fn every_command() -> impl Iterator<Item = Labels<2>> {
    let both = |face| [true, false].map(|is_done| labels(face, is_done));
    Interface::ALL.into_iter().flat_map(both)
}

const fn outcome(is_done: bool) -> (&'static str, &'static str) {
    ("outcome", if is_done { "done" } else { "failed" })
}

const fn labels(face: Interface, is_done: bool) -> Labels<2> {
    [("interface", face.name()), outcome(is_done)]
}

impl AppMetrics {
    pub(super) fn command(&self, face: Interface, is_done: bool) {
        self.commands.get_or_create(&labels(face, is_done)).inc();
    }

    pub(super) fn reload(&self, is_done: bool) {
        self.reloads.get_or_create(&[outcome(is_done)]).inc();
    }
}

/// Declares the groups of metrics: what a scrape registers, and what the documents must name.
macro_rules! groups {
    ($($name:ident: $group:ty),* $(,)?) => {
        /// Every group of metrics except that of the API.
        #[derive(Debug)]
        pub(super) struct Groups {
            $($name: $group,)*
        }

        impl Groups {
            pub(super) fn register(&self, registry: &mut Registry) {
                $(self.$name.register(registry);)*
            }
        }

        /// Returns the names of all samples that `/metrics` may have.
        pub fn names_of_samples() -> Vec<String> {
            let groups = [$(<$group>::DECLARED,)* HttpMetrics::DECLARED];
            groups.into_iter().flatten().flat_map(|(name, kind)| sample_names(name, *kind)).collect()
        }
    };
}

groups! {
    status: StatusMetrics,
    rooms: RoomMetrics,
    process: ProcessMetrics,
    app: AppMetrics,
    link: LinkMetrics,
    engine: DeskMetrics,
    drift: DriftMetrics,
}

impl Groups {
    pub(super) fn now(operator: &Operator) -> Self {
        let shared: &Shared = operator.shared();
        let status = StatusMetrics::from(&operator.status());
        let rooms = RoomMetrics::from(&*listed(shared));
        let process = ProcessMetrics::default();
        process.started.set(shared.started_at.as_duration().as_secs_f64());
        process.processor.inc_by(processor_time().as_secs_f64());
        let engine = shared.engine();
        process.bans.set(gauged(engine.policy().bans.lines().count()));
        Self {
            status,
            rooms,
            process,
            app: shared.metrics.clone(),
            link: shared.link.metrics.clone(),
            engine: engine.counted.metrics.clone(),
            drift: engine.drift.clone(),
        }
    }
}

impl ApiBackend for Operator {
    fn readiness(&self) -> Vec<String> {
        let shared = self.shared();
        if !shared.link.lives() {
            return vec!["no link to the server".to_owned()];
        }
        let strangers = shared.strangers();
        let engine = shared.engine();
        let missing = engine.services().filter(|(_, hello)| hello.is_none());
        let reasons = missing.map(|(domain, _)| match engine.refusal(domain) {
            Some(refusal) => format!("the gate of {domain} is refused: {refusal}"),
            None => format!("no gate is connected from {domain}"),
        });
        let unread =
            engine.unread().map(|domain| format!("the rooms of {domain} are not read yet"));
        let reasons = reasons.chain(unread);
        let reasons =
            reasons.chain(shared.addresses.problems()).chain(engine.unlisted()).chain(strangers);
        reasons.collect()
    }

    fn rooms(&self) -> Vec<RoomLine> {
        listed(self.shared())
    }

    fn status(&self) -> Status {
        Self::status(self)
    }

    fn entries(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.shared().engine().audit().subscribe()
    }

    fn register(&self, registry: &mut Registry) {
        Groups::now(self).register(registry);
    }

    fn totals(&self) -> Totals {
        let shared = self.shared();
        let engine = shared.engine();
        let counted = &engine.counted;
        Totals {
            joins: Verdict::ALL.map(|verdict| counted.joins(verdict)),
            denials: counted.denials().clone(),
            answers: shared.metrics.answers.counts(),
        }
    }

    fn now(&self) -> Timestamp {
        now()
    }
}
