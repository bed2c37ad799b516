//! The name, meaning and kind of every metric of the monitor, in one place. What the other rooms count comes with its
//! own names through the door.

use crate::door::SampleKind;

/// A metric as `/metrics` declares it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
}

/// What Prometheus calls the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

impl From<SampleKind> for Kind {
    fn from(kind: SampleKind) -> Self {
        match kind {
            SampleKind::Counter => Kind::Counter,
            SampleKind::Gauge => Kind::Gauge,
        }
    }
}

const fn counter(name: &'static str, help: &'static str) -> Name {
    Name { name, help, kind: Kind::Counter }
}

const fn gauge(name: &'static str, help: &'static str) -> Name {
    Name { name, help, kind: Kind::Gauge }
}

const fn histogram(name: &'static str, help: &'static str) -> Name {
    Name { name, help, kind: Kind::Histogram }
}

pub(crate) const BUILD: Name = gauge("saga_build_info", "Version of the host; always 1.");
pub(crate) const READY: Name = gauge("saga_ready", "1 while the host takes work.");

pub(crate) const SAGAS_STARTED: Name = counter("saga_started_total", "Sagas started since the host did.");
pub(crate) const SAGAS_ENDED: Name = counter("saga_ended_total", "Sagas ended since the host started, by how.");
pub(crate) const SAGAS: Name = gauge("saga_sagas", "Sagas that the store holds, by status.");
pub(crate) const PARKED: Name = gauge("saga_parked_messages", "Messages that wait for a signal.");
pub(crate) const STORE_BYTES: Name = gauge("saga_store_disk_bytes", "Bytes of the store on disk.");

pub(crate) const STEP_CALLS: Name =
    counter("saga_step_calls_total", "Calls of steps since the host started, by what came of them.");
pub(crate) const STEP_CALL_SECONDS: Name =
    histogram("saga_step_call_seconds", "Time from the begin of a call to its decision.");
pub(crate) const PLUGINS: Name = gauge("saga_plugins", "Plugins by state.");
pub(crate) const PLUGIN_IN_FLIGHT: Name = gauge("saga_plugin_calls_in_flight", "Calls that run now.");
pub(crate) const USE_CASES: Name = gauge("saga_use_cases", "Use-case definitions in force.");
pub(crate) const USE_CASE_PROBLEMS: Name = gauge("saga_use_case_problems", "Use-case files that were refused.");

pub(crate) const TOPIC_MESSAGES: Name = gauge("saga_topic_messages", "Messages that a topic holds.");
pub(crate) const TOPIC_DELAYED: Name = gauge("saga_topic_delayed_messages", "Messages that are not due yet.");
pub(crate) const TOPIC_IN_FLIGHT: Name = gauge("saga_topic_in_flight_messages", "Messages out with a consumer.");
pub(crate) const TOPIC_LAG: Name = gauge("saga_topic_lag_messages", "Messages that a group has not acknowledged.");

pub(crate) const HTTP_REQUESTS: Name = counter("saga_http_requests_total", "HTTP requests by route and status class.");
pub(crate) const HTTP_SECONDS: Name =
    histogram("saga_http_request_seconds", "Time from a request's head to its answer's head.");
pub(crate) const HTTP_CONNECTIONS: Name = gauge("saga_http_connections", "Open HTTP connections.");
pub(crate) const HTTP_CONNECTIONS_REFUSED: Name =
    counter("saga_http_connections_refused_total", "HTTP connections turned away because there were too many.");
pub(crate) const HTTP_CONNECTIONS_CUT: Name =
    counter("saga_http_connections_cut_total", "HTTP connections that the host ended by itself, by why.");
pub(crate) const FOLLOWERS: Name = gauge("saga_event_followers", "Followers of live events.");
pub(crate) const WAITERS: Name = gauge("saga_waiters", "Clients that wait for the end of a saga.");
pub(crate) const RECORDS_PROJECTED: Name =
    counter("saga_projected_records_total", "Journal records folded into lists and errors.");
pub(crate) const RECORDS_NOT_PROJECTED: Name =
    counter("saga_unprojected_records_total", "Journal records that could not be folded; the log names them.");
pub(crate) const JOURNAL_BEHIND: Name = gauge(
    "saga_journal_behind_seconds",
    "Age of what this host knows for certain of what other hosts did; only where hosts share the work.",
);

#[cfg(test)]
pub(crate) const ALL: [Name; 27] = [
    BUILD,
    READY,
    SAGAS_STARTED,
    SAGAS_ENDED,
    SAGAS,
    PARKED,
    STORE_BYTES,
    STEP_CALLS,
    STEP_CALL_SECONDS,
    PLUGINS,
    PLUGIN_IN_FLIGHT,
    USE_CASES,
    USE_CASE_PROBLEMS,
    TOPIC_MESSAGES,
    TOPIC_DELAYED,
    TOPIC_IN_FLIGHT,
    TOPIC_LAG,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    HTTP_CONNECTIONS,
    HTTP_CONNECTIONS_REFUSED,
    HTTP_CONNECTIONS_CUT,
    FOLLOWERS,
    WAITERS,
    RECORDS_PROJECTED,
    RECORDS_NOT_PROJECTED,
    JOURNAL_BEHIND,
];
