//! Misbehaves: panics with a text.

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    check_stock(&body)
}

#[inline(never)]
fn check_stock(body: &str) -> guests::Outcome {
    panic!("the stock of {body} went negative")
}

guests::step!(handle);
