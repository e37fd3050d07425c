//! Which SIP header fields an operator or a business may set, and which the stack alone writes. Owns this one rule; refuses
//! values.

/// Fields that the stack writes, or that would change what a message means to a proxy; long and compact names, lower case.
const OURS: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-language",
    "allow",
    "allow-events",
    "authentication-info",
    "authorization",
    "call-id",
    "contact",
    "cseq",
    "date",
    "event",
    "expires",
    "from",
    "identity",
    "identity-info",
    "join",
    "max-breadth",
    "max-forwards",
    "mime-version",
    "min-expires",
    "min-se",
    "path",
    "priv-answer-mode",
    "privacy",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-require",
    "p-asserted-identity",
    "p-preferred-identity",
    "rack",
    "reason",
    "record-route",
    "recv-info",
    "refer-sub",
    "refer-to",
    "referred-by",
    "replaces",
    "require",
    "retry-after",
    "route",
    "rseq",
    "server",
    "service-route",
    "session-expires",
    "sip-etag",
    "sip-if-match",
    "subscription-state",
    "supported",
    "timestamp",
    "to",
    "unsupported",
    "user-agent",
    "via",
    "warning",
    "www-authenticate",
    // Compact forms (RFC 3261 §7.3.3 and later).
    "a",
    "b",
    "c",
    "d",
    "e",
    "f",
    "i",
    "j",
    "k",
    "l",
    "m",
    "n",
    "o",
    "r",
    "s",
    "t",
    "u",
    "v",
    "x",
    "y",
];

/// Longest name, in bytes.
const MAX_NAME: usize = 64;

/// Whether `name` is a header field's name that somebody besides the stack may set.
pub fn may_be_set(name: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let lower = name.to_ascii_lowercase();
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(token)
        && !OURS.contains(&lower.as_str())
        && !["content-", "proxy-", "sec-"].iter().any(|family| lower.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_stack_writes_is_not_for_others() {
        for name in ["Via", "v", "CONTACT", "Content-Type", "Content-Foo", "Proxy-X", "Authorization", "Identity", "l"]
        {
            assert!(!may_be_set(name), "{name}");
        }
        for name in ["", "X Y", "X-A:", "X-A\r\n", "é"] {
            assert!(!may_be_set(name), "{name:?}");
        }
        for name in ["X-Account", "User-to-User", "P-Charging-Vector", "Subject", "Call-Info"] {
            assert!(may_be_set(name), "{name}");
        }
    }
}
