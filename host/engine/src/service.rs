//! Keeps the engine's services going: one that the broker or the store fails begins anew after a pause, until the host
//! ends or takes no more work.

use std::fmt::Display;
use std::future::Future;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::limits::{SERVICE_PAUSE, SERVICE_PAUSE_MAX};
use crate::parking::Error;

/// Run what `begin` begins, again whenever it fails, until `stop`.
pub(crate) async fn keep<F>(name: impl Display, stop: CancellationToken, begin: impl Fn() -> F)
where
    F: Future<Output = Result<(), Error>>,
{
    let mut pause = SERVICE_PAUSE;
    loop {
        let since = Instant::now();
        let error = match begin().await {
            Ok(()) => return,
            Err(error) => error,
        };
        if is_the_end(&error) {
            // Whoever stopped the commits, or the broker, has said why.
            return tracing::debug!(%error, service = %name, "a service of the engine ended");
        }
        if since.elapsed() > SERVICE_PAUSE_MAX {
            pause = SERVICE_PAUSE;
        }
        tracing::warn!(%error, service = %name, "a service of the engine failed, and begins anew");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(SERVICE_PAUSE_MAX);
    }
}

fn is_the_end(error: &Error) -> bool {
    matches!(error, Error::Stopped(_) | Error::Broker(host_broker::Error::ShuttingDown))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::commit::Stopped;

    fn troubled() -> Error {
        Error::Broker(host_broker::Error::Cluster { doing: "a test".to_owned(), cause: "no leader".to_owned() })
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_the_cluster_fails_begins_anew_with_longer_and_longer_pauses() {
        let (runs, began) = (AtomicU32::new(0), Instant::now());
        keep("a service", CancellationToken::new(), || async {
            if runs.fetch_add(1, Ordering::Relaxed) < 8 { Err(troubled()) } else { Ok(()) }
        })
        .await;
        assert_eq!(runs.into_inner(), 9);
        let sum: Duration = (0..8).map(|times| (SERVICE_PAUSE * 2u32.pow(times)).min(SERVICE_PAUSE_MAX)).sum();
        assert_eq!(began.elapsed().as_secs(), sum.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_ends_when_no_more_work_is_taken_or_the_host_ends() {
        let runs = AtomicU32::new(0);
        let ends: [fn() -> Error; 2] = [
            || Error::Broker(host_broker::Error::ShuttingDown),
            || Error::Stopped(Stopped { reason: "the disk is full".into(), restart_helps: false }),
        ];
        for end in ends {
            keep("a service", CancellationToken::new(), || async {
                runs.fetch_add(1, Ordering::Relaxed);
                Err(end())
            })
            .await;
        }
        let stop = CancellationToken::new();
        stop.cancel();
        keep("a service", stop, || async {
            runs.fetch_add(1, Ordering::Relaxed);
            Err(troubled())
        })
        .await;
        assert_eq!(runs.into_inner(), 3);
    }
}
