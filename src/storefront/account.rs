//! Customers' accounts: making one, logging on and off, name, address, phone 326 and VoIP address 328, orders. Owns these forms; a session
//! is a signed cookie, so nothing of it is stored.

use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::pages::Frame;
use super::shop::{Judged, Shop, hashed};
use super::store::goods::{self, Order};
use super::store::people::{self, Customer};
use super::web::{App, CUSTOMER, CUSTOMER_LIFE, Form, Trouble, Visitor, is_words, redirect_with, set_cookie};
use crate::io::passwords::{MAX_PASSWORD_BYTES, Password};
use crate::model::Endpoint;
use crate::model::business::PasswordHash;

const LOGIN: &str = "/account/login";
/// Of a customer's password.
const MIN_PASSWORD: usize = 8;
/// Orders shown.
const ORDERS: u32 = 50;

/// What an account's form says, as it was typed.
#[derive(Default)]
struct Fields {
    email: String,
    name: String,
    address: String,
    phone: String,
    voip: String,
}

impl Fields {
    fn of(form: &Form) -> Fields {
        let text = |name| form.text(name).to_owned();
        Fields {
            email: text("email"),
            name: text("name"),
            address: text("address"),
            phone: text("phone"),
            voip: text("voip"),
        }
    }

    /// As they are stored; else what is wrong.
    fn customer(&self) -> Result<Customer, String> {
        let email = self.email.to_lowercase();
        let at = email.split_once('@');
        if email.len() > 254
            || email.contains(char::is_whitespace)
            || !at.is_some_and(|(a, b)| !a.is_empty() && b.contains('.'))
        {
            return Err("This is no email address.".to_owned());
        }
        if self.name.is_empty() || !is_words(&self.name, 100) {
            return Err("Please tell us your name.".to_owned());
        }
        if !is_words(&self.address, 500) {
            return Err("The address is too long.".to_owned());
        }
        let (phone, voip) = (endpoint(&self.phone, "phone number")?, endpoint(&self.voip, "VoIP address")?);
        if voip.as_deref().is_some_and(|voip| voip.starts_with(['+', 't'])) {
            return Err("The VoIP address is a telephone number: write it as your phone.".to_owned());
        }
        let (name, address, password_hash) = (self.name.clone(), self.address.clone(), PasswordHash(String::new()));
        Ok(Customer { id: 0, email, name, address, phone, voip, password_hash })
    }
}

fn endpoint(text: &str, what: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    match Endpoint::parse(text) {
        Ok(endpoint) => Ok(Some(endpoint.to_string())),
        Err(error) => Err(format!("The {what} is {error}.")),
    }
}

#[derive(Template)]
#[template(path = "storefront/account.html")]
struct AccountPage {
    frame: Frame,
    fields: Fields,
    orders: Vec<Order>,
    problem: Option<String>,
}

/// `GET /account`
pub async fn show(State(shop): App, visitor: Visitor) -> Result<Response, Trouble> {
    page(&shop, &visitor, None).await
}

async fn page(shop: &Shop, visitor: &Visitor, wrong: Option<(Fields, String)>) -> Result<Response, Trouble> {
    let customer = visitor.customer.clone().ok_or(Trouble::LogOn(LOGIN))?;
    let id = customer.id;
    let orders = shop.store.read(move |c| goods::orders(c, Some(id), ORDERS)).await?;
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let (fields, problem) = match wrong {
        Some((fields, problem)) => (fields, Some(problem)),
        None => {
            let Customer { email, name, address, phone, voip, .. } = customer;
            let text = Option::unwrap_or_default;
            (Fields { email, name, address, phone: text(phone), voip: text(voip) }, None)
        }
    };
    Ok(visitor.page(shop, status, &AccountPage { frame: Frame::of(shop, visitor), fields, orders, problem }))
}

/// `POST /account`
pub async fn change(State(shop): App, visitor: Visitor, body: Body) -> Result<Response, Trouble> {
    let form = Form::read(&visitor.headers, body, &visitor.token(&shop)).await?;
    let customer = visitor.customer.as_ref().ok_or(Trouble::LogOn(LOGIN))?;
    let fields = Fields { email: customer.email.clone(), ..Fields::of(&form) };
    match fields.customer() {
        Ok(changed) => {
            let changed = Customer { id: customer.id, ..changed };
            shop.store.change(move |t| people::change(t, &changed)).await?;
            Ok(Redirect::to("/account").into_response())
        }
        Err(problem) => page(&shop, &visitor, Some((fields, problem))).await,
    }
}

#[derive(Template)]
#[template(path = "storefront/new.html")]
struct NewPage {
    frame: Frame,
    fields: Fields,
    problem: Option<String>,
}

