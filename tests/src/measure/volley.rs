//! A volley: so many starts over so many connections, each connection one after the other, and no more than that.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::wire::Connection;

/// Enough that starts share their syncs, few enough that their threads cost little.
const CONNECTIONS: usize = 64;

/// Send `count` starts; `body` makes the one with this number. Answers how long it took. A host that is busy is asked
/// again; any other refusal ends the measurement.
pub(super) fn send(address: SocketAddr, use_case: &str, count: u64, body: impl Fn(u64) -> String + Sync) -> Duration {
    let next = AtomicU64::new(0);
    let path = format!("/v1/use-cases/{use_case}/sagas");
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut connection = Connection::open(address).expect("the host listens");
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    start(&mut connection, &path, &body(number));
                }
            });
        }
    });
    began.elapsed()
}

fn start(connection: &mut Connection, path: &str, body: &str) {
    loop {
        match connection.post(path, "", body) {
            Ok(202) => return,
            Ok(429 | 503) => std::thread::sleep(Duration::from_millis(20)),
            Ok(status) => panic!("POST {path}: {status}"),
            Err(error) => panic!("POST {path}: {error}"),
        }
    }
}
