//! Keys of encrypted media (SRTP, RFC 3711) as signalling and media share them. Owns their shapes and that they never show
//! themselves; refuses how they are written (`sdp`) and what is done with them (`rtp`).

use std::fmt;

/// Whether a switch is spoken to in SRTP (RFC 4568).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SrtpUse {
    /// Never: media is in clear.
    #[default]
    Off,
    /// Offered and taken where the peer can; else media is in clear.
    Optional,
    /// Without it there is no call.
    Required,
}

/// What encrypts and authenticates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Suite {
    /// `AEAD_AES_128_GCM` (RFC 7714).
    AeadAes128Gcm,
    /// `AEAD_AES_256_GCM` (RFC 7714).
    AeadAes256Gcm,
    /// `AES_CM_128_HMAC_SHA1_80` (RFC 4568 §6.2.1).
    AesCm128HmacSha1,
}

impl Suite {
    /// Every one, in the order in which we offer them: the quickest first, and last the one that every phone has.
    pub const ALL: [Suite; 3] = [Suite::AeadAes128Gcm, Suite::AeadAes256Gcm, Suite::AesCm128HmacSha1];

    /// Its name in SDP.
    pub fn name(self) -> &'static str {
        match self {
            Suite::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Suite::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Suite::AesCm128HmacSha1 => "AES_CM_128_HMAC_SHA1_80",
        }
    }

    /// Bytes of a master key.
    pub fn key_length(self) -> usize {
        match self {
            Suite::AeadAes128Gcm | Suite::AesCm128HmacSha1 => 16,
            Suite::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of a master salt.
    pub fn salt_length(self) -> usize {
        match self {
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => 12,
            Suite::AesCm128HmacSha1 => 14,
        }
    }
}

/// The longest key and salt.
const LONGEST: usize = 44;

/// A master key with its salt, for one direction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MasterKey {
    suite: Suite,
    bytes: [u8; LONGEST],
}

impl MasterKey {
    /// Key and salt one behind the other, as SDP has them. `None`: not as many bytes as the suite wants.
    pub fn new(suite: Suite, material: &[u8]) -> Option<MasterKey> {
        let mut bytes = [0; LONGEST];
        let place = bytes.get_mut(..suite.key_length() + suite.salt_length())?;
        if place.len() != material.len() {
            return None;
        }
        place.copy_from_slice(material);
        Some(MasterKey { suite, bytes })
    }

    /// What it is for.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Key and salt one behind the other.
    pub fn material(&self) -> &[u8] {
        self.bytes.get(..self.suite.key_length() + self.suite.salt_length()).unwrap_or_default()
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        self.bytes.get(..self.suite.key_length()).unwrap_or_default()
    }

    /// The salt.
    pub fn salt(&self) -> &[u8] {
        self.material().get(self.suite.key_length()..).unwrap_or_default()
    }
}

/// Shows the suite only.
impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("suite", &self.suite).finish_non_exhaustive()
    }
}

/// The keys that a leg agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SrtpKeys {
    /// Ours: what we send is encrypted with it.
    pub send: MasterKey,
    /// The peer's.
    pub receive: MasterKey,
}

/// The keys that we offer a leg, one for each suite: a key is never used for two (RFC 4568 §6.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OurKeys([MasterKey; 3]);

impl OurKeys {
    /// Made of random bytes, which strangers must not guess; whatever is asked for is filled whole.
    pub fn random(mut fill: impl FnMut(&mut [u8])) -> OurKeys {
        OurKeys(Suite::ALL.map(|suite| {
            let mut key = MasterKey { suite, bytes: [0; LONGEST] };
            if let Some(place) = key.bytes.get_mut(..suite.key_length() + suite.salt_length()) {
                fill(place);
            }
            key
        }))
    }

    /// In the order of [`Suite::ALL`].
    pub fn all(&self) -> &[MasterKey] {
        &self.0
    }

    /// The one of a suite.
    pub fn of(&self, suite: Suite) -> Option<MasterKey> {
        self.0.iter().find(|key| key.suite == suite).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_shows_itself_and_has_the_length_of_its_suite() {
        let key = MasterKey::new(Suite::AesCm128HmacSha1, &[0xab; 30]).unwrap();
        assert_eq!((key.key().len(), key.salt().len()), (16, 14));
        assert_eq!(format!("{key:?}"), "MasterKey { suite: AesCm128HmacSha1, .. }");
        assert_eq!(MasterKey::new(Suite::AeadAes128Gcm, &[0xab; 30]), None);
        let mut next = 0;
        let ours = OurKeys::random(|bytes| {
            next += 1;
            bytes.fill(next);
        });
        assert!(!format!("{ours:?}").contains("bytes"));
        assert_eq!(ours.of(Suite::AeadAes256Gcm).unwrap().material(), [2; 44]);
    }
}
