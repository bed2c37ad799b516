//! `GET /`, `/openapi.json`, `/docs/errors/{code}`: what tells people and programs how to go on.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

use super::App;
use super::parameters::Segment;
use super::problem::{Code, Problem};
use super::routes;

/// The description of every route, by hand; a test compares it with the table of routes.
pub(crate) const OPENAPI: &str = include_str!("../openapi.json");

/// Where to look further. The console will take this place.
pub(crate) async fn root() -> Response<Body> {
    super::json(
        StatusCode::OK,
        &json!({
            "name": "saga",
            "version": env!("CARGO_PKG_VERSION"),
            "openapi": "/openapi.json",
            "events": "/v1/events",
            "metrics": "/metrics",
            "endpoints": routes::endpoints(),
        }),
    )
}

pub(crate) async fn openapi(State(app): State<Arc<App>>) -> Response<Body> {
    super::with_type(StatusCode::OK, "application/json", Body::from(app.description.clone()))
}

/// The description as it holds for this host: with a token or without.
pub(crate) fn description(needs_token: bool) -> Bytes {
    let mut described: Value = serde_json::from_str(OPENAPI).expect("a test reads it as JSON");
    described["security"] = if needs_token { json!([{ "token": [] }]) } else { json!([]) };
    described.to_string().into()
}

/// The page that a problem's `type` points to.
pub(crate) async fn error(Segment(code): Segment) -> Result<Response<Body>, Problem> {
    let code = code.strip_suffix(".md").unwrap_or(&code);
    match Code::ALL.iter().find(|known| known.as_str() == code) {
        Some(code) => Ok(super::with_type(StatusCode::OK, "text/markdown; charset=utf-8", Body::from(code.page()))),
        None => {
            Err(Problem::new(Code::UnknownPath, "there is no page about such a code; /openapi.json lists the codes"))
        }
    }
}
