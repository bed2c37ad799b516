//! Many clients at once, with a memory of their own: what each asked for and what it was told, so that afterwards the
//! host can be held to its word. For scenarios that disturb a host under load and are no kill.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::Api;
use crate::check;
use crate::host::Host;
use crate::installation::instrument_address;

/// Ends what runs until a flag is set, also when the test that would set it fails: others wait for those threads.
#[derive(Debug)]
pub struct Ends<'a>(pub &'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What the clients were told.
#[derive(Debug, Default)]
pub struct Told {
    /// Ids that the host said it has.
    acknowledged: Mutex<BTreeSet<String>>,
    /// Ids of which the host told that they completed.
    completed: Mutex<BTreeSet<String>>,
    /// Refusals: 503 with a reason.
    refused_count: AtomicUsize,
    /// No answer: the connection was closed or refused.
    unanswered_count: AtomicUsize,
}

impl Told {
    pub fn acknowledged_count(&self) -> usize {
        self.acknowledged.lock().expect("no client panicked").len()
    }

    pub fn refused_count(&self) -> usize {
        self.refused_count.load(Ordering::Relaxed)
    }

    pub fn unanswered_count(&self) -> usize {
        self.unanswered_count.load(Ordering::Relaxed)
    }
}

/// One client: starts sagas of `play` one after the other, every second time waiting for the end, until `stop`. Any
/// answer but an acknowledgement, a clean refusal or none at all fails the test.
pub fn client(api: &Api, told: &Told, name: usize, stop: &AtomicBool) {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let id = format!("crowd-{name}-{number}");
        let headers = [("global-id", id.as_str()), ("prefer", "wait=20")];
        let headers = if number % 2 == 0 { &headers[..] } else { &headers[..1] };
        match api.post("/v1/use-cases/play/sagas", headers, "{}") {
            Ok(answer) if matches!(answer.status, 200 | 202) => {
                if answer.body["status"] == "completed" {
                    told.completed.lock().expect("no client panicked").insert(id.clone());
                }
                told.acknowledged.lock().expect("no client panicked").insert(id);
                continue;
            }
            Ok(answer) if answer.status == 503 => {
                let detail = answer.body["detail"].as_str().unwrap_or_default();
                assert!(answer.body["code"] == "not-ready" && !detail.is_empty(), "{}", answer.body);
                told.refused_count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => panic!("start of {id}: {} {}", answer.status, answer.body),
            Err(_) => {
                told.unanswered_count.fetch_add(1, Ordering::Relaxed);
            }
        }
        // A client comes again after a moment.
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Every acknowledged saga is there and completes, each step ran for it once and was called once for it, and nothing
/// stands in the way.
pub fn hold_to_account(host: &Host, told: &Told, steps: &[&str]) {
    let acknowledged = told.acknowledged.lock().expect("no client panicked").clone();
    let completed = told.completed.lock().expect("no client panicked").clone();
    for id in &acknowledged {
        let saga = check::status(&host.api, id, "completed");
        for position in 0..steps.len() {
            let attempts = &check::call(&saga, position, "handle")["attempts"];
            assert!(!completed.contains(id) || *attempts == 1, "{id} was told to be done and ran again: {saga:#}");
        }
    }
    // Sagas that nobody was told of may exist: they end as well.
    check::all_over(&host.api);
    assert_eq!(host.api.errors(), Vec::<Value>::new());
    for step in steps {
        let counts = check::instrument_bucket(host, &instrument_address(step));
        for id in &acknowledged {
            assert_eq!(counts[&format!("handled/{id}")], json!(1), "{step} of {id}");
        }
        assert!(counts.values().all(|count| *count == 1), "{step}: {counts:?}");
    }
}
