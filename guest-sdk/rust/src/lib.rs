#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

// The generated bindings name this crate by its full path, so that they work in a step's own crate as well.
extern crate self as saga_step;

#[doc(hidden)]
#[cfg(target_family = "wasm")]
pub use wit_bindgen;

#[doc(hidden)]
#[cfg(target_family = "wasm")]
pub mod bindings;

mod answer;
pub mod config;
mod context;
pub mod decimal;
pub mod events;
mod host;
mod id;
pub mod keyvalue;
pub mod log;
pub mod prelude;
pub mod random;
#[doc(hidden)]
pub mod run;
mod splice;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod time;

pub use answer::{
    Done, Outcome, Rejected, ResultExt, Retry, StepResult, Stop, Wait, done, rejected, replaced, retry, unchanged, wait,
};
pub use context::{Context, Direction, Failure};
pub use decimal::Decimal;
pub use id::Id;
#[doc(hidden)]
pub use run::nothing_to_undo;
pub use run::{INVALID_BODY, INVALID_COMPENSATION_LOG};
#[doc(no_inline)]
pub use {serde, serde_json};

/// Makes a step of two functions: `export!(handle, compensate)`, or `export!(handle)` for a step that leaves nothing
/// behind that would have to be undone. Once per crate, whose manifest says `crate-type = ["cdylib", "rlib"]`.
///
/// `handle` is a `fn(&Context, Body) -> StepResult` and `compensate` a `fn(&Context, Body, Option<Log>) -> StepResult`,
/// where the body types implement serde's `Serialize` and `Deserialize`, and the log type `Deserialize`.
///
/// A panic in either is left to trap: the host ends the call, keeps the text that the panic printed as the cause,
/// and counts it as a fault of the plugin.
#[macro_export]
macro_rules! export {
    ($handle:path $(,)?) => {
        $crate::export!($handle, $crate::nothing_to_undo);
    };
    ($handle:path, $compensate:path $(,)?) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            use $crate::bindings::exports::saga::step::step;

            struct Exported;

            impl step::Guest for Exported {
                fn handle(context: step::Context, body: ::std::string::String) -> step::Outcome {
                    $crate::run::handle($handle, &context.into(), body).into()
                }

                fn compensate(
                    context: step::Context,
                    body: ::std::string::String,
                    log: ::core::option::Option<::std::string::String>,
                ) -> step::Outcome {
                    $crate::run::compensate($compensate, &context.into(), body, log).into()
                }
            }

    $crate::bindings::export_raw!(Exported with_types_in $crate::bindings);
        };

        // Natively nothing is exported, but the two functions are used and their types are checked.
        #[cfg(not(target_family = "wasm"))]
        const _: fn() -> $crate::testing::TestHost = || $crate::testing::TestHost::new($handle, $compensate);
    };
}
