//! Misbehaves: uses the bucket handle of an earlier call. In a reused instance it must still mean the same bucket.

use std::cell::RefCell;

use guests::keyvalue::{self, Bucket};

thread_local! {
    static KEPT: RefCell<Option<Bucket>> = const { RefCell::new(None) };
}

fn handle(_: guests::Context, _: String) -> guests::Outcome {
    KEPT.with_borrow_mut(|kept| {
        let fresh = kept.is_none();
        let bucket = kept.get_or_insert_with(|| keyvalue::open("rates").expect("granted"));
        bucket.set("from", b"kept").expect("writes");
        guests::done(fresh.to_string())
    })
}

guests::step!(handle);
