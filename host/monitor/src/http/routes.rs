//! Every path of the API in one table. `openapi.json` describes exactly these; a test compares the two.

use std::sync::Arc;

use axum::routing::{MethodRouter, get, post};

use super::{App, NO_ROUTE, acts, events, groups, look, pages, sagas, signals, start, statistics, work};

/// One path with its one method.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) handler: fn() -> MethodRouter<Arc<App>>,
}

const fn asks(path: &'static str, handler: fn() -> MethodRouter<Arc<App>>) -> Route {
    Route { method: "get", path, handler }
}

const fn causes(path: &'static str, handler: fn() -> MethodRouter<Arc<App>>) -> Route {
    Route { method: "post", path, handler }
}

pub(crate) const ROUTES: &[Route] = &[
    causes("/v1/use-cases/{name}/sagas", || post(start::start)),
    asks("/v1/sagas/{id}", || get(sagas::show)),
    asks("/v1/sagas", || get(sagas::list)),
    causes("/v1/sagas/{id}/retry", || post(acts::retry)),
    causes("/v1/sagas/{id}/compensate", || post(acts::compensate)),
    causes("/v1/sagas/{id}/skip", || post(acts::skip)),
    causes("/v1/sagas/{id}/close", || post(acts::close)),
    asks("/v1/errors", || get(sagas::errors)),
    causes("/v1/errors/{group}/retry", || post(groups::retry)),
    causes("/v1/errors/{group}/compensate", || post(groups::compensate)),
    causes("/v1/errors/{group}/skip", || post(groups::skip)),
    causes("/v1/errors/{group}/close", || post(groups::close)),
    causes("/v1/signals/{key}", || post(signals::signal)),
    causes("/v1/topics/{topic}", || post(signals::publish)),
    causes("/v1/steps/{address}/work", || post(work::take)),
    causes("/v1/steps/{address}/work/{lease}", || post(work::answer)),
    asks("/v1/plugins", || get(look::plugins)),
    asks("/v1/use-cases", || get(look::use_cases)),
    asks("/v1/topics", || get(look::topics)),
    asks("/v1/events", || get(events::follow)),
    asks("/metrics", || get(statistics::metrics)),
    asks("/healthz", || get(statistics::healthz)),
    asks("/readyz", || get(statistics::readyz)),
    asks("/openapi.json", || get(pages::openapi)),
    asks("/docs/errors/{code}", || get(pages::error)),
    asks("/", || get(pages::root)),
];

/// The pattern as a label.
pub(crate) fn name(matched: &str) -> &'static str {
    ROUTES.iter().map(|route| route.path).find(|path| *path == matched).unwrap_or(NO_ROUTE)
}

/// Every route as `GET /` lists it.
pub(crate) fn endpoints() -> Vec<String> {
    ROUTES.iter().map(|route| format!("{} {}", route.method.to_uppercase(), route.path)).collect()
}

#[cfg(test)]
mod tests;
