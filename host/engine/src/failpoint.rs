//! Fail points: named places of the crash table where a test makes the host die as if it was killed.
//! With none set, a hit is one relaxed load.

use std::sync::atomic::{AtomicU64, Ordering};

/// The rows of the crash table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailPoint {
    /// A delivery was taken; the plugin has not been called.
    BeforeExecute,
    /// The plugin answered; its unit is not submitted.
    AfterExecute,
    /// Units are gathered in a batch that is not yet written.
    BeforeCommit,
    /// The batch is on disk; nobody was told.
    AfterCommit,
    /// A new plugin version is compiled and not yet serving.
    DuringReload,
}

impl FailPoint {
    pub const ALL: [FailPoint; 5] = [
        FailPoint::BeforeExecute,
        FailPoint::AfterExecute,
        FailPoint::BeforeCommit,
        FailPoint::AfterCommit,
        FailPoint::DuringReload,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            FailPoint::BeforeExecute => "before-execute",
            FailPoint::AfterExecute => "after-execute",
            FailPoint::BeforeCommit => "before-commit",
            FailPoint::AfterCommit => "after-commit",
            FailPoint::DuringReload => "during-reload",
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

    /// Die here if this point is armed and its count is used up. `abort` runs no destructor and flushes nothing.
    pub fn hit(&self, point: FailPoint) {
        if self.armed == Some(point) && self.hits_left.fetch_sub(1, Ordering::Relaxed) == 1 {
            std::process::abort();
        }
    }
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
}
