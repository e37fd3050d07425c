//! Simulated phones: a small user agent independent of the sip room, for the demo, the bench and the tests. Pure.
