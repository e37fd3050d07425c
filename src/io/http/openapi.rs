//! `/openapi.json`: the API's description (OpenAPI 3.1), made of the routes and types themselves. Owns what no route says: the
//! document's head, the security schemes, the refusals that routes share, and the forms of bodies that `message` reads field by field.
//! Refuses to describe a route by hand.

use std::collections::BTreeMap;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use bytes::Bytes;
use serde_json::json;
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, PathItem, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi, ToSchema};

use super::docs;
use super::message::{MAX_HEADER_CHARS, MAX_HEADERS, MAX_REPRESENTATIVES};
use crate::model::endpoint::MAX_ENDPOINT_BYTES;
use crate::model::{BusinessId, SupervisorMode, Wish};

/// The document without its routes: they bring their own part.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "callbridge",
        description = "A carrier's calling equipment: one message makes a customer's phone ring, tells the customer to hold, dials a \
            representative meanwhile and bridges both. Unknown fields and parameters are errors. Errors are \
            `application/problem+json` (RFC 9457)."
    ),
    tags(
        (name = "calls", description = "Place calls, see them, end them"),
        (name = "records", description = "What is left of a call: its record, its ladder, its recording"),
        (name = "supervisors", description = "A third party at a talk"),
        (name = "representatives", description = "Who is there to be called"),
        (name = "webhooks", description = "Events of calls, sent to the business: what became of them"),
        (name = "tokens", description = "Access tokens for Click to Dial (`/click-to-dial/v0.1/openapi.json`)"),
        (name = "call requests", description = "What customers' browsers ask for"),
        (name = "equipment", description = "Whether it lives")
    ),
    components(schemas(super::problem::ProblemDocument)),
    modifiers(&Credentials)
)]
pub struct Document;

/// HTTP Basic: the business identifier 804 and its password 806.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let basic = HttpBuilder::new()
            .scheme(HttpAuthScheme::Basic)
            .description(Some("Business identifier (804) and password (806)"))
            .build();
        let components = openapi.components.get_or_insert_default();
        components.security_schemes.insert(String::from("business"), SecurityScheme::Http(basic).into());
        let bearer =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The token of one call")).build();
        components.security_schemes.insert(String::from("follower"), SecurityScheme::Http(bearer).into());
    }
}

fn problem(description: &str) -> RefOr<Response> {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    RefOr::T(ResponseBuilder::new().description(description).content("application/problem+json", content).build())
}

/// One set of refusals, by status.
macro_rules! refusals {
    ($(#[$meta:meta])* $name:ident { $($status:literal: $description:literal,)+ }) => {
        $(#[$meta])*
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                BTreeMap::from([$((String::from($status), problem($description)),)+])
            }
        }
    };
}

refusals! {
    /// What any request of a business may meet.
    Asking {
        "400": "Malformed: a header, a parameter or the path",
        "401": "No such business, or another password",
        "403": "The account is disabled, or its requests come from other addresses or with another certificate",
        "429": "Too many wrong passwords came from this address; see `Retry-After`",
        "503": "Not available now; see `Retry-After`",
    }
}

refusals! {
    /// What a request about one call may meet besides.
    OfOneCall {
        "404": "This business has no such call",
    }
}

refusals! {
    /// What any request of a customer's browser may meet.
    FromBrowser {
        "400": "Malformed: a header, a parameter or the path",
        "503": "Not available now; see `Retry-After`",
    }
}

refusals! {
    /// What a body may meet.
    WithBody {
        "408": "The body came too slowly",
        "413": "The body is larger than 64 KiB",
        "415": "Not `application/json`",
        "422": "A number or a time that cannot be, or the `Idempotency-Key` of another message",
    }
}

refusals! {
    /// What any request of an operator may meet.
    Administering {
        "400": "Malformed: a header, a parameter, the path or the body",
        "401": "No such operator, another password, or a session that is over",
        "403": "This operator may only read",
        "429": "Too many wrong passwords came from this address; see `Retry-After`",
        "503": "Not available now; see `Retry-After`",
    }
}

refusals! {
    /// What a request about one account may meet besides.
    OfOneAccount {
        "404": "There is no such business, or nothing of this name",
    }
}

