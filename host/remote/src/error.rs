//! Why a worker is refused.

use host_core::id::StepAddress;

/// A refusal, with what the worker's people can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error(
        "{0} is no remote step of this host; put {0}.toml with a table [remote] into the plugins folder, without a \
         {0}.wasm"
    )]
    UnknownStep(StepAddress),
    #[error("send the step's token as authorization: Bearer <token>")]
    NoToken,
    #[error("the token is not the one whose hash the step's manifest names under [remote] token-sha256")]
    WrongToken,
    #[error(
        "this lease is over: it ran out, the call was answered before, or the host was restarted; what was to be done \
         is done again, so undo nothing and answer nothing more"
    )]
    LeaseOver,
    /// The call stays with the worker until its lease runs out.
    #[error("the answer breaks the contract: {0}")]
    InvalidAnswer(String),
    #[error("this host is ending; ask the one that comes after it")]
    Closed,
}
