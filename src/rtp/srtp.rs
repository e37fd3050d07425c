//! SRTP (RFC 3711, RFC 7714) over one direction of a leg: packets sealed and opened through rtc-srtp. Owns that nothing
//! unauthenticated leaves a trace or costs memory, and the replay window; refuses reports, which are `srtcp`'s.

use rtc_srtp::context::Context;
use rtc_srtp::crypto::default_provider;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;

use super::HEADER;
use crate::model::{MasterKey, Suite};

/// Packets behind the newest one that are still told from replays (RFC 3711 §3.3.2 wants 64).
const WINDOW: usize = 128;
/// Sources of one key that were ever authenticated; who wants more is refused.
const MAX_SOURCES: usize = 64;
/// Packets of unknown sources after which what they left in the crate is thrown away.
const TRIES: u8 = 64;

/// Seals what we send.
pub struct Seal {
    pub(super) context: Context,
}

impl Seal {
    /// With our key. `None`: the cryptography refuses it, which a whole key gives no reason to.
    pub fn new(key: &MasterKey) -> Option<Seal> {
        Some(Seal { context: context(key, false)? })
    }

    /// The datagram of a packet, a tag longer. `None`: no RTP, or all numbers of the key are used up.
    pub fn seal(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let header = header(packet)?;
        self.context.encrypt_rtp_with_header(packet, &header).ok().map(Vec::from)
    }
}

/// Opens what a peer sends.
pub struct Opener {
    pub(super) key: MasterKey,
    /// Has states of authenticated sources only: it makes one for whatever it is shown.
    pub(super) context: Context,
    pub(super) sources: Vec<u32>,
    /// Judges packets of other sources.
    trial: Option<Context>,
    tries: u8,
}

impl Opener {
    /// With the peer's key. `None` as with [`Seal::new`].
    pub fn new(key: &MasterKey) -> Option<Opener> {
        Some(Opener { key: *key, context: context(key, true)?, sources: Vec::new(), trial: None, tries: 0 })
    }

    /// The packet in a datagram. `None`: not authentic, a replay, or no RTP; then nothing has changed.
    pub fn open(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        let header = header(datagram)?;
        self.know(header.ssrc, |trial| trial.decrypt_rtp_with_header(datagram, &header).is_ok())?;
        self.context.decrypt_rtp_with_header(datagram, &header).ok().map(Vec::from)
    }

    /// A source becomes known by a first authentic packet or report.
    pub(super) fn know(&mut self, ssrc: u32, authentic: impl FnOnce(&mut Context) -> bool) -> Option<()> {
        if self.sources.contains(&ssrc) {
            return Some(());
        }
        if self.sources.len() >= MAX_SOURCES {
            return None;
        }
        if self.tries == 0 {
            self.trial = None;
            self.tries = TRIES;
        }
        self.tries -= 1;
        if self.trial.is_none() {
            self.trial = context(&self.key, false);
        }
        self.trial.as_mut().is_some_and(authentic).then(|| {
            self.sources.push(ssrc);
            // Most peers have one source: what judged it is not kept for another.
            self.trial = None;
        })
    }
}

fn context(key: &MasterKey, replays_refused: bool) -> Option<Context> {
    let profile = match key.suite() {
        Suite::AesCm128HmacSha1 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Suite::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
    };
    let provider = default_provider().ok()?;
    let window = replays_refused.then(|| srtp_replay_protection(WINDOW));
    let reports = replays_refused.then(|| srtcp_replay_protection(WINDOW));
    Context::new(key.key(), key.salt(), profile, window, reports, provider.crypto()).ok()
}

