//! A door that does what a test tells it, a broker that has the topics it is given, and the committer behind the store.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use host_broker::{Broker, Browsed, Capabilities, Consumer, Delivery, Subscription, TopicState};
use host_core::id::{GlobalId, Lsn, TopicName, WaitKey};
use host_core::record::Record;
use host_core::table::{Batch, Durability, Tables};
use host_core::time::Timestamp;
use host_core::unit::{Ack, Offset, Unit};
use host_monitor::door::{Act, Door, PluginState, Readiness, Refusal, Sample, Start, Started, UseCases};
use host_store::backends::memory::MemoryTables;
use host_store::embedded::EmbeddedStore;
use host_store::{Committed, JointStore};
use std::sync::Mutex;
use tokio::sync::mpsc;

use crate::records;

/// Commits records as the engine's committer does: staged, sealed, written, told.
pub(crate) struct Committer {
    pub(crate) store: Arc<EmbeddedStore>,
    pub(crate) tables: Arc<MemoryTables>,
    /// Guards the order of commits.
    lsn: tokio::sync::Mutex<Lsn>,
    followers: Mutex<Option<mpsc::Sender<Arc<Committed>>>>,
}

impl Committer {
    pub(crate) fn new(tables: Arc<MemoryTables>) -> Self {
        let store = EmbeddedStore::open(tables.clone()).unwrap();
        let lsn = tokio::sync::Mutex::new(store.last_lsn());
        Self { store: Arc::new(store), tables, lsn, followers: Mutex::default() }
    }

    pub(crate) fn follow(&self) -> mpsc::Receiver<Arc<Committed>> {
        let (sender, receiver) = mpsc::channel(8);
        *self.followers.lock().unwrap() = Some(sender);
        receiver
    }

    /// Durable, and told to the follower, on return.
    pub(crate) async fn commit(&self, records: Vec<Record>) -> Lsn {
        let mut last = self.lsn.lock().await;
        let lsn = Lsn(last.0 + 1);
        let mut open = <EmbeddedStore as JointStore>::Open::default();
        let mut unit = Unit { records: records.into(), ..Unit::default() };
        self.store.stage(&mut open, lsn, &mut unit).unwrap();
        let mut batch = Batch::default();
        let records = self.store.seal(open, lsn, &mut batch);
        self.tables.write(batch, Durability::Synced).unwrap();
        self.store.written(lsn);
        *last = lsn;
        let follower = self.followers.lock().unwrap().clone();
        if let Some(follower) = follower {
            follower.send(Arc::new(Committed { lsn, records })).await.unwrap();
        }
        lsn
    }

    /// As the end of the host: nobody follows any more.
    pub(crate) fn end(&self) {
        *self.followers.lock().unwrap() = None;
    }
}

type Script = Box<dyn Fn(&GlobalId) -> Vec<Vec<Record>> + Send + Sync>;

/// The door.
pub(crate) struct FakeDoor {
    pub(crate) committer: Arc<Committer>,
    pub(crate) refusal: Mutex<Option<Refusal>>,
    /// Refusals of acts on single sagas.
    pub(crate) act_refusals: Mutex<VecDeque<(GlobalId, Refusal)>>,
    pub(crate) starts: Mutex<Vec<Start>>,
    pub(crate) acts: Mutex<Vec<Act>>,
    pub(crate) signals: Mutex<Vec<WaitKey>>,
    pub(crate) published: Mutex<Vec<(TopicName, Option<String>, Bytes)>>,
    pub(crate) plugins: Mutex<Vec<PluginState>>,
    pub(crate) use_cases: Mutex<UseCases>,
    pub(crate) readiness: Mutex<Readiness>,
    pub(crate) samples: Mutex<Vec<Sample>>,
    /// What becomes of a saga right after its start, batch by batch, in a task of its own.
    pub(crate) script: Mutex<Option<Arc<Script>>>,
    known: Mutex<HashSet<GlobalId>>,
}

impl FakeDoor {
    pub(crate) fn new(committer: Arc<Committer>) -> Self {
        Self {
            committer,
            refusal: Mutex::default(),
            act_refusals: Mutex::default(),
            starts: Mutex::default(),
            acts: Mutex::default(),
            signals: Mutex::default(),
            published: Mutex::default(),
            plugins: Mutex::default(),
            use_cases: Mutex::default(),
            readiness: Mutex::new(Readiness::Ready),
            samples: Mutex::default(),
            script: Mutex::default(),
            known: Mutex::default(),
        }
    }

