//! `POST /v1/sagas/{id}/retry|compensate|skip|close`: what a person does to one saga.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use host_core::id::GlobalId;
use host_core::limits::{REASON_BYTES_MAX, cut};
use host_core::record::Verb;
use serde::Deserialize;

use super::parameters::{Segment, invalid};
use super::problem::Problem;
use super::{App, body};
use crate::door::Act;
use crate::limits::WHO_CHARACTERS_MAX;
use crate::view;

/// Who acts, if the caller does not say.
const WHO_DEFAULT: &str = "api";

/// The body of an act; every field may be absent.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Wish {
    reason: Option<String>,
    who: Option<String>,
    #[serde(default)]
    pub(crate) dry_run: bool,
}

impl Wish {
    pub(crate) async fn read(app: &App, request: Request) -> Result<Self, Problem> {
        let mut wish: Wish = body::small(app, request).await?;
        wish.reason = wish.reason.filter(|reason| !reason.trim().is_empty());
        wish.who = wish.who.filter(|who| !who.trim().is_empty());
        let is_name = |who: &String| who.chars().count() <= WHO_CHARACTERS_MAX && !who.chars().any(char::is_control);
        if !wish.who.as_ref().is_none_or(is_name) {
            return Err(invalid("who", &format!("write a name of at most {WHO_CHARACTERS_MAX} printable characters")));
        }
        Ok(wish)
    }

    pub(crate) fn act(&self, global_id: GlobalId, verb: Verb) -> Act {
        Act {
            global_id,
            verb,
            who: self.who.clone().unwrap_or_else(|| WHO_DEFAULT.to_owned()),
            reason: self.reason.as_deref().map(|reason| cut(reason, REASON_BYTES_MAX)),
            dry_run: self.dry_run,
        }
    }
}

pub(crate) async fn retry(app: State<Arc<App>>, id: Segment, request: Request) -> Result<Response<Body>, Problem> {
    act(app, id, request, Verb::Retry).await
}

pub(crate) async fn compensate(app: State<Arc<App>>, id: Segment, request: Request) -> Result<Response<Body>, Problem> {
    act(app, id, request, Verb::Compensate).await
}

pub(crate) async fn skip(app: State<Arc<App>>, id: Segment, request: Request) -> Result<Response<Body>, Problem> {
    act(app, id, request, Verb::Skip).await
}

pub(crate) async fn close(app: State<Arc<App>>, id: Segment, request: Request) -> Result<Response<Body>, Problem> {
    act(app, id, request, Verb::Close).await
}

async fn act(
    State(app): State<Arc<App>>,
    Segment(id): Segment,
    request: Request,
    verb: Verb,
) -> Result<Response<Body>, Problem> {
    let global_id = GlobalId::try_new(&id).map_err(|error| invalid("global-id", &error.to_string()))?;
    let wish = Wish::read(&app, request).await?;
    app.door.act(wish.act(global_id.clone(), verb)).await?;
    let status = if wish.dry_run { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(super::json(status, &view::Acted { global_id: &global_id, verb: verb.as_str(), dry_run: wish.dry_run }))
}
