//! What a host says of itself in `/metrics`.

use crate::host::Host;

/// A page of metrics.
pub(super) struct Metrics(String);

impl Metrics {
    pub(super) fn of(host: &Host) -> Self {
        Self(host.api.get_text("/metrics"))
    }

    /// The value of a line that begins like this, labels included.
    pub(super) fn value(&self, line: &str) -> f64 {
        let found = self.0.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
        found.and_then(|value| value.parse().ok()).unwrap_or_default()
    }

    /// Sagas that the store lists with this status.
    pub(super) fn sagas(&self, status: &str) -> u64 {
        self.value(&format!("saga_sagas{{status=\"{status}\"}}")) as u64
    }

    pub(super) fn disk_mib(&self) -> f64 {
        self.value("saga_store_disk_bytes") / f64::from(1 << 20)
    }
}
