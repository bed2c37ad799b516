//! Behaves: counts in its own bucket and in a shared one, reads its own writes, deletes and lists.

use guests::{Context, Outcome, keyvalue, own_bucket};

fn handle(_: Context, _: String) -> Outcome {
    let own = own_bucket();
    let count = own.get("count").expect("reads").map_or(0, |bytes| bytes.len());
    assert_eq!(own.get("count").expect("reads again").map_or(0, |bytes| bytes.len()), count);
    own.set("count", &vec![b'x'; count + 1]).expect("writes");
    assert_eq!(own.get("count").expect("reads its write").map(|bytes| bytes.len()), Some(count + 1));
    own.set("gone", b"1").expect("writes");
    own.delete("gone").expect("deletes");
    assert!(!own.exists("gone").expect("asks"));
    assert!(own.exists("count").expect("asks"));
    let keys = own.list_keys(None).expect("lists").keys;

    let shared = keyvalue::open("rates").expect("the shared bucket is granted");
    let rate = shared.get("eur").expect("reads").map_or_else(|| "none".to_owned(), |bytes| format!("{bytes:?}"));
    shared.set("seen", b"yes").expect("writes");

    let refused = match keyvalue::open("not-granted") {
        Err(keyvalue::Error::NoSuchStore) => "no-such-store",
        Err(_) => "another error",
        Ok(_) => "opened",
    };
    guests::done(format!(r#"{{"count":{},"keys":{:?},"rate":"{rate}","not-granted":"{refused}"}}"#, count + 1, keys))
}

guests::step!(handle);
