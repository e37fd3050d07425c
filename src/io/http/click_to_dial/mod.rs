//! `/click-to-dial/v0.1`: CAMARA's Click to Dial (decision 0026). A call of it is a call like any other: the caller is our customer and is
//! called first, the callee our representative; `GET /v1/calls` shows it, and it has its one record.
//!
//! Owns the four operations in that interface's shapes and their description. Only calls that were asked for here are seen here. Refuses
//! passwords: an access token of `/oauth2/token` with the operation's scope is needed.

mod answer;
mod form;
mod recording;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::security::{ClientCredentials, Flow, OAuth2, Scopes, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) use answer::Correlator;
use answer::{ErrorInfo, Refused};
use form::Asked;

use super::app::{App, json_content};
use super::calls::{current, json, mismatch};
use super::problem::Problem;
use super::query;
use super::token::granted;
use crate::access::grant::Scope;
use crate::clock::Wall;
use crate::engine::api::{Refusal, Reply};
use crate::io::recordings::Opened;
use crate::io::told;
use crate::model::click_to_dial::Status;
use crate::model::{BusinessId, CallId, CallSource, CallView, Recording};

type Answer = Result<Response, Refused>;

/// Its description, without its routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Click to Dial",
        version = "0.1.0",
        description = "CAMARA's Click to Dial: joins two telephones; the caller is called first. Tokens come from `/oauth2/token` \
            (client credentials). See github.com/camaraproject/ClickToDial."
    ),
    tags(
        (name = "Calls", description = "Operations related to Click to Dial calls"),
        (name = "Recording", description = "Operations related to Call Recordings")
    ),
    components(schemas(ErrorInfo)),
    modifiers(&Tokens)
)]
struct Document;

struct Tokens;

impl Modify for Tokens {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scopes = Scope::ALL.map(|scope| (scope.as_str(), scope.as_str()));
        let flow = Flow::ClientCredentials(ClientCredentials::new("/oauth2/token", Scopes::from_iter(scopes)));
        let components = openapi.components.get_or_insert_default();
        components.security_schemes.insert(String::from("openId"), SecurityScheme::OAuth2(OAuth2::new([flow])).into());
    }
}

/// The four operations with their description.
pub(super) fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(create))
        .routes(routes!(show, terminate))
        .routes(routes!(recorded))
}

/// A party.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// E.164 with its `+`.
    #[schema(pattern = "^\\+[1-9][0-9]{4,14}$", max_length = 16, example = "+12125550100")]
    number: String,
}

/// Whom to join.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description")]
pub struct CreateCallRequest {
    /// Called first.
    #[schema(inline)]
    caller: Party,
    /// Called once the caller has answered.
    #[schema(inline)]
    callee: Party,
    /// Where status events go (CloudEvents, structured): https, or http where the operator allows it; on a public address.
    #[schema(required = false, nullable = false, format = "uri", max_length = 2048)]
    sink: Option<String>,
    /// What is shown there.
    #[schema(required = false, nullable = false, inline)]
    sink_credential: Option<SinkCredentialForm>,
    /// The talk is to be recorded.
    #[schema(required = false, nullable = false)]
    recording_enabled: Option<bool>,
}

/// An access token for the sink.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description")]
pub struct SinkCredentialForm {
    /// The only type there is here.
    #[schema(pattern = "^ACCESSTOKEN$")]
    credential_type: String,
    /// Shown as `Authorization: Bearer`; never shown back, forgotten with the call's last event.
    #[schema(pattern = "^[A-Za-z0-9._~+/-]+=*$", min_length = 1, max_length = 4096)]
    access_token: String,
    /// Nothing is sent from then on.
    #[schema(max_length = 64)]
    access_token_expires_utc: Wall,
    /// The only one there is.
    #[schema(pattern = "^bearer$")]
    access_token_type: String,
}

/// A call.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Also its name at `/v1/calls`.
    call_id: CallId,
    /// Called first.
    #[schema(inline)]
    caller: Party,
    /// Called second.
    #[schema(inline)]
    callee: Party,
    /// `initiating`, `callingCaller`, `callingCallee`, `connected`, `disconnected`, `failed`.
    #[schema(pattern = "^(initiating|callingCaller|callingCallee|connected|disconnected|failed)$")]
    status: &'static str,
    /// When it was accepted.
    created_at: Wall,
    /// The talk is recorded.
    recording_enabled: bool,
}

