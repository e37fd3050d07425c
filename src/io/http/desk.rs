//! `/desk`: a representative's page (58) where the business has no Web server of its own. Owns what it is served with; refuses to know
//! anybody: the page speaks `/v1/representatives` with the representative's own token, which stays in the browser.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Nothing from outside, nothing written into a page runs, no page of another site may frame it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";
const PAGE: &str = include_str!("../../../assets/pages/desk/desk.html");
const SCRIPT: &str = include_str!("../../../assets/pages/desk/desk.js");
/// As the desk of the business's own Web server looks.
const STYLE: &str = concat!(
    include_str!("../../../assets/pages/storefront/style.css"),
    include_str!("../../../assets/pages/storefront/desk.css"),
    include_str!("../../../assets/pages/desk/desk.css")
);

/// The page and what it needs.
pub fn routes() -> Router {
    Router::new()
        .route("/desk", get(async || file("text/html; charset=utf-8", PAGE)))
        .route("/desk/desk.js", get(async || file("text/javascript; charset=utf-8", SCRIPT)))
        .route("/desk/style.css", get(async || file("text/css; charset=utf-8", STYLE)))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, text).into_response()
}
