//! WASI 0.2 for the standard libraries of the languages: real clocks and random, everything else empty or refused.
//! What a guest prints is kept, bounded, for the log and for the cause of a fault.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::limits;
use crate::sandbox::Sandbox;

/// The WASI side of one instance. Made when the guest first asks for it: most calls never do.
pub(crate) struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
}

impl Wasi {
    fn new() -> Self {
        let (stdout, stderr) = (Capture::default(), Capture::default());
        let ctx = WasiCtx::builder()
            .stdout(stdout.clone())
            .stderr(stderr.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(limits::RANDOM_BYTES_MAX)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::HANDLES_MAX);
        Self { ctx, table, stdout, stderr }
    }
}

impl WasiView for Sandbox {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi.get_or_insert_with(|| Box::new(Wasi::new()));
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

/// What was printed: the beginning and the end of it, so that neither a long panic message nor a traceback whose point
/// comes last is lost. Never refuses a write: a plugin that prints too much is no reason for a fault.
#[derive(Clone, Default)]
pub(crate) struct Capture(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped_bytes: usize,
}

const HALF: usize = limits::STDIO_BYTES_MAX / 2;

impl Capture {
    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.0.lock();
        let (head, rest) = bytes.split_at(bytes.len().min(HALF.saturating_sub(kept.head.len())));
        kept.head.extend_from_slice(head);
        let (dropped, rest) = rest.split_at(rest.len().saturating_sub(HALF));
        let overflow = (kept.tail.len() + rest.len()).saturating_sub(HALF);
        kept.tail.drain(..overflow);
        kept.tail.extend(rest);
        kept.dropped_bytes += dropped.len() + overflow;
    }

    /// The text so far, with a mark where some of it is missing; empty afterwards.
    pub(crate) fn take(&self) -> String {
        let kept = std::mem::take(&mut *self.0.lock());
        let mut text = String::from_utf8_lossy(&kept.head).into_owned();
        if kept.dropped_bytes > 0 {
            text.push_str(&format!("\n… {} bytes left out …\n", kept.dropped_bytes));
        }
        text.push_str(&String::from_utf8_lossy(&Vec::from(kept.tail)));
        text
    }
}

impl IsTerminal for Capture {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Capture {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Capture {
    async fn ready(&mut self) {}
}

impl OutputStream for Capture {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.keep(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(limits::STDIO_BYTES_MAX)
    }
}

impl AsyncWrite for Capture {
    fn poll_write(self: Pin<&mut Self>, _ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.keep(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _ctx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _ctx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_and_end_of_a_flood_are_kept() {
        let capture = Capture::default();
        capture.keep(b"first words ");
        for _ in 0..100 {
            capture.keep(&[b'x'; 4096]);
        }
        capture.keep(b" last words");
        let text = capture.take();
        assert!(text.starts_with("first words "));
        assert!(text.ends_with(" last words"));
        assert!(text.contains("bytes left out"));
        assert!(text.len() < limits::STDIO_BYTES_MAX + 100);
        assert_eq!(capture.take(), "", "the next call begins with nothing");
    }

    #[test]
    fn one_write_larger_than_everything_is_bounded() {
        let capture = Capture::default();
        let mut bytes = vec![b'x'; 10 << 20];
        bytes.extend_from_slice(b"end");
        capture.keep(&bytes);
        let text = capture.take();
        assert!(text.ends_with("end") && text.len() < limits::STDIO_BYTES_MAX + 100);
    }
}
