//! Speech: runs the configured program, caches what it said.
