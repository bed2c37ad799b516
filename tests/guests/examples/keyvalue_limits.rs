//! Misbehaves: asks its bucket for more than a call may; says how far it came, and ends well.

use guests::keyvalue::Error;
use guests::{Context, Outcome, own_bucket};

fn handle(_: Context, _: String) -> Outcome {
    let own = own_bucket();
    let mut writes = 0u32;
    let many = loop {
        match own.set(&format!("k{writes}"), b"1") {
            Ok(()) => writes += 1,
            Err(error) => break text(error),
        }
    };
    let large = own.set("k0", &vec![0; 2 << 20]).map_or_else(text, |()| "taken".to_owned());
    let long = own.set(&"k".repeat(5000), b"1").map_or_else(text, |()| "taken".to_owned());
    let empty = own.set("", b"1").map_or_else(text, |()| "taken".to_owned());
    guests::done(format!(r#"{{"writes":{writes},"refusals":{:?}}}"#, [many, large, long, empty]))
}

fn text(error: Error) -> String {
    match error {
        Error::Other(text) => text,
        Error::NoSuchStore | Error::AccessDenied => "another error".to_owned(),
    }
}

guests::step!(handle);
