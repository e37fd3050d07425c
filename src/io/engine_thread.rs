//! The engine's thread: one bounded inbox, the SIP socket, outputs carried out in order.
