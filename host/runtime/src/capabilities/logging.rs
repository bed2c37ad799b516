//! `wasi:logging`: lines of the plugin for the operator. They leave at once and are no effect of the saga.

use host_core::limits::cut;

use crate::LogLevel;
use crate::LogLine;
use crate::capabilities::bindings::saga::step::types;
use crate::capabilities::bindings::wasi::logging::logging::{Host, Level};
use crate::limits;
use crate::sandbox::Sandbox;

impl types::Host for Sandbox {}

impl Host for Sandbox {
    fn log(&mut self, level: Level, context: String, message: String) {
        let level = match level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
            Level::Critical => LogLevel::Critical,
        };
        self.log_line(level, &context, &message);
    }
}

impl Sandbox {
    /// Pass one line on, or count it as dropped when the call has written enough.
    pub(crate) fn log_line(&mut self, level: LogLevel, context: &str, message: &str) {
        let call = &mut self.call;
        let bytes = message.len().min(limits::LOG_LINE_BYTES_MAX);
        if call.log_count >= limits::LOG_LINES_MAX || call.log_bytes + bytes > limits::LOG_BYTES_MAX {
            call.log_dropped += 1;
            return;
        }
        call.log_count += 1;
        call.log_bytes += bytes;
        if call.kept_logs.is_none() && !is_wanted(level) {
            return;
        }
        let message = shown(message);
        let step = self.terms.manifest.address.as_str();
        let saga = call.global_id.as_ref().map_or("", |id| id.as_str());
        let context = &*shown(&cut(context, limits::LOG_CONTEXT_BYTES_MAX));
        match level {
            LogLevel::Trace => tracing::trace!(target: "plugin", step, saga, context, "{message}"),
            LogLevel::Debug => tracing::debug!(target: "plugin", step, saga, context, "{message}"),
            LogLevel::Info => tracing::info!(target: "plugin", step, saga, context, "{message}"),
            LogLevel::Warn => tracing::warn!(target: "plugin", step, saga, context, "{message}"),
            LogLevel::Error | LogLevel::Critical => {
                tracing::error!(target: "plugin", step, saga, context, "{message}");
            }
        }
        if let Some(kept) = &mut call.kept_logs {
            kept.push(LogLine { level, context: context.to_owned(), message });
        }
    }

    /// Say how many lines were dropped, once, at the end of the call.
    pub(crate) fn log_dropped(&mut self) {
        let dropped = std::mem::take(&mut self.call.log_dropped);
        if dropped > 0 {
            let step = self.terms.manifest.address.as_str();
            let saga = self.call.global_id.as_ref().map_or("", |id| id.as_str());
            tracing::warn!(target: "plugin", step, saga, dropped, "log lines over the limit of one call were dropped");
            if let Some(kept) = &mut self.call.kept_logs {
                let message = format!("{dropped} more lines were dropped: over the limit of one call");
                kept.push(LogLine { level: LogLevel::Warn, context: String::new(), message });
            }
        }
    }
}

/// Whether anybody listens to lines of this level.
fn is_wanted(level: LogLevel) -> bool {
    match level {
        LogLevel::Trace => tracing::enabled!(target: "plugin", tracing::Level::TRACE),
        LogLevel::Debug => tracing::enabled!(target: "plugin", tracing::Level::DEBUG),
        LogLevel::Info => tracing::enabled!(target: "plugin", tracing::Level::INFO),
        LogLevel::Warn => tracing::enabled!(target: "plugin", tracing::Level::WARN),
        LogLevel::Error | LogLevel::Critical => tracing::enabled!(target: "plugin", tracing::Level::ERROR),
    }
}

/// A plugin's text as one line that cannot disguise itself as another: control characters are written out.
fn shown(message: &str) -> String {
    let cut = cut(message.trim_end(), limits::LOG_LINE_BYTES_MAX);
    if !cut.chars().any(|c| c.is_control() && c != '\t') {
        return cut;
    }
    let mut text = String::with_capacity(cut.len() + 16);
    for c in cut.chars() {
        match c {
            '\n' => text.push_str("\\n"),
            c if c.is_control() && c != '\t' => text.extend(c.escape_default()),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_line_cannot_break_out_of_its_line() {
        assert_eq!(shown("plain\ttext \n"), "plain\ttext");
        assert_eq!(shown("one\ntwo\u{1b}[31m"), "one\\ntwo\\u{1b}[31m");
    }
}
