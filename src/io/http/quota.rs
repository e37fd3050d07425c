//! The header fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10, lists of RFC 9651): which bounds a
//! business or a browser has, and what is left of them. Owns their names and forms; refuses to count. They are hints: what they say
//! promises nothing.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::engine::api::Quotas;
use crate::model::{Direct, Limit, Limits};

/// The field with the bounds.
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// The field with what is left.
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Messages a second.
pub const RATE: &str = "rate";
/// Calls at once.
pub const CONCURRENT: &str = "concurrent";
/// Calls that wait for their time.
pub const SCHEDULED: &str = "scheduled";
/// Direct calls to one number an hour.
pub const NUMBER: &str = "number";
/// Direct calls from one source an hour.
pub const SOURCE: &str = "source";

const HOUR: u32 = 3600;
const DAY: u32 = 86_400;

/// What is left of one bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Left {
    /// Its name.
    pub policy: &'static str,
    /// So much.
    pub remaining: u64,
    /// Seconds until there is more.
    pub reset: u32,
}

/// The bounds of an account, for who sends messages. Money is nobody's quota: it is not among them.
pub fn policies(limits: &Limits) -> HeaderValue {
    let mut list = vec![
        policy(RATE, limits.max_per_second.into(), Some(1)),
        policy(CONCURRENT, limits.max_concurrent.into(), None),
        policy(SCHEDULED, limits.max_scheduled.into(), None),
    ];
    let counted = [
        (Limit::CallsPerDay, limits.max_calls_per_day, DAY),
        (Limit::NumberPerHour, limits.max_per_number_per_hour, HOUR),
        (Limit::NumberPerDay, limits.max_per_number_per_day, DAY),
    ];
    for (limit, most, window) in counted {
        list.extend(most.map(|most| policy(limit.as_str(), most.into(), Some(window))));
    }
    field(list.join(", "))
}

/// The bounds of browsers.
pub fn direct_policies(direct: &Direct) -> HeaderValue {
    let list = [(NUMBER, direct.max_per_number), (SOURCE, direct.max_per_source)];
    field(list.map(|(name, most)| policy(name, most.into(), Some(HOUR))).join(", "))
}

/// What is left of some.
pub fn left(some: impl IntoIterator<Item = Left>) -> HeaderValue {
    let item = |left: Left| format!("\"{}\";r={};t={}", left.policy, left.remaining, left.reset);
    field(some.into_iter().map(item).collect::<Vec<_>>().join(", "))
}

/// What the engine says is left, as the fields of an answer.
pub fn of(policies: HeaderValue, quotas: Quotas) -> HeaderMap {
    let counted = [
        quotas.rate.map(|(remaining, reset)| Left { policy: RATE, remaining: remaining.into(), reset }),
        quotas.calls.map(|(remaining, reset)| Left { policy: Limit::CallsPerDay.as_str(), remaining, reset }),
        quotas.source.map(|(remaining, reset)| Left { policy: SOURCE, remaining: remaining.into(), reset }),
    ];
    HeaderMap::from_iter([(RATE_LIMIT_POLICY, policies), (RATE_LIMIT, left(counted.into_iter().flatten()))])
}

fn policy(name: &str, quota: u64, window: Option<u32>) -> String {
    let window = window.map_or(String::new(), |seconds| format!(";w={seconds}"));
    format!("\"{name}\";q={quota}{window}")
}

/// Names and digits only, so that it is always a field's value.
fn field(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_have_the_form_of_the_draft() {
        let limits = Limits { max_calls_per_day: Some(1000), ..Limits::default() };
        let wanted = "\"rate\";q=50;w=1, \"concurrent\";q=100, \"scheduled\";q=10000, \"calls_per_day\";q=1000;w=86400";
        assert_eq!(policies(&limits), wanted);
        assert_eq!(direct_policies(&Direct::default()), "\"number\";q=3;w=3600, \"source\";q=20;w=3600");
        let quotas = Quotas { rate: Some((49, 1)), calls: Some((999, 3600)), source: None };
        let fields = of(policies(&limits), quotas);
        assert_eq!(fields[RATE_LIMIT], "\"rate\";r=49;t=1, \"calls_per_day\";r=999;t=3600");
    }
}
