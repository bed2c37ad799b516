//! The one table: each saga's path forward and back, and how it ended.

use super::play::Played;
use crate::client::view::{Call, Saga};
use crate::terminal::{Field, Terminal, Tone, between};

pub fn table(played: &[Played], terminal: Terminal) -> String {
    let rows = played.iter().map(|played| {
        let took = between(&played.saga.started_at, &played.saga.updated_at);
        vec![
            Field::new(&played.saga.global_id),
            Field::new(played.use_case),
            Field::new(on_screen(path(&played.saga, played.has_waited), terminal)),
            ended(played),
            Field::maybe(took),
        ]
    });
    terminal.table(&["saga", "use case", "path forward and back", "how it ended", "time"], rows.collect())
}

fn ended(played: &Played) -> Field {
    let saga = &played.saga;
    if !played.is_as_expected() {
        return Field::toned(Tone::Bad, format_args!("{} (expected {})", saga.status, played.expected));
    }
    let cause = saga.failure.as_ref().map(|failure| format!(": {}", failure.code)).unwrap_or_default();
    Field::toned(Tone::of_word(&saga.status), format_args!("{}{cause}", saga.status))
}

/// A line that is broken is broken between steps, never between a step and its mark.
fn on_screen(path: String, terminal: Terminal) -> String {
    if terminal.columns.is_none() {
        return path;
    }
    const GLUE: &str = "\u{a0}";
    let glued = path.replace(' ', GLUE);
    [" → ", " ⟲ "].iter().fold(glued, |path, turn| path.replace(&turn.replace(' ', GLUE), turn))
}

/// What the marks mean.
pub const LEGEND: &str = "✓ done  ✗ refused  ⏸ waited  ⟲ turned round  ↩ undone  ‼ given up, a person must look";

/// `validate ✓ → core ✓ → service-b ✗ ⟲ core ↩ → validate ↩`: forward as far as it came, then back in the order of
/// undoing.
fn path(saga: &Saga, has_waited: bool) -> String {
    let waited_out = saga.failure.as_ref().is_some_and(|failure| failure.kind == "wait-timeout");
    let pause = if has_waited || waited_out { "⏸ " } else { "" };
    let forward: Vec<String> = saga
        .steps
        .iter()
        .filter(|step| step.handle.state != "not-reached")
        .map(|step| format!("{} {pause}{}", short(&step.address), mark(&step.handle, "✓")))
        .collect();
    let back: Vec<String> = saga
        .steps
        .iter()
        .rev()
        .filter_map(|step| {
            let call = step.compensate.as_ref().filter(|call| call.state != "not-reached")?;
            Some(format!("{} {}", short(&step.address), mark(call, "↩")))
        })
        .collect();
    let turn = if back.is_empty() { "" } else { " ⟲ " };
    format!("{}{turn}{}", forward.join(" → "), back.join(" → "))
}

/// The last word of an address tells the steps of one saga apart.
fn short(address: &str) -> &str {
    address.rsplit('.').next().unwrap_or(address)
}

fn mark(call: &Call, done: &str) -> String {
    let mark = match call.state.as_str() {
        "done" => done,
        "rejected" => "✗",
        "failed" => "‼",
        "skipped" => "–",
        "waiting" | "retrying" | "pending" => "…",
        other => other,
    };
    if call.attempts > 1 { format!("{mark} ({} tries)", call.attempts) } else { mark.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(state: &str, attempts: u32) -> serde_json::Value {
        serde_json::json!({"state": state, "attempts": attempts})
    }

    fn played(status: &str, expected: &'static str) -> Played {
        let saga = serde_json::from_value(serde_json::json!({
            "global-id": "trade-refused-1", "use-case": "uc-1-2", "status": status,
            "started-at": "2026-11-22T18:00:00.000Z", "updated-at": "2026-11-22T18:00:00.021Z",
            "steps": [
                {"position": 0, "address": "exchange.orders.validate", "handle": call("done", 1), "compensate": call("done", 1)},
                {"position": 1, "address": "exchange.ledger.core", "handle": call("done", 2), "compensate": call("done", 1)},
                {"position": 2, "address": "exchange.settlement.service-b", "handle": call("rejected", 1), "compensate": null},
                {"position": 3, "address": "exchange.settlement.service-c", "handle": call("not-reached", 0), "compensate": null}
            ],
            "failure": {"position": 2, "address": "exchange.settlement.service-b", "direction": "handle",
                        "kind": "rejected", "code": "limit-exceeded", "reason": "too much", "at": "2026-11-22T18:00:00.010Z"}
        }))
        .expect("the shape of the contract");
        Played { use_case: "uc-1-2", expected, saga, has_waited: false }
    }

    #[test]
    fn the_path_leads_forward_and_back() {
        assert_eq!(
            path(&played("compensated", "compensated").saga, false),
            "validate ✓ → core ✓ (2 tries) → service-b ✗ ⟲ core ↩ → validate ↩"
        );
    }

    #[test]
    fn a_saga_that_waited_shows_it() {
        let mut saga = played("completed", "completed").saga;
        saga.steps.truncate(1);
        saga.steps[0].compensate = None;
        assert_eq!(path(&saga, true), "validate ⏸ ✓");
    }

    #[test]
    fn the_end_tells_the_cause_and_what_was_not_expected() {
        assert_eq!(ended(&played("compensated", "compensated")).text, "compensated: limit-exceeded");
        assert_eq!(ended(&played("failed", "completed")).text, "failed (expected completed)");
    }

    #[test]
    fn a_narrow_screen_breaks_between_steps() {
        let narrow = Terminal { has_colour: false, columns: Some(20) };
        let path = on_screen("validate ✓ → core ✓ (2 tries) ⟲ validate ↩".to_owned(), narrow);
        let words: Vec<&str> = path.split(' ').collect();
        assert_eq!(words, ["validate\u{a0}✓", "→", "core\u{a0}✓\u{a0}(2\u{a0}tries)", "⟲", "validate\u{a0}↩"]);
    }

    #[test]
    fn one_table_shows_all() {
        let table = table(&[played("compensated", "compensated")], Terminal::plain());
        assert!(table.contains("trade-refused-1   uc-1-2     validate ✓"), "{table}");
        assert!(table.contains("21 ms"), "{table}");
    }
}
