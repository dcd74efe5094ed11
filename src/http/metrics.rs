//! `/metrics`: the name, type and meaning of every metric. No label ever carries a room, a person or an address.

use std::fmt::Error;

use axum::extract::State as Of;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::bearer::Bearer;
use super::failure::Refused;
use super::figures::Figures;
use super::router::State;
use super::site::Site;
use crate::component::measures::ENDS;
use crate::control::{Face, RoomState};
use crate::policy::drift::family;

/// The metrics, for whoever may see them.
pub(super) async fn metrics<S: Site>(
    Of(state): Of<State<S>>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    if !state.access.metrics_are_open() {
        Bearer::checked(&state, &headers)?;
    }
    let Ok(text) = text(state.site.figures()) else {
        let reason = "the metrics could not be written";
        return Err(Refused::with(StatusCode::INTERNAL_SERVER_ERROR, reason));
    };
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, kind)], text).into_response())
}

/// As OpenMetrics text.
///
/// # Errors
/// Never: a text takes all that is written into it.
fn text(figures: Figures) -> Result<String, Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Collected(figures)));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Collected(Figures);

impl Collector for Collected {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut to = Writer(encoder);
        self.process(&mut to)?;
        self.link(&mut to)?;
        self.rooms(&mut to)?;
        self.decisions(&mut to)?;
        self.records(&mut to)?;
        self.operators(&mut to)
    }
}

impl Collected {
    fn process(&self, to: &mut Writer<'_>) -> Result<(), Error> {
        let Figures { status, started, .. } = &self.0;
        to.info("vestibule_build", "The program", &[("version", &status.version)])?;
        let mode = if status.observe { "observe" } else { "enforce" };
        let labels = [("revision", &*status.revision), ("mode", mode)];
        to.info("vestibule_policy", "The policy in force", &labels)?;
        let help = "When the process started, in seconds since 1970";
        to.gauge("process_start_time_seconds", help, *started)?;
        let help = "Every service is under the policy, as /readyz says";
        to.flag("vestibule_ready", help, status.ready)?;
        let down = status.down.iter().map(|down| (vec![("task", &*down.task)], 1.0));
        let help = "Tasks that are down, and are started again until they stay up";
        to.gauges("vestibule_task_down", help, &down.collect::<Vec<_>>())
    }

    fn link(&self, to: &mut Writer<'_>) -> Result<(), Error> {
        let Figures { status, stanzas: [received, sent, dropped], links, .. } = &self.0;
        to.flag("vestibule_link_up", "The link to the server is up", status.linked)?;
        to.counter("vestibule_links", "Times that the link came up", *links)?;
        let stanzas: [(&[_], _); 2] =
            [(&[("direction", "received")], *received), (&[("direction", "sent")], *sent)];
        to.counters("vestibule_stanzas", "Stanzas over the link", stanzas)?;
        let help = "Stanzas that were not sent, not readable or too large";
        to.counter("vestibule_stanzas_dropped", help, *dropped)?;
        let greeted = status.services.iter().filter(|service| service.gate.is_some()).count();
        let help = "Services of the file, each of which needs a gate";
        to.gauge("vestibule_gates_expected", help, float(status.services.len()))?;
        to.gauge("vestibule_gates_greeted", "Gates that have greeted", float(greeted))?;
        let opens = |failure: &Option<String>| failure.as_deref() == Some("allow");
        let open = status.services.iter().filter(|service| opens(&service.failure)).count();
        let help = "Gates that let everybody in while the component is away";
        to.gauge("vestibule_gates_fail_open", help, float(open))
    }

    fn rooms(&self, to: &mut Writer<'_>) -> Result<(), Error> {
        let rooms = &self.0.rooms;
        let states = RoomState::ALL.map(|state| {
            let count = rooms.iter().filter(|room| room.state == state).count();
            (vec![("state", state.name())], float(count))
        });
        to.gauges("vestibule_rooms", "Rooms, by who may enter", &states)?;
        let sum = |count: fn(&crate::control::RoomLine) -> usize| {
            float(rooms.iter().map(count).fold(0, usize::saturating_add))
        };
        let help = "Occupants of rooms, services apart: one for each nick";
        to.gauge("vestibule_occupants", help, sum(|room| room.occupants))?;
        let help = "People inside rooms, services apart, however many sessions each has";
        to.gauge("vestibule_people", help, sum(|room| room.people))?;
        to.gauge("vestibule_waiting", "People who wait to be let in", sum(|room| room.waiting))?;
        let help = "Rooms with somebody inside and no moderator";
        let unmoderated = rooms.iter().filter(|room| room.occupants > 0 && room.moderators == 0);
        to.gauge("vestibule_rooms_unmoderated", help, float(unmoderated.count()))?;
        let looks = self.0.looks.map(|(watch, count)| (vec![("watch", watch)], count));
        let help = "Rooms looked at because they changed or their time had come";
        to.counters("vestibule_room_looks", help, looks)?;
        to.gauge("vestibule_bans", "Bans of the policy file", float(self.0.bans))
    }

