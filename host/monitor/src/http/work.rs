//! `POST /v1/steps/{address}/work`, and a lease behind it: workers elsewhere take calls of a step, renew their leases,
//! and answer. Each shows the token of the step.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Response, StatusCode};
use host_core::call::{self, Answered, Call, Work};
use host_core::id::{StepAddress, TopicName, WaitKey};
use host_core::json::Json;
use host_core::outcome::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::parameters::{Segment, invalid};
use super::problem::{Code, Problem};
use super::{App, body};
use crate::door::Refusal;
use crate::view;

/// What a worker asks for, in its own words.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Ask {
    worker: Option<String>,
    #[serde(deserialize_with = "whole")]
    max: Option<u32>,
    #[serde(deserialize_with = "whole")]
    wait_ms: Option<u32>,
}

/// A whole number, also one that is written with a point: to JSON Schema `8.0` is an integer like `8`.
fn whole<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(from)? else { return Ok(None) };
    let exact = number.as_u64().and_then(|number| u32::try_from(number).ok());
    let written =
        number.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number));
    let whole = exact.or_else(|| written.map(|number| number as u32));
    whole.map(Some).ok_or_else(|| serde::de::Error::custom(format!("{number} is no whole number up to {}", u32::MAX)))
}

pub(crate) async fn take(
    State(app): State<Arc<App>>,
    Segment(address): Segment,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let address = step(&address)?;
    let token = token(request.headers());
    let Ask { worker, max, wait_ms } = body::small(&app, request).await?;
    let ask = call::Ask {
        worker: worker_name(worker)?,
        count_max: usize::try_from(max.unwrap_or(1)).unwrap_or(usize::MAX),
        wait: Duration::from_millis(u64::from(wait_ms.unwrap_or_default())),
    };
    let taken = app.door.take_work(address, token, ask).await?;
    let work: Vec<_> = taken.iter().map(Item::from).collect();
    Ok(super::json(StatusCode::OK, &Page { work }))
}

fn worker_name(name: Option<String>) -> Result<String, Problem> {
    let name = name.unwrap_or_else(|| "worker".to_owned());
    let is_good = !name.trim().is_empty() && !name.chars().any(char::is_control) && name.chars().count() <= 128;
    if is_good { Ok(name) } else { Err(invalid("worker", "a worker's name has 1 to 128 printable characters")) }
}

/// What was handed out.
#[derive(Debug, Serialize)]
struct Page<'a> {
    work: Vec<Item<'a>>,
}

/// One call, under the names of the contract.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Item<'a> {
    lease: &'a str,
    lease_ms: u64,
    context: Context<'a>,
    body: &'a Json,
    compensation_log: Option<&'a Json>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Context<'a> {
    global_id: &'a str,
    use_case: Option<&'a str>,
    use_case_version: Option<u32>,
    address: &'a str,
    position: u16,
    direction: &'static str,
    attempt: u32,
    idempotency_key: String,
    deadline: Option<String>,
    signalled: Option<&'a str>,
    failure: Option<Failure<'a>>,
    headers: Headers<'a>,
}

#[derive(Debug, Serialize)]
struct Failure<'a> {
    position: u16,
    address: &'a str,
    kind: &'static str,
    code: &'a str,
    reason: &'a str,
}

/// The unknown members of `meta`, in their order.
#[derive(Debug)]
struct Headers<'a>(&'a [(String, String)]);

impl Serialize for Headers<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| {
            // They came out of a message that was checked to be JSON.
            (name, serde_json::from_str::<&RawValue>(value).unwrap_or(RawValue::NULL))
        }))
    }
}

impl<'a> From<&'a Work> for Item<'a> {
    fn from(work: &'a Work) -> Self {
        let Work { lease, lease_span, call } = work;
        let lease_ms = u64::try_from(lease_span.as_millis()).unwrap_or(u64::MAX);
        Self {
            lease,
            lease_ms,
            context: Context::from(call),
            body: &call.body,
            compensation_log: call.compensation_log.as_ref(),
        }
    }
}