/// `GET /account/new`
pub async fn new_form(State(shop): App, visitor: Visitor) -> Response {
    let page = NewPage { frame: Frame::of(&shop, &visitor), fields: Fields::default(), problem: None };
    visitor.page(&shop, StatusCode::OK, &page)
}

/// `POST /account/new`
pub async fn create(State(shop): App, visitor: Visitor, body: Body) -> Result<Response, Trouble> {
    let form = Form::read(&visitor.headers, body, &visitor.token(&shop)).await?;
    let fields = Fields::of(&form);
    let problem = match made(&shop, &fields, form.exact("password")).await? {
        Ok(id) => return Ok(logged_on(&shop, id)),
        Err(problem) => Some(problem),
    };
    let page = NewPage { frame: Frame::of(&shop, &visitor), fields, problem };
    Ok(visitor.page(&shop, StatusCode::UNPROCESSABLE_ENTITY, &page))
}

async fn made(shop: &Shop, fields: &Fields, password: &str) -> Result<Result<i64, String>, Trouble> {
    let customer = match fields.customer() {
        Ok(customer) => customer,
        Err(problem) => return Ok(Err(problem)),
    };
    if password.chars().count() < MIN_PASSWORD || password.len() > MAX_PASSWORD_BYTES {
        return Ok(Err(format!("The password must have at least {MIN_PASSWORD} characters.")));
    }
    let Ok(password_hash) = hashed(Password::new(password.to_owned())).await else { return Err(Trouble::Broken) };
    let (customer, now) = (Customer { password_hash, ..customer }, shop.wall());
    let added = shop.store.change(move |t| people::add(t, now, &customer)).await?;
    Ok(added.ok_or_else(|| "This email address has an account: log in.".to_owned()))
}

#[derive(Template)]
#[template(path = "storefront/login.html")]
struct LoginPage {
    frame: Frame,
    email: String,
    problem: Option<&'static str>,
}

/// `GET /account/login`
pub async fn login_form(State(shop): App, visitor: Visitor) -> Response {
    let page = LoginPage { frame: Frame::of(&shop, &visitor), email: String::new(), problem: None };
    visitor.page(&shop, StatusCode::OK, &page)
}

/// `POST /account/login`
pub async fn log_in(State(shop): App, visitor: Visitor, body: Body) -> Result<Response, Trouble> {
    let form = Form::read(&visitor.headers, body, &visitor.token(&shop)).await?;
    let email = form.text("email").to_lowercase();
    let name = email.clone();
    let customer = shop.store.read(move |c| people::by_email(c, &name)).await?;
    let password = Password::new(form.exact("password").to_owned());
    let hash = customer.as_ref().map(|customer| &customer.password_hash);
    let judged = shop.is_password("customer", &email, hash, &password, visitor.source).await;
    let (status, problem) = match (judged, customer) {
        (Judged::Right, Some(customer)) => return Ok(logged_on(&shop, customer.id)),
        (Judged::Later, _) => (StatusCode::TOO_MANY_REQUESTS, "Too many wrong passwords from here. Wait a while."),
        _ => (StatusCode::FORBIDDEN, "No account has this email address and password."),
    };
    let page = LoginPage { frame: Frame::of(&shop, &visitor), email, problem: Some(problem) };
    Ok(visitor.page(&shop, status, &page))
}

fn logged_on(shop: &Shop, id: i64) -> Response {
    let sealed = shop.keys.seal(CUSTOMER, &id.to_string(), shop.wall() + CUSTOMER_LIFE);
    redirect_with("/account", set_cookie(shop, CUSTOMER, &sealed, "/", "Lax", Some(CUSTOMER_LIFE)))
}

/// `POST /account/logout`
pub async fn log_out(State(shop): App, visitor: Visitor, body: Body) -> Result<Response, Trouble> {
    Form::read(&visitor.headers, body, &visitor.token(&shop)).await?;
    Ok(redirect_with("/", set_cookie(&shop, CUSTOMER, "", "/", "Lax", Some(std::time::Duration::ZERO))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_judged_field_by_field() {
        let good = || Fields {
            email: "Carol@Example.com".to_owned(),
            name: "Carol".to_owned(),
            address: String::new(),
            phone: "+1 212 555 0100".to_owned(),
            voip: "sip:carol@192.0.2.7".to_owned(),
        };
        let customer = good().customer().unwrap();
        assert_eq!((customer.email.as_str(), customer.phone.as_deref()), ("carol@example.com", Some("+12125550100")));
        assert_eq!(customer.contact(), Some("sip:carol@192.0.2.7"));
        assert!(Fields { email: "carol".to_owned(), ..good() }.customer().is_err());
        assert!(Fields { name: String::new(), ..good() }.customer().is_err());
        assert!(Fields { phone: "12".to_owned(), ..good() }.customer().unwrap_err().contains("phone number"));
        assert!(Fields { voip: "+12125550100".to_owned(), ..good() }.customer().is_err());
    }
}
