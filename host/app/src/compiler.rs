//! The program as its own compiler: a host starts it once more for each plugin that it has to compile, so that neither
//! the memory that compiling takes nor a compiler that dies is the host's. It must stay before everything else that the
//! program does: the process is to be there in a few milliseconds.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use host_runtime::{Apart, Compiler, compile_apart};

use crate::config::Limits;

/// The verb by which a host asks. Not for people: it reads a plugin and writes what only that host can use.
const VERB: &str = "compile-plugin";

/// Whether `main` of this file's program has run: under a test it is another program that knows no such verb.
static IS_THE_PROGRAM: AtomicBool = AtomicBool::new(false);

/// If this process was started to compile a plugin, do that.
pub fn asked() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let memory_bytes_max = match (arguments.next(), arguments.next(), arguments.next()) {
        (Some(verb), Some(bytes), None) if verb == VERB => bytes.parse().ok()?,
        _ => return None,
    };
    Some(compile_apart(memory_bytes_max))
}

/// From now on plugins are compiled in processes of their own.
pub fn this_is_the_program() {
    IS_THE_PROGRAM.store(true, Ordering::Relaxed);
}

/// Who compiles the plugins of a host with these limits.
pub fn compiler(limits: &Limits) -> Compiler {
    match program().filter(|_| IS_THE_PROGRAM.load(Ordering::Relaxed)) {
        Some(program) => Compiler::Apart(Apart {
            program,
            arguments: vec![VERB.to_owned()],
            time_max: limits.compile_time,
            memory_bytes_max: limits.compile_memory.0,
        }),
        None => Compiler::Here,
    }
}

/// The file of this program. On Linux the one that runs, even where another version has taken its place meanwhile.
fn program() -> Option<PathBuf> {
    if cfg!(target_os = "linux") { Some("/proc/self/exe".into()) } else { std::env::current_exe().ok() }
}
