//! Goal: clients that hold thousands of connections open and ask nothing keep nobody out, and the host needs no tuning
//! of the system for as many connections as it is configured for.
//! Method: real sockets, thousands of them, against the real program; then a fresh client starts a saga.

use std::net::TcpStream;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use saga_tests::api::Api;
use saga_tests::check;
use saga_tests::host::Host;
use saga_tests::installation::Installation;

/// More than `limits.connections` in each scenario.
const SOCKETS: usize = 3000;

fn installation(connections: usize) -> Installation {
    let installation = Installation::with_instruments(&["one"]);
    installation.config(&format!("[limits]\nconnections = {connections}\n"));
    installation
}

/// So many connections that never say a word.
fn crowd(host: &Host) -> Vec<TcpStream> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit can be asked for");
    let wanted = (SOCKETS as u64 + 500).min(hard);
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(wanted), hard).expect("the soft limit can be raised to the hard one");
    let connect = |_| TcpStream::connect(("127.0.0.1", host.port())).expect("the host takes every connection");
    (0..SOCKETS).map(connect).collect()
}

fn a_fresh_client_is_served(host: &Host) {
    let api = Api::new(&format!("http://127.0.0.1:{}", host.port()));
    check::serving(&api, "test.instrument.one");
    let outcome = api.run("play", &serde_json::json!({}));
    assert_eq!(outcome["status"], "completed", "{outcome}");
}

#[test]
fn thousands_of_idle_connections_keep_nobody_out() {
    let host = Host::start_after(installation(2000), "ulimit -Sn 300");
    assert!(host.open_files_max() >= 2000, "the host may open {} files", host.open_files_max());
    let crowd = crowd(&host);
    a_fresh_client_is_served(&host);
    drop(crowd);
    a_fresh_client_is_served(&host);
}

#[test]
fn a_system_that_gives_too_few_files_is_named_and_nobody_is_kept_out() {
    let host = Host::start_after(installation(2000), "ulimit -n 300");
    let log = host.log_tail();
    let words =
        "limits.connections is 2000, but this process may open only 300 files, so that the host holds 150 connections";
    assert!(log.contains(words) && log.contains("LimitNOFILE="), "{log}");
    let crowd = crowd(&host);
    a_fresh_client_is_served(&host);
    drop(crowd);
}
