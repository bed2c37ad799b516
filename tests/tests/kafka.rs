//! A host on a real Apache Kafka. Goal: what the demo shows holds on a cluster, a host that dies anywhere keeps every
//! promise, and what is committed is there exactly once by the word of a client that is not ours. Method: the verbs
//! that users have, `saga demo` and `saga torture`, with `--broker`; then Apache's own client reads every topic.

use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use nix::sys::signal::Signal;
use saga_tests::artefacts;
use saga_tests::check::until;
use saga_tests::crowd::{Ends, Told, client, hold_to_account};
use saga_tests::host::{Host, free_port, run_saga};
use saga_tests::installation::Installation;
use saga_tests::kafka::Cluster;
use saga_tests::kafka::judge::judge;
use serde_json::Value;

/// For how long hosts are killed; more with SAGA_TEST_SECONDS.
const SECONDS: u64 = 30;

/// The shortest session that a broker allows.
const SESSION: Duration = Duration::from_secs(6);

/// Rows of the crash table that concern the transaction; a whole run visits all.
const ROWS: [&str; 4] = ["after-execute", "before-commit", "after-commit", "random"];

fn broker() -> String {
    format!("kafka={}", Cluster::shared().bootstrap())
}

#[test]
fn the_demo_runs_on_a_cluster() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let dir = folder.path().join("demo");
    let listen = format!("127.0.0.1:{}", free_port());
    let dir = dir.to_str().expect("a plain path");
    let ran = run_saga(&["demo", "--once", "--broker", &broker(), "--dir", dir], &[("SAGA_LISTEN", &listen)]);
    assert_eq!(ran.status, 0, "{}\n{}", ran.out, ran.err);
    assert!(ran.out.contains("every saga ended as expected"), "{}", ran.out);
    assert_eq!(judge(Cluster::shared(), "saga-demo\\."), 15, "the table has 15 sagas");
}

#[test]
fn a_second_host_on_the_same_topics_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let at = |name: &str| folder.path().join(name).to_str().expect("a plain path").to_owned();
    let ports = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    for (name, listen) in ["one", "other"].into_iter().zip(&ports) {
        let written = run_saga(&["demo", "--write-only", "--dir", &at(name), "--broker", &broker()], &[]);
        assert_eq!(written.status, 0, "{}", written.err);
        let file = folder.path().join(name).join("saga.toml");
        let text = std::fs::read_to_string(&file).expect("the demo wrote it");
        let text = text
            .replace("\"saga-demo.\"", "\"second-host.\"")
            .replace("\"saga-demo\"", &format!("{name:?}"))
            .replace("127.0.0.1:7070", listen)
            .replace("[broker]", "[broker]\nsession-timeout = \"6s\"");
        std::fs::write(file, text).expect("the folder can be written to");
    }
    let config = at("one/saga.toml");
    let mut first = Command::new(artefacts::saga());
    first.args(["run", "--config", &config]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut first = first.spawn().expect("the program can be started");
    let url = format!("http://{}/readyz", ports[0]);
    until("the first host is ready", || ureq::get(&url).call().ok());
    let second = run_saga(&["run", "--config", &at("other/saga.toml")], &[]);
    first.kill().and_then(|()| first.wait()).expect("our own child can be killed");
    assert_ne!(second.status, 0, "the second host ran");
    for word in ["another host works with these topics", "broker.prefix"] {
        assert!(second.err.contains(word), "{word} is missing:\n{}", second.err);
    }
}

#[test]
fn a_host_that_was_silent_for_longer_than_its_session_goes_on_and_does_nothing_twice() {
    let installation = Installation::with_instruments(&["one", "two"]);
    let bootstrap = Cluster::shared().bootstrap();
    let environment = [
        ("SAGA_BROKER_KIND", "kafka"),
        ("SAGA_BROKER_BOOTSTRAP", bootstrap),
        ("SAGA_BROKER_PREFIX", "silent."),
        ("SAGA_BROKER_SESSION_TIMEOUT", "6s"),
    ];
    let host = Host::start_with(installation, &environment);
    let process = host.process_id();
    let (told, stop) = (Told::default(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _ends = Ends(&stop);
        for name in 0..3 {
            let (api, told, stop) = (&host.api, &told, &stop);
            scope.spawn(move || client(api, told, name, stop));
        }
        until("the crowd is under way", || (told.acknowledged_count() > 20).then_some(()));
        host.signal(Signal::SIGSTOP);
        // Nothing tells when a session is over: only its time.
        std::thread::sleep(SESSION + SESSION / 2);
        host.signal(Signal::SIGCONT);
        let before = told.acknowledged_count();
        until("the crowd goes on", || (told.acknowledged_count() > before + 20).then_some(()));
    });
    hold_to_account(&host, &told, &["one", "two"]);
    assert_eq!(host.process_id(), process, "whoever supervises it has seen no end");
    assert!(judge(Cluster::shared(), "silent\\.") >= told.acknowledged_count());
}

#[test]
#[expect(clippy::print_stdout, reason = "what was done must be known when the test fails")]
fn a_host_that_dies_anywhere_keeps_every_promise_on_kafka() {
    let number_from = |variable: &str| std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number_from("SAGA_TEST_SEED").unwrap_or_else(|| fastrand::u64(..u64::from(u32::MAX)));
    let seconds = number_from("SAGA_TEST_SECONDS").unwrap_or(SECONDS);
    let mut command = Command::new(artefacts::saga());
    command.args(["torture", "--json", "--clients", "8", "--broker", &broker()]);
    command.args([format!("--seconds={seconds}"), format!("--seed={seed}")]);
    ROWS.iter().for_each(|row| {
        command.args(["--row", row]);
    });
    let output = command.current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null()).output();
    let output = output.expect("the program can be started");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("seed {seed} (run it again with SAGA_TEST_SEED={seed})\n{err}\n{out}");
    assert!(output.status.success(), "a promise was broken, or the run failed: {}", output.status);
    let report: Value = serde_json::from_str(&out).expect("the report is JSON");
    assert_eq!(report["violations"], Value::Array(Vec::new()));
    let started = judge(Cluster::shared(), "saga-torture-");
    assert!(started > 100, "{started} sagas are no load");
}
