//! `saga show`: one saga, its steps forward and back, and why it stands where it stands.

use clap::Args;
use host_core::id::GlobalId;
use host_core::time::Timestamp;

use super::plugins::short_digest;
use crate::cli::Target;
use crate::client::view::{Call, Saga};
use crate::client::{Client, encode};
use crate::exit::Exit;
use crate::terminal::{Field, Terminal, Tone, ago, between, printable, say};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga show order-1
  saga show order-1 --json | jq .failure
  saga list --status failed          find the sagas that stand

The exit status is 1 if there is no such saga, or if it stands and needs a person.")]
pub struct Options {
    /// Identity of the saga.
    pub global_id: GlobalId,

    #[command(flatten)]
    pub target: Target,
}

pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let path = format!("/v1/sagas/{}", encode(options.global_id.as_str()));
    let answer = Client::new(&options.target)?.get(&path, Vec::new())?;
    let saga: Saga = answer.read()?;
    if options.target.json {
        say(answer.text.trim_end())?;
    } else {
        say(page(&saga, crate::terminal::now(), Terminal::detect()))?;
    }
    Ok(Exit::of(!stands(&saga.status)))
}

/// Whether only a person can move the saga.
fn stands(status: &str) -> bool {
    matches!(status, "failed" | "compensation-failed")
}

fn page(saga: &Saga, now: Timestamp, terminal: Terminal) -> String {
    let mut blocks = vec![head(saga, now, terminal), steps(saga, terminal)];
    blocks.extend(trouble(saga, now, terminal));
    if !saga.actions.is_empty() {
        blocks.push(actions(saga, terminal));
    }
    if let Some(body) = &saga.body {
        blocks.push(format!("body      {}", printable(body.as_str())));
    }
    if stands(&saga.status) {
        let id = printable(&saga.global_id);
        blocks
            .push(format!("next      saga retry {id}  ·  saga compensate {id}  ·  saga skip {id}  ·  saga close {id}"));
    }
    blocks.join("\n")
}

fn head(saga: &Saga, now: Timestamp, terminal: Terminal) -> String {
    let use_case = match (&saga.use_case, saga.use_case_version) {
        (Some(name), Some(version)) => format!("{name} version {version}"),
        (Some(name), None) => name.clone(),
        (None, _) => "none: started by a message of another service".to_owned(),
    };
    let took = between(&saga.started_at, &saga.updated_at).unwrap_or_default();
    let mut lines = vec![
        format!("saga      {}", terminal.bold(printable(&saga.global_id))),
        format!("status    {}", terminal.paint(Tone::of_word(&saga.status), &saga.status)),
        format!("use case  {}", printable(&use_case)),
        format!("started   {} ({}), last change {took} later", saga.started_at, ago(&saga.started_at, now)),
    ];
    if let Some(deadline) = &saga.deadline {
        lines.push(format!("deadline  {deadline} ({})", ago(deadline, now)));
    }
    lines.join("\n")
}

fn steps(saga: &Saga, terminal: Terminal) -> String {
    let has_way_back = saga.steps.iter().any(|step| step.compensate.is_some());
    let mut header = vec!["", "step", "version", "handle", "tries", "took"];
    if has_way_back {
        header.extend(["compensate", "tries", "took"]);
    }
    header.push("why");
    let rows = saga.steps.iter().map(|step| {
        let version = step.handle.digest.as_deref().map(short_digest);
        let mut row = vec![Field::toned(Tone::Faint, step.position), Field::new(&step.address), Field::maybe(version)];
        row.extend(call(Some(&step.handle)));
        if has_way_back {
            row.extend(call(step.compensate.as_ref()));
        }
        let calls = step.compensate.iter().chain([&step.handle]);
        row.push(Field::maybe(calls.filter_map(why).next()));
        row
    });
    terminal.table(&header, rows.collect())
}

fn call(call: Option<&Call>) -> [Field; 3] {
    let Some(call) = call else { return [Field::none(), Field::none(), Field::none()] };
    let took = call.started_at.as_deref().zip(call.ended_at.as_deref()).and_then(|(from, to)| between(from, to));
    let tries = Some(call.attempts).filter(|attempts| *attempts > 0);
    [Field::word(&call.state), Field::maybe(tries), Field::maybe(took)]
}

fn why(call: &Call) -> Option<String> {
    match (&call.code, &call.reason) {
        (Some(code), Some(reason)) => Some(format!("{code}: {reason}")),
        (Some(text), None) | (None, Some(text)) => Some(text.clone()),
        (None, None) => None,
    }
}

