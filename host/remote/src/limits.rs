//! Every bound of this room, with its unit and the reason for the number.

use std::time::Duration;

/// Calls that one request is handed: an answer of some megabytes at most, with bodies of the usual size.
pub const TAKE_COUNT_MAX: usize = 64;
/// How long a request for work may wait: shorter than proxies let a connection rest.
pub const TAKE_WAIT_MAX: Duration = Duration::from_secs(50);
/// After the first call for a request, how long more are gathered into its answer: less than the way over a network.
pub const GATHER_MAX: Duration = Duration::from_millis(2);
/// Between two looks for leases that ran out: a part of the shortest lease.
pub const SWEEP_PAUSE: Duration = Duration::from_millis(100);
/// Between two looks at the folder.
pub const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// Workers of one step that are remembered by name; more forget the one that was silent longest.
pub const WORKER_COUNT_MAX: usize = 256;
/// How long a worker that is silent and holds no call is remembered: some rounds of asking.
pub const WORKER_KEPT: Duration = Duration::from_secs(300);
/// Characters of a worker's name.
pub const WORKER_NAME_CHARACTERS_MAX: usize = 128;
/// Events and signals of one answer: as many as a component may have.
pub const EVENT_COUNT_MAX: usize = host_runtime::limits::EVENT_COUNT_MAX;
/// Bytes of all of them.
pub const EVENT_BYTES_MAX: usize = host_runtime::limits::EVENT_BYTES_MAX;
