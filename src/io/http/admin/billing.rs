//! `/admin/v1/tariffs` and a business's invoice: the carrier's tariffs as the configuration has them, and what is owed. Owns these answers;
//! tariffs are changed in the configuration only, and calls are rated anew by `callbridge rerate` only.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use super::AdminApp;
use super::businesses::{business_id, unknown};
use crate::billing::invoice::Invoice;
use crate::config::OperatorRole;
use crate::io::http::bill::{MAX_CALLS, not_summed};
use crate::io::http::calls::{Answer, json};
use crate::io::http::openapi::{Administering, OfOneAccount};
use crate::io::http::problem::ProblemDocument;
use crate::io::http::query;
use crate::io::http::sender::Sender;
use crate::io::store::{Archive, invoice};
use crate::model::{Currency, RatePlan, TariffName, TariffVersion};

/// A tariff, without its rates.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = CarrierTariff)]
pub struct TariffView {
    /// Accounts have it by this name.
    pub name: TariffName,
    /// What its prices are in.
    pub currency: Currency,
    /// Names what its rates say: records of legs that were rated by it have it.
    pub version: TariffVersion,
    /// How many rates it has.
    pub rates: usize,
}

/// Every tariff.
#[derive(Serialize, ToSchema)]
pub struct TariffList {
    /// In the order of the configuration.
    tariffs: Vec<TariffView>,
}

/// What is shown of these.
pub fn views(plans: &[RatePlan]) -> Vec<TariffView> {
    let view = |plan: &RatePlan| TariffView {
        name: plan.name.clone(),
        currency: plan.currency,
        version: plan.version(),
        rates: plan.rates.len(),
    };
    plans.iter().map(view).collect()
}

/// The carrier's tariffs.
#[utoipa::path(get, operation_id = "listTariffs", path = "/admin/v1/tariffs", tag = "billing",
    security(("operator" = []), ("session" = [])),
    responses((status = 200, description = "Every tariff of the configuration", body = TariffList), Administering))]
pub async fn tariffs(State(app): State<Arc<AdminApp>>, uri: Uri, sender: Sender) -> Answer {
    app.operator(&sender, OperatorRole::Read).await?;
    query::none(&uri)?;
    Ok(json(&TariffList { tariffs: app.tariffs.load().to_vec() }))
}

/// What a business owes for the calls accepted in a period.
#[utoipa::path(get, operation_id = "getInvoice", path = "/admin/v1/businesses/{id}/bill", tag = "billing",
    security(("operator" = []), ("session" = [])),
    params(("id" = crate::model::BusinessId, Path, description = "The business"),
        ("from" = crate::clock::Wall, Query, description = "Calls accepted at or after"),
        ("to" = crate::clock::Wall, Query, description = "Calls accepted before; at most 366 days later")),
    responses((status = 200, description = "The invoice, at the prices in force", body = Invoice),
        (status = 422, description = "No such period, or more than 100,000 calls in it", body = ProblemDocument,
            content_type = "application/problem+json"), Administering, OfOneAccount))]
pub async fn bill(State(app): State<Arc<AdminApp>>, Path(id): Path<String>, uri: Uri, sender: Sender) -> Answer {
    app.operator(&sender, OperatorRole::Read).await?;
    let (from, to) = query::period(&uri)?;
    let id = business_id(&id)?;
    let summed = app.work(move |store| {
        let archive = store.archive();
        let business = archive.business(&id)?.ok_or_else(unknown)?;
        invoice(archive, &business, from, to, Some(MAX_CALLS)).map_err(not_summed)
    });
    Ok(json(&summed.await?))
}
