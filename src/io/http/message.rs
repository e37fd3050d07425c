//! The initiation message of Fig. 8, from JSON to the typed message: every field's form and bound, all errors at once.
//!
//! Owns the raw form. A missing, unknown or ill-typed field is 400; a number or a time that cannot be is 422. Refuses to judge
//! whether the call is allowed. What is signed off here has no control characters in it and is bounded.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use ring::digest;

use super::credentials::InMessage;
use super::json::{self, Json};
use super::problem::{FieldError, Problem};
use crate::clock::Wall;
use crate::io::passwords::Password;
use crate::model::header_name::may_be_set;
use crate::model::language::NoLanguage;
use crate::model::{BusinessId, Endpoint, InitiationMessage, Language, SupervisorMode, WebPage};

/// Most representatives to be hunted.
pub const MAX_REPRESENTATIVES: usize = 16;
/// Characters of `company_name`.
pub const MAX_COMPANY_CHARS: usize = 80;
/// Characters of `note`.
pub const MAX_NOTE_CHARS: usize = 1000;
/// Characters of `reference`.
pub const MAX_REFERENCE_CHARS: usize = 128;
/// Characters of `web_page.url`.
pub const MAX_URL_CHARS: usize = 2048;
/// Characters of `web_page.title`.
pub const MAX_TITLE_CHARS: usize = 300;
/// Members of `headers`.
pub const MAX_HEADERS: usize = 16;
/// Characters of one value of `headers`.
pub const MAX_HEADER_CHARS: usize = 256;
/// A desired contact time may have passed by so much: clocks differ and requests take time. It means now.
pub const PAST_TOLERANCE: Duration = Duration::from_secs(60);

/// A body that is an object; its sender taken out, its fields not yet judged.
#[derive(Clone, Debug)]
pub struct RawMessage {
    /// Whom it says it comes from.
    pub sender: InMessage,
    fields: BTreeMap<String, Json>,
}

impl RawMessage {
    /// Reads a body: 400 when it is no JSON object, or its sender is ill-typed.
    pub fn parse(body: &[u8]) -> Result<RawMessage, Problem> {
        let json = json::parse(body).map_err(|error| Problem::malformed(error.to_string()))?;
        let Json::Object(mut fields) = json else {
            return Err(Problem::malformed("the message must be a JSON object").at(""));
        };
        let mut take = |name: &str| match fields.remove(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::malformed("must be a string").at(format!("/{name}"))),
        };
        let (password, business) = (take("password")?.map(Password::new), take("business_id")?);
        Ok(RawMessage { sender: InMessage { business, password }, fields })
    }

    /// Hex SHA-256 of the message in one canonical form, without its sender: the same for any order and spacing, and whether
    /// the sender was named here or by HTTP Basic.
    pub fn body_hash(&self) -> String {
        let mut text = Vec::with_capacity(512);
        Json::Object(self.fields.clone()).write_canonical(&mut text);
        digest::digest(&digest::SHA256, &text).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Judges every field; a desired contact time against `now`.
    pub fn judge(self, business_id: BusinessId, now: Wall) -> Result<InitiationMessage, Problem> {
        let mut fields = Fields { left: self.fields, errors: Vec::new(), malformed: false };
        let customer = fields.required("customer").and_then(|json| fields.endpoint("/customer", json));
        let message = InitiationMessage {
            business_id,
            representatives: fields.representatives(),
            desired_contact_time: fields.time("desired_contact_time", now),
            company_name: fields.text("company_name", MAX_COMPANY_CHARS, Lines::One),
            web_page: fields.web_page(),
            note: fields.text("note", MAX_NOTE_CHARS, Lines::Many),
            reference: fields.text("reference", MAX_REFERENCE_CHARS, Lines::One),
            caller_id: fields.optional("caller_id").and_then(|json| fields.endpoint("/caller_id", json)),
            withhold_caller_id: fields.flag("withhold_caller_id"),
            language: fields.language(),
            record: fields.flag("record"),
            headers: fields.headers(),
            idempotency: None,
            // Only reached with a customer: without one there is an error below.
            customer: customer.unwrap_or(Endpoint::Ip(std::net::Ipv4Addr::UNSPECIFIED.into(), None)),
        };
        fields.finish().map(|()| message)
    }
}

/// Who is to take part in a talk, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SupervisorMessage {
    /// Whom to dial.
    pub address: Endpoint,
    /// How it takes part.
    pub mode: SupervisorMode,
}

