//! The conformance suite over the memory driver, which loses what was not synced when it crashes; once with the usual
//! bounds of memory, once with bounds so tight that everything spills.

use host_broker::broker_conformance;
use host_broker::conformance::{JointSubject, MemoryDisk};
use host_broker::drivers::embedded::EmbeddedOptions;

mod usual_bounds {
    use super::*;

    broker_conformance!(JointSubject::new(MemoryDisk::default(), EmbeddedOptions::default()));
}

mod tight_bounds {
    use super::*;

    fn options() -> EmbeddedOptions {
        EmbeddedOptions {
            window_count_max: 3,
            window_bytes_max: 4 << 10,
            delayed_count_max: 5,
            delayed_bytes_max: 8 << 10,
            retain_count_max: 7,
            ..EmbeddedOptions::default()
        }
    }

    broker_conformance!(JointSubject::new(MemoryDisk::default(), options()));
}
