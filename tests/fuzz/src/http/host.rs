//! A monitor on a free port, with a door that only notes what comes through, and one kept connection to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use host_broker::drivers::embedded::{EmbeddedBroker, EmbeddedOptions};
use host_core::id::{TopicName, WaitKey};
use host_core::table::Tables;
use host_monitor::door::{Act, Door, PluginState, Readiness, Refusal, Start, Started, UseCases};
use host_monitor::{Inputs, Limits, Monitor, Options};
use host_store::backends::memory::MemoryTables;
use host_store::embedded::EmbeddedStore;
use tokio::sync::mpsc;

/// What went through the door.
pub(super) enum Caused {
    Start(Bytes),
    Publish(Bytes),
    Act { who: String, reason: Option<String>, dry_run: bool },
    Signal,
}

/// A whole answer.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: String,
}

#[derive(Default)]
struct Notes(Mutex<Vec<Caused>>);

impl Notes {
    fn add(&self, caused: Caused) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(caused);
    }

    fn take(&self) -> Vec<Caused> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Door for Notes {
    async fn start(&self, start: Start) -> Result<Started, Refusal> {
        self.add(Caused::Start(start.body.as_bytes().clone()));
        Ok(Started { global_id: start.global_id.expect("the monitor mints one"), existed: false })
    }

    async fn signal(&self, _: WaitKey) -> Result<(), Refusal> {
        self.add(Caused::Signal);
        Ok(())
    }

    async fn act(&self, act: Act) -> Result<(), Refusal> {
        self.add(Caused::Act { who: act.who, reason: act.reason, dry_run: act.dry_run });
        Ok(())
    }

    async fn publish(&self, _: TopicName, _: Option<String>, payload: Bytes) -> Result<(), Refusal> {
        self.add(Caused::Publish(payload));
        Ok(())
    }

    fn plugins(&self) -> Vec<PluginState> {
        Vec::new()
    }

    fn use_cases(&self) -> UseCases {
        UseCases::default()
    }

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }
}

/// The one monitor of the process, and the one connection to it: inputs take turns.
struct Host {
    notes: Arc<Notes>,
    connection: Mutex<BufReader<TcpStream>>,
}

fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| {
        let notes = Arc::new(Notes::default());
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let door = notes.clone();
        std::thread::spawn(move || serve(door, &sender));
        let address: SocketAddr = receiver.recv().expect("the monitor starts");
        let connection = TcpStream::connect(address).expect("the monitor listens");
        connection.set_nodelay(true).expect("an open socket");
        Host { notes, connection: Mutex::new(BufReader::new(connection)) }
    })
}

fn serve(door: Arc<Notes>, started: &std::sync::mpsc::SyncSender<SocketAddr>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let tables: Arc<dyn Tables> = Arc::new(MemoryTables::new());
        let store = Arc::new(EmbeddedStore::open(tables.clone()).expect("empty tables are ours"));
        let broker = Arc::new(EmbeddedBroker::open(tables, EmbeddedOptions::default()).expect("empty tables are ours"));
        let (journal, receiver) = mpsc::channel(1);
        let limits = Limits { body_bytes_max: 4 << 10, meta_bytes_max: 1 << 10, ..Limits::default() };
        let options = Options { listen: SocketAddr::from(([127, 0, 0, 1], 0)), token: None, limits };
        let inputs = Inputs { door, store, broker, journal: receiver };
        let handle = Monitor::start(options, inputs).await.expect("a free port");
        started.send(handle.address()).expect("somebody waits for it");
        std::future::pending::<()>().await;
        drop(journal);
    });
}

/// Send a body, and hear the answer and what it caused.
pub(super) fn ask(path: &str, body: &[u8]) -> (Reply, Vec<Caused>) {
    let host = host();
    let mut connection = host.connection.lock().unwrap_or_else(PoisonError::into_inner);
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
    connection.get_mut().write_all(&[head.as_bytes(), body].concat()).expect("the connection is kept");
    let reply = reply(&mut connection);
    (reply, host.notes.take())
}

fn reply(connection: &mut BufReader<TcpStream>) -> Reply {
    let mut line = || {
        let mut line = String::new();
        connection.read_line(&mut line).expect("an answer comes");
        assert!(line.ends_with("\r\n"), "the connection was closed in the middle of an answer");
        line.trim_end().to_ascii_lowercase()
    };
    let status = line().split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let (mut length, mut content_type) = (0, String::new());
    loop {
        let header = line();
        let Some((name, value)) = header.split_once(": ") else { break };
        match name {
            "content-length" => length = value.parse().expect("a number"),
            "content-type" => content_type = value.to_owned(),
            _ => assert!(name != "connection" || value != "close", "the connection is given up"),
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).expect("the whole answer comes");
    Reply { status, content_type, body: String::from_utf8(body).expect("answers are text") }
}