fn trouble(saga: &Saga, now: Timestamp, terminal: Terminal) -> Vec<String> {
    let mut blocks = Vec::new();
    if let Some(waiting) = &saga.waiting {
        let key = terminal.paint(Tone::Warning, printable(&waiting.key));
        blocks.push(format!(
            "waits for {key} since {}, until {}: {}\n          answer it with `saga signal {}`",
            ago(&waiting.since, now),
            ago(&waiting.until, now),
            printable(&waiting.reason),
            printable(&waiting.key),
        ));
    }
    if let Some(failure) = &saga.failure {
        let kind = if failure.kind == failure.code { String::new() } else { format!(" ({})", failure.kind) };
        let told = format!("{}{kind}: {}", failure.code, failure.reason);
        let tone = if stands(&saga.status) { Tone::Bad } else { Tone::Warning };
        blocks.push(format!(
            "failure   {} in {} of {}, {}",
            terminal.paint(tone, printable(&told)),
            failure.direction,
            failure.address,
            ago(&failure.at, now),
        ));
    }
    blocks
}

fn actions(saga: &Saga, terminal: Terminal) -> String {
    let rows = saga.actions.iter().map(|action| {
        vec![
            Field::new(&action.at),
            Field::new(&action.verb),
            Field::new(&action.who),
            Field::maybe(action.reason.as_ref()),
        ]
    });
    terminal.table(&["acted", "verb", "who", "why"], rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saga() -> Saga {
        serde_json::from_value(serde_json::json!({
            "global-id": "order-1", "use-case": "shop", "use-case-version": 2, "status": "compensation-failed",
            "started-at": "2026-11-22T18:00:00.000Z", "updated-at": "2026-11-22T18:00:01.500Z", "deadline": null,
            "steps": [
                {"position": 0, "address": "shop.orders.order",
                 "handle": {"state": "done", "attempts": 1, "digest": "sha256:0123456789abcdef", "started-at": "2026-11-22T18:00:00.000Z",
                            "ended-at": "2026-11-22T18:00:00.012Z", "code": null, "reason": null},
                 "compensate": {"state": "failed", "attempts": 3, "digest": null, "started-at": null, "ended-at": null,
                                "code": "trap", "reason": "panicked at 'no'"}},
                {"position": 1, "address": "shop.billing.payment",
                 "handle": {"state": "rejected", "attempts": 1, "digest": null, "started-at": null, "ended-at": null,
                            "code": "payment-refused", "reason": "above 1000"},
                 "compensate": null},
                {"position": 2, "address": "shop.orders.complete",
                 "handle": {"state": "not-reached", "attempts": 0, "digest": null, "started-at": null,
                            "ended-at": null, "code": null, "reason": null},
                 "compensate": null}
            ],
            "failure": {"position": 0, "address": "shop.orders.order", "direction": "compensate", "kind": "trap",
                        "code": "trap", "reason": "panicked at 'no'", "at": "2026-11-22T18:00:01.500Z"},
            "waiting": null,
            "actions": [{"verb": "retry", "who": "ada", "reason": "disk was full", "at": "2026-11-22T18:00:01.000Z"}],
            "body": {"order-id": "1"}
        }))
        .expect("the shape of the contract")
    }

    #[test]
    fn the_page_shows_both_ways_the_cause_and_what_to_do_next() {
        let now = Timestamp::parse("2026-11-22T18:01:00Z").expect("a time");
        let expected = include_str!("show/page.txt");
        let page = page(&saga(), now, Terminal::plain());
        assert_eq!(page.trim_end(), expected.trim_end(), "\n{page}");
    }

    #[test]
    fn a_waiting_saga_tells_what_it_waits_for_and_the_answer() {
        let now = Timestamp::parse("2026-11-22T18:01:00Z").expect("a time");
        let mut saga = saga();
        saga.status = "waiting".to_owned();
        saga.failure = None;
        saga.waiting = Some(crate::client::view::Waiting {
            key: "customer/42".to_owned(),
            reason: "customer 42 is not registered yet".to_owned(),
            since: "2026-11-22T18:00:30Z".to_owned(),
            until: "2026-11-22T18:01:30Z".to_owned(),
        });
        let page = page(&saga, now, Terminal::plain());
        let told = "waits for customer/42 since 30 s ago, until in 30 s: customer 42 is not registered yet";
        assert!(page.contains(told), "{page}");
        assert!(page.contains("saga signal customer/42"), "{page}");
    }

    #[test]
    fn only_a_saga_that_needs_a_person_answers_no() {
        assert!(stands("failed") && stands("compensation-failed"));
        assert!(!stands("waiting") && !stands("compensated") && !stands("completed"));
    }
}
