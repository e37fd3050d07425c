//! What a representative does at the desk (58): log on and off, break, the phone to ring, hang up, and the result of a call sent back
//! (614) and processed (616). Owns these actions and who is logged on; the page is `desk_page`'s.
//!
//! A session is a cookie that no script reads and no other site sends; the store keeps a digest of it. The page renews the lease; a lost
//! browser is logged off by it, and its call goes on.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use ring::digest::{SHA256, digest};

use super::floor;
use super::secrets::random_text;
use super::shop::{Judged, Shop};
use super::store::goods::{self, NewOrder};
use super::store::reports;
use super::store::requests::{self, Request};
use super::store::staff::{self, Mode, Representative};
use super::web::{App, Form, Trouble, Visitor, cookie, is_words, redirect_with, set_cookie};
use crate::io::passwords::Password;
use crate::model::Endpoint;

const DESK: &str = "desk";
const PATH: &str = "/desk";
const LOGIN: &str = "/desk/login";
/// Of a complaint or a note.
const MAX_WORDS: usize = 4000;

/// Who is logged on here.
pub struct AtDesk {
    /// As the store has them now.
    pub representative: Representative,
    /// The token of this session's forms.
    pub token: String,
    /// Cookies and the like.
    pub headers: HeaderMap,
}

impl AtDesk {
    async fn form(&self, body: Body) -> Result<Form, Trouble> {
        Form::read(&self.headers, body, &self.token).await
    }

    fn id(&self) -> String {
        self.representative.id.clone()
    }
}

/// What the store keeps of a session.
pub fn tag(session: &str) -> Vec<u8> {
    digest(&SHA256, session.as_bytes()).as_ref().to_vec()
}

impl FromRequestParts<Arc<Shop>> for AtDesk {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shop: &Arc<Shop>) -> Result<AtDesk, Response> {
        let session = cookie(&parts.headers, DESK).map(str::to_owned);
        let known = match &session {
            Some(session) => {
                let tag = tag(session);
                shop.store
                    .read(move |c| staff::of_session(c, &tag))
                    .await
                    .map_err(|e| Trouble::from(e).into_response())?
            }
            None => None,
        };
        // A script is told; a person is led.
        let fetched = parts.headers.get("sec-fetch-dest").is_some_and(|kind| kind == "empty");
        let Some((representative, session)) = known.zip(session) else {
            return Err(match fetched {
                true => StatusCode::UNAUTHORIZED.into_response(),
                false => Redirect::to(LOGIN).into_response(),
            });
        };
        let token = shop.keys.sign("desk form", &session);
        Ok(AtDesk { representative, token, headers: parts.headers.clone() })
    }
}

#[derive(Template)]
#[template(path = "storefront/desk_login.html")]
struct LoginPage {
    company: String,
    token: String,
    id: String,
    problem: Option<&'static str>,
}

/// `GET /desk/login`
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

/// `POST /desk/login`: log on = available.
pub async fn log_on(State(shop): App, visitor: Visitor, body: Body) -> Result<Response, Trouble> {
    let form = Form::read(&visitor.headers, body, &visitor.token(&shop)).await?;
    let (id, address) = (form.text("id").to_owned(), form.text("address").to_owned());
    let address = match address.as_str() {
        "" => None,
        text => match Endpoint::parse(text) {
            Ok(address) => Some(address.to_string()),
            Err(_) => {
                let problem = Some("The phone to ring is no number, sip: address or IP address.");
                return Ok(login_page(&shop, &visitor, StatusCode::UNPROCESSABLE_ENTITY, id, problem));
            }
        },
    };
    let name = id.clone();
    let known = shop.store.read(move |c| staff::find(c, &name)).await?;
    let password = Password::new(form.exact("password").to_owned());
    let hash = known.as_ref().map(|one| &one.password_hash);
    match shop.is_password("representative", &id, hash, &password, visitor.source).await {
        Judged::Right => {}
        Judged::Later => {
            let problem = Some("Too many wrong passwords from here. Wait a while.");
            return Ok(login_page(&shop, &visitor, StatusCode::TOO_MANY_REQUESTS, id, problem));
        }
        Judged::Wrong => {
            let problem = Some("Nobody has this name and password.");
            return Ok(login_page(&shop, &visitor, StatusCode::FORBIDDEN, id, problem));
        }
    }
    let session = random_text().map_err(|_| Trouble::Broken)?;
    let (tag, now, lease) = (tag(&session), shop.wall(), shop.wall() + shop.lease);
    let logged_on = shop.store.change(move |t| {
        staff::add_session(t, &tag, &id, now)?;
        if let Some(address) = &address {
            staff::set_address(t, &id, address)?;
        }
        staff::log_on(t, &id, now, lease)
    });
    logged_on.await?;
    Ok(redirect_with(PATH, set_cookie(&shop, DESK, &session, PATH, "Strict", None)))
}

/// `POST /desk/logoff`: every browser of this representative.
pub async fn log_off(State(shop): App, at: AtDesk, body: Body) -> Result<Response, Trouble> {
    at.form(body).await?;
    let (id, now) = (at.id(), shop.wall());
    shop.store.change(move |t| staff::set_mode(t, &id, Mode::Off, now)).await?;
    Ok(redirect_with(LOGIN, set_cookie(&shop, DESK, "", PATH, "Strict", Some(Duration::ZERO))))
}

/// `POST /desk/mode`: available or break. Nobody leaves the wrap-up so: a result is owed, be it none.
pub async fn set_mode(State(shop): App, at: AtDesk, body: Body) -> Result<Response, Trouble> {
    let form = at.form(body).await?;
    let mode = match form.text("mode") {
        "available" => Mode::Available,
        "break" => Mode::Break,
        _ => return Err(Trouble::Form("There is no such state.")),
    };
    if at.representative.mode != Mode::WrapUp {
        let (id, now) = (at.id(), shop.wall());
        shop.store.change(move |t| staff::set_mode(t, &id, mode, now)).await?;
    }
    Ok(Redirect::to(PATH).into_response())
}

