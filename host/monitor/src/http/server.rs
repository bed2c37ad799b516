//! The listener and its connections. Bounded: connections, heads, idle time, and clients that stop reading.

mod answer;
mod farewell;
mod places;
mod stream;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limits::{HEAD_BYTES_MAX, Limits};
use crate::metrics::{Cut, Metrics};
use places::{Place, Places};
use stream::Stream;

/// Pause after the system refused a connection (out of descriptors): at once would burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What one connection too many hears. Written at once or not at all: it must cost nothing.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
    retry-after: 1\r\nconnection: close\r\ncontent-length: 156\r\n\r\n\
    {\"type\":\"/docs/errors/busy\",\"title\":\"Too much is going on\",\"status\":503,\"code\":\"busy\",\
    \"detail\":\"too many connections are open; close some, try again later\"}";

/// The accept loop.
pub(crate) struct Server {
    pub(crate) listener: TcpListener,
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    /// Ends the loop and lets every connection finish its request.
    pub(crate) stop: CancellationToken,
    /// Owns the connections' tasks.
    pub(crate) connections: TaskTracker,
}

impl Server {
    pub(crate) async fn run(self) {
        let places = Places::new(self.limits.connection_count_max, self.stop.clone());
        loop {
            // `accept` is cancel-safe: a connection is returned or stays in the backlog.
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = self.stop.cancelled() => return,
            };
            match accepted {
                Ok((socket, _)) => match places.take() {
                    Some((place, made_room)) => {
                        if made_room {
                            self.metrics.connection_cut(Cut::MadeRoom);
                        }
                        self.serve(socket, place);
                    }
                    None => self.turn_away(&socket),
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn serve(&self, socket: TcpStream, place: Place) {
        // Answers are small and written whole; waiting for more to send only delays them.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
        let (router, limits) = (self.router.clone(), self.limits);
        let metrics = Arc::clone(&self.metrics);
        metrics.connection_opened();
        self.connections.spawn(async move {
            converse(socket, router, limits, &metrics, Arc::new(place)).await;
            metrics.connection_closed();
        });
    }

    fn turn_away(&self, socket: &TcpStream) {
        self.metrics.connection_refused();
        // A fresh socket's buffer is empty, so this is written or the client is gone already.
        if let Err(error) = socket.try_write(TOO_MANY) {
            tracing::debug!(%error, "a connection was dropped without a word");
        }
    }
}

/// Answer the requests of one connection until it ends, and say why if that is not the client's own wish.
async fn converse(socket: TcpStream, router: Router, limits: Limits, metrics: &Metrics, place: Arc<Place>) {
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head_timeout).max_header_size(HEAD_BYTES_MAX);
    let io = TokioIo::new(Stream::new(socket, limits.write_stall_timeout, place.writing()));
    let mut connection = builder.serve_connection(io, answer::service(router, Arc::clone(&place)));
    let ended = tokio::select! {
        biased;
        ended = &mut connection => Some(ended),
        () = place.end() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        // Nothing is owed to it, and another connection has its place.
        None if place.is_given_up() => return,
        None => {
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    let Err(error) = ended else { return };
    tracing::debug!(%error, "a connection ended early");
    let parts = connection.into_parts();
    let stream = parts.io.into_inner();
    if stream.has_stalled() {
        metrics.connection_cut(Cut::StoppedReading);
    } else if let Some(problem) = farewell::problem_of(&error, stream.refused(), &parts.read_buf) {
        metrics.connection_cut(if error.is_timeout() { Cut::SlowHead } else { Cut::Malformed });
        farewell::say(stream.into_socket(), &problem).await;
    } else if error.is_timeout() {
        metrics.connection_cut(Cut::Idle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_one_connection_too_many_is_a_well_formed_problem() {
        let text = std::str::from_utf8(TOO_MANY).expect("a literal");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        let problem: serde_json::Value = serde_json::from_str(body).expect("a JSON body");
        assert_eq!(problem["code"], "busy");
    }
}
