//! What an error of the client or the server means: whether to try again, and what a person can do. The only place that
//! reads codes and words of PostgreSQL.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::shared::{Error, Remedy};

const AWAY: &str = "it is asked again; see whether the server runs and can be reached from here";
const CHANGED: &str = "the tables were changed or dropped; bring them back, then restart";

pub(super) fn failed(server: &Arc<str>, doing: &'static str, error: &tokio_postgres::Error) -> Error {
    let (remedy, cure) = match error.code() {
        Some(code) => of_code(code),
        None => of_client(error),
    };
    Error::Failed { server: server.clone(), doing, cause: words(error), cure, remedy }
}

/// The server did not answer in the time in which it would have given up itself.
pub(super) fn silent(server: &Arc<str>, doing: &'static str, waited: Duration) -> Error {
    let cause = format!("no answer within {} s", waited.as_secs_f32());
    Error::Failed { server: server.clone(), doing, cause, cure: AWAY, remedy: Remedy::Again }
}

/// The server is not one that this backend can work with.
pub(super) fn unfit(server: &Arc<str>, doing: &'static str, cause: String, cure: &'static str) -> Error {
    Error::Failed { server: server.clone(), doing, cause, cure, remedy: Remedy::Operator }
}

pub(super) fn corrupt(server: &Arc<str>, what: &'static str, cause: &dyn std::error::Error) -> Error {
    Error::Corrupt { server: server.clone(), what, cause: cause.to_string() }
}

fn of_code(code: &SqlState) -> (Remedy, &'static str) {
    const OPERATOR: Remedy = Remedy::Operator;
    const AGAIN: Remedy = Remedy::Again;
    match code.code() {
        "28P01" | "28000" => (OPERATOR, "check the user and the password, and the server's pg_hba.conf"),
        "3D000" => (OPERATOR, "create the database, or name another one in the address"),
        "42501" => (OPERATOR, "let the schema belong to this user: CREATE SCHEMA saga AUTHORIZATION its-name"),
        "3F000" | "42P01" | "42703" => (OPERATOR, CHANGED),
        "53300" => (AGAIN, "it is asked again; raise the server's max_connections, or let each host have fewer"),
        "53100" => (AGAIN, "it is asked again; make room on the server's disk"),
        "25006" => (AGAIN, "it is asked again; the server takes no writes, as a standby does: name the primary"),
        "57014" => (AGAIN, "it is asked again; see what holds the server up, in pg_stat_activity and pg_locks"),
        "25P03" => (AGAIN, "it is asked again; this host stood still in the middle of a commit"),
        "23505" => (OPERATOR, "something else writes to these tables; see what it is"),
        other => match other.get(..2).unwrap_or_default() {
            "08" | "40" | "53" | "55" | "57" | "58" => (AGAIN, AWAY),
            "XX" => (OPERATOR, "see the server's log"),
            _ => (Remedy::GiveUp, "this is a mistake of the host; please report it"),
        },
    }
}

/// Nothing but the words tells these apart.
fn of_client(error: &tokio_postgres::Error) -> (Remedy, &'static str) {
    match error.to_string().as_str() {
        "error connecting to server"
        | "error communicating with the server"
        | "connection closed"
        | "timeout waiting for server"
        | "unexpected message from server"
        | "error parsing response from server" => (Remedy::Again, AWAY),
        "error performing TLS handshake" => {
            (Remedy::Operator, "let the server speak TLS with a certificate of its name, and name its authority here")
        }
        "authentication error" | "invalid configuration" => {
            (Remedy::Operator, "check the user and the password of the address")
        }
        "query returned an unexpected number of rows" => (Remedy::Operator, CHANGED),
        _ => (Remedy::GiveUp, "this is a mistake of the host; please report it"),
    }
}

/// The error and what it came from, as one line. Neither holds a password: the server is never told it in words, and
/// the client does not print it.
fn words(error: &tokio_postgres::Error) -> String {
    let mut words = match error.as_db_error() {
        Some(error) => return format!("{} ({})", error.message(), error.code().code()),
        None => error.to_string(),
    };
    let mut source = error.source();
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}
