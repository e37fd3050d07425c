//! The Web server's face: routes, what every answer is served with, who asks, and what keeps other sites out. Owns these; the pages are in
//! `pages`, `account`, `talk` and `desk`.
//!
//! A form is taken when the browser says that it comes from a page of ours (`Origin`), and when it shows the token that this browser was
//! given with the page. Pages run no script but the files of this server and the button's; whatever people write is escaped by askama.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use tower_http::catch_panic::CatchPanicLayer;

use super::secrets::random_text;
use super::shop::Shop;
use super::store::StoreError;
use super::store::people::{self, Customer};
use super::{account, calls, desk, desk_page, pages, talk, wallboard, wallboard_page, webhook};
use crate::io::http::source::{Peer, source};

/// Largest body in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// Until the whole body is there.
const BODY: Duration = Duration::from_secs(10);
/// Names this browser, before anybody is logged on.
const VISITOR: &str = "visitor";
/// A customer's session.
pub const CUSTOMER: &str = "customer";
/// How long a customer stays logged on.
pub const CUSTOMER_LIFE: Duration = Duration::from_secs(30 * 86_400);

const STYLE: &str = include_str!("../../assets/pages/storefront/style.css");
const DESK_STYLE: &str = include_str!("../../assets/pages/storefront/desk.css");
const DESK_SCRIPT: &str = include_str!("../../assets/pages/storefront/desk.js");
const ICON: &str = include_str!("../../assets/pages/storefront/icon.svg");

/// What the handlers share.
pub type App = State<Arc<Shop>>;

