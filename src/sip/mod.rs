//! SIP (RFC 3261) without I/O. See [`api`] for the vocabulary between the stack and the engine.

pub mod api;
pub mod dialog;
mod note;
pub mod registration;
mod sources;
pub mod stack;
pub mod transaction;
pub mod wire;

pub use stack::{HangUpReason, Live, Stack, StackConfig};
