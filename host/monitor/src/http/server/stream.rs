//! The socket as the protocol sees it. Writes fail when the other side takes nothing for too long, and the protocol's
//! own bare refusals of a broken head are kept back, so that the connection's task can answer in full.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// What an answer begins with that the protocol makes by itself for a head that it cannot read: a status line and
/// these. Every answer of ours has a type and a body. A test sends such heads and sees what comes.
const BARE: &[u8] = b"\r\nconnection: close\r\ncontent-length: 0\r\ndate: ";
const STATUS_LINE: &[u8] = b"HTTP/1.1 4";
/// Bytes between the two: the rest of the status and its name.
const STATUS_NAME_BYTES_MAX: usize = 64;

/// Reads are bounded elsewhere: heads and idle time by the protocol's timer, bodies by theirs.
pub(super) struct Stream<W> {
    socket: TcpStream,
    stall: Duration,
    /// Runs while a write waits.
    timer: Option<Pin<Box<Sleep>>>,
    /// Hears when a write begins to wait and when it no longer does.
    writing: W,
    /// The status of a refusal that was kept back.
    refused: Option<u16>,
    has_stalled: bool,
}

impl<W: Fn(bool) + Unpin> Stream<W> {
    pub(super) fn new(socket: TcpStream, stall: Duration, writing: W) -> Self {
        Self { socket, stall, timer: None, writing, refused: None, has_stalled: false }
    }

    /// The status with which the protocol would have refused a head.
    pub(super) fn refused(&self) -> Option<u16> {
        self.refused
    }

    /// Whether the client stopped reading.
    pub(super) fn has_stalled(&self) -> bool {
        self.has_stalled
    }

    pub(super) fn into_socket(self) -> TcpStream {
        self.socket
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if self.timer.take().is_some() {
                (self.writing)(false);
            }
            return written;
        }
        let timer = self.timer.get_or_insert_with(|| {
            (self.writing)(true);
            Box::pin(tokio::time::sleep(self.stall))
        });
        match timer.as_mut().poll(context) {
            Poll::Ready(()) => {
                self.has_stalled = true;
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client stopped reading")))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Bytes of this buffer to write; none if it is a refusal and nothing else.
    fn keep_back_refusal(&mut self, bytes: &[u8]) -> Option<usize> {
        match bare_refusal(bytes) {
            None => Some(bytes.len()),
            Some((0, status)) => {
                self.refused = Some(status);
                None
            }
            // The end of an earlier answer stands before it and goes out alone.
            Some((start, _)) => Some(start),
        }
    }
}

/// Where in a buffer the protocol's own refusal begins, and its status. It is the last thing that is ever written.
fn bare_refusal(bytes: &[u8]) -> Option<(usize, u16)> {
    if !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let start = bytes.windows(STATUS_LINE.len()).rposition(|window| window == STATUS_LINE)?;
    let head = &bytes[start..];
    let name_end = head.windows(2).position(|window| window == b"\r\n").filter(|end| *end <= STATUS_NAME_BYTES_MAX)?;
    let status = std::str::from_utf8(head.get(9..12)?).ok()?.parse().ok()?;
    head[name_end..].starts_with(BARE).then_some((start, status))
}

impl<W: Fn(bool) + Unpin> AsyncRead for Stream<W> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_read(context, buffer)
    }
}

impl<W: Fn(bool) + Unpin> AsyncWrite for Stream<W> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Some(count) = this.keep_back_refusal(bytes) else { return Poll::Ready(Ok(bytes.len())) };
        let written = Pin::new(&mut this.socket).poll_write(context, &bytes[..count]);
        this.watch(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Heads come in the first slice, and a refusal has no body behind it.
        if let [only] = slices {
            return self.poll_write(context, only);
        }
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write_vectored(context, slices);
        this.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.refused.is_some() {
            // The answer in full is still to be written.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSAL: &[u8] =
        b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: Wed\r\n\r\n";

    #[test]
    fn only_a_bare_refusal_is_kept_back() {
        assert_eq!(bare_refusal(REFUSAL), Some((0, 431)));
        let behind_another = [b"HTTP/1.1 200 OK\r\n\r\n{}", REFUSAL].concat();
        assert_eq!(bare_refusal(&behind_another), Some((21, 431)));
        for ours in [
            &b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\ndate: Wed\r\n\r\n",
            b"{\"body\":\"HTTP/1.1 400 Bad Request\\r\\nconnection: close\"}",
            b"0\r\n\r\n",
            b"",
        ] {
            assert_eq!(bare_refusal(ours), None, "{}", String::from_utf8_lossy(ours));
        }
    }
}
