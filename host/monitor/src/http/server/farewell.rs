//! The last words on a connection whose request could not be read as HTTP: a problem document like any other, and a
//! moment for the client to take it before the socket is closed.

use std::time::Duration;

use hyper::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::problem::{Code, Problem};
use crate::limits::HEAD_BYTES_MAX;

/// How long the client may take for the last words, and to notice the end.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes still read and thrown away meanwhile: unread ones would make the system cut off what was written.
const LINGER_BYTES_MAX: usize = 1 << 20;
/// What HTTP/2 begins with.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0";

/// Why the protocol gave up on a connection, where the client can still be told.
pub(super) fn problem_of(error: &Error, refused: Option<u16>, unread: &[u8]) -> Option<Problem> {
    if error.is_timeout() && !unread.is_empty() {
        let detail = "the request's head did not come to its end in time; send it without pauses";
        return Some(Problem::new(Code::RequestTimeout, detail));
    }
    if unread.starts_with(HTTP_2) {
        return Some(Problem::new(Code::BadRequest, "this is HTTP/2; the host speaks HTTP/1.1"));
    }
    match refused? {
        431 | 414 => {
            let detail =
                format!("the request line and the headers are larger than {HEAD_BYTES_MAX} bytes, or too many");
            Some(Problem::new(Code::HeadTooLarge, detail))
        }
        _ => Some(Problem::new(Code::BadRequest, format!("the request cannot be read: {error}"))),
    }
}

/// Write the problem, then close in order.
pub(super) async fn say(mut socket: TcpStream, problem: &Problem) {
    let bytes = as_last_answer(problem);
    let told = async {
        socket.write_all(&bytes).await?;
        socket.shutdown().await?;
        let (mut sink, mut count) = ([0; 4096], 0);
        while count < LINGER_BYTES_MAX {
            match socket.read(&mut sink).await? {
                0 => break,
                read => count += read,
            }
        }
        std::io::Result::Ok(())
    };
    // Whatever goes wrong here, the connection is over.
    if let Ok(Err(error)) = tokio::time::timeout(LINGER, told).await {
        tracing::debug!(%error, "a client did not wait for the reason");
    }
}

fn as_last_answer(problem: &Problem) -> Vec<u8> {
    let status = problem.code.status();
    let body = problem.document();
    let mut bytes = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/problem+json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(&body);
    bytes
}
