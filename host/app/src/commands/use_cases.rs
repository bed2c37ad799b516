//! `saga use-cases`: the definitions in force, and the files that are not, with the reason.

use clap::Args;

use crate::cli::Target;
use crate::client::Client;
use crate::client::view::UseCases;
use crate::exit::Exit;
use crate::terminal::{Field, Terminal, Tone, printable, say};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga use-cases
  saga use-cases --json | jq '.\"use-cases\"[].name'

The exit status is 1 if a file was refused.")]
pub struct Options {
    #[command(flatten)]
    pub target: Target,
}

pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let answer = Client::new(&options.target)?.get("/v1/use-cases", Vec::new())?;
    let page: UseCases = answer.read()?;
    if options.target.json {
        say(answer.text.trim_end())?;
    } else {
        say(text(&page, Terminal::detect()))?;
    }
    Ok(Exit::of(page.problems.is_empty()))
}

fn text(page: &UseCases, terminal: Terminal) -> String {
    let mut blocks = Vec::new();
    if page.use_cases.is_empty() {
        blocks.push("no use case is defined; write one into the use-cases folder".to_owned());
    } else {
        let rows = page.use_cases.iter().map(|use_case| {
            vec![
                Field::new(&use_case.name),
                Field::new(use_case.version),
                Field::new(&use_case.owner),
                Field::new(use_case.steps.join(" → ")),
                Field::maybe(use_case.trigger_topic.as_ref()),
                Field::new(&use_case.description),
            ]
        });
        let header = ["use case", "version", "owner", "steps", "triggered by", "what it is"];
        blocks.push(terminal.table(&header, rows.collect()));
    }
    for problem in &page.problems {
        blocks.push(format!("{} {}", terminal.paint(Tone::Bad, "refused:"), printable(problem)));
    }
    blocks.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_files_stand_below_the_definitions() {
        let page: UseCases = serde_json::from_value(serde_json::json!({"use-cases": [
            {"name": "shop", "version": 3, "owner": "team-shop", "description": "sell", "steps": ["a.b.c", "a.b.d"]}
        ], "problems": ["bad.toml:1: name: it is missing; add it"]}))
        .expect("the shape of the API");
        let text = text(&page, Terminal::plain());
        for part in ["shop", "3", "a.b.c → a.b.d", "refused: bad.toml:1: name: it is missing; add it"] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }
}
