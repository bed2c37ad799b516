//! Key-values that hosts share: read from their own database, and committed there before the unit that they belong to,
//! together with what came of the call. A host that dies between the two leaves an outcome that nobody was told; the
//! message comes again, and the outcome is published without a call.

mod outcome;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use host_core::id::{BucketName, Lsn, MessageId};
use host_core::unit::KeyValueTxn;
use host_runtime::KeyValues;
use host_store::Conflict;
use host_store::shared::{Applied, Error, SharedState, SharedUnit, Taken};
use tokio::sync::{mpsc, oneshot};

use crate::commit::Commit;
use crate::failpoint::{FailPoint, FailPoints};
use crate::limits::{SHARED_PUBLISHED_PAUSE, SHARED_UNITS_MAX};

pub(crate) use outcome::Stored;

/// The door of the engine to what hosts share.
pub(crate) struct Shared {
    state: Arc<dyn SharedState>,
    wishes: mpsc::Sender<Wish>,
    published: mpsc::Sender<(Lsn, Lsn)>,
}

/// A unit that waits for its commit.
struct Wish {
    unit: SharedUnit,
    answer: oneshot::Sender<Result<Settled, Error>>,
}

/// What became of a unit, and the batch that it was committed with.
pub(crate) struct Settled {
    pub(crate) taken: Result<Taken, Conflict>,
    pub(crate) batch: Option<Lsn>,
}

/// The services behind the door. Each ends when the door is dropped.
pub(crate) struct Services {
    state: Arc<dyn SharedState>,
    fail_points: Arc<FailPoints>,
    commit: Arc<dyn Commit>,
    wishes: mpsc::Receiver<Wish>,
    published: mpsc::Receiver<(Lsn, Lsn)>,
}

pub(crate) fn open(
    state: Arc<dyn SharedState>,
    commit: Arc<dyn Commit>,
    fail_points: Arc<FailPoints>,
) -> (Shared, Services) {
    let (wish, wishes) = mpsc::channel(SHARED_UNITS_MAX);
    let (tell, published) = mpsc::channel(SHARED_UNITS_MAX);
    let door = Shared { state: state.clone(), wishes: wish, published: tell };
    (door, Services { state, fail_points, commit, wishes, published })
}

impl Shared {
    pub(crate) fn state(&self) -> &Arc<dyn SharedState> {
        &self.state
    }

    /// Where a call begins to read.
    pub(crate) async fn snapshot(&self) -> Result<Lsn, Error> {
        self.state.snapshot().await
    }

    /// What came of this message on a host that did not live to publish it.
    pub(crate) async fn outcome(&self, message_id: &MessageId) -> Result<Option<Stored>, Error> {
        let found = self.state.outcome(message_id).await?;
        Ok(found.and_then(|bytes| Stored::decode(message_id, &bytes)))
    }

    /// Commit what a call read and wrote with what came of it, in one transaction with what waits as well.
    pub(crate) async fn commit(
        &self,
        message_id: MessageId,
        key_values: KeyValueTxn,
        outcome: Option<Bytes>,
    ) -> Result<Settled, Stopped> {
        let (answer, told) = oneshot::channel();
        let wish = Wish { unit: SharedUnit { message_id, key_values, outcome }, answer };
        self.wishes.send(wish).await.map_err(|_| Stopped::Ending)?;
        Ok(told.await.map_err(|_| Stopped::Ending)??)
    }

    /// The unit `lsn` holds everything that follows from this batch: when it is durable the database may forget the
    /// outcome.
    pub(crate) async fn published(&self, lsn: Lsn, batch: Lsn) {
        // Nothing depends on it but how long an outcome is kept.
        let _ = self.published.send((lsn, batch)).await;
    }
}

/// Why a unit was not committed. Whether it was may be unknown; the same unit may be given again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    #[error(transparent)]
    Failed(#[from] Error),
    #[error("the host is ending")]
    Ending,
}

impl Services {
    /// Until the door is dropped.
    pub(crate) async fn run(self) {
        let Self { state, fail_points, commit, wishes, published } = self;
        tokio::join!(commit_wishes(state.clone(), fail_points, wishes), tell_published(state, commit, published));
    }
}

/// One transaction after the other: while one is made the next one's units gather.
async fn commit_wishes(state: Arc<dyn SharedState>, fail_points: Arc<FailPoints>, mut wishes: mpsc::Receiver<Wish>) {
    let mut taken = Vec::new();
    while wishes.recv_many(&mut taken, SHARED_UNITS_MAX).await > 0 {
        let (units, answers): (Vec<_>, Vec<_>) = taken.drain(..).map(|wish| (wish.unit, wish.answer)).unzip();
        match state.apply(&units).await {
            Ok(Applied { batch, units }) => {
                fail_points.hit(FailPoint::BeforeSync);
                for (answer, taken) in answers.into_iter().zip(units) {
                    // Whoever asked may have gone; its message comes again and finds the outcome.
                    let _ = answer.send(Ok(Settled { taken, batch }));
                }
            }
            Err(error) => one_by_one(&*state, units, answers, error).await,
        }
    }
}

/// Together they were too much, or one of them is; otherwise all are told why.
async fn one_by_one(
    state: &dyn SharedState,
    units: Vec<SharedUnit>,
    answers: Vec<oneshot::Sender<Result<Settled, Error>>>,
    error: Error,
) {
    let is_divisible = matches!(error, Error::TooLarge { .. }) && units.len() > 1;
    for (unit, answer) in units.into_iter().zip(answers) {
        let settled = match is_divisible {
            true => state.apply(&[unit]).await.map(|Applied { batch, mut units }| Settled {
                taken: units.pop().expect("each unit has an answer"),
                batch,
            }),
            false => Err(error.clone()),
        };
        let _ = answer.send(settled);
    }
}

/// Tell the database of batches whose units are durable, many at a time.
async fn tell_published(
    state: Arc<dyn SharedState>,
    commit: Arc<dyn Commit>,
    mut published: mpsc::Receiver<(Lsn, Lsn)>,
) {
    let mut told = Vec::new();
    while published.recv_many(&mut told, SHARED_UNITS_MAX).await > 0 {
        let last = told.iter().map(|(lsn, _)| *lsn).max().unwrap_or_default();
        let mut batches: Vec<Lsn> = told.drain(..).map(|(_, batch)| batch).collect();
        if commit.durable(last).await.is_err() {
            return;
        }
        batches.sort_unstable();
        batches.dedup();
        if let Err(error) = state.published(&batches).await {
            tracing::warn!(%error, "outcomes that were published are kept for longer than they need be");
        }
        tokio::time::sleep(SHARED_PUBLISHED_PAUSE).await;
    }
}

/// Lets the runtime read key-values that hosts share. Whoever asks is a plugin in the middle of its call.
pub(crate) struct SharedKeyValues {
    pub(crate) state: Arc<dyn SharedState>,
    pub(crate) fail_points: Arc<FailPoints>,
}

#[async_trait]
impl KeyValues for SharedKeyValues {
    async fn get(&self, bucket: &BucketName, key: &str) -> Result<Option<Bytes>, String> {
        self.fail_points.hit(FailPoint::DuringExecute);
        self.state.value(bucket, key).await.map_err(|error| error.to_string())
    }

    async fn keys(&self, bucket: &BucketName, after: Option<&str>, limit: usize) -> Result<Vec<Arc<str>>, String> {
        self.fail_points.hit(FailPoint::DuringExecute);
        self.state.keys(bucket, after, limit).await.map_err(|error| error.to_string())
    }
}
