//! Reading a request's body: bounded in size, in time, and in what all bodies together may hold.

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT};
use axum::http::{HeaderMap, Request};
use bytes::BytesMut;
use futures_util::StreamExt;
use host_core::json::Json;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;

use super::App;
use super::problem::{Code, Problem};
use crate::limits::{ACT_BYTES_MAX, DRAIN_BYTES_MAX};

/// Bytes that one permit of the bodies' budget stands for.
pub(crate) const PERMIT_BYTES: usize = 1 << 10;

/// A body and its share of the budget, given back when it is dropped.
pub(crate) struct Received {
    pub(crate) bytes: Bytes,
    _share: OwnedSemaphorePermit,
}

/// Why a body could not be read.
enum Cut {
    TooLarge,
    /// The connection broke; nobody hears the answer.
    Broken,
}

/// The whole body, if it has at most `bytes_max`.
pub(crate) async fn read(app: &App, request: Request<Body>, bytes_max: usize) -> Result<Received, Problem> {
    let (parts, body) = request.into_parts();
    refuse_encoding(&parts.headers)?;
    let declared = declared_bytes(&body);
    let in_time = tokio::time::timeout(app.limits.body_timeout, async {
        let expected = declared.unwrap_or(bytes_max);
        if expected > bytes_max {
            // A client that waits to be told to go on has sent nothing, and is told not to.
            if !parts.headers.contains_key(EXPECT) {
                drain(body, expected).await;
            }
            return Err(too_large(bytes_max));
        }
        let share = share(app, expected).await?;
        match collect(body, bytes_max).await {
            Ok(bytes) => Ok(Received { bytes, _share: share }),
            Err(Cut::TooLarge) => Err(too_large(bytes_max)),
            Err(Cut::Broken) => Err(Problem::new(
                Code::BadRequest,
                "the body is not framed as its headers say: its length or its chunks",
            )),
        }
    });
    in_time.await.unwrap_or_else(|_| {
        let detail = format!("the body did not come within {:?}; send it without pauses", app.limits.body_timeout);
        Err(Problem::new(Code::RequestTimeout, detail))
    })
}

/// A body that must be one JSON value. It is checked and passed on as it is.
pub(crate) fn json(received: &Received) -> Result<Json, Problem> {
    if received.bytes.is_empty() {
        return Err(Problem::new(Code::InvalidJson, "the body is empty; send a JSON value, for example {}"));
    }
    Json::try_new(received.bytes.clone()).map_err(|error| Problem::new(Code::InvalidJson, error.to_string()))
}

/// A small JSON object that this host reads itself; an empty body is the one with every field left out.
pub(crate) async fn small<T: DeserializeOwned + Default>(app: &App, request: Request<Body>) -> Result<T, Problem> {
    refuse_type(request.headers())?;
    let received = read(app, request, ACT_BYTES_MAX).await?;
    if received.bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    serde_json::from_slice(&received.bytes).map_err(|error| Problem::new(Code::InvalidJson, error.to_string()))
}

/// JSON, or what clients send by themselves when nobody told them what the body is.
pub(crate) fn refuse_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let text = value.to_str().unwrap_or_default();
    let media = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_read = matches!(
        media.as_str(),
        "" | "application/json"
            | "text/json"
            | "text/plain"
            | "application/octet-stream"
            | "application/x-www-form-urlencoded"
    ) || media.ends_with("+json");
    if is_read {
        return Ok(());
    }
    Err(Problem::new(Code::UnsupportedMediaType, "the body must be JSON; send it as content-type: application/json"))
}

fn refuse_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let coded =
        headers.get_all(CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if !coded {
        return Ok(());
    }
    Err(Problem::new(Code::UnsupportedMediaType, "compressed bodies are not read; send it without content-encoding"))
}

fn declared_bytes(body: &Body) -> Option<usize> {
    // A length that does not fit is larger than every bound.
    body.size_hint().exact().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
}

async fn share(app: &App, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
    let permits = u32::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX);
    let busy = || Problem::new(Code::Busy, "too many large bodies are being read; try again later");
    let turn = tokio::time::timeout(app.limits.turn_timeout, app.turns.bodies.clone().acquire_many_owned(permits));
    turn.await.map_err(|_| busy())?.map_err(|_| busy())
}

async fn collect(body: Body, bytes_max: usize) -> Result<Bytes, Cut> {
    let mut chunks = body.into_data_stream();
    let Some(first) = chunks.next().await else { return Ok(Bytes::new()) };
    let first = first.map_err(|_| Cut::Broken)?;
    let mut all = match chunks.next().await {
        // The usual case: it came in one piece and is not copied.
        None if first.len() <= bytes_max => return Ok(first),
        None => return Err(Cut::TooLarge),
        Some(second) => {
            let mut all = BytesMut::from(&first[..]);
            all.extend_from_slice(&second.map_err(|_| Cut::Broken)?);
            all
        }
    };
    while all.len() <= bytes_max {
        match chunks.next().await {
            None => return Ok(all.freeze()),
            Some(chunk) => all.extend_from_slice(&chunk.map_err(|_| Cut::Broken)?),
        }
    }
    drain(Body::from_stream(chunks), DRAIN_BYTES_MAX).await;
    Err(Cut::TooLarge)
}

/// Read on and throw away, so that a client that is still sending hears the answer instead of a broken connection.
async fn drain(body: Body, expected: usize) {
    if expected > DRAIN_BYTES_MAX {
        return;
    }
    let mut chunks = body.into_data_stream();
    let mut bytes = 0;
    while let Some(Ok(chunk)) = chunks.next().await {
        bytes += chunk.len();
        if bytes > DRAIN_BYTES_MAX {
            return;
        }
    }
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(Code::TooLarge, format!("the body is larger than {bytes_max} bytes"))
}
