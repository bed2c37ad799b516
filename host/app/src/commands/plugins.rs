//! `saga plugins`: the steps that are loaded, and the files that are not, with the reason.

use clap::Args;
use host_core::time::Timestamp;

use crate::cli::Target;
use crate::client::Client;
use crate::client::view::{Plugins, Worker};
use crate::exit::Exit;
use crate::terminal::{Field, Terminal, ago, bytes, say};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga plugins
  saga plugins --json | jq '.plugins[] | select(.state == \"rejected\")'

The exit status is 1 if a file was rejected.")]
pub struct Options {
    #[command(flatten)]
    pub target: Target,
}

pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let answer = Client::new(&options.target)?.get("/v1/plugins", Vec::new())?;
    let page: Plugins = answer.read()?;
    if options.target.json {
        say(answer.text.trim_end())?;
    } else if page.plugins.is_empty() {
        say("no plugin is loaded; drop `<address>.wasm` into the plugins folder (`saga new`, `saga build`)")?;
    } else {
        say(table(&page, crate::terminal::now(), Terminal::detect()))?;
    }
    Ok(Exit::of(page.plugins.iter().all(|plugin| plugin.state != "rejected")))
}

fn table(page: &Plugins, now: Timestamp, terminal: Terminal) -> String {
    let rows = page.plugins.iter().map(|plugin| {
        let digest = plugin.digest.as_deref().map(short_digest);
        let grants = Some(plugin.grants.join(" ")).filter(|grants| !grants.is_empty());
        vec![
            Field::new(&plugin.address),
            Field::word(&plugin.state),
            match &plugin.workers {
                Some(_) => Field::new("remote"),
                None => Field::maybe(digest),
            },
            match &plugin.workers {
                Some(workers) => Field::new(staff(workers, now)),
                None => Field::maybe(plugin.wasm_bytes.map(bytes)),
            },
            Field::maybe(plugin.since.as_deref().map(|since| ago(since, now))),
            Field::maybe(grants),
            Field::maybe(plugin.reason.as_ref()),
        ]
    });
    terminal.table(&["step", "state", "digest", "size or workers", "since", "grants", "why"], rows.collect())
}

/// The workers of a remote step, with the calls that each holds.
fn staff(workers: &[Worker], now: Timestamp) -> String {
    let told = workers.iter().map(|worker| match worker.in_flight {
        0 => format!("{}, {}", worker.name, ago(&worker.last_seen, now)),
        1 => format!("{}, 1 call", worker.name),
        calls => format!("{}, {calls} calls", worker.name),
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() { "no worker asks".to_owned() } else { told.join("; ") }
}

/// Enough of a digest for a person to tell two versions apart.
pub fn short_digest(digest: &str) -> &str {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    hex.get(..12).unwrap_or(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejected_file_is_shown_with_its_reason() {
        let page: Plugins = serde_json::from_value(serde_json::json!({"plugins": [
            {"address": "a.b.c", "digest": "sha256:0123456789abcdef0123", "state": "serving",
             "since": "2026-11-22T17:59:00.000Z", "grants": ["keyvalue", "events"], "reason": null},
            {"address": "a.b.d", "digest": null, "state": "rejected", "since": "2026-11-22T17:59:00.000Z",
             "grants": [], "reason": "it is no component"},
            {"address": "a.b.e", "digest": null, "state": "serving", "since": "2026-11-22T17:59:00.000Z",
             "grants": [], "reason": null, "workers": [
                {"name": "w-1", "last-seen": "2026-11-22T17:59:30.000Z", "in-flight": 2},
                {"name": "w-2", "last-seen": "2026-11-22T17:59:30.000Z", "in-flight": 0}]}
        ]}))
        .expect("the shape of the contract");
        let now = Timestamp::parse("2026-11-22T18:00:00Z").expect("a time");
        let table = table(&page, now, Terminal::plain());
        for part in [
            "0123456789ab ",
            "keyvalue events",
            "1 m 0 s ago",
            "rejected",
            "it is no component",
            "remote",
            "w-1, 2 calls; w-2, 30 s ago",
        ] {
            assert!(table.contains(part), "{part} is missing in\n{table}");
        }
    }
}
