//! `saga dev`. Goal: whoever saves a source sees the step served or the mistake in its place, and what serves is never
//! taken away by a source that does not compile. Method: a project in Go, whose tool is quick, saved while the host
//! runs.

use std::path::Path;
use std::process::Command;

use saga_tests::artefacts::saga;
use saga_tests::check::until;
use saga_tests::host::Host;
use saga_tests::installation::Installation;
use serde_json::Value;

const ADDRESS: &str = "shop.gifts.wrap";

fn new_project(dir: &Path) {
    let made = Command::new(saga()).args(["new", ADDRESS, "--lang", "go", "--dir"]).arg(dir).output();
    let made = made.expect("the program can be started");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// The digest that serves, once there is one.
fn serving(host: &Host) -> Option<String> {
    let plugins = host.api.get("/v1/plugins").expect("the host answers").body;
    let of_step = |plugin: &&Value| plugin["address"] == ADDRESS && plugin["state"] == "serving";
    let plugin = plugins["plugins"].as_array().expect("a list").iter().find(of_step)?.clone();
    plugin["digest"].as_str().map(str::to_owned)
}

#[test]
fn a_step_is_built_when_it_is_saved_and_a_mistake_is_shown_in_its_place() {
    let installation = Installation::empty();
    let source = installation.path().join("steps/wrap/step.go");
    new_project(source.parent().expect("it lies in the project"));
    let mut host = Host::start_dev(installation);
    let first = until("what was there at the start is served", || serving(&host));

    let good = std::fs::read_to_string(&source).expect("a source is text");
    let mistake = good.replace("log.Info(", "log.Inform(");
    assert_ne!(good, mistake, "the template logs something");
    std::fs::write(&source, &mistake).expect("the source is ours");
    until("the mistake is shown", || host.said().contains("is not built").then_some(()));
    let line = 1 + mistake.lines().position(|line| line.contains("log.Inform(")).expect("it was just written");
    let place = format!("step.go:{line}:");
    assert!(host.said().contains(&place), "{place} is missing in\n{}", host.said());
    assert_eq!(serving(&host).as_deref(), Some(&*first), "what served before serves on");

    let mended = good.replace("log.Info(\"saga", "log.Info(\"mended: saga");
    std::fs::write(&source, mended).expect("the source is ours");
    let second = until("the mended one is served", || serving(&host).filter(|digest| *digest != first));

    // One that is newer than its sources is not built again.
    host.terminate();
    let said = host.said().len();
    host.start_again();
    assert_eq!(until("it is served at once", || serving(&host)), second);
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(!host.said()[said..].contains("building"), "{}", &host.said()[said..]);
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let told = Command::new(saga()).args(["dev", "--steps", "nowhere"]).output().expect("the program can be started");
    assert_eq!(told.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&told.stderr).contains("nowhere is no folder"));
}
