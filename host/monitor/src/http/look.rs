//! `GET /v1/plugins`, `/v1/use-cases`, `/v1/topics`: what is loaded, defined and queued.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};

use super::App;
use super::problem::Problem;
use crate::view;

pub(crate) async fn plugins(State(app): State<Arc<App>>) -> Response<Body> {
    super::json(StatusCode::OK, &view::Plugins::from(app.door.plugins()))
}

pub(crate) async fn use_cases(State(app): State<Arc<App>>) -> Response<Body> {
    super::json(StatusCode::OK, &view::UseCases::new(&app.door.use_cases(), &app.door.plugins()))
}

pub(crate) async fn topics(State(app): State<Arc<App>>) -> Result<Response<Body>, Problem> {
    let _turn = app.query_turn().await?;
    let states = app.broker.topics().await.map_err(|error| Problem::of_broker("look at the topics", &error))?;
    let topics = view::Topics::new(states, &app.door.use_cases(), &app.door.plugins());
    Ok(super::json(StatusCode::OK, &topics))
}
