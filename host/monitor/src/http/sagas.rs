//! `GET /v1/sagas/{id}`, `/v1/sagas`, `/v1/errors`: the two questions of the monitor, the state of one saga and all
//! that stand in some way, and what stands in the way now.

use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use host_core::id::{GlobalId, StepAddress, UseCaseName};
use host_core::saga::{Saga, Status};
use host_core::time::Timestamp;
use host_store::{Error, ErrorQuery, ListQuery, Page};

use super::App;
use super::parameters::{Asked, Parameters, Segment, invalid};
use super::problem::{Code, Problem};
use crate::view;

/// Pages of the store that one answer looks through. A page of the store is a bounded piece of work and may be empty;
/// a person who asks for a rare status should not have to turn them one by one.
const STORE_PAGES_MAX: usize = 16;

pub(crate) async fn show(State(app): State<Arc<App>>, Segment(id): Segment) -> Result<Response<Body>, Problem> {
    let global_id = GlobalId::try_new(&id).map_err(|error| invalid("global-id", &error.to_string()))?;
    let read = async || {
        let _turn = app.query_turn().await?;
        app.store.journal(&global_id).await.map_err(|error| Problem::of_store("read the journal", &error))
    };
    let mut records = read().await?;
    if records.is_empty() && app.broker.capabilities().has_other_hosts {
        // It may have begun on another host a moment ago.
        app.broker.catch_up().await.map_err(|error| Problem::of_broker("ask the other hosts", &error))?;
        records = read().await?;
    }
    match Saga::fold(&records) {
        Some(saga) => Ok(super::json(StatusCode::OK, &view::Saga::from(&saga))),
        None => Err(Problem::new(Code::UnknownSaga, format!("there is no saga {global_id}"))),
    }
}

pub(crate) async fn list(State(app): State<Arc<App>>, asked: Asked) -> Result<Response<Body>, Problem> {
    let parameters = Parameters::try_new(asked, &["use-case", "status", "step", "since", "cursor", "limit"])?;
    let query = ListQuery {
        use_case: parameters.parsed("use-case", UseCaseName::try_new)?,
        status: parameters.parsed("status", status)?,
        step: parameters.parsed("step", StepAddress::try_new)?,
        since: parameters.since(Timestamp::from_system_time(SystemTime::now()))?,
        cursor: parameters.text("cursor").map(str::to_owned),
        limit: parameters.limit()?,
    };
    let _turn = app.query_turn().await?;
    let page = gathered(query.limit, query.cursor.clone(), |limit, cursor| {
        let (store, query) = (Arc::clone(&app.store), ListQuery { limit, cursor, ..query.clone() });
        async move { store.list(&query).await }
    });
    let page = page.await.map_err(|error| Problem::of_store("list sagas", &error))?;
    Ok(super::json(StatusCode::OK, &view::List::from(&page)))
}

pub(crate) async fn errors(State(app): State<Arc<App>>, asked: Asked) -> Result<Response<Body>, Problem> {
    let parameters = Parameters::try_new(asked, &["use-case", "cursor", "limit"])?;
    let use_case = parameters.parsed("use-case", UseCaseName::try_new)?;
    let (limit, cursor) = (parameters.limit()?, parameters.text("cursor").map(str::to_owned));
    let _turn = app.query_turn().await?;
    let page = gathered(limit, cursor, |limit, cursor| {
        let (store, query) = (Arc::clone(&app.store), ErrorQuery { use_case: use_case.clone(), cursor, limit });
        async move { store.error_groups(&query).await }
    });
    let page = page.await.map_err(|error| Problem::of_store("group errors", &error))?;
    Ok(super::json(StatusCode::OK, &view::Errors::from(&page)))
}

/// Turn the store's pages until one of the caller's is full.
async fn gathered<T, F: Future<Output = Result<Page<T>, Error>>>(
    limit: usize,
    cursor: Option<String>,
    ask: impl Fn(usize, Option<String>) -> F,
) -> Result<Page<T>, Error> {
    let mut page = ask(limit, cursor).await?;
    for _ in 1..STORE_PAGES_MAX {
        if page.items.len() >= limit || page.next_cursor.is_none() {
            break;
        }
        let next = ask(limit - page.items.len(), page.next_cursor).await?;
        page.items.extend(next.items);
        page.next_cursor = next.next_cursor;
    }
    Ok(page)
}

fn status(text: &str) -> Result<Status, String> {
    Status::parse(text).ok_or_else(|| {
        let known = Status::ALL.map(Status::as_str).join(", ");
        format!("{:?} is no status; known are: {known}", host_core::limits::cut(text, 80))
    })
}
