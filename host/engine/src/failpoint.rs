//! Fail points: named places of the crash table where a test makes the host die as if it was killed.
//! With none set, a hit is one comparison; no path of a host that serves pays more.

use std::sync::atomic::{AtomicU64, Ordering};

/// The rows of the crash table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailPoint {
    /// A delivery was taken; the plugin has not been called.
    BeforeExecute,
    /// The plugin is in the middle of its call: it has asked for a key-value and not yet answered.
    DuringExecute,
    /// The plugin answered; its unit is not submitted.
    AfterExecute,
    /// Units are gathered in a batch that is not yet written.
    BeforeCommit,
    /// The batch is written, so that the next host may find it, and not synced.
    BeforeSync,
    /// The batch is on disk; nobody was told, and what it published is not delivered from there.
    AfterCommit,
    /// A new version of a plugin that serves is compiled and tried, and has not taken the old one's place.
    DuringReload,
    /// The database is in the middle of merging tables.
    DuringCompaction,
}

impl FailPoint {
    pub const ALL: [FailPoint; 8] = [
        FailPoint::BeforeExecute,
        FailPoint::DuringExecute,
        FailPoint::AfterExecute,
        FailPoint::BeforeCommit,
        FailPoint::BeforeSync,
        FailPoint::AfterCommit,
        FailPoint::DuringReload,
        FailPoint::DuringCompaction,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            FailPoint::BeforeExecute => "before-execute",
            FailPoint::DuringExecute => "during-execute",
            FailPoint::AfterExecute => "after-execute",
            FailPoint::BeforeCommit => "before-commit",
            FailPoint::BeforeSync => "before-sync",
            FailPoint::AfterCommit => "after-commit",
            FailPoint::DuringReload => "during-reload",
            FailPoint::DuringCompaction => "during-compaction",
        }
    }
}

/// At most one armed fail point: the process aborts when it has been hit so many times.
#[derive(Debug, Default)]
pub struct FailPoints {
    armed: Option<FailPoint>,
    hits_left: AtomicU64,
}

/// Why a text arms no fail point.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no fail point; write one of {}, or NAME:COUNT", names())]
pub struct Error {
    text: String,
}

fn names() -> String {
    FailPoint::ALL.map(FailPoint::as_str).join(", ")
}

impl FailPoints {
    /// `name` dies at the first hit, `name:n` at the n-th.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (name, count) = text.split_once(':').unwrap_or((text, "1"));
        let armed = FailPoint::ALL.into_iter().find(|point| point.as_str() == name);
        match (armed, count.parse::<u64>()) {
            (Some(point), Ok(count)) if count > 0 => Ok(Self { armed: Some(point), hits_left: AtomicU64::new(count) }),
            (Some(_) | None, Ok(_) | Err(_)) => Err(Error { text: text.to_owned() }),
        }
    }

    /// Whether this point is armed. Where watching for it costs something, watch only then.
    pub fn is_armed(&self, point: FailPoint) -> bool {
        self.armed == Some(point)
    }

    /// Count a hit. True if this is the one at which the host is to die: whoever must do something first does it, and
    /// calls `die`.
    pub fn is_due(&self, point: FailPoint) -> bool {
        self.is_armed(point) && self.hits_left.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// Die here if this point is armed and its count is used up.
    pub fn hit(&self, point: FailPoint) {
        if self.is_due(point) {
            die();
        }
    }
}

/// End as a killed process does: no destructor runs and nothing is flushed.
pub fn die() -> ! {
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_points_can_be_armed() {
        for point in FailPoint::ALL {
            assert_eq!(FailPoints::parse(point.as_str()).map(|armed| armed.armed), Ok(Some(point)));
        }
        assert_eq!(FailPoints::parse("after-commit:7").map(|armed| armed.hits_left.into_inner()), Ok(7));
        for bad in ["", "nowhere", "after-commit:", "after-commit:0", "after-commit:x"] {
            assert!(FailPoints::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_point_is_due_once_at_its_count_and_no_other_point_counts() {
        let points = FailPoints::parse("before-sync:3").expect("a known point");
        assert!(!points.is_due(FailPoint::AfterCommit) && !points.is_armed(FailPoint::AfterCommit));
        let due: Vec<bool> = (0..5).map(|_| points.is_due(FailPoint::BeforeSync)).collect();
        assert_eq!(due, [false, false, true, false, false]);
        assert!(!FailPoints::default().is_due(FailPoint::BeforeSync));
    }
}
