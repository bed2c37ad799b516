//! The step that `saga new --lang rust` writes compiles against this SDK, and its own tests pass.
//! Its placeholders stand in comments and file names only, so it is Rust as it is.

#[path = "../template/src/lib.rs"]
mod step;

#[test]
fn every_placeholder_of_the_template_is_one_that_saga_new_fills_in() {
    let files = [
        include_str!("../template/Cargo.toml.in"),
        include_str!("../template/README.md"),
        include_str!("../template/src/lib.rs"),
        include_str!("../template/{{address}}.toml"),
    ];
    for file in files {
        let filled = file.replace("{{address}}", "a.b.c").replace("{{crate}}", "a-b-c");
        assert!(!filled.contains("{{") && !filled.contains("}}"), "{filled}");
    }
}
