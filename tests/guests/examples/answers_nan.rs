//! Misbehaves: writes a number into its answer that JSON does not have.

fn handle(_: guests::Context, _: String) -> guests::Outcome {
    guests::done(format!(r#"{{"rate":{}}}"#, guests::used(f64::NAN)))
}

guests::step!(handle);
