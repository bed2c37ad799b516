//! The shop in four languages. Goal: a step does the same whichever language it is written in, and one saga goes
//! through all of them. Method: one file of cases for each step, held against every variant of it; then a host whose
//! shop is order in Rust, stock in Go, payment in Python and notification in JavaScript.

use std::path::{Path, PathBuf};

use saga_tests::artefacts::example_steps;
use saga_tests::check;
use saga_tests::conformance::{built_of, run_cases_of};
use saga_tests::host::{Host, run_saga};
use saga_tests::installation::Installation;
use serde_json::json;

/// Steps of the shop in another language than Rust: where they are, and their addresses.
const VARIANTS: [(&str, &str); 3] = [
    ("plugins/go/shop-inventory-stock", "shop.inventory.stock"),
    ("plugins/python/shop-billing-payment", "shop.billing.payment"),
    ("plugins/js/shop-customers-notification", "shop.customers.notification"),
];

/// The example step in Rust of this address, and its manifest.
fn in_rust(address: &str) -> (PathBuf, PathBuf) {
    let step = example_steps().iter().find(|step| step.address == address);
    let step = step.unwrap_or_else(|| panic!("there is no example step {address}"));
    (step.wasm.clone(), step.manifest.clone())
}

fn hold_to_cases(address: &str, (wasm, manifest): &(PathBuf, PathBuf)) {
    run_cases_of(&format!("plugins/cases/{address}.json"), wasm, manifest);
}

#[test]
fn the_steps_in_rust_hold_their_cases() {
    for address in ["shop.orders.order"].into_iter().chain(VARIANTS.map(|(_, address)| address)) {
        hold_to_cases(address, &in_rust(address));
    }
}

#[test]
fn the_steps_in_other_languages_hold_the_same_cases_under_the_same_manifests() {
    for (project, address) in VARIANTS {
        let built = built_of(project, address);
        hold_to_cases(address, &built);
        let read = |path: &Path| std::fs::read_to_string(path).expect("a manifest can be read");
        assert_eq!(read(&built.1), read(&in_rust(address).1), "{address} has two manifests");
    }
}

#[test]
fn one_saga_goes_through_four_languages_there_and_back() {
    let installation = Installation::with_examples(&["shop"]);
    for (project, address) in VARIANTS {
        let (wasm, _) = built_of(project, address);
        std::fs::copy(wasm, installation.path().join(format!("plugins/{address}.wasm"))).expect("it can be copied");
    }
    let host = Host::start(installation);
    let order = |id: &str, amount: &str| {
        let serial = 9_007_199_254_740_993_u64;
        json!({"order-id": id, "item": "book", "quantity": 2, "amount": amount, "serial": serial, "customer": "ä-7"})
    };
    let bought = host.api.run("shop", &order("o-1", "12.50"));
    assert_eq!(bought["status"], "completed", "{bought}");
    let id = bought["global-id"].as_str().expect("an id");
    assert_eq!(
        check::path(&host.api.saga(id)),
        "order done, stock done, payment done, complete done, notification done"
    );
    let text = host.api.get_text(&format!("/v1/sagas/{id}"));
    assert!(text.contains(r#""serial":9007199254740993"#), "a number lost digits on its way: {text}");

    let refused = host.api.run("shop", &order("o-2", "1000.01"));
    assert_eq!((&refused["status"], &refused["failure"]["code"]), (&json!("compensated"), &json!("payment-refused")));
    let id = refused["global-id"].as_str().expect("an id");
    assert_eq!(check::path(&host.api.saga(id)), "order done, stock done, payment rejected | stock done, order done");
    let stock = check::bucket(&host, "shop.inventory.stock", None);
    assert_eq!(stock["stock/book"], json!(999_998), "{stock:?}");
}

#[test]
fn the_demo_takes_components_of_other_languages_in_place_of_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (dir, steps) = (folder.path().join("demo"), folder.path().join("steps"));
    std::fs::create_dir(&steps).expect("a folder in it");
    for (project, address) in VARIANTS {
        let (wasm, manifest) = built_of(project, address);
        for (file, extension) in [(wasm, "wasm"), (manifest, "toml")] {
            std::fs::copy(file, steps.join(format!("{address}.{extension}"))).expect("it can be copied");
        }
    }
    let text = |path: &Path| path.to_str().expect("a plain path").to_owned();
    let ran = run_saga(
        &["demo", "--once", "--dir", &text(&dir), "--steps", &text(&steps)],
        &[("SAGA_LISTEN", "127.0.0.1:0")],
    );
    assert_eq!(ran.status, 0, "{}\n{}", ran.out, ran.err);
    for (_, address) in VARIANTS {
        assert!(ran.err.contains(address), "{address} is not told:\n{}", ran.err);
        let file = format!("{address}.wasm");
        let read = |folder: &Path| std::fs::read(folder.join(&file)).expect("the component is there");
        assert_eq!(read(&dir.join("plugins")), read(&steps), "{address} is not the one that was named");
    }
}
