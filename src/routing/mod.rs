//! Which switch carries a destination. Pure.
