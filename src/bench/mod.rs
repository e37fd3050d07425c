//! Simulated phones and load against a running daemon.
