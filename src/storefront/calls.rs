//! `/call-requests`: the call request message (Fig. 7) from a customer's browser, and what whoever asked may see and do afterwards. The
//! shapes are those of the equipment's `/v1/call-requests`, so that one button serves both. Owns the form and what a stranger is told;
//! refuses to choose a representative and to call anybody.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::floor;
use super::secrets::random_text;
use super::shop::Shop;
use super::store::StoreError;
use super::store::requests::{self, Cancelling, NewRequest, Request, Stage, Turned};
use super::stream::{self, QUIET, Stream, last_event_id};
use super::web::{App, Visitor, is_words, read_body};
use crate::acd::Wait;
use crate::clock::Wall;
use crate::model::{CallState, Endpoint, Outcome, WebPage};

/// Most pages that are said to have been viewed, and the longest texts.
const MAX_VIEWED: usize = 10;
const MAX_URL: usize = 2048;
const MAX_TITLE: usize = 300;
const MAX_NOTE: usize = 1000;
/// A time further ahead is refused.
const MAX_AHEAD: Duration = Duration::from_secs(366 * 86_400);
/// What a token is signed for.
const FOLLOW: &str = "follow";
/// How long a call can be followed after its time.
const TOKEN_LIFE: Duration = Duration::from_secs(86_400);

/// What a customer asks for, by the button or by the form.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Who the page says we are; the button of an equipment's page has it, and here it need not be.
    #[serde(default)]
    pub business_id: Option<String>,
    /// 704; absent where the customer is known and has one stored.
    #[serde(default)]
    pub customer: Option<String>,
    /// 706.
    #[serde(default)]
    pub web_page: Option<WebPage>,
    /// A representative or a skill, of the page.
    #[serde(default)]
    pub representative_information: Option<String>,
    /// 708: RFC 3339.
    #[serde(default)]
    pub desired_contact_time: Option<String>,
    /// 710.
    #[serde(default)]
    pub note: Option<String>,
}

/// Why a request is not taken: status, type, words, the field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    status: StatusCode,
    /// What is wrong, for people.
    pub detail: String,
    /// The field that is wrong.
    pub pointer: Option<String>,
    retry_after: Option<u32>,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem { status, detail: detail.into(), pointer: None, retry_after: None }
    }

    fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Problem {
        let pointer = Some(pointer.into());
        Problem { pointer, ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail) }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        tracing::error!(%error, "a call request cannot be served");
        let retry_after = Some(10);
        Problem { retry_after, ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not now; try again") }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Problem");
        let errors: Vec<Value> =
            self.pointer.iter().map(|at| json!({ "pointer": at, "detail": self.detail })).collect();
        let body = json!({
            "type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": self.detail, "errors": errors,
        });
        let mut response =
            (self.status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Judges a message and takes it.
pub async fn take(shop: &Shop, visitor: &Visitor, message: Message) -> Result<Request, Problem> {
    let now = shop.wall();
    let businesses = &shop.equipments;
    if message.business_id.is_some_and(|id| businesses.iter().all(|one| one.business.as_str() != id)) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "this is another business's Web server"));
    }
    let known = visitor.customer.as_ref().and_then(|customer| customer.contact());
    let given = message.customer.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let address = given.or(known).ok_or_else(|| Problem::at("/customer", "where shall we call you?"))?;
    let address = Endpoint::parse(address).map_err(|error| Problem::at("/customer", error.to_string()))?;
    let page = message.web_page;
    if let Some(page) = &page {
        own_page(page, host(&visitor.headers))?;
    }
    for (pointer, text, most) in
        [("/note", &message.note, MAX_NOTE), ("/representative_information", &message.representative_information, 64)]
    {
        if text.as_ref().is_some_and(|text| !is_words(text, most)) {
            return Err(Problem::at(pointer, format!("at most {most} characters of text")));
        }
    }
    let desired_at = desired(message.desired_contact_time.as_deref(), now)?;
    if let Some(opens) = shop.closed(desired_at.unwrap_or(now).max(now)) {
        let opens = opens.map(|at| format!(": we open {}", shop.time(at))).unwrap_or_default();
        return Err(Problem::at("/desired_contact_time", format!("we are closed then{opens}")));
    }
    let words = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let new = NewRequest {
        id: random_text().map_err(|error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?,
        address: address.to_string(),
        customer: visitor.customer.as_ref().map(|customer| customer.id),
        source: crate::io::http::source::subscriber(visitor.source).to_string(),
        wanted: words(message.representative_information),
        page,
        desired_at,
        note: words(message.note),
    };
    let bounds = shop.bounds;
    let asked = shop.store.change(move |t| requests::ask(t, now, &new, bounds)).await?;
    asked.map_err(|turned| match turned {
        Turned::Duplicate => Problem::new(StatusCode::CONFLICT, "this number is being called, or waits to be"),
        Turned::TooMany => {
            let retry_after = Some(3600);
            Problem {
                retry_after,
                ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many calls were asked for; try again later")
            }
        }
        Turned::Full => {
            let retry_after = Some(60);
            Problem {
                retry_after,
                ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many are waiting; try again later")
            }
        }
    })
}

