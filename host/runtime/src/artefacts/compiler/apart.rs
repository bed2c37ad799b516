//! The host's side of compiling in a process of its own: start it, wait for it within bounds, and tell in words how it
//! ended if not well. It gets the plugin on standard input and writes the code to standard output, both files, and a
//! word on standard error: the checksum of the code, or why there is none.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use host_core::id::Digest;
use rustix::process::Signal;
use tempfile::NamedTempFile;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;

use crate::error::Rejection;
use crate::limits;

/// A program that calls `compile_apart` when it is started with these arguments and, as one more, the bytes of memory
/// that it may use.
#[derive(Debug, Clone)]
pub struct Apart {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    /// How long one plugin may take.
    pub time_max: Duration,
    /// Memory that compiling one plugin may take.
    pub memory_bytes_max: u64,
}

/// Why there is no code.
#[derive(Debug)]
pub(super) enum Failure {
    /// The plugin is at fault, or the compiler.
    Refused(Rejection),
    /// Nothing was compiled: there is no such process.
    NotStarted(String),
}

/// How a process ended, and its words.
enum End {
    Ended(ExitStatus, String),
    OutOfTime,
}

impl Apart {
    /// The code in a file of `dir` without a name of its own, and its checksum. Blocks.
    pub(super) fn compile(&self, dir: &Path, wasm: &[u8]) -> Result<(NamedTempFile, Digest), Failure> {
        let scratch = |error: io::Error| {
            let path = dir.display();
            Failure::Refused(Rejection::Compile(format!("the folder {path} takes no file: {error}; make room there")))
        };
        let input = written(dir, wasm).map_err(scratch)?;
        let code = NamedTempFile::new_in(dir).map_err(scratch)?;
        let output = code.as_file().try_clone().map_err(scratch)?;
        // The process belongs to the thread that starts it, and this one stays until it has ended.
        let end = Handle::current().block_on(self.run(input, output)).map_err(Failure::NotStarted)?;
        let sum = self.judge(end).map_err(Failure::Refused)?;
        Ok((code, sum))
    }

    async fn run(&self, input: File, output: File) -> Result<End, String> {
        let mut child = self.start(input, output).map_err(|error| format!("{}: {error}", self.program.display()))?;
        let waited = tokio::time::timeout(self.time_max, ended(&mut child)).await;
        match waited {
            Ok(ended) => ended.map(|(status, words)| End::Ended(status, words)).map_err(|error| error.to_string()),
            Err(_) => {
                // Waited for as well, so that nothing of it is left when the next one starts.
                child.kill().await.map_err(|error| error.to_string())?;
                Ok(End::OutOfTime)
            }
        }
    }

    fn start(&self, input: File, output: File) -> io::Result<Child> {
        Command::new(&self.program)
            .args(&self.arguments)
            .arg(self.memory_bytes_max.to_string())
            // Nothing of what the host was told, tokens among it, is for those who read strangers' files.
            .env_clear()
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(output))
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }

    fn judge(&self, end: End) -> Result<Digest, Rejection> {
        let (status, words) = match end {
            End::Ended(status, words) => (status, words),
            End::OutOfTime => return Err(Rejection::CompileTime(self.time_max)),
        };
        let words = words.trim();
        match status.code() {
            Some(0) => Digest::try_new(words).map_err(|_| died("said nothing of the code it made", words)),
            Some(code) if code == i32::from(super::child::REFUSED) => Err(Rejection::Compile(words.to_owned())),
            Some(code) if code == i32::from(super::child::OUT_OF_MEMORY) => {
                Err(Rejection::CompileMemory(self.memory_bytes_max))
            }
            Some(code) => Err(died(&format!("ended with status {code}"), words)),
            None if is_out_of_memory(status, words) => Err(Rejection::CompileMemory(self.memory_bytes_max)),
            None => Err(died(&format!("was ended by {}", signal(status)), words)),
        }
    }
}

/// A file with this content and no name, to be read from its beginning.
fn written(dir: &Path, content: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile_in(dir)?;
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}