impl RawMessage {
    /// `{supervisor, mode}`: both required.
    pub fn invitation(self) -> Result<SupervisorMessage, Problem> {
        let mut fields = Fields { left: self.fields, errors: Vec::new(), malformed: false };
        let address = fields.required("supervisor").and_then(|json| fields.endpoint("/supervisor", json));
        let mode = fields.mode();
        let read = address.zip(mode).map(|(address, mode)| SupervisorMessage { address, mode });
        fields.finish()?;
        read.ok_or_else(|| Problem::malformed("supervisor and mode are needed"))
    }

    /// `{mode}`.
    pub fn change(self) -> Result<SupervisorMode, Problem> {
        let mut fields = Fields { left: self.fields, errors: Vec::new(), malformed: false };
        let mode = fields.mode();
        fields.finish()?;
        mode.ok_or_else(|| Problem::malformed("mode is needed"))
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Lines {
    One,
    Many,
}

struct Fields {
    left: BTreeMap<String, Json>,
    errors: Vec<FieldError>,
    malformed: bool,
}

impl Fields {
    fn malformed(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.malformed = true;
        self.errors.push(FieldError { pointer: pointer.into(), detail: detail.into() });
    }

    fn impossible(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.errors.push(FieldError { pointer: pointer.into(), detail: detail.into() });
    }

    /// Absent and null are the same.
    fn optional(&mut self, name: &str) -> Option<Json> {
        self.left.remove(name).filter(|json| *json != Json::Null)
    }

    fn required(&mut self, name: &str) -> Option<Json> {
        let found = self.optional(name);
        if found.is_none() {
            self.malformed(format!("/{name}"), "required");
        }
        found
    }

    fn string(&mut self, pointer: &str, json: Json) -> Option<String> {
        match json {
            Json::Text(text) => Some(text),
            other => {
                self.malformed(pointer, format!("must be a string, not {}", other.kind()));
                None
            }
        }
    }

    fn endpoint(&mut self, pointer: &str, json: Json) -> Option<Endpoint> {
        let text = self.string(pointer, json)?;
        match Endpoint::parse(&text) {
            Ok(endpoint) => Some(endpoint),
            Err(error) => {
                self.impossible(pointer, error.to_string());
                None
            }
        }
    }

    /// A language for which there are no texts is no error: the default is spoken.
    fn language(&mut self) -> Option<Language> {
        let json = self.optional("language")?;
        let text = self.string("/language", json)?;
        match text.parse() {
            Ok(language) => Some(language),
            Err(error) => {
                let error: NoLanguage = error;
                self.malformed("/language", error.to_string());
                None
            }
        }
    }

    fn representatives(&mut self) -> Vec<Endpoint> {
        let items = match self.optional("representative") {
            None => return Vec::new(),
            Some(Json::List(items)) => items,
            Some(one) => return self.endpoint("/representative", one).into_iter().collect(),
        };
        if items.is_empty() || items.len() > MAX_REPRESENTATIVES {
            self.malformed("/representative", format!("a list of 1 to {MAX_REPRESENTATIVES}"));
            return Vec::new();
        }
        let numbered = items.into_iter().enumerate();
        numbered.filter_map(|(n, item)| self.endpoint(&format!("/representative/{n}"), item)).collect()
    }

    fn time(&mut self, name: &str, now: Wall) -> Option<Wall> {
        let pointer = format!("/{name}");
        let json = self.optional(name)?;
        let text = self.string(&pointer, json)?;
        if text.is_empty() {
            return None;
        }
        match Wall::parse(&text) {
            None => self.impossible(pointer, "not an RFC 3339 time such as 2026-11-24T14:30:00+01:00"),
            Some(at) if at + PAST_TOLERANCE < now => self.impossible(pointer, "this time has passed"),
            good => return good,
        }
        None
    }

    fn text(&mut self, name: &str, most: usize, lines: Lines) -> Option<String> {
        let json = self.optional(name)?;
        self.bounded(&format!("/{name}"), json, most, lines)
    }

    fn bounded(&mut self, pointer: &str, json: Json, most: usize, lines: Lines) -> Option<String> {
        let text = self.string(pointer, json)?;
        let control = |c: char| c.is_control() && !(lines == Lines::Many && matches!(c, '\n' | '\r' | '\t'));
        if text.trim().is_empty() {
            self.malformed(pointer, "empty; leave it out");
        } else if text.chars().count() > most {
            self.malformed(pointer, format!("longer than {most} characters"));
        } else if text.chars().any(control) {
            self.malformed(pointer, "holds a control character");
        } else {
            return Some(text);
        }
        None
    }

    fn mode(&mut self) -> Option<SupervisorMode> {
        let json = self.required("mode")?;
        let mode = SupervisorMode::parse(&self.string("/mode", json)?);
        if mode.is_none() {
            self.malformed("/mode", "listen, whisper or join");
        }
        mode
    }

    /// Absent is false.
    fn flag(&mut self, name: &str) -> bool {
        match self.optional(name) {
            None => false,
            Some(Json::Bool(flag)) => flag,
            Some(other) => {
                self.malformed(format!("/{name}"), format!("must be a boolean, not {}", other.kind()));
                false
            }
        }
    }

    /// Names that nobody but the stack may set are refused here; whether a switch takes a name is the engine's to say.
    fn headers(&mut self) -> Vec<(String, String)> {
        let members = match self.optional("headers") {
            None => return Vec::new(),
            Some(Json::Object(members)) => members,
            Some(other) => {
                self.malformed("/headers", format!("must be an object, not {}", other.kind()));
                return Vec::new();
            }
        };
        if members.len() > MAX_HEADERS {
            self.malformed("/headers", format!("more than {MAX_HEADERS} header fields"));
            return Vec::new();
        }
        let mut headers: Vec<(String, String)> = Vec::new();
        for (name, value) in members {
            let pointer = format!("/headers/{}", escape(&name));
            if !may_be_set(&name) {
                self.malformed(pointer, "not a header field that a message may set");
            } else if headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
                self.malformed(pointer, "the same header field twice");
            } else if let Some(value) = self.bounded(&pointer, value, MAX_HEADER_CHARS, Lines::One) {
                headers.push((name, value));
            }
        }
        headers
    }

    fn web_page(&mut self) -> Option<WebPage> {
        let mut page = match self.optional("web_page")? {
            Json::Object(page) => page,
            other => {
                self.malformed("/web_page", format!("must be an object, not {}", other.kind()));
                return None;
            }
        };
        let url = page.remove("url").filter(|json| *json != Json::Null);
        let title = page.remove("title").filter(|json| *json != Json::Null);
        let title = title.and_then(|json| self.bounded("/web_page/title", json, MAX_TITLE_CHARS, Lines::One));
        for name in page.into_keys() {
            self.malformed(format!("/web_page/{}", escape(&name)), "unknown field");
        }
        let Some(url) = url else {
            self.malformed("/web_page/url", "required");
            return None;
        };
        let url = self.bounded("/web_page/url", url, MAX_URL_CHARS, Lines::One)?;
        let after_scheme = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        if after_scheme.is_none_or(str::is_empty) || url.contains(char::is_whitespace) {
            self.malformed("/web_page/url", "not an http or https address");
            return None;
        }
        Some(WebPage { url, title })
    }

    fn finish(mut self) -> Result<(), Problem> {
        for name in std::mem::take(&mut self.left).into_keys() {
            self.malformed(format!("/{}", escape(&name)), "unknown field");
        }
        if self.errors.is_empty() {
            return Ok(());
        }
        self.errors.truncate(32);
        let (status, detail) = match self.malformed {
            true => (StatusCode::BAD_REQUEST, "fields are missing, unknown or malformed"),
            false => (StatusCode::UNPROCESSABLE_ENTITY, "a number or a time cannot be accepted"),
        };
        Err(Problem::of(status, detail).with_errors(self.errors))
    }
}

/// RFC 6901 §3, and bounded: the name is a stranger's.
fn escape(name: &str) -> String {
    name.chars().take(64).collect::<String>().replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judge(text: &str) -> Result<InitiationMessage, Problem> {
        let now = Wall::parse("2026-11-24T14:00:00Z").unwrap();
        RawMessage::parse(text.as_bytes())?.judge("abc".parse().unwrap(), now)
    }

    fn body(problem: &Problem) -> String {
        format!("{problem:?}")
    }

    #[test]
    fn the_message_of_figure_8_is_read_whole() {
        let message = judge(
            r#"{"business_id":"abc","password":"p","customer":"+1 212 555 0100","representative":["tel:+12125550101;ext=7","192.0.2.7"],
                "desired_contact_time":"2026-11-24T15:30:00+01:00","company_name":"ABC","web_page":{"url":"https://abc.example/shoes","title":"Shoes"},
                "note":"red ones\nplease","reference":"order 7","caller_id":"+12125550199"}"#,
        )
        .unwrap();
        assert_eq!(message.customer.to_string(), "+12125550100");
        assert_eq!(message.representatives.len(), 2);
        assert_eq!(message.desired_contact_time, Wall::parse("2026-11-24T14:30:00Z"));
        assert_eq!(message.web_page.unwrap().title.as_deref(), Some("Shoes"));
    }

