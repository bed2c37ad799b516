//! The Go SDK belongs to the contract that is in the tree. Goal: what it reads and writes in memory is where the
//! contract has it. Method: derive the places from `wit/` and compare with the committed file.

use saga_tests::go_layout;
use saga_tests::tidy::tree::root;

/// With `SAGA_WRITE_LAYOUT=1` the file is written instead, for whoever changes the contract.
#[test]
fn the_layout_of_the_go_sdk_is_that_of_the_contract() {
    let path = root().join("guest-sdk/go/internal/abi/layout.go");
    let wanted = go_layout::of_contract();
    if std::env::var_os("SAGA_WRITE_LAYOUT").is_some() {
        std::fs::write(&path, &wanted).expect("the file can be written");
    }
    let found = std::fs::read_to_string(&path).expect("the layout is committed");
    assert!(
        found == wanted,
        "guest-sdk/go/internal/abi/layout.go is not that of wit/; write it anew: SAGA_WRITE_LAYOUT=1 cargo test \
         --release --package saga-tests --test go_sdk"
    );
}
