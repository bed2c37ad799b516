//! Misbehaves: keeps four megabytes of each call for ever. Answers how many calls its memory has seen.

use std::cell::RefCell;

thread_local! {
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

fn handle(_: guests::Context, _: String) -> guests::Outcome {
    let calls = KEPT.with_borrow_mut(|kept| {
        kept.push(guests::used(vec![1; 4 << 20]));
        kept.len()
    });
    guests::done(calls.to_string())
}

guests::step!(handle);
