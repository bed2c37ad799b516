//! `measure`: what a host costs when it stands, and how long it takes to take up a plugin or its own work again. Starts
//! real hosts in a scratch folder, prints a table or JSON, and with `--check` fails when a bound is not met.

use std::process::ExitCode;

use clap::Parser as _;
use saga_tests::measure::{Options, run};

fn main() -> ExitCode {
    run(&Options::parse())
}
