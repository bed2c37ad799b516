//! Operators' acts that wait for their saga's message: kept by the store, mirrored here so that the hot path asks one
//! atomic number.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use host_core::id::GlobalId;
use host_core::unit::Mark;
use parking_lot::RwLock;

/// The mirror. Invariant: `count` is the length of `marks`.
#[derive(Default)]
pub(crate) struct Marks {
    count: AtomicUsize,
    marks: RwLock<HashMap<GlobalId, Mark>>,
}

impl Marks {
    pub(crate) fn load(marks: Vec<Mark>) -> Self {
        let loaded = Self::default();
        marks.into_iter().for_each(|mark| loaded.insert(mark));
        loaded
    }

    pub(crate) fn get(&self, global_id: &GlobalId) -> Option<Mark> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.marks.read().get(global_id).cloned()
    }

    /// These are all there are.
    pub(crate) fn replace(&self, all: &[Mark]) {
        let mut marks = self.marks.write();
        *marks = all.iter().map(|mark| (mark.global_id.clone(), mark.clone())).collect();
        self.count.store(marks.len(), Ordering::Release);
    }

    pub(crate) fn insert(&self, mark: Mark) {
        let mut marks = self.marks.write();
        marks.insert(mark.global_id.clone(), mark);
        self.count.store(marks.len(), Ordering::Release);
    }

    pub(crate) fn remove(&self, global_id: &GlobalId) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut marks = self.marks.write();
        marks.remove(global_id);
        self.count.store(marks.len(), Ordering::Release);
    }
}
