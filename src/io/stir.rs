//! The key that vouches for callers: read from its PEM file, signs ES256 with ring. Owns the key; what is signed is
//! `sip::wire::passport`'s.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;

use crate::config::StirConfig;
use crate::sip::wire::passport::Signer;

/// Why calls cannot be signed: an error of the configuration.
#[derive(Debug, thiserror::Error)]
#[error("[stir] key {}: {reason}; write a PKCS#8 key on P-256: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", file.display())]
pub struct StirError {
    file: PathBuf,
    reason: String,
}

/// A key with its certificate's place.
struct Key {
    pair: EcdsaKeyPair,
    certificate_url: String,
    random: SystemRandom,
}

/// Never the key.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("certificate_url", &self.certificate_url).finish_non_exhaustive()
    }
}

/// Reads the key.
pub fn load(config: &StirConfig) -> Result<Arc<dyn Signer>, StirError> {
    let refuse = |reason: String| StirError { file: config.key.clone(), reason };
    let der = PrivatePkcs8KeyDer::from_pem_file(&config.key).map_err(|error| refuse(error.to_string()))?;
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der(), &random);
    let pair = pair.map_err(|error| refuse(error.to_string()))?;
    Ok(Arc::new(Key { pair, certificate_url: config.certificate_url.clone(), random }))
}

impl Signer for Key {
    fn sign(&self, text: &[u8]) -> Option<[u8; 64]> {
        self.pair.sign(&self.random, text).ok()?.as_ref().try_into().ok()
    }

    fn certificate_url(&self) -> &str {
        &self.certificate_url
    }
}
