//! The kill matrix: a host that dies at each row of the crash table, and by SIGKILL at random moments, under load.
//! Goal: every saga that was ever started ends as it must, each effect is there once, and nobody was told otherwise.
//! Method: the verb that users have, `saga torture`, for about as long as the gate allows; its own judge is tested
//! beside it.

use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use saga_tests::artefacts;
use saga_tests::host::run_saga;
use serde_json::Value;

/// More with SAGA_TEST_SECONDS.
const SECONDS: u64 = 90;
const ROWS: [&str; 9] = [
    "before-execute",
    "during-execute",
    "after-execute",
    "before-commit",
    "before-sync",
    "after-commit",
    "during-reload",
    "during-compaction",
    "random",
];

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A folder on the disk of the build: what is kept after a violation is still there when the test has failed.
fn torture(arguments: &[String]) -> Command {
    let mut command = Command::new(artefacts::saga());
    command.arg("torture").args(arguments).current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null());
    command
}

#[test]
#[expect(clippy::print_stdout, reason = "what was done must be known when the test fails")]
fn a_host_that_dies_anywhere_keeps_every_promise() {
    let seed = number_from("SAGA_TEST_SEED").unwrap_or_else(|| fastrand::u64(..u64::from(u32::MAX)));
    let seconds = number_from("SAGA_TEST_SECONDS").unwrap_or(SECONDS);
    let arguments = ["--json".to_owned(), format!("--seconds={seconds}"), format!("--seed={seed}")];
    let output = torture(&arguments).output().expect("the program can be started");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("seed {seed} (run it again with SAGA_TEST_SEED={seed})\n{err}\n{out}");
    assert!(output.status.success(), "a promise was broken, or the run failed: {}", output.status);
    let report: Value = serde_json::from_str(&out).expect("the report is JSON");
    assert_eq!(report["violations"], Value::Array(Vec::new()));
    assert_eq!(report["seed"], seed);
    for name in ROWS {
        let rows = report["rows"].as_array().expect("the report has rows");
        let row = rows.iter().find(|row| row["row"] == name).unwrap_or_else(|| panic!("{name} is missing"));
        assert!(row["kills"].as_u64() > Some(0), "no host died at {name}");
        assert!(row["sagas"].as_u64() > Some(0), "no saga was under way at {name}");
    }
    for witness in ["by-answers", "by-live-events"] {
        assert!(report["told"][witness].as_u64() > Some(100), "hardly an end was told {witness}");
    }
    for (member, at_least) in [("sagas", 500), ("completed", 300), ("compensated", 50)] {
        assert!(report[member].as_u64() > Some(at_least), "too little happened to show anything: {member}");
    }
}

#[test]
fn a_run_that_is_ended_leaves_neither_host_nor_folder() {
    let mut child = torture(&["--seconds=600".to_owned(), "--row=random".to_owned()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let mut err = BufReader::new(child.stderr.take().expect("it was piped"));
    let folder = said(&mut err, "torturing a host in ");
    // The first round has begun.
    said(&mut err, "random: ");
    assert!(Path::new(&folder).is_dir(), "{folder}");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id fits"));
    kill(pid, Signal::SIGTERM).expect("our own child can be signalled");
    let (mut rest, mut out) = (String::new(), String::new());
    err.read_to_string(&mut rest).expect("it is text");
    child.stdout.take().expect("it was piped").read_to_string(&mut out).expect("it is text");
    let status = child.wait().expect("our own child can be waited for");
    assert!(status.success(), "{status}\n{rest}\n{out}");
    assert!(out.contains("every promise was kept"), "what was done until then is told: {out}");
    assert!(!Path::new(&folder).exists(), "{folder} is left behind");
    let at_home = |process: &std::fs::DirEntry| {
        std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.to_string_lossy().contains(&folder))
    };
    let processes = std::fs::read_dir("/proc").expect("the kernel tells its processes").flatten();
    let left: Vec<_> = processes.filter(at_home).map(|process| process.file_name()).collect();
    assert!(left.is_empty(), "a host is left behind: {left:?}");
}

/// What stands behind these words, once they are said.
fn said(err: &mut impl BufRead, words: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(err.read_line(&mut line).expect("it is text") > 0, "it ended and did not say {words:?}");
        if let Some((_, rest)) = line.trim_end().split_once(words) {
            return rest.to_owned();
        }
    }
}

#[test]
fn a_row_that_does_not_exist_is_a_usage_error_that_names_the_others() {
    let ran = run_saga(&["torture", "--row", "nowhere"], &[]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.err.contains("during-compaction"), "{ran:?}");
}
