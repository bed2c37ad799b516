//! One node as a process: found by what the script wrote about it, signalled, waited for, and what it said.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::check::until;

/// The node's process; none if it is gone. A process that only got its number is not taken for it.
pub(super) fn process(folder: &Path, node: u32) -> Option<Pid> {
    let id = std::fs::read_to_string(file(folder, node, "pid")).ok()?;
    let command_line = std::fs::read(format!("/proc/{}/cmdline", id.trim())).ok()?;
    let properties = file(folder, node, "properties");
    let is_it =
        command_line.split(|byte| *byte == 0).any(|argument| argument == properties.as_os_str().as_encoded_bytes());
    is_it.then(|| Pid::from_raw(id.trim().parse().expect("the script writes a number")))
}

pub(super) fn signal(folder: &Path, node: u32, signal: Signal) {
    let process = process(folder, node).unwrap_or_else(|| panic!("node {node} is not running, so no {signal} for it"));
    kill(process, signal).unwrap_or_else(|error| panic!("{signal} for node {node}: {error}"));
}

pub(super) fn wait_until_gone(folder: &Path, node: u32) {
    until(&format!("node {node} is gone"), || process(folder, node).is_none().then_some(()));
}

/// The last lines that the nodes said.
pub(super) fn log_tails(folder: &Path, nodes: RangeInclusive<u32>) -> String {
    let tail = |node: u32| {
        let text = std::fs::read_to_string(file(folder, node, "log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("--- Kafka node {node}\n{}\n", lines[lines.len().saturating_sub(20)..].join("\n"))
    };
    nodes.map(tail).collect()
}

fn file(folder: &Path, node: u32, extension: &str) -> PathBuf {
    folder.join(format!("node-{node}.{extension}"))
}
