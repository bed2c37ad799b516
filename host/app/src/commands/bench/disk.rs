//! What a sync of this disk takes: the number beside which every other number of the run is to be read.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Enough for a median; half a second on a slow disk.
const SYNC_COUNT: usize = 101;

/// Median time to make one small write durable in this folder.
pub fn fsync_p50(dir: &Path) -> anyhow::Result<Duration> {
    let mut file = tempfile::tempfile_in(dir)?;
    let block = [0u8; 512];
    let mut times = Vec::with_capacity(SYNC_COUNT);
    for _ in 0..SYNC_COUNT {
        let began = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    times.sort();
    Ok(times[SYNC_COUNT / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_takes_time() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(fsync_p50(folder.path()).expect("a writable folder") > Duration::ZERO);
    }
}
