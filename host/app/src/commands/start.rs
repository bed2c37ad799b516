//! `saga start`: begin a saga, and if asked, wait for its own outcome.

use std::time::Duration;

use clap::Args;
use host_core::id::{GlobalId, UseCaseName};

use super::input;
use crate::cli::Target;
use crate::client::view::Started;
use crate::client::{Client, Request, encode};
use crate::exit::Exit;
use crate::terminal::{Terminal, Tone, printable, say};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga start shop --body '{\"order-id\":\"1\",\"item\":\"book\",\"quantity\":1,\"amount\":20}' --wait 5s
  saga start pay --body @payment.json --global-id payment-42     the same id again starts nothing new
  jq '.order' big.json | saga start uc-1-1 --body - --json

With --wait the exit status is 1 if the saga did not complete in time, or did not complete at all.")]
pub struct Options {
    /// Name of the use case; `saga use-cases` lists them.
    pub use_case: UseCaseName,

    /// Body of the first step's message: JSON text, @file, or - for standard input.
    #[arg(long, value_name = "JSON|@FILE|-", default_value = "{}", allow_hyphen_values = true)]
    pub body: String,

    /// Identity of the saga; the host mints one if it is left out.
    #[arg(long, value_name = "ID")]
    pub global_id: Option<GlobalId>,

    /// Wait for the outcome, at most this long.
    #[arg(long, value_name = "DURATION", value_parser = input::span)]
    pub wait: Option<Duration>,

    #[command(flatten)]
    pub target: Target,
}

pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let body = input::body(&options.body)?;
    let mut headers = Vec::new();
    if let Some(id) = &options.global_id {
        headers.push(("global-id", id.to_string()));
    }
    let wait = options.wait.unwrap_or_default();
    if options.wait.is_some() {
        headers.push(("prefer", format!("wait={}", wait.as_secs_f64())));
    }
    let path = format!("/v1/use-cases/{}/sagas", encode(options.use_case.as_str()));
    let request = Request { headers, body: Some(body.as_str().to_owned()), wait, ..Request::default() };
    let answer = Client::new(&options.target)?.post(&path, request)?;
    let started: Started = answer.read()?;
    if options.target.json {
        say(answer.text.trim_end())?;
    } else {
        say(outcome(&started, options.wait, Terminal::detect()))?;
    }
    Ok(Exit::of(options.wait.is_none() || started.status == "completed"))
}

fn outcome(started: &Started, waited: Option<Duration>, terminal: Terminal) -> String {
    let id = printable(&started.global_id);
    let status = terminal.paint(Tone::of_word(&started.status), &started.status);
    let mut lines = vec![format!("{id}  {status}")];
    if let Some(failure) = &started.failure {
        let told = format!("{} {}: {}", failure.address, failure.code, failure.reason);
        lines.push(format!("  {}", terminal.paint(Tone::Warning, printable(&told))));
    }
    let goes_on = matches!(started.status.as_str(), "running" | "waiting" | "compensating");
    match waited {
        Some(wait) if goes_on => {
            let waited = crate::terminal::span(wait);
            lines.push(format!("  not ended after {waited}; ask again with `saga show {id}`"));
        }
        Some(_) => lines.extend(started.body.iter().map(|body| format!("  {}", printable(body.as_str())))),
        None => lines.push(format!("  follow it with `saga show {id}`")),
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use host_core::json::Json;

    use super::*;
    use crate::client::view::Failure;

    fn started(status: &str) -> Started {
        Started { global_id: "order-1".to_owned(), status: status.to_owned(), body: None, failure: None }
    }

    #[test]
    fn the_outcome_tells_status_refusal_and_body() {
        let saga = Started {
            body: Some(Json::try_from_text(r#"{"order-id":"1","amount":12.50}"#).expect("this is JSON")),
            failure: Some(Failure {
                address: "shop.billing.payment".to_owned(),
                direction: "handle".to_owned(),
                kind: "rejected".to_owned(),
                code: "payment-refused".to_owned(),
                reason: "above 1000".to_owned(),
                at: String::new(),
            }),
            ..started("compensated")
        };
        let expected = "\
order-1  compensated
  shop.billing.payment payment-refused: above 1000
  {\"order-id\":\"1\",\"amount\":12.50}";
        assert_eq!(outcome(&saga, Some(Duration::from_secs(5)), Terminal::plain()), expected);
    }

    #[test]
    fn a_saga_that_goes_on_is_told_with_the_next_command() {
        let told = outcome(&started("running"), Some(Duration::from_secs(5)), Terminal::plain());
        assert_eq!(told, "order-1  running\n  not ended after 5.0 s; ask again with `saga show order-1`");
        let told = outcome(&started("running"), None, Terminal::plain());
        assert_eq!(told, "order-1  running\n  follow it with `saga show order-1`");
    }
}