async fn ended(child: &mut Child) -> io::Result<(ExitStatus, String)> {
    let mut words = Vec::new();
    if let Some(error) = child.stderr.take() {
        // What is over is not read, and whoever writes it meets a closed pipe.
        error.take(limits::WORDS_BYTES_MAX as u64).read_to_end(&mut words).await?;
    }
    Ok((child.wait().await?, String::from_utf8_lossy(&words).into_owned()))
}

/// What Rust says before it aborts for want of memory.
fn is_out_of_memory(status: ExitStatus, words: &str) -> bool {
    status.signal() == Some(Signal::ABORT.as_raw()) && words.contains("memory allocation of")
}

fn died(how: &str, words: &str) -> Rejection {
    let said = if words.is_empty() { String::new() } else { format!(", saying: {words}") };
    Rejection::CompilerDied(format!("{how}{said}"))
}

fn signal(status: ExitStatus) -> String {
    match status.signal() {
        // Nobody but the system or a person does that: the host's own end of patience is told as such.
        Some(9) => "signal 9, as the system does when memory runs out".to_owned(),
        Some(number) => format!("signal {number}"),
        None => "nothing that is known".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    /// A shell in the place of the compiler: it dies as no plugin can be made to let it die.
    fn ends(script: &str, time_max: Duration) -> Result<(NamedTempFile, Digest), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::TempDir::new().unwrap();
        let arguments = vec!["-c".to_owned(), script.to_owned()];
        let apart = Apart { program: "/bin/sh".into(), arguments, time_max, memory_bytes_max: 1 << 20 };
        // A thread that may block, as the registry's loads have it, beside one that drives the clock.
        runtime.block_on(async move {
            let work = tokio::task::spawn_blocking(move || {
                let made = apart.compile(folder.path(), b"the plugin");
                let left = std::fs::read_dir(folder.path()).unwrap().count();
                assert_eq!(left, usize::from(made.is_ok()), "nothing stays of what failed");
                made
            });
            work.await.unwrap()
        })
    }

    fn refusal(script: &str) -> String {
        match ends(script, Duration::from_secs(60)) {
            Err(Failure::Refused(rejection)) => rejection.to_string(),
            other => panic!("{script}: {other:?}"),
        }
    }

    #[test]
    fn what_goes_in_comes_out_with_its_checksum() {
        let sum = Digest([7; 32]);
        let (code, told) = ends(&format!("cat; echo {sum} >&2"), Duration::from_secs(60)).unwrap();
        assert_eq!(told, sum);
        let mut written = code.as_file().try_clone().unwrap();
        written.rewind().unwrap();
        assert_eq!(io::read_to_string(written).unwrap(), "the plugin");
    }

    #[test]
    fn every_bad_end_is_told_with_its_cure() {
        let table = [
            (
                "echo 'no such type' >&2; exit 1",
                ["cannot be compiled: no such type", "build it with a current compiler"],
            ),
            ("kill -SEGV $$", ["the compiler was ended by signal 11", "build it with another version"]),
            ("kill -KILL $$", ["memory runs out", "build it with another version"]),
            ("echo 'thread main panicked' >&2; exit 101", ["ended with status 101, saying: thread main", "report it"]),
            ("exit 0", ["said nothing of the code it made", "report it"]),
            (
                "echo 'memory allocation of 99 bytes failed' >&2; kill -ABRT $$",
                ["1 MiB", "raise limits.compile-memory"],
            ),
        ];
        for (script, words) in table {
            let told = refusal(script);
            assert!(words.iter().all(|words| told.contains(words)), "{script}: {told}");
        }
    }

    #[test]
    fn one_that_does_not_end_is_ended() {
        let made = ends("while :; do :; done", Duration::from_millis(50));
        let Err(Failure::Refused(rejection)) = made else { panic!("{made:?}") };
        assert_eq!(rejection, Rejection::CompileTime(Duration::from_millis(50)));
        assert!(rejection.to_string().contains("raise limits.compile-time"), "{rejection}");
    }

    #[test]
    fn words_without_end_are_cut() {
        let told = refusal("while echo aaaaaaaaaaaaaaaa; do :; done >&2; exit 1");
        assert!(told.len() < limits::WORDS_BYTES_MAX + 200, "{told}");
    }
}
