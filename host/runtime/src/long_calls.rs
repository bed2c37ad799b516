//! Calls that compute for longer than a look of the clock go on threads of their own, which give way to everything else
//! of the host. So a step that loops takes what is left of the processors, and not its neighbours' share of them.
//! It must not know what a call does: it moves a future from one set of threads to another, at most once.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use host_core::outcome::{Fault, FaultKind};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinError, JoinHandle};

use crate::registry::refused;
use crate::{Report, limits};

thread_local! {
    /// Whether the guest that this thread has just polled was interrupted for having run long.
    static RAN_LONG: Cell<bool> = const { Cell::new(false) };
}

/// The guest that runs on this thread has used up its time on it.
pub(crate) fn ran_long() {
    RAN_LONG.set(true);
}

/// The rest of this call goes to the threads of long calls at once, if there are any and it is not there already.
pub(crate) async fn begin_as_long() {
    let mut is_told = false;
    poll_fn(|context| {
        if is_told {
            return Poll::Ready(());
        }
        is_told = true;
        ran_long();
        // The new home polls it anyway; a call that stays where it is must not stand still.
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A call under way: it computes on the threads of whoever polls it, and on those of long calls once it turns out to be
/// one. Dropping it ends the call and its instance, wherever it runs; nothing of it remains.
#[must_use = "a call that nobody polls does not run"]
pub struct Running<'a> {
    place: Place,
    /// None for a call that stays where it is.
    long_calls: Option<&'a LongCalls>,
}

type Work = Pin<Box<dyn Future<Output = Report> + Send>>;

enum Place {
    Here(Work),
    Moved(JoinHandle<Report>),
}

impl<'a> Running<'a> {
    /// A call that stays on the threads of its caller.
    pub fn new(work: impl Future<Output = Report> + Send + 'static) -> Self {
        Self { place: Place::Here(Box::pin(work)), long_calls: None }
    }

    pub(crate) fn moving_to(mut self, long_calls: &'a LongCalls) -> Self {
        self.long_calls = Some(long_calls);
        self
    }
}

impl Future for Running<'_> {
    type Output = Report;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Report> {
        let this = self.get_mut();
        match &mut this.place {
            Place::Here(work) => {
                RAN_LONG.set(false);
                if let Poll::Ready(report) = work.as_mut().poll(context) {
                    return Poll::Ready(report);
                }
                let home = if RAN_LONG.take() { this.long_calls.take().and_then(LongCalls::runtime) } else { None };
                let Some(home) = home else { return Poll::Pending };
                // It has asked to be woken already; the new home polls it anyway.
                let work = std::mem::replace(work, Box::pin(std::future::pending()));
                let mut moved = home.spawn(work);
                let polled = Pin::new(&mut moved).poll(context);
                this.place = Place::Moved(moved);
                polled.map(|joined| joined.unwrap_or_else(broken))
            }
            Place::Moved(moved) => Pin::new(moved).poll(context).map(|joined| joined.unwrap_or_else(broken)),
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Place::Moved(moved) = &self.place {
            moved.abort();
        }
    }
}

/// A panic of the host in the middle of a call: the call has failed, the host lives.
fn broken(error: JoinError) -> Report {
    tracing::error!(%error, "a call was broken off");
    let reason = "the host failed during the call; its log has the panic, please report it".to_owned();
    refused(Fault { kind: FaultKind::Trap, reason })
}

/// The threads of long calls. None is there before the first such call.
#[derive(Default)]
pub(crate) struct LongCalls {
    runtime: OnceLock<Option<Runtime>>,
}

impl LongCalls {
    /// None where no threads could be had: long calls then stay where they are.
    fn runtime(&self) -> Option<&Runtime> {
        let make = || {
            let mut builder = Builder::new_multi_thread();
            builder
                .thread_name("saga-long-call")
                .thread_keep_alive(limits::LONG_CALL_THREADS_KEPT)
                .on_thread_start(give_way);
            let made = builder.enable_all().build();
            made.inspect_err(
                |error| tracing::warn!(%error, "no threads for long calls, they stay among the short ones"),
            )
            .ok()
        };
        self.runtime.get_or_init(make).as_ref()
    }
}

impl Drop for LongCalls {
    fn drop(&mut self) {
        // The last handle of the plugins may be dropped by a task, which must not wait for threads to end.
        if let Some(runtime) = self.runtime.take().flatten() {
            runtime.shutdown_background();
        }
    }
}

/// On Linux niceness belongs to a thread; elsewhere it would slow the whole host down.
#[cfg(target_os = "linux")]
fn give_way() {
    if let Err(error) = rustix::process::setpriority_process(None, limits::LONG_CALL_NICENESS) {
        tracing::debug!(%error, "threads of long calls keep the priority of the host");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way() {
    let _ = limits::LONG_CALL_NICENESS;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use parking_lot::Mutex;

    use super::*;

    /// A guest that is interrupted so often. Tells on which threads it ran.
    async fn interrupted(calls: &LongCalls, times: u32, long: bool) -> Vec<String> {
        let threads = Arc::new(Mutex::new(Vec::new()));
        let seen = threads.clone();
        let work = async move {
            for _ in 0..=times {
                seen.lock().push(thread::current().name().unwrap_or_default().to_owned());
                if long {
                    ran_long();
                }
                tokio::task::yield_now().await;
            }
            nothing()
        };
        Running::new(work).moving_to(calls).await;
        std::mem::take(&mut threads.lock())
    }

    fn nothing() -> Report {
        refused(Fault { kind: FaultKind::Unavailable, reason: String::new() })
    }

    #[tokio::test]
    async fn a_call_that_ran_long_goes_on_elsewhere_and_a_short_one_stays() {
        let calls = LongCalls::default();
        let short = interrupted(&calls, 3, false).await;
        assert!(short.iter().all(|name| *name != "saga-long-call"), "{short:?}");
        assert!(calls.runtime.get().is_none(), "no threads are made for short calls");
        let long = interrupted(&calls, 3, true).await;
        assert_ne!(long[0], "saga-long-call");
        assert!(long[1..].iter().all(|name| name == "saga-long-call"), "{long:?}");
    }

    #[tokio::test]
    async fn a_call_of_a_costly_step_begins_elsewhere_and_one_that_stays_goes_on() {
        async fn thread_after_beginning_as_long(seen: Arc<Mutex<String>>) -> Report {
            begin_as_long().await;
            *seen.lock() = thread::current().name().unwrap_or_default().to_owned();
            nothing()
        }
        let (calls, seen) = (LongCalls::default(), Arc::new(Mutex::new(String::new())));
        Running::new(thread_after_beginning_as_long(seen.clone())).moving_to(&calls).await;
        assert_eq!(*seen.lock(), "saga-long-call");
        Running::new(thread_after_beginning_as_long(seen.clone())).await;
        assert_ne!(*seen.lock(), "saga-long-call");
    }

    #[tokio::test]
    async fn a_panic_of_the_host_in_a_long_call_is_a_fault_in_words() {
        let calls = LongCalls::default();
        let work = async {
            ran_long();
            tokio::task::yield_now().await;
            panic!("a bug");
        };
        let report = Running::new(work).moving_to(&calls).await;
        assert!(format!("{:?}", report.answer).contains("the host failed during the call"), "{report:?}");
    }

    #[tokio::test]
    async fn a_long_call_that_is_given_up_ends() {
        struct Ended(Arc<AtomicU32>, Arc<tokio::sync::Notify>);
        impl Drop for Ended {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
                self.1.notify_one();
            }
        }
        let calls = LongCalls::default();
        let (count, told, moved) = (Arc::default(), Arc::default(), Arc::new(tokio::sync::Notify::new()));
        let guard = Ended(Arc::clone(&count), Arc::clone(&told));
        let moving = moved.clone();
        let endless = async move {
            let _guard = guard;
            ran_long();
            tokio::task::yield_now().await;
            moving.notify_one();
            std::future::pending::<()>().await;
            nothing()
        };
        tokio::select! {
            _ = Running::new(endless).moving_to(&calls) => panic!("it has no end"),
            () = moved.notified() => {}
        }
        told.notified().await;
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}
