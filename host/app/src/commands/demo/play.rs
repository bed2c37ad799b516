//! Starts the planned sagas over the API and follows them to where they settle.

use std::time::{Duration, Instant};

use super::plan::{self, Planned, When};
use crate::client::view::Saga;
use crate::client::{Client, Request, encode};
use crate::progress::Progress;

/// The longest saga waits four seconds by design; retries of a slow machine take some more.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a saga: short beside what a person notices.
const LOOK_INTERVAL: Duration = Duration::from_millis(40);

/// A saga as it settled, or where it was when patience ended.
pub struct Played {
    pub use_case: &'static str,
    pub expected: &'static str,
    pub saga: Saga,
    /// It was seen waiting for another one.
    pub has_waited: bool,
}

impl Played {
    pub fn is_as_expected(&self) -> bool {
        self.saga.status == self.expected
    }
}

/// Start all, follow all; in the order of the plan.
pub fn play(client: &Client, progress: &Progress) -> anyhow::Result<Vec<Played>> {
    let run = format!("{:04x}", fastrand::u16(..));
    let planned = plan::sagas(&run);
    let id = |name: &str| format!("{name}-{run}");
    let until = Instant::now() + PATIENCE;
    progress.next(format!("starting {} sagas", planned.len()));
    let mut waiting = Vec::new();
    for saga in &planned {
        if let When::AfterWaiting(other) = saga.when {
            let first = follow(client, &id(other), until, |saga| saga.status == "waiting" || is_settled(saga))?;
            waiting.extend((first.status == "waiting").then_some(other));
        }
        start(client, saga, &id(saga.name))?;
    }
    progress.next("following them to where they settle");
    let mut played = Vec::new();
    for Planned { name, use_case, expected, .. } in &planned {
        progress.at(format!("following them to where they settle: {} of {}", played.len(), planned.len()));
        let saga = follow(client, &id(name), until, is_settled)?;
        played.push(Played { use_case, expected, saga, has_waited: waiting.contains(name) });
    }
    Ok(played)
}

fn start(client: &Client, planned: &Planned, id: &str) -> anyhow::Result<()> {
    let path = format!("/v1/use-cases/{}/sagas", encode(planned.use_case));
    let headers = vec![("global-id", id.to_owned())];
    client.post(&path, Request { headers, body: Some(planned.body.to_string()), ..Request::default() })?;
    Ok(())
}

/// Look until it is so, or patience ends.
fn follow(client: &Client, id: &str, until: Instant, is_so: impl Fn(&Saga) -> bool) -> anyhow::Result<Saga> {
    let path = format!("/v1/sagas/{}", encode(id));
    loop {
        let saga: Saga = client.get(&path, Vec::new())?.read()?;
        if is_so(&saga) || Instant::now() >= until {
            return Ok(saga);
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// Nothing happens to it any more by itself.
fn is_settled(saga: &Saga) -> bool {
    matches!(saga.status.as_str(), "completed" | "compensated" | "failed" | "compensation-failed" | "closed")
}
