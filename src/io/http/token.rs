//! `POST /oauth2/token`: a business's program gets an access token for its password (RFC 6749 §4.4), and whoever shows a token later is
//! judged here (RFC 6750). Owns the form of the request, its errors in RFC 6749's words, and that a token ends with the password or the
//! account; the token itself is `access::grant`'s, the password `io/passwords`'s, which answers an unknown business like a wrong password.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use ring::hmac;
use serde::Serialize;
use url::form_urlencoded;
use utoipa::ToSchema;

use super::app::{App, may_come};
use super::credentials::{self, Credentials, InMessage};
use super::problem::Problem;
use super::query;
use super::sender::Sender;
use crate::access::grant::{self, Claim, Scope, Scopes};
use crate::io::passwords::Password;
use crate::model::{Business, BusinessId};

const GRANT: &str = "client_credentials";

/// What tokens are signed with, and who they say they are of.
pub struct Tokens {
    key: hmac::Key,
    issuer: Option<String>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(…)")
    }
}

impl Tokens {
    /// Tokens outlive the daemon with the store's `secret`.
    pub fn new(secret: &[u8; 32]) -> Tokens {
        Tokens { key: hmac::Key::new(hmac::HMAC_SHA256, secret), issuer: None }
    }

    /// The same, told to programs as issued there: scheme and host.
    pub fn issued_by(self, issuer: Option<String>) -> Tokens {
        Tokens { issuer, ..self }
    }

    /// What is signed begins with what it is for.
    pub(super) fn key(&self) -> &hmac::Key {
        &self.key
    }
}

/// What is asked for.
#[derive(ToSchema)]
#[schema(as = TokenRequest)]
#[allow(dead_code, reason = "a description")]
pub struct TokenForm {
    /// The only grant there is.
    #[schema(pattern = "^client_credentials$")]
    grant_type: String,
    /// What the token is to allow, words with a space between them; absent or empty: everything.
    #[schema(
        required = false,
        nullable = false,
        pattern = "^(click-to-dial:(calls:(create|read|delete)|recordings:read)( click-to-dial:(calls:(create|read|delete)|recordings:read)){0,7})?$"
    )]
    scope: Option<String>,
    /// The business identifier; here or by HTTP Basic, if both, they must agree.
    #[schema(required = false, nullable = false)]
    client_id: Option<String>,
    /// Its password; here or by HTTP Basic, if both, they must agree.
    #[schema(required = false, nullable = false)]
    client_secret: Option<String>,
}

/// A token.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenAnswer {
    /// To be shown as `Authorization: Bearer`.
    access_token: String,
    /// `Bearer`.
    #[schema(pattern = "^Bearer$")]
    token_type: &'static str,
    /// In so many seconds it is worth nothing.
    expires_in: u64,
    /// What it allows.
    scope: String,
}

/// An error of RFC 6749 §5.2.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenError)]
pub struct TokenFault {
    /// Its word.
    #[schema(pattern = "^[a-z_]{1,64}$")]
    error: &'static str,
    /// What is wrong.
    error_description: String,
}

