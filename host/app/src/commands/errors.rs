//! `saga errors`: what stands in the way now, grouped by cause.

use clap::Args;
use host_core::id::UseCaseName;
use host_core::time::Timestamp;

use crate::cli::Target;
use crate::client::Client;
use crate::client::view::{ErrorGroup, ErrorGroups};
use crate::exit::Exit;
use crate::terminal::{Field, Terminal, Tone, ago, note, say};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga errors                                   most sagas first
  saga errors --use-case review
  saga retry --group 1f3a90c2 --dry-run         what a retry of the whole group would do
  saga retry --group 1f3a90c2 --reason 'ledger is back'

The exit status is 0 also when there are errors: the question was answered.")]
pub struct Options {
    /// Only this use case.
    #[arg(long, value_name = "NAME")]
    pub use_case: Option<UseCaseName>,

    /// Go on where an earlier page ended.
    #[arg(long)]
    pub cursor: Option<String>,

    #[command(flatten)]
    pub target: Target,
}

pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let mut query: Vec<_> = options.use_case.iter().map(|name| ("use-case", name.to_string())).collect();
    query.extend(options.cursor.iter().map(|cursor| ("cursor", cursor.clone())));
    let answer = Client::new(&options.target)?.get("/v1/errors", query)?;
    let page: ErrorGroups = answer.read()?;
    if options.target.json {
        say(answer.text.trim_end())?;
        return Ok(Exit::Success);
    }
    if page.groups.is_empty() {
        say("nothing stands in the way")?;
    } else {
        say(table(&page.groups, crate::terminal::now(), Terminal::detect()))?;
    }
    if let Some(cursor) = page.next_cursor {
        note(format_args!("more with --cursor {cursor}"));
    }
    Ok(Exit::Success)
}

fn table(groups: &[ErrorGroup], now: Timestamp, terminal: Terminal) -> String {
    let rows = groups.iter().map(|group| {
        let tone = if group.kind == "retrying" { Tone::Warning } else { Tone::Bad };
        let place = match (&group.step, &group.direction) {
            (Some(step), Some(direction)) if direction == "compensate" => Some(format!("{step} (compensate)")),
            (Some(step), _) => Some(step.clone()),
            (None, _) => None,
        };
        vec![
            Field::new(&group.group),
            Field::toned(tone, group.count),
            Field::maybe(group.use_case.as_ref()),
            Field::maybe(place),
            Field::toned(tone, &group.kind),
            Field::new(cause(group)),
            Field::new(ago(&group.first_at, now)),
            Field::new(ago(&group.last_at, now)),
            Field::maybe(group.examples.first()),
        ]
    });
    let header = ["group", "sagas", "use case", "step", "kind", "cause", "first", "last", "for example"];
    terminal.table(&header, rows.collect())
}

fn cause(group: &ErrorGroup) -> String {
    match (&group.code, &group.reason) {
        (Some(code), Some(reason)) if *code != group.kind => format!("{code}: {reason}"),
        (_, Some(reason)) => reason.clone(),
        (Some(code), None) => code.clone(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_tells_where_why_how_many_and_since_when() {
        let page: ErrorGroups = serde_json::from_value(serde_json::json!({"groups": [
            {"group": "1f3a", "use-case": "review", "step": "review.moderation.check", "direction": "compensate",
             "kind": "retry-exhausted", "code": "retry-exhausted", "reason": "moderation is down", "count": 12,
             "first-at": "2026-11-22T17:00:00.000Z", "last-at": "2026-11-22T17:59:58.000Z", "examples": ["r-1", "r-2"]}
        ], "next-cursor": null}))
        .expect("the shape of the contract");
        let now = Timestamp::parse("2026-11-22T18:00:00Z").expect("a time");
        let table = table(&page.groups, now, Terminal::plain());
        for part in [
            "1f3a",
            "12",
            "review",
            "(compensate)",
            "retry-exhausted",
            "moderation is down",
            "1 h 0 m ago",
            "2 s ago",
            "r-1",
        ] {
            assert!(table.contains(part), "{part} is missing in\n{table}");
        }
    }
}
