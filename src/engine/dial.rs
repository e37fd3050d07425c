//! From "dial this leg" to its INVITE: which switch, which port, what the INVITE says. Owns the order of these steps; who may be
//! dialled through which switch is `routing`'s.

use std::sync::Arc;

use rand::RngCore;

use super::api::Notice;
use super::identity::{self, Asking};
use super::{Engine, LegMedia, Port};
use crate::call::{CUSTOMER, Event, FailureKind};
use crate::clock::Now;
use crate::media::api::Command;
use crate::model::{Cause, LegId};
use crate::routing::{self, Choice};
use crate::sdp::{self, Codec, Direction};
use crate::sip::api::Invite;

impl Engine {
    /// Chooses the switch and asks for a port; the INVITE follows when the port is there.
    pub(super) fn dial(&mut self, now: Now, leg: LegId) {
        let draw = self.rng.next_u64();
        let session_id = u64::from(self.rng.next_u32());
        let Some(live) = self.calls.get_mut(&leg.call) else { return };
        let Some(address) = live.call.leg(leg.attempt).map(|l| l.address.clone()) else { return };
        let Some(Choice { switch, hop }) = self.routing.choose(&address, draw) else {
            let cause = Cause::local(3, "no switch serves this destination");
            return self.tell(now, leg.call, Event::Failed(leg.attempt, FailureKind::Unreachable, cause));
        };
        let caller = identity::caller(&Asking {
            leg,
            message: live.call.message(),
            business: &live.business,
            trunk: &switch.trunk,
            switch_caller_id: switch.caller_id.as_deref(),
            own: self.config.sip.of(hop),
            default_attestation: identity::attestation_of_switches(self.config.stir.as_ref()),
        });
        let agreed = live.legs.get(&CUSTOMER).and_then(|l| l.plan.as_ref()).map(|plan| plan.codec);
        let codecs = match agreed {
            Some(Codec::Pcma) => [Codec::Pcma, Codec::Pcmu],
            Some(Codec::Pcmu) | None => [Codec::Pcmu, Codec::Pcma],
        };
        let leg_media = LegMedia {
            hop: hop.clone(),
            trunk: Arc::clone(&switch.trunk),
            target: routing::uri(&address, &switch.address.authority()),
            caller,
            called: identity::number_of(&address),
            codecs,
            port: Port::Opening,
            session_id,
            version: 1,
            plan: None,
            early: Vec::new(),
            keys: Default::default(),
            sdp: Vec::new(),
        };
        live.legs.insert(leg.attempt, leg_media);
        let name = switch.name.clone();
        live.call.set_switch(leg.attempt, &name);
        self.see_dialled(now, leg, &name);
        self.media(Command::Open { leg });
    }

    /// The port is there: the INVITE goes out.
    pub(super) fn opened(&mut self, now: Now, leg: LegId, local: std::net::SocketAddr) {
        let live = self.calls.get_mut(&leg.call);
        let Some((live_due, leg_media)) =
            live.and_then(|live| live.legs.get_mut(&leg.attempt).map(|l| (live.due_at, l)))
        else {
            return self.media(Command::Close { leg });
        };
        if leg_media.port != Port::Opening {
            leg_media.port = Port::Closing;
            return self.media(Command::Close { leg });
        }
        leg_media.port = Port::Open(local);
        leg_media.sdp = sdp::offer(&leg_media.local(local), &leg_media.codecs, Direction::BOTH);
        let Ok(headers) = identity::headers(self.config.stir.as_ref(), leg, leg_media, now.wall) else {
            let cause = Cause::local(identity::UNSIGNED, "the call could not be signed");
            return self.tell(now, leg.call, Event::Failed(leg.attempt, FailureKind::Fault, cause));
        };
        let mut invite = Invite {
            leg,
            hop: leg_media.hop.clone(),
            target: leg_media.target.clone(),
            from: leg_media.caller.from.clone(),
            from_name: leg_media.caller.from_name.clone(),
            headers,
            trunk: Arc::clone(&leg_media.trunk),
            offer: leg_media.sdp.clone(),
        };
        invite.headers.extend(self.referral_fields(leg));
        self.stack.invite(now.mono, invite);
        if leg.attempt == CUSTOMER {
            self.prepare(leg);
            let micros = u64::try_from(now.mono.since(live_due).as_micros()).unwrap_or(u64::MAX);
            self.notice(Notice::Setup { call: leg.call, micros });
        }
    }
}
