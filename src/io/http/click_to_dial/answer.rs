//! How Click to Dial answers: its error body `{status, code, message}`, whatever goes wrong and wherever, and the `x-correlator` that every
//! answer gives back. Owns which code stands for which refusal; refuses to decide what is refused.

use axum::http::{HeaderName, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::io::http::problem::{Problem, Told};

/// Every path of this interface begins so.
pub const PREFIX: &str = "/click-to-dial/";
const CORRELATOR: HeaderName = HeaderName::from_static("x-correlator");
/// Characters of `x-correlator`.
const MAX_CORRELATOR: usize = 256;
/// Characters of `message`.
const MAX_MESSAGE_CHARS: usize = 512;

/// An error as it is sent (CAMARA's `ErrorInfo`).
#[derive(Serialize, ToSchema)]
pub struct ErrorInfo {
    /// The HTTP status.
    #[schema(minimum = 100, maximum = 599)]
    status: u16,
    /// The kind.
    #[schema(max_length = 96)]
    code: &'static str,
    /// What is wrong here.
    #[schema(max_length = 512)]
    message: String,
}

/// A refusal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    status: StatusCode,
    code: &'static str,
    message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refused {
    /// With a code of its own.
    pub fn of(status: StatusCode, code: &'static str, message: impl Into<String>) -> Refused {
        Refused { status, code, message: message.into(), headers: Vec::new() }
    }

    /// 400: not what the interface describes.
    pub fn malformed(message: impl Into<String>) -> Refused {
        Refused::of(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", message)
    }

    /// 404.
    pub fn not_found(message: &'static str) -> Refused {
        Refused::of(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    /// 409: the one code that the interface has for it.
    pub fn conflict(message: &'static str) -> Refused {
        Refused::of(StatusCode::CONFLICT, "ALREADY_EXISTS", message)
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// The code.
    pub fn code(&self) -> &'static str {
        self.code
    }
}

/// The codes of CAMARA_common.yaml, and for a party that cannot be had those of click-to-dial.yaml. Destinations that are not served are 422
/// here, because 403 speaks of the token.
impl From<Problem> for Refused {
    fn from(problem: Problem) -> Refused {
        let Told { status, detail, pointers, headers } = problem.told();
        let at = |name: &str| pointers.iter().any(|pointer| pointer.starts_with(name));
        let unprocessable = matches!(status, StatusCode::FORBIDDEN | StatusCode::UNPROCESSABLE_ENTITY);
        let (status, code) = if unprocessable && at("/customer") {
            (StatusCode::UNPROCESSABLE_ENTITY, "CALLER_NOT_AVAILABLE")
        } else if unprocessable && at("/representative") {
            (StatusCode::UNPROCESSABLE_ENTITY, "CALLEE_NOT_AVAILABLE")
        } else if unprocessable && at("/record") {
            (StatusCode::UNPROCESSABLE_ENTITY, "RECORDING_NOT_SUPPORTED")
        } else {
            (status, code_of(status))
        };
        Refused { status, code, message: detail, headers }
    }
}

fn code_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        405 => "METHOD_NOT_ALLOWED",
        408 | 504 => "TIMEOUT",
        409 => "ALREADY_EXISTS",
        413 => "PAYLOAD_TOO_LARGE",
        415 => "UNSUPPORTED_MEDIA_TYPE",
        422 => "SERVICE_NOT_APPLICABLE",
        429 => "TOO_MANY_REQUESTS",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let message = self.message.chars().take(MAX_MESSAGE_CHARS).collect();
        let body = ErrorInfo { status: self.status(), code: self.code(), message };
        let json = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/json")], json).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

/// What a request of this interface has for an `x-correlator`.
pub enum Correlator {
    /// None, or an empty one.
    Absent,
    /// To be given back.
    Given(HeaderValue),
    /// Not of its form: 400.
    Malformed,
}

impl Correlator {
    /// Of a request to this interface; absent: of another.
    pub fn of<B>(request: &Request<B>) -> Option<Correlator> {
        if !request.uri().path().starts_with(PREFIX) {
            return None;
        }
        let mut values = request.headers().get_all(CORRELATOR).iter();
        Some(match (values.next(), values.next()) {
            (None, _) => Correlator::Absent,
            (Some(value), None) if value.is_empty() => Correlator::Absent,
            (Some(value), None) if fits(value.as_bytes()) => Correlator::Given(value.clone()),
            (Some(_), _) => Correlator::Malformed,
        })
    }

    /// The answer in this interface's form, whoever gave it.
    pub fn dress(self, mut response: Response) -> Response {
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            response = in_form(response, problem);
        }
        if let Correlator::Given(value) = self {
            response.headers_mut().insert(CORRELATOR, value);
        }
        response
    }
}

/// What was refused by what surrounds every route, such as an `Allow` for another method, keeps its headers.
fn in_form(response: Response, problem: Problem) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    let mut dressed = Refused::from(problem).into_response();
    for (name, value) in &parts.headers {
        dressed.headers_mut().insert(name, value.clone());
    }
    dressed
}

/// `^[a-zA-Z0-9-_:;.\/<>{}]{0,256}$`
fn fits(value: &[u8]) -> bool {
    let letter = |b: &u8| b.is_ascii_alphanumeric() || b"-_:;./<>{}".contains(b);
    value.len() <= MAX_CORRELATOR && value.iter().all(letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::api::Refusal;

    #[test]
    fn what_the_engine_refuses_has_the_codes_of_the_interface() {
        for (refusal, status, code) in [
            (Refusal::DestinationBarred { pointer: "/customer".into() }, 422, "CALLER_NOT_AVAILABLE"),
            (Refusal::DestinationBarred { pointer: "/representative".into() }, 422, "CALLEE_NOT_AVAILABLE"),
            (Refusal::RecordingBarred, 422, "RECORDING_NOT_SUPPORTED"),
            (Refusal::Duplicate, 409, "ALREADY_EXISTS"),
            (Refusal::Disabled, 403, "PERMISSION_DENIED"),
            (Refusal::RateExceeded { retry_after: 1 }, 429, "TOO_MANY_REQUESTS"),
            (Refusal::Unavailable { retry_after: 1, why: "x" }, 503, "UNAVAILABLE"),
            (Refusal::TooFar, 422, "SERVICE_NOT_APPLICABLE"),
        ] {
            let refused = Refused::from(Problem::from(refusal.clone()));
            assert_eq!((refused.status(), refused.code()), (status, code), "{refusal:?}");
        }
    }

    #[test]
    fn a_correlator_has_the_letters_of_the_interface() {
        for good in ["b4333c46-49c0-4f62-80d7-f0ef930f1c46", "a_b:c;d.e/f<g>h{i}", &"x".repeat(256)] {
            assert!(fits(good.as_bytes()), "{good}");
        }
        for bad in ["a b", "a,b", "a\"b", "ä", &"x".repeat(257)] {
            assert!(!fits(bad.as_bytes()), "{bad}");
        }
    }
}
