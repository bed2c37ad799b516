//! `POST /v1/use-cases/{name}/sagas`: begin a saga, and wait for its end if the client prefers so. The hot path: the
//! body is checked once and passed on as it came.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use host_core::id::{GlobalId, UseCaseName};
use host_core::json::Json;
use host_core::record::{Event, Record};
use host_core::saga::{Saga, Status};
use uuid::Uuid;

use super::parameters::{Segment, header, invalid};
use super::problem::{Code, Problem};
use super::{App, body};
use crate::door::Start;
use crate::view;
use crate::watch::{Since, Watch};

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// Bytes of a `tracestate` that is passed on: the recommendation asks for at least 512.
const TRACE_STATE_BYTES_MAX: usize = 1024;

pub(crate) async fn start(
    State(app): State<Arc<App>>,
    Segment(name): Segment,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let use_case = UseCaseName::try_new(&name).map_err(|error| invalid("use case", &error.to_string()))?;
    let headers = request.headers();
    body::refuse_type(headers)?;
    let wait = preferred_wait(headers).map(|wait| wait.min(app.limits.wait_max));
    let (global_id, minted) = match asked_id(headers)? {
        Some(global_id) => (global_id, false),
        None => (mint()?, true),
    };
    let (traceparent, tracestate) = trace(headers);
    let received = body::read(&app, request, app.limits.body_bytes_max).await?;
    let body = body::json(&received)?;
    // Registered before the start, so that the end cannot come unseen.
    let watch = wait.map(|_| {
        let since = if minted { Since::BeforeItsStart } else { Since::AnyTime };
        app.watcher.watch(&global_id, since)
    });
    let again = (!minted).then(|| (use_case.clone(), body.clone()));
    let wish = Start { use_case, body, global_id: Some(global_id), minted, traceparent, tracestate };
    let started = app.door.start(wish).await?;
    let status = match again {
        Some((use_case, body)) if started.existed => status_of(&app, &started.global_id, &use_case, &body).await?,
        Some(_) | None => Status::Running,
    };
    drop(received);
    match (watch, wait) {
        (Some(watch), Some(wait)) => waited(&app, watch, started.existed, wait, &started.global_id, status).await,
        (_, _) => Ok(accepted(&started.global_id, status)),
    }
}

async fn waited(
    app: &App,
    mut watch: Watch,
    existed: bool,
    wait: Duration,
    global_id: &GlobalId,
    status: Status,
) -> Result<Response<Body>, Problem> {
    if existed {
        watch.is_older();
    }
    let outcome = watch.outcome(wait).await.map_err(|error| Problem::of_store("follow the saga", &error))?;
    let mut response = match outcome {
        Some(outcome) => super::json(StatusCode::OK, &view::Outcome::from(&*outcome)),
        // What it is now: it has moved since its start.
        None => accepted(global_id, status_now(app, global_id).await?.unwrap_or(status)),
    };
    let applied = HeaderValue::try_from(format!("wait={}", wait.as_secs_f64()));
    response.headers_mut().insert(PREFERENCE_APPLIED, applied.expect("digits make a header value"));
    Ok(response)
}

fn accepted(global_id: &GlobalId, status: Status) -> Response<Body> {
    let mut response = super::json(StatusCode::ACCEPTED, &view::Started { global_id, status: status.as_str() });
    let location = HeaderValue::try_from(format!("/v1/sagas/{}", encode_segment(global_id.as_str())));
    response.headers_mut().insert(LOCATION, location.expect("percent-encoded text makes a header value"));
    response
}

/// The status of a saga that existed before this start. One of another use case, or one that began with another body,
/// is not what the caller means.
async fn status_of(app: &App, global_id: &GlobalId, use_case: &UseCaseName, body: &Json) -> Result<Status, Problem> {
    let records = records(app, global_id).await?;
    let Some(saga) = Saga::fold(&records) else { return Ok(Status::Running) };
    if saga.use_case.as_ref().is_none_or(|reference| reference.name != *use_case) {
        let owner = saga.use_case.map_or_else(|| "no use case".to_owned(), |reference| reference.name.to_string());
        let detail = format!("global-id {global_id} is a saga of {owner} already; choose another id or key");
        return Err(Problem::new(Code::GlobalIdTaken, detail));
    }
    let first = records.iter().find_map(|record| match &record.event {
        Event::Started { body, .. } => Some(body),
        _ => None,
    });
    if first.is_some_and(|first| !is_same(first, body)) {
        let detail = format!("saga {global_id} was started with another body; choose another id or key for this one");
        return Err(Problem::new(Code::BodyDiffers, detail));
    }
    Ok(saga.status)
}

/// To the byte, or else by value: white space and the order of members carry no meaning.
fn is_same(first: &Json, second: &Json) -> bool {
    let value = |json: &Json| serde_json::from_str::<serde_json::Value>(json.as_str()).ok();
    first == second || value(first).is_some_and(|first| Some(first) == value(second))
}

async fn status_now(app: &App, global_id: &GlobalId) -> Result<Option<Status>, Problem> {
    Ok(Saga::fold(&records(app, global_id).await?).map(|saga| saga.status))
}

async fn records(app: &App, global_id: &GlobalId) -> Result<Vec<Record>, Problem> {
    app.store.journal(global_id).await.map_err(|error| Problem::of_store("read the journal", &error))
}

