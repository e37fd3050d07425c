//! The store: a trait, and SQLite behind it; operations in order, grouped into one commit.