/// `POST /desk/address`: the phone that rings from the next call on.
pub async fn set_address(State(shop): App, at: AtDesk, body: Body) -> Result<Response, Trouble> {
    let form = at.form(body).await?;
    let wrong = "The phone to ring is no number, sip: address or IP address.";
    let address = Endpoint::parse(form.text("address")).map_err(|_| Trouble::Form(wrong))?.to_string();
    let id = at.id();
    shop.store.change(move |t| staff::set_address(t, &id, &address)).await?;
    Ok(Redirect::to(PATH).into_response())
}

/// `POST /desk/lease`: the browser is there.
pub async fn renew(State(shop): App, at: AtDesk, body: Body) -> Result<Response, Trouble> {
    at.form(body).await?;
    let (id, lease) = (at.id(), shop.wall() + shop.lease);
    shop.store.change(move |t| staff::renew(t, &id, lease)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The request that the form names, if this representative serves it or owes its result: another tab may have gone on meanwhile.
async fn serving(shop: &Shop, at: &AtDesk, form: &Form) -> Result<Option<Request>, Trouble> {
    let (id, named) = (at.id(), form.text("request").to_owned());
    let owed = shop.store.read(move |c| requests::owed(c, &id)).await?;
    Ok(owed.into_iter().find(|request| request.id == named))
}

/// `POST /desk/notes`: what is noted while they talk, kept until the result is there.
pub async fn note(State(shop): App, at: AtDesk, body: Body) -> Result<Response, Trouble> {
    let form = at.form(body).await?;
    let (id, request, text) = (at.id(), form.text("request").to_owned(), form.exact("text").to_owned());
    if !is_words(&text, MAX_WORDS) {
        return Err(Trouble::Form("The text is too long."));
    }
    shop.store.change(move |t| requests::note(t, &request, &id, &text)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /desk/hang-up`
pub async fn hang_up(State(shop): App, at: AtDesk, body: Body) -> Result<Response, Trouble> {
    let form = at.form(body).await?;
    if let Some(request) = serving(&shop, &at, &form).await? {
        floor::cancel(&shop, &request.id).await?;
    }
    Ok(Redirect::to(PATH).into_response())
}

/// What a call came to.
enum CameTo {
    Order(NewOrder),
    Report { complaint: bool, body: String },
    Nothing,
}

fn came_to(form: &Form, request: &Request, representative: &str) -> Result<CameTo, Trouble> {
    let words = form.text("text");
    if !is_words(words, MAX_WORDS) {
        return Err(Trouble::Form("The text is too long."));
    }
    let report = |complaint| match words {
        "" => Err(Trouble::Form("Write down what it is about.")),
        body => Ok(CameTo::Report { complaint, body: body.to_owned() }),
    };
    match form.text("kind") {
        "order" => {
            let quantity = form.text("quantity").parse::<u32>().ok().filter(|n| (1..=99).contains(n));
            let customer_text = form.text("name");
            if customer_text.is_empty() || !is_words(customer_text, 100) {
                return Err(Trouble::Form("An order needs the customer's name."));
            }
            Ok(CameTo::Order(NewOrder {
                customer: request.customer,
                customer_text: customer_text.to_owned(),
                product: form.text("product").to_owned(),
                quantity: quantity.ok_or(Trouble::Form("How many? From 1 to 99."))?,
                taken: Some((representative.to_owned(), request.id.clone())),
                note: words.to_owned(),
            }))
        }
        "complaint" => report(true),
        "other" => report(false),
        "none" => Ok(CameTo::Nothing),
        _ => Err(Trouble::Form("Say what the call came to.")),
    }
}

/// `POST /desk/result`: purchase order, complaint, other information or nothing (614), during the talk or after it; stored or queued
/// (616), and the representative is available again.
pub async fn result(State(shop): App, at: AtDesk, body: Body) -> Result<Response, Trouble> {
    let form = at.form(body).await?;
    let there = Redirect::to(PATH).into_response();
    let Some(request) = serving(&shop, &at, &form).await? else { return Ok(there) };
    if request.bridged_at.is_none() {
        return Err(Trouble::Form("Nobody has talked yet."));
    }
    let (id, now) = (at.id(), shop.wall());
    let came_to = came_to(&form, &request, &id)?;
    let stored = shop.store.change(move |t| {
        // Another tab was quicker.
        let Some(request) = requests::find(t, &request.id)?.filter(|request| !request.written) else { return Ok(true) };
        let known = match &came_to {
            CameTo::Order(order) => goods::order(t, now, order)?.is_some(),
            CameTo::Report { complaint, body } => {
                reports::add(t, now, *complaint, body, &id, &request.id)?;
                true
            }
            CameTo::Nothing => true,
        };
        if known && requests::written(t, &request.id, &id)? && !request.is_open() {
            staff::release(t, &id, &request.id)?;
            staff::wrote_up(t, &id, now)?;
        }
        Ok(known)
    });
    match stored.await? {
        true => Ok(there),
        false => Err(Trouble::Form("There is no such product.")),
    }
}

/// `POST /desk/reports/{id}`: a complaint was handled.
pub async fn handled(State(shop): App, at: AtDesk, Path(report): Path<i64>, body: Body) -> Result<Response, Trouble> {
    at.form(body).await?;
    let (id, now) = (at.id(), shop.wall());
    shop.store.change(move |t| reports::handled(t, report, &id, now)).await?;
    Ok(Redirect::to("/desk/records").into_response())
}
