//! `POST /v1/errors/{group}/…`: one act on every saga of an error group. The members are those of this moment: a saga
//! that joins the group later is not touched.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use futures_util::{StreamExt, stream};
use host_core::id::GlobalId;
use host_core::record::Verb;
use host_store::GroupId;

use super::App;
use super::acts::Wish;
use super::parameters::Segment;
use super::problem::{Code, Problem, code_of, told};
use crate::limits::{GROUP_ACTS_AT_ONCE, GROUP_MEMBERS_MAX};
use crate::view::{GroupActed, RefusedMember};

pub(crate) async fn retry(app: State<Arc<App>>, group: Segment, request: Request) -> Result<Response<Body>, Problem> {
    act(app, group, request, Verb::Retry).await
}

pub(crate) async fn compensate(
    app: State<Arc<App>>,
    group: Segment,
    request: Request,
) -> Result<Response<Body>, Problem> {
    act(app, group, request, Verb::Compensate).await
}

pub(crate) async fn skip(app: State<Arc<App>>, group: Segment, request: Request) -> Result<Response<Body>, Problem> {
    act(app, group, request, Verb::Skip).await
}

pub(crate) async fn close(app: State<Arc<App>>, group: Segment, request: Request) -> Result<Response<Body>, Problem> {
    act(app, group, request, Verb::Close).await
}

async fn act(
    State(app): State<Arc<App>>,
    Segment(group): Segment,
    request: Request,
    verb: Verb,
) -> Result<Response<Body>, Problem> {
    let wish = Wish::read(&app, request).await?;
    let members = members(&app, &group).await?;
    // Goes on when the client has gone: half a group would be the worst answer.
    let acting = app.tasks.spawn(act_on_all(Arc::clone(&app), wish, members, verb));
    let acted = acting.await.map_err(|error| Problem::internal("act on the group", &error))?;
    Ok(super::json(StatusCode::OK, &acted))
}

async fn members(app: &App, group: &str) -> Result<Vec<GlobalId>, Problem> {
    let _turn = app.query_turn().await?;
    let found = app.store.group_members(&GroupId::new(group), GROUP_MEMBERS_MAX + 1).await;
    let members = found.map_err(|error| Problem::of_store("find the group's sagas", &error))?;
    if members.is_empty() {
        let group = host_core::limits::cut(group, 80);
        let detail = format!("no saga stands in error group {group:?} now; /v1/errors lists the groups");
        return Err(Problem::new(Code::UnknownGroup, detail));
    }
    Ok(members)
}

async fn act_on_all(app: Arc<App>, wish: Wish, mut members: Vec<GlobalId>, verb: Verb) -> GroupActed {
    let more = members.len() > GROUP_MEMBERS_MAX;
    members.truncate(GROUP_MEMBERS_MAX);
    let matched = members.len();
    let answers = stream::iter(members.into_iter().map(|global_id| {
        let act = wish.act(global_id.clone(), verb);
        let door = Arc::clone(&app.door);
        async move { (global_id, door.act(act).await) }
    }));
    let refused: Vec<_> = answers
        .buffered(GROUP_ACTS_AT_ONCE)
        .filter_map(async |(global_id, answer)| {
            let refusal = answer.err()?;
            Some(RefusedMember { global_id, code: code_of(&refusal).as_str(), reason: told(&refusal) })
        })
        .collect()
        .await;
    GroupActed { matched, accepted: matched - refused.len(), refused, more, dry_run: wish.dry_run }
}
