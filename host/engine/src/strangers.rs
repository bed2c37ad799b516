//! Turns for messages from outside. Two messages that name one saga may lie under different keys or on different
//! topics, so the broker's order does not hold them apart; each is held against the journal, which must not change
//! meanwhile. Messages of our own need no turn: a saga has one.

use std::collections::HashMap;
use std::sync::Arc;

use host_core::id::GlobalId;
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

/// The sagas whose turn is taken or waited for.
#[derive(Default)]
pub(crate) struct Strangers {
    turns: Arc<Mutex<HashMap<GlobalId, Arc<tokio::sync::Mutex<()>>>>>,
}

/// Held from before the journal is read until what it led to is committed.
pub(crate) struct Turn {
    global_id: GlobalId,
    turns: Arc<Mutex<HashMap<GlobalId, Arc<tokio::sync::Mutex<()>>>>>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Strangers {
    /// Wait for those that came before with the same global-id.
    pub(crate) async fn turn(&self, global_id: &GlobalId) -> Turn {
        let own = self.turns.lock().entry(global_id.clone()).or_default().clone();
        // Made before the wait: who gives up waiting tidies up as well.
        let mut turn = Turn { global_id: global_id.clone(), turns: self.turns.clone(), guard: None };
        turn.guard = Some(own.lock_owned().await);
        turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.guard = None;
        let mut turns = self.turns.lock();
        // The last one: nobody else holds it or waits for it.
        if turns.get(&self.global_id).is_some_and(|own| Arc::strong_count(own) == 1) {
            turns.remove(&self.global_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> GlobalId {
        GlobalId::try_new(text).expect("an id")
    }

    #[tokio::test]
    async fn one_saga_has_one_turn_and_nothing_stays_behind() {
        let strangers = Strangers::default();
        let x = id("x");
        let first = strangers.turn(&x).await;
        let _other = strangers.turn(&id("y")).await;
        {
            let mut second = std::pin::pin!(strangers.turn(&x));
            tokio::select! {
                biased;
                _ = &mut second => panic!("two have the turn of one saga"),
                () = tokio::task::yield_now() => {}
            }
            drop(first);
            drop(second.await);
        }
        assert_eq!(strangers.turns.lock().len(), 1, "only y is left");
    }
}