impl<'a> From<&'a Call> for Context<'a> {
    fn from(call: &'a Call) -> Self {
        Self {
            global_id: call.global_id.as_str(),
            use_case: call.use_case.as_ref().map(|use_case| use_case.name.as_str()),
            use_case_version: call.use_case.as_ref().map(|use_case| use_case.version),
            address: call.address.as_str(),
            position: call.position.0,
            direction: call.direction.as_str(),
            attempt: call.attempt,
            idempotency_key: call.idempotency_key.to_string(),
            deadline: call.deadline.map(|deadline| deadline.to_string()),
            signalled: call.signalled.as_ref().map(WaitKey::as_str),
            failure: call.failure.as_ref().map(|failure| Failure {
                position: failure.position.0,
                address: failure.address.as_str(),
                kind: failure.kind.as_str(),
                code: &failure.code,
                reason: &failure.reason,
            }),
            headers: Headers(&call.headers),
        }
    }
}

/// What comes for a lease: one of the five.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Answer {
    renew: bool,
    done: Option<Done>,
    rejected: Option<Rejected>,
    retry: Option<Retry>,
    wait: Option<Wait>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Done {
    body: Json,
    compensation: Option<Json>,
    #[serde(default)]
    events: Vec<Event>,
    #[serde(default)]
    signals: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    topic: String,
    body: Json,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rejected {
    code: String,
    #[serde(default)]
    reason: String,
    details: Option<Json>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Retry {
    #[serde(default)]
    reason: String,
    #[serde(default, deserialize_with = "whole")]
    after_ms: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Wait {
    key: String,
    #[serde(default)]
    reason: String,
    #[serde(default, deserialize_with = "whole")]
    timeout_ms: Option<u32>,
}

/// What the worker wants of its lease.
enum Wish {
    Renew,
    End(Answered),
}

pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    path: Result<Path<(String, String)>, axum::extract::rejection::PathRejection>,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let Path((address, lease)) = path.map_err(|_| invalid("path", "it is not UTF-8 after percent-decoding"))?;
    let address = step(&address)?;
    let token = token(request.headers());
    body::refuse_type(request.headers())?;
    let received = body::read(&app, request, app.limits.answer_bytes_max()).await?;
    let answer: Answer =
        serde_json::from_slice(&received.bytes).map_err(|error| Problem::new(Code::InvalidJson, error.to_string()))?;
    match wish(answer)? {
        Wish::Renew => {
            let lease_span = app.door.renew_work(address, token, lease).await?;
            let lease_ms = u64::try_from(lease_span.as_millis()).unwrap_or(u64::MAX);
            Ok(super::json(StatusCode::OK, &view::Renewed { lease_ms }))
        }
        Wish::End(answered) => {
            app.door.answer_work(address, token, lease, answered).await?;
            Ok(super::json(StatusCode::OK, &view::Accepted { accepted: true }))
        }
    }
}

fn wish(answer: Answer) -> Result<Wish, Problem> {
    let span = |ms: u32| Duration::from_millis(u64::from(ms));
    let plain = |outcome| Answered { outcome, emits: Vec::new(), signals: Vec::new() };
    let Answer { renew, done, rejected, retry, wait } = answer;
    match (renew, done, rejected, retry, wait) {
        (true, None, None, None, None) => Ok(Wish::Renew),
        (false, Some(done), None, None, None) => finished(done).map(Wish::End),
        (false, None, Some(Rejected { code, reason, details }), None, None) => {
            Ok(Wish::End(plain(Outcome::Rejected { code, reason, details })))
        }
        (false, None, None, Some(Retry { reason, after_ms }), None) => {
            Ok(Wish::End(plain(Outcome::Retry { reason, after: after_ms.map(span) })))
        }
        (false, None, None, None, Some(Wait { key, reason, timeout_ms })) => {
            let key = WaitKey::try_new(&key).map_err(refused)?;
            Ok(Wish::End(plain(Outcome::Wait { key, reason, timeout: timeout_ms.map(span) })))
        }
        _ => {
            let detail = "send exactly one of `done`, `rejected`, `retry`, `wait`, or `renew`: true";
            Err(Problem::new(Code::InvalidJson, detail))
        }
    }
}

fn finished(done: Done) -> Result<Answered, Problem> {
    let Done { body, compensation, events, signals } = done;
    let event = |event: Event| Ok((TopicName::try_new(&event.topic).map_err(refused)?, event.body));
    Ok(Answered {
        outcome: Outcome::Done { body, compensation },
        emits: events.into_iter().map(event).collect::<Result<_, Problem>>()?,
        signals: signals.iter().map(|key| WaitKey::try_new(key).map_err(refused)).collect::<Result<_, _>>()?,
    })
}

fn refused(error: impl std::fmt::Display) -> Problem {
    Refusal::AnswerRefused(error.to_string()).into()
}

fn step(address: &str) -> Result<StepAddress, Problem> {
    StepAddress::try_new(address).map_err(|error| invalid("address", &error.to_string()))
}

/// The step's token, which is not the host's.
fn token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Wish, Problem> {
        let answer = serde_json::from_str(text).map_err(|error| Problem::new(Code::InvalidJson, error.to_string()))?;
        wish(answer)
    }

    #[test]
    fn an_answer_is_one_outcome_or_a_renewal() {
        assert!(matches!(read("{\"renew\":true}"), Ok(Wish::Renew)));
        for (text, after) in [("20", Some(20)), ("20.0", Some(20)), ("null", None)] {
            let Ok(Wish::End(answered)) = read(&format!("{{\"retry\":{{\"after-ms\":{text}}}}}")) else {
                panic!("{text}")
            };
            let after = after.map(Duration::from_millis);
            assert_eq!(answered.outcome, Outcome::Retry { reason: String::new(), after }, "{text}");
        }
        let Ok(Wish::End(answered)) = read(
            "{\"done\":{\"body\":{\"b\":1.10,\"a\": 9007199254740993},\"compensation\":\"x\",\
             \"events\":[{\"topic\":\"shop.shipped\",\"body\":1e2}],\"signals\":[\"customer/42\"]}}",
        ) else {
            panic!("it is a whole answer")
        };
        let Outcome::Done { body, compensation } = answered.outcome else { panic!("it is done") };
        assert_eq!(body.as_str(), "{\"b\":1.10,\"a\": 9007199254740993}");
        assert_eq!(compensation.map(|log| log.as_str().to_owned()).as_deref(), Some("\"x\""));
        assert_eq!((answered.emits[0].0.as_str(), answered.emits[0].1.as_str()), ("shop.shipped", "1e2"));
        assert_eq!(answered.signals[0].as_str(), "customer/42");
        for bad in [
            "{}",
            "{\"renew\":false}",
            "{\"renew\":true,\"retry\":{}}",
            "{\"done\":{\"body\":1},\"retry\":{}}",
            "{\"done\":{}}",
            "{\"finished\":{}}",
            "{\"retry\":{\"after\":1}}",
            "{\"retry\":{\"after-ms\":1.5}}",
            "{\"retry\":{\"after-ms\":-1}}",
            "{\"retry\":{\"after-ms\":4294967296}}",
            "[]",
        ] {
            assert_eq!(read(bad).err().map(|problem| problem.code), Some(Code::InvalidJson), "{bad}");
        }
        for bad in ["{\"wait\":{\"key\":\"\"}}", "{\"done\":{\"body\":1,\"signals\":[\" \"]}}"] {
            assert_eq!(read(bad).err().map(|problem| problem.code), Some(Code::AnswerRefused), "{bad}");
        }
    }
}