refusals! {
    /// What a request with `If-Match` may meet.
    WithVersion {
        "412": "The account was changed meanwhile",
    }
}

refusals! {
    /// What a request that has no body may meet by one.
    Bodiless {
        "408": "The body came too slowly",
        "413": "The body is larger than 64 KiB",
    }
}

/// The customer service call initiation message (Fig. 8).
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "the form is read field by field, with every error at once; this is its description")]
#[schema(as = InitiationMessage)]
pub struct InitiationForm {
    /// 804. Here or by HTTP Basic; if both, they must agree.
    #[schema(nullable)]
    business_id: Option<BusinessId>,
    /// 806. Here or by HTTP Basic; if both, they must agree.
    #[schema(nullable)]
    password: Option<String>,
    /// 810: E.164 number, `tel:`, `sip:` or `sips:` URI, or IP address.
    #[schema(min_length = 1, max_length = 256, example = "+12125550100")]
    customer: String,
    /// 812: the same, or a list of them to hunt in order.
    #[schema(schema_with = representative)]
    representative: Option<String>,
    /// 814: RFC 3339. Absent, null or empty: as soon as possible.
    #[schema(example = "2026-11-24T13:30:00-05:00")]
    desired_contact_time: Option<String>,
    /// Between which moments the customer may be called.
    #[schema(inline)]
    contact_window: Option<WindowForm>,
    /// RFC 3339: a call that was not placed by then ends `expired`. Absent, null or empty: as the account has it.
    #[schema(example = "2026-11-24T20:00:00-05:00")]
    expires_at: Option<String>,
    /// How it is tried again, where the customer is not reached: never oftener or sooner than the account has it.
    #[schema(inline)]
    retry: Option<RetryForm>,
    /// Spoken in the message; absent: the business's registered name.
    #[schema(
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$",
        min_length = 1,
        max_length = 80
    )]
    company_name: Option<String>,
    /// 706: the page the customer was on.
    #[schema(inline)]
    web_page: Option<WebPageForm>,
    /// 710.
    #[schema(
        pattern = "^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f]*$",
        min_length = 1,
        max_length = 1000
    )]
    note: Option<String>,
    /// Your own identifier of this call, kept in the record.
    #[schema(
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$",
        min_length = 1,
        max_length = 128
    )]
    reference: Option<String>,
    /// One of your verified numbers.
    #[schema(min_length = 1, max_length = 256)]
    caller_id: Option<String>,
    /// Those who are called see no number.
    withhold_caller_id: Option<bool>,
    /// In which language the parties are spoken to, such as `de` or `pt-BR`.
    #[schema(pattern = "^[A-Za-z]{2,3}(-[A-Za-z]{2})?$")]
    language: Option<String>,
    /// Record the talk, where the account lets it.
    record: Option<bool>,
    /// SIP header fields for the INVITEs of this call, at most 16, values of at most 256 characters.
    #[schema(schema_with = headers)]
    headers: Option<BTreeMap<String, String>>,
}

/// Two moments, or two times of the day: then it is the next time that it is so there.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description")]
#[schema(as = ContactWindowWish)]
pub struct WindowForm {
    /// RFC 3339, or a time of the day such as `17:00`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$", example = "17:00")]
    from: String,
    /// The same; the first moment behind the window.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$", example = "19:00")]
    to: String,
    /// Whose clock, with times of the day; absent: that of the customer's number.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$", example = "Europe/Berlin")]
    zone: Option<String>,
}

/// How a call is tried again; what is not given is as the account has it.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description")]
#[schema(as = RetryWish)]
pub struct RetryForm {
    /// Tries in all, the first included.
    #[schema(minimum = 1, maximum = 10)]
    max_tries: Option<u8>,
    /// Seconds from a busy line to the next try: the first again, the second again and so on, the last for all beyond; empty: none again.
    #[schema(max_items = 9)]
    busy_seconds: Option<Vec<WaitForm>>,
    /// The same where nobody answered.
    #[schema(max_items = 9)]
    no_answer_seconds: Option<Vec<WaitForm>>,
    /// The same where a machine answered and was hung up.
    #[schema(max_items = 9)]
    machine_seconds: Option<Vec<WaitForm>>,
}

