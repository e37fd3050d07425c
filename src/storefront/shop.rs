//! What every part of the Web server shares: the store, the equipments, the keys, the clock. Owns their making out of the configuration,
//! and reading the secrets that it names; refuses to serve and to decide.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::Semaphore;

use super::StorefrontError;
use super::equipment::Equipment;
use super::hall::{Former, Hall};
use super::health::Equipments;
use super::secrets::{Keys, random};
use super::store::requests::{self, Bounds};
use super::store::supervisors::{self, Supervisor};
use super::store::{self, Store, staff};
use super::stream;
use crate::access::guessing::{Admission, Guard, Trier};
use crate::acd::shift;
use crate::clock::{Now, Wall};
use crate::config::SeedPassword;
use crate::config::storefront::{RepresentativeSeed, StorefrontConfig, SupervisorSeed};
use crate::io::clock::SystemClock;
use crate::io::http::source::subscriber;
use crate::io::passwords::{Password, Stored, Verdict, Verifier, VerifierLimits, hash_password};
use crate::model::WebhookSecret;
use crate::model::business::PasswordHash;
use crate::model::{Staffing, SupervisorMode};

/// So many former talks are known to the forecast after a start.
const FORMER: u32 = 200;

/// See the module.
pub struct Shop {
    /// The company's name.
    pub company: String,
    /// The zone of times that are typed on its pages.
    pub zone: TimeZone,
    /// What strangers may ask for.
    pub bounds: Bounds,
    /// How long a representative's browser may be silent.
    pub lease: Duration,
    /// The store.
    pub store: Store,
    /// The distribution of calls.
    pub hall: Arc<Mutex<Hall>>,
    /// Its rules.
    pub rules: Staffing,
    /// Who talks with somebody within this was served in time: for the wallboard.
    pub promised: Duration,
    /// Who supervises which request, and how.
    thirds: Mutex<BTreeMap<String, (String, SupervisorMode)>>,
    /// The calling equipments, in the order of the configuration.
    pub equipments: Vec<Equipment>,
    /// What is known of them.
    pub health: Mutex<Equipments>,
    /// Places for streams of events.
    pub streams: Arc<Semaphore>,
    /// Signs cookies and tokens.
    pub keys: Keys,
    /// Whether cookies are for TLS only.
    pub secure: bool,
    /// Where browsers get the button's script, and the origin of that.
    pub widget: (String, String),
    /// Proxies whose word is taken for where a request comes from.
    pub proxies: Vec<ipnet::IpNet>,
    /// Signs the equipments' events; absent: none are taken.
    pub webhook_secret: Option<WebhookSecret>,
    verifier: Verifier,
    guard: Mutex<Guard>,
    clock: SystemClock,
}

impl Shop {
    /// Opens the store, reads the secrets, puts the representatives of the file into the store.
    pub async fn open(config: &StorefrontConfig) -> Result<Shop, StorefrontError> {
        let store = Store::open(&config.store)?;
        let fresh = random()?;
        let key = store.change(move |t| store::key(t, fresh)).await?;
        let mut equipments = Vec::new();
        for equipment in &config.equipment {
            let password = first_line(&equipment.password_file)?;
            equipments.push(Equipment::new(equipment, &password)?);
        }
        let webhook_secret = config.webhook_secret.as_deref().map(secret).transpose()?;
        for seed in &config.representatives {
            add_representative(&store, seed).await?;
        }
        for seed in &config.supervisors {
            add_supervisor(&store, seed).await?;
        }
        let former = store.read(|c| requests::former(c, FORMER)).await?;
        let millis = Duration::from_millis;
        let former: Vec<Former> =
            former.into_iter().map(|(ring, talk)| Former { ring: millis(ring), talk: millis(talk) }).collect();
        let costs = config.equipment.iter().map(|equipment| equipment.cost);
        let calls = config.calls;
        Ok(Shop {
            company: config.company.name.clone(),
            zone: config.company.zone.clone(),
            bounds: Bounds { per_number: calls.per_number, per_source: calls.per_source, waiting: calls.waiting },
            lease: config.lease,
            store,
            hall: Arc::new(Mutex::new(Hall::new(config.rules.clone(), &former))),
            rules: config.rules.clone(),
            promised: config.promised,
            thirds: Mutex::default(),
            equipments,
            health: Mutex::new(Equipments::new(costs)),
            streams: Arc::new(Semaphore::new(stream::MOST)),
            keys: Keys::new(key),
            secure: config.http.tls.is_some(),
            widget: widget(config),
            proxies: config.http.trusted_proxies.clone(),
            webhook_secret,
            verifier: Verifier::new(VerifierLimits::default())?,
            guard: Mutex::default(),
            clock: SystemClock::start(),
        })
    }

    /// This instant.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// The wall's clock.
    pub fn wall(&self) -> Wall {
        self.clock.now().wall
    }

    /// Locks what is known of the equipments.
    pub fn health(&self) -> std::sync::MutexGuard<'_, Equipments> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the distribution.
    pub fn hall(&self) -> std::sync::MutexGuard<'_, Hall> {
        self.hall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who supervises this request.
    pub fn supervises(&self, request: &str) -> Option<(String, SupervisorMode)> {
        self.thirds.lock().unwrap_or_else(PoisonError::into_inner).get(request).cloned()
    }

