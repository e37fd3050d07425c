//! Encrypted initiation messages: a whole body as `application/jose`, or single fields (contract.md). Owns where they may stand, how
//! old they may be, and that each is taken once; refuses to decrypt (`io/jose` does) and to remember (the store does).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;

use super::app::{App, json_content};
use super::calls::json;
use super::message::RawMessage;
use super::problem::Problem;
use crate::clock::Wall;
use crate::io::jose::{self, Encryption, JoseError, Opened};

/// A sender's clock may be ahead by so much, in seconds.
const AHEAD: i64 = 60;

/// Opens what is encrypted in one request, and remembers what it opened.
pub(super) struct Opener {
    with: Arc<Encryption>,
    now: Wall,
    opened: Vec<[u8; 32]>,
}

impl Opener {
    pub(super) fn new(app: &App) -> Opener {
        Opener { with: app.encryption.load_full(), now: (app.clock)(), opened: Vec::new() }
    }

    /// The message, decrypted where it was encrypted. `application/jose` is a compact JWE, anything else must be JSON.
    pub(super) fn message(&mut self, headers: &HeaderMap, body: &Bytes) -> Result<RawMessage, Problem> {
        let mut raw = if is_jose(headers) {
            let text = std::str::from_utf8(body).map_err(|_| problem(JoseError::Form, ""))?;
            RawMessage::parse(&self.open(text, "")?.text)?
        } else {
            RawMessage::parse(body)?
        };
        raw.open_fields(&mut |pointer, text| self.field(pointer, text))?;
        Ok(raw)
    }

    /// What names each encrypted text of this request, in hexadecimal: the store takes each name once.
    pub(super) fn names(self) -> Vec<String> {
        let hex = |name: &[u8; 32]| name.iter().map(|byte| format!("{byte:02x}")).collect();
        self.opened.iter().map(hex).collect()
    }

    /// A field's plaintext; none where it is not encrypted.
    fn field(&mut self, pointer: &str, text: &str) -> Result<Option<String>, Problem> {
        if !jose::looks_encrypted(text) {
            return Ok(None);
        }
        let opened = self.open(text, pointer)?;
        let plain = std::str::from_utf8(&opened.text).map_err(|_| problem(JoseError::Sealed, pointer))?;
        Ok(Some(plain.to_owned()))
    }

    fn open(&mut self, text: &str, pointer: &str) -> Result<Opened, Problem> {
        if self.with.keys.is_empty() {
            return Err(Problem::malformed("this equipment has no keys for encrypted messages").at(pointer));
        }
        let opened = jose::open(text, &self.with.keys).map_err(|error| problem(error, pointer))?;
        self.fresh(&opened).map_err(|detail| Problem::of(StatusCode::UNPROCESSABLE_ENTITY, detail).at(pointer))?;
        self.opened.push(opened.once);
        Ok(opened)
    }

    fn fresh(&self, opened: &Opened) -> Result<(), &'static str> {
        let now = self.now.0.div_euclid(1000);
        let oldest = now.saturating_sub(i64::from(self.with.max_age_seconds));
        if opened.expires_at.is_some_and(|at| at < now) {
            return Err("this encrypted message has expired (exp)");
        }
        match opened.issued_at {
            None if self.with.require_time => {
                Err("an encrypted message must say when it was made: iat in its protected header")
            }
            Some(at) if at < oldest => Err("this encrypted message is too old (iat)"),
            Some(at) if at > now.saturating_add(AHEAD) => Err("this encrypted message is of the future (iat)"),
            _ => Ok(()),
        }
    }
}

fn is_jose(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/jose"))
}

/// `application/json`, or `application/jose` where this equipment has keys; else 415.
pub(super) fn content(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let readable = is_jose(headers) && !headers.contains_key(header::CONTENT_ENCODING);
    if readable && !app.encryption.load().keys.is_empty() { Ok(()) } else { json_content(headers) }
}

fn problem(error: JoseError, pointer: &str) -> Problem {
    Problem::malformed(error.to_string()).at(pointer)
}

/// The public keys that messages may be encrypted to (JWK set, RFC 7517).
#[utoipa::path(get, operation_id = "getKeys", path = "/.well-known/jwks.json", tag = "equipment",
    responses((status = 200, description = "The keys; the first is the current one", content_type = "application/json", body = Object),
        (status = 400, description = "Malformed", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>)))]
pub async fn keys(State(app): State<Arc<App>>) -> Response {
    let mut response = json(&app.encryption.load().keys.published());
    // Partners may keep them for a while: a retired key opens until it is removed.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}