    #[test]
    fn absent_null_and_empty_times_mean_now() {
        for time in ["", r#","desired_contact_time":null"#, r#","desired_contact_time":"""#] {
            let text = format!(r#"{{"customer":"+12125550100"{time}}}"#);
            assert_eq!(judge(&text).unwrap().desired_contact_time, None, "{text}");
        }
        assert!(judge(r#"{"customer":"+12125550100","desired_contact_time":"2026-11-24T13:59:30Z"}"#).is_ok());
        let late = judge(r#"{"customer":"+12125550100","desired_contact_time":"2026-11-24T13:58:00Z"}"#).unwrap_err();
        assert_eq!(late.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }

    #[test]
    fn every_wrong_field_is_named_at_once_and_malformed_wins_over_impossible() {
        let both = judge(
            r#"{"customer":"+1212555010","representative":["+12125550101",5],"colour":"red","company_name":"a\u0007"}"#,
        );
        let both = both.unwrap_err();
        assert_eq!(both.status(), StatusCode::BAD_REQUEST);
        for pointer in ["\"/customer\"", "\"/representative/1\"", "\"/colour\"", "\"/company_name\""] {
            assert!(body(&both).contains(pointer), "{pointer}");
        }
        let numbers =
            judge(r#"{"customer":"+1212555010","representative":"12","desired_contact_time":"soon"}"#).unwrap_err();
        assert_eq!(numbers.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(judge("{}").unwrap_err().status(), StatusCode::BAD_REQUEST);
        assert_eq!(
            judge(r#"{"customer":"+12125550100","representative":[]}"#).unwrap_err().status(),
            StatusCode::BAD_REQUEST
        );
        for page in [r#"{}"#, r#"{"url":"ftp://x"}"#, r#"{"url":"https://x","x":1}"#, r#""https://x""#] {
            let text = format!(r#"{{"customer":"+12125550100","web_page":{page}}}"#);
            assert_eq!(judge(&text).unwrap_err().status(), StatusCode::BAD_REQUEST, "{text}");
        }
    }

    #[test]
    fn header_fields_are_read_and_those_of_the_stack_are_refused() {
        let message = |headers: &str| judge(&format!(r#"{{"customer":"+12125550100","headers":{headers}}}"#));
        let uui = "56a390f3d2b7310023a2;encoding=hex;purpose=foo";
        let good = message(&format!(r#"{{"X-Order":"321","User-to-User":"{uui}"}}"#)).unwrap();
        assert_eq!(good.headers, [("User-to-User".into(), uui.into()), ("X-Order".into(), "321".to_owned())]);
        let many: Vec<String> = (0..17).map(|n| format!(r#""X-{n}":"1""#)).collect();
        let many = format!("{{{}}}", many.join(","));
        for bad in [
            r#"[]"#,
            r#"{"Via":"x"}"#,
            r#"{"X-A":5}"#,
            r#"{"X-A":"a\r\nVia: x"}"#,
            r#"{"X A":"1"}"#,
            r#"{"X-A":"1","x-a":"2"}"#,
            &format!(r#"{{"X-A":"{}"}}"#, "1".repeat(257)),
            &many,
        ] {
            assert_eq!(message(bad).unwrap_err().status(), StatusCode::BAD_REQUEST, "{bad}");
        }
        assert!(message(r#"{},"withhold_caller_id":true"#).unwrap().withhold_caller_id);
        assert!(message(r#"{},"withhold_caller_id":"yes""#).is_err());
    }

    #[test]
    fn the_body_hash_knows_neither_password_nor_order() {
        let hash = |text: &str| RawMessage::parse(text.as_bytes()).unwrap().body_hash();
        let one = hash(r#"{"business_id":"a","password":"p","customer":"+12125550100","note":"x"}"#);
        assert_eq!(one, hash(r#"{"note":"x", "customer":"+12125550100"}"#));
        assert_ne!(one, hash(r#"{"note":"y", "customer":"+12125550100"}"#));
        assert_eq!(one.len(), 64);
    }

    proptest! {
        #[test]
        fn any_object_of_ours_is_judged_without_panic(
            name in prop_oneof![Just("customer"), Just("representative"), Just("desired_contact_time"), Just("web_page"), Just("note"), Just("x")],
            value in prop_oneof![
                any::<String>().prop_map(serde_json::Value::from),
                any::<i64>().prop_map(serde_json::Value::from),
                proptest::collection::vec("[+0-9a-z:@.]{0,20}", 0..20).prop_map(serde_json::Value::from),
                Just(serde_json::json!({"url": "https://x", "title": 4})),
                Just(serde_json::Value::Null),
            ],
        ) {
            let _ = judge(&serde_json::json!({ "customer": "+12125550100", name: value }).to_string());
        }
    }
}
