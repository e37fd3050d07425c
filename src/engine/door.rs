//! Which sources the door knows: the addresses and TLS names of the switches, and of hosts that carry a call though no switch is
//! there any more. Owns the translation from routing's words to SIP's; refuses to open or close anything.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::api::Output;
use super::{Engine, TimerKey};
use crate::clock::{Mono, Now};
use crate::routing::Routing;
use crate::sip::api::{Source, Sources};

/// A host that was left is shut out so long after its last call, at most.
const LINGER: Duration = Duration::from_secs(60);

/// The sources of these switches.
pub(super) fn sources(routing: &Routing) -> Sources {
    Sources::new(doors(routing))
}

fn doors(routing: &Routing) -> Vec<Source> {
    routing.doors().map(|(ips, tls_name)| Source { ips, tls_name }).collect()
}

impl Engine {
    /// The stack and the listeners hear only routing's switches from now on, and whoever still carries a call of ours: a reload
    /// or another look-up does not make a phone's BYE a stranger's. To be called whenever the places change.
    pub(super) fn know_sources(&mut self) {
        // When to look again is for a moment that has a clock.
        self.timers.set(TimerKey::Door, Mono(0));
        self.open_door();
    }

    /// Looks whether hosts that were left carry a call still.
    pub(super) fn look_at_door(&mut self, now: Now) {
        if self.open_door() {
            self.timers.set(TimerKey::Door, now.mono + LINGER);
        }
    }

    /// True while somebody is let in who is no switch.
    fn open_door(&mut self) -> bool {
        let mut known: Vec<Source> = doors(&self.routing);
        let ips: BTreeSet<IpAddr> = known.iter().flat_map(|source| &source.ips).map(IpAddr::to_canonical).collect();
        let guests: BTreeSet<_> =
            self.stack.peers().map(|hop| (hop.address.ip().to_canonical(), hop.name.clone())).collect();
        let guests = guests.into_iter().filter(|(ip, _)| !ips.contains(ip));
        known.extend(guests.map(|(ip, tls_name)| Source { ips: vec![ip], tls_name }));
        let guests = known.len() > self.routing.doors().count();
        self.let_in(Sources::new(known));
        guests
    }

    fn let_in(&mut self, sources: Sources) {
        self.outputs.push_back(Output::Sources(Arc::new(sources.clone())));
        self.stack.set_sources(sources);
    }
}
