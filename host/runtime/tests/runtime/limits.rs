//! Goal: whatever a plugin does wrong ends as a fault of that message, in words that say what and where, and the next
//! message is served as if nothing had been. Method: one program for each way to misbehave.

use std::time::{Duration, Instant};

use host_core::outcome::FaultKind;

use crate::support::{Stage, assert_fault, body, one};

/// Short enough for a test, long enough for a busy machine to get a guest started.
const SHORT: &str = "[limits]\ntime = \"300ms\"";

/// After a fault the step answers as before.
async fn assert_serves_on(stage: &Stage, body_of_fault: &str) {
    let again = stage.handle(body_of_fault).await;
    let first = stage.handle(body_of_fault).await;
    assert_eq!(crate::support::fault(&again).kind, crate::support::fault(&first).kind);
}

#[tokio::test]
async fn an_endless_loop_in_handle_ends_at_its_time_limit() {
    let stage = one("loop_in_handle", SHORT).await;
    let began = Instant::now();
    let report = stage.handle("1").await;
    assert_fault(&report, FaultKind::TimeLimit, &["longer than 300ms", "spin_for_ever"]);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(report.usage.took >= Duration::from_millis(300));
    assert_eq!(report.digest, Some(stage.plugins.snapshot().plugins[0].digest.unwrap()));
    assert_serves_on(&stage, "1").await;
}

#[tokio::test]
async fn an_endless_loop_in_compensate_ends_at_its_time_limit_and_handle_is_well() {
    let stage = one("loop_in_compensate", SHORT).await;
    assert_fault(&stage.compensate("1").await, FaultKind::TimeLimit, &["longer than 300ms"]);
    assert_eq!(body(&stage.handle("1").await), "1");
}

#[tokio::test]
async fn a_sleep_inside_the_host_ends_at_the_time_limit() {
    let stage = one("sleeps", SHORT).await;
    assert_fault(&stage.handle("1").await, FaultKind::TimeLimit, &["300ms", "waiting for the host"]);
    assert_serves_on(&stage, "1").await;
}

#[tokio::test(flavor = "current_thread")]
async fn neighbours_on_the_same_thread_go_on_while_one_loops() {
    let stage = one("loop_in_handle", "[limits]\ntime = \"30s\"").await;
    stage.installation.serve("test.guests.neighbour", "echo");
    stage.plugins.rescan().await;
    let looping = stage.handle("1");
    let neighbours = async {
        // With one thread, each of these can only end if the loop lets go of it.
        for _ in 0..5 {
            let call = crate::support::call("test.guests.neighbour", host_core::id::Direction::Handle, "\"hi\"");
            let report = host_runtime::StepRunner::call(&stage.plugins, call, stage.key_values.clone()).await;
            assert_eq!(body(&report), "\"hi\"");
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        report = looping => panic!("the loop ended first: {report:?}"),
        () = neighbours => {}
    }
}

#[tokio::test]
async fn a_panic_ends_in_its_own_words() {
    let stage = one("panic_text", "").await;
    let report = stage.handle("\"bolts\"").await;
    assert_fault(
        &report,
        FaultKind::Trap,
        &["plugin panicked", "the stock of \"bolts\" went negative", "panic_text.rs", "check_stock"],
    );
    assert!(!crate::support::fault(&report).reason.contains("RUST_BACKTRACE"));
    assert_serves_on(&stage, "1").await;
}

#[tokio::test]
async fn a_huge_panic_text_is_cut_and_its_beginning_kept() {
    let stage = one("panic_huge_text", "").await;
    assert_fault(&stage.handle("1").await, FaultKind::Trap, &["plugin panicked", "begins xxx", "ends"]);
}

#[tokio::test]
async fn a_stack_overflow_is_called_so() {
    let stage = one("stack_overflow", "").await;
    assert_fault(&stage.handle("1").await, FaultKind::Trap, &["overflowed its stack", "deeper"]);
    assert_serves_on(&stage, "1").await;
}

#[tokio::test]
async fn a_memory_bomb_ends_at_its_memory_limit() {
    let stage = one("memory_bomb", "[limits]\nmemory = \"16MiB\"").await;
    let report = stage.handle("1").await;
    assert_fault(&report, FaultKind::MemoryLimit, &["more than the 16777216 allowed", "[limits] memory"]);
    assert!(report.usage.memory_bytes <= 16 << 20);
    assert_serves_on(&stage, "1").await;
}

#[tokio::test]
async fn an_output_over_its_limit_is_refused_by_part() {
    let stage = one("output_flood", "").await;
    for part in ["body", "compensation", "details"] {
        let report = stage.handle(&format!("\"{part}\"")).await;
        assert_fault(&report, FaultKind::OutputLimit, &[part, "more than the 2097152 allowed", "[limits] output"]);
    }
}

#[tokio::test]
async fn a_flood_of_log_lines_is_bounded_and_harms_nothing() {
    let stage = one("log_flood", "").await;
    let report = stage.handle("1").await;
    assert_eq!(body(&report), "1");
    assert_eq!(report.usage.log_line_count, 256);
}

#[tokio::test]
async fn an_exit_is_a_fault() {
    let stage = one("exits", "").await;
    assert_fault(&stage.handle("1").await, FaultKind::Trap, &["ended itself with exit code 1"]);
}

#[tokio::test]
async fn a_fault_of_one_call_leaves_others_of_the_same_step_alone() {
    let stage = one("remembers", "calls-per-instance = \"unlimited\"").await;
    let (good, bad) = tokio::join!(stage.handle("1"), stage.handle("\"panic\""));
    assert_eq!(body(&good), "1");
    assert_fault(&bad, FaultKind::Trap, &["after"]);
}
