//! Identifiers: of a call, of a leg, of a business. Owns their text forms; refuses to draw randomness (bits are handed in).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::clock::Wall;

/// A customer service call. A UUID version 7 (RFC 9562 §5.7), so identifiers sort by creation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, format = "uuid")]
pub struct CallId(u128);

impl CallId {
    /// Builds an identifier from its moment and ten random bytes.
    pub fn new(at: Wall, random: [u8; 10]) -> CallId {
        let millis = u64::try_from(at.0).unwrap_or(0);
        CallId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().as_u128())
    }

    /// Reads back what [`CallId::as_u128`] gave to the store.
    pub fn from_u128(bits: u128) -> CallId {
        CallId(bits)
    }

    /// The raw 128 bits.
    pub fn as_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_u128(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CallId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<CallId, uuid::Error> {
        uuid::Uuid::try_parse(text).map(|id| CallId(id.as_u128()))
    }
}

impl Serialize for CallId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CallId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CallId, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One leg: a call and the ordinal of the attempt within it (0 is the customer, then every representative tried).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LegId {
    /// The call it belongs to.
    pub call: CallId,
    /// Which attempt of that call, counted from 0.
    pub attempt: u16,
}

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.call, self.attempt)
    }
}

/// A transfer that a party asked for, until the asker was told how it ended. Unique while the equipment runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TransferId(pub u64);

/// A business identifier 804: 1 to 64 of `A-Z a-z 0-9 . _ -`, starting with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", example = "abc")]
pub struct BusinessId(Arc<str>);

/// Why a text is not a business identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a business identifier is 1 to 64 of A-Z a-z 0-9 . _ - and starts with a letter or digit")]
pub struct BusinessIdError;

impl BusinessId {
    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BusinessId {
    type Err = BusinessIdError;
    fn from_str(text: &str) -> Result<BusinessId, BusinessIdError> {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let first = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        if first && text.len() <= 64 && text.bytes().all(good) {
            Ok(BusinessId(text.into()))
        } else {
            Err(BusinessIdError)
        }
    }
}

impl fmt::Display for BusinessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for BusinessId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BusinessId, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
