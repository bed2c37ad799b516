//! Log lines of a step. A line leaves at once, also when the call fails or is repeated: a log is no effect of the saga.
//! Grant: none needed.

use std::fmt;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every little thing.
    Trace,
    /// For the author of the step.
    Debug,
    /// What the operator may want to know.
    Info,
    /// Unexpected, but handled.
    Warn,
    /// Somebody has to look.
    Error,
}

#[doc(hidden)]
pub fn write(level: Level, target: &str, message: fmt::Arguments<'_>) {
    match message.as_str() {
        Some(text) => crate::host::log(level, target, text),
        None => crate::host::log(level, target, &message.to_string()),
    }
}

/// Log at [`Level::Trace`]. Arguments as for [`format!`].
#[macro_export]
macro_rules! trace {
    ($($message:tt)+) => {
        $crate::log::write($crate::log::Level::Trace, ::core::module_path!(), ::core::format_args!($($message)+))
    };
}

/// Log at [`Level::Debug`]. Arguments as for [`format!`].
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => {
        $crate::log::write($crate::log::Level::Debug, ::core::module_path!(), ::core::format_args!($($message)+))
    };
}

/// Log at [`Level::Info`]. Arguments as for [`format!`]. Never log a payload.
///
/// ```
/// # let account = "a-1";
/// saga_step::info!("account {account} is opened");
/// ```
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => {
        $crate::log::write($crate::log::Level::Info, ::core::module_path!(), ::core::format_args!($($message)+))
    };
}

/// Log at [`Level::Warn`]. Arguments as for [`format!`].
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => {
        $crate::log::write($crate::log::Level::Warn, ::core::module_path!(), ::core::format_args!($($message)+))
    };
}

/// Log at [`Level::Error`]. Arguments as for [`format!`].
#[macro_export]
macro_rules! error {
    ($($message:tt)+) => {
        $crate::log::write($crate::log::Level::Error, ::core::module_path!(), ::core::format_args!($($message)+))
    };
}
