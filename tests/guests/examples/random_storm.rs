//! Misbehaves: asks for random bytes without end, and for more at once than anybody needs.

mod foreign {
    wit_bindgen::generate!({
        inline: "
            package wasi:random@0.2.0;
            interface random {
                get-random-bytes: func(len: u64) -> list<u8>;
                get-random-u64: func() -> u64;
            }
            world user { import random; }
        ",
        runtime_path: "::guests::wit_bindgen::rt",
    });
}

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    let most = if body == "\"at once\"" { u64::MAX } else { 1 << 16 };
    loop {
        guests::used(foreign::wasi::random::random::get_random_bytes(most));
    }
}

guests::step!(handle);
