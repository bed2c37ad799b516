//! Where the host's own lines go: standard error, as text for people or JSON for programs.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat, LogLevel};

/// Begin to write lines. A second call changes nothing.
pub fn begin(log: &Log) {
    let filter = EnvFilter::new(directives(log.level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let has_colour =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let begun = match log.format {
        LogFormat::Text => builder.with_ansi(has_colour).with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // The only failure is that lines are being written already.
    drop(begun);
}

/// Our own rooms at the level that was asked for; the libraries below them only when they have something to report.
fn directives(level: LogLevel) -> String {
    let (ours, theirs) = match level {
        LogLevel::Error => ("error", "error"),
        LogLevel::Warn => ("warn", "warn"),
        LogLevel::Info => ("info", "warn"),
        LogLevel::Debug => ("debug", "warn"),
        LogLevel::Trace => ("trace", "info"),
    };
    let rooms = ["saga", "plugin", "host_broker", "host_engine", "host_monitor", "host_runtime", "host_store"];
    rooms.iter().fold(theirs.to_owned(), |all, room| format!("{all},{room}={ours}"))
}
