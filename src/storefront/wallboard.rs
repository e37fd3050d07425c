//! The supervisor's wallboard: log-on, the phone to ring, and the third party at a talk (listen, whisper, join), which is the equipment's.
//! Owns these actions and who is logged on; the page is `wallboard_page`'s.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use super::desk::tag;
use super::equipment::Supervised;
use super::secrets::random_text;
use super::shop::{Judged, Shop};
use super::store::requests::{self, Request};
use super::store::supervisors::{self, Supervisor};
use super::web::{App, Form, Trouble, Visitor, cookie, redirect_with, set_cookie};
use crate::clock::Wall;
use crate::io::passwords::Password;
use crate::model::{Endpoint, SupervisorMode};

const BOARD: &str = "wallboard";
const PATH: &str = "/wallboard";
const LOGIN: &str = "/wallboard/login";
/// A session ends so long after its beginning.
const LIFE_MS: i64 = 16 * 3_600_000;
const NO_PHONE: &str = "The phone to ring is no number, sip: address or IP address.";

/// Who is logged on here.
pub struct AtBoard {
    /// As the store has them now.
    pub supervisor: Supervisor,
    /// The token of this session's forms.
    pub token: String,
    headers: HeaderMap,
}

impl FromRequestParts<Arc<Shop>> for AtBoard {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shop: &Arc<Shop>) -> Result<AtBoard, Response> {
        let session = cookie(&parts.headers, BOARD).map(str::to_owned);
        let known = match &session {
            Some(session) => {
                let (tag, since) = (tag(session), Wall(shop.wall().0.saturating_sub(LIFE_MS)));
                let found = shop.store.read(move |c| supervisors::of_session(c, &tag, since));
                found.await.map_err(|error| Trouble::from(error).into_response())?
            }
            None => None,
        };
        let fetched = parts.headers.get("sec-fetch-dest").is_some_and(|kind| kind == "empty");
        let Some((supervisor, session)) = known.zip(session) else {
            return Err(match fetched {
                true => StatusCode::UNAUTHORIZED.into_response(),
                false => Redirect::to(LOGIN).into_response(),
            });
        };
        let token = shop.keys.sign("wallboard form", &session);
        Ok(AtBoard { supervisor, token, headers: parts.headers.clone() })
    }
}

impl AtBoard {
    /// Whether this session still is one: it ends with its time, and when its supervisor logs off anywhere.
    pub async fn is_there(&self, shop: &Shop) -> bool {
        let Some(tag) = cookie(&self.headers, BOARD).map(tag) else { return false };
        let since = Wall(shop.wall().0.saturating_sub(LIFE_MS));
        let found = shop.store.read(move |c| supervisors::of_session(c, &tag, since)).await;
        found.is_ok_and(|supervisor| supervisor.is_some())
    }
}

#[derive(Template)]
#[template(path = "storefront/wallboard_login.html")]
struct LoginPage {
    company: String,
    token: String,
    id: String,
    problem: Option<&'static str>,
}

/// `GET /wallboard/login`
pub async fn login_form(State(shop): App, visitor: Visitor) -> Response {
    login_page(&shop, &visitor, StatusCode::OK, String::new(), None)
}

fn login_page(
    shop: &Shop,
    visitor: &Visitor,
    status: StatusCode,
    id: String,
    problem: Option<&'static str>,
) -> Response {
    let page = LoginPage { company: shop.company.clone(), token: visitor.token(shop), id, problem };
    visitor.page(shop, status, &page)
}

/// `POST /wallboard/login`
pub async fn log_on(State(shop): App, visitor: Visitor, body: Body) -> Result<Response, Trouble> {
    let form = Form::read(&visitor.headers, body, &visitor.token(&shop)).await?;
    let id = form.text("id").to_owned();
    let name = id.clone();
    let known = shop.store.read(move |c| supervisors::find(c, &name)).await?;
    let password = Password::new(form.exact("password").to_owned());
    let hash = known.as_ref().map(|one| &one.password_hash);
    let (status, problem) = match shop.is_password("supervisor", &id, hash, &password, visitor.source).await {
        Judged::Right => (StatusCode::OK, None),
        Judged::Later => (StatusCode::TOO_MANY_REQUESTS, Some("Too many wrong passwords from here. Wait a while.")),
        Judged::Wrong => (StatusCode::FORBIDDEN, Some("Nobody has this name and password.")),
    };
    if problem.is_some() {
        return Ok(login_page(&shop, &visitor, status, id, problem));
    }
    let session = random_text().map_err(|_| Trouble::Broken)?;
    let (tag, now) = (tag(&session), shop.wall());
    shop.store.change(move |t| supervisors::add_session(t, &tag, &id, now)).await?;
    Ok(redirect_with(PATH, set_cookie(&shop, BOARD, &session, PATH, "Strict", None)))
}

/// `POST /wallboard/logoff`: every browser of this supervisor.
pub async fn log_off(State(shop): App, at: AtBoard, body: Body) -> Result<Response, Trouble> {
    Form::read(&at.headers, body, &at.token).await?;
    let id = at.supervisor.id;
    shop.store.change(move |t| supervisors::log_off(t, &id)).await?;
    Ok(redirect_with(LOGIN, set_cookie(&shop, BOARD, "", PATH, "Strict", Some(Duration::ZERO))))
}

/// `POST /wallboard/address`: the phone that rings from now on.
pub async fn set_address(State(shop): App, at: AtBoard, body: Body) -> Result<Response, Trouble> {
    let form = Form::read(&at.headers, body, &at.token).await?;
    let address = Endpoint::parse(form.text("address")).map_err(|_| Trouble::Form(NO_PHONE))?.to_string();
    let id = at.supervisor.id;
    shop.store.change(move |t| supervisors::set_address(t, &id, &address)).await?;
    Ok(Redirect::to(PATH).into_response())
}

/// `POST /wallboard/supervise`: `mode` listen, whisper, join, or leave; of the call of `request`.
pub async fn supervise(State(shop): App, at: AtBoard, body: Body) -> Result<Response, Trouble> {
    let form = Form::read(&at.headers, body, &at.token).await?;
    let id = form.text("request").to_owned();
    let mode = match form.text("mode") {
        "leave" => None,
        word => Some(SupervisorMode::parse(word).ok_or(Trouble::Form("There is no such way to take part."))?),
    };
    let found = shop.store.read(move |c| requests::find(c, &id)).await?.filter(Request::is_open);
    let request = found.ok_or(Trouble::Form("This call is over."))?;
    let call = request.equipment.as_deref().and_then(|name| shop.equipment(name)).zip(request.call.as_deref());
    let ((_, equipment), call) = call.ok_or(Trouble::Form("Nobody talks there yet."))?;
    if shop.supervises(&request.id).is_some_and(|(by, _)| by != at.supervisor.id) {
        return Err(Trouble::Form("Somebody else supervises this talk."));
    }
    let done = equipment.supervise(call, &at.supervisor.address, mode).await;
    tracing::info!(supervisor = at.supervisor.id, request = request.id, ?mode, ok = done.is_ok(), "supervises");
    match done {
        Ok(Supervised::There) => shop.supervised(&request.id, mode.map(|mode| (at.supervisor.id, mode))),
        Ok(Supervised::Gone) => shop.supervised(&request.id, None),
        Err(why) => {
            tracing::warn!(why, "the equipment does not let a supervisor in");
            return Err(Trouble::Form(
                "The equipment does not let you in: nobody talks there, or somebody supervises already.",
            ));
        }
    }
    Ok(Redirect::to(PATH).into_response())
}