fn mint() -> Result<GlobalId, Problem> {
    let mut text = Uuid::encode_buffer();
    let text = Uuid::now_v7().hyphenated().encode_lower(&mut text);
    GlobalId::try_new(text).map_err(|error| Problem::internal("mint a global-id", &error))
}

/// The saga's id, if the client names one: directly, or as the key under which it repeats itself.
fn asked_id(headers: &HeaderMap) -> Result<Option<GlobalId>, Problem> {
    let global_id = header(headers, "global-id")?;
    let key = header(headers, "idempotency-key")?.map(unquoted);
    let text = match (global_id, key) {
        (Some(global_id), Some(key)) if global_id != key => {
            let detail = "it differs from global-id; both name the saga, so send one of them";
            return Err(invalid("idempotency-key", detail));
        }
        (Some(text), _) | (None, Some(text)) => text,
        (None, None) => return Ok(None),
    };
    GlobalId::try_new(text).map(Some).map_err(|error| invalid("global-id", &error.to_string()))
}

/// The draft of `Idempotency-Key` writes it as a quoted string, most clients send it bare.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

/// `wait` among the preferences (RFC 7240). One that cannot be read is ignored, as the RFC asks. Parts of a second are
/// an addition of ours.
fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    preferences.flat_map(|value| value.split(',')).find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let seconds = name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"'))?;
        Duration::try_from_secs_f64(seconds.parse().ok()?).ok()
    })
}

/// The trace context, if it is well formed; a broken one is dropped and the trace begins anew, as W3C asks.
fn trace(headers: &HeaderMap) -> (Option<String>, Option<String>) {
    let Ok(Some(parent)) = header(headers, "traceparent") else { return (None, None) };
    if !is_traceparent(parent) {
        return (None, None);
    }
    let states: Vec<_> = headers.get_all("tracestate").iter().filter_map(|value| value.to_str().ok()).collect();
    let state = states.join(",");
    let state = (!state.is_empty() && state.len() <= TRACE_STATE_BYTES_MAX).then_some(state);
    (Some(parent.to_owned()), state)
}

fn is_traceparent(text: &str) -> bool {
    let mut parts = text.split('-');
    let lengths = [2, 32, 16, 2];
    let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let all = lengths.iter().all(|length| parts.next().is_some_and(|part| part.len() == *length && is_hex(part)));
    let later_version = !text.starts_with("00-");
    all && (later_version || parts.next().is_none()) && !text.starts_with("ff-") && text.len() <= 256
}

fn encode_segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_bytes(text.as_bytes()).expect("a header value");
        let mut map = HeaderMap::new();
        for (name, text) in pairs {
            map.append(*name, value(text));
        }
        map
    }

    #[test]
    fn the_preference_to_wait_is_read_among_others_and_a_broken_one_is_ignored() {
        let wait = |text: &str| preferred_wait(&headers(&[("prefer", text)]));
        assert_eq!(wait("wait=5"), Some(Duration::from_secs(5)));
        assert_eq!(wait("respond-async, Wait = \"10\"; foo=bar"), Some(Duration::from_secs(10)));
        assert_eq!(wait("wait=0.25"), Some(Duration::from_millis(250)));
        for ignored in ["respond-async", "wait", "wait=", "wait=-1", "wait=soon", "wait=NaN", "wait=1e300", "waiting=5"]
        {
            assert_eq!(wait(ignored), None, "{ignored}");
        }
        let two = headers(&[("prefer", "respond-async"), ("prefer", "wait=2")]);
        assert_eq!(preferred_wait(&two), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_key_names_the_saga_and_two_different_names_are_refused() {
        fn id(pairs: &[(&'static str, &str)]) -> Result<Option<String>, Code> {
            asked_id(&headers(pairs)).map(|id| id.map(|id| id.to_string())).map_err(|problem| problem.code)
        }
        assert_eq!(id(&[]), Ok(None));
        assert_eq!(id(&[("global-id", "ordre-é-1")]), Ok(Some("ordre-é-1".to_owned())));
        assert_eq!(id(&[("idempotency-key", "\"k-1\"")]), Ok(Some("k-1".to_owned())), "as the draft quotes it");
        assert_eq!(id(&[("idempotency-key", "k-1"), ("global-id", "k-1")]), Ok(Some("k-1".to_owned())));
        assert_eq!(id(&[("idempotency-key", "k-1"), ("global-id", "k-2")]), Err(Code::InvalidParameter));
        assert_eq!(id(&[("global-id", "a"), ("global-id", "a")]), Err(Code::InvalidParameter), "given twice");
        assert_eq!(id(&[("global-id", &"x".repeat(129))]), Err(Code::InvalidParameter));
        assert_eq!(id(&[("idempotency-key", "")]), Err(Code::InvalidParameter));
    }

    #[test]
    fn only_a_well_formed_trace_is_passed_on() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let both = headers(&[("traceparent", parent), ("tracestate", "a=1"), ("tracestate", "b=2")]);
        assert_eq!(trace(&both), (Some(parent.to_owned()), Some("a=1,b=2".to_owned())));
        for broken in ["", "00-0af7", &parent.to_uppercase(), &format!("{parent}-x"), &parent.replacen("00", "ff", 1)] {
            assert_eq!(trace(&headers(&[("traceparent", broken), ("tracestate", "a=1")])), (None, None), "{broken}");
        }
    }

    #[test]
    fn an_id_is_one_segment_of_a_path() {
        assert_eq!(encode_segment("a/b ?é-1"), "a%2Fb%20%3F%C3%A9-1");
    }
}
