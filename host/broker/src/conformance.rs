//! What every driver must do, as a suite that runs over any of them: `conformance_suite!` makes one test of each case.
//! A case knows a driver only as a `Subject`: how it commits and how it crashes is the subject's affair.

mod joint;
mod subject;

pub use joint::{Disk, JointSubject, MemoryDisk};
pub use subject::Subject;
