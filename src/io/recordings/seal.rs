//! Recordings encrypted at rest: AES-256-GCM in chunks of a second, under a key of each file's own that follows from the configured
//! one. Owns that form; refuses files and names.
//!
//! ```text
//! "CBREC1\r\n"  salt (16)  check (16)  │ chunk (32,000 + 16) … │ last chunk (at most 32,000 + 16) │ end (16)
//! ```
//!
//! The file's key is HKDF-SHA256 of salt and key; so is the check, by which a wrong key is known before anything is decrypted. A chunk's
//! nonce is its number; the end is an empty chunk with a nonce of another kind, so that a file that was cut is known as cut. What
//! is authenticated besides is the call: a file under another call's name is refused.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use zeroize::Zeroizing;

use crate::model::CallId;

/// Bytes of samples in every chunk but the last: a second of two sides.
pub(super) const CHUNK: usize = 32_000;
/// Bytes of authentication behind each chunk.
const TAG: usize = 16;
/// A whole chunk in the file.
pub(super) const STRIDE: usize = CHUNK + TAG;
/// Bytes before the first chunk.
pub(super) const HEAD: usize = 40;

const MAGIC: &[u8; 8] = b"CBREC1\r\n";

/// The key of all recordings.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordingKey(Zeroizing<[u8; 32]>);

impl RecordingKey {
    /// These 32 bytes.
    pub fn new(bytes: [u8; 32]) -> RecordingKey {
        RecordingKey(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for RecordingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordingKey(…)")
    }
}

/// Why a file cannot be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SealError {
    /// It is encrypted and no key is configured.
    #[error("the recording is encrypted and no key is configured")]
    NoKey,
    /// It was encrypted with another key.
    #[error("the recording was encrypted with another key")]
    WrongKey,
    /// It was changed, or is another call's.
    #[error("the recording is not what was written")]
    Broken,
    /// The cryptography failed: no fault of the file.
    #[error("the cryptography failed")]
    Fault,
}

/// One file's key.
pub(super) struct Seal {
    key: LessSafeKey,
    call: [u8; 16],
    chunks: u64,
}

/// 16 or 32 bytes of HKDF.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Which kind of chunk a nonce is for.
#[derive(Clone, Copy)]
enum Kind {
    Samples,
    End,
}

impl Seal {
    /// Of a new file: its head is to be written first.
    pub(super) fn begin(key: &RecordingKey, call: CallId, salt: [u8; 16]) -> Result<(Seal, [u8; HEAD]), SealError> {
        let (seal, check) = Seal::derive(key, call, &salt)?;
        let mut head = [0; HEAD];
        let parts = MAGIC.iter().chain(&salt).chain(&check);
        head.iter_mut().zip(parts).for_each(|(place, byte)| *place = *byte);
        Ok((seal, head))
    }

    /// Of a file that begins so.
    pub(super) fn open(key: Option<&RecordingKey>, call: CallId, head: &[u8]) -> Result<Seal, SealError> {
        let salt = head.strip_prefix(MAGIC).and_then(|rest| rest.first_chunk::<16>()).ok_or(SealError::Broken)?;
        let (seal, check) = Seal::derive(key.ok_or(SealError::NoKey)?, call, salt)?;
        if head.get(24..HEAD) == Some(&check[..]) { Ok(seal) } else { Err(SealError::WrongKey) }
    }

    fn derive(key: &RecordingKey, call: CallId, salt: &[u8; 16]) -> Result<(Seal, [u8; 16]), SealError> {
        let extracted = Salt::new(HKDF_SHA256, salt).extract(&*key.0);
        let mut own = Zeroizing::new([0; 32]);
        fill(&extracted, b"callbridge recording key", &mut own[..])?;
        let mut check = [0; 16];
        fill(&extracted, b"callbridge recording check", &mut check)?;
        let key = UnboundKey::new(&AES_256_GCM, &own[..]).map_err(|_| SealError::Fault)?;
        let call = call.as_u128().to_be_bytes();
        Ok((Seal { key: LessSafeKey::new(key), call, chunks: 0 }, check))
    }

    /// Seals the next chunk in place.
    pub(super) fn seal(&mut self, chunk: &mut Vec<u8>) -> Result<(), SealError> {
        self.put(Kind::Samples, chunk)
    }

    /// The end of a file that nothing is missing of.
    pub(super) fn end(&mut self) -> Result<Vec<u8>, SealError> {
        let mut end = Vec::new();
        self.put(Kind::End, &mut end).map(|()| end)
    }

    fn put(&mut self, kind: Kind, chunk: &mut Vec<u8>) -> Result<(), SealError> {
        let nonce = nonce(kind, self.chunks);
        self.chunks += 1;
        self.key.seal_in_place_append_tag(nonce, Aad::from(self.call), chunk).map_err(|_| SealError::Fault)
    }

    /// Opens the chunk of this number in place: its samples.
    pub(super) fn unseal<'a>(&self, number: u64, chunk: &'a mut [u8]) -> Result<&'a [u8], SealError> {
        let opened = self.key.open_in_place(nonce(Kind::Samples, number), Aad::from(self.call), chunk);
        opened.map(|samples| &*samples).map_err(|_| SealError::Broken)
    }

    /// Whether these bytes are the end behind so many chunks.
    pub(super) fn is_end(&self, chunks: u64, tail: &[u8]) -> bool {
        let mut tail = tail.to_vec();
        tail.len() == TAG && self.key.open_in_place(nonce(Kind::End, chunks), Aad::from(self.call), &mut tail).is_ok()
    }
}

fn fill(from: &Prk, info: &[u8], into: &mut [u8]) -> Result<(), SealError> {
    let expanded = from.expand(&[info], Length(into.len())).map(|okm| okm.fill(into));
    matches!(expanded, Ok(Ok(()))).then_some(()).ok_or(SealError::Fault)
}

fn nonce(kind: Kind, number: u64) -> Nonce {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    let kind = match kind {
        Kind::Samples => 0,
        Kind::End => 1,
    };
    Nonce::assume_unique_for_key([kind, 0, 0, 0, a, b, c, d, e, f, g, h])
}

/// What a file holds, by the bytes behind its head and what is at its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Measure {
    /// Bytes of samples.
    pub(super) samples: u64,
    /// Nothing is missing: the end is there.
    pub(super) ended: bool,
}

impl Measure {
    /// Of so many bytes; `tail` are those behind the last whole stride.
    pub(super) fn of(seal: &Seal, bytes: u64, tail: &[u8]) -> Measure {
        let strides = bytes / STRIDE as u64;
        let whole = strides * CHUNK as u64;
        let more = |chunk: &[u8]| {
            let mut chunk = chunk.to_vec();
            seal.unseal(strides, &mut chunk).ok().map(|samples| samples.len() as u64)
        };
        if seal.is_end(strides, tail) {
            return Measure { samples: whole, ended: true };
        }
        let before = tail.len().checked_sub(TAG).and_then(|at| tail.split_at_checked(at));
        if let Some((chunk, end)) = before
            && seal.is_end(strides + 1, end)
            && let Some(samples) = more(chunk)
        {
            return Measure { samples: whole + samples, ended: true };
        }
        Measure { samples: whole + more(tail).unwrap_or(0), ended: false }
    }
}
