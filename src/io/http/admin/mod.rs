//! `/admin/v1/…`: accounts and the audit trail for operators, on the admin listener. Owns who is let in and with which role, and that every change goes
//! through the store's one way of changing accounts, with its entry in the trail. Refuses business passwords and cookies.

pub mod billing;
pub mod businesses;
pub mod form;
pub mod operators;
pub mod prompts;
pub mod secrets;
pub mod trail;
pub mod view;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use bytes::Bytes;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::billing::TariffView;
use self::operators::{Operator, Operators};
use super::app::{Patience, json_content, read_body};
use super::credentials::{self, Credentials};
use super::guard::{Attempt, PasswordGuard};
use super::json::parse;
use super::openapi::without_null_parameters;
use super::problem::{FieldError, Problem};
use super::sender::Sender;
use crate::clock::Wall;
use crate::config::OperatorRole;
use crate::io::passwords::{PasswordError, Stored, Verdict, Verifier, VerifierLimits};
use crate::io::store::{AccountError, SqliteStore, StoreError};
use crate::model::{Actor, Who};

/// Works on the store at once: they share the blocking threads with the verification of passwords.
static WORKS: Semaphore = Semaphore::const_new(4);

/// What the handlers share.
pub struct AdminApp {
    /// Where accounts are.
    pub store: Arc<SqliteStore>,
    /// The folder beside the store, where recordings are put.
    pub folder: PathBuf,
    /// Who may ask; replaced whole when the configuration is read again.
    pub operators: Arc<ArcSwap<Operators>>,
    /// The carrier's tariffs; replaced whole in the same way.
    pub tariffs: Arc<ArcSwap<Vec<TariffView>>>,
    /// Judges their passwords.
    pub verifier: Verifier,
    /// Stands before it.
    pub guard: Arc<PasswordGuard>,
    /// Reads the wall clock.
    pub clock: fn() -> Wall,
    /// Time bounds.
    pub patience: Patience,
}

/// The document without its routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "callbridge admin",
        description = "Accounts of businesses and the audit trail, for the carrier's operators, on the admin listener. Unknown fields and parameters \
            are errors. Errors are `application/problem+json` (RFC 9457)."
    ),
    tags(
        (name = "businesses", description = "Accounts: what is given in a change replaces, all else stays"),
        (name = "billing", description = "Tariffs and invoices"),
        (name = "secrets", description = "Passwords, page keys, webhook secrets: a secret that was made is shown once"),
        (name = "operators", description = "Who asks, and what was done")
    ),
    components(schemas(super::problem::ProblemDocument)),
    modifiers(&OperatorCredentials)
)]
struct AdminDocument;

struct OperatorCredentials;

impl utoipa::Modify for OperatorCredentials {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let mut scheme = |name: &str, scheme, text: &str| {
            let http = HttpBuilder::new().scheme(scheme).description(Some(text)).build();
            components.security_schemes.insert(name.to_owned(), SecurityScheme::Http(http).into());
        };
        scheme("operator", HttpAuthScheme::Basic, "An operator's name and password");
        scheme("session", HttpAuthScheme::Bearer, "The token of a session");
    }
}

/// Every route with its description: what is not here is neither served nor described.
pub fn described() -> OpenApiRouter<Arc<AdminApp>> {
    OpenApiRouter::with_openapi(AdminDocument::openapi())
        .routes(routes!(businesses::list, businesses::create))
        .routes(routes!(businesses::show, businesses::change))
        .routes(routes!(businesses::enable))
        .routes(routes!(businesses::disable))
        .routes(routes!(prompts::put, prompts::remove))
        .routes(routes!(secrets::password))
        .routes(routes!(secrets::webhook_secret))
        .routes(routes!(secrets::new_page_key))
        .routes(routes!(secrets::remove_page_key))
        .routes(routes!(billing::tariffs))
        .routes(routes!(billing::bill))
        .routes(routes!(trail::audit))
        .routes(routes!(trail::operator))
        .routes(routes!(trail::begin_session))
}

/// The admin API's description.
pub fn document() -> utoipa::openapi::OpenApi {
    without_null_parameters(described().into_openapi())
}

impl AdminApp {
    /// Over this store, whose folder is `folder`, with a verifier and a guard of its own.
    pub fn new(
        store: &Arc<SqliteStore>,
        folder: PathBuf,
        operators: Arc<ArcSwap<Operators>>,
        tariffs: Arc<ArcSwap<Vec<TariffView>>>,
        clock: fn() -> Wall,
    ) -> Result<AdminApp, PasswordError> {
        Ok(AdminApp {
            store: Arc::clone(store),
            folder,
            operators,
            tariffs,
            verifier: Verifier::new(VerifierLimits::default())?,
            guard: Arc::new(PasswordGuard::with_trail(store)),
            clock,
            patience: Patience::default(),
        })
    }

    /// Who asks, verified, and able to do this: 401, 403 for one who may only read, 429 for a source that guesses.
    pub async fn operator(&self, sender: &Sender, needs: OperatorRole) -> Result<Operator, Problem> {
        let operator = self.verified(sender).await?;
        if operator.role >= needs { Ok(operator) } else { Err(Problem::may_only_read()) }
    }

    async fn verified(&self, sender: &Sender) -> Result<Operator, Problem> {
        let (operators, now) = (self.operators.load_full(), (self.clock)());
        if let Some(token) = bearer(sender) {
            return operators.of_session(token, now).ok_or_else(Problem::no_operator);
        }
        let given = credentials::basic(sender).ok().flatten().ok_or_else(Problem::no_operator)?;
        self.judged(given, sender).await
    }

