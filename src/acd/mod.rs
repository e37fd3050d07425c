//! Representatives, availability, skills, queues, choice (issue 6). Pure.

pub mod named;