    fn decisions(&self, to: &mut Writer<'_>) -> Result<(), Error> {
        let Figures { status, decided, answers, judging, .. } = &self.0;
        let sorts = decided.sorts().map(|([kind, verdict, class], count)| {
            (vec![("kind", kind), ("verdict", verdict), ("class", class)], count)
        });
        let help = "Decisions, by what was tried, the verdict and the class of the requester";
        to.counters("vestibule_decisions", help, sorts)?;
        let mut families = std::collections::BTreeMap::<_, u64>::new();
        for (rule, verdict, count) in decided.rules() {
            let sum = families.entry((family(rule), verdict.name())).or_default();
            *sum = sum.saturating_add(count);
        }
        let families = families.into_iter().map(|((family, verdict), count)| {
            (vec![("family", family), ("verdict", verdict)], count)
        });
        let help = "Decisions, by the family of the rule that they rest on";
        to.counters("vestibule_decisions_by_rule", help, families)?;
        let would = status.decisions.would;
        let would = [
            ("allow", would.allow),
            ("hold", would.hold),
            ("prompt", would.prompt),
            ("deny", would.deny),
        ]
        .map(|(verdict, count)| (vec![("verdict", verdict)], count));
        let help = "Decisions that would have been otherwise if the observed rules were enforced";
        to.counters("vestibule_decisions_observed", help, would)?;
        let gates = decided.gates().map(|(deed, count)| (vec![("deed", deed.name())], count));
        let help =
            "What gates did by themselves, because nobody answered or they could not do as told";
        to.counters("vestibule_gate_deeds", help, gates)?;
        to.histogram("vestibule_answer_seconds", "From a question to its answer", answers)?;
        let help = "Questions whose password is being judged";
        to.gauge("vestibule_questions_in_flight", help, whole(*judging))
    }

    fn records(&self, to: &mut Writer<'_>) -> Result<(), Error> {
        let Figures { status, .. } = &self.0;
        let help = "Lines of the decision log that were lost";
        to.counter("vestibule_log_lines_lost", help, status.log_lines_lost)?;
        let store = status.store.as_ref();
        let help = "Entries of the audit database that were lost";
        to.counter("vestibule_store_lost", help, store.map_or(0, |store| store.lost))?;
        let help = "Entries that wait to be written into the audit database";
        to.gauge("vestibule_store_waiting", help, store.map_or(0.0, |store| float(store.waiting)))?;
        let help = "The audit database can be written, or there is none";
        let writes = store.is_none_or(|store| store.trouble.is_none());
        to.flag("vestibule_store_up", help, writes)?;
        let drift = status.drift;
        let help = "Times that all rooms were compared with the policy";
        to.counter("vestibule_drift_audits", help, drift.audits)?;
        let help = "Differences between rooms and the policy that were found";
        to.counter("vestibule_drift_found", help, drift.found)?;
        let help = "Of these, repaired";
        to.counter("vestibule_drift_repaired", help, drift.repaired)?;
        let help = "Differences between rooms and the policy that are there";
        to.gauge("vestibule_drift_present", help, whole(drift.present))?;
        let found = status.doctor.unwrap_or_default();
        let findings = [
            ("critical", found.critical),
            ("warning", found.warning),
            ("note", found.note),
            ("unknown", found.unknown),
        ];
        let findings =
            findings.map(|(severity, count)| (vec![("severity", severity)], whole(count.into())));
        to.gauges("vestibule_doctor_findings", "What the doctor found last", &findings)
    }

    fn operators(&self, to: &mut Writer<'_>) -> Result<(), Error> {
        let Figures { reloads: [done, failed], commands, .. } = &self.0;
        let reloads: [(&[_], _); 2] =
            [(&[("outcome", "done")], *done), (&[("outcome", "failed")], *failed)];
        to.counters("vestibule_reloads", "Reloads of the policy file", reloads)?;
        let commands = Face::ALL.into_iter().zip(commands).flat_map(|(face, counts)| {
            ["done", "failed"].into_iter().zip(counts).map(move |(outcome, count)| {
                (vec![("face", face.name()), ("outcome", outcome)], *count)
            })
        });
        to.counters("vestibule_commands", "Commands of operators", commands)?;
        let help = "Requests to the API without a valid token";
        to.counter("vestibule_http_logins_failed", help, self.0.logins_failed)?;
        let help = "Those who look on over the API";
        to.gauge("vestibule_http_streams", help, whole(self.0.streams))?;
        let help = "Entries that somebody who looks on was too slow for";
        to.counter("vestibule_http_entries_dropped", help, self.0.entries_dropped)
    }
}

type Labels<'a> = [(&'a str, &'a str)];

/// Writes one metric after the other.
struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn info(&mut self, name: &str, help: &str, labels: &Labels<'_>) -> Result<(), Error> {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&labels)
    }

    fn flag(&mut self, name: &str, help: &str, is_so: bool) -> Result<(), Error> {
        self.gauge(name, help, if is_so { 1.0 } else { 0.0 })
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) -> Result<(), Error> {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn gauges(
        &mut self,
        name: &str,
        help: &str,
        values: &[(Vec<(&str, &str)>, f64)],
    ) -> Result<(), Error> {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            encoder.encode_family(labels)?.encode_gauge(value)?;
        }
        Ok(())
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> Result<(), Error> {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        encoder.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn counters<'a>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (impl AsRef<Labels<'a>>, u64)>,
    ) -> Result<(), Error> {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            let labels = labels.as_ref();
            encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        taken: &crate::component::measures::Taken,
    ) -> Result<(), Error> {
        let ends = ENDS.iter().map(|end| seconds(*end)).chain([f64::MAX]);
        let buckets: Vec<_> = ends.zip(taken.buckets).collect();
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        let sum = seconds(taken.nanoseconds);
        encoder.encode_histogram::<NoLabelSet>(sum, taken.count(), &buckets, None)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and nobody counts beyond 2^53")]
fn whole(count: u64) -> f64 {
    count as f64
}

fn float(count: usize) -> f64 {
    u64::try_from(count).map_or(f64::INFINITY, whole)
}

fn seconds(nanoseconds: u64) -> f64 {
    whole(nanoseconds) / 1e9
}
