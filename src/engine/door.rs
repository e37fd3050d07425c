//! Which sources the door knows: the addresses and TLS names of the switches. Owns the translation from routing's words to
//! SIP's; refuses to open or close anything.

use std::sync::Arc;

use super::Engine;
use super::api::Output;
use crate::routing::Routing;
use crate::sip::api::{Source, Sources};

/// The sources of these switches.
pub(super) fn sources(routing: &Routing) -> Sources {
    Sources::new(routing.doors().map(|(ips, tls_name)| Source { ips, tls_name }).collect())
}

impl Engine {
    /// The stack and the listeners hear only routing's switches from now on. To be called whenever their places change.
    pub(super) fn know_sources(&mut self) {
        let sources = sources(&self.routing);
        self.outputs.push_back(Output::Sources(Arc::new(sources.clone())));
        self.stack.set_sources(sources);
    }
}
