//! The entry: arguments to command to exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    callbridge::cli::run(callbridge::cli::Arguments::parse())
}