/// Seconds between two tries, to seven days.
#[derive(ToSchema)]
#[allow(dead_code, reason = "a description")]
#[schema(as = RetryWait, minimum = 1, maximum = 604_800)]
pub struct WaitForm(u32);

/// Web page information 706.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description")]
#[schema(as = WebPage)]
pub struct WebPageForm {
    /// Its address.
    #[schema(pattern = "^https?://[^\\s\\x00-\\x1f\\x7f-\\x9f]+$", min_length = 1, max_length = 2048)]
    url: String,
    /// Its title.
    #[schema(
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$",
        min_length = 1,
        max_length = 300
    )]
    title: Option<String>,
    /// Pages that were seen before, the latest last.
    #[schema(inline, max_items = 10)]
    viewed: Option<Vec<ViewedPageForm>>,
}

/// A page that was seen before.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description")]
#[schema(as = ViewedPage)]
pub struct ViewedPageForm {
    /// Its address.
    #[schema(pattern = "^https?://[^\\s\\x00-\\x1f\\x7f-\\x9f]+$", min_length = 1, max_length = 2048)]
    url: String,
    /// Its title.
    #[schema(
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$",
        min_length = 1,
        max_length = 300
    )]
    title: Option<String>,
}

/// Somebody who is to take part in a talk.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description")]
#[schema(as = SupervisorMessage)]
pub struct SupervisorForm {
    /// Here or by HTTP Basic.
    business_id: Option<BusinessId>,
    /// Here or by HTTP Basic.
    password: Option<String>,
    /// Whom to dial.
    #[schema(min_length = 1, max_length = 256)]
    supervisor: String,
    /// How it takes part.
    mode: SupervisorMode,
}

/// Another mode.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description")]
#[schema(as = SupervisorChange)]
pub struct ModeForm {
    /// Here or by HTTP Basic.
    business_id: Option<BusinessId>,
    /// Here or by HTTP Basic.
    password: Option<String>,
    /// How it takes part from now on.
    mode: SupervisorMode,
}

/// A representative's word.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description")]
#[schema(as = Session)]
pub struct SessionForm {
    /// Here or by HTTP Basic.
    business_id: Option<BusinessId>,
    /// Here or by HTTP Basic.
    password: Option<String>,
    /// What they want.
    state: Wish,
    /// Without another word within this they are logged off; a talk goes on.
    #[schema(minimum = 1, maximum = 86_400, default = 90)]
    lease_seconds: Option<u32>,
}

fn schema(value: serde_json::Value) -> RefOr<utoipa::openapi::schema::Schema> {
    // What stands in this file parses; a test reads the document.
    serde_json::from_value(value).unwrap_or_else(|_| RefOr::Ref(Ref::from_schema_name("Problem")))
}

fn representative() -> RefOr<utoipa::openapi::schema::Schema> {
    let one = json!({ "type": "string", "minLength": 1, "maxLength": MAX_ENDPOINT_BYTES });
    schema(json!({ "oneOf": [
        one,
        { "type": "array", "items": one, "minItems": 1, "maxItems": MAX_REPRESENTATIVES },
        { "type": "null" }
    ] }))
}

fn headers() -> RefOr<utoipa::openapi::schema::Schema> {
    schema(json!({
        "type": ["object", "null"], "maxProperties": MAX_HEADERS,
        "additionalProperties": { "type": "string", "maxLength": MAX_HEADER_CHARS }
    }))
}

/// A parameter is there or is not: it is never `null`, as a field of an object may be.
pub fn without_null_parameters(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    for item in document.paths.paths.values_mut() {
        let PathItem { get, put, post, delete, options, head, patch, trace, .. } = item;
        let operations = [get, put, post, delete, options, head, patch, trace].into_iter().flatten();
        for parameter in operations.flat_map(|operation| &mut operation.parameters).flatten() {
            if let RefOr::T(parameter) = parameter {
                parameter.schema.iter_mut().for_each(without_null);
            }
        }
    }
    document
}

