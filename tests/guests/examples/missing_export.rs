//! Misbehaves: a good component that is no step.

wit_bindgen::generate!({
    inline: "
        package acme:tools@1.0.0;
        interface greeter { greet: func(name: string) -> string; }
        world tool { export greeter; }
    ",
    runtime_path: "::guests::wit_bindgen::rt",
});

use guests::wit_bindgen;

struct Greeter;

impl exports::acme::tools::greeter::Guest for Greeter {
    fn greet(name: String) -> String {
        name
    }
}

export!(Greeter);
