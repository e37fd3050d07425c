//! TLS for the HTTP listener, by rustls with ring.
