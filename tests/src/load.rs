//! A load of sagas with a memory of its own: what was wished, what was accepted, what was told. It is written to a file
//! that no host touches, and read back from there, so that afterwards the host can be held to its word.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::api::{Answer, Api};

/// What the load generator knows, line by line.
pub struct Ledger {
    path: PathBuf,
    file: Mutex<File>,
}

/// One saga, as the ledger tells it.
#[derive(Debug, Clone)]
pub struct Wish {
    pub use_case: String,
    pub body: Value,
    /// The host said that it has it.
    pub is_accepted: bool,
    /// Every end that the host told.
    pub told: Vec<String>,
}

impl Ledger {
    pub fn create(path: &Path) -> Self {
        let file = File::create(path).expect("the ledger's folder is ours");
        Self { path: path.to_owned(), file: Mutex::new(file) }
    }

    fn write(&self, line: &Value) {
        let mut file = self.file.lock().expect("no writer panicked");
        writeln!(file, "{line}").expect("the ledger can be written");
    }

    /// Everything that was written, by global-id.
    pub fn read(&self) -> BTreeMap<String, Wish> {
        let text = std::fs::read_to_string(&self.path).expect("the ledger can be read");
        let mut wishes: BTreeMap<String, Wish> = BTreeMap::new();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).expect("the ledger holds what was written");
            let id = line["id"].as_str().expect("every line names its saga").to_owned();
            if let Some(use_case) = line["wish"].as_str() {
                let body = line["body"].clone();
                wishes.insert(id, Wish { use_case: use_case.to_owned(), body, is_accepted: false, told: Vec::new() });
                continue;
            }
            let wish = wishes.get_mut(&id).expect("a wish comes before what became of it");
            wish.is_accepted = true;
            wish.told.extend(line["told"].as_str().map(str::to_owned));
        }
        wishes
    }
}

/// Start one saga under this id, and ask again with the same id if no answer comes. Sometimes the client gives up: then
/// nobody knows whether the saga exists.
fn wish(api: &Api, ledger: &Ledger, rng: &mut Rng, stop: &AtomicBool, id: &str, (use_case, body): (&str, Value)) {
    ledger.write(&json!({"id": id, "wish": use_case, "body": body}));
    let path = format!("/v1/use-cases/{use_case}/sagas");
    while !stop.load(Ordering::Relaxed) {
        let key = [("idempotency-key", id), ("prefer", "wait=5")];
        let headers = if rng.bool() { &key[..] } else { &key[..1] };
        match api.post(&path, headers, &body.to_string()) {
            Ok(Answer { status: 202, .. }) => return ledger.write(&json!({"id": id, "accepted": true})),
            Ok(Answer { status: 200, body }) => return ledger.write(&json!({"id": id, "told": body["status"]})),
            Err(_) if rng.u8(..) < 64 => return,
            // Too much waits, it is just starting or ending, or it went away: a client comes again.
            Ok(Answer { status: 429 | 503, .. }) | Err(_) => {}
            Ok(answer) => panic!("start of {id}: {} {}", answer.status, answer.body),
        }
        std::thread::sleep(Duration::from_millis(rng.u64(5..30)));
    }
}

/// Accounts and items that all clients fight for.
const SHARED_COUNT: u64 = 3;

/// One client: exchange orders, shop orders and payments before and after their customers, until `stop`.
pub fn client(api: &Api, ledger: &Ledger, name: usize, seed: u64, stop: &AtomicBool) {
    let mut rng = Rng::with_seed(seed);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let id = format!("load-{name}-{number}");
        let shared = rng.u64(..SHARED_COUNT);
        match rng.u8(..4) {
            0 | 1 => {
                let use_case = if rng.bool() { "uc-1-1" } else { "uc-1-2" };
                // One in four is above the settlement limit and is undone by all steps before.
                let amount = if rng.u8(..4) == 0 { 600_000 } else { rng.u64(1..50) };
                let body =
                    json!({"order-id": id, "account": format!("acc-{shared}"), "asset": "BTC", "amount": amount});
                wish(api, ledger, &mut rng, stop, &id, (use_case, body));
            }
            2 => {
                let amount = if rng.u8(..4) == 0 { 2_000 } else { 20 };
                let item = format!("item-{shared}");
                let body = json!({"order-id": id, "item": item, "quantity": rng.u64(1..4), "amount": amount});
                wish(api, ledger, &mut rng, stop, &id, ("shop", body));
            }
            _ => {
                let customer = json!({"customer-id": id});
                let payment = json!({"payment-id": id, "customer-id": id, "amount": 5});
                let mut pair = [("pay", payment), ("register-customer", customer)];
                rng.shuffle(&mut pair);
                for one in pair {
                    let id = format!("{id}-{}", one.0);
                    insist(api, ledger, &mut rng, &id, one);
                }
            }
        }
    }
}

/// A payment and its customer need each other, so neither is given up, and the second does not wait for the first. The
/// host comes back: it is running when the clients are joined.
fn insist(api: &Api, ledger: &Ledger, rng: &mut Rng, id: &str, (use_case, body): (&str, Value)) {
    ledger.write(&json!({"id": id, "wish": use_case, "body": body}));
    let path = format!("/v1/use-cases/{use_case}/sagas");
    loop {
        match api.post(&path, &[("global-id", id)], &body.to_string()) {
            Ok(Answer { status: 202, .. }) => return ledger.write(&json!({"id": id, "accepted": true})),
            Ok(Answer { status: 429 | 503, .. }) | Err(_) => {}
            Ok(answer) => panic!("start of {id}: {} {}", answer.status, answer.body),
        }
        std::thread::sleep(Duration::from_millis(rng.u64(5..30)));
    }
}