/// 708; empty is absent.
fn desired(text: Option<&str>, now: Wall) -> Result<Option<Wall>, Problem> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    let wrong = |detail: &str| Problem::at("/desired_contact_time", detail);
    let at = Wall::parse(text).ok_or_else(|| wrong("not a time (RFC 3339)"))?;
    match at {
        _ if at > now + MAX_AHEAD => Err(wrong("more than a year ahead")),
        _ if at + Duration::from_secs(60) < now => Err(wrong("this time has passed")),
        _ => Ok(Some(at)),
    }
}

fn host(headers: &HeaderMap) -> &str {
    headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

/// Every page must be one of this server: a representative may open them all.
fn own_page(page: &WebPage, host: &str) -> Result<(), Problem> {
    if page.viewed.len() > MAX_VIEWED {
        return Err(Problem::at("/web_page/viewed", format!("at most {MAX_VIEWED} pages")));
    }
    let viewed = page.viewed.iter().enumerate().map(|(at, page)| (format!("/viewed/{at}"), &page.url, &page.title));
    for (at, url, title) in std::iter::once((String::new(), &page.url, &page.title)).chain(viewed) {
        let parsed = url::Url::parse(url).ok().filter(|_| url.len() <= MAX_URL);
        let ours = parsed.is_some_and(|url| {
            let authority = url.as_str().split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next());
            matches!(url.scheme(), "http" | "https")
                && authority.flatten().is_some_and(|one| one.eq_ignore_ascii_case(host))
        });
        if !ours {
            return Err(Problem::at(format!("/web_page{at}/url"), "this page is none of ours"));
        }
        if title.as_ref().is_some_and(|title| !is_words(title, MAX_TITLE) || title.contains(['\r', '\n'])) {
            return Err(Problem::at(format!("/web_page{at}/title"), format!("at most {MAX_TITLE} characters of text")));
        }
    }
    Ok(())
}

/// The token that shows its customer this one call.
pub fn token(shop: &Shop, request: &Request) -> (String, Wall) {
    let until = request.due_at + TOKEN_LIFE;
    (shop.keys.seal(FOLLOW, &request.id, until), until)
}

/// Whether whoever asks may see this call.
pub fn may_follow(shop: &Shop, id: &str, token: &str) -> bool {
    shop.keys.open(FOLLOW, token, shop.wall()) == Some(id)
}

/// `POST /call-requests`
pub async fn create(State(shop): App, visitor: Visitor, body: Body) -> Result<Response, Problem> {
    let kind = visitor.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json"));
    }
    let body = read_body(body)
        .await
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body is too long or ended early"))?;
    let message =
        serde_json::from_slice(&body).map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    let request = take(&shop, &visitor, message).await?;
    let (token, until) = token(&shop, &request);
    let location = format!("/call-requests/{}", request.id);
    let mut view = view(&shop, &request);
    if let Some(view) = view.as_object_mut() {
        view.insert("token".to_owned(), json!(token));
        view.insert("token_expires_at".to_owned(), json!(until));
    }
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], axum::Json(view)).into_response())
}

/// `GET /call-requests/{id}`
pub async fn show(State(shop): App, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let request = followed(&shop, &id, bearer(&headers)).await?;
    Ok(axum::Json(view(&shop, &request)).into_response())
}

/// `DELETE /call-requests/{id}`
pub async fn cancel(State(shop): App, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    followed(&shop, &id, bearer(&headers)).await?;
    let gone = || Problem::new(StatusCode::NOT_FOUND, "there is no such call");
    if floor::cancel(&shop, &id).await?.ok_or_else(gone)? == Cancelling::TooLate {
        return Err(Problem::new(StatusCode::CONFLICT, "the call has ended already"));
    }
    let request = found(&shop, &id).await?.ok_or_else(gone)?;
    Ok(axum::Json(view(&shop, &request)).into_response())
}