impl Call {
    fn of(view: &CallView) -> Call {
        let (caller, callee) = told::parties(view);
        Call {
            call_id: view.id,
            caller: Party { number: caller },
            callee: Party { number: callee },
            status: Status::of(view.state, view).as_str(),
            created_at: view.created_at,
            recording_enabled: view.record,
        }
    }
}

/// A recording.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "a description; it is written piece by piece")]
pub struct RecordingResource {
    /// Of this call.
    call_id: CallId,
    /// Base64 of a stereo WAV: the caller on the left, the callee on the right.
    #[schema(max_length = 20_971_520, format = "byte")]
    content: String,
    /// What it is.
    #[schema(pattern = "^audio/wav$")]
    content_type: String,
    /// The end of the call.
    generated_at: Wall,
}

macro_rules! described_refusals {
    ($name:ident { $($status:literal: $description:literal,)+ }) => {
        struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Response>> {
                let json = || {
                    let schema = utoipa::openapi::Ref::from_schema_name("ErrorInfo");
                    utoipa::openapi::ContentBuilder::new().schema(Some(schema)).build()
                };
                std::collections::BTreeMap::from([$((
                    String::from($status),
                    utoipa::openapi::ResponseBuilder::new()
                        .description($description)
                        .content("application/json", json())
                        .build()
                        .into(),
                ),)+])
            }
        }
    };
}

described_refusals! {
    Asking {
        "400": "`INVALID_ARGUMENT`: a header, the path or a property",
        "401": "`UNAUTHENTICATED`: no access token that holds",
        "403": "`PERMISSION_DENIED`: the token lacks the scope, or the account is disabled",
        "503": "`UNAVAILABLE`; see `Retry-After`",
    }
}

described_refusals! {
    OfOneCall {
        "404": "`NOT_FOUND`: no such call was asked for here",
    }
}

described_refusals! {
    Creating {
        "408": "`TIMEOUT`: the body came too slowly",
        "409": "`ALREADY_EXISTS`: a live call joins these two",
        "413": "`PAYLOAD_TOO_LARGE`: over 64 KiB",
        "415": "`UNSUPPORTED_MEDIA_TYPE`",
        "422": "`INVALID_PHONE_NUMBER`, `SAME_CALLER_CALLEE`, `CALLER_NOT_AVAILABLE`, `CALLEE_NOT_AVAILABLE`, `RECORDING_NOT_SUPPORTED`, `SERVICE_NOT_APPLICABLE`",
        "429": "`TOO_MANY_REQUESTS`; see `Retry-After`",
    }
}

described_refusals! {
    Ending {
        "409": "`ALREADY_EXISTS`: it has ended already",
    }
}

/// Creates a call session between the caller and the callee.
#[utoipa::path(post, operation_id = "createCall", path = "/click-to-dial/v0.1/calls", tag = "Calls",
    request_body = CreateCallRequest, security(("openId" = ["click-to-dial:calls:create"])),
    params(("x-correlator" = Option<String>, Header, pattern = "^[a-zA-Z0-9_:;./<>{}-]{0,256}$", max_length = 256,
        description = "Given back in the answer")),
    responses((status = 201, description = "Durable: the caller is called now", body = Call), Asking, Creating))]
async fn create(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap, body: Body) -> Answer {
    let account = granted(&app, &headers, Scope::CallsCreate)?;
    query::none(&uri)?;
    let typed = json_content(&headers);
    if headers.contains_key(header::CONTENT_TYPE) {
        typed.clone()?;
    }
    let body = app.body(&headers, body).await?;
    if body.is_empty() {
        return Err(Refused::malformed("the body is required"));
    }
    typed?;
    let asked = Asked::read(&body, (app.clock)())?;
    if let Some(sink) = &asked.sink {
        (app.sinks)(&sink.url).map_err(|why| Refused::malformed(format!("sink: {why}")))?;
    }
    // Said as it is: an account whose every talk is recorded has this one recorded too.
    let record = asked.recording || account.recording == Recording::Always;
    let message = asked.into_message(account.id.clone(), record);
    match app.answer(app.engine.initiate(message)).await? {
        Reply::Accepted(view) => {
            let mut response = json(&Call::of(&view));
            *response.status_mut() = StatusCode::CREATED;
            Ok(response)
        }
        Reply::Refused(Refusal::Duplicate) => {
            Err(Refused::conflict("an active call already exists for the given caller and callee"))
        }
        Reply::Refused(refusal) => Err(Problem::from(refusal).into()),
        _ => Err(mismatch().into()),
    }
}

