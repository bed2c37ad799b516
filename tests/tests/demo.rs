//! The demo is the first thing that anyone sees. Goal: it runs all use cases, shows how each ended, and says so in its
//! exit status; what it wrote is a complete installation. Method: run it with `--once` in an empty folder, then run
//! what it wrote.

use saga_tests::host::{free_port, run_saga};

const USE_CASES: [&str; 6] = ["uc-1-1", "uc-1-2", "shop", "review", "register-customer", "pay"];

#[test]
fn the_demo_runs_every_use_case_and_ends_well() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let dir = folder.path().join("demo");
    let listen = format!("127.0.0.1:{}", free_port());
    let ran = run_saga(&["demo", "--once", "--dir", dir.to_str().expect("a plain path")], &[("SAGA_LISTEN", &listen)]);
    assert_eq!(ran.status, 0, "{}\n{}", ran.out, ran.err);
    for word in USE_CASES.into_iter().chain(["completed", "compensated", "http://"]) {
        assert!(ran.out.contains(word), "{word} is missing:\n{}", ran.out);
    }
    for path in
        ["saga.toml", "plugins/shop.inventory.stock.wasm", "plugins/shop.inventory.stock.toml", "use-cases/shop.toml"]
    {
        assert!(dir.join(path).is_file(), "{path} is missing");
    }
}
