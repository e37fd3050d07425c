//! What every request shares: the ports, the accounts, the verifier; and the two things every request does with them, read
//! its body within bounds and learn who asks.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::credentials::{self, Credentials};
use super::door::Door;
use super::events::Followers;
use super::guard::{Attempt, PasswordGuard};
use super::port::{EnginePort, Health, StorePort};
use super::problem::Problem;
use super::sender::Sender;
use super::token::Tokens;
use super::webhooks::OutboxPort;
use crate::clock::Wall;
use crate::io::jose::Encryption;
use crate::io::passwords::{Stored, Verdict, Verifier};
use crate::io::recordings::Talks;
use crate::model::{Business, BusinessId, Directory, WebhookUrl};

/// Largest body in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// How long a request may take in its parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// Until the whole body is there; then 408.
    pub body: Duration,
    /// Until the engine and the store have answered; then 503.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { body: Duration::from_secs(10), answer: Duration::from_secs(15) }
    }
}

/// See [`App::sinks`].
pub type SinkJudge = Arc<dyn Fn(&WebhookUrl) -> Result<(), String> + Send + Sync>;

/// What the handlers share.
pub struct App {
    /// The engine.
    pub engine: Arc<dyn EnginePort>,
    /// The store's read side.
    pub store: Arc<dyn StorePort>,
    /// Events on their way to webhooks.
    pub outbox: Arc<dyn OutboxPort>,
    /// The accounts as they are now; replaced whole.
    pub directory: Arc<ArcSwap<Directory>>,
    /// Where recordings are.
    pub recordings: Talks,
    /// Streams of events.
    pub followers: Followers,
    /// Opens encrypted messages; replaced whole when the configuration is read again.
    pub encryption: Arc<ArcSwap<Encryption>>,
    /// What stands between strangers' browsers and the calls.
    pub door: Door,
    /// Judges passwords.
    pub verifier: Verifier,
    /// Stands before it.
    pub guard: Arc<PasswordGuard>,
    /// Signs and judges access tokens.
    pub tokens: Tokens,
    /// Whether events may be sent to an address that a business names for one call; why not, in words.
    pub sinks: SinkJudge,
    /// Whether calls are taken.
    pub health: Arc<Health>,
    /// Reads the wall clock.
    pub clock: fn() -> Wall,
    /// Time bounds.
    pub patience: Patience,
}

impl App {
    /// Who asks, verified: 401; 429 for a source that guesses; 403 where the account's requests come from elsewhere or with another
    /// certificate, which is told to nobody without the password; 503 when too many guesses wait.
    pub async fn verified(&self, sender: &Sender, given: Credentials) -> Result<BusinessId, Problem> {
        let directory = self.directory.load_full();
        let account = given.business.parse::<BusinessId>().ok().and_then(|id| directory.get(&id).cloned());
        let (now, source) = ((self.clock)(), sender.source(self.door.proxies()));
        let business = account.as_deref().map(|business| &business.id);
        let attempt = Attempt { name: &given.business, business, source };
        let stored = account.as_deref().map(|business| stored(business, now));
        let remembered = || stored.is_some_and(|stored| self.verifier.knows(&given.business, stored, &given.password));
        self.guard.admit(&attempt, remembered)?;
        let verdict = self.verifier.verify(&given.business, stored, &given.password).await;
        match (verdict, &account) {
            (Verdict::Right, Some(business)) => {
                self.guard.right(&attempt);
                may_come(business, sender, source).map(|()| business.id.clone())
            }
            (Verdict::Busy { retry_after }, _) => {
                Err(Problem::unavailable(retry_after, "too many passwords are being verified"))
            }
            (Verdict::Wrong | Verdict::Right, _) => {
                metrics::counter!("callbridge_rejected_total", "reason" => "unauthorized").increment(1);
                tokio::time::sleep(self.guard.wrong(&attempt, now)).await;
                Err(Problem::unauthorized())
            }
        }
    }

