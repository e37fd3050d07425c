//! The shop's pages: what is sold (402), the shopping cart (404), and the button that talks (406). Owns their forms; the cart and the
//! products that were seen are in cookies, so that strangers fill no table.

use askama::Template;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::shop::Shop;
use super::store::goods::{self, NewOrder, Product, money};
use super::web::{App, Form, Trouble, Visitor, cookie, redirect_with, set_cookie};

/// Products in the cart: `caribbean.fjords`.
const CART: &str = "cart";
/// Products seen, the latest last.
const SEEN: &str = "seen";
/// So many of either.
const MOST: usize = 10;

/// What the frame of every page shows.
pub struct Frame {
    /// The company's name.
    pub company: String,
    /// Who is logged on.
    pub customer: Option<String>,
    /// How many are in the cart.
    pub cart: usize,
    /// The token of this browser's forms.
    pub token: String,
    /// Where the button's script is.
    pub widget: String,
    /// The customer is known and can be called without a question.
    pub known: bool,
}

impl Frame {
    /// For this browser.
    pub fn of(shop: &Shop, visitor: &Visitor) -> Frame {
        let customer = visitor.customer.as_ref();
        Frame {
            company: shop.company.clone(),
            customer: customer.map(|customer| customer.name.clone()),
            cart: names(&visitor.headers, CART).len(),
            token: visitor.token(shop),
            widget: shop.widget.0.clone(),
            known: customer.is_some_and(|customer| customer.contact().is_some()),
        }
    }
}

/// The names in a cookie of ours, as far as they can be any.
fn names(headers: &HeaderMap, name: &str) -> Vec<String> {
    let good = |name: &&str| {
        !name.is_empty() && name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let all = cookie(headers, name).unwrap_or_default().split('.').filter(good);
    all.take(MOST).map(str::to_owned).collect()
}

/// Products that this browser has seen, the latest last.
pub fn seen(headers: &HeaderMap) -> Vec<String> {
    names(headers, SEEN)
}

#[derive(Template)]
#[template(path = "storefront/home.html")]
struct Home {
    frame: Frame,
    products: Vec<Product>,
}

/// `GET /`
pub async fn home(State(shop): App, visitor: Visitor) -> Result<Response, Trouble> {
    let products = shop.store.read(goods::products).await?;
    Ok(visitor.page(&shop, StatusCode::OK, &Home { frame: Frame::of(&shop, &visitor), products }))
}

#[derive(Template)]
#[template(path = "storefront/product.html")]
struct ProductPage {
    frame: Frame,
    product: Product,
}

/// `GET /products/{id}`: Fig. 4.
pub async fn product(State(shop): App, visitor: Visitor, Path(id): Path<String>) -> Result<Response, Trouble> {
    let product = shop.store.read(move |c| goods::product(c, &id)).await?.ok_or(Trouble::NotFound)?;
    let mut seen = seen(&visitor.headers);
    seen.retain(|one| *one != product.id);
    seen.push(product.id.clone());
    let seen = &seen[seen.len().saturating_sub(MOST)..];
    let cookie = set_cookie(&shop, SEEN, &seen.join("."), "/", "Lax", None);
    let mut response = visitor.page(&shop, StatusCode::OK, &ProductPage { frame: Frame::of(&shop, &visitor), product });
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

#[derive(Template)]
#[template(path = "storefront/cart.html")]
struct Cart {
    frame: Frame,
    products: Vec<Product>,
    total: String,
    address: String,
}

/// `GET /cart`
pub async fn cart(State(shop): App, visitor: Visitor) -> Result<Response, Trouble> {
    let products = chosen(&shop, &visitor).await?;
    let total = money(products.iter().map(|product| product.price_cents).sum());
    let address = visitor.customer.as_ref().map(|customer| customer.address.clone()).unwrap_or_default();
    Ok(visitor.page(&shop, StatusCode::OK, &Cart { frame: Frame::of(&shop, &visitor), products, total, address }))
}

async fn chosen(shop: &Shop, visitor: &Visitor) -> Result<Vec<Product>, Trouble> {
    let names = names(&visitor.headers, CART);
    let all = shop.store.read(goods::products).await?;
    Ok(all.into_iter().filter(|product| names.contains(&product.id)).collect())
}

/// `POST /cart`: `add` or `remove` a product.
pub async fn change_cart(State(shop): App, visitor: Visitor, body: Body) -> Result<Response, Trouble> {
    let form = Form::read(&visitor.headers, body, &visitor.token(&shop)).await?;
    let mut names = names(&visitor.headers, CART);
    let (add, remove) = (form.text("add").to_owned(), form.text("remove").to_owned());
    names.retain(|name| *name != add && *name != remove);
    if !add.is_empty() {
        let id = add.clone();
        shop.store.read(move |c| goods::product(c, &id)).await?.ok_or(Trouble::NotFound)?;
        if names.len() >= MOST {
            return Err(Trouble::Form("The cart is full."));
        }
        names.push(add);
    }
    Ok(redirect_with("/cart", set_cookie(&shop, CART, &names.join("."), "/", "Lax", None)))
}

/// `POST /orders`: everything in the cart, for who is logged on.
pub async fn order(State(shop): App, visitor: Visitor, body: Body) -> Result<Response, Trouble> {
    Form::read(&visitor.headers, body, &visitor.token(&shop)).await?;
    let Some(customer) = visitor.customer.clone() else { return Err(Trouble::LogOn("/account/login")) };
    let (products, now) = (chosen(&shop, &visitor).await?, shop.wall());
    let stored = shop.store.change(move |t| {
        for product in &products {
            let (customer_text, product) = (customer.name.clone(), product.id.clone());
            let customer = Some(customer.id);
            let new = NewOrder { customer, customer_text, product, quantity: 1, taken: None, note: String::new() };
            goods::order(t, now, &new)?;
        }
        Ok(())
    });
    stored.await?;
    Ok(redirect_with("/account", set_cookie(&shop, CART, "", "/", "Lax", Some(std::time::Duration::ZERO))))
}
