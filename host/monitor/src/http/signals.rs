//! `POST /v1/signals/{key}` and `POST /v1/topics/{topic}`: what comes from outside without being a saga's start.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use host_core::id::{TopicName, WaitKey};

use super::parameters::{Asked, Parameters, Segment, invalid};
use super::problem::{Code, Problem};
use super::{App, body};
use crate::limits::ACT_BYTES_MAX;
use crate::view;

/// Topics whose messages only the host itself writes.
const RESERVED_PREFIX: &str = "saga.";
/// Bytes of a message's key: a global-id at its bound.
const KEY_BYTES_MAX: usize = 512;

pub(crate) async fn signal(
    State(app): State<Arc<App>>,
    Segment(key): Segment,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let key = WaitKey::try_new(&key).map_err(|error| invalid("key", &error.to_string()))?;
    // A signal carries nothing; a body is read away so that the connection can go on.
    body::read(&app, request, ACT_BYTES_MAX).await?;
    app.door.signal(key.clone()).await?;
    Ok(super::json(StatusCode::ACCEPTED, &view::Signalled { key: &key }))
}

/// Publish as a foreign producer would: the message is taken as it is, and judged where it is consumed.
pub(crate) async fn publish(
    State(app): State<Arc<App>>,
    Segment(topic): Segment,
    asked: Asked,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let topic = TopicName::try_new(&topic).map_err(|error| invalid("topic", &error.to_string()))?;
    if topic.as_str().starts_with(RESERVED_PREFIX) {
        let detail =
            format!("topic {topic} is written by the host only; use the endpoints for starts, acts and signals");
        return Err(Problem::new(Code::ReservedTopic, detail));
    }
    let parameters = Parameters::try_new(asked, &["key"])?;
    let key = parameters.text("key").map(str::to_owned);
    if key.as_ref().is_some_and(|key| key.len() > KEY_BYTES_MAX) {
        return Err(invalid("key", &format!("it is longer than {KEY_BYTES_MAX} bytes")));
    }
    let received = body::read(&app, request, app.limits.message_bytes_max()).await?;
    if received.bytes.is_empty() {
        return Err(Problem::new(Code::InvalidJson, "the body is empty; send the message as the request's body"));
    }
    app.door.publish(topic.clone(), key, received.bytes.clone()).await?;
    Ok(super::json(StatusCode::ACCEPTED, &view::Published { topic: &topic }))
}
