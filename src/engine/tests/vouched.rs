//! Calls that are vouched for (STIR/SHAKEN): an INVITE to the letter, and what becomes of one that cannot be signed.

use std::sync::Arc;

use super::super::Stir;
use super::{Rig, config, hop, switch};
use crate::model::trunk::Attestation;
use crate::model::{Outcome, SipTransport, Trunk};
use crate::routing::Switch;
use crate::sip::wire::passport::Signer;

/// A key that gives this signature, or is not to be used.
#[derive(Debug)]
struct Key(Option<[u8; 64]>);

impl Signer for Key {
    fn sign(&self, _text: &[u8]) -> Option<[u8; 64]> {
        self.0
    }

    fn certificate_url(&self) -> &str {
        "https://cert.example.org/passport.cer"
    }
}

/// One switch that wants calls signed, with this key.
fn rig(key: Option<[u8; 64]>, required: bool) -> Rig {
    let trunk = Arc::new(Trunk { sign: true, ..Trunk::default() });
    let switch = Switch { trunk, caller_id: Some("+12155551212".to_owned()), ..switch("ssp-62", 1) };
    let stir = Stir { signer: Arc::new(Key(key)), default_attestation: Attestation::Partial, required };
    let mut config = config(vec![switch]);
    config.stir = Some(stir);
    Rig::of(config)
}

#[test]
fn an_invite_with_its_identity_is_as_written_down() {
    let mut rig = rig(Some([7; 64]), true);
    rig.call();
    let (to, invite) = rig.next("INVITE");
    // With its signature it no longer surely fits a datagram.
    assert_eq!((to.transport, to.address), (SipTransport::Tcp, hop(1).address));
    insta::assert_snapshot!("invite_with_identity", invite.replace("\r\n", "\n"));
}

#[test]
fn a_call_that_must_be_signed_and_cannot_be_is_not_dialled() {
    let mut rig = rig(None, true);
    rig.call();
    assert_eq!(rig.count("INVITE"), 0);
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
    let record = &rig.records[0];
    assert_eq!((record.customer_sip_status, record.customer_q850), (None, Some(41)));
    rig.assert_nothing_left();
}

#[test]
fn a_call_that_need_not_be_signed_goes_unsigned() {
    let mut rig = rig(None, false);
    rig.call();
    let (_, invite) = rig.next("INVITE");
    assert!(!invite.contains("Identity:") && !invite.contains("\r\nDate:"), "{invite}");
}
