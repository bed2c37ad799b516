//! What wit-bindgen makes of `wit/`. Nothing generated is committed here or in a step's own crate:
//! `export!` leads back to this module. Only part of a component build.

wit_bindgen::generate!({
    path: "wit",
    world: "step-plugin",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export_raw",
    default_bindings_module: "saga_step::bindings",
    runtime_path: "::saga_step::wit_bindgen::rt",
});