    pub(crate) fn after_start(&self, script: impl Fn(&GlobalId) -> Vec<Vec<Record>> + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Some(Arc::new(Box::new(script)));
    }

    /// As if this saga had been started before.
    pub(crate) fn know(&self, global_id: &GlobalId) {
        self.known.lock().unwrap().insert(global_id.clone());
    }

    fn refused(&self) -> Result<(), Refusal> {
        self.refusal.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Door for FakeDoor {
    async fn start(&self, start: Start) -> Result<Started, Refusal> {
        self.refused()?;
        self.starts.lock().unwrap().push(start.clone());
        let global_id = start.global_id.clone().unwrap_or_else(|| records::id("minted-by-the-door"));
        if !self.known.lock().unwrap().insert(global_id.clone()) {
            return Ok(Started { global_id, existed: true });
        }
        let mut record = records::started_by(start.use_case.as_str(), global_id.as_str());
        if let host_core::record::Event::Started { body, .. } = &mut record.event {
            *body = start.body;
        }
        self.committer.commit(vec![record]).await;
        let script = self.script.lock().unwrap().clone();
        if let Some(script) = script {
            let (committer, batches) = (self.committer.clone(), script(&global_id));
            tokio::spawn(async move {
                for batch in batches {
                    committer.commit(batch).await;
                }
            });
        }
        Ok(Started { global_id, existed: false })
    }

    async fn signal(&self, key: WaitKey) -> Result<(), Refusal> {
        self.refused()?;
        self.signals.lock().unwrap().push(key);
        Ok(())
    }

    async fn act(&self, act: Act) -> Result<(), Refusal> {
        self.refused()?;
        let refusals = self.act_refusals.lock().unwrap();
        if let Some((_, refusal)) = refusals.iter().find(|(global_id, _)| *global_id == act.global_id) {
            return Err(refusal.clone());
        }
        drop(refusals);
        self.acts.lock().unwrap().push(act);
        Ok(())
    }

    async fn publish(&self, topic: TopicName, key: Option<String>, payload: Bytes) -> Result<(), Refusal> {
        self.refused()?;
        self.published.lock().unwrap().push((topic, key, payload));
        Ok(())
    }

    fn plugins(&self) -> Vec<PluginState> {
        self.plugins.lock().unwrap().clone()
    }

    fn use_cases(&self) -> UseCases {
        self.use_cases.lock().unwrap().clone()
    }

    fn readiness(&self) -> Readiness {
        self.readiness.lock().unwrap().clone()
    }

    fn metrics(&self) -> Vec<Sample> {
        self.samples.lock().unwrap().clone()
    }
}

/// A broker with topics to look at and nothing else.
#[derive(Default)]
pub(crate) struct FakeBroker {
    pub(crate) topics: Mutex<Vec<TopicState>>,
    pub(crate) failure: Mutex<Option<host_broker::Error>>,
}

#[async_trait]
impl Broker for FakeBroker {
    fn capabilities(&self) -> Capabilities {
        Capabilities { atomic_commit: true, delays: true, order_per_key: true, has_other_hosts: false }
    }

    async fn subscribe(&self, _: Subscription) -> Result<Box<dyn Consumer>, host_broker::Error> {
        panic!("the monitor consumes nothing")
    }

    fn release(&self, _: Ack) {
        panic!("the monitor consumes nothing")
    }

    async fn topics(&self) -> Result<Vec<TopicState>, host_broker::Error> {
        match self.failure.lock().unwrap().clone() {
            Some(error) => Err(error),
            None => Ok(self.topics.lock().unwrap().clone()),
        }
    }

    async fn browse(&self, _: &TopicName, _: Offset, _: usize) -> Result<Vec<Browsed>, host_broker::Error> {
        Ok(Vec::new())
    }

    async fn claim(&self, _: &TopicName, _: &str) -> Result<Option<Delivery>, host_broker::Error> {
        Ok(None)
    }

    async fn retain(&self, _: Timestamp) -> Result<usize, host_broker::Error> {
        Ok(0)
    }
}
