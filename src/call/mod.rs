//! The customer service call: the two-leg machine. Pure; speaks of leg events, never of SIP status codes.
