//! The entry: arguments to command to exit code.
fn main() {}
