//! How the process ends: the four exit statuses of the contract, and the error that carries one.
//! It must not print: whoever holds the terminal does.

use std::fmt;
use std::process::ExitCode;

/// What a shell script may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Success,
    /// The answer is no: a saga failed, a check failed, the host refused.
    No,
    /// The command line or a file that it names is wrong.
    Usage,
    /// No host answers.
    Unreachable,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::No => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
        }
    }

    /// `Success` if the answer is yes.
    pub fn of(yes: bool) -> Self {
        if yes { Exit::Success } else { Exit::No }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// An error that knows its exit status. Any other error ends the process with `Exit::No`.
#[derive(Debug)]
pub struct Stop {
    pub exit: Exit,
    pub message: String,
}

impl Stop {
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into() }
    }

    pub fn no(message: impl Into<String>) -> Self {
        Self { exit: Exit::No, message: message.into() }
    }

    pub fn unreachable(message: impl Into<String>) -> Self {
        Self { exit: Exit::Unreachable, message: message.into() }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Stop {}

/// The exit status that an error asks for.
pub fn of_error(error: &anyhow::Error) -> Exit {
    let is_broken_pipe = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe);
    if is_broken_pipe {
        // `saga list | head`: the reader has seen enough, which is no failure.
        return Exit::Success;
    }
    error.downcast_ref::<Stop>().map_or(Exit::No, |stop| stop.exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_ends_with_the_status_it_carries() {
        assert_eq!(of_error(&Stop::usage("x").into()), Exit::Usage);
        assert_eq!(of_error(&Stop::unreachable("x").into()), Exit::Unreachable);
        assert_eq!(of_error(&anyhow::Error::from(Stop::unreachable("x")).context("while asking")), Exit::Unreachable);
        assert_eq!(of_error(&anyhow::anyhow!("x")), Exit::No);
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let error = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(of_error(&anyhow::Error::from(error).context("printing")), Exit::Success);
    }
}
