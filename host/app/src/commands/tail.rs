//! `saga tail`: follow the journal as it is written.

use clap::Args;
use host_core::id::{GlobalId, StepAddress, UseCaseName};

use crate::cli::Target;
use crate::client::Client;
use crate::client::view::Record;
use crate::exit::{Exit, Stop};
use crate::terminal::{Terminal, Tone, note, printable, say};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga tail                              every transition of every saga
  saga tail --use-case shop
  saga tail --global-id order-1 --json | jq .event")]
pub struct Options {
    /// Only this use case.
    #[arg(long, value_name = "NAME")]
    pub use_case: Option<UseCaseName>,

    /// Only this saga.
    #[arg(long, value_name = "ID")]
    pub global_id: Option<GlobalId>,

    /// Only this step.
    #[arg(long, value_name = "ADDRESS")]
    pub step: Option<StepAddress>,

    /// End after this many events.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,

    #[command(flatten)]
    pub target: Target,
}

pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let client = Client::new(&options.target)?;
    let mut query = Vec::new();
    query.extend(options.use_case.iter().map(|name| ("use-case", name.to_string())));
    query.extend(options.global_id.iter().map(|id| ("global-id", id.to_string())));
    query.extend(options.step.iter().map(|step| ("step", step.to_string())));
    let terminal = Terminal::detect();
    let mut left = options.count.unwrap_or(u64::MAX);
    let events = client.events("/v1/events", &query)?;
    note(format_args!("following {}; end with Ctrl-C", client.base()));
    for event in events {
        if left == 0 {
            return Ok(Exit::Success);
        }
        let event = event.map_err(|error| Stop::unreachable(format!("the host stopped answering: {error}")))?;
        if event.kind == "lagged" {
            note(format_args!("too slow: {} events were passed over", event.data));
            continue;
        }
        if options.target.json {
            say(&event.data)?
        } else {
            say(told(&serde_json::from_str(&event.data)?, terminal))?
        }
        left -= 1;
        if left == 0 {
            return Ok(Exit::Success);
        }
    }
    Err(Stop::unreachable("the host ended the stream; it was stopped or restarted").into())
}

/// One line a transition.
pub fn told(record: &Record, terminal: Terminal) -> String {
    let time = record.at.get(11..23).unwrap_or(&record.at);
    let arrow = if record.direction == "compensate" { "⟲" } else { "→" };
    let word = terminal.paint(Tone::of_word(&record.event), format_args!("{:<13}", record.event));
    let attempt = if record.attempt > 1 { format!(" (try {})", record.attempt) } else { String::new() };
    let cause = match (&record.code, &record.reason) {
        (Some(code), Some(reason)) => format!("  {code}: {reason}"),
        (Some(text), None) | (None, Some(text)) => format!("  {text}"),
        (None, None) => String::new(),
    };
    let use_case = record.use_case.as_deref().unwrap_or("-");
    let id = terminal.bold(printable(&record.global_id));
    let place = format!("{arrow} {}{attempt}", record.address);
    let cause = printable(&cause).replace('\n', " ");
    format!("{}  {id}  {use_case}  {word} {place}{cause}", terminal.paint(Tone::Faint, time))
}

/// A record that did not go over HTTP.
impl From<&host_core::record::Record> for Record {
    fn from(record: &host_core::record::Record) -> Self {
        let (code, reason) = record.event.cause();
        Self {
            global_id: record.global_id.to_string(),
            address: record.address.to_string(),
            direction: record.direction.as_str().to_owned(),
            event: record.event.as_str().to_owned(),
            at: record.at.to_string(),
            attempt: record.attempt,
            code: code.map(str::to_owned),
            reason: reason.map(str::to_owned),
            use_case: record.use_case.as_ref().map(|reference| reference.name.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line() {
        let data = r#"{"global-id":"order-1","message-id":"order-1/handle/2","position":2,"address":"shop.billing.payment",
            "direction":"handle","event":"rejected","at":"2026-11-22T18:00:00.123Z","digest":null,"attempt":2,
            "code":"payment-refused","reason":"above\n1000","use-case":"shop"}"#;
        let record: Record = serde_json::from_str(data).expect("the shape of the contract");
        let expected =
            "18:00:00.123  order-1  shop  rejected      → shop.billing.payment (try 2)  payment-refused: above 1000";
        assert_eq!(told(&record, Terminal::plain()), expected);
    }
}
