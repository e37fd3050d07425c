//! Wiring: configuration to threads, listeners and back; reload and drain.
