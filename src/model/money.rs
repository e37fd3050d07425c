//! Money in integer micro-units, and the tariff a leg is rated by. Owns the shapes; the rating itself is `billing`'s.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// An amount in millionths of a currency unit. Integers only: sums are exact.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(as = Micros, value_type = i64)]
pub struct Money(pub i64);

/// An ISO 4217 alphabetic code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ToSchema)]
#[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "USD")]
pub struct Currency([u8; 3]);

impl Currency {
    /// The US dollar, the default.
    pub const USD: Currency = Currency(*b"USD");
}

/// Why a text is not a currency code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a currency is three capital letters (ISO 4217), such as USD")]
pub struct CurrencyError;

impl FromStr for Currency {
    type Err = CurrencyError;
    fn from_str(text: &str) -> Result<Currency, CurrencyError> {
        let bytes: [u8; 3] = text.as_bytes().try_into().map_err(|_| CurrencyError)?;
        if bytes.iter().all(u8::is_ascii_uppercase) { Ok(Currency(bytes)) } else { Err(CurrencyError) }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{}", char::from(*b)))
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Currency, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a business pays: a price per minute of each leg, in steps, with a minimum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tariff {
    /// Micro-units per minute of the customer's leg.
    pub customer_per_minute_micros: i64,
    /// Micro-units per minute of the representative's leg.
    pub representative_per_minute_micros: i64,
    /// Seconds are rounded up to a multiple of this (≥ 1).
    pub increment_seconds: u32,
    /// An answered leg is billed at least this many seconds.
    pub minimum_seconds: u32,
    /// What the micro-units are of.
    pub currency: Currency,
}

impl Default for Tariff {
    fn default() -> Tariff {
        Tariff {
            customer_per_minute_micros: 0,
            representative_per_minute_micros: 0,
            increment_seconds: 1,
            minimum_seconds: 0,
            currency: Currency::USD,
        }
    }
}
