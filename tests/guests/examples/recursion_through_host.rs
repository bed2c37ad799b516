//! Misbehaves: recurses without end and calls the host at every depth.

use guests::logging::{Level, log};

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    guests::done(format!("{}", deeper(guests::used(body.len() as u64))))
}

#[inline(never)]
#[expect(unconditional_recursion, reason = "it is what this program is for")]
fn deeper(depth: u64) -> u64 {
    let frame = guests::used([depth; 32]);
    log(Level::Trace, "depth", "deeper");
    deeper(depth + 1) + frame[(depth % 32) as usize]
}

guests::step!(handle);
