//! `saga list`: sagas, newest first, by use case, status, step and time.

use clap::Args;
use host_core::id::{StepAddress, UseCaseName};
use host_core::saga::Status;
use host_core::time::Timestamp;

use super::input;
use crate::cli::Target;
use crate::client::Client;
use crate::client::view::SagaList;
use crate::exit::Exit;
use crate::terminal::{Field, Terminal, ago, between, count, note, say};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga list --status failed --use-case shop       all failed items of one use case
  saga list --since 2h                            started in the last two hours
  saga list --step shop.billing.payment --all     every page, those that stand at this step
  saga list --json | jq -r '.sagas[].\"global-id\"'")]
pub struct Options {
    /// Only this use case.
    #[arg(long, value_name = "NAME")]
    pub use_case: Option<UseCaseName>,

    /// Only this status: running, waiting, compensating, completed, compensated, failed, compensation-failed, closed.
    #[arg(long, value_parser = status)]
    pub status: Option<&'static str>,

    /// Only sagas whose message is, or was last, at this step.
    #[arg(long, value_name = "ADDRESS")]
    pub step: Option<StepAddress>,

    /// Only sagas started since then: an age like 2h, or an RFC 3339 time.
    #[arg(long, value_name = "AGE|TIME", value_parser = since)]
    pub since: Option<Timestamp>,

    /// Sagas of one page.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,

    /// Go on where an earlier page ended.
    #[arg(long)]
    pub cursor: Option<String>,

    /// Every page, one after the other.
    #[arg(long)]
    pub all: bool,

    #[command(flatten)]
    pub target: Target,
}

pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let client = Client::new(&options.target)?;
    let mut cursor = options.cursor.clone();
    let mut shown = 0;
    loop {
        let answer = client.get("/v1/sagas", query(options, cursor.as_deref()))?;
        let page: SagaList = answer.read()?;
        shown += page.sagas.len();
        if options.target.json {
            say(answer.text.trim_end())?;
        } else if !page.sagas.is_empty() {
            say(table(&page, crate::terminal::now(), Terminal::detect()))?;
        }
        cursor = page.next_cursor;
        if cursor.is_none() || !options.all {
            break;
        }
    }
    if !options.target.json {
        match cursor {
            Some(cursor) => note(format_args!("{}; more with --cursor {cursor} or --all", count(shown, "saga"))),
            None => note(count(shown, "saga")),
        }
    }
    Ok(Exit::Success)
}

fn query<'a>(options: &Options, cursor: Option<&str>) -> Vec<(&'a str, String)> {
    let mut query = vec![("limit", options.limit.to_string())];
    query.extend(options.use_case.iter().map(|name| ("use-case", name.to_string())));
    query.extend(options.status.iter().map(|status| ("status", (*status).to_owned())));
    query.extend(options.step.iter().map(|step| ("step", step.to_string())));
    query.extend(options.since.iter().map(|since| ("since", since.to_string())));
    query.extend(cursor.map(|cursor| ("cursor", cursor.to_owned())));
    query
}

fn table(page: &SagaList, now: Timestamp, terminal: Terminal) -> String {
    let rows = page.sagas.iter().map(|saga| {
        let took = between(&saga.started_at, &saga.updated_at);
        vec![
            Field::new(&saga.global_id),
            Field::maybe(saga.use_case.as_ref()),
            Field::word(&saga.status),
            Field::maybe(saga.step.as_ref()),
            Field::new(ago(&saga.started_at, now)),
            Field::maybe(took),
        ]
    });
    terminal.table(&["saga", "use case", "status", "step", "started", "took"], rows.collect())
}

fn status(text: &str) -> Result<&'static str, String> {
    let words: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
    let meant = || match crate::near::nearest(text, words.iter().copied()) {
        Some(word) => format!("did you mean {word}?"),
        None => format!("write one of {}", words.join(", ")),
    };
    Status::parse(text).map(Status::as_str).ok_or_else(meant)
}

/// An age counts back from now.
pub fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(age) = input::span(text) {
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        return Ok(Timestamp::from_ms(crate::terminal::now().as_ms().saturating_sub(age_ms)));
    }
    Timestamp::parse(text).map_err(|_| "write an age like 2h or a time like 2026-11-22T18:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_one_saga_a_row() {
        let page: SagaList = serde_json::from_value(serde_json::json!({"sagas": [
            {"global-id": "order-1", "use-case": "shop", "status": "completed", "step": "shop.orders.complete",
             "started-at": "2026-11-22T18:00:00.000Z", "updated-at": "2026-11-22T18:00:00.031Z"},
            {"global-id": "x", "use-case": null, "status": "failed", "step": "a.b.c",
             "started-at": "2026-11-22T17:00:00.000Z", "updated-at": "2026-11-22T17:00:02.000Z"}
        ], "next-cursor": null}))
        .expect("the shape of the contract");
        let now = Timestamp::parse("2026-11-22T18:00:10Z").expect("a time");
        let expected = "\
─────────────────────────────────────────────────────────────────────────────
 saga      use case   status      step                   started       took
═════════════════════════════════════════════════════════════════════════════
 order-1   shop       completed   shop.orders.complete   10 s ago      31 ms
 x         -          failed      a.b.c                  1 h 0 m ago   2.0 s
─────────────────────────────────────────────────────────────────────────────";
        assert_eq!(table(&page, now, Terminal::plain()), expected);
    }

    #[test]
    fn a_misspelt_status_is_answered_with_the_nearest() {
        assert_eq!(status("compensation-failed"), Ok("compensation-failed"));
        assert_eq!(status("complted"), Err("did you mean completed?".to_owned()));
        assert!(status("xyzzy").expect_err("no status").starts_with("write one of running"));
    }

    #[test]
    fn since_takes_an_age_or_a_time() {
        assert!(since("2h").expect("an age") < crate::terminal::now());
        assert_eq!(since("2026-11-22T18:00:00Z"), Ok(Timestamp::parse("2026-11-22T18:00:00Z").expect("a time")));
        assert!(since("yesterday").is_err());
    }
}
