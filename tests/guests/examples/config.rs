//! Behaves: answers with its configuration.

use guests::config;

fn handle(_: guests::Context, _: String) -> guests::Outcome {
    let one = config::get("currency").expect("reads");
    let none = config::get("not-there").expect("reads");
    let all = config::get_all().expect("reads");
    guests::done(format!(r#"{{"one":{:?},"none":{},"all":{}}}"#, one.unwrap_or_default(), none.is_none(), all.len()))
}

guests::step!(handle);
