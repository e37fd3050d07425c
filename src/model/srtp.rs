//! Keys of encrypted media (SRTP, RFC 3711) as signalling and media share them. Owns their shapes and that they never show
//! themselves; refuses how they are written (`sdp`) and what is done with them (`rtp`).

use std::fmt;

use serde::{Deserialize, Serialize};

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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Suite {
    /// `AEAD_AES_128_GCM` (RFC 7714).
    #[serde(rename = "AEAD_AES_128_GCM")]
    AeadAes128Gcm,
    /// `AEAD_AES_256_GCM` (RFC 7714).
    #[serde(rename = "AEAD_AES_256_GCM")]
    AeadAes256Gcm,
    /// `AES_CM_128_HMAC_SHA1_80` (RFC 4568 §6.2.1).
    #[serde(rename = "AES_CM_128_HMAC_SHA1_80")]
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

/// Suites in order of preference: each once, never none.
#[derive(Clone, Copy)]
pub struct Suites {
    list: [Suite; Suite::ALL.len()],
    count: usize,
}

/// Why names make no [`Suites`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SuitesError {
    /// It is none of [`Suite::ALL`].
    #[error("the suite {0:?} is not known")]
    Unknown(String),
    /// It stands there twice.
    #[error("{} is named twice", .0.name())]
    Twice(Suite),
    /// Nothing is named.
    #[error("no suite is named")]
    None,
}

impl Suites {
    /// Every one, in the order of [`Suite::ALL`].
    pub const DEFAULT: Suites = Suites { list: Suite::ALL, count: Suite::ALL.len() };

    /// From their names in SDP, in this order.
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Suites, SuitesError> {
        let mut suites = Suites { count: 0, ..Suites::DEFAULT };
        for name in names {
            let known = Suite::ALL.into_iter().find(|suite| name.eq_ignore_ascii_case(suite.name()));
            let suite = known.ok_or_else(|| SuitesError::Unknown(name.chars().take(40).collect()))?;
            if suites.as_slice().contains(&suite) {
                return Err(SuitesError::Twice(suite));
            }
            if let Some(place) = suites.list.get_mut(suites.count) {
                *place = suite;
                suites.count += 1;
            }
        }
        if suites.count == 0 { Err(SuitesError::None) } else { Ok(suites) }
    }

    /// In order.
    pub fn as_slice(&self) -> &[Suite] {
        self.list.get(..self.count).unwrap_or(&self.list)
    }
}

impl PartialEq for Suites {
    fn eq(&self, other: &Suites) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Suites {}

impl fmt::Debug for Suites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

impl Default for Suites {
    fn default() -> Suites {
        Suites::DEFAULT
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
pub struct OurKeys {
    keys: [MasterKey; Suite::ALL.len()],
    count: usize,
}

impl OurKeys {
    /// One for each of these suites, made of random bytes, which strangers must not guess; whatever is asked for is filled whole.
    pub fn random(suites: Suites, mut fill: impl FnMut(&mut [u8])) -> OurKeys {
        let keys = suites.list.map(|suite| MasterKey { suite, bytes: [0; LONGEST] });
        let mut ours = OurKeys { keys, count: suites.count };
        for key in ours.keys.iter_mut().take(suites.count) {
            if let Some(place) = key.bytes.get_mut(..key.suite.key_length() + key.suite.salt_length()) {
                fill(place);
            }
        }
        ours
    }

    /// In the order of our preference.
    pub fn all(&self) -> &[MasterKey] {
        self.keys.get(..self.count).unwrap_or(&self.keys)
    }

    /// The one of a suite, if that suite is offered.
    pub fn of(&self, suite: Suite) -> Option<MasterKey> {
        self.all().iter().find(|key| key.suite == suite).copied()
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
        let ours = OurKeys::random(Suites::DEFAULT, |bytes| {
            next += 1;
            bytes.fill(next);
        });
        assert!(!format!("{ours:?}").contains("bytes"));
        assert_eq!(ours.of(Suite::AeadAes256Gcm).unwrap().material(), [2; 44]);
    }

    #[test]
    fn only_the_suites_that_are_named_have_a_key_in_the_order_named() {
        let suites = Suites::of_names(["aead_aes_256_gcm", "AES_CM_128_HMAC_SHA1_80"]).unwrap();
        let ours = OurKeys::random(suites, |bytes| bytes.fill(7));
        let offered: Vec<Suite> = ours.all().iter().map(MasterKey::suite).collect();
        assert_eq!(offered, [Suite::AeadAes256Gcm, Suite::AesCm128HmacSha1]);
        assert_eq!(ours.of(Suite::AeadAes128Gcm), None);
        assert_eq!(ours.of(Suite::AesCm128HmacSha1).unwrap().material(), [7; 30]);
    }

    #[test]
    fn names_that_make_no_list_of_suites_are_told_apart() {
        assert_eq!(Suites::of_names(["ROT13"]), Err(SuitesError::Unknown("ROT13".to_owned())));
        let name = Suite::AeadAes128Gcm.name();
        assert_eq!(Suites::of_names([name, name]), Err(SuitesError::Twice(Suite::AeadAes128Gcm)));
        assert_eq!(Suites::of_names([]), Err(SuitesError::None));
    }
}
