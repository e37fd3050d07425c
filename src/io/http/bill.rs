//! `/v1/bill`: what the business itself owes for a period. Owns this answer and its bound; the sums are `billing`'s.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, Uri};

use super::app::App;
use super::calls::{Answer, json, unreadable};
use super::openapi::Asking;
use super::problem::{Problem, ProblemDocument};
use super::query;
use super::sender::Sender;
use crate::billing::invoice::Invoice;
use crate::io::store::InvoiceError;

/// Calls that are gone through for one answer; `callbridge bill` goes through any number.
pub const MAX_CALLS: usize = 100_000;

/// What the business owes for its calls accepted in a period, at the prices in force.
#[utoipa::path(get, operation_id = "getBill", path = "/v1/bill", tag = "records", security(("business" = [])),
    params(("from" = crate::clock::Wall, Query, description = "Calls accepted at or after"),
        ("to" = crate::clock::Wall, Query, description = "Calls accepted before; at most 366 days later")),
    responses((status = 200, description = "The sums by day and outcome, and by party and destination", body = Invoice),
        (status = 422, description = "No such period, or more than 100,000 calls in it", body = ProblemDocument<'static>,
            content_type = "application/problem+json"), Asking))]
pub async fn bill(State(app): State<Arc<App>>, uri: Uri, headers: Sender) -> Answer {
    let business = app.basic(&headers).await?;
    let (from, to) = query::period(&uri)?;
    let summed = app.answer(app.store.invoice(business, from, to)).await?.map_err(unreadable)?;
    Ok(json(&summed.map_err(|why| Problem::of(StatusCode::UNPROCESSABLE_ENTITY, why))?))
}

/// An operator's answer where there is no invoice.
pub fn not_summed(error: InvoiceError) -> Problem {
    match error {
        InvoiceError::Store(error) => Problem::from(error),
        InvoiceError::TooLarge(_) | InvoiceError::TooMany(_) => {
            Problem::of(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
        }
    }
}