/// Every page and every message.
pub fn router(shop: Arc<Shop>) -> Router {
    Router::new()
        .route("/", get(pages::home))
        .route("/products/{id}", get(pages::product))
        .route("/cart", get(pages::cart).post(pages::change_cart))
        .route("/orders", post(pages::order))
        .route("/account", get(account::show).post(account::change))
        .route("/account/new", get(account::new_form).post(account::create))
        .route("/account/login", get(account::login_form).post(account::log_in))
        .route("/account/logout", post(account::log_out))
        .route("/talk", get(talk::form).post(talk::ask))
        .route("/talk/{id}", get(talk::show))
        .route("/talk/{id}/cancel", post(talk::cancel))
        .route("/call-requests", post(calls::create))
        .route("/call-requests/{id}", get(calls::show).delete(calls::cancel))
        .route("/call-requests/{id}/events", get(calls::follow))
        .route("/desk", get(desk_page::page))
        .route("/desk/events", get(desk_page::events))
        .route("/desk/records", get(desk_page::records))
        .route("/desk/login", get(desk::login_form).post(desk::log_on))
        .route("/desk/logoff", post(desk::log_off))
        .route("/desk/mode", post(desk::set_mode))
        .route("/desk/address", post(desk::set_address))
        .route("/desk/lease", post(desk::renew))
        .route("/desk/hang-up", post(desk::hang_up))
        .route("/desk/result", post(desk::result))
        .route("/desk/reports/{id}", post(desk::handled))
        .route("/desk/notes", post(desk::note))
        .route("/wallboard", get(wallboard_page::page))
        .route("/wallboard/events", get(wallboard_page::events))
        .route("/wallboard/login", get(wallboard::login_form).post(wallboard::log_on))
        .route("/wallboard/logoff", post(wallboard::log_off))
        .route("/wallboard/address", post(wallboard::set_address))
        .route("/wallboard/supervise", post(wallboard::supervise))
        .route("/webhooks/calls", post(webhook::take))
        .route("/style.css", get(async || asset("text/css; charset=utf-8", STYLE)))
        .route("/desk.css", get(async || asset("text/css; charset=utf-8", DESK_STYLE)))
        .route("/desk.js", get(async || asset("text/javascript; charset=utf-8", DESK_SCRIPT)))
        .route("/icon.svg", get(async || asset("image/svg+xml", ICON)))
        .route("/healthz", get(async || "ok\n"))
        .fallback(async || Trouble::NotFound)
        .layer(CatchPanicLayer::custom(|_| {
            tracing::error!("a request handler panicked");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }))
        .layer(middleware::from_fn_with_state(Arc::clone(&shop), every_request))
        .with_state(shop)
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

/// Answers of this server, and what no other site may do with them.
async fn every_request(State(shop): App, request: Request, next: Next) -> Response {
    let ours = is_ours(request.headers());
    // Only what carries a signature or a token of its own may come from elsewhere.
    let guarded = request.method() == Method::POST && !request.uri().path().starts_with("/webhooks/");
    let mut response = if guarded && !ours { Trouble::Foreign.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let (_, widget) = &shop.widget;
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self' {widget}; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    let fixed: [(HeaderName, &'static str); 3] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if shop.secure {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

/// Whether the request comes from a page of this server: every browser says so with a POST.
fn is_ours(headers: &HeaderMap) -> bool {
    let one = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        let first = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(first)
    };
    let (Some(origin), Some(host)) = (one(header::ORIGIN), one(header::HOST)) else { return false };
    origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
}

/// Why a page is not shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// There is no such page.
    NotFound,
    /// The form comes from another site, or shows no token of ours.
    Foreign,
    /// The form cannot be read.
    Form(&'static str),
    /// Nobody is logged on here: where to log on.
    LogOn(&'static str),
    /// Our own fault.
    Broken,
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        tracing::error!(%error, "a page cannot be made");
        Trouble::Broken
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let (status, title, detail) = match self {
            Trouble::LogOn(path) => return Redirect::to(path).into_response(),
            Trouble::NotFound => (StatusCode::NOT_FOUND, "Not found", "There is no such page here."),
            Trouble::Foreign => (
                StatusCode::FORBIDDEN,
                "Not taken",
                "This form does not come from a page of ours that your browser has open. Open the page again and repeat it.",
            ),
            Trouble::Form(detail) => (StatusCode::BAD_REQUEST, "Not taken", detail),
            Trouble::Broken => {
                (StatusCode::SERVICE_UNAVAILABLE, "Not now", "Something is broken here. Please try again.")
            }
        };
        html(status, &TroublePage { title, detail })
    }
}

#[derive(Template)]
#[template(path = "storefront/trouble.html")]
struct TroublePage {
    title: &'static str,
    detail: &'static str,
}

/// A page.
pub fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The cookie of this name, if there is exactly one.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// `Set-Cookie`; without a life it ends with the browser, with none left at once.
pub fn set_cookie(
    shop: &Shop,
    name: &str,
    value: &str,
    path: &str,
    same_site: &str,
    life: Option<Duration>,
) -> HeaderValue {
    let age = life.map(|life| format!("; Max-Age={}", life.as_secs())).unwrap_or_default();
    let secure = if shop.secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path={path}; HttpOnly; SameSite={same_site}{age}{secure}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// Sends the browser to a page, with a cookie.
pub fn redirect_with(to: &str, cookie: HeaderValue) -> Response {
    let mut response = Redirect::to(to).into_response();
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}

/// Who looks at the shop's pages.
pub struct Visitor {
    /// Names this browser: in a cookie, new or not.
    pub name: String,
    /// The cookie is to be set.
    pub is_new: bool,
    /// Who is logged on.
    pub customer: Option<Customer>,
    /// Cookies and the like.
    pub headers: HeaderMap,
    /// Where the request comes from.
    pub source: IpAddr,
}

impl Visitor {
    /// The token of this browser's forms.
    pub fn token(&self, shop: &Shop) -> String {
        shop.keys.sign("form", &self.name)
    }

    /// A page for this browser.
    pub fn page(&self, shop: &Shop, status: StatusCode, page: &impl Template) -> Response {
        let mut response = html(status, page);
        if self.is_new {
            let cookie = set_cookie(shop, VISITOR, &self.name, "/", "Lax", None);
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}

impl FromRequestParts<Arc<Shop>> for Visitor {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, shop: &Arc<Shop>) -> Result<Visitor, Trouble> {
        let headers = parts.headers.clone();
        let known = cookie(&headers, VISITOR).filter(|name| name.len() == 43).map(str::to_owned);
        let is_new = known.is_none();
        let name = match known {
            Some(name) => name,
            None => random_text().map_err(|_| Trouble::Broken)?,
        };
        let sealed = cookie(&headers, CUSTOMER).and_then(|sealed| shop.keys.open(CUSTOMER, sealed, shop.wall()));
        let customer = match sealed.and_then(|id| id.parse::<i64>().ok()) {
            Some(id) => shop.store.read(move |c| people::customer(c, id)).await?,
            None => None,
        };
        let source = source_of(parts, shop);
        Ok(Visitor { name, is_new, customer, headers, source })
    }
}

/// Where a request comes from.
pub fn source_of(parts: &Parts, shop: &Shop) -> IpAddr {
    let peer = parts.extensions.get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip());
    source(peer, &parts.headers, &shop.proxies)
}

/// The fields of a form, each once.
pub struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads a form; its `token` must be `wanted`.
    pub async fn read(headers: &HeaderMap, body: Body, wanted: &str) -> Result<Form, Trouble> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/x-www-form-urlencoded") {
            return Err(Trouble::Form("This is no form."));
        }
        let body = read_body(body).await?;
        let mut fields = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(&body) {
            if fields.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(Trouble::Form("A field is there twice."));
            }
        }
        let form = Form(fields);
        let given = form.text("token");
        match subtle::ConstantTimeEq::ct_eq(given.as_bytes(), wanted.as_bytes()).into() {
            true => Ok(form),
            false => Err(Trouble::Foreign),
        }
    }

    /// A field without blanks around it; absent: empty.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.trim())
    }

    /// As it was typed: of a password every blank counts.
    pub fn exact(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// The whole body, within bounds of size and time.
pub async fn read_body(body: Body) -> Result<Bytes, Trouble> {
    match tokio::time::timeout(BODY, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(_)) => Err(Trouble::Form("It is too long, or ended early.")),
        Err(_) => Err(Trouble::Form("It came too slowly.")),
    }
}

/// What people may write: no control characters but new lines, and so long.
pub fn is_words(text: &str, most: usize) -> bool {
    text.chars().count() <= most && !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_form_of_another_site_is_not_ours() {
        assert!(is_ours(&headers(&[("origin", "https://shop.example"), ("host", "shop.example")])));
        for foreign in ["https://evil.example", "null", "https://shop.example.evil.example", "https://shop.example:444"]
        {
            assert!(!is_ours(&headers(&[("origin", foreign), ("host", "shop.example")])), "{foreign}");
        }
        assert!(!is_ours(&headers(&[("host", "shop.example")])), "it does not say");
    }

    #[test]
    fn a_cookie_is_found_and_a_double_one_is_none() {
        let all = headers(&[("cookie", "a=1; desk=x=y; b=2")]);
        assert_eq!((cookie(&all, "desk"), cookie(&all, "c")), (Some("x=y"), None));
        assert_eq!(cookie(&headers(&[("cookie", "a=1; a=2")]), "a"), None);
    }
}
