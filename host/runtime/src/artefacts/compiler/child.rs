//! The other side: what the process does that compiles one plugin. It bounds itself first, then reads the plugin.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};

use super::on_threads;
use crate::artefacts::digest_of;
use crate::engine;
use crate::error::Rejection;

/// Exit status of a process whose last words are the reason for the plugin's refusal.
pub(super) const REFUSED: u8 = 1;

/// Exit status of a process that was not even given the threads to compile on.
pub(super) const OUT_OF_MEMORY: u8 = 3;

/// What the stack of a thread takes, and more.
const STACK_BYTES: usize = 4 << 20;

/// Why there is no code.
enum Refused {
    Because(String),
    OutOfMemory,
}

/// Compile the plugin on standard input for a registry of this program, and write the code to standard output. To be
/// called by a program that a registry starts (`Apart`) and that has done nothing else yet.
pub fn compile_apart(memory_bytes_max: u64) -> ExitCode {
    let (words, status) = match bound(memory_bytes_max).and_then(|()| compile()) {
        Ok(sum) => (sum, ExitCode::SUCCESS),
        Err(Refused::Because(reason)) => (reason, ExitCode::from(REFUSED)),
        Err(Refused::OutOfMemory) => (String::new(), ExitCode::from(OUT_OF_MEMORY)),
    };
    // If nobody hears it, nobody waits.
    let _ = io::stderr().write_all(words.as_bytes());
    status
}

/// Give way to the host, take no more memory than allowed, be the first to go where memory ends, and end with the host.
fn bound(memory_bytes_max: u64) -> Result<(), Refused> {
    super::give_way();
    let limit = Rlimit { current: Some(memory_bytes_max), maximum: Some(memory_bytes_max) };
    setrlimit(Resource::Data, limit).map_err(|error| Refused::Because(format!("memory cannot be limited: {error}")))?;
    #[cfg(target_os = "linux")]
    {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
            .map_err(|error| Refused::Because(format!("the end of the host cannot be followed: {error}")))?;
        // Some containers forbid it; then the kernel chooses as it does without.
        let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    }
    Ok(())
}

fn compile() -> Result<String, Refused> {
    let mut wasm = Vec::new();
    io::stdin()
        .lock()
        .read_to_end(&mut wasm)
        .map_err(|error| Refused::Because(format!("the plugin cannot be read: {error}")))?;
    let engine = engine::for_compiling().map_err(|error| Refused::Because(error.to_string()))?;
    let compiled = on_threads(|| engine.precompile_component(&wasm)).map_err(no_threads)?;
    let code = compiled.map_err(|error| Refused::Because(format!("{error:#}")))?;
    let put = |error: io::Error| {
        Refused::Because(format!("the code cannot be written: {error}; make room in the host's data folder"))
    };
    let mut output = io::stdout().lock();
    output.write_all(&code).and_then(|()| output.flush()).map_err(put)?;
    Ok(digest_of(&code).to_string())
}

/// The system says the same of a process that has no memory for a stack and of one that may have no more threads.
fn no_threads(rejection: Rejection) -> Refused {
    if Vec::<u8>::new().try_reserve_exact(STACK_BYTES).is_err() {
        return Refused::OutOfMemory;
    }
    // The reason alone: the host puts it into the words of a refusal.
    Refused::Because(match rejection {
        Rejection::Compile(reason) => reason,
        other => other.to_string(),
    })
}
