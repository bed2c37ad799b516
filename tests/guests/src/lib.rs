//! The scaffold of the test programs: the bindings, and a macro that makes a step of two functions.
//! It must not know the SDK: what is tested here is the host.

extern crate self as guests;

pub use wit_bindgen;

pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "step-plugin",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_raw",
        default_bindings_module: "guests::bindings",
        runtime_path: "::guests::wit_bindgen::rt",
    });
}

pub use bindings::exports::saga::step::step::{Context, Outcome};
pub use bindings::saga::step::events;
pub use bindings::saga::step::types::{Done, Rejected, Retry, Wait};
pub use bindings::wasi::config::store as config;
pub use bindings::wasi::keyvalue::store as keyvalue;
pub use bindings::wasi::logging::logging;

/// Export a step of a `fn(Context, String) -> Outcome` and a `fn(Context, String, Option<String>) -> Outcome`.
#[macro_export]
macro_rules! step {
    ($handle:path, $compensate:path) => {
        struct Exported;

        impl $crate::bindings::exports::saga::step::step::Guest for Exported {
            fn handle(context: $crate::Context, body: String) -> $crate::Outcome {
                $handle(context, body)
            }

            fn compensate(context: $crate::Context, body: String, log: Option<String>) -> $crate::Outcome {
                $compensate(context, body, log)
            }
        }

        $crate::bindings::export_raw!(Exported with_types_in $crate::bindings);
    };
    ($handle:path) => {
        $crate::step!($handle, $crate::undone);
    };
}

/// A compensation that has nothing to do.
pub fn undone(_: Context, body: String, _: Option<String>) -> Outcome {
    done(body)
}

/// Done, with this body and nothing to hand back.
pub fn done(body: impl Into<String>) -> Outcome {
    Outcome::Done(Done { body: body.into(), compensation: None })
}

/// The text between quotes, as JSON.
pub fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c.is_control() => json.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

/// The bucket of the step itself.
pub fn own_bucket() -> keyvalue::Bucket {
    keyvalue::open("").expect("the own bucket is always there")
}

/// Keep something from being optimised away.
pub fn used<T>(value: T) -> T {
    std::hint::black_box(value)
}
