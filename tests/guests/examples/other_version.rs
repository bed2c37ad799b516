//! Misbehaves: made for a version of saga:step that this host does not serve.

wit_bindgen::generate!({
    inline: "
        package saga:step@9.1.0;
        interface step { handle: func(body: string) -> string; }
        world step-plugin { export step; }
    ",
    runtime_path: "::guests::wit_bindgen::rt",
});

use guests::wit_bindgen;

struct Step;

impl exports::saga::step::step::Guest for Step {
    fn handle(body: String) -> String {
        body
    }
}

export!(Step);
