//! `GET /metrics`, `/healthz`, `/readyz`: for the machines that watch over this one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use host_broker::TopicState;
use host_core::saga::Status;
use host_core::time::Timestamp;
use serde_json::json;

use super::App;
use super::problem::{Code, Problem};
use crate::door::{PluginState, Readiness};
use crate::limits::METRIC_TOPICS_MAX;
use crate::metrics::{Page, names};

const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The process lives and answers. Says nothing about whether it takes work.
pub(crate) async fn healthz() -> Response<Body> {
    super::json(StatusCode::OK, &json!({ "status": "ok" }))
}

pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Response<Body> {
    match unready(&app) {
        None => super::json(StatusCode::OK, &json!({ "status": "ready" })),
        Some(why) => Problem::new(Code::NotReady, why).into_response(),
    }
}

/// Why the host takes no work.
fn unready(app: &App) -> Option<String> {
    match app.door.readiness() {
        Readiness::Ready if app.metrics.is_projection_stopped() => {
            Some("lists and errors are no longer kept up; restart the host when the disk is well".to_owned())
        }
        Readiness::Ready => None,
        Readiness::Starting => Some("the host is starting".to_owned()),
        Readiness::Stopping => Some("the host is stopping".to_owned()),
        Readiness::Failed(why) => Some(format!("the host has failed: {why}")),
    }
}

pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response<Body> {
    let mut page = Page::default();
    page.gauge(names::BUILD, &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    page.gauge(names::READY, &[], if unready(&app).is_none() { 1.0 } else { 0.0 });
    app.metrics.render(&mut page);
    page.gauge(names::FOLLOWERS, &[], count(app.hub.follower_count()));
    page.gauge(names::WAITERS, &[], count(app.watcher.count()));
    plugins(&mut page, &app.door.plugins());
    let use_cases = app.door.use_cases();
    page.gauge(names::USE_CASES, &[], count(use_cases.definitions.len()));
    page.gauge(names::USE_CASE_PROBLEMS, &[], count(use_cases.problems.len()));
    // A page that lacks some numbers is worth more than none: what fails is left out and logged.
    match app.store.statistics().await {
        Ok(statistics) => store(&mut page, &statistics),
        Err(error) => tracing::warn!(%error, "the store's numbers are missing in the metrics"),
    }
    match app.broker.topics().await {
        Ok(states) => topics(&mut page, &states),
        Err(error) => tracing::warn!(%error, "the topics' numbers are missing in the metrics"),
    }
    if let Some(as_of) = app.broker.as_of() {
        let behind = Timestamp::from_system_time(SystemTime::now()).since(as_of);
        page.gauge(names::JOURNAL_BEHIND, &[], behind.as_secs_f64());
    }
    page.samples(app.door.metrics());
    super::with_type(StatusCode::OK, PROMETHEUS_TEXT, Body::from(page.finish()))
}

fn store(page: &mut Page, statistics: &host_store::Statistics) {
    for (status, number) in Status::ALL.iter().zip(statistics.by_status) {
        page.gauge(names::SAGAS, &[("status", status.as_str())], number as f64);
    }
    page.gauge(names::PARKED, &[], statistics.parked as f64);
    page.gauge(names::STORE_BYTES, &[], statistics.disk_bytes as f64);
}

fn plugins(page: &mut Page, plugins: &[PluginState]) {
    let mut by_state = BTreeMap::from([("serving", 0), ("rejected", 0), ("draining", 0)]);
    for plugin in plugins {
        *by_state.entry(plugin.state.as_str()).or_default() += 1;
    }
    for (state, number) in by_state {
        page.gauge(names::PLUGINS, &[("state", state)], f64::from(number));
    }
    let mut by_step: BTreeMap<&str, u64> = BTreeMap::new();
    for plugin in plugins {
        // Two versions of a step may be in service: one serving, one draining.
        *by_step.entry(plugin.address.as_str()).or_default() += plugin.in_flight_count;
    }
    for (step, number) in by_step {
        page.gauge(names::PLUGIN_IN_FLIGHT, &[("step", step)], number as f64);
    }
}

fn topics(page: &mut Page, states: &[TopicState]) {
    let states = &states[..states.len().min(METRIC_TOPICS_MAX)];
    for state in states {
        page.gauge(names::TOPIC_MESSAGES, &[("topic", state.topic.as_str())], state.message_count as f64);
    }
    for state in states {
        page.gauge(names::TOPIC_DELAYED, &[("topic", state.topic.as_str())], state.delayed_count as f64);
    }
    let consumers = || states.iter().flat_map(|state| state.consumers.iter().map(move |one| (&state.topic, one)));
    for (topic, consumer) in consumers() {
        let labels = [("topic", topic.as_str()), ("group", consumer.group.as_str())];
        page.gauge(names::TOPIC_IN_FLIGHT, &labels, consumer.in_flight_count as f64);
    }
    for (topic, consumer) in consumers() {
        let labels = [("topic", topic.as_str()), ("group", consumer.group.as_str())];
        page.gauge(names::TOPIC_LAG, &labels, consumer.lag as f64);
    }
}

fn count(number: usize) -> f64 {
    number as f64
}
