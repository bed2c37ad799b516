//! A target of `saga-fuzz` under libFuzzer. The variable FUZZ_TARGET says which one; FUZZ_SEEDS_TO names a folder that
//! gets the golden fixtures as inputs, and then nothing is run.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use saga_fuzz::{Target, corpus};

fn target() -> &'static Target {
    let target = saga_fuzz::target(&std::env::var("FUZZ_TARGET").unwrap_or_default());
    if let Ok(folder) = std::env::var("FUZZ_SEEDS_TO") {
        for (number, seed) in corpus::of(target).into_iter().enumerate() {
            let path = format!("{folder}/seed-{number}");
            std::fs::write(&path, seed).unwrap_or_else(|error| panic!("writing {path}: {error}"));
        }
        std::process::exit(0);
    }
    target
}

fuzz_target!(|input: &[u8]| {
    static TARGET: OnceLock<&'static Target> = OnceLock::new();
    (TARGET.get_or_init(target).run)(input);
});
