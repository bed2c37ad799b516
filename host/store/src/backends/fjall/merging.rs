//! Lets one watch merges of tables from within: a filter that keeps every row and tells that it came by.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use fjall::compaction::filter::{CompactionFilter, CompactionFilterResult, Context, Factory, ItemAccessor, Verdict};

/// Chooses the filter of a table by its name.
type Assigner = Arc<dyn Fn(&str) -> Option<Arc<dyn Factory>> + Send + Sync>;

/// The same watcher for every table.
pub(super) fn watched(on_merge: impl Fn() + Send + Sync + 'static) -> Assigner {
    let factory: Arc<dyn Factory> = Arc::new(Watcher(Arc::new(AssertUnwindSafe(on_merge))));
    Arc::new(move |_| Some(factory.clone()))
}

/// Unwind-safe: it holds nothing that a panic could leave half done.
struct Watcher<F>(Arc<AssertUnwindSafe<F>>);

impl<F: Fn() + Send + Sync + 'static> Factory for Watcher<F> {
    fn name(&self) -> &str {
        "watcher"
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        Box::new(Self(self.0.clone()))
    }
}

impl<F: Fn() + Send + Sync> CompactionFilter for Watcher<F> {
    fn filter_item(&mut self, _: ItemAccessor<'_>, _: &Context) -> CompactionFilterResult {
        (self.0.0)();
        Ok(Verdict::Keep)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use fjall::{Database, KeyspaceCreateOptions};

    use super::*;

    #[test]
    fn a_merge_is_watched_row_by_row_and_loses_none() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let seen = Arc::new(AtomicU64::new(0));
        let watched = watched({
            let seen = seen.clone();
            move || _ = seen.fetch_add(1, Ordering::Relaxed)
        });
        let database = Database::builder(folder.path()).with_compaction_filter_factories(watched).open();
        let database = database.expect("the folder is empty");
        let rows = database.keyspace("rows", KeyspaceCreateOptions::default).expect("a new table");
        for _ in 0..2 {
            for key in ["a", "m", "z"] {
                rows.insert(key, "x").expect("a write");
            }
            rows.rotate_memtable_and_wait().expect("a flush");
        }
        assert_eq!(seen.load(Ordering::Relaxed), 0, "a flush is no merge");
        rows.major_compact().expect("a merge");
        assert!(seen.load(Ordering::Relaxed) >= 3, "{seen:?}");
        assert_eq!(rows.len().expect("a count"), 3);
    }
}
