//! Calls that compute for longer than a look of the clock go on threads of their own, which give way to everything else
//! of the host. So a step that loops takes what is left of the processors, and not its neighbours' share of them.
//! It must not know what a call does: it moves a future from one set of threads to another, at most once.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::Poll;

use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinError, JoinHandle};

use crate::limits;

thread_local! {
    /// Whether the guest that this thread has just polled was interrupted for having run long.
    static RAN_LONG: Cell<bool> = const { Cell::new(false) };
}

/// The guest that runs on this thread has used up its time on it.
pub(crate) fn ran_long() {
    RAN_LONG.set(true);
}

/// The threads of long calls. None is there before the first such call.
#[derive(Default)]
pub(crate) struct LongCalls {
    runtime: OnceLock<Option<Runtime>>,
}

impl LongCalls {
    /// Run a call on the threads of the caller, and on those of long calls once it turns out to be one. Dropping the
    /// future ends the call, wherever it runs. None if the call panicked, which is a bug in the host.
    pub(crate) async fn run<F>(&self, call: F) -> Option<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let mut call = Box::pin(call);
        let mut is_long = false;
        let begun = poll_fn(|context| {
            RAN_LONG.set(false);
            match call.as_mut().poll(context) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                // It has asked to be woken already; the new home polls it anyway.
                Poll::Pending if RAN_LONG.take() && !is_long => {
                    is_long = true;
                    Poll::Ready(None)
                }
                Poll::Pending => Poll::Pending,
            }
        });
        if let Some(output) = begun.await {
            return Some(output);
        }
        match self.runtime() {
            Some(runtime) => Moved(runtime.spawn(call)).await.ok(),
            None => Some(call.await),
        }
    }

    /// None where no threads could be had: long calls then stay where they are.
    fn runtime(&self) -> Option<&Runtime> {
        let make = || {
            let mut builder = Builder::new_multi_thread();
            builder
                .thread_name("saga-long-call")
                .thread_keep_alive(limits::LONG_CALL_THREADS_KEPT)
                .on_thread_start(give_way);
            let made = builder.enable_time().build();
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

/// A call on the other threads, which ends when nobody waits for it any more.
struct Moved<T>(JoinHandle<T>);

impl<T> Future for Moved<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for Moved<T> {
    fn drop(&mut self) {
        self.0.abort();
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
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    /// A guest that is interrupted so often, and tells on which threads it ran.
    async fn interrupted(times: u32, long: bool) -> Vec<String> {
        let mut threads = Vec::new();
        for _ in 0..=times {
            threads.push(thread::current().name().unwrap_or_default().to_owned());
            if long {
                ran_long();
            }
            tokio::task::yield_now().await;
        }
        threads
    }

    #[tokio::test]
    async fn a_call_that_ran_long_goes_on_elsewhere_and_a_short_one_stays() {
        let calls = LongCalls::default();
        let short = calls.run(interrupted(3, false)).await.unwrap();
        assert!(short.iter().all(|name| *name != "saga-long-call"), "{short:?}");
        assert!(calls.runtime.get().is_none(), "no threads are made for short calls");
        let long = calls.run(interrupted(3, true)).await.unwrap();
        assert_ne!(long[0], "saga-long-call");
        assert!(long[1..].iter().all(|name| name == "saga-long-call"), "{long:?}");
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
        };
        tokio::select! {
            _ = calls.run(endless) => panic!("it has no end"),
            () = moved.notified() => {}
        }
        told.notified().await;
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}
