//! The handler of link events and incoming stanzas.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::adhoc::{AdHocFace, Answered};
use super::clock::{instant, now};
use super::commands::Operator;
use super::{Shared, addresses, reload, rooms};
use crate::component::neighbours::{NEIGHBOURS, among};
use crate::metrics::Raised;
use crate::policy::attempt::Action;
use crate::policy::record::Source;
use crate::wire::NS;
use crate::wire::handshake::Hello;
use crate::wire::request::Question;
use crate::wire::server_inventory::{ServerInventory, Setting, posture};
use crate::xmpp::link::{LinkEvent, Outbox};
use crate::xmpp::replies::Identity;
use crate::xmpp::stanza::{Condition, ErrorType, Iq, IqKind, StanzaError};
use crate::xmpp::{Element, ElementRef, ns, replies};

#[derive(Debug)]
pub(super) struct Traffic {
    shared: Shared,
    domain: String,
    adhoc: AdHocFace,
}

impl Traffic {
    pub(super) fn new(shared: Shared, domain: String, operator: Arc<Operator>) -> Self {
        let adhoc = AdHocFace::new(shared.clone(), domain.clone(), operator);
        Self { shared, domain, adhoc }
    }

    /// Handles one event of the link without blocking.
    pub(super) fn event(&mut self, event: LinkEvent<'_>, outbox: &mut Outbox) {
        match event {
            LinkEvent::Up => {
                self.shared.strangers.lock().clear();
                *self.shared.trouble.lock() = None;
                tracing::info!(domain = %self.domain, "linked to the server");
            }
            LinkEvent::Down(error) => {
                self.shared.engine().link_lost();
                let advice = error.advice(&self.domain).map(|advice| format!(": {advice}"));
                *self.shared.trouble.lock() =
                    Some(format!("{error}{}", advice.unwrap_or_default()));
            }
            LinkEvent::Stanza(stanza) if stanza.is(ns::COMPONENT, "iq") => self.iq(stanza, outbox),
            LinkEvent::Stanza(stanza) => self.message(stanza),
            LinkEvent::Written => self.shared.engine().audit().release(),
        }
    }

    fn iq(&self, stanza: ElementRef<'_>, outbox: &mut Outbox) {
        let greets = stanza.child(NS, "hello").and(stanza.attr("from"));
        let reply = match Iq::try_from(stanza) {
            Ok(iq) => self.answer(&iq),
            Err(invalid) => invalid.reply.map(|reply| *reply),
        };
        if let Some(reply) = reply
            && let Err(error) = outbox.reply(reply)
        {
            self.shared.engine().audit().release();
            tracing::warn!(%error, "an answer could not be sent");
        }
        // Only after the reply is queued: before its welcome, the gate reports nothing.
        let greeted =
            |from: &str| self.shared.engine().greeted().into_iter().find(|it| **it == *from);
        if let Some(service) = greets.and_then(greeted) {
            tokio::spawn(rooms::restore(self.shared.clone(), service));
        }
    }

    fn answer(&self, iq: &Iq<ElementRef<'_>>) -> Option<Iq> {
        let service = iq.from.as_deref().and_then(|from| self.shared.engine().service(from));
        match (iq.kind.clone(), service) {
            (IqKind::Set(payload), Some(service)) if payload.is(NS, "request") => {
                self.question(iq, payload, &service)
            }
            (IqKind::Set(payload), Some(service)) if Hello::is_hello(payload) => {
                Some(self.hello(iq, payload, &service))
            }
            (IqKind::Set(payload), None) if Hello::is_hello(payload) => {
                let from = iq.from.as_deref().unwrap_or_default();
                let services = Arc::clone(&self.shared.upkeep.lock().in_file);
                let is_named = services.services.iter().any(|it| it.domain.as_str() == from);
                let (found, line) = if is_named {
                    ("was started before its file named this service", "restart it")
                } else {
                    ("has a file that does not name this service", "add it as [[service]]")
                };
                self.shared.strangers.lock().insert(from.to_owned());
                tracing::warn!(from = ?from, "a gate greets; this component {found}: {line}");
                let text = format!("this component {found} (`{from}`): {line}");
                let error = StanzaError::new(ErrorType::Auth, Condition::Forbidden).with_text(text);
                Some(Iq::error_to(iq, error))
            }
            _ => match self.adhoc.answer(iq) {
                Answered::Now(answer) => Some(*answer),
                Answered::Later => None,
                Answered::NotAsked => self.courtesy(iq),
            },
        }
    }

