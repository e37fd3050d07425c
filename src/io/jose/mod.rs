//! Encrypted messages: compact JWE (RFC 7516) to the equipment's keys. Owns the framing, the key agreement's derivation and which
//! algorithms are read (ECDH-ES over P-256 and X25519, RSA-OAEP-256; A256GCM); the ciphers are `ring`'s and the curve crates'.
//!
//! Refuses to say why a text cannot be opened: one error for every wrong key, tag and padding, so that nobody learns from it.

pub mod keys;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::digest::{Context, SHA256};
use serde::Deserialize;
use zeroize::Zeroizing;

use keys::{Key, KeyError, Keys, Shared};

use crate::config::EncryptionConfig;

/// Longest text that is opened, in bytes: a message's body and what base64 adds.
pub const MAX_JWE_BYTES: usize = 96 * 1024;
/// Longest protected header, in bytes of its text.
const MAX_HEADER_BYTES: usize = 4096;
/// Bits of the content's key.
const KEY_BITS: u32 = 256;

/// Why a text was not opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JoseError {
    /// Not five parts, no JSON header, too long.
    #[error("not a compact JWE (RFC 7516 §7.1)")]
    Form,
    /// Another algorithm, or something critical that is not understood.
    #[error("alg must be ECDH-ES or RSA-OAEP-256, enc A256GCM, without zip and crit")]
    Algorithm,
    /// No key of this name, or a key of another kind, or it does not open.
    #[error("this is not encrypted to a key of this equipment; see /.well-known/jwks.json")]
    Sealed,
}

/// What was inside, and what its header says of it.
#[derive(Debug)]
pub struct Opened {
    /// The plaintext; wiped when dropped.
    pub text: Zeroizing<Vec<u8>>,
    /// `iat` of the header: seconds since the epoch.
    pub issued_at: Option<i64>,
    /// `exp` of the header.
    pub expires_at: Option<i64>,
    /// Names this message and no other: of `jti`, or of the whole text, which no two encryptions share.
    pub once: [u8; 32],
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    enc: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    epk: Option<keys::PublicJwk>,
    #[serde(default)]
    apu: Option<String>,
    #[serde(default)]
    apv: Option<String>,
    #[serde(default)]
    zip: Option<serde_json::Value>,
    #[serde(default)]
    crit: Option<serde_json::Value>,
    #[serde(default)]
    iat: Option<i64>,
    #[serde(default)]
    exp: Option<i64>,
    #[serde(default)]
    jti: Option<String>,
}

/// Whether a text has the look of a compact JWE: five parts of base64url, the first a JSON object.
pub fn looks_encrypted(text: &str) -> bool {
    let letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    text.starts_with("eyJ") && text.split('.').count() == 5 && text.split('.').all(letters)
}

/// Opens a compact JWE with whichever key it names.
pub fn open(text: &str, keys: &Keys) -> Result<Opened, JoseError> {
    let text = text.trim_ascii();
    if text.len() > MAX_JWE_BYTES {
        return Err(JoseError::Form);
    }
    let mut parts = text.split('.');
    let mut part = || parts.next().ok_or(JoseError::Form);
    let (head, sealed_key, iv, sealed, tag) = (part()?, part()?, part()?, part()?, part()?);
    if parts.next().is_some() || head.len() > MAX_HEADER_BYTES {
        return Err(JoseError::Form);
    }
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| JoseError::Form);
    let header: Header = serde_json::from_slice(&decode(head)?).map_err(|_| JoseError::Form)?;
    if header.enc != "A256GCM" || header.zip.is_some() || header.crit.is_some() {
        return Err(JoseError::Algorithm);
    }
    let key = content_key(&header, &decode(sealed_key)?, keys)?;
    let nonce = Nonce::try_assume_unique_for_key(&decode(iv)?).map_err(|_| JoseError::Form)?;
    let (mut sealed, tag) = (decode(sealed)?, decode(tag)?);
    if tag.len() != AES_256_GCM.tag_len() {
        return Err(JoseError::Form);
    }
    sealed.extend_from_slice(&tag);
    let length = sealed.len() - tag.len();
    let mut sealed = Zeroizing::new(sealed);
    let cipher = UnboundKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| JoseError::Sealed)?;
    let opened = LessSafeKey::new(cipher).open_in_place(nonce, Aad::from(head.as_bytes()), &mut sealed);
    opened.map_err(|_| JoseError::Sealed)?;
    sealed.truncate(length);
    Ok(Opened { once: once(&header, text), text: sealed, issued_at: header.iat, expires_at: header.exp })
}

/// A message that names itself is one message however often it is encrypted; any other is one text.
fn once(header: &Header, text: &str) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    match &header.jti {
        Some(jti) => {
            context.update(b"jti:");
            context.update(jti.as_bytes());
        }
        None => context.update(text.as_bytes()),
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The key of the content: agreed (RFC 7518 §4.6), or encrypted (§4.3).
fn content_key(header: &Header, sealed_key: &[u8], keys: &Keys) -> Result<Zeroizing<Vec<u8>>, JoseError> {
    match header.alg.as_str() {
        "ECDH-ES" => {
            let theirs = header.epk.as_ref().ok_or(JoseError::Form)?;
            if !sealed_key.is_empty() {
                return Err(JoseError::Form);
            }
            let shared = keys.agree(header.kid.as_deref(), theirs).ok_or(JoseError::Sealed)?;
            derive(&shared, &header.enc, header.apu.as_deref(), header.apv.as_deref())
        }
        "RSA-OAEP-256" => {
            let key = keys.unwrap_rsa(header.kid.as_deref(), sealed_key).ok_or(JoseError::Sealed)?;
            if key.len() == AES_256_GCM.key_len() { Ok(key) } else { Err(JoseError::Sealed) }
        }
        _ => Err(JoseError::Algorithm),
    }
}

/// Concat KDF (NIST SP 800-56A §5.8.1) as RFC 7518 §4.6.2 fills it; one round of SHA-256 gives all 256 bits.
fn derive(shared: &Shared, enc: &str, apu: Option<&str>, apv: Option<&str>) -> Result<Zeroizing<Vec<u8>>, JoseError> {
    let party = |given: Option<&str>| URL_SAFE_NO_PAD.decode(given.unwrap_or_default()).map_err(|_| JoseError::Form);
    let mut context = Context::new(&SHA256);
    context.update(&1u32.to_be_bytes());
    context.update(shared.as_slice());
    for field in [enc.as_bytes(), &party(apu)?, &party(apv)?] {
        let length = u32::try_from(field.len()).map_err(|_| JoseError::Form)?;
        context.update(&length.to_be_bytes());
        context.update(field);
    }
    context.update(&KEY_BITS.to_be_bytes());
    Ok(Zeroizing::new(context.finish().as_ref().to_vec()))
}

/// What is needed to read encrypted messages.
#[derive(Debug, Default)]
pub struct Encryption {
    /// The keys.
    pub keys: Keys,
    /// A message must say when it was made.
    pub require_time: bool,
    /// One that does may be so old.
    pub max_age_seconds: u32,
}

impl Encryption {
    /// Reads the key files of a configuration.
    pub fn load(config: &EncryptionConfig) -> Result<Encryption, KeyError> {
        let files = config.keys.iter().map(|file| (file, true)).chain(config.retired.iter().map(|file| (file, false)));
        let keys = files.map(|(file, published)| Key::read(file, published)).collect::<Result<_, _>>()?;
        let EncryptionConfig { require_time, max_age_seconds, .. } = *config;
        Ok(Encryption { keys: Keys::new(keys)?, require_time, max_age_seconds })
    }
}
