//! Calls waiting for their desired contact time, by the wall clock. Pure.
