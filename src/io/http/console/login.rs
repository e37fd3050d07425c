//! Logging in and out. Owns the form, and that its password goes through the same guard as the admin API's; refuses to keep sessions:
//! a session is a signed cookie.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::{Console, PATH, html, view};
use crate::io::http::admin::operators::Operators;
use crate::io::http::credentials::Credentials;
use crate::io::http::problem::Problem;
use crate::io::http::sender::Sender;
use crate::io::passwords::Password;

/// `GET /console/login`
pub(super) async fn form(State(console): State<Arc<Console>>) -> Response {
    let none = console.admin.operators.load().is_empty();
    html(StatusCode::OK, &view::LoginPage { none, problem: None, name: String::new() })
}

/// `POST /console/login`
pub(super) async fn log_in(State(console): State<Arc<Console>>, sender: Sender, body: Body) -> Response {
    let given = match fields(&console, &sender, body).await {
        Ok(given) => given,
        Err(problem) => return again(problem.status(), "The form cannot be read.", String::new()),
    };
    let name = given.business.clone();
    match console.admin.judged(given, &sender).await {
        Ok(operator) => {
            let session = console.admin.operators.load().session(&operator, (console.admin.clock)());
            let Some((token, _)) = session else { return again(StatusCode::UNAUTHORIZED, "Log in again.", name) };
            with_cookie(&Operators::cookie(&token, PATH, console.secure), PATH)
        }
        Err(problem) => {
            let text = match problem.status() {
                StatusCode::TOO_MANY_REQUESTS => "Too many wrong passwords from here. Wait a while, then try again.",
                StatusCode::SERVICE_UNAVAILABLE => "Too many passwords are being verified. Try again.",
                _ => "No operator has this name and password.",
            };
            again(problem.status(), text, name)
        }
    }
}

/// `POST /console/logout`
pub(super) async fn log_out(State(console): State<Arc<Console>>) -> Response {
    let cookie = Operators::cookie("", PATH, console.secure);
    // The same cookie, over at once.
    let cookie: Vec<&str> = cookie.split("; ").filter(|part| !part.starts_with("Max-Age")).collect();
    with_cookie(&format!("{}; Max-Age=0", cookie.join("; ")), "/console/login")
}

async fn fields(console: &Console, sender: &Sender, body: Body) -> Result<Credentials, Problem> {
    let body = console.admin.body(sender, body).await?;
    let (mut business, mut password) = (None, None);
    for (name, value) in url::form_urlencoded::parse(&body) {
        match &*name {
            "name" if business.is_none() => business = Some(value.into_owned()),
            "password" if password.is_none() => password = Some(Password::new(value.into_owned())),
            _ => return Err(Problem::malformed("unknown field")),
        }
    }
    let missing = || Problem::malformed("name and password are needed");
    Ok(Credentials { business: business.ok_or_else(missing)?, password: password.ok_or_else(missing)? })
}

fn again(status: StatusCode, problem: &'static str, name: String) -> Response {
    html(status, &view::LoginPage { none: false, problem: Some(problem), name })
}

fn with_cookie(cookie: &str, to: &str) -> Response {
    let mut response = Redirect::to(to).into_response();
    match HeaderValue::from_str(cookie) {
        Ok(value) => {
            response.headers_mut().insert(header::SET_COOKIE, value);
            response
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
