//! Steps in Java: builds the library and a project that uses it, once by each process that asks, and starts programs.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::artefacts::target_dir;
use crate::tidy::tree::root;

/// A project in Java, built.
#[derive(Debug, Clone)]
pub struct Project {
    class_path: String,
}

/// The project in this folder of the repository, built against the library of this tree.
pub fn project(folder: &str) -> Project {
    static BUILT: Mutex<BTreeMap<String, Project>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built.entry(folder.to_owned()).or_insert_with(|| build(folder)).clone()
}

fn build(folder: &str) -> Project {
    let _alone = building();
    maven(&root().join("guest-sdk/java"), &["install", "-DskipTests"]);
    let dir = root().join(folder);
    maven(&dir, &["package"]);
    let plain = |path: &Path| path.to_str().expect("folders have plain names").to_owned();
    let (classes, jars) = (plain(&dir.join("target/classes")), plain(&dir.join("target/dependency")));
    Project { class_path: format!("{classes}:{jars}/*") }
}

/// Who holds this builds with Maven alone: two test programs at once would write the same files.
pub fn building() -> File {
    let file = File::create(target_dir().join("java.lock")).expect("the target folder can be written to");
    file.lock().expect("files can be locked");
    file
}

fn maven(dir: &Path, goals: &[&str]) {
    let mut command = Command::new("mvn");
    command.args(["--quiet", "--batch-mode"]).args(goals).current_dir(dir);
    let ran = command.output().expect("Maven can be started; scripts/install brings it");
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{} does not build:\n{told}", dir.display());
}

impl Project {
    /// Start the program, which writes to this file.
    pub fn start(&self, class: &str, arguments: &[&str], log: &Path) -> Program {
        self.start_with(class, arguments, &[], log)
    }

    /// The same with variables of its environment.
    pub fn start_with(&self, class: &str, arguments: &[&str], environment: &[(&str, &str)], log: &Path) -> Program {
        let file = File::options().create(true).append(true).open(log).expect("the log can be written to");
        let errors = file.try_clone().expect("a file has as many handles as one wants");
        let mut command = Command::new("java");
        command
            // Small programs, several at once: what makes a large one fast makes these slow to start.
            .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m", "-cp", &self.class_path, class])
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors);
        let child = command.spawn().expect("Java can be started; scripts/install brings it");
        Program { child, log: log.to_owned() }
    }
}

/// A running program. It is killed when it goes out of use.
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Send a signal, and go on.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id fits"));
        kill(pid, signal).expect("our own child can be signalled");
    }

    /// SIGTERM, and wait for the end.
    pub fn terminate(mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.child.wait().expect("our own child can be waited for");
        // 143 is how Java ends by SIGTERM.
        assert_eq!(status.code(), Some(143), "{}", self.said());
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