/// What the cryptography needs of a header: source, number, length. The list of contributors stands for everything behind the
/// first twelve bytes, whose contents are authenticated where they lie.
fn header(packet: &[u8]) -> Option<rtc_rtp::Header> {
    let (fixed, rest) = packet.split_first_chunk::<HEADER>()?;
    let [first, second, s0, s1, _, _, _, _, ssrc @ ..] = *fixed;
    // RTCP has its own way (RFC 5761 §4).
    if first >> 6 != 2 || (192..224).contains(&second) {
        return None;
    }
    let mut words = usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let extension = rest.get(words * 4..)?.first_chunk::<4>()?;
        words += 1 + usize::from(u16::from_be_bytes([extension[2], extension[3]]));
    }
    if rest.len() < words * 4 {
        return None;
    }
    Some(rtc_rtp::Header {
        version: 2,
        sequence_number: u16::from_be_bytes([s0, s1]),
        ssrc: u32::from_be_bytes(ssrc),
        csrc: vec![0; words],
        ..rtc_rtp::Header::default()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rtp::{Stamp, write};

    fn key(suite: Suite, seed: u8) -> MasterKey {
        let material: Vec<u8> = (0..suite.key_length() + suite.salt_length()).map(|n| n as u8 ^ seed).collect();
        MasterKey::new(suite, &material).unwrap()
    }

    fn pair(suite: Suite) -> (Seal, Opener) {
        (Seal::new(&key(suite, 7)).unwrap(), Opener::new(&key(suite, 7)).unwrap())
    }

    fn packet(ssrc: u32, sequence: u16) -> Vec<u8> {
        let mut packet = vec![0x55; HEADER + 160];
        write(packet.first_chunk_mut().unwrap(), 0, Stamp { marker: false, sequence, timestamp: 1, ssrc });
        packet
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// The master key of RFC 3711 B.3 and the packet that libsrtp seals with it in its own test.
    #[test]
    fn the_known_packet_of_aes_cm_is_sealed_as_everybody_seals_it() {
        let material = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
        let key = MasterKey::new(Suite::AesCm128HmacSha1, &material).unwrap();
        let clear = hex("800f1234decafbadcafebabeabababababababababababababababab");
        let sealed = hex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb");
        assert_eq!(Seal::new(&key).unwrap().seal(&clear), Some(sealed.clone()));
        assert_eq!(Opener::new(&key).unwrap().open(&sealed), Some(clear));
    }

    /// Key, salt and packet of libsrtp's own test of AES-GCM.
    #[test]
    fn the_known_packet_of_aes_gcm_is_sealed_as_everybody_seals_it() {
        let material = hex("000102030405060708090a0b0c0d0e0f a0a1a2a3a4a5a6a7a8a9aaab");
        let key = MasterKey::new(Suite::AeadAes128Gcm, &material).unwrap();
        let clear = hex("800f1234decafbadcafebabeabababababababababababababababab");
        let sealed = hex("800f1234decafbadcafebabec5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392");
        assert_eq!(Seal::new(&key).unwrap().seal(&clear), Some(sealed.clone()));
        assert_eq!(Opener::new(&key).unwrap().open(&sealed), Some(clear));
    }

    #[test]
    fn what_is_sealed_opens_once_and_over_the_turn_of_its_numbers() {
        for suite in Suite::ALL {
            let (mut seal, mut opener) = pair(suite);
            for number in 32_000u32..98_700 {
                // One of eight is enough to see the turn.
                if number % 8 != 0 {
                    continue;
                }
                let packet = packet(9, number as u16);
                let sealed = seal.seal(&packet).unwrap();
                assert_ne!(sealed[HEADER..packet.len()], packet[HEADER..]);
                assert_eq!(opener.open(&sealed).as_ref(), Some(&packet), "{suite:?} {number}");
                assert_eq!(opener.open(&sealed), None, "{suite:?} {number} again");
            }
        }
    }

    #[test]
    fn a_packet_that_comes_late_is_taken_and_one_behind_the_window_is_not() {
        let (mut seal, mut opener) = pair(Suite::AeadAes128Gcm);
        let sealed: Vec<Vec<u8>> = (100..400).map(|number| seal.seal(&packet(9, number)).unwrap()).collect();
        assert!(opener.open(&sealed[0]).is_some());
        assert!(opener.open(&sealed[299]).is_some());
        assert!(opener.open(&sealed[298]).is_some());
        assert!(opener.open(&sealed[298]).is_none());
        assert!(opener.open(&sealed[1]).is_none());
    }

    #[test]
    fn another_key_opens_nothing_and_strangers_cost_no_memory() {
        let (mut seal, mut opener) = pair(Suite::AesCm128HmacSha1);
        let mut stranger = Seal::new(&key(Suite::AesCm128HmacSha1, 8)).unwrap();
        for ssrc in 0..300 {
            assert_eq!(opener.open(&stranger.seal(&packet(ssrc, 1)).unwrap()), None);
        }
        assert!(opener.sources.is_empty());
        assert!(opener.open(&seal.seal(&packet(9, 1)).unwrap()).is_some());
        for ssrc in 1000..1100 {
            let _ = opener.open(&seal.seal(&packet(ssrc, 1)).unwrap());
        }
        assert_eq!(opener.sources.len(), MAX_SOURCES);
        assert!(opener.open(&seal.seal(&packet(9, 2)).unwrap()).is_some());
    }

    #[test]
    fn header_extensions_and_contributors_stay_readable_and_are_authenticated() {
        for suite in Suite::ALL {
            let (mut seal, mut opener) = pair(suite);
            // One contributor, one-byte extensions with padding between them.
            let mut packet = hex("91 00 0001 00000001 00000009 0000000a bede0002 10aa 0000 2055 0000");
            packet.extend_from_slice(&[0x55; 20]);
            let sealed = seal.seal(&packet).unwrap();
            assert_eq!(sealed[..28], packet[..28]);
            assert_ne!(sealed[28..48], packet[28..]);
            let mut changed = sealed.clone();
            changed[21] ^= 1;
            assert_eq!(opener.open(&changed), None);
            assert_eq!(opener.open(&sealed), Some(packet));
        }
    }

    #[test]
    fn rtcp_is_never_taken_for_rtp_whatever_its_e_bit_says() {
        let (mut seal, mut opener) = pair(Suite::AesCm128HmacSha1);
        let mut report = hex("80c80006 00000009 00000000 00000000 00000000 00000000 00000000");
        assert_eq!(seal.seal(&report), None);
        report.extend_from_slice(&hex("00000001 00000000000000000000"));
        assert_eq!(opener.open(&report), None);
        assert!(opener.sources.is_empty() && opener.trial.is_none());
    }

    proptest! {
        #[test]
        fn no_datagram_makes_it_panic_or_passes(bytes in proptest::collection::vec(any::<u8>(), 0..120), suite in 0usize..3, rtp: bool) {
            let (mut seal, mut opener) = pair(Suite::ALL[suite]);
            let mut bytes = bytes;
            if let (true, Some(first)) = (rtp, bytes.first_mut()) {
                *first = (*first & 0x3f) | 0x80;
            }
            prop_assert_eq!(opener.open(&bytes), None);
            let _ = seal.seal(&bytes);
        }

        #[test]
        fn a_changed_packet_never_passes(at in 0usize..172, flip in 1u8..=255, cut in 0usize..40, suite in 0usize..3) {
            let (mut seal, mut opener) = pair(Suite::ALL[suite]);
            let sealed = seal.seal(&packet(9, 5)).unwrap();
            let mut changed = sealed.clone();
            changed[at] ^= flip;
            prop_assert_eq!(opener.open(&changed), None);
            if cut > 0 {
                prop_assert_eq!(opener.open(&sealed[..sealed.len() - cut]), None);
            }
            prop_assert_eq!(opener.open(&sealed), Some(packet(9, 5)));
        }
    }
}