/// A call session as it is now.
#[utoipa::path(get, operation_id = "getCall", path = "/click-to-dial/v0.1/calls/{callId}", tag = "Calls",
    security(("openId" = ["click-to-dial:calls:read"])),
    params(("callId" = String, Path, pattern = "^[A-Za-z0-9._~:-]{1,256}$", description = "The call"),
        ("x-correlator" = Option<String>, Header, pattern = "^[a-zA-Z0-9_:;./<>{}-]{0,256}$", max_length = 256,
            description = "Given back in the answer")),
    responses((status = 200, description = "The call", body = Call), Asking, OfOneCall))]
async fn show(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    let account = granted(&app, &headers, Scope::CallsRead)?;
    query::none(&uri)?;
    Ok(json(&Call::of(&found(&app, &account.id, &id).await?)))
}

/// Ends a call session.
#[utoipa::path(delete, operation_id = "terminateCall", path = "/click-to-dial/v0.1/calls/{callId}", tag = "Calls",
    security(("openId" = ["click-to-dial:calls:delete"])),
    params(("callId" = String, Path, pattern = "^[A-Za-z0-9._~:-]{1,256}$", description = "The call"),
        ("x-correlator" = Option<String>, Header, pattern = "^[a-zA-Z0-9_:;./<>{}-]{0,256}$", max_length = 256,
            description = "Given back in the answer")),
    responses((status = 204, description = "It ends; that may take a moment"), Asking, OfOneCall, Ending))]
async fn terminate(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    let account = granted(&app, &headers, Scope::CallsDelete)?;
    query::none(&uri)?;
    let id = found(&app, &account.id, &id).await?.id;
    match app.answer(app.engine.delete(account.id.clone(), id)).await? {
        Reply::Deleted(Some(_)) => Ok(StatusCode::NO_CONTENT.into_response()),
        // It was found a moment ago.
        Reply::AlreadyEnded | Reply::Deleted(None) => Err(Refused::conflict("this call has already ended")),
        Reply::Refused(refusal) => Err(Problem::from(refusal).into()),
        _ => Err(mismatch().into()),
    }
}

/// The recording of a call session that is over.
#[utoipa::path(get, operation_id = "getRecording", path = "/click-to-dial/v0.1/calls/{callId}/recording", tag = "Recording",
    security(("openId" = ["click-to-dial:recordings:read"])),
    params(("callId" = String, Path, pattern = "^[A-Za-z0-9._~:-]{1,256}$", description = "The call"),
        ("x-correlator" = Option<String>, Header, pattern = "^[a-zA-Z0-9_:;./<>{}-]{0,256}$", max_length = 256,
            description = "Given back in the answer")),
    responses((status = 200, description = "The recording", body = RecordingResource), Asking, OfOneCall))]
async fn recorded(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    let account = granted(&app, &headers, Scope::RecordingsRead)?;
    query::none(&uri)?;
    let call = found(&app, &account.id, &id).await?;
    let none = || Refused::not_found("this call has no recording");
    let ended_at = call.ended_at.filter(|_| call.record).ok_or_else(none)?;
    let body = match app.recordings.open(call.id).await {
        Ok(Opened::Here { body, .. }) => body,
        Ok(Opened::Unfinished | Opened::None) => return Err(none()),
        Err(error) => {
            tracing::warn!(id = %call.id, %error, "a recording cannot be read");
            return Err(Problem::unavailable(5, "the recording cannot be read").into());
        }
    };
    let bytes = body.len();
    if !recording::fits(bytes) {
        return Err(Refused::not_found("this recording is too long for this interface: fetch it at /v1/calls"));
    }
    let head = format!(
        "{{\"callId\":\"{}\",\"contentType\":\"audio/wav\",\"generatedAt\":\"{ended_at}\",\"content\":\"",
        call.id
    );
    let mut response = Response::new(Body::new(recording::Encoded::new(*body, bytes, head, "\"}".to_owned())));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// A call that this business asked for here.
async fn found(app: &App, business: &BusinessId, id: &str) -> Result<CallView, Refused> {
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b':' | b'-');
    if id.is_empty() || id.len() > 256 || !id.bytes().all(letter) {
        return Err(Refused::malformed("callId: 1 to 256 of A-Z a-z 0-9 . _ ~ : -"));
    }
    let none = || Refused::not_found("there is no such call");
    let id: CallId = id.parse().map_err(|_| none())?;
    let view = current(app, business, id).await?;
    view.filter(|view| view.source == CallSource::ClickToDial).ok_or_else(none)
}
