//! Misbehaves: imports an interface that no host serves.

mod foreign {
    wit_bindgen::generate!({
        inline: "
            package acme:nuclear@1.0.0;
            interface button { press: func(); }
            world user { import button; }
        ",
        runtime_path: "::guests::wit_bindgen::rt",
    });
}

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    foreign::acme::nuclear::button::press();
    guests::done(body)
}

guests::step!(handle);
