//! A business's webhook: where its events are told, and with which secrets they are signed (Standard Webhooks 1.0.0). Owns the
//! forms of both and the time that two secrets are valid; refuses to sign, to resolve and to send.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use url::{Host, Url};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::clock::Wall;

/// Longest address.
const MAX_URL_BYTES: usize = 2048;
/// What a secret's text begins with.
const PREFIX: &str = "whsec_";
/// Bytes of a secret: 192 to 512 bits.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Bytes of a secret that we make.
pub const NEW_SECRET_BYTES: usize = 32;

/// Where a business is told what happens to its calls.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where to.
    pub url: WebhookUrl,
    /// The newest first; the one before it until its time is over. Never empty.
    secrets: Vec<Signing>,
    /// Whether it is told anything.
    pub state: WebhookState,
}

/// Whether a webhook is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookState {
    /// It is.
    Enabled,
    /// It answered 410: nothing is sent until an operator sets it again.
    Gone,
}

/// A secret and until when it signs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signing {
    secret: WebhookSecret,
    /// Absent: it is the present one.
    until: Option<Wall>,
}

impl Webhook {
    /// An enabled one with one secret.
    pub fn new(url: WebhookUrl, secret: WebhookSecret) -> Webhook {
        Webhook { url, secrets: vec![Signing { secret, until: None }], state: WebhookState::Enabled }
    }

    /// Another secret from now on; the present one signs too until `until`, an older one no more.
    pub fn rotate(&mut self, secret: WebhookSecret, until: Wall) {
        self.secrets.truncate(1);
        self.secrets.iter_mut().for_each(|old| old.until = Some(until));
        self.secrets.insert(0, Signing { secret, until: None });
    }

    /// The secrets that sign at this moment, the newest first.
    pub fn secrets_at(&self, now: Wall) -> impl Iterator<Item = &WebhookSecret> {
        self.secrets.iter().filter(move |signing| signing.until.is_none_or(|until| now < until)).map(|s| &s.secret)
    }

    /// Until when the secret before this one signs.
    pub fn rotates_until(&self) -> Option<Wall> {
        self.secrets.iter().find_map(|signing| signing.until)
    }

    /// True when it is told events.
    pub fn is_enabled(&self) -> bool {
        self.state == WebhookState::Enabled
    }
}

/// An http or https URL without credentials and fragment.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebhookUrl(Url);

/// Why a text is no such URL.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WebhookUrlError {
    /// Not a URL.
    #[error("not a URL")]
    Malformed,
    /// Another scheme.
    #[error("neither http: nor https:")]
    Scheme,
    /// It has a name or a password.
    #[error("a URL with credentials in it: the signature says who we are")]
    Credentials,
    /// It has a fragment.
    #[error("a URL with a fragment, which is never sent")]
    Fragment,
    /// It is too long.
    #[error("longer than 2048 bytes")]
    Long,
}

impl WebhookUrl {
    /// Whether it is to be reached over TLS.
    pub fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Its host.
    pub fn host(&self) -> Option<Host<&str>> {
        self.0.host()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }

    /// What the Host header says.
    pub fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// What the request line says.
    pub fn target(&self) -> &str {
        // Of http and https, a path is never empty.
        &self.0[url::Position::BeforePath..]
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for WebhookUrl {
    type Err = WebhookUrlError;

    fn from_str(text: &str) -> Result<WebhookUrl, WebhookUrlError> {
        if text.len() > MAX_URL_BYTES {
            return Err(WebhookUrlError::Long);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(WebhookUrlError::Malformed);
        }
        let url = Url::parse(text).map_err(|_| WebhookUrlError::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(WebhookUrlError::Scheme);
        }
        if !url.has_host() || url.host_str().is_none_or(str::is_empty) || url.port() == Some(0) {
            return Err(WebhookUrlError::Malformed);
        }
        // Also "http://@host", where both are empty.
        let authority = text.split_once("//").map(|(_, rest)| rest.split(['/', '?', '\\']).next().unwrap_or(rest));
        if !url.username().is_empty() || url.password().is_some() || authority.is_some_and(|part| part.contains('@')) {
            return Err(WebhookUrlError::Credentials);
        }
        if url.fragment().is_some() {
            return Err(WebhookUrlError::Fragment);
        }
        if url.as_str().len() > MAX_URL_BYTES {
            return Err(WebhookUrlError::Long);
        }
        Ok(WebhookUrl(url))
    }
}

impl TryFrom<String> for WebhookUrl {
    type Error = WebhookUrlError;
    fn try_from(text: String) -> Result<WebhookUrl, WebhookUrlError> {
        text.parse()
    }
}

impl From<WebhookUrl> for String {
    fn from(url: WebhookUrl) -> String {
        url.0.into()
    }
}

impl fmt::Debug for WebhookUrl {
    /// Its path may be a secret of the business's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({}://{}/…)", self.0.scheme(), self.authority())
    }
}

/// What events are signed with: `whsec_` and base64 of 24 to 64 bytes. Never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

/// The text is no secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not whsec_ and the base64 of 24 to 64 bytes")]
pub struct NoSecret;

impl WebhookSecret {
    /// One of these random bytes.
    pub fn new(bytes: [u8; NEW_SECRET_BYTES]) -> WebhookSecret {
        WebhookSecret(Zeroizing::new(bytes.to_vec()))
    }

