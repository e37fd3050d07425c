//! Which sources the door knows: the addresses and TLS names of the configured switches. Owns the translation from routing's
//! words to SIP's; refuses to open or close anything.

use std::sync::Arc;

use super::Engine;
use super::api::Output;
use crate::routing::Switch;
use crate::sip::api::{Source, Sources};

/// The sources of these switches.
pub(super) fn sources(switches: &[Switch]) -> Sources {
    let source = |switch: &Switch| Source {
        ips: switch.sources.iter().copied().chain([switch.hop.address.ip()]).collect(),
        tls_name: switch.hop.name.clone(),
    };
    Sources::new(switches.iter().map(source).collect())
}

impl Engine {
    /// The stack and the listeners hear only these from now on.
    pub(super) fn know_sources(&mut self, switches: &[Switch]) {
        let sources = sources(switches);
        self.outputs.push_back(Output::Sources(Arc::new(sources.clone())));
        self.stack.set_sources(sources);
    }
}