/// The token in the query: an `EventSource` sets no headers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    token: Option<String>,
}

/// `GET /call-requests/{id}/events`
pub async fn follow(
    State(shop): App,
    Path(id): Path<String>,
    Query(shown): Query<Shown>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let token = bearer(&headers).or(shown.token.as_deref());
    let request = followed(&shop, &id, token).await.map_err(IntoResponse::into_response)?;
    let after = last_event_id(&headers);
    if !request.is_open() && after >= request.sequence {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let Some((response, stream)) = Stream::open(&shop.streams) else { return Err(stream::full()) };
    tokio::spawn(async move { tell(&shop, &id, after, &stream).await });
    Ok(response)
}

/// One event as it is told.
#[derive(Serialize)]
struct Told<'a> {
    r#type: &'a str,
    sequence: u32,
    timestamp: Wall,
    state: CallState,
    data: &'a Value,
}

async fn tell(shop: &Shop, id: &str, mut after: u32, stream: &Stream) {
    let mut changes = shop.store.changes();
    let mut waits = Value::Null;
    loop {
        changes.borrow_and_update();
        let owned = id.to_owned();
        let known =
            shop.store.read(move |c| Ok((requests::find(c, &owned)?, requests::events(c, &owned, after)?))).await;
        let Ok((Some(request), events)) = known else { return };
        let view = view(shop, &request);
        for event in &events {
            let kind = if event.state == CallState::Ended { "call.ended" } else { "call.state_changed" };
            let (sequence, timestamp, state) = (event.sequence, event.at, event.state);
            let Ok(data) = serde_json::to_string(&Told { r#type: kind, sequence, timestamp, state, data: &view })
            else {
                return;
            };
            if stream.event(kind, sequence.into(), &data).await.is_err() || state == CallState::Ended {
                return;
            }
            after = sequence;
        }
        waits = match view.get("wait") {
            // The place in the line has moved: the last state again, with its number.
            Some(wait) if events.is_empty() && *wait != waits && after > 0 => {
                let kind = "call.state_changed";
                let told =
                    Told { r#type: kind, sequence: after, timestamp: shop.wall(), state: request.state, data: &view };
                let Ok(data) = serde_json::to_string(&told) else { return };
                if stream.event(kind, after.into(), &data).await.is_err() {
                    return;
                }
                wait.clone()
            }
            wait => wait.cloned().unwrap_or_default(),
        };
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(QUIET) => if stream.still().await.is_err() { return },
            () = stream.gone() => return,
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn found(shop: &Shop, id: &str) -> Result<Option<Request>, StoreError> {
    let id = id.to_owned();
    shop.store.read(move |c| requests::find(c, &id)).await
}

/// An unknown call and a wrong token are one answer.
async fn followed(shop: &Shop, id: &str, token: Option<&str>) -> Result<Request, Problem> {
    let unauthorized = || Problem::new(StatusCode::UNAUTHORIZED, "the token of this call is needed");
    if !token.is_some_and(|token| may_follow(shop, id, token)) {
        return Err(unauthorized());
    }
    found(shop, id).await?.ok_or_else(unauthorized)
}

/// While it waits and nobody is called.
fn waits(shop: &Shop, request: &Request) -> Option<Wait> {
    (request.stage == Stage::Waiting && request.state == CallState::Queued).then(|| shop.hall().wait(&request.id))?
}

/// As it is told: begun minutes.
fn minutes(wait: &Wait) -> Option<u64> {
    wait.estimate.map(|time| time.as_secs().div_ceil(60).max(1))
}

/// The call as far as whoever asked for it may see it: no numbers.
fn view(shop: &Shop, request: &Request) -> Value {
    let customer = match request.state {
        CallState::Scheduled | CallState::Queued => "idle",
        CallState::CallingCustomer => "dialling",
        CallState::CallingRepresentative | CallState::Bridged => "answered",
        CallState::Ended => "ended",
    };
    let mut view = json!({
        "id": request.id,
        "business_id": shop.equipments.first().map(|one| one.business.as_str()),
        "state": request.state,
        "outcome": request.outcome,
        "customer": { "state": customer },
        "representative": Value::Null,
        "created_at": request.created_at,
        "desired_contact_time": request.desired_at,
        "bridged_at": request.bridged_at,
        "ended_at": request.ended_at,
    });
    if let (Some(wait), Some(view)) = (waits(shop, request), view.as_object_mut()) {
        let mut told = serde_json::Map::new();
        told.extend(wait.position.map(|position| ("position".to_owned(), json!(position))));
        told.extend(minutes(&wait).map(|minutes| ("estimated_minutes".to_owned(), json!(minutes))));
        view.insert("wait".to_owned(), Value::Object(told));
    }
    view
}

/// What its customer is told of a call, in a line.
pub fn words(request: &Request, wait: Option<Wait>) -> String {
    match (request.state, request.outcome) {
        (CallState::Scheduled, _) => "We will call you at the time you asked for.".to_owned(),
        (CallState::Queued, _) => {
            let about =
                wait.as_ref().and_then(minutes).map(|n| format!(" That is in about {n} min.")).unwrap_or_default();
            match wait.map(|wait| wait.position) {
                Some(Some(1)) => {
                    format!("You are next in line. Your phone will ring as soon as somebody is free.{about}")
                }
                Some(Some(place)) => {
                    format!("You are number {place} in line. Your phone will ring when it is your turn.{about}")
                }
                Some(None) => format!("You are in line. Your phone will ring when it is your turn.{about}"),
                None => "We are about to call you.".to_owned(),
            }
        }
        (CallState::CallingCustomer, _) => "Your phone is ringing: please pick up.".to_owned(),
        (CallState::CallingRepresentative, _) => "Please hold: we are connecting you.".to_owned(),
        (CallState::Bridged, _) => "You are connected.".to_owned(),
        (CallState::Ended, outcome) => match outcome {
            Some(Outcome::Completed) => "Thank you for your call.",
            Some(Outcome::Cancelled) => "The call was cancelled.",
            Some(Outcome::CustomerBusy) => "Your phone was busy.",
            Some(Outcome::CustomerNoAnswer | Outcome::CustomerMachine) => "Nobody answered your phone.",
            Some(Outcome::CustomerRejected) => "The call was declined at your phone.",
            Some(Outcome::CustomerUnreachable) => "Your phone could not be reached. Is the number right?",
            Some(Outcome::CustomerHungUp) => "You hung up before we were connected.",
            Some(Outcome::RepresentativeUnavailable) => "Nobody was free after all. Please try again.",
            _ => "We could not make the call. Please try again later.",
        }
        .to_owned(),
    }
}

/// For the page of a call.
pub fn line(shop: &Shop, request: &Request) -> String {
    words(request, waits(shop, request))
}

/// One call, for who has its token.
pub async fn with_token(shop: &Arc<Shop>, id: &str, token: &str) -> Result<Option<Request>, StoreError> {
    match may_follow(shop, id, token) {
        true => found(shop, id).await,
        false => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ViewedPage;

    fn page(url: &str, viewed: &[&str]) -> WebPage {
        let viewed = viewed.iter().map(|&url| ViewedPage { url: url.to_owned(), title: None }).collect();
        WebPage { url: url.to_owned(), title: None, viewed }
    }

    #[test]
    fn a_page_of_somebody_else_is_none_that_a_representative_may_open() {
        let host = "shop.example:8070";
        assert!(own_page(&page("http://shop.example:8070/a", &["http://shop.example:8070/"]), host).is_ok());
        for foreign in [
            "javascript:alert(1)",
            "http://evil.example/a",
            "http://shop.example:8070@evil.example/",
            "data:text/html,a",
            "//",
        ] {
            let problem = own_page(&page(foreign, &[]), host).unwrap_err();
            assert_eq!(problem.pointer.as_deref(), Some("/web_page/url"), "{foreign}");
        }
        let problem = own_page(&page("http://shop.example:8070/a", &["http://evil.example/"]), host).unwrap_err();
        assert_eq!(problem.pointer.as_deref(), Some("/web_page/viewed/0/url"));
    }

    #[test]
    fn a_time_must_be_one_and_not_over() {
        let now = Wall::parse("2026-12-01T12:00:00Z").unwrap();
        assert_eq!(desired(Some(" "), now), Ok(None));
        assert_eq!(desired(Some("2026-12-01T13:00:00+00:00"), now), Ok(Wall::parse("2026-12-01T13:00:00Z")));
        assert!(desired(Some("2026-12-01T11:58:00Z"), now).is_err() && desired(Some("tomorrow"), now).is_err());
    }
}
