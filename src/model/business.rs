//! A business (the subscriber of the access server): who it is, what it may do, how it is billed. Owns the account's shape;
//! the password stays an opaque Argon2id hash here and is verified in `io`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    BusinessId, ClientCertificate, Contact, Direct, Endpoint, Gates, Guard, Language, Limits, Network, Staffing,
    Tariff, TariffName, Webhook,
};
use crate::clock::Wall;

/// A business identifier 804 and all that hangs on it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Business {
    /// The identifier it is billed by.
    pub id: BusinessId,
    /// The registered name, spoken in the message unless the initiation message names another.
    pub name: String,
    /// PHC string of the password 806.
    pub password_hash: PasswordHash,
    /// The password before it, which holds for a time after a rotation.
    #[serde(default)]
    pub former_password: Option<FormerPassword>,
    /// False: every message is refused with 403.
    pub enabled: bool,
    /// Its bounds.
    pub limits: Limits,
    /// What it pays, where it has none of the carrier's tariffs.
    pub tariff: Tariff,
    /// The carrier's tariff that it pays by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tariff_name: Option<TariffName>,
    /// Where its requests may come from; none: from everywhere.
    #[serde(default)]
    pub sources: Vec<Network>,
    /// The certificates of which its requests show one; none: it needs none.
    #[serde(default)]
    pub certificates: Vec<ClientCertificate>,
    /// Verified caller identities it may ask for; the first is its default.
    #[serde(default)]
    pub caller_ids: Vec<Endpoint>,
    /// Whether its talks are recorded.
    #[serde(default)]
    pub recording: Recording,
    /// What its parties are asked before they talk.
    #[serde(default)]
    pub gates: Gates,
    /// How it is spoken for.
    #[serde(default)]
    pub voice: Voice,
    /// How it takes call requests from its customers' browsers.
    #[serde(default)]
    pub direct: Direct,
    /// Its representatives, and how its calls are distributed among them.
    #[serde(default)]
    pub staffing: Staffing,
    /// Where its events are told.
    #[serde(default)]
    pub webhook: Option<Webhook>,
    /// Where and when it may call.
    #[serde(default)]
    pub guard: Guard,
    /// How long its calls are wanted, and how often they are tried.
    #[serde(default)]
    pub contact: Contact,
}

/// How a business is spoken for, where it wants it another way than the equipment's configuration has it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Voice {
    /// What a machine that answered is told; `{company}` is replaced.
    pub machine_text: Option<String>,
    /// In which language its parties are spoken to, where a message does not say.
    #[schema(value_type = Option<String>, example = "de")]
    pub language: Option<Language>,
    /// Whether parties whose talk is recorded are told so first; absent: as the equipment does it.
    pub consent: Option<bool>,
    /// How they are told; `{company}` is replaced.
    pub consent_text: Option<String>,
}

impl Voice {
    /// True when those whose talk is recorded hear so first. Who has words of its own for it wants them said.
    pub fn tells(&self, equipment: bool) -> bool {
        self.consent.unwrap_or(equipment || self.consent_text.is_some())
    }
}

/// Most bytes of a text that is spoken: a minute of it.
pub const MAX_TEXT_BYTES: usize = 1000;

/// A text that can be spoken, without the space around it.
pub fn spoken_text(text: &str) -> Result<String, &'static str> {
    match text.trim().len() {
        0 => Err("nothing to say"),
        1..=MAX_TEXT_BYTES => Ok(text.trim().to_owned()),
        _ => Err("longer than 1000 bytes, more than a customer will listen to"),
    }
}

impl Business {
    /// An enabled account with the default bounds, that pays nothing and has nothing special.
    pub fn new(id: BusinessId, name: impl Into<String>, password_hash: PasswordHash) -> Business {
        Business {
            id,
            name: name.into(),
            password_hash,
            former_password: None,
            enabled: true,
            limits: Limits::default(),
            tariff: Tariff::default(),
            tariff_name: None,
            sources: Vec::new(),
            certificates: Vec::new(),
            caller_ids: Vec::new(),
            recording: Recording::default(),
            gates: Gates::default(),
            voice: Voice::default(),
            direct: Direct::default(),
            staffing: Staffing::default(),
            webhook: None,
            guard: Guard::default(),
            contact: Contact::default(),
        }
    }

    /// Another password at once; no former one holds any more.
    pub fn set_password(&mut self, hash: PasswordHash) {
        (self.password_hash, self.former_password) = (hash, None);
    }

    /// Another password; the present one holds until then, one before it no more.
    pub fn rotate_password(&mut self, hash: PasswordHash, until: Wall) {
        let former = std::mem::replace(&mut self.password_hash, hash);
        self.former_password = Some(FormerPassword { hash: former, until });
    }

    /// The password before the present one, while it holds.
    pub fn former_password_at(&self, now: Wall) -> Option<&FormerPassword> {
        self.former_password.as_ref().filter(|former| now < former.until)
    }

    /// True when its calls' events are told to a webhook.
    pub fn is_told(&self) -> bool {
        self.webhook.as_ref().is_some_and(Webhook::is_enabled)
    }
}

/// Whether a business's talks are recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recording {
    /// Never, whatever a message asks.
    Off,
    /// Those whose message asks for it.
    #[default]
    OnRequest,
    /// Every one.
    Always,
}

impl Recording {
    /// As it is written in commands.
    pub fn parse(text: &str) -> Result<Recording, &'static str> {
        match text {
            "off" => Ok(Recording::Off),
            "on_request" => Ok(Recording::OnRequest),
            "always" => Ok(Recording::Always),
            _ => Err("off, on_request or always"),
        }
    }

    /// True when a talk is recorded whose message asks so.
    pub fn takes(self, asked: bool) -> bool {
        match self {
            Recording::Off => false,
            Recording::OnRequest => asked,
            Recording::Always => true,
        }
    }
}

/// An Argon2id PHC string; never printed by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// A password that was replaced and holds for a time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormerPassword {
    /// Its PHC string.
    pub hash: PasswordHash,
    /// From then on it is wrong.
    pub until: Wall,
}

/// Every business the equipment knows, replaced whole when the store changes.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// By identifier.
    pub businesses: BTreeMap<BusinessId, Arc<Business>>,
}

impl Directory {
    /// Looks one up.
    pub fn get(&self, id: &BusinessId) -> Option<&Arc<Business>> {
        self.businesses.get(id)
    }
}
