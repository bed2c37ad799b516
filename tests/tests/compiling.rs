//! What compiling plugins costs a host, and what it does when that goes wrong. Goal: neither the memory nor the death
//! of a compiler is the host's, a plugin that takes too much to compile is refused with the key that would let it
//! pass, and what served serves on. Method: a real host, which compiles in processes of its own.

use std::path::Path;

use saga_tests::host::Host;
use saga_tests::installation::{Installation, instrument_address};
use saga_tests::{artefacts, check};
use serde_json::json;

/// More than a host with these plugins has ever had, and a third of what it had when it compiled by itself.
const PEAK_MIB_MAX: u64 = 60;

/// The most of a process that was ever in memory at one time.
fn peak_mib(host: &Host) -> u64 {
    let path = format!("/proc/{}/status", host.process_id());
    let status = std::fs::read_to_string(&path).expect("the host is running");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells it");
    let kib: u64 = line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number");
    kib >> 10
}

fn log(host: &Host) -> String {
    std::fs::read_to_string(host.installation.path().join("host.err")).expect("the host logs")
}

/// Names in the host's folder of compiled plugins that are not whole yet.
fn unfinished(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).expect("the folder is there").flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(".tmp")).collect()
}

#[test]
fn a_host_that_has_compiled_its_plugins_is_not_larger_for_it() {
    let host = Host::start(Installation::with_examples(&["exchange", "shop", "review"]));
    let plugins = host.api.ask("/v1/plugins");
    let serving = plugins["plugins"].as_array().expect("a list").iter().filter(|plugin| plugin["state"] == "serving");
    assert!(serving.count() >= 10, "{plugins:#}");
    assert!(peak_mib(&host) < PEAK_MIB_MAX, "{} MiB", peak_mib(&host));
    let log = log(&host);
    assert!(log.contains("compile_ms=") && !log.contains("in the host"), "each in a process of its own:\n{log}");
    assert_eq!(unfinished(&host.installation.path().join("data/artefacts")), Vec::<String>::new());
}

#[test]
fn a_plugin_that_takes_too_much_to_compile_is_refused_and_the_old_version_serves_on() {
    let bounds = [
        (
            "SAGA_LIMITS_COMPILE_TIME",
            "1ms",
            "takes longer to compile than the 1ms allowed",
            "raise limits.compile-time",
        ),
        (
            "SAGA_LIMITS_COMPILE_MEMORY",
            "6MiB",
            "more memory to compile than the 6 MiB allowed",
            "raise limits.compile-memory",
        ),
    ];
    let mut host = Host::start(Installation::with_instruments(&["one"]));
    let address = instrument_address("one");
    let before = check::serving(&host.api, &address);
    for (key, value, problem, cure) in bounds {
        host.terminate();
        host.set_environment(&[(key, value)]);
        // The version that is known needs no compiler.
        host.start_again();
        let wasm = std::fs::read(artefacts::instrument()).expect("the instrument was built");
        host.installation.plugin(&address, &artefacts::another_version(&wasm, key));
        let reason = check::until(&format!("the new version is refused under {key}"), || {
            let plugins = host.api.ask("/v1/plugins");
            plugins["plugins"].as_array()?.iter().find_map(|plugin| plugin["reason"].as_str().map(str::to_owned))
        });
        assert!(reason.contains(problem) && reason.contains(cure), "{reason}");
        assert!(log(&host).contains(problem), "the log says it as well");
        assert_eq!(check::serving(&host.api, &address), before);
        assert_eq!(host.api.run("play", &json!({}))["status"], "completed");
        assert_eq!(unfinished(&host.installation.path().join("data/artefacts")), Vec::<String>::new());
        // The next round begins with what is good.
        host.installation.plugin(&address, &wasm);
    }
}
