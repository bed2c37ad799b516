//! Who compiles plugins, and what a compiler that fails does to the others. Goal: whatever becomes of the process that
//! compiles, the host serves what it can and says why not the rest. Method: shells in the place of the compiler.

use std::time::Duration;

use host_core::id::Direction;
use host_runtime::{Apart, Compiler, MemoryKeyValues, PluginState, Plugins, PluginsOptions, StepRunner as _};

use super::support::{Installation, STEP, body, call, states};

/// A registry whose compiler is this program with this text as its script.
async fn open(installation: &Installation, program: &str, script: &str) -> Plugins {
    let compiler = Compiler::Apart(Apart {
        program: program.into(),
        arguments: vec!["-c".to_owned(), script.to_owned()],
        time_max: Duration::from_secs(60),
        memory_bytes_max: 1 << 30,
    });
    Plugins::open(PluginsOptions { compiler, ..installation.options() }).await.unwrap()
}

async fn assert_serves(plugins: &Plugins) {
    let report = plugins.call(call(STEP, Direction::Handle, "{}"), std::sync::Arc::<MemoryKeyValues>::default()).await;
    assert_eq!(body(&report), "{}");
}

#[tokio::test]
async fn a_compiler_that_dies_refuses_its_plugin_and_nothing_else() {
    let installation = Installation::new();
    installation.serve(STEP, "echo");
    drop(installation.open().await);
    installation.serve("test.guests.other", "answers");
    let plugins = open(&installation, "/bin/sh", "kill -SEGV $$").await;
    let states = states(&plugins, "test.guests.other.wasm");
    assert!(
        matches!(&states[..], [(PluginState::Rejected, reason)] if reason.contains("ended by signal 11")),
        "{states:?}"
    );
    assert_serves(&plugins).await;
}

#[tokio::test]
async fn where_no_process_can_be_started_the_host_compiles_itself() {
    let installation = Installation::new();
    installation.serve(STEP, "echo");
    assert_serves(&open(&installation, "/nowhere/compiler", "").await).await;
}

#[tokio::test]
async fn code_of_another_engine_is_not_taken() {
    let installation = Installation::new();
    installation.serve(STEP, "echo");
    let sum = host_core::id::Digest([7; 32]);
    assert_serves(&open(&installation, "/bin/sh", &format!("cat; echo {sum} >&2")).await).await;
}

#[tokio::test]
async fn what_a_dead_host_left_unfinished_is_swept_away() {
    let installation = Installation::new();
    std::fs::create_dir_all(installation.cache_dir()).unwrap();
    let left = installation.cache_dir().join(".tmpA1b2C3");
    std::fs::write(&left, "half of the code").unwrap();
    drop(installation.open().await);
    assert!(!left.exists());
}
