//! Every bound of this room in one place, with its unit and the reason for the number.
//! What a manifest may set stands in `host_core::manifest::CallLimits`; these are the host's own.

use std::time::Duration;

/// The clock by which running guests are looked at. Short enough that a neighbour waits no longer than a disk sync,
/// long enough that the ticker costs nothing.
pub(crate) const TICK: Duration = Duration::from_millis(5);
/// Ticks that a call may see on the threads of the steps before it goes on those of long calls. Two: a call that runs
/// for some microseconds is met by one tick by chance, never by two.
pub(crate) const SHORT_CALL_TICKS: u32 = 2;
/// What a call that a tick has met adds to the debt of its step; one that none met pays back one. So a step is costly
/// when its calls compute for a millisecond on average: one out of five is met then.
pub(crate) const STANDING_DEBT_OF_CALL: u32 = 4;
/// The debt up to which a step is in good standing: two calls may be met one after the other by chance.
pub(crate) const STANDING_DEBT_ALLOWED: u32 = 8;
/// A step that has mended its ways is in good standing again after this many quick calls.
pub(crate) const STANDING_DEBT_MAX: u32 = 64;
/// A call that ended in a fault after so long is counted as one that a tick has met.
pub(crate) const FAULT_COSTLY: Duration = Duration::from_micros(200);
/// Added to the niceness of the threads of long calls: where a short call wants the same processor, it gets nine tenths
/// of it, and the long one still moves on.
pub(crate) const LONG_CALL_NICENESS: i32 = 10;
/// How long a thread that blocks for a long call is kept for the next.
pub(crate) const LONG_CALL_THREADS_KEPT: Duration = Duration::from_secs(10);
/// What a call may exceed its time limit by while it waits in the host, before its future is cut.
/// More than one tick, so that a loop ends with the words of the guest and not with the cut.
pub(crate) const TIME_SLACK: Duration = Duration::from_millis(50);

/// Calls that run at once on one host, if the options don't say otherwise.
pub const CALLS_AT_ONCE_DEFAULT: u32 = 256;
/// Instances kept ready for the next call over all plugins, if the options don't say otherwise.
pub const IDLE_INSTANCES_DEFAULT: u32 = 128;
/// Bytes of linear memory a manifest may grant to one call: all that 32-bit wasm can have.
pub const MEMORY_BYTES_HARD_MAX: usize = 4 << 30;
/// Core instances, memories and tables of one instance. The largest seen is a Python guest with 14, 1 and 2;
/// a QuickJS guest has 9, 2 and 2, or 13, 3 and 3. The pool has as many for each, so no plugin can use up another's.
pub(crate) const CORE_INSTANCES_MAX: u32 = 24;
pub(crate) const MEMORIES_MAX: u32 = 3;
pub(crate) const TABLES_MAX: u32 = 4;
/// Elements of one table: a Python guest has 5,674, a large C# guest over 10,000.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 32_000;
/// Bytes of wasm stack: a QuickJS guest that recurses 900 deep needs 768 KiB.
pub(crate) const WASM_STACK_BYTES_MAX: usize = 1 << 20;
/// Bytes of a call's whole stack: the wasm stack and room for the host functions above it.
pub(crate) const CALL_STACK_BYTES: usize = 2 << 20;
/// Bytes of a slot that are wiped in place instead of given back to the system.
pub(crate) const MEMORY_KEEP_RESIDENT_BYTES: usize = 16 << 20;
pub(crate) const TABLE_KEEP_RESIDENT_BYTES: usize = 64 << 10;
/// Bytes of a memory image up to which it is mapped copy-on-write: the snapshot of a Python guest has some 20 MiB.
pub(crate) const DENSE_IMAGE_BYTES_MAX: u64 = 64 << 20;
/// Bytes that the guest may hand over at once, in an answer or in one call of a host function, at least: enough that
/// what is only somewhat too large is refused by the limit that it goes over, in the words of that limit.
pub(crate) const HOST_CALL_BYTES_MIN: usize = 16 << 20;
/// The same in parts of the manifest's output limit: body, compensation log and details, and room for the rest.
pub(crate) const HOST_CALL_OUTPUTS: usize = 4;
/// Handles and WASI resources alive in one instance.
pub(crate) const HANDLES_MAX: usize = 10_000;
/// Bytes that a guest may print while it is started and frozen: what an author reads on a screen, and not a flood.
pub(crate) const PRINTED_AT_START_BYTES_MAX: usize = 64 << 10;
/// Random bytes in one call.
pub(crate) const RANDOM_BYTES_MAX: u64 = 1 << 20;