    /// The key of the signature.
    pub fn key(&self) -> &[u8] {
        &self.0
    }

    /// As its business is told it, once.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}", STANDARD.encode(&*self.0)))
    }
}

impl FromStr for WebhookSecret {
    type Err = NoSecret;

    fn from_str(text: &str) -> Result<WebhookSecret, NoSecret> {
        let bytes = text.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok()).ok_or(NoSecret)?;
        if SECRET_BYTES.contains(&bytes.len()) { Ok(WebhookSecret(Zeroizing::new(bytes))) } else { Err(NoSecret) }
    }
}

impl TryFrom<String> for WebhookSecret {
    type Error = NoSecret;
    fn try_from(text: String) -> Result<WebhookSecret, NoSecret> {
        Zeroizing::new(text).parse()
    }
}

impl From<WebhookSecret> for String {
    fn from(secret: WebhookSecret) -> String {
        secret.reveal().to_string()
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_url_is_http_or_https_and_shows_no_credentials() {
        let url: WebhookUrl = "https://Hooks.Example.com/a/b?c=d".parse().unwrap();
        assert_eq!((url.authority().as_str(), url.port(), url.target()), ("hooks.example.com", 443, "/a/b?c=d"));
        let url: WebhookUrl = "http://[2001:db8::1]:8080".parse().unwrap();
        assert_eq!((url.authority().as_str(), url.port(), url.target()), ("[2001:db8::1]:8080", 8080, "/"));
        // What a client would read as 127.0.0.1 is read as that here as well.
        let url: WebhookUrl = "http://0x7f.1/".parse().unwrap();
        assert_eq!(url.host(), Some(Host::Ipv4(std::net::Ipv4Addr::LOCALHOST)));
        for (bad, why) in [
            ("ftp://example.com/", WebhookUrlError::Scheme),
            ("file:///etc/passwd", WebhookUrlError::Scheme),
            ("https://me:secret@example.com/", WebhookUrlError::Credentials),
            ("https://@example.com/", WebhookUrlError::Credentials),
            ("https://example.com/#a", WebhookUrlError::Fragment),
            ("example.com/hook", WebhookUrlError::Malformed),
            ("https://", WebhookUrlError::Malformed),
            ("https://a b/", WebhookUrlError::Malformed),
            ("https://example.com:0/", WebhookUrlError::Malformed),
            ("", WebhookUrlError::Malformed),
        ] {
            assert_eq!(bad.parse::<WebhookUrl>().unwrap_err(), why, "{bad}");
        }
        assert_eq!(
            format!("https://example.com/{}", "a".repeat(2048)).parse::<WebhookUrl>(),
            Err(WebhookUrlError::Long)
        );
    }

    #[test]
    fn a_secret_has_192_to_512_bits_and_is_never_shown() {
        let text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let secret: WebhookSecret = text.parse().unwrap();
        assert_eq!(secret.key().len(), 24);
        assert_eq!(secret.reveal().as_str(), text);
        let webhook = Webhook::new("https://example.com/t0ken".parse().unwrap(), secret);
        let shown = format!("{webhook:?}");
        assert!(!shown.contains("MfKQ") && !shown.contains("t0ken"), "{shown}");
        for bad in
            ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa", "whsec_a b"]
        {
            assert_eq!(bad.parse::<WebhookSecret>(), Err(NoSecret), "{bad}");
        }
        assert!(format!("whsec_{}", STANDARD.encode([7; 65])).parse::<WebhookSecret>().is_err());
    }

    #[test]
    fn two_secrets_sign_during_a_rotation_and_one_after_it() {
        let secret = |byte| WebhookSecret::new([byte; 32]);
        let mut webhook = Webhook::new("https://example.com/".parse().unwrap(), secret(1));
        webhook.rotate(secret(2), Wall(100));
        let at = |webhook: &Webhook, now| webhook.secrets_at(Wall(now)).map(|s| s.key()[0]).collect::<Vec<_>>();
        assert_eq!((at(&webhook, 99), at(&webhook, 100)), (vec![2, 1], vec![2]));
        webhook.rotate(secret(3), Wall(200));
        assert_eq!(at(&webhook, 50), [3, 2], "an older one than the last signs no more");
        let kept: Webhook = serde_json::from_str(&serde_json::to_string(&webhook).unwrap()).unwrap();
        assert_eq!(kept, webhook);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_read_is_written_as_it_is_read(text in any::<String>()) {
            if let Ok(url) = text.parse::<WebhookUrl>() {
                prop_assert_eq!(url.as_str().parse::<WebhookUrl>(), Ok(url));
            }
            let _ = text.parse::<WebhookSecret>();
        }

        #[test]
        fn near_urls_do_not_hide_credentials(user in "[a-z:@%]{0,6}", host in "[a-z0-9.]{1,10}") {
            if let Ok(url) = format!("https://{user}@{host}/").parse::<WebhookUrl>() {
                prop_assert!(false, "{:?}", url);
            }
        }
    }
}