    /// Who asks, by HTTP Basic alone; a disabled account is 403.
    pub async fn basic(&self, sender: &Sender) -> Result<BusinessId, Problem> {
        let given = credentials::basic(sender)?.ok_or_else(Problem::unauthorized)?;
        let business = self.verified(sender, given).await?;
        self.enabled(business)
    }

    /// A disabled account is 403.
    pub fn enabled(&self, business: BusinessId) -> Result<BusinessId, Problem> {
        match self.directory.load().get(&business).is_some_and(|b| b.enabled) {
            true => Ok(business),
            false => Err(Problem::from(crate::engine::api::Refusal::Disabled)),
        }
    }

    /// Waits for the engine or the store, within bounds.
    pub async fn answer<T>(&self, pending: impl Future<Output = T>) -> Result<T, Problem> {
        let late = |_| {
            let detail =
                "the answer takes too long; repeat a POST with the same Idempotency-Key to learn what became of it";
            Problem::late(5, detail)
        };
        tokio::time::timeout(self.patience.answer, pending).await.map_err(late)
    }

    /// The whole body, within bounds of size and time.
    pub async fn body(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
        read_body(self.patience.body, headers, body).await
    }
}

/// The whole body of a request, within bounds of size and time.
pub async fn read_body(patience: Duration, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    read_up_to(MAX_BODY_BYTES, patience, headers, body).await
}

/// The same with another bound.
pub async fn read_up_to(most: usize, patience: Duration, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("the body is larger than {most} bytes");
        // What is left of it will not be read, so this connection ends.
        Problem::of(StatusCode::PAYLOAD_TOO_LARGE, detail)
            .with_header(header::CONNECTION, HeaderValue::from_static("close"))
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > most as u64) {
        return Err(too_large());
    }
    let whole = Limited::new(body, most).collect();
    match tokio::time::timeout(patience, whole).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::malformed("the body ended early")),
        Err(_) => Err(Problem::of(StatusCode::REQUEST_TIMEOUT, "the body came too slowly")
            .with_header(header::CONNECTION, HeaderValue::from_static("close"))),
    }
}

/// The passwords of an account that are right at this moment.
fn stored(business: &Business, now: Wall) -> Stored<'_> {
    let former = business.former_password_at(now);
    let left = |until: Wall| Duration::from_millis(until.millis_since(now));
    Stored { present: &business.password_hash, former: former.map(|former| (&former.hash, left(former.until))) }
}

/// Whether an account's request may come from there, with this certificate or none.
pub(super) fn may_come(business: &Business, sender: &Sender, source: IpAddr) -> Result<(), Problem> {
    let refused = |reason: &'static str, problem: Problem| {
        metrics::counter!("callbridge_rejected_total", "reason" => reason).increment(1);
        Err(problem)
    };
    let (sources, certificates) = (&business.sources, &business.certificates);
    if !sources.is_empty() && !sources.iter().any(|network| network.contains(source)) {
        return refused("source_address", Problem::source_address());
    }
    let shows = |wanted| sender.certificate.as_ref().is_some_and(|shown| shown.is(wanted));
    if !certificates.is_empty() && !certificates.iter().any(shows) {
        return refused("client_certificate", Problem::client_certificate());
    }
    Ok(())
}

/// `application/json`, with any or no charset of UTF-8; else 415.
pub fn json_content(headers: &HeaderMap) -> Result<(), Problem> {
    let refuse = |detail: &str| {
        let accept = HeaderValue::from_static("application/json");
        Err(Problem::of(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).with_header(header::ACCEPT, accept))
    };
    if headers.contains_key(header::CONTENT_ENCODING) {
        return refuse("a compressed body is not read");
    }
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (essence, parameters) = given.split_once(';').unwrap_or((given, ""));
    let charset = parameters.trim();
    match essence.trim().to_ascii_lowercase().as_str() {
        "application/json" if charset.is_empty() || charset.eq_ignore_ascii_case("charset=utf-8") => Ok(()),
        "application/json" => refuse("JSON is UTF-8; leave the parameters out"),
        "application/jose" => refuse("no encrypted message is read here: send application/json over TLS"),
        _ => refuse("send application/json"),
    }
}
