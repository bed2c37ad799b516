//! A way to the only node of a cluster on which requests of a transaction can be held up: they arrive, but late. What
//! the node answers to a late end of one is kept, so that a test can tell whether it was applied.
//!
//! A request is a length, then its kind, its version and a number by which the answer is known again; an answer is a
//! length and that number, and to an end then a span of time and an error code.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::Cluster;
use crate::host::free_port;

/// The kind of a request that ends a transaction.
const END_TXN: i16 = 26;

/// The kind of a request that commits positions of a group in a transaction.
const TXN_OFFSET_COMMIT: i16 = 28;

/// What may be held up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    End,
    /// Those of this group.
    Positions(&'static str),
}

/// What becomes of the connection of a request that is held up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// It stays, and nothing behind the request comes through before it.
    Silence,
    /// The client loses it at once.
    Cut,
}

/// A request to hold up.
#[derive(Debug, Clone, Copy)]
struct Order {
    request: Request,
    hold: Hold,
    late_by: Duration,
}

#[derive(Debug, Default)]
struct Shared {
    order: Mutex<Option<Order>>,
    /// The error codes that late ends were answered with; 0 is none.
    answers: Mutex<Vec<i16>>,
    /// How many late positions were passed on.
    late_positions_count: AtomicUsize,
}

/// The way.
#[derive(Debug)]
pub struct Strait {
    shared: Arc<Shared>,
    address: String,
}

impl Cluster {
    /// One node that clients reach by way of a strait only.
    pub fn start_behind_strait() -> (Self, Strait) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has free ports");
        let address = format!("127.0.0.1:{}", listener.local_addr().expect("it is bound").port());
        let (node_port, shared) = (free_port(), Arc::new(Shared::default()));
        let passed = shared.clone();
        // It ends with the process: nobody waits for a client that never comes.
        thread::spawn(move || {
            for client in listener.incoming() {
                let shared = passed.clone();
                thread::spawn(move || pass(client?, node_port, &shared));
            }
        });
        let advertised = format!("advertised.listeners=PLAINTEXT://{address}");
        let cluster = Self::start_by(1, &["--port", &node_port.to_string(), "--set", &advertised]);
        (cluster, Strait { shared, address })
    }
}

impl Strait {
    /// Where clients find the cluster.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Hold the next such request up for so long.
    pub fn hold_next(&self, request: Request, hold: Hold, late_by: Duration) {
        *self.shared.order.lock().expect("no way panicked") = Some(Order { request, hold, late_by });
    }

    /// Whether a request is still to come that is to be held up.
    pub fn is_waiting(&self) -> bool {
        self.shared.order.lock().expect("no way panicked").is_some()
    }

    /// How many late positions came through so far.
    pub fn late_positions_count(&self) -> usize {
        self.shared.late_positions_count.load(Ordering::Relaxed)
    }

    /// What late ends were answered with so far.
    pub fn answers(&self) -> Vec<i16> {
        self.shared.answers.lock().expect("no way panicked").clone()
    }
}

/// One connection, until either side ends it.
fn pass(mut client: TcpStream, node_port: u16, shared: &Arc<Shared>) -> io::Result<()> {
    let mut node = TcpStream::connect(("127.0.0.1", node_port))?;
    client.set_nodelay(true)?;
    node.set_nodelay(true)?;
    let late: Arc<Mutex<HashSet<[u8; 4]>>> = Arc::default();
    let back = {
        let (node, client, shared, late) = (node.try_clone()?, client.try_clone()?, shared.clone(), late.clone());
        thread::spawn(move || pass_back(node, client, &shared, &late))
    };
    while let Ok(request) = frame(&mut client) {
        let order = shared.order.lock().expect("no way panicked").take_if(|order| is_such(&request, order.request));
        if let Some(order) = order.filter(|order| order.request != Request::End) {
            thread::sleep(order.late_by);
            shared.late_positions_count.fetch_add(1, Ordering::Relaxed);
        } else if let Some(order) = order {
            late.lock().expect("no way panicked").insert([request[8], request[9], request[10], request[11]]);
            if order.hold == Hold::Cut {
                client.shutdown(Shutdown::Both)?;
            }
            thread::sleep(order.late_by);
        }
        node.write_all(&request)?;
    }
    // The node answers nobody who has said that he goes.
    while !late.lock().expect("no way panicked").is_empty() {
        thread::sleep(Duration::from_millis(1));
    }
    node.shutdown(Shutdown::Both)?;
    let _ = back.join();
    Ok(())
}

fn is_such(frame: &[u8], wanted: Request) -> bool {
    match (i16::from_be_bytes([frame[4], frame[5]]), wanted) {
        (END_TXN, Request::End) => true,
        (TXN_OFFSET_COMMIT, Request::Positions(group)) => frame.windows(group.len()).any(|at| at == group.as_bytes()),
        _ => false,
    }
}

/// Answers go to the client as long as it listens, and those to late requests are looked at.
fn pass_back(mut node: TcpStream, mut client: TcpStream, shared: &Shared, late: &Mutex<HashSet<[u8; 4]>>) {
    while let Ok(answer) = frame(&mut node) {
        let number = [answer[4], answer[5], answer[6], answer[7]];
        if late.lock().expect("no way panicked").remove(&number) {
            let code = i16::from_be_bytes([answer[12], answer[13]]);
            shared.answers.lock().expect("no way panicked").push(code);
        }
        // A client that went away is told nothing.
        let _ = client.write_all(&answer);
    }
    let _ = client.shutdown(Shutdown::Both);
}

/// A length, and as many bytes.
fn frame(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut frame = length.to_vec();
    let body_bytes = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
    frame.resize(4 + body_bytes, 0);
    from.read_exact(&mut frame[4..])?;
    Ok(frame)
}