    fn question(
        &self,
        iq: &Iq<ElementRef<'_>>,
        ask: ElementRef<'_>,
        service: &Arc<str>,
    ) -> Option<Iq> {
        let began = instant();
        let mut question = Question::read(ask);
        let mut engine = self.shared.engine();
        let rules =
            engine.live().rules_of(engine.policy(), &question.attempt, &question.room, now());
        let is_open = matches!(question.attempt.action, Action::Open { .. });
        let matters = question.typed.is_some()
            && (!is_open || rules.strict().password.source.value == Source::Creator);
        if !matters {
            engine.audit().hold();
            let answer = engine.question(service, &question, now());
            engine.admit(question, &answer);
            drop(engine);
            self.shared.metrics.answers.observe(began.elapsed());
            return Some(Iq::result_to(iq, Some(answer)));
        }
        let mut judged_by = Arc::clone(engine.policy());
        drop(engine);
        // Judging a password takes milliseconds, which must not block the link.
        let (shared, service) = (self.shared.clone(), Arc::clone(service));
        let mut reply = Iq::result_to(iq, None);
        tokio::task::spawn_blocking(move || {
            let mut rules = rules;
            let _judging = Raised::new(&shared.metrics.judging);
            let answer = loop {
                let turn = shared.judging_turn.blocking_lock();
                if let Some(strength) =
                    crate::component::engine::rooms::strength(&question, rules.strict(), now())
                {
                    question.judge_typed(strength);
                }
                drop(turn);
                let mut engine = shared.engine();
                if Arc::ptr_eq(engine.policy(), &judged_by) {
                    let answer = engine.question(&service, &question, now());
                    engine.admit(question, &answer);
                    break answer;
                }
                // Another file came into force meanwhile: a decision must not mix two policies.
                judged_by = Arc::clone(engine.policy());
                rules = engine.live().rules_of(
                    engine.policy(),
                    &question.attempt,
                    &question.room,
                    now(),
                );
            };
            shared.metrics.answers.observe(began.elapsed());
            reply.kind = IqKind::Result(Some(answer));
            if let Err(error) = shared.link.send(reply) {
                tracing::warn!(%error, "an answer could not be sent");
            }
        });
        None
    }

    fn hello(&self, iq: &Iq<ElementRef<'_>>, hello: ElementRef<'_>, service: &Arc<str>) -> Iq {
        let welcome = self.shared.engine().hello(service, hello);
        match welcome {
            Ok(welcome) => {
                tracing::info!(%service, "the gate has connected");
                addresses::check(&self.shared, service);
                self.shared.doctor.look_soon();
                tokio::spawn(look_around(self.shared.clone(), Arc::clone(service)));
                Iq::result_to(iq, Some(welcome))
            }
            Err(error) => {
                tracing::error!(%service, %error, "the gate is refused");
                let refusal = StanzaError::new(ErrorType::Cancel, Condition::FeatureNotImplemented)
                    .with_text(error.to_string());
                Iq::error_to(iq, refusal)
            }
        }
    }

    fn courtesy(&self, iq: &Iq<ElementRef<'_>>) -> Option<Iq> {
        let identity = Identity {
            domain: &self.domain,
            name: "Vestibule",
            version: env!("CARGO_PKG_VERSION"),
            features: &[NS, ns::COMMANDS],
        };
        let mut reply = replies::answer(iq, &identity)?;
        if let IqKind::Result(Some(info)) = &mut reply.kind
            && info.is(ns::DISCO_INFO, "query")
        {
            let revision = self.shared.engine().policy().revision.clone();
            info.push_child(software(&reload::shown(&self.shared.revision_key, &revision)));
        }
        Some(reply)
    }

    fn message(&self, stanza: ElementRef<'_>) {
        let Some(report) = stanza.child(NS, "report") else { return };
        let mut engine = self.shared.engine();
        if report.attr("event") == Some("unloading")
            && let Some(from) = stanza.attr("from")
        {
            self.shared.strangers.lock().remove(from);
        }
        if let Some(service) = stanza.attr("from").and_then(|from| engine.service(from)) {
            let is_missing = engine.report(&service, report, now());
            drop(engine);
            if is_missing {
                tracing::warn!(%service, "a report is missing: the rooms are read again");
                tokio::spawn(rooms::restore(self.shared.clone(), service));
            }
        }
    }
}

/// Returns the versions of the program and the policy as extended service information (XEP-0128).
fn software(revision: &str) -> Element {
    let field = |var: &str, value: &str| {
        Element::new(ns::DATA_FORMS, "field")
            .with_attr("var", var)
            .with_child(Element::new(ns::DATA_FORMS, "value").with_text(value))
    };
    Element::new(ns::DATA_FORMS, "x")
        .with_attr("type", "result")
        .with_child(field("FORM_TYPE", "urn:vestibule:info").with_attr("type", "hidden"))
        .with_child(field("version", env!("CARGO_PKG_VERSION")))
        .with_child(field("revision", revision))
}

/// Returns the networks of the reverse proxies that the servers trust to report client addresses (`trusted_proxies`).
pub(super) async fn proxies(shared: &Shared) -> Vec<IpNet> {
    let mut found = Vec::new();
    let services = shared.engine().greeted();
    for service in services {
        // A server that cannot be asked is left out: without the link, no one can join either.
        let Ok(element) = shared.ask(&service, posture()).await else { continue };
        let hosts = ServerInventory::read(element.root()).hosts;
        let items = hosts.iter().filter_map(|hosts| hosts.global("trusted_proxies"));
        found.extend(items.flat_map(Setting::items).filter_map(|item| network(item)));
    }
    found
}

fn network(item: &str) -> Option<IpNet> {
    item.parse().ok().or_else(|| item.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Looks for modules of a service that conflict with the policy, and reports them in the log and in `status`.
pub(super) async fn look_around(shared: Shared, service: Arc<str>) {
    let element = match shared.ask(&service, posture()).await {
        Ok(element) => element,
        Err(error) => {
            tracing::warn!(%service, %error, "the modules of the service are not known");
            return;
        }
    };
    let modules = ServerInventory::read(element.root()).modules;
    let found = among(NEIGHBOURS, modules.iter().map(String::as_str));
    for neighbour in &found {
        let module = neighbour.module;
        tracing::warn!(%service, module, "a module in addition to the gate {neighbour}");
    }
    shared.engine().found(&service, found);
}
