//! Redirections (3xx) of a leg: followed within the switch's limit, never twice to one place, never to where routing would not
//! dial of its own accord. Owns these refusals; the tries themselves are `dial`'s.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Engine;
use super::dial::Next;
use crate::access::destinations::judge;
use crate::call::{Event, FailureKind};
use crate::clock::Now;
use crate::model::{Cause, Endpoint, LegId, Role};
use crate::routing::Routing;
use crate::sip::wire::Uri;

impl Engine {
    /// The leg's switch says that its party is elsewhere.
    pub(super) fn redirected(&mut self, now: Now, leg: LegId, contacts: &[String], mut cause: Cause) {
        self.try_is_heard(leg);
        match self.follow(now, leg, contacts) {
            Ok(()) => {}
            Err(why) => {
                cause.text = why.to_owned();
                self.tell(now, leg.call, Event::Failed(leg.attempt, FailureKind::Unreachable, cause));
            }
        }
    }

    fn follow(&mut self, now: Now, leg: LegId, contacts: &[String]) -> Result<(), &'static str> {
        // Nothing is dialled for a call that is over (field.md 2).
        let billed = self.wanted(leg).ok_or("redirected when nobody wanted it any more")?;
        let live = self.calls.get(&leg.call).ok_or("redirected without a call")?;
        let (account, prices, here) = (Arc::clone(&live.business), live.prices.clone(), live.call.wall(now));
        let role = live.call.leg(leg.attempt).map_or(Role::Representative, |leg| leg.role);
        let live = self.calls.get_mut(&leg.call);
        let leg_media = live.and_then(|live| live.legs.get_mut(&leg.attempt)).ok_or("redirected without a port")?;
        let tries = &mut leg_media.tries;
        if tries.redirects >= tries.switch.trunk.max_redirects {
            return Err("redirected too often");
        }
        tries.redirects += 1;
        let mut rest = VecDeque::new();
        let mut why = "redirected to where no switch may dial";
        for contact in contacts {
            let address = destination(&self.routing, contact);
            let calls = |address: &Endpoint| judge(&account.guard.destinations, address).is_ok();
            let Some(address) = address.filter(calls) else { continue };
            // The leg is billed as the address that was asked for.
            if !prices.is_no_dearer(role, &address, &billed, here) {
                why = "redirected to where a leg costs more than it is billed";
                continue;
            }
            if tries.asked.iter().any(|asked| same_place(asked, &address)) {
                why = "redirected in a loop";
                continue;
            }
            if let Ok(found) = self.routing.candidates(now.mono, &address, &mut self.rng) {
                tries.asked.push(address.clone());
                rest.extend(found.into_iter().map(|candidate| Next { candidate, address: address.clone() }));
            }
        }
        if !rest.is_empty() {
            why = "redirected to a switch without a free channel";
        }
        if self.go_on(now, leg, rest) { Ok(()) } else { Err(why) }
    }
}

/// Both are dialled alike: what is dialled after the answer makes no other place.
fn same_place(one: &Endpoint, other: &Endpoint) -> bool {
    match (one, other) {
        (Endpoint::Number(one), Endpoint::Number(other)) => one.e164 == other.e164,
        (one, other) => one == other,
    }
}

/// What a contact means as a destination. At a switch's own host a user that looks like a number is judged as that number, so
/// that no redirection reaches a number that the prefixes do not cover; one without country code is refused.
fn destination(routing: &Routing, contact: &str) -> Option<Endpoint> {
    let uri = Uri::parse(contact).ok()?;
    let user = uri.user.map(|user| Uri::unescape(user.split(';').next().unwrap_or_default()));
    let phone = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | '(' | ')' | '*' | '#');
    let number = user.filter(|user| !user.is_empty() && user.chars().all(phone));
    let address = match number {
        Some(number) if uri.is_sip() && routing.is_switch(uri.host) => Endpoint::parse(&number).ok()?,
        _ => Endpoint::parse(contact).ok()?,
    };
    let sound = match &address {
        Endpoint::Sip(sip) => !sip.uri.contains(['?', '<', '>', '"']),
        Endpoint::Number(_) | Endpoint::Ip(..) => true,
    };
    (sound && routing.covers(&address)).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Hop;
    use crate::routing::Switch;

    fn to(contact: &str) -> Option<String> {
        let switch = Switch {
            prefixes: vec!["+1212".into()],
            allow: vec!["pbx.example.com".into()],
            ..Switch::at("ssp-62", Hop::udp("192.0.2.1:5060".parse().unwrap()))
        };
        destination(&Routing::new(vec![switch]), contact).map(|address| address.to_string())
    }

    #[test]
    fn numbers_and_allowed_hosts_are_followed() {
        assert_eq!(to("sip:+12125550199@192.0.2.1;user=phone").as_deref(), Some("+12125550199"));
        assert_eq!(to("sip:%2B12125550199;npdi@192.0.2.1:5080").as_deref(), Some("+12125550199"));
        assert_eq!(to("tel:+12125550199").as_deref(), Some("+12125550199"));
        assert_eq!(to("sip:201@pbx.example.com").as_deref(), Some("sip:201@pbx.example.com"));
    }

    #[test]
    fn an_extension_makes_no_other_place_of_a_number() {
        let parse = |text: &str| Endpoint::parse(text).unwrap();
        assert!(same_place(&parse("tel:+12125550199;ext=42"), &parse("+12125550199")));
        assert!(!same_place(&parse("+12125550198"), &parse("+12125550199")));
        assert!(!same_place(&parse("sip:a@192.0.2.1"), &parse("sip:b@192.0.2.1")));
    }

    #[test]
    fn premium_numbers_strange_hosts_and_tricks_are_not() {
        for contact in [
            "sip:+19005550100@192.0.2.1",
            "tel:+19005550100",
            "sip:0190555@192.0.2.1",
            "sip:+12125550199@evil.example.org",
            "sip:201@evil.example.org",
            "sip:201@pbx.example.com?Replaces=x",
            "http://192.0.2.1/",
            "",
        ] {
            assert_eq!(to(contact), None, "{contact}");
        }
    }
}
