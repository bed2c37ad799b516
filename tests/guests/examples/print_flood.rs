//! Misbehaves: prints without end.

fn handle(_: guests::Context, _: String) -> guests::Outcome {
    loop {
        println!("{}", "printed ".repeat(100));
        eprintln!("{}", "complained ".repeat(100));
    }
}

guests::step!(handle);
