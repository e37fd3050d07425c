//! `/admin/v1/tariffs`: the carrier's tariffs as the configuration has them. Owns this answer; tariffs are changed in the configuration only.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use super::AdminApp;
use crate::config::OperatorRole;
use crate::io::http::calls::{Answer, json};
use crate::io::http::openapi::Administering;
use crate::io::http::query;
use crate::io::http::sender::Sender;
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
pub async fn list(State(app): State<Arc<AdminApp>>, uri: Uri, sender: Sender) -> Answer {
    app.operator(&sender, OperatorRole::Read).await?;
    query::none(&uri)?;
    Ok(json(&TariffList { tariffs: app.tariffs.load().to_vec() }))
}
