//! `saga topics`: what waits in the topics, and who serves them.

use clap::Args;
use host_core::time::Timestamp;

use crate::cli::Target;
use crate::client::Client;
use crate::client::view::{Topic, Topics};
use crate::exit::Exit;
use crate::terminal::{Field, Terminal, Tone, ago, say};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga topics                 every topic that holds or held something
  saga topics --dangling      only those that hold messages and that nobody here serves")]
pub struct Options {
    /// Only topics with messages that nobody here serves.
    #[arg(long)]
    pub dangling: bool,

    #[command(flatten)]
    pub target: Target,
}

pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let answer = Client::new(&options.target)?.get("/v1/topics", Vec::new())?;
    if options.target.json && !options.dangling {
        say(answer.text.trim_end())?;
        return Ok(Exit::Success);
    }
    let page: Topics = answer.read()?;
    let topics: Vec<&Topic> = page.topics.iter().filter(|topic| !options.dangling || is_dangling(topic)).collect();
    if options.target.json {
        let names: Vec<&str> = topics.iter().map(|topic| topic.topic.as_str()).collect();
        say(serde_json::json!({"topics": names}))?;
    } else if topics.is_empty() {
        say(if options.dangling { "every topic with messages is served here" } else { "there is no topic yet" })?;
    } else {
        say(table(&topics, crate::terminal::now(), Terminal::detect()))?;
    }
    Ok(Exit::Success)
}

/// Messages wait in it and nobody here takes them: a foreign service's, or a step that is missing.
pub fn is_dangling(topic: &Topic) -> bool {
    let is_queue = matches!(topic.kind.as_deref(), Some("in" | "compensate"));
    is_queue && topic.served_here == Some(false) && topic.messages + topic.delayed > 0
}

fn table(topics: &[&Topic], now: Timestamp, terminal: Terminal) -> String {
    let rows = topics.iter().map(|topic| {
        let served = match topic.served_here {
            Some(true) => Field::toned(Tone::Good, "here"),
            Some(false) if is_dangling(topic) => Field::toned(Tone::Warning, "not here"),
            Some(false) => Field::toned(Tone::Faint, "not here"),
            None => Field::none(),
        };
        let oldest = topic.oldest_at.as_deref().map(|at| ago(at, now));
        vec![
            Field::new(&topic.topic),
            Field::new(topic.messages),
            Field::new(topic.in_flight),
            Field::new(topic.delayed),
            Field::maybe(oldest),
            served,
        ]
    });
    terminal.table(&["topic", "messages", "in flight", "delayed", "oldest", "served"], rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_with_messages_that_nobody_serves_is_dangling() {
        let page: Topics = serde_json::from_value(serde_json::json!({"topics": [
            {"topic": "a.b.c.in", "messages": 2, "delayed": 0, "in-flight": 1, "kind": "in", "served-here": true},
            {"topic": "x.y.z.in", "messages": 3, "delayed": 0, "in-flight": 0, "kind": "in", "served-here": false},
            {"topic": "x.y.w.in", "messages": 0, "delayed": 0, "in-flight": 0, "kind": "in", "served-here": false},
            {"topic": "x.y.z.error", "messages": 7, "kind": "error", "served-here": false},
            {"topic": "orders.placed", "messages": 7}
        ]}))
        .expect("the shape of the API");
        let dangling: Vec<&str> =
            page.topics.iter().filter(|topic| is_dangling(topic)).map(|topic| topic.topic.as_str()).collect();
        assert_eq!(dangling, ["x.y.z.in"]);
        let now = Timestamp::parse("2026-11-22T18:00:00Z").expect("a time");
        let table = table(&page.topics.iter().collect::<Vec<_>>(), now, Terminal::plain());
        assert!(table.contains("not here"), "{table}");
    }
}
