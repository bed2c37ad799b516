//! Goal: the binary keeps its promises to shells: exit statuses, streams, signals. Method: the real binary on a free
//! port and a folder of its own. What sagas do is tested elsewhere.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The binary, without what the caller's environment might say.
fn saga(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_saga"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SAGA_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    saga(arguments).output().unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A host that is running; killed if the test ends early.
struct Host {
    child: Child,
    url: String,
}

impl Host {
    fn start(dir: &Path) -> Self {
        let config = dir.join("saga.toml");
        let mut child = saga(&["run", "--config", config.to_str().unwrap(), "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("saga is ready at ").unwrap_or_else(|| panic!("not ready: {line:?}"));
        Self { url: url.to_owned(), child }
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        saga(arguments).args(["--host", &self.url]).output().unwrap()
    }

    /// End it as a process manager does; answers its exit status.
    fn terminate(mut self) -> i32 {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Of a host that was terminated, both fail.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn installation() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let written = run(&["demo", "--dir", folder.path().to_str().unwrap(), "--write-only"]);
    assert_eq!(status(&written), 0, "{}", err(&written));
    folder
}

fn nobody() -> String {
    // A port that was just free.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("http://127.0.0.1:{port}")
}

#[test]
fn every_asking_verb_ends_with_3_if_no_host_answers() {
    let host = nobody();
    for verb in [
        &["list"][..],
        &["show", "x"],
        &["errors"],
        &["tail"],
        &["plugins"],
        &["use-cases"],
        &["topics"],
        &["start", "shop"],
        &["signal", "k"],
        &["publish", "t", "--body", "{}"],
        &["retry", "x"],
        &["close", "x", "--reason", "y"],
    ] {
        let output = saga(verb).args(["--host", &host]).output().unwrap();
        assert_eq!(status(&output), 3, "{verb:?}: {}", err(&output));
        assert!(err(&output).contains("start it with `saga run`"), "{verb:?}: {}", err(&output));
        assert_eq!(out(&output), "", "{verb:?}");
    }
}

#[test]
fn usage_errors_end_with_2_and_name_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.toml");
    std::fs::write(&bad, "listen = \"127.0.0.1:0\"\n[limits]\nbody = \"big\"\n").unwrap();
    let bad = bad.to_str().unwrap();
    for (arguments, told) in [
        (&["nonsense"][..], "unrecognized subcommand"),
        (&["list", "--status", "complted"], "did you mean completed?"),
        (&["start", "shop", "--body", "{a:1}"], "single quotes"),
        (&["new", "a.b.c", "--lang", "cobol"], "possible values: rust, python, go, java, js, ts"),
        (&["list", "--host", "https://x"], "http://"),
        (&["run", "--config", bad], "bad.toml:3: limits.body: "),
        (&["run", "--config", "/nowhere/saga.toml"], "saga.toml: it cannot be read"),
    ] {
        let output = run(arguments);
        assert_eq!(status(&output), 2, "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains(told), "{arguments:?}: {}", err(&output));
    }
}

#[test]
fn a_project_in_java_is_written_and_its_build_is_left_to_maven() {
    let folder = tempfile::tempdir().unwrap();
    let output = saga(&["new", "shop.gifts.wrap", "--lang", "java"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(status(&output), 0, "{}", err(&output));
    for words in ["src/main/java/shop/gifts/WrapStep.java", "sdk/saga-step/pom.xml install", "mvn -q -B package"] {
        assert!(out(&output).contains(words), "{words} is missing in\n{}", out(&output));
    }
    let project = folder.path().join("shop-gifts-wrap");
    for arguments in [&["build"][..], &["build", "--profile", "dev"]] {
        let output = saga(arguments).current_dir(&project).output().unwrap();
        assert_eq!(status(&output), 2, "{}", err(&output));
        for words in ["shop.gifts.wrap is a remote step", "mvn -q -B package", "copy shop.gifts.wrap.toml"] {
            assert!(err(&output).contains(words), "{words} is missing in\n{}", err(&output));
        }
    }
}

#[test]
fn a_listener_for_other_machines_needs_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let output = saga(&["run"]).env("SAGA_LISTEN", "0.0.0.0:0").current_dir(folder.path()).output().unwrap();
    assert_eq!(status(&output), 2);
    assert!(err(&output).contains("SAGA_LISTEN") && err(&output).contains("token"), "{}", err(&output));
}

#[test]
fn doctor_tells_problems_with_1_and_a_missing_host_with_3() {
    let folder = installation();
    let config = folder.path().join("saga.toml");
    let arguments = ["doctor", "--config", config.to_str().unwrap(), "--host", &nobody(), "--json"];
    let output = run(&arguments);
    assert_eq!(status(&output), 3, "{}", out(&output));
    std::fs::write(folder.path().join("plugins/a.b.c.wasm"), "broken").unwrap();
    let output = run(&arguments);
    assert_eq!(status(&output), 1);
    let found: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    let checks = found["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["state"] == "problem" && check["name"] == "plugins"), "{found}");
}

#[test]
fn outcomes_of_sagas_are_exit_statuses() {
    let folder = installation();
    let host = Host::start(folder.path());
    let start = |amount: &str, id: &str| {
        let body = format!(r#"{{"order-id":"1","item":"book","quantity":1,"amount":{amount}}}"#);
        host.ask(&["start", "shop", "--wait", "20s", "--global-id", id, "--body", &body])
    };
    let completed = start("20", "ordre-é-1");
    assert_eq!((status(&completed), err(&completed).as_str()), (0, ""));
    assert!(out(&completed).starts_with("ordre-é-1  completed\n"), "{}", out(&completed));
    let refused = start("2000", "order-2");
    assert_eq!(status(&refused), 1);
    assert!(out(&refused).contains("payment-refused"), "{}", out(&refused));
    assert_eq!(status(&host.ask(&["show", "order-2"])), 0, "a compensated saga has ended and needs nobody");
    assert_eq!(status(&host.ask(&["show", "nobody-knows-it"])), 1);
    assert_eq!(status(&host.ask(&["start", "no-such-use-case"])), 1);
    assert_eq!(status(&host.ask(&["retry", "ordre-é-1"])), 1, "it has ended");
    for verb in ["plugins", "use-cases", "topics", "errors", "list"] {
        assert_eq!(status(&host.ask(&[verb])), 0, "{verb}");
        let json = host.ask(&[verb, "--json"]);
        assert!(serde_json::from_str::<serde_json::Value>(&out(&json)).is_ok(), "{verb}: {}", out(&json));
    }
}

#[test]
fn a_pipe_gets_no_colour_unless_it_is_forced() {
    let folder = installation();
    let host = Host::start(folder.path());
    assert!(!out(&host.ask(&["plugins"])).contains('\u{1b}'));
    let forced = saga(&["plugins", "--host", &host.url]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(out(&forced).contains('\u{1b}'), "{}", out(&forced));
}

#[test]
fn a_data_folder_belongs_to_one_host_and_survives_it() {
    let folder = installation();
    let host = Host::start(folder.path());
    assert_eq!(
        status(&host.ask(&[
            "start",
            "register-customer",
            "--wait",
            "20s",
            "--global-id",
            "c-1",
            "--body",
            r#"{"customer-id":"7"}"#
        ])),
        0
    );
    let config = folder.path().join("saga.toml");
    let second = run(&["run", "--config", config.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    assert_eq!(status(&second), 1);
    assert!(err(&second).contains("in use by another host"), "{}", err(&second));
    assert_eq!(host.terminate(), 0);
    let host = Host::start(folder.path());
    let shown = host.ask(&["show", "c-1", "--json"]);
    let saga: serde_json::Value = serde_json::from_str(&out(&shown)).unwrap();
    assert_eq!(saga["status"], "completed");
}

#[test]
fn tail_follows_what_happens_from_now_on() {
    let folder = installation();
    let host = Host::start(folder.path());
    let mut tail = saga(&["tail", "--count", "2", "--global-id", "c-9", "--json", "--host", &host.url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The note comes once the stream is open: nothing that starts after it is missed.
    let mut note = String::new();
    BufReader::new(tail.stderr.as_mut().unwrap()).read_line(&mut note).unwrap();
    assert!(note.starts_with("following http://"), "{note}");
    host.ask(&["start", "register-customer", "--global-id", "c-9", "--body", r#"{"customer-id":"9"}"#]);
    let output = tail.wait_with_output().unwrap();
    let events: Vec<serde_json::Value> = out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(status(&output), 0);
    assert_eq!(events[0]["event"], "started");
    assert_eq!(events[1]["event"], "done");
}

#[test]
fn the_demo_ends_with_0_if_every_saga_ended_as_expected() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("demo");
    let output =
        saga(&["demo", "--dir", dir.to_str().unwrap(), "--once"]).env("SAGA_LISTEN", "127.0.0.1:0").output().unwrap();
    assert_eq!(status(&output), 0, "{}{}", out(&output), err(&output));
    let table = out(&output);
    for path in [
        "validate ✓ → core ✓ → service-a ✓ → service-b ✗ ⟲ service-a ↩ → core ↩ → validate ↩",
        "order ✓ → stock ✓ → payment ✗ ⟲ stock ↩ → order ↩",
        "create ✓ → check ✓ (3 tries) → publish ✓",
        "pay ⏸ ✓",
        "pay ⏸ ✗",
    ] {
        assert!(table.contains(path), "{path} is missing in\n{table}");
    }
}
