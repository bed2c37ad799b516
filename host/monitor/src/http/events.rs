//! `GET /v1/events`: the journal as server-sent events, from now on. Each record is an event `journal` whose id is the
//! place of its batch; a follower that is too slow gets an event `lagged` with the number of records it missed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use futures_util::{Stream, stream};
use host_core::id::{GlobalId, StepAddress, UseCaseName};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::App;
use super::parameters::{Asked, Parameters};
use super::problem::{Code, Problem};
use crate::limits::LIVE_CHUNK_BYTES;
use crate::live::{Filter, Live, Subscription};
use crate::view;

/// Tells the client that it is connected, and to come back after a second when it no longer is.
const GREETING: &[u8] = b"retry: 1000\n: connected\n\n";
const HEARTBEAT: &[u8] = b": heartbeat\n\n";

pub(crate) async fn follow(State(app): State<Arc<App>>, asked: Asked) -> Result<Response<Body>, Problem> {
    let parameters = Parameters::try_new(asked, &["use-case", "global-id", "step"])?;
    let filter = Filter {
        use_case: parameters.parsed("use-case", UseCaseName::try_new)?,
        global_id: parameters.parsed("global-id", GlobalId::try_new)?,
        step: parameters.parsed("step", StepAddress::try_new)?,
    };
    let place = Arc::clone(&app.turns.streams).try_acquire_owned().map_err(|_| {
        Problem::new(Code::Busy, "too many follow the live events; end one of the others, or try again later")
    })?;
    let follower = Follower {
        subscription: app.hub.subscribe(),
        filter,
        heartbeat: app.limits.heartbeat,
        stop: app.stop.clone(),
        is_greeted: false,
        _place: place,
    };
    let mut response = super::with_type(StatusCode::OK, "text/event-stream", Body::from_stream(follower.stream()));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather answers would hold the events back.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// One connection's view of the journal.
struct Follower {
    subscription: Subscription,
    filter: Filter,
    heartbeat: Duration,
    stop: CancellationToken,
    is_greeted: bool,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    fn stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, async |mut follower| {
            let chunk = follower.chunk().await?;
            Some((Ok(chunk), follower))
        })
    }

    /// What to send next; none when the host ends.
    async fn chunk(&mut self) -> Option<Bytes> {
        if !self.is_greeted {
            self.is_greeted = true;
            return Some(Bytes::from_static(GREETING));
        }
        let mut text = Vec::new();
        while text.is_empty() {
            // Each arm is cancel-safe.
            let live = tokio::select! {
                live = tokio::time::timeout(self.heartbeat, self.subscription.next()) => live,
                () = self.stop.cancelled() => return None,
            };
            match live {
                Ok(live) => self.write(&live?, &mut text),
                Err(_) => return Some(Bytes::from_static(HEARTBEAT)),
            }
        }
        while text.len() < LIVE_CHUNK_BYTES {
            let Some(live) = self.subscription.try_next() else { break };
            self.write(&live, &mut text);
        }
        Some(Bytes::from(text))
    }

    fn write(&self, live: &Live, out: &mut Vec<u8>) {
        match live {
            Live::Batch(batch) => {
                for record in batch.records.iter().filter(|record| self.filter.matches(record)) {
                    out.extend_from_slice(format!("id: {}\nevent: journal\ndata: ", batch.lsn.0).as_bytes());
                    view::Record::from(record).write_into(out);
                    out.extend_from_slice(b"\n\n");
                }
            }
            Live::Lagged { record_count } => {
                let event = format!("event: lagged\ndata: {{\"missed\":{record_count}}}\n\n");
                out.extend_from_slice(event.as_bytes());
            }
        }
    }
}
