//! The equipment's keys for encrypted messages: read from JWK files (RFC 7517) or PKCS#8 (RSA), named by thumbprint (RFC 7638),
//! shown as `/.well-known/jwks.json`. Owns their forms; refuses to show a private part.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::elliptic_curve::sec1::ToSec1Point;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PublicKeyParts;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What two parties agreed on.
pub type Shared = Zeroizing<Vec<u8>>;

/// Smallest RSA key that is taken, in bits.
const MIN_RSA_BITS: usize = 2048;

/// Why a key file is not used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read.
    #[error("{}: {why}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        why: std::io::Error,
    },
    /// It is no private key that is understood here.
    #[error("{}: {why}", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What it should be.
        why: &'static str,
    },
    /// Two keys have one name.
    #[error("two keys are named {0:?}")]
    SameName(String),
}

/// A public key inside a header (`epk`): an elliptic curve's.
#[derive(Clone, Debug, Deserialize)]
pub struct PublicJwk {
    kty: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
}

/// A private key file.
#[derive(Serialize, Deserialize)]
struct PrivateJwk {
    kty: String,
    crv: String,
    d: Zeroizing<String>,
    #[serde(default)]
    kid: Option<String>,
}

enum Secret {
    P256(p256::SecretKey),
    X25519(x25519_dalek::StaticSecret),
    Rsa(Box<rsa::PrivateKey>),
}

/// One key.
pub struct Key {
    name: String,
    secret: Secret,
    public: Value,
    published: bool,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.name)
    }
}

/// All of them. Every one opens; those that are published are what partners encrypt to.
#[derive(Debug, Default)]
pub struct Keys(Vec<Key>);

