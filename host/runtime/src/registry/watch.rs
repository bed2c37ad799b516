//! The service that follows the plugins folder: one loop, woken by the file system, by ended loads and by the last call
//! of a version that drains; and by a slow clock, for file systems that send no notice.

use std::sync::Arc;

use notify::{RecursiveMode, Watcher as _};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::files::{self, Look};
use crate::error::Error;

pub(super) async fn run(shared: &Arc<Shared>, stop: CancellationToken) -> Result<(), Error> {
    // Dropped at the end of this function, which ends its thread.
    let _watcher = watcher(shared)?;
    loop {
        let pause = {
            let mut files = shared.files.lock().await;
            let found = files::list(shared).await;
            if files.step(shared, found, Look::Again) {
                shared.publish(&files);
            }
            files.pause()
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = shared.wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Tells the loop of every change in the folder. However many come, they are one look at the folder.
fn watcher(shared: &Arc<Shared>) -> Result<notify::RecommendedWatcher, Error> {
    let (wake, done) = (shared.wake.clone(), shared.done.clone());
    let told = move |event: notify::Result<notify::Event>| {
        // An error may mean anything: look.
        if event.map_or(true, |event| done.hear(&event)) {
            wake.notify_one();
        }
    };
    let refuse = |error: notify::Error| Error::Watch { path: shared.dir.clone(), cause: error.to_string() };
    let mut watcher = notify::recommended_watcher(told).map_err(refuse)?;
    watcher.watch(&shared.dir, RecursiveMode::NonRecursive).map_err(refuse)?;
    Ok(watcher)
}
