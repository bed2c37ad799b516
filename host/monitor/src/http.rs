//! The HTTP API: routes, their guards and bounds. It asks the store and the broker, and causes things through the door
//! only. It must not know the engine.

mod acts;
pub(crate) mod body;
mod events;
mod groups;
mod guard;
mod look;
mod pages;
mod parameters;
pub(crate) mod problem;
mod routes;
mod sagas;
mod server;
mod signals;
mod start;
mod statistics;
mod work;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use host_broker::Broker;
use host_store::Store;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::door::Door;
use crate::limits::Limits;
use crate::live::Hub;
use crate::metrics::Metrics;
use crate::watch::Watcher;
use guard::Guard;
use problem::{Code, Problem};

pub(crate) use routes::ROUTES;
pub(crate) use server::Server;

/// Where hosts share the work: the answer knows everything that any of them had committed then, in milliseconds since
/// 1970.
const AS_OF: HeaderName = HeaderName::from_static("saga-as-of");

/// Label of requests that no route answers.
const NO_ROUTE: &str = "none";

/// What every handler may use.
pub(crate) struct App {
    pub(crate) door: Arc<dyn Door>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) watcher: Watcher,
    pub(crate) hub: Arc<Hub>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: Limits,
    pub(crate) turns: Turns,
    guard: Guard,
    /// What `/openapi.json` answers.
    description: Bytes,
    pub(crate) stop: CancellationToken,
    /// Work that goes on when its client has gone.
    pub(crate) tasks: TaskTracker,
}

/// What callers have to take turns at.
pub(crate) struct Turns {
    pub(crate) bodies: Arc<Semaphore>,
    queries: Arc<Semaphore>,
    pub(crate) streams: Arc<Semaphore>,
}

impl Turns {
    fn new(limits: &Limits) -> Self {
        // However large an operator lets one body be: one must always fit.
        let bodies_bytes = limits.bodies_bytes_max.max(limits.answer_bytes_max());
        Self {
            bodies: Arc::new(Semaphore::new(bodies_bytes.div_ceil(body::PERMIT_BYTES))),
            queries: Arc::new(Semaphore::new(limits.query_count_max)),
            streams: Arc::new(Semaphore::new(limits.stream_count_max)),
        }
    }
}

/// Where the handlers look and through which door they act.
pub(crate) struct Rooms {
    pub(crate) door: Arc<dyn Door>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) broker: Arc<dyn Broker>,
}

/// What the monitor's services share.
pub(crate) struct Shared {
    pub(crate) watcher: Watcher,
    pub(crate) hub: Arc<Hub>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl App {
    pub(crate) fn new(rooms: Rooms, shared: Shared, limits: Limits, token: Option<String>) -> Self {
        Self {
            door: rooms.door,
            store: rooms.store,
            broker: rooms.broker,
            watcher: shared.watcher,
            hub: shared.hub,
            metrics: shared.metrics,
            turns: Turns::new(&limits),
            limits,
            description: pages::description(token.is_some()),
            guard: Guard::new(token),
            stop: shared.stop,
            tasks: shared.tasks,
        }
    }

    /// A turn to ask the store. Held while the question lasts.
    async fn query_turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let busy = || Problem::new(Code::Busy, "too many questions are being answered; try again later");
        let turn = tokio::time::timeout(self.limits.turn_timeout, Arc::clone(&self.turns.queries).acquire_owned());
        turn.await.map_err(|_| busy())?.map_err(|_| busy())
    }
}

pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        router = router.route(route.path, (route.handler)());
    }
    router
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(from_fn_with_state(Arc::clone(&app), around))
        .with_state(app)
}

/// Around every request: may it come in, and how long did it take.
async fn around(State(app): State<Arc<App>>, request: Request, next: Next) -> Response<Body> {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, |path| routes::name(path.as_str()));
    let mut response = match app.guard.check(request.uri(), request.version(), request.headers()) {
        Ok(()) => with_problem(next.run(request).await),
        Err(problem) => problem.into_response(),
    };
    if let Some(as_of) = app.broker.as_of() {
        response.headers_mut().insert(AS_OF, HeaderValue::from(as_of.as_ms()));
    }
    app.metrics.request(route, response.status().as_u16(), began.elapsed());
    response
}

/// The router adds `Allow` to an answer of its own making; give it the body that all refusals have.
fn with_problem(response: Response<Body>) -> Response<Body> {
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let allow = response.headers().get(ALLOW).and_then(|allow| allow.to_str().ok()).map(str::to_owned);
    let detail = format!("this path takes {}", allow.as_deref().unwrap_or("no method"));
    Problem { allow, ..Problem::new(Code::MethodNotAllowed, detail) }.into_response()
}

async fn unknown_path() -> Problem {
    Problem::new(Code::UnknownPath, "there is nothing under this path; /openapi.json lists all there is")
}

async fn unknown_method(_method: Method) -> StatusCode {
    StatusCode::METHOD_NOT_ALLOWED
}

/// An answer in JSON.
fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(text) => with_type(status, "application/json", Body::from(text)),
        Err(error) => Problem::internal("write the answer", &error).into_response(),
    }
}

fn with_type(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
