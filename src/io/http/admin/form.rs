//! A change of an account as operators write it in JSON: what is given replaces, all else stays. Owns the reading, field by field with every error at
//! once, and the descriptions of these bodies; what an account may be is `model::account`'s, the same for every way by which it changes.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::billing::TariffView;
use crate::io::http::problem::FieldError;
use crate::model::direct::Direct;
use crate::model::webhook::WebhookState;
use crate::model::{
    Business, BusinessId, Contact, Destinations, Gates, Limits, QuietHours, Recording, Tariff, TariffName, Voice,
    Webhook, WebhookSecret, WebhookUrl,
};

/// Fields of an account that are shown and not set here, and where they are.
const ELSEWHERE: [(&str, &str); 4] = [
    ("id", "an account keeps its identifier"),
    ("password", "POST …/password sets it"),
    ("former_password_until", "POST …/password begins a rotation"),
    ("version", "it counts the changes"),
];

/// The bodies of a new account and of a change differ in what must be there.
macro_rules! account_form {
    ($(#[$meta:meta])* $form:ident { $($own:tt)* }) => {
        $(#[$meta])*
        #[derive(ToSchema)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code, reason = "the form is read field by field, with every error at once; this is its description")]
        pub struct $form {
            $($own)*
            /// False: its messages are refused.
            #[schema(required = false)]
            enabled: bool,
            /// Its bounds; those that are not given stay.
            #[schema(required = false)]
            limits: Limits,
            /// Where it may call; what is not given stays.
            #[schema(required = false)]
            destinations: Destinations,
            /// When nobody is called; null takes it away.
            #[schema(required = false)]
            quiet_hours: Option<QuietHours>,
            /// How long its calls are wanted, and how often they are tried; what is not given stays, of `retry` nothing.
            #[schema(required = false)]
            contact: Contact,
            /// What it pays; what is not given stays.
            #[schema(required = false)]
            tariff: Tariff,
            /// The carrier's tariff that it pays by; null: its own prices.
            #[schema(required = false)]
            tariff_name: Option<TariffName>,
            /// Verified numbers, the first is its default.
            #[schema(required = false, max_items = 64)]
            caller_ids: Vec<String>,
            /// Whether its talks are recorded.
            #[schema(required = false)]
            recording: Recording,
            /// What its parties are asked before they talk.
            #[schema(required = false)]
            gates: Gates,
            /// How it is spoken for.
            #[schema(required = false)]
            voice: Voice,
            /// Addresses and networks that its requests may come from; none: everywhere.
            #[schema(required = false, max_items = 64)]
            sources: Vec<String>,
            /// Client certificates of which its requests show one; none: it needs none.
            #[schema(required = false, max_items = 16)]
            certificates: Vec<String>,
            /// Where its events are told; null takes it away.
            #[schema(required = false)]
            webhook: Option<WebhookChange>,
            /// How it takes direct call requests; page keys have a path of their own.
            #[schema(required = false, value_type = Object)]
            direct: Value,
            /// Its representatives and how calls are distributed among them; what is not given stays, a list is given whole.
            #[schema(required = false, value_type = Object)]
            staffing: Value,
        }
    };
}

account_form! {
    /// What of an account changes: what is given replaces, all else stays.
    AccountChange {
        /// Its name, as it is spoken.
        #[schema(required = false, min_length = 1, max_length = 100)]
        name: String,
    }
}

account_form! {
    /// A new account; what is not given has its default.
    NewAccount {
        /// Its identifier.
        id: BusinessId,
        /// Its password; without one the answer shows one that was made.
        #[schema(required = false, min_length = 1, max_length = 256)]
        password: String,
        /// Its name, as it is spoken.
        #[schema(min_length = 1, max_length = 100)]
        name: String,
    }
}

/// Where events are told.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookChange {
    /// Its address. A new webhook gets a secret, which the answer shows once; one that is there keeps its own and is enabled again.
    #[serde(default)]
    #[schema(required = false, max_length = 2048, format = "uri")]
    url: Option<String>,
    /// `enabled`: after it answered 410.
    #[serde(default)]
    #[schema(required = false)]
    state: Option<WebhookState>,
}

/// Secrets that were made, shown this once.
#[derive(Clone, Serialize, Default, ToSchema)]
pub struct Secrets {
    /// The password, where none was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub password: Option<String>,
    /// What events are signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub webhook_secret: Option<String>,
    /// What page tokens are signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub page_key: Option<String>,
}

impl Secrets {
    /// Whether there is one.
    pub fn any(&self) -> bool {
        self.password.is_some() || self.webhook_secret.is_some() || self.page_key.is_some()
    }
}

/// The account with what is given in place of what it was. `tariffs` are those that it may name, `secret` draws a webhook's.
pub fn apply(
    old: Business,
    patch: &Map<String, Value>,
    tariffs: &[TariffView],
    secret: impl FnOnce() -> WebhookSecret,
) -> Result<(Business, Secrets), Vec<FieldError>> {
    let mut reader = Reader { errors: Vec::new() };
    let mut business = old;
    let mut secrets = Secrets::default();
    let mut draw = Some(secret);
    for (key, value) in patch {
        match key.as_str() {
            "name" => reader.whole(key, value, &mut business.name),
            "enabled" => reader.whole(key, value, &mut business.enabled),
            "limits" => reader.merged(key, value, &mut business.limits),
            "destinations" => reader.merged(key, value, &mut business.guard.destinations),
            "quiet_hours" => reader.whole(key, value, &mut business.guard.quiet),
            "contact" => reader.merged(key, value, &mut business.contact),
            "tariff" => reader.merged(key, value, &mut business.tariff),
            "tariff_name" => reader.tariff_name(value, tariffs, &mut business.tariff_name),
            "caller_ids" => reader.whole(key, value, &mut business.caller_ids),
            "recording" => reader.whole(key, value, &mut business.recording),
            "gates" => reader.merged(key, value, &mut business.gates),
            "voice" => reader.merged(key, value, &mut business.voice),
            "sources" => reader.whole(key, value, &mut business.sources),
            "certificates" => reader.whole(key, value, &mut business.certificates),
            "webhook" => reader.webhook(value, &mut business.webhook, &mut secrets, &mut draw),
            "staffing" => reader.merged(key, value, &mut business.staffing),
            "direct" if value.get("page_keys").is_some() => {
                reader.wrong("/direct/page_keys", "POST …/page-keys makes one, DELETE …/page-keys/{key} takes it away");
            }
            "direct" => reader.merged::<Direct>(key, value, &mut business.direct),
            other => {
                let known = ELSEWHERE.iter().find(|(name, _)| *name == other);
                let pointer = format!("/{}", other.chars().take(64).collect::<String>());
                reader.wrong(pointer, known.map_or("unknown field", |(_, why)| why));
            }
        }
    }
    if reader.errors.is_empty() { Ok((business, secrets)) } else { Err(reader.errors) }
}

struct Reader {
    errors: Vec<FieldError>,
}

impl Reader {
    fn wrong(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        if self.errors.len() < 32 {
            self.errors.push(FieldError { pointer: pointer.into(), detail: detail.into() });
        }
    }

    /// The value replaces all of the field.
    fn whole<T: DeserializeOwned>(&mut self, key: &str, value: &Value, into: &mut T) {
        match serde_json::from_value(value.clone()) {
            Ok(read) => *into = read,
            Err(error) => self.wrong(format!("/{key}"), error.to_string()),
        }
    }

    /// Of an object what is given replaces what was.
    fn merged<T: DeserializeOwned + Serialize>(&mut self, key: &str, value: &Value, into: &mut T) {
        let Some(given) = value.as_object() else { return self.wrong(format!("/{key}"), "an object is wanted") };
        let old = json!(&*into);
        let with = |fields: &Map<String, Value>| {
            let mut all = old.as_object().cloned().unwrap_or_default();
            all.extend(fields.clone());
            serde_json::from_value::<T>(Value::Object(all))
        };
        match with(given) {
            Ok(read) => *into = read,
            // Which of them it is: each alone beside what was.
            Err(error) => {
                let before = self.errors.len();
                for (field, value) in given {
                    if let Err(error) = with(&Map::from_iter([(field.clone(), value.clone())])) {
                        let field: String = field.chars().take(64).collect();
                        self.wrong(format!("/{key}/{field}"), error.to_string());
                    }
                }
                if self.errors.len() == before {
                    self.wrong(format!("/{key}"), error.to_string());
                }
            }
        }
    }

    fn tariff_name(&mut self, value: &Value, tariffs: &[TariffView], into: &mut Option<TariffName>) {
        self.whole("tariff_name", value, into);
        if let Some(name) = into.as_ref().filter(|name| !tariffs.iter().any(|tariff| tariff.name == **name)) {
            let problem = format!("the configuration has no tariff {name}; GET /admin/v1/tariffs lists them");
            self.wrong("/tariff_name", problem);
        }
    }

    fn webhook(
        &mut self,
        value: &Value,
        into: &mut Option<Webhook>,
        secrets: &mut Secrets,
        draw: &mut Option<impl FnOnce() -> WebhookSecret>,
    ) {
        if value.is_null() {
            *into = None;
            return;
        }
        let change = match serde_json::from_value::<WebhookChange>(value.clone()) {
            Ok(change) => change,
            Err(error) => return self.wrong("/webhook", error.to_string()),
        };
        if change.state == Some(WebhookState::Gone) {
            return self.wrong("/webhook/state", "only its answer 410 makes it so");
        }
        let url = match change.url.as_deref().map(str::parse::<WebhookUrl>).transpose() {
            Ok(url) => url,
            Err(error) => return self.wrong("/webhook/url", error.to_string()),
        };
        match (into.as_mut(), url) {
            (None, None) => self.wrong("/webhook/url", "there is no webhook yet: give its address"),
            (None, Some(url)) => {
                let Some(draw) = draw.take() else { return };
                let secret = draw();
                secrets.webhook_secret = Some(secret.reveal().to_string());
                *into = Some(Webhook::new(url, secret));
            }
            (Some(webhook), url) => {
                let again = url.is_some() || change.state.is_some();
                webhook.url = url.unwrap_or_else(|| webhook.url.clone());
                webhook.state = if again { WebhookState::Enabled } else { webhook.state };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::http::admin::billing::views;
    use crate::model::business::PasswordHash;
    use crate::model::{Currency, RatePlan};

    fn abc() -> Business {
        Business::new("abc".parse().unwrap(), "ABC", PasswordHash("$hash".into()))
    }

    fn read(patch: Value) -> Result<(Business, Secrets), Vec<FieldError>> {
        let retail = RatePlan { name: "retail".parse().unwrap(), currency: Currency::USD, rates: Vec::new() };
        apply(abc(), patch.as_object().unwrap(), &views(&[retail]), || WebhookSecret::new([7; 32]))
    }

    #[test]
    fn what_is_given_replaces_and_all_else_stays() {
        let (business, secrets) = read(json!({
            "limits": { "max_concurrent": 7 }, "caller_ids": ["+12125550199"], "sources": ["192.0.2.0/24"],
            "voice": { "language": "de" }, "contact": { "retry": { "max_tries": 2, "busy_seconds": [60] } }, "direct": { "work_bits": 18 }, "webhook": { "url": "https://example.com/" }
        }))
        .unwrap();
        assert_eq!((business.limits.max_concurrent, business.limits.max_per_second), (7, 50));
        assert_eq!((business.contact.retry.max_tries, &business.contact.retry.busy_seconds[..]), (2, &[60][..]));
        assert_eq!((business.direct.work_bits, business.direct.max_per_number), (18, 3));
        assert_eq!((business.sources.len(), business.caller_ids.len()), (1, 1));
        assert!(secrets.webhook_secret.is_some_and(|secret| secret.starts_with("whsec_")));
        assert_eq!(business.password_hash, abc().password_hash);
    }

    #[test]
    fn an_account_has_no_tariff_but_one_of_the_configuration() {
        let (business, _) = read(json!({ "tariff_name": "retail" })).unwrap();
        assert_eq!(business.tariff_name.as_ref().map(TariffName::as_str), Some("retail"));
        let errors = read(json!({ "tariff_name": "wholesale" })).map(|_| ()).unwrap_err();
        assert_eq!(errors.iter().map(|error| error.pointer.as_str()).collect::<Vec<_>>(), ["/tariff_name"]);
        assert!(read(json!({ "tariff_name": null })).is_ok());
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let errors = read(json!({
            "id": "other", "password": "x", "colour": 1, "name": 7, "limits": { "max_concurrent": "many", "max_per_second": 1, "x": 2 },
            "sources": ["everywhere"], "webhook": { "url": "ftp://x/" }, "direct": { "page_keys": [] }, "gates": null
        }))
        .map(|_| ())
        .unwrap_err();
        let mut pointers: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(
            pointers,
            [
                "/colour",
                "/direct/page_keys",
                "/gates",
                "/id",
                "/limits/max_concurrent",
                "/limits/x",
                "/name",
                "/password",
                "/sources",
                "/webhook/url"
            ]
        );
    }
}
