//! RTP packets and counters (RFC 3550), DTMF events (RFC 4733). Pure.
