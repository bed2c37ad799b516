//! Faults of the disk and jumps of the clock for a real process: compiles the library that stands between it and its C
//! library (`tests/interpose`), and switches it while the process runs.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use nix::errno::Errno;

use crate::artefacts::target_dir;
use crate::tidy::tree::root;

/// Numbers in the control file; the C file tells what each means.
const NUMBERS: usize = 16;
const CLOCK: u64 = 9;

/// What can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Write,
    Sync,
    /// A file is given another length.
    Grow,
}

impl Call {
    fn first_number(self) -> u64 {
        match self {
            Call::Write => 0,
            Call::Sync => 3,
            Call::Grow => 6,
        }
    }
}

/// The switches of one process.
#[derive(Debug)]
pub struct Interposed {
    path: PathBuf,
    folder: PathBuf,
    control: File,
}

impl Interposed {
    /// With everything as it should be. `control` is made; writes below `folder` can be made to fail.
    pub fn new(control: &Path, folder: &Path) -> Self {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(control);
        let file = file.expect("the temporary folder is ours");
        file.write_all_at(&[0; NUMBERS * 8], 0).expect("the control file can be written");
        Self { path: control.to_owned(), folder: folder.to_owned(), control: file }
    }

    /// What the process must find in its environment.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", plain(library())),
            ("INTERPOSE_CONTROL", plain(&self.path)),
            ("INTERPOSE_FOLDER", plain(&self.folder)),
        ]
    }

    /// From now on such calls fail, after so many more that succeed.
    pub fn fail(&self, call: Call, error: Errno, after: i64) {
        self.set(call.first_number() + 1, after);
        self.set(call.first_number(), i64::from(error as i32));
    }

    /// Everything is well again.
    pub fn mend(&self) {
        for call in [Call::Write, Call::Sync, Call::Grow] {
            self.set(call.first_number(), 0);
        }
    }

    /// How many calls were made to fail.
    pub fn failed_count(&self, call: Call) -> i64 {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, (call.first_number() + 2) * 8).expect("the control file can be read");
        i64::from_ne_bytes(bytes)
    }

    /// The wall clock goes ahead of the true one by so much.
    pub fn clock_ahead(&self, by: Duration) {
        self.set(CLOCK, i64::try_from(by.as_nanos()).expect("hours fit"));
    }

    /// The wall clock lags behind the true one by so much.
    pub fn clock_behind(&self, by: Duration) {
        self.set(CLOCK, -i64::try_from(by.as_nanos()).expect("hours fit"));
    }

    fn set(&self, number: u64, value: i64) {
        self.control.write_all_at(&value.to_ne_bytes(), number * 8).expect("the control file can be written");
    }
}

fn plain(path: &Path) -> String {
    path.to_str().expect("a plain path").to_owned()
}

/// The library, compiled by the compiler that every Rust build needs anyway.
pub fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = target_dir().join("interpose");
        std::fs::create_dir_all(&folder).expect("the target folder is ours");
        let (library, beside) = (folder.join("interpose.so"), folder.join(format!("{}.so", std::process::id())));
        let mut command = Command::new("cc");
        command.args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]);
        command.arg(root().join("tests/interpose/interpose.c")).arg("-o").arg(&beside).arg("-ldl");
        let output = command.output().expect("cc can be started");
        assert!(output.status.success(), "interpose.c: {}", String::from_utf8_lossy(&output.stderr));
        // In one move: another test program may be loading it.
        std::fs::rename(&beside, &library).expect("both are in one folder");
        library
    })
}
