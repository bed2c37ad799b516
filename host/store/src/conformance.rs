//! What every store must do, as tests that any backend runs unchanged: `store_conformance!` for a store,
//! `tables_conformance!` for tables under the embedded one, `shared_conformance!` for a state that hosts share. The
//! only part of this room that panics: a broken promise fails the test that asked.

pub mod crash;
pub mod journal;
pub mod key_value;
pub mod lists;
pub mod over_shared;
pub mod retention;
pub mod sample;
pub mod shared;
pub mod tables;
pub mod waiting;

use std::sync::Arc;

use async_trait::async_trait;
use host_core::id::{GlobalId, Lsn};
use host_core::record::Record;
use host_core::table::{Batch, Durability, Tables};
use host_core::unit::Unit;
use parking_lot::Mutex;

use crate::backends::memory::MemoryTables;
use crate::embedded::EmbeddedStore;
use crate::{Committed, Conflict, JointStore, Store};

/// Makes stores of one kind.
#[async_trait]
pub trait Backend: Send + Sync {
    /// A store that holds nothing.
    async fn fresh(&self) -> Box<dyn Subject>;
}

/// A store with a way to commit, to end and to come back.
#[async_trait]
pub trait Subject: Send + Sync {
    fn store(&self) -> Arc<dyn Store>;

    /// Commit a unit: visible on return, durable after the next `sync`.
    async fn submit(&self, unit: Unit) -> Result<Lsn, Conflict>;

    /// Everything that was submitted is durable on return.
    async fn sync(&self);

    /// Write everything, but leave it to the disk when it becomes durable.
    async fn write_unsynced(&self);

    /// End in order and open again.
    async fn restart(self: Box<Self>) -> Box<dyn Subject>;

    /// End as a power cut would, and open again: what was not synced may be gone.
    async fn crash(self: Box<Self>) -> Box<dyn Subject>;

    /// Overwrite what is stored of a saga's journal with something that is no record.
    async fn damage(&self, global_id: &GlobalId);
}

/// Tables that can come back: what a folder or a map of one kind has to add to be tested.
pub trait Medium: Send + Sync + 'static {
    fn tables(&self) -> Arc<dyn Tables>;

    /// Called after every synced write.
    fn synced(&self);

    /// Close and open again.
    fn reopened(self: Box<Self>) -> Box<dyn Medium>;

    /// As after a power cut: the synced writes and no other.
    fn crashed(self: Box<Self>) -> Box<dyn Medium>;
}

/// Tables in memory; what was not synced is gone after a crash.
pub struct Memory(pub Arc<MemoryTables>);

impl Medium for Memory {
    fn tables(&self) -> Arc<dyn Tables> {
        self.0.clone()
    }

    fn synced(&self) {}

    fn reopened(self: Box<Self>) -> Box<dyn Medium> {
        self
    }

    fn crashed(self: Box<Self>) -> Box<dyn Medium> {
        Box::new(Memory(Arc::new(self.0.snapshot_synced())))
    }
}

/// The embedded store over a medium, with the smallest committer that keeps the rules.
pub struct Embedded {
    medium: Box<dyn Medium>,
    store: Arc<EmbeddedStore>,
    /// Guards the order of commits.
    commits: Mutex<Commits>,
    /// Guards the order of batches: held from the seal to `written`.
    batches: Mutex<()>,
}

struct Commits {
    lsn: Lsn,
    open: <EmbeddedStore as JointStore>::Open,
}

impl Embedded {
    pub fn open(medium: Box<dyn Medium>) -> Self {
        let store = EmbeddedStore::open(medium.tables()).expect("the tables are this host's");
        let commits = Commits { lsn: store.last_lsn(), open: Default::default() };
        Self { medium, store: Arc::new(store), commits: Mutex::new(commits), batches: Mutex::default() }
    }

    /// Seal and write what was submitted; the records, as followers of the journal get them.
    pub fn write(&self, durability: Durability) -> Vec<Record> {
        let _order = self.batches.lock();
        let (open, lsn) = {
            let mut commits = self.commits.lock();
            (std::mem::take(&mut commits.open), commits.lsn)
        };
        let mut batch = Batch::default();
        let records = self.store.seal(open, lsn, &mut batch);
        self.medium.tables().write(batch, durability).expect("the tables take the batch");
        if durability == Durability::Synced {
            self.medium.synced();
        }
        self.store.written(lsn);
        records
    }

    /// The store by its own type.
    pub fn embedded(&self) -> &Arc<EmbeddedStore> {
        &self.store
    }
}

#[async_trait]
impl Subject for Embedded {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn submit(&self, mut unit: Unit) -> Result<Lsn, Conflict> {
        let mut commits = self.commits.lock();
        let lsn = Lsn(commits.lsn.0 + 1);
        self.store.stage(&mut commits.open, lsn, &mut unit)?;
        commits.lsn = lsn;
        Ok(lsn)
    }

