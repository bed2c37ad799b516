//! The rows of the crash table: where a host is made to die, and at which hit.

use clap::ValueEnum;
use clap::builder::PossibleValue;
use fastrand::Rng;
use host_engine::failpoint::FailPoint;

/// One way to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// By itself, at a named place.
    At(FailPoint),
    /// By SIGKILL from outside, at any moment, the start included.
    Random,
}

impl Row {
    pub const ALL: [Row; 9] = [
        Row::At(FailPoint::BeforeExecute),
        Row::At(FailPoint::DuringExecute),
        Row::At(FailPoint::AfterExecute),
        Row::At(FailPoint::BeforeCommit),
        Row::At(FailPoint::BeforeSync),
        Row::At(FailPoint::AfterCommit),
        Row::At(FailPoint::DuringReload),
        Row::At(FailPoint::DuringCompaction),
        Row::Random,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Row::At(point) => point.as_str(),
            Row::Random => "random",
        }
    }

    /// What `SAGA_FAIL_POINT` says: the place and how often it is passed before the host dies there.
    pub fn armed(self, rng: &mut Rng) -> Option<String> {
        let Row::At(point) = self else { return None };
        let passes_max = match point {
            // Each step of each saga.
            FailPoint::BeforeExecute | FailPoint::DuringExecute | FailPoint::AfterExecute => 800,
            // Each batch: from the first one after the start to the midst of the load.
            FailPoint::BeforeCommit | FailPoint::BeforeSync | FailPoint::AfterCommit => 200,
            FailPoint::DuringReload => 2,
            // Each row that a merge reads: from its beginning to its end.
            FailPoint::DuringCompaction => 600,
        };
        Some(format!("{}:{}", point.as_str(), rng.u32(1..=passes_max)))
    }

    /// Whether plugins are replaced meanwhile. At random moments everything happens.
    pub fn replaces_plugins(self) -> bool {
        matches!(self, Row::At(FailPoint::DuringReload) | Row::Random)
    }

    /// Whether sagas carry much, so that tables fill and are merged within seconds.
    pub fn is_heavy(self) -> bool {
        matches!(self, Row::At(FailPoint::DuringCompaction))
    }
}

impl ValueEnum for Row {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fail_point_is_a_row_and_what_arms_it_is_understood() {
        let mut rng = Rng::with_seed(1);
        for point in FailPoint::ALL {
            assert!(Row::ALL.contains(&Row::At(point)), "{}", point.as_str());
            for _ in 0..20 {
                let armed = Row::At(point).armed(&mut rng).expect("a fail point is armed");
                assert!(host_engine::failpoint::FailPoints::parse(&armed).is_ok(), "{armed}");
            }
        }
        assert_eq!(Row::Random.armed(&mut rng), None);
    }
}
