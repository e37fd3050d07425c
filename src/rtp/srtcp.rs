//! SRTCP (RFC 3711 §3.4, RFC 7714 §9): a leg's reports sealed and opened with the keys of its packets, through rtc-srtp. Owns that
//! an unencrypted report is refused: the crate takes one whose E bit is 0 without looking at its tag.

use super::{Opener, Seal, is_rtcp};
use crate::model::Suite;

/// What stands behind a report: E bit and index, and the tag of either kind.
const INDEX: usize = 4;

impl Seal {
    /// The datagram of a compound packet. `None`: no RTCP.
    pub fn seal_report(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        if !is_rtcp(packet) {
            return None;
        }
        self.context.encrypt_rtcp(packet).ok().map(Vec::from)
    }
}

impl Opener {
    /// The compound packet in a datagram. `None`: not encrypted, not authentic, a replay, or no RTCP; then nothing has changed.
    pub fn open_report(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        let ssrc = datagram.get(4..8).and_then(|bytes| bytes.first_chunk::<4>()).copied().map(u32::from_be_bytes)?;
        if !is_rtcp(datagram) || !is_encrypted(datagram, self.key.suite()) {
            return None;
        }
        self.know(ssrc, |trial| trial.decrypt_rtcp(datagram).is_ok())?;
        self.context.decrypt_rtcp(datagram).ok().map(Vec::from)
    }
}

/// The E bit, which stands before the tag of HMAC-SHA1 (RFC 3711 figure 2) and at the end with AES-GCM (RFC 7714 §9.2).
fn is_encrypted(datagram: &[u8], suite: Suite) -> bool {
    let behind = match suite {
        Suite::AesCm128HmacSha1 => INDEX + 10,
        Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => INDEX,
    };
    let place = datagram.len().checked_sub(behind);
    place.and_then(|at| datagram.get(at)).is_some_and(|byte| byte & 0x80 != 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::MasterKey;
    use crate::rtp::rtcp;

    fn key(suite: Suite, seed: u8) -> MasterKey {
        let material: Vec<u8> = (0..suite.key_length() + suite.salt_length()).map(|n| n as u8 ^ seed).collect();
        MasterKey::new(suite, &material).unwrap()
    }

    fn pair(suite: Suite) -> (Seal, Opener) {
        (Seal::new(&key(suite, 7)).unwrap(), Opener::new(&key(suite, 7)).unwrap())
    }

    fn report(ssrc: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        rtcp::write(&mut bytes, ssrc, None, &[], b"0123456789abcdef", false);
        bytes
    }

    /// The layout of RFC 3711 figure 2 and RFC 7714 figure 3: header and SSRC readable, the rest not; E bit, index one more each time.
    #[test]
    fn a_report_is_sealed_as_the_figures_show_it() {
        for suite in Suite::ALL {
            let (mut seal, mut opener) = pair(suite);
            for index in 1..=3u32 {
                let clear = report(9);
                let sealed = seal.seal_report(&clear).unwrap();
                let (tag, behind) = if suite == Suite::AesCm128HmacSha1 { (10, 10) } else { (16, 0) };
                assert_eq!(sealed.len(), clear.len() + 4 + tag);
                assert_eq!(sealed[..8], clear[..8]);
                assert_ne!(sealed[8..clear.len()], clear[8..]);
                let at = sealed.len() - behind - 4;
                assert_eq!(sealed[at..at + 4], (0x8000_0000 | index).to_be_bytes());
                assert_eq!(opener.open_report(&sealed), Some(clear));
            }
        }
    }

    #[test]
    fn a_replay_is_refused_and_a_late_one_is_not() {
        for suite in Suite::ALL {
            let (mut seal, mut opener) = pair(suite);
            let sealed: Vec<_> = (0..200).map(|_| seal.seal_report(&report(9)).unwrap()).collect();
            assert!(opener.open_report(&sealed[150]).is_some());
            assert!(opener.open_report(&sealed[149]).is_some(), "{suite:?}");
            for again in [150, 149, 2] {
                assert_eq!(opener.open_report(&sealed[again]), None, "{suite:?} {again}");
            }
        }
    }

    /// Without this the crate takes anything that says of itself that it is not encrypted.
    #[test]
    fn a_report_that_says_it_is_not_encrypted_is_refused() {
        for suite in Suite::ALL {
            let (mut seal, mut opener) = pair(suite);
            let mut forged = seal.seal_report(&report(9)).unwrap();
            let at = forged.len() - if suite == Suite::AesCm128HmacSha1 { 14 } else { 4 };
            forged[at] &= 0x7f;
            assert_eq!(opener.open_report(&forged), None, "{suite:?}");
            let mut clear = report(9);
            clear.extend_from_slice(&[0; 14]);
            assert_eq!(opener.open_report(&clear), None, "{suite:?}");
        }
    }

    #[test]
    fn another_key_opens_nothing_and_strangers_cost_no_memory() {
        let (mut seal, mut opener) = pair(Suite::AesCm128HmacSha1);
        let mut stranger = Seal::new(&key(Suite::AesCm128HmacSha1, 8)).unwrap();
        for ssrc in 0..300 {
            assert_eq!(opener.open_report(&stranger.seal_report(&report(ssrc)).unwrap()), None);
        }
        assert!(opener.sources.is_empty());
        assert!(opener.open_report(&seal.seal_report(&report(9)).unwrap()).is_some());
    }

    proptest! {
        #[test]
        fn a_changed_report_never_passes(at in 0usize..200, flip in 1u8..=255, cut in 1usize..60, suite in 0usize..3) {
            let (mut seal, mut opener) = pair(Suite::ALL[suite]);
            let sealed = seal.seal_report(&report(9)).unwrap();
            let mut changed = sealed.clone();
            let at = at % changed.len();
            changed[at] ^= flip;
            prop_assert_eq!(opener.open_report(&changed), None);
            prop_assert_eq!(opener.open_report(&sealed[..sealed.len() - cut.min(sealed.len())]), None);
            prop_assert_eq!(opener.open_report(&sealed), Some(report(9)));
        }

        #[test]
        fn no_datagram_makes_it_panic_or_passes(bytes in proptest::collection::vec(any::<u8>(), 0..120), suite in 0usize..3, kind in 192u8..224) {
            let (mut seal, mut opener) = pair(Suite::ALL[suite]);
            let mut bytes = bytes;
            if let Some(head) = bytes.get_mut(..2) {
                head.copy_from_slice(&[0x80, kind]);
            }
            prop_assert_eq!(opener.open_report(&bytes), None);
            let _ = seal.seal_report(&bytes);
        }
    }
}
