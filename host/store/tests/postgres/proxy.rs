//! Stands between a host and the server, counts the messages of the protocol, and lets something happen before a chosen
//! one goes on. That is how a test gets between any two steps of a commit without the program knowing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// What becomes of the connection once the message is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Both ends find it closed, and the message is lost.
    Cut,
    /// The message goes on, if there is still somebody to get it.
    GoOn,
}

/// What happens meanwhile; it may block.
type Happening = Box<dyn FnOnce() -> Then + Send>;

struct Trap {
    side: Side,
    /// Messages that pass before it.
    left: usize,
    happening: Happening,
}

#[derive(Default)]
struct Shared {
    /// Guards what is to happen next.
    trap: Mutex<Option<Trap>>,
    /// What was to happen has happened.
    is_over: AtomicBool,
    /// Guards the tasks of open connections, which end with the proxy.
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(server_port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared::default());
        let listening = tokio::spawn({
            let shared = shared.clone();
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let connection = tokio::spawn(serve(client, server_port, shared.clone()));
                    shared.tasks.lock().push(connection);
                }
            }
        });
        Self { port, shared, listening }
    }

    /// After this many more messages of this side, before the next.
    pub(crate) fn after(&self, side: Side, left: usize, happening: impl FnOnce() -> Then + Send + 'static) {
        self.shared.is_over.store(false, Ordering::Release);
        *self.shared.trap.lock() = Some(Trap { side, left, happening: Box::new(happening) });
    }

    /// Nothing happens any more, and what was happening is over. Answers whether it has happened.
    pub(crate) async fn disarm(&self) -> bool {
        let happened = self.shared.trap.lock().take().is_none();
        while happened && !self.shared.is_over.load(Ordering::Acquire) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        happened
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.shared.tasks.lock().iter().for_each(JoinHandle::abort);
    }
}

async fn serve(client: TcpStream, server_port: u16, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)).await else { return };
    client.set_nodelay(true).expect("a socket can be told to");
    server.set_nodelay(true).expect("a socket can be told to");
    let ((client_in, client_out), (server_in, server_out)) = (client.into_split(), server.into_split());
    // Whichever ends first, both sockets are closed: neither side is left half open.
    tokio::select! {
        () = pump(client_in, server_out, Side::Client, &shared) => {}
        () = pump(server_in, client_out, Side::Server, &shared) => {}
    }
}

/// Message by message, until one side ends.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, side: Side, shared: &Arc<Shared>) {
    // The first that a client says has no letter before its length.
    let mut letters = usize::from(side == Side::Server);
    while let Ok(message) = read(&mut from, letters).await {
        letters = 1;
        if let Some(happening) = happening(shared, side) {
            let shared = shared.clone();
            // It goes on to its end also where the other side ends the connection meanwhile.
            let happen = move || {
                let then = happening();
                shared.is_over.store(true, Ordering::Release);
                then
            };
            let then = tokio::task::spawn_blocking(happen).await.expect("what happens does not fail");
            if then == Then::Cut {
                return;
            }
        }
        if to.write_all(&message).await.is_err() {
            return;
        }
    }
}

async fn read(from: &mut OwnedReadHalf, letters: usize) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0; letters + 4];
    from.read_exact(&mut message).await?;
    let length = u32::from_be_bytes(message[letters..].try_into().expect("four bytes"));
    message.resize(letters + length as usize, 0);
    from.read_exact(&mut message[letters + 4..]).await?;
    Ok(message)
}

fn happening(shared: &Shared, side: Side) -> Option<Happening> {
    let mut trap = shared.trap.lock();
    let armed = trap.as_mut().filter(|trap| trap.side == side)?;
    if armed.left > 0 {
        armed.left -= 1;
        return None;
    }
    trap.take().map(|trap| trap.happening)
}