    async fn sync(&self) {
        self.write(Durability::Synced);
    }

    async fn write_unsynced(&self) {
        self.write(Durability::Visible);
    }

    async fn restart(self: Box<Self>) -> Box<dyn Subject> {
        self.write(Durability::Synced);
        let Self { medium, store, .. } = *self;
        drop(store);
        Box::new(Self::open(medium.reopened()))
    }

    async fn crash(self: Box<Self>) -> Box<dyn Subject> {
        let Self { medium, store, .. } = *self;
        drop(store);
        Box::new(Self::open(medium.crashed()))
    }

    async fn damage(&self, global_id: &GlobalId) {
        let (from, to) = crate::embedded::keys::journal_range(global_id);
        let tables = self.medium.tables();
        let rows = tables.scan(host_core::table::Table::Journal, &from, Some(&to), 1).expect("the tables answer");
        let mut batch = Batch::default();
        for (key, value) in rows {
            let mut value = value.to_vec();
            value.truncate(value.len() - 1);
            batch.put(host_core::table::Table::Journal, key, value);
        }
        tables.write(batch, Durability::Synced).expect("the tables take the batch");
    }
}

/// Fold everything that the feed holds.
pub async fn project_all(store: &dyn Store) {
    loop {
        let after = store.projected().await.expect("the watermark is readable");
        let feed = store.feed(after, 16).await.expect("the feed is readable");
        if feed.is_empty() {
            return;
        }
        let feed: Vec<Arc<Committed>> = feed.into_iter().map(Arc::new).collect();
        store.project(&feed).await.expect("the feed can be folded");
    }
}

/// Commit a unit that nothing can conflict with.
pub async fn submit(subject: &dyn Subject, unit: Unit) -> Lsn {
    subject.submit(unit).await.expect("nothing conflicts with this unit")
}

/// One test per promise of the key-values, over a backend that may hold nothing else.
#[macro_export]
macro_rules! key_value_conformance {
    ($backend:expr) => {
        $crate::store_conformance! { @each $backend,
            key_value: [
                a_value_is_visible_from_its_submission_on,
                keys_are_listed_in_order_whether_written_or_not,
                a_unit_that_read_an_overwritten_key_is_refused_untouched,
                a_unit_that_listed_a_changed_bucket_is_refused,
                reading_what_nobody_wrote_never_conflicts,
                a_read_from_before_what_is_remembered_is_refused,
                the_last_write_of_a_key_counts,
                no_update_is_lost_between_threads,
                no_write_skew_between_threads,
            ],
        }
    };
}

/// One test per promise, over a backend.
#[macro_export]
macro_rules! store_conformance {
    ($backend:expr) => {
        $crate::key_value_conformance!($backend);
        $crate::store_conformance! { @each $backend,
            journal: [
                a_read_sees_what_was_submitted_before_it,
                records_come_back_in_the_order_of_their_commit,
                every_kind_of_record_comes_back_as_it_was,
                a_saga_with_a_similar_id_is_another_saga,
                the_feed_holds_batches_in_order_until_they_are_folded,
                folding_twice_changes_nothing,
                a_corrupt_row_is_named_and_not_skipped,
            ],
            waiting: [
                parked_messages_come_back_oldest_first,
                a_parked_message_comes_back_as_it_was,
                time_outs_come_earliest_first,
                an_unparked_message_is_gone_everywhere,
                parking_again_moves_the_time_out,
                a_signal_is_remembered_until_its_time,
                marks_stay_until_they_are_met,
            ],
            crash: [
                a_crash_loses_a_suffix_only,
                a_restart_loses_nothing,
                a_lost_fold_is_made_again,
                reads_work_the_same_after_a_restart,
            ],
            lists: [
                sagas_are_listed_newest_first,
                a_saga_stands_where_its_journal_says,
                filters_can_be_combined,
                pages_hold_every_saga_once,
                a_foreign_cursor_is_refused,
                causes_are_grouped_and_counted,
                a_cause_that_is_gone_is_not_listed,
                members_of_a_group_are_named,
                counts_follow_the_sagas,
                a_late_message_of_a_forgotten_saga_makes_no_saga,
            ],
            retention: [
                ended_sagas_go_whole_and_others_stay,
                retention_does_a_bounded_piece_and_goes_on,
                expired_signals_go_and_renewed_ones_stay,
            ],
        }
    };
    (@each $backend:expr, $($area:ident: [$($name:ident,)*],)*) => {
        $(mod $area {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    $crate::conformance::$area::$name(&$backend).await;
                }
            )*
        })*
    };
}