/// Bytes of a plugin file, if the options don't say otherwise. A Python component has 19 MiB.
pub const PLUGIN_BYTES_MAX_DEFAULT: u64 = 64 << 20;
/// Compilations that run at once; more wait. Several, so that a large plugin does not hold up the small ones; few,
/// since each takes memory.
pub(crate) const COMPILES_AT_ONCE: usize = 4;
/// Threads of one compilation: more take memory each and find little to do.
pub(crate) const COMPILE_THREADS_MAX: usize = 8;
/// How long compiling one plugin may take, if the options don't say otherwise: the largest known take some ten seconds,
/// and a machine may be busy.
pub const COMPILE_TIME_DEFAULT: Duration = Duration::from_secs(300);
/// Memory that compiling one plugin may take, if the options don't say otherwise.
pub const COMPILE_MEMORY_BYTES_DEFAULT: u64 = 4 << 30;
/// Bytes of compiled code that are read at once to look at its checksum.
pub(crate) const HASHED_PIECE_BYTES: usize = 64 << 10;
/// Bytes of a manifest file.
pub const MANIFEST_BYTES_MAX: u64 = 256 << 10;
/// Files looked at in the plugins folder; more is a mistake and is said so.
pub(crate) const PLUGIN_FILES_MAX: usize = 4096;
/// Versions of one step whose files are kept for `compensate`; the oldest go first.
pub(crate) const VERSIONS_KEPT_MAX: usize = 64;
/// Old versions held loaded for `compensate`.
pub(crate) const PINNED_LOADED_MAX: usize = 32;
/// How long a plugin may take to come to life when it is tried at load.
pub(crate) const SMOKE_TIME_MAX: Duration = Duration::from_secs(5);
/// Between two looks at a file that has changed: a file that stays the same that long is whole.
pub(crate) const SETTLE: Duration = Duration::from_millis(60);
/// Between two looks at the folder when nothing is heard of it: for file systems that send no notice.
pub(crate) const RESCAN: Duration = Duration::from_secs(2);

/// Log lines of one call, and bytes of them; what is over is dropped and counted.
pub(crate) const LOG_LINES_MAX: u32 = 256;
pub(crate) const LOG_BYTES_MAX: usize = 256 << 10;
/// Bytes of one log line; the rest of the line is cut with a mark.
pub(crate) const LOG_LINE_BYTES_MAX: usize = 8 << 10;
/// Bytes of what a line says it belongs to.
pub(crate) const LOG_CONTEXT_BYTES_MAX: usize = 256;
/// Bytes kept of each of stdout and stderr: half from the beginning, half from the end.
pub(crate) const STDIO_BYTES_MAX: usize = 64 << 10;
/// Bytes of the plugin's own words in a fault, and functions of the plugin named there.
pub(crate) const WORDS_BYTES_MAX: usize = 2048;
pub(crate) const FRAMES_MAX: usize = 6;
/// Wasm frames looked at for them: the panic machinery of Rust alone has a dozen.
pub(crate) const FRAMES_SEEN_MAX: usize = 40;

/// Bytes of a key. The embedded store takes keys of up to 64 KiB with their bucket.
pub(crate) const KEY_BYTES_MAX: usize = 1024;
/// Bytes of one value.
pub(crate) const VALUE_BYTES_MAX: usize = 1 << 20;
/// Keys that one call may write, and bytes of them all.
pub(crate) const WRITE_COUNT_MAX: usize = 1024;
pub(crate) const WRITE_BYTES_MAX: usize = 4 << 20;
/// Keys that one call may read, and bytes of their values: held until the call ends, so that it sees one state.
pub(crate) const READ_COUNT_MAX: usize = 4096;
pub(crate) const READ_BYTES_MAX: usize = 16 << 20;
/// Keys in one page of a listing.
pub(crate) const KEYS_PAGE: usize = 256;

/// Events and signals of one call, and bytes of them all.
pub const EVENT_COUNT_MAX: usize = 256;
pub const EVENT_BYTES_MAX: usize = 4 << 20;
/// An instance that is started in less is made for each call: that is less than committing a step costs. What takes
/// longer brings a runtime of its own (Go, Python), and is reused.
pub(crate) const QUICK_START_MAX: Duration = Duration::from_micros(250);
/// Calls that such an instance serves, if its manifest says nothing: its start is a thousandth of each, and what it
/// leaks in as many calls is bounded.
pub(crate) const CALLS_OF_A_SLOW_START: u32 = 1000;
/// Starts of which the shortest counts.
pub(crate) const MEASURED_STARTS: u32 = 3;
