//! The command line: arguments, and the small commands.

pub mod call;
