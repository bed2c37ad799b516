//! Progress of whatever takes over a second: a spinner on a screen, plain lines elsewhere. On standard error, so that
//! answers stay clean.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::terminal::note;

/// One piece of work under way.
pub struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    pub fn begin(what: impl Into<String>) -> Self {
        let what = what.into();
        if !std::io::stderr().is_terminal() {
            note(&what);
            return Self { bar: None };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar: Some(bar) }
    }

    /// The next part of the work. Off the screen it is a line of its own, so call it for parts, not for counts.
    pub fn next(&self, what: impl Into<String>) {
        match &self.bar {
            Some(bar) => bar.set_message(what.into()),
            None => note(what.into()),
        }
    }

    /// How far it is; shown on a screen only.
    pub fn at(&self, what: impl Into<String>) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.into());
        }
    }

    /// Take it off the screen.
    pub fn end(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