fn without_null(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            if let SchemaType::Array(types) = &mut object.schema_type {
                types.retain(|kind| *kind != Type::Null);
                if let [one] = types.as_slice() {
                    object.schema_type = SchemaType::Type(one.clone());
                }
            }
        }
        RefOr::T(Schema::OneOf(choices)) => {
            let null = |choice: &RefOr<Schema>| match choice {
                RefOr::T(Schema::Object(object)) => object.schema_type == SchemaType::Type(Type::Null),
                _ => false,
            };
            if let Some(only) = choices.items.iter().find(|choice| !null(choice)).cloned() {
                *schema = only;
            }
        }
        _ => {}
    }
}

/// A description for programs, at a path.
pub fn route(path: &str, document: &utoipa::openapi::OpenApi) -> Router {
    let json = Bytes::from(document.to_json().unwrap_or_default());
    let description = get(move || {
        let json = json.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], json) }
    });
    Router::new().route(path, description)
}

/// The description's own routes: for programs, and for people.
pub fn routes(document: &utoipa::openapi::OpenApi) -> Router {
    let page = Bytes::from(docs::page(document));
    let readable = get(move || {
        let page = page.clone();
        async move { (docs::HEADERS, page) }
    });
    route("/openapi.json", document).route("/docs", readable)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::io::http::message::{
        MAX_COMPANY_CHARS, MAX_NOTE_CHARS, MAX_REFERENCE_CHARS, MAX_TITLE_CHARS, MAX_URL_CHARS,
    };

    /// `UPDATE_OPENAPI=1 cargo test --lib openapi` writes it anew.
    #[test]
    fn the_description_is_the_one_that_partners_were_given() {
        for (file, document) in [
            ("docs/openapi.json", crate::io::http::document()),
            ("docs/admin-openapi.json", crate::io::http::admin::document()),
        ] {
            let text = document.to_pretty_json().unwrap() + "\n";
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            if std::env::var_os("UPDATE_OPENAPI").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(kept == text, "{file} is not what the code says: run UPDATE_OPENAPI=1 cargo test --lib openapi");
        }
    }

    #[test]
    fn bounds_in_the_description_are_those_of_the_code() {
        let document = serde_json::to_value(crate::io::http::document()).unwrap();
        let fields = &document["components"]["schemas"]["InitiationMessage"]["properties"];
        let pages = &fields["web_page"]["oneOf"][0]["properties"];
        for (field, most) in [
            (&fields["customer"], MAX_ENDPOINT_BYTES),
            (&fields["company_name"], MAX_COMPANY_CHARS),
            (&fields["note"], MAX_NOTE_CHARS),
            (&fields["reference"], MAX_REFERENCE_CHARS),
            (&pages["url"], MAX_URL_CHARS),
            (&pages["title"], MAX_TITLE_CHARS),
        ] {
            assert_eq!(field["maxLength"], most, "{field}");
        }
        let list = &fields["representative"]["oneOf"][1];
        assert_eq!(list["maxItems"], MAX_REPRESENTATIVES);
    }

    #[test]
    fn every_operation_says_what_it_does_and_how_it_may_fail() {
        for document in [crate::io::http::document(), crate::io::http::admin::document()] {
            let document = serde_json::to_value(document).unwrap();
            for (path, methods) in document["paths"].as_object().unwrap() {
                for (method, operation) in methods.as_object().unwrap() {
                    assert!(!operation["summary"].as_str().unwrap_or_default().is_empty(), "{method} {path}");
                    assert!(!operation["tags"].as_array().unwrap().is_empty(), "{method} {path}");
                    let answers = operation["responses"].as_object().unwrap();
                    assert!(answers.keys().any(|status| status.starts_with('4')), "{method} {path}");
                }
            }
        }
    }

    #[test]
    fn an_operation_has_a_name_of_its_own() {
        let document = serde_json::to_value(crate::io::http::document()).unwrap();
        let paths = document["paths"].as_object().unwrap().values();
        let operations = paths.flat_map(|methods| methods.as_object().unwrap().values());
        let mut names: Vec<&str> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn the_page_for_people_shows_every_operation_and_runs_nothing() {
        let document = crate::io::http::document();
        let page = docs::page(&document);
        for path in document.paths.paths.keys() {
            assert!(page.contains(path.as_str()), "{path}");
        }
        assert!(!page.contains("<script") && !page.contains("src="), "nothing is loaded");
    }
}
