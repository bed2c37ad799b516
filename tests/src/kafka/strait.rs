//! A way to the only node of a cluster on which requests of a transaction can be held up: they arrive, but late. The
//! end of one arrives when its producer has gone on to something else, and what the node answers to it is kept, so that
//! a test can tell whether it was applied.
//!
//! Positions can be sent astray as well: their connection is cut, and the one who is asked then for the coordinator of
//! their group answers that it is none, as while a coordinator moves.
//!
//! A request is a length, then its kind, its version and a number by which the answer is known again; an answer is a
//! length and that number, and to an end or a question for a coordinator then a span of time and an error code.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::Cluster;
use crate::host::free_port;

/// The kind of a request that asks which node coordinates a group.
const FIND_COORDINATOR: i16 = 10;

/// The error code of a node that is not the one.
const NOT_COORDINATOR: i16 = 16;

/// The kinds of the requests with which a producer goes on: it begins anew, or begins another transaction.
const INIT_PRODUCER_ID: i16 = 22;
const ADD_PARTITIONS_TO_TXN: i16 = 24;

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

/// What the answer to a request is looked at for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// The end of a transaction came late.
    Late,
    /// The producer whose end is held up has gone on.
    Next,
    /// Where the coordinator is of a group whose positions go astray.
    Coordinator,
}

/// By the number of the request.
type Asked = Mutex<HashMap<[u8; 4], Awaited>>;

#[derive(Debug, Default)]
struct Shared {
    order: Mutex<Option<Order>>,
    /// The transactional id whose end is held up until it has gone on.
    held_id: Mutex<Option<Vec<u8>>>,
    /// The error codes that late ends were answered with; 0 is none.
    answers: Mutex<Vec<i16>>,
    /// How many late positions were passed on.
    late_positions_count: AtomicUsize,
    /// The group whose positions were cut off, until its coordinator is asked for.
    astray: Mutex<Option<&'static str>>,
    /// How often a coordinator was denied.
    denied_count: AtomicUsize,
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

    /// Hold the next such request up for so long, and an end until its producer has gone on.
    pub fn hold_next(&self, request: Request, hold: Hold, late_by: Duration) {
        *self.shared.order.lock().expect("no way panicked") = Some(Order { request, hold, late_by });
    }

    /// Send the next positions of this group astray.
    pub fn lead_astray(&self, group: &'static str) {
        self.hold_next(Request::Positions(group), Hold::Cut, Duration::ZERO);
    }

    /// How often a coordinator was denied so far.
    pub fn denied_count(&self) -> usize {
        self.shared.denied_count.load(Ordering::Relaxed)
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
    let asked: Arc<Asked> = Arc::default();
    let back = {
        let (node, client, shared, asked) = (node.try_clone()?, client.try_clone()?, shared.clone(), asked.clone());
        thread::spawn(move || pass_back(node, client, &shared, &asked))
    };
    while let Ok(request) = frame(&mut client) {
        let order = shared.order.lock().expect("no way panicked").take_if(|order| is_such(&request, order.request));
        if let Some(Order { request: Request::Positions(group), hold: Hold::Cut, .. }) = order {
            *shared.astray.lock().expect("no way panicked") = Some(group);
            client.shutdown(Shutdown::Both)?;
            continue;
        } else if let Some(order) = order.filter(|order| order.request != Request::End) {
            thread::sleep(order.late_by);
            shared.late_positions_count.fetch_add(1, Ordering::Relaxed);
        } else if let Some(order) = order {
            *shared.held_id.lock().expect("no way panicked") = Some(transactional_id(&request).to_vec());
            if order.hold == Hold::Cut {
                client.shutdown(Shutdown::Both)?;
            }
            thread::sleep(order.late_by);
            while shared.held_id.lock().expect("no way panicked").is_some() {
                thread::sleep(Duration::from_millis(1));
            }
            asked.lock().expect("no way panicked").insert(number(&request, REQUEST_NUMBER), Awaited::Late);
        } else if goes_on(&request, shared.held_id.lock().expect("no way panicked").as_deref()) {
            asked.lock().expect("no way panicked").insert(number(&request, REQUEST_NUMBER), Awaited::Next);
        } else if shared.astray.lock().expect("no way panicked").take_if(|group| asks_for(&request, group)).is_some() {
            asked.lock().expect("no way panicked").insert(number(&request, REQUEST_NUMBER), Awaited::Coordinator);
        }
        node.write_all(&request)?;
    }
    // The node answers nobody who has said that he goes.
    while !asked.lock().expect("no way panicked").is_empty() {
        thread::sleep(Duration::from_millis(1));
    }
    node.shutdown(Shutdown::Both)?;
    let _ = back.join();
    Ok(())
}

/// Where the number of a request is, and that of an answer.
const REQUEST_NUMBER: usize = 8;
const ANSWER_NUMBER: usize = 4;

fn number(frame: &[u8], at: usize) -> [u8; 4] {
    [frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]
}

fn kind(request: &[u8]) -> i16 {
    i16::from_be_bytes([request[4], request[5]])
}

fn has(request: &[u8], name: &[u8]) -> bool {
    request.windows(name.len()).any(|at| at == name)
}

fn is_such(request: &[u8], wanted: Request) -> bool {
    match (kind(request), wanted) {
        (END_TXN, Request::End) => true,
        (TXN_OFFSET_COMMIT, Request::Positions(group)) => has(request, group.as_bytes()),
        _ => false,
    }
}

/// Of a request that ends a transaction: behind the client's name.
fn transactional_id(end: &[u8]) -> &[u8] {
    let text = |at: usize| &end[at + 2..at + 2 + usize::from(u16::from_be_bytes([end[at], end[at + 1]]))];
    let client = REQUEST_NUMBER + 4;
    text(client + 2 + text(client).len())
}

/// Whether the producer whose end is held up goes on with this.
fn goes_on(request: &[u8], held_id: Option<&[u8]>) -> bool {
    matches!(kind(request), INIT_PRODUCER_ID | ADD_PARTITIONS_TO_TXN) && held_id.is_some_and(|id| has(request, id))
}

/// Whether this asks for the coordinator of a group.
fn asks_for(request: &[u8], group: &str) -> bool {
    kind(request) == FIND_COORDINATOR && has(request, group.as_bytes())
}

/// Answers go to the client as long as it listens, and those that are awaited are looked at.
fn pass_back(mut node: TcpStream, mut client: TcpStream, shared: &Shared, asked: &Asked) {
    while let Ok(mut answer) = frame(&mut node) {
        match asked.lock().expect("no way panicked").remove(&number(&answer, ANSWER_NUMBER)) {
            Some(Awaited::Late) => {
                let code = i16::from_be_bytes([answer[12], answer[13]]);
                shared.answers.lock().expect("no way panicked").push(code);
            }
            Some(Awaited::Coordinator) => {
                answer[12..14].copy_from_slice(&NOT_COORDINATOR.to_be_bytes());
                shared.denied_count.fetch_add(1, Ordering::Relaxed);
            }
            Some(Awaited::Next) => *shared.held_id.lock().expect("no way panicked") = None,
            None => {}
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
