//! The engine: input in, outputs out. Dispatches between the rooms; holds no business rule. See [`api`].

pub mod api;
