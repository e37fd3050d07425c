//! The talk button (406) without a script: a form that asks for a number where none is stored, a time and a note, and a page that shows what
//! becomes of the call. Owns these; the request itself is `calls`'s, the same as the button's.

use askama::Template;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::civil::DateTime;
use serde::Deserialize;

use super::calls::{self, Message, Problem};
use super::floor;
use super::pages::{Frame, seen};
use super::shop::Shop;
use super::store::goods::{self, Product};
use super::web::{App, Form, Trouble, Visitor};
use crate::clock::Wall;
use crate::model::{ViewedPage, WebPage};

/// From which product's page it is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    #[serde(default)]
    product: String,
}

#[derive(Template)]
#[template(path = "storefront/talk.html")]
struct TalkPage {
    frame: Frame,
    product: String,
    /// Where a known customer is called.
    stored: Option<String>,
    number: String,
    time: String,
    zone: String,
    note: String,
    problem: Option<String>,
    /// The field that it is about.
    wrong: &'static str,
}

/// `GET /talk?product=`
pub async fn form(State(shop): App, visitor: Visitor, Query(asked): Query<Asked>) -> Response {
    let page = TalkPage { product: asked.product, ..empty(&shop, &visitor) };
    visitor.page(&shop, StatusCode::OK, &page)
}

fn empty(shop: &Shop, visitor: &Visitor) -> TalkPage {
    let text = String::new;
    let stored = visitor.customer.as_ref().and_then(|customer| customer.contact().map(str::to_owned));
    let zone = shop.zone.iana_name().unwrap_or("UTC").to_owned();
    let frame = Frame::of(shop, visitor);
    TalkPage {
        frame,
        product: text(),
        stored,
        number: text(),
        time: text(),
        zone,
        note: text(),
        problem: None,
        wrong: "",
    }
}

/// `POST /talk`
pub async fn ask(State(shop): App, visitor: Visitor, body: Body) -> Result<Response, Trouble> {
    let form = Form::read(&visitor.headers, body, &visitor.token(&shop)).await?;
    let text = |name| form.text(name).to_owned();
    let (product, number, time, note) = (text("product"), text("number"), text("time"), text("note"));
    let desired = (!time.is_empty()).then(|| local(&shop, &time).map_or_else(|| time.clone(), |at| at.to_string()));
    let products = shop.store.read(goods::products).await?;
    let this = products.iter().find(|one| one.id == product);
    let message = Message {
        customer: Some(number.clone()),
        web_page: Some(web_page(&shop, &visitor, &products, this)),
        representative_information: this.and_then(|product| product.expertise.clone()),
        desired_contact_time: desired,
        note: Some(note.clone()),
        ..Message::default()
    };
    match calls::take(&shop, &visitor, message).await {
        Ok(request) => {
            let (token, _) = calls::token(&shop, &request);
            Ok(Redirect::to(&format!("/talk/{}?token={token}", request.id)).into_response())
        }
        Err(problem) => {
            let wrong = match problem.pointer.as_deref() {
                Some("/customer") => "number",
                Some("/desired_contact_time") => "time",
                Some("/note") => "note",
                _ => "",
            };
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            let said = Some(sentence(&problem));
            let page = TalkPage { product, number, time, note, problem: said, wrong, ..empty(&shop, &visitor) };
            Ok(visitor.page(&shop, status, &page))
        }
    }
}

fn sentence(problem: &Problem) -> String {
    let mut letters = problem.detail.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let rest = letters.as_str();
    let end = if rest.ends_with(['.', '?']) { "" } else { "." };
    format!("{first}{rest}{end}")
}

/// `2026-12-01T17:00` by the clock of the company.
fn local(shop: &Shop, text: &str) -> Option<Wall> {
    let at = shop.zone.to_timestamp(text.parse::<DateTime>().ok()?).ok()?;
    Some(Wall(at.as_millisecond()))
}

/// 706 out of what the server knows: the page that the form came from, and the products that this browser has seen.
fn web_page(shop: &Shop, visitor: &Visitor, products: &[Product], this: Option<&Product>) -> WebPage {
    let host = visitor.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let scheme = if shop.secure { "https" } else { "http" };
    let url = |path: &str| format!("{scheme}://{host}{path}");
    let title = |product: &Product| Some(format!("{} · {}", product.name, shop.company));
    let seen = seen(&visitor.headers);
    let before = seen.iter().filter(|id| this.is_none_or(|this| this.id != **id));
    let before = before.filter_map(|id| products.iter().find(|product| product.id == *id));
    let viewed =
        before.map(|one| ViewedPage { url: url(&format!("/products/{}", one.id)), title: title(one) }).collect();
    match this {
        Some(product) => WebPage { url: url(&format!("/products/{}", product.id)), title: title(product), viewed },
        None => WebPage { url: url("/"), title: Some(shop.company.clone()), viewed },
    }
}

/// The token of the call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    #[serde(default)]
    token: String,
}

#[derive(Template)]
#[template(path = "storefront/call.html")]
struct CallPage {
    frame: Frame,
    id: String,
    /// Of this call.
    follow: String,
    line: String,
    open: bool,
}

/// `GET /talk/{id}?token=`: the page loads itself again while the call is open.
pub async fn show(
    State(shop): App,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(shown): Query<Shown>,
) -> Result<Response, Trouble> {
    let request = calls::with_token(&shop, &id, &shown.token).await?.ok_or(Trouble::NotFound)?;
    let (line, open) = (calls::line(&shop, &request), request.is_open());
    let page = CallPage { frame: Frame::of(&shop, &visitor), id, follow: shown.token, line, open };
    let mut response = visitor.page(&shop, StatusCode::OK, &page);
    if open {
        response.headers_mut().insert("refresh", axum::http::HeaderValue::from_static("3"));
    }
    Ok(response)
}

/// `POST /talk/{id}/cancel`
pub async fn cancel(
    State(shop): App,
    visitor: Visitor,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Trouble> {
    let form = Form::read(&headers, body, &visitor.token(&shop)).await?;
    let token = form.text("follow");
    calls::with_token(&shop, &id, token).await?.ok_or(Trouble::NotFound)?;
    floor::cancel(&shop, &id).await?;
    Ok(Redirect::to(&format!("/talk/{id}?token={token}")).into_response())
}
