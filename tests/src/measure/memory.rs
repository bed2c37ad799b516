//! Memory of a process as the kernel counts it, and the waiting until it no longer changes.

use std::time::{Duration, Instant};

use crate::host::Host;

const MIB: f64 = 1024.0;

/// Bytes of a process, in MiB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Memory {
    /// Everything of it that is in memory, its program's pages and mapped files included.
    pub(super) resident: f64,
    /// Its share of that, where several processes map the same page.
    pub(super) proportional: f64,
    /// What it has allocated: no file holds it.
    pub(super) anonymous: f64,
}

impl Memory {
    pub(super) fn of(host: &Host) -> Self {
        let path = format!("/proc/{}/smaps_rollup", host.process_id());
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path} cannot be read: {error}"));
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|number| number.parse::<f64>().ok()).unwrap_or_default() / MIB
        };
        Self { resident: field("Rss:"), proportional: field("Pss:"), anonymous: field("Anonymous:") }
    }

    /// When it has stopped to change: what a host that idles holds. Work that goes on behind the last answer
    /// (projection, flushes, merges) ends first.
    pub(super) fn settled(host: &Host) -> Self {
        const QUIET: Duration = Duration::from_secs(8);
        const PATIENCE: Duration = Duration::from_secs(180);
        let (began, mut since) = (Instant::now(), Instant::now());
        let mut seen = Self::of(host);
        loop {
            std::thread::sleep(Duration::from_millis(500));
            let now = Self::of(host);
            if (now.resident - seen.resident).abs() > 1.0 {
                (seen, since) = (now, Instant::now());
            }
            if since.elapsed() > QUIET || began.elapsed() > PATIENCE {
                return now;
            }
        }
    }
}