    /// This supervisor takes part from now on; none: nobody. Whoever shows it is woken.
    pub fn supervised(&self, request: &str, by: Option<(String, SupervisorMode)>) {
        let mut thirds = self.thirds.lock().unwrap_or_else(PoisonError::into_inner);
        let before = thirds.remove(request);
        let changed = before != by;
        thirds.extend(by.map(|by| (request.to_owned(), by)));
        drop(thirds);
        if changed {
            self.store.wake();
        }
    }

    /// How long whoever did not answer gets no calls.
    pub fn aside(&self) -> Duration {
        Duration::from_secs(self.rules.set_aside_seconds.into())
    }

    /// When it opens, where it is closed at this moment; `Some(None)`: not within two months.
    pub fn closed(&self, at: Wall) -> Option<Option<Wall>> {
        let opening = shift::of_business(self.rules.hours.as_ref()?, at);
        (!opening.open).then_some(opening.until)
    }

    /// A moment by the company's clock, for people.
    pub fn time(&self, at: Wall) -> String {
        let Ok(moment) = jiff::Timestamp::from_millisecond(at.0) else { return at.to_string() };
        let at = self.zone.to_datetime(moment);
        format!("{} at {:02}:{:02} ({})", at.date(), at.hour(), at.minute(), self.zone.iana_name().unwrap_or("UTC"))
    }

    /// The equipment of this name, and its place.
    pub fn equipment(&self, name: &str) -> Option<(usize, &Equipment)> {
        self.equipments.iter().enumerate().find(|(_, equipment)| equipment.name == name)
    }

    /// Whether this is the password. An unknown name costs as much; whoever guesses is answered later, then not at all for a while.
    pub async fn is_password(
        &self,
        kind: &str,
        name: &str,
        stored: Option<&PasswordHash>,
        given: &Password,
        source: IpAddr,
    ) -> Judged {
        let name = format!("{kind} {name}");
        let trier = || Trier::new(&name, &subscriber(source).to_string());
        let guard = || self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        match guard().admit(self.now().mono, trier()) {
            Admission::Open => {}
            Admission::RememberedOnly | Admission::Closed { .. } => return Judged::Later,
        }
        match self.verifier.verify(&name, stored.map(Stored::only), given).await {
            Verdict::Right => {
                guard().right(self.now().mono, trier());
                Judged::Right
            }
            Verdict::Busy { .. } => Judged::Later,
            Verdict::Wrong => {
                let delay = guard().wrong(self.now().mono, trier()).delay;
                tokio::time::sleep(delay).await;
                Judged::Wrong
            }
        }
    }
}

/// What a password was found to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judged {
    /// It is the one.
    Right,
    /// It is not.
    Wrong,
    /// It was not looked at: too many guesses.
    Later,
}

/// Hashes a password off the threads that serve.
pub async fn hashed(password: Password) -> Result<PasswordHash, StorefrontError> {
    let hashed = tokio::task::spawn_blocking(move || hash_password(password.expose())).await;
    Ok(hashed.map_err(|_| store::StoreError::Stopping)??)
}

async fn add_representative(store: &Store, seed: &RepresentativeSeed) -> Result<(), StorefrontError> {
    let id = seed.id.to_string();
    if store.read(move |c| staff::find(c, &id)).await?.is_some() {
        return Ok(());
    }
    let hash = match &seed.password {
        SeedPassword::Hash(hash) => hash.clone(),
        SeedPassword::File(file) => hashed(first_line(file)?).await?,
    };
    let seed = seed.clone();
    let added = move |t: &rusqlite::Transaction<'_>| {
        staff::add(t, seed.id.as_str(), &seed.name, &seed.address.to_string(), &seed.skills, &hash.0)
    };
    store.change(added).await?;
    Ok(())
}

async fn add_supervisor(store: &Store, seed: &SupervisorSeed) -> Result<(), StorefrontError> {
    let id = seed.id.to_string();
    if store.read(move |c| supervisors::find(c, &id)).await?.is_some() {
        return Ok(());
    }
    let password_hash = match &seed.password {
        SeedPassword::Hash(hash) => hash.clone(),
        SeedPassword::File(file) => hashed(first_line(file)?).await?,
    };
    let (id, name, address) = (seed.id.to_string(), seed.name.clone(), seed.address.to_string());
    let one = Supervisor { id, name, address, password_hash };
    store.change(move |t| supervisors::add(t, &one)).await?;
    Ok(())
}

fn widget(config: &StorefrontConfig) -> (String, String) {
    let said = config.company.widget.as_ref().map(|url| (url.as_str().to_owned(), url));
    let at_equipment = || config.equipment.first().map(|one| (format!("{}widget.js", one.url.as_str()), &one.url));
    let Some((address, url)) = said.or_else(at_equipment) else { return Default::default() };
    let scheme = if url.is_secure() { "https" } else { "http" };
    (address, format!("{scheme}://{}", url.authority()))
}

fn secret(file: &Path) -> Result<WebhookSecret, StorefrontError> {
    let text = first_line(file)?;
    let wrong = |_| StorefrontError::Secret(file.to_owned(), "its first line is no whsec_… secret".to_owned());
    text.expose().parse().map_err(wrong)
}

/// The first line of a secret's file.
fn first_line(file: &Path) -> Result<Password, StorefrontError> {
    let wrong = |why: String| StorefrontError::Secret(PathBuf::from(file), why);
    let text = Password::new(std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?);
    match text.expose().lines().next() {
        None | Some("") => Err(wrong("its first line is empty".to_owned())),
        Some(line) => Ok(Password::new(line.to_owned())),
    }
}