fn coordinate(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

impl Key {
    /// Reads a key file: a JWK of P-256 or X25519, or the PEM (PKCS#8) of an RSA key.
    pub fn read(path: &Path, published: bool) -> Result<Key, KeyError> {
        let text = std::fs::read_to_string(path).map_err(|why| KeyError::Unreadable { path: path.to_owned(), why })?;
        Key::parse(&Zeroizing::new(text), published).map_err(|why| KeyError::Unusable { path: path.to_owned(), why })
    }

    fn parse(text: &str, published: bool) -> Result<Key, &'static str> {
        if text.trim_start().starts_with("-----BEGIN") {
            let key = rsa::PrivateKey::from_pkcs8_pem(text).map_err(|_| "not the PEM of an RSA key in PKCS#8")?;
            if key.n().bit_width() < u32::try_from(MIN_RSA_BITS).unwrap_or(u32::MAX) {
                return Err("an RSA key must have 2048 bits or more");
            }
            return Ok(Key::of(Secret::Rsa(Box::new(key)), None, published));
        }
        let jwk: PrivateJwk = serde_json::from_str(text).map_err(|_| "not a private JWK: kty, crv and d are needed")?;
        let d = coordinate(&jwk.d).map(Zeroizing::new).ok_or("d must be 32 bytes in base64url")?;
        let secret = match (jwk.kty.as_str(), jwk.crv.as_str()) {
            ("EC", "P-256") => {
                Secret::P256(p256::SecretKey::from_slice(d.as_slice()).map_err(|_| "d is no key of P-256")?)
            }
            ("OKP", "X25519") => Secret::X25519(x25519_dalek::StaticSecret::from(*d)),
            _ => return Err("only kty EC with crv P-256, and kty OKP with crv X25519"),
        };
        Ok(Key::of(secret, jwk.kid, published))
    }

    fn of(secret: Secret, name: Option<String>, published: bool) -> Key {
        let mut public = public(&secret);
        // RFC 7638: the required members in the order of their names, without spaces.
        let thumbprint = || URL_SAFE_NO_PAD.encode(digest(&SHA256, public.to_string().as_bytes()));
        let name = name.unwrap_or_else(thumbprint);
        let alg = if matches!(secret, Secret::Rsa(_)) { "RSA-OAEP-256" } else { "ECDH-ES" };
        public["kid"] = json!(name);
        public["use"] = json!("enc");
        public["alg"] = json!(alg);
        Key { name, secret, public, published }
    }

    /// Its name (`kid`).
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The members that RFC 7638 takes of a key, in the order of their names.
fn public(secret: &Secret) -> Value {
    match secret {
        Secret::P256(key) => {
            let point = key.public_key().to_sec1_point(false);
            let of = |bytes: Option<&[u8]>| URL_SAFE_NO_PAD.encode(bytes.unwrap_or_default());
            json!({ "crv": "P-256", "kty": "EC", "x": of(point.x().map(|x| x.as_slice())), "y": of(point.y().map(|y| y.as_slice())) })
        }
        Secret::X25519(key) => {
            let x = x25519_dalek::PublicKey::from(key);
            json!({ "crv": "X25519", "kty": "OKP", "x": URL_SAFE_NO_PAD.encode(x.as_bytes()) })
        }
        Secret::Rsa(key) => {
            let number = |bytes: Box<[u8]>| URL_SAFE_NO_PAD.encode(bytes);
            json!({ "e": number(key.e_bytes()), "kty": "RSA", "n": number(key.n_bytes()) })
        }
    }
}

impl Keys {
    /// These keys, the current one first.
    pub fn new(keys: Vec<Key>) -> Result<Keys, KeyError> {
        for (at, key) in keys.iter().enumerate() {
            if keys.iter().skip(at + 1).any(|other| other.name == key.name) {
                return Err(KeyError::SameName(key.name.clone()));
            }
        }
        Ok(Keys(keys))
    }

    /// True when nothing encrypted can be read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `/.well-known/jwks.json` (RFC 7517 §5).
    pub fn published(&self) -> Value {
        json!({ "keys": self.0.iter().filter(|key| key.published).map(|key| &key.public).collect::<Vec<_>>() })
    }

    /// The key of this name; without a name, the first of the kind.
    fn find(&self, name: Option<&str>, kind: impl Fn(&Secret) -> bool) -> Option<&Secret> {
        let mut keys = self.0.iter().filter(|key| kind(&key.secret) && name.is_none_or(|name| key.name == name));
        keys.next().map(|key| &key.secret)
    }

    /// What we agree on with the sender's key of the moment.
    pub(super) fn agree(&self, name: Option<&str>, theirs: &PublicJwk) -> Option<Shared> {
        let x = coordinate(&theirs.x)?;
        match (theirs.kty.as_str(), theirs.crv.as_str()) {
            ("EC", "P-256") => {
                let Secret::P256(ours) = self.find(name, |secret| matches!(secret, Secret::P256(_)))? else {
                    return None;
                };
                let mut point = [4; 65];
                point.get_mut(1..33)?.copy_from_slice(&x);
                point.get_mut(33..)?.copy_from_slice(&coordinate(&theirs.y)?);
                // A point that is not on the curve is refused here: it would give our key away bit by bit.
                let theirs = p256::PublicKey::from_sec1_bytes(&point).ok()?;
                let shared = p256::ecdh::diffie_hellman(ours.to_nonzero_scalar(), theirs.as_affine());
                Some(Zeroizing::new(shared.raw_secret_bytes().to_vec()))
            }
            ("OKP", "X25519") => {
                let Secret::X25519(ours) = self.find(name, |secret| matches!(secret, Secret::X25519(_)))? else {
                    return None;
                };
                let shared = ours.diffie_hellman(&x25519_dalek::PublicKey::from(x));
                shared.was_contributory().then(|| Zeroizing::new(shared.as_bytes().to_vec()))
            }
            _ => None,
        }
    }

    /// A content key that was encrypted to an RSA key of ours.
    pub(super) fn unwrap_rsa(&self, name: Option<&str>, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let Secret::Rsa(ours) = self.find(name, |secret| matches!(secret, Secret::Rsa(_)))? else { return None };
        let padding = rsa::Oaep::<Sha256>::new();
        ours.decrypt_blinded(&mut rand_core::UnwrapErr(getrandom::SysRng), padding, sealed).ok().map(Zeroizing::new)
    }
}

/// The kinds that can be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyKind {
    /// NIST P-256.
    P256,
    /// Curve25519.
    X25519,
}

impl KeyKind {
    /// As it is written in commands.
    pub fn parse(text: &str) -> Result<KeyKind, &'static str> {
        match text {
            "p256" => Ok(KeyKind::P256),
            "x25519" => Ok(KeyKind::X25519),
            _ => Err("p256 or x25519"),
        }
    }
}

/// A new private key as the text of its file, and its name.
pub fn make(kind: KeyKind) -> Result<(Zeroizing<String>, String), ring::error::Unspecified> {
    let mut d = Zeroizing::new([0; 32]);
    loop {
        SystemRandom::new().fill(d.as_mut_slice())?;
        let (kty, crv) = match kind {
            KeyKind::P256 => ("EC", "P-256"),
            KeyKind::X25519 => ("OKP", "X25519"),
        };
        let d = Zeroizing::new(URL_SAFE_NO_PAD.encode(d.as_slice()));
        let mut jwk = PrivateJwk { kty: kty.to_owned(), crv: crv.to_owned(), d, kid: None };
        let text = Zeroizing::new(serde_json::to_string(&jwk).unwrap_or_default());
        // One in 2^32 draws is no key of P-256.
        let Ok(key) = Key::parse(&text, true) else { continue };
        jwk.kid = Some(key.name.clone());
        return Ok((Zeroizing::new(serde_json::to_string_pretty(&jwk).unwrap_or_default()), key.name));
    }
}