    /// Whose name and password these are; behind the guard against guessing.
    pub async fn judged(&self, given: Credentials, sender: &Sender) -> Result<Operator, Problem> {
        let (operators, now) = (self.operators.load_full(), (self.clock)());
        // Apart from the names of businesses, which have no space.
        let name = format!("operator {}", given.business);
        let attempt = Attempt { name: &name, business: None, source: sender.source(&[]) };
        let stored = operators.hash(&given.business).map(Stored::only);
        let remembered = || stored.is_some_and(|stored| self.verifier.knows(&name, stored, &given.password));
        self.guard.admit(&attempt, remembered)?;
        match (self.verifier.verify(&name, stored, &given.password).await, operators.named(&given.business)) {
            (Verdict::Right, Some(operator)) => {
                self.guard.right(&attempt);
                Ok(operator)
            }
            (Verdict::Busy { retry_after }, _) => {
                Err(Problem::unavailable(retry_after, "too many passwords are being verified"))
            }
            (Verdict::Wrong | Verdict::Right, _) => {
                metrics::counter!("callbridge_rejected_total", "reason" => "operator").increment(1);
                tokio::time::sleep(self.guard.wrong(&attempt, now)).await;
                Err(Problem::no_operator())
            }
        }
    }

    /// For the trail.
    pub fn who(&self, operator: &Operator, sender: &Sender) -> Who {
        let actor = Actor::Operator { name: operator.name.clone() };
        Who { actor, source: Some(sender.source(&[])), at: (self.clock)() }
    }

    /// Works on the store, off the threads that serve.
    pub async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&SqliteStore) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let store = Arc::clone(&self.store);
        let working = async {
            let place = WORKS.acquire().await;
            tokio::task::spawn_blocking(move || {
                let _place = place;
                work(&store)
            })
            .await
        };
        let late = || Problem::unavailable(5, "the answer takes too long; look whether it was done");
        match tokio::time::timeout(self.patience.answer, working).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(Problem::of(StatusCode::INTERNAL_SERVER_ERROR, "a fault of the equipment")),
            Err(_) => Err(late()),
        }
    }

    /// The object in a request's body.
    pub async fn object(&self, headers: &HeaderMap, body: Body) -> Result<Map<String, Value>, Problem> {
        json_content(headers)?;
        let body = self.body(headers, body).await?;
        object(&body)
    }

    /// The same, and nothing at all is an empty object.
    pub async fn object_or_nothing(&self, headers: &HeaderMap, body: Body) -> Result<Map<String, Value>, Problem> {
        let body = self.body(headers, body).await?;
        if body.is_empty() {
            return Ok(Map::new());
        }
        json_content(headers)?;
        object(&body)
    }

    /// No body at all.
    pub async fn nothing(&self, headers: &HeaderMap, body: Body) -> Result<(), Problem> {
        match self.body(headers, body).await?.is_empty() {
            true => Ok(()),
            false => Err(Problem::malformed("this request has no body")),
        }
    }

    /// The whole body, within bounds of size and time.
    pub async fn body(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
        read_body(self.patience.body, headers, body).await
    }
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    // The strict reading first: one value, no name twice, no depth without end.
    parse(body).map_err(|error| Problem::malformed(error.to_string()))?;
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(Problem::malformed("an object is wanted")),
    }
}

/// The fields of a small body: each must be one of these.
pub(super) fn only(fields: &Map<String, Value>, known: &[&str]) -> Result<(), Problem> {
    let unknown = fields.keys().filter(|key| !known.contains(&key.as_str())).map(|key| FieldError {
        pointer: format!("/{}", key.chars().take(64).collect::<String>()),
        detail: "unknown field".to_owned(),
    });
    let errors: Vec<FieldError> = unknown.take(32).collect();
    if errors.is_empty() { Ok(()) } else { Err(Problem::malformed("unknown fields").with_errors(errors)) }
}

/// 422 for one field.
pub(super) fn wrong(pointer: &str, detail: impl Into<String>) -> Problem {
    Problem::of(StatusCode::UNPROCESSABLE_ENTITY, detail).at(pointer)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl Problem {
    /// 401 for operators, the same for every reason.
    pub fn no_operator() -> Problem {
        let challenge = HeaderValue::from_static("Basic realm=\"callbridge admin\", charset=\"UTF-8\"");
        Problem::of(StatusCode::UNAUTHORIZED, "give an operator's name and password, or the token of a session")
            .titled("operator", "An operator is needed")
            .with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// 403: an operator with the role `read`.
    pub fn may_only_read() -> Problem {
        Problem::of(StatusCode::FORBIDDEN, "this operator may only read").titled("role", "Not with this role")
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Problem {
        match error {
            AccountError::Unknown(_) => Problem::of(StatusCode::NOT_FOUND, "there is no such business"),
            AccountError::Exists(_) => {
                Problem::of(StatusCode::CONFLICT, "there is a business of this identifier").at("/id")
            }
            AccountError::Stale => {
                Problem::of(StatusCode::PRECONDITION_FAILED, "this account was changed meanwhile: read it again")
            }
            AccountError::Store(error) => Problem::from(error),
            AccountError::Fields(problems) => {
                let errors = problems.0.iter();
                let errors = errors.map(|one| FieldError { pointer: one.pointer(), detail: one.problem.clone() });
                Problem::of(StatusCode::UNPROCESSABLE_ENTITY, "an account cannot be so").with_errors(errors.collect())
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        tracing::error!(%error, "the store could not be used for the admin API");
        Problem::unavailable(5, "the store cannot be used now")
    }
}
