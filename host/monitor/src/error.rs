//! Why the monitor does not start. What a caller over HTTP is told stands in `http::problem`.

use std::net::SocketAddr;

/// A refusal to start; nothing runs afterwards.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "listen address {listen} can be reached from other machines and no token is set; \
         set `token` in saga.toml (or SAGA_TOKEN), or listen on 127.0.0.1"
    )]
    TokenMissing { listen: SocketAddr },
    #[error("the token is empty; write at least one character, or leave it out on a loopback address")]
    TokenEmpty,
    #[error(
        "the token holds a character that an HTTP header cannot carry; use letters, digits and punctuation of ASCII"
    )]
    TokenUnsendable,
    #[error("cannot listen on {listen}: {cause}; choose another `listen` in saga.toml (or SAGA_LISTEN)")]
    Bind { listen: SocketAddr, cause: std::io::Error },
}