/// A refusal as it is sent.
#[derive(Debug)]
pub struct Denied {
    status: StatusCode,
    error: &'static str,
    description: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Denied {
    fn request(description: impl Into<String>) -> Denied {
        Denied::of(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    fn of(status: StatusCode, error: &'static str, description: impl Into<String>) -> Denied {
        Denied { status, error, description: description.into(), headers: Vec::new() }
    }
}

impl From<Problem> for Denied {
    fn from(problem: Problem) -> Denied {
        let told = problem.told();
        let error = match told.status {
            StatusCode::UNAUTHORIZED => "invalid_client",
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "temporarily_unavailable",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request",
        };
        Denied { status: told.status, error, description: told.detail, headers: told.headers }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let body = TokenFault { error: self.error, error_description: self.description };
        let mut response = (self.status, Json(body)).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

/// Gives a business's program an access token: OAuth 2.0 client credentials, the business identifier and its password.
#[utoipa::path(
    post, operation_id = "getToken", path = "/oauth2/token", tag = "tokens", security(("business" = []), ()),
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "A token", body = TokenAnswer),
        (status = 400, description = "Not such a request, another grant, a scope that there is not, or a disabled account", body = TokenFault),
        (status = 401, description = "No such business, or another password", body = TokenFault),
        (status = 408, description = "The body came too slowly", body = TokenFault),
        (status = 413, description = "The body is larger than 64 KiB", body = TokenFault),
        (status = 429, description = "Too many wrong passwords; see `Retry-After`", body = TokenFault),
        (status = 503, description = "Too many passwords are being verified; see `Retry-After`", body = TokenFault)
    )
)]
pub async fn create(
    State(app): State<Arc<App>>,
    uri: Uri,
    sender: Sender,
    body: Body,
) -> Result<Json<TokenAnswer>, Denied> {
    query::none(&uri)?;
    let basic = credentials::basic(&sender)?;
    form_content(&sender)?;
    let body = app.body(&sender, body).await?;
    let asked = Asked::read(&body)?;
    // Before the password is judged: were it changed meanwhile, the token would be one for the old one, and worth nothing.
    let accounts = app.directory.load_full();
    let business = verified(&app, &sender, basic, asked.sender).await?;
    let account = accounts.get(&business).ok_or_else(Problem::unauthorized)?;
    if !account.enabled {
        return Err(Denied::of(StatusCode::BAD_REQUEST, "unauthorized_client", "this account is disabled"));
    }
    let until = (app.clock)() + grant::LIFE;
    let access_token = grant::make(&app.tokens.key, &business, &account.password_hash, asked.scopes, until);
    let (expires_in, scope) = (grant::LIFE.as_secs(), asked.scopes.to_string());
    Ok(Json(TokenAnswer { access_token, token_type: "Bearer", expires_in, scope }))
}

/// How tokens are to be had (RFC 8414 §2).
#[derive(Serialize, ToSchema)]
#[schema(as = AuthorizationServer)]
pub struct Metadata {
    /// `[http] public_url`.
    issuer: String,
    /// Where they are asked for.
    token_endpoint: String,
    /// The keys that messages may be encrypted to.
    jwks_uri: String,
    /// What a token may allow.
    scopes_supported: Vec<&'static str>,
    /// Nobody is sent to a page of ours: empty.
    response_types_supported: Vec<&'static str>,
    /// The only grant there is.
    grant_types_supported: Vec<&'static str>,
    /// Where identifier and password may stand.
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    /// For people.
    service_documentation: String,
}

/// How programs find the token endpoint by themselves (RFC 8414); 404 where the equipment was not told its own address.
#[utoipa::path(get, operation_id = "getAuthorizationServer", path = "/.well-known/oauth-authorization-server", tag = "tokens",
    responses((status = 200, description = "Where and how tokens are to be had", body = Metadata),
        (status = 400, description = "Malformed", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>),
        (status = 404, description = "`[http] public_url` is not configured", content_type = "application/problem+json",
            body = super::problem::ProblemDocument<'static>)))]
pub async fn metadata(State(app): State<Arc<App>>) -> Result<Json<Metadata>, Problem> {
    let none = || Problem::of(StatusCode::NOT_FOUND, "this equipment was not told its own address: [http] public_url");
    let issuer = app.tokens.issuer.clone().ok_or_else(none)?;
    Ok(Json(Metadata {
        token_endpoint: format!("{issuer}/oauth2/token"),
        jwks_uri: format!("{issuer}/.well-known/jwks.json"),
        service_documentation: format!("{issuer}/docs"),
        scopes_supported: Scope::ALL.iter().map(|scope| scope.as_str()).collect(),
        response_types_supported: Vec::new(),
        grant_types_supported: vec![GRANT],
        token_endpoint_auth_methods_supported: vec!["client_secret_basic", "client_secret_post"],
        issuer,
    }))
}

/// RFC 6749 §2.3.1 has identifier and password percent-encoded before HTTP Basic takes them; hardly any client does. So both forms are tried
/// where they differ.
async fn verified(
    app: &App,
    from: &Sender,
    basic: Option<Credentials>,
    sender: InMessage,
) -> Result<BusinessId, Problem> {
    let plain = credentials::join(basic.clone(), sender.clone());
    let decoded = basic.as_ref().and_then(decoded).map(|decoded| credentials::join(Some(decoded), sender));
    match (plain, decoded) {
        (Ok(plain), Some(Ok(decoded))) => match app.verified(from, plain).await {
            Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => app.verified(from, decoded).await,
            verdict => verdict,
        },
        (Ok(given), _) | (Err(_), Some(Ok(given))) => app.verified(from, given).await,
        (Err(problem), _) => Err(problem),
    }
}

/// The pair as RFC 6749 would have it encoded, where that makes a difference.
fn decoded(given: &Credentials) -> Option<Credentials> {
    let decode = |text: &str| {
        let encoded = format!("x={}", text.replace('&', "%26"));
        form_urlencoded::parse(encoded.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    if !given.password.expose().contains(['%', '+']) && !given.business.contains(['%', '+']) {
        return None;
    }
    Some(Credentials { business: decode(&given.business)?, password: Password::new(decode(given.password.expose())?) })
}

fn form_content(headers: &HeaderMap) -> Result<(), Denied> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        && !headers.contains_key(header::CONTENT_ENCODING)
    {
        return Ok(());
    }
    Err(Denied::request("send application/x-www-form-urlencoded"))
}

/// The form, read.
struct Asked {
    scopes: Scopes,
    sender: InMessage,
}

impl Asked {
    /// Unknown parameters are ignored, and none of the known ones may stand twice (RFC 6749 §3.2).
    fn read(body: &[u8]) -> Result<Asked, Denied> {
        let mut fields: BTreeMap<String, String> = BTreeMap::new();
        let known = |name: &str| ["grant_type", "scope", "client_id", "client_secret"].contains(&name);
        for (name, value) in form_urlencoded::parse(body).filter(|(name, _)| known(name)) {
            if fields.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(Denied::request("a parameter is given twice"));
            }
        }
        // Without a value it is as if it were not there (§3.1).
        let mut take = |name: &str| fields.remove(name).filter(|value| !value.is_empty());
        match take("grant_type").as_deref() {
            Some(GRANT) => {}
            Some(_) => {
                let what = "the grant is client_credentials";
                return Err(Denied::of(StatusCode::BAD_REQUEST, "unsupported_grant_type", what));
            }
            None => return Err(Denied::request("grant_type is required")),
        }
        let scopes = match take("scope") {
            None => Scopes::all(),
            Some(text) => text.parse().map_err(|error: grant::NoScope| {
                Denied::of(StatusCode::BAD_REQUEST, "invalid_scope", error.to_string())
            })?,
        };
        let sender = InMessage { business: take("client_id"), password: take("client_secret").map(Password::new) };
        Ok(Asked { scopes, sender })
    }
}

/// The business whose token is shown, if the token allows this: else 401, or 403 for another scope, and where the account's requests come
/// from elsewhere or with another certificate. A disabled account has no tokens.
pub(super) fn granted(app: &App, sender: &Sender, scope: Scope) -> Result<Arc<Business>, Problem> {
    let mut values = sender.get_all(header::AUTHORIZATION).iter();
    let token = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().and_then(bearer),
        _ => None,
    };
    let claim = token.and_then(Claim::read).ok_or_else(Problem::no_token)?;
    let account = app.directory.load().get(&claim.business).cloned().filter(|account| account.enabled);
    let account = account.ok_or_else(Problem::no_token)?;
    let scopes = claim.judge(&app.tokens.key, &account.password_hash, (app.clock)()).ok_or_else(Problem::no_token)?;
    may_come(&account, sender, sender.source(app.door.proxies()))?;
    if scopes.has(scope) { Ok(account) } else { Err(Problem::scope(scope.as_str())) }
}

/// The token of an `Authorization` of this scheme.
pub(super) fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
