//! The initiation message of Fig. 8, from JSON to the typed message: every field's form and bound, all errors at once.
//!
//! Owns the raw form. A missing, unknown or ill-typed field is 400; a number or a time that cannot be is 422. Refuses to judge
//! whether the call is allowed. What is signed off here has no control characters in it and is bounded.

mod contact;
#[cfg(test)]
mod tests;

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
use crate::model::{
    BusinessId, ContactWish, DirectRequest, Endpoint, InitiationMessage, Language, SupervisorMode, ViewedPage, WebPage,
    WindowWish, Wish,
};

/// Gives what is inside a text at a pointer, or nothing where it is not encrypted.
pub type OpenField<'a> = dyn FnMut(&str, &str) -> Result<Option<String>, Problem> + 'a;

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
/// Pages of `web_page.viewed`.
pub const MAX_VIEWED: usize = 10;
/// Members of `headers`.
pub const MAX_HEADERS: usize = 16;
/// Characters of one value of `headers`.
pub const MAX_HEADER_CHARS: usize = 256;
/// Characters of `representative_information`.
pub const MAX_INFORMATION_CHARS: usize = 64;
/// Characters of `page_token`.
const MAX_TOKEN_CHARS: usize = 256;
/// Characters of each part of `work`.
const MAX_WORK_CHARS: usize = 64;
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

    /// Lets `open` replace what is encrypted in `password`, `customer` and `representative`: it is given a pointer and a text, and gives
    /// what is inside, if it is encrypted.
    pub fn open_fields(&mut self, open: &mut OpenField<'_>) -> Result<(), Problem> {
        if let Some(password) = &mut self.sender.password
            && let Some(plain) = open("/password", password.expose())?
        {
            *password = Password::new(plain);
        }
        let mut opened = |pointer: &str, json: &mut Json| -> Result<(), Problem> {
            if let Json::Text(text) = json
                && let Some(plain) = open(pointer, text)?
            {
                *json = Json::Text(plain);
            }
            Ok(())
        };
        if let Some(customer) = self.fields.get_mut("customer") {
            opened("/customer", customer)?;
        }
        match self.fields.get_mut("representative") {
            Some(Json::List(items)) => {
                for (at, item) in items.iter_mut().enumerate().take(MAX_REPRESENTATIVES) {
                    opened(&format!("/representative/{at}"), item)?;
                }
                Ok(())
            }
            Some(one) => {
                opened("/representative", one)?;
                // A list may be encrypted as a whole.
                if let Json::Text(text) = one
                    && text.starts_with('[')
                    && let Ok(list @ Json::List(_)) = json::parse(text.as_bytes())
                {
                    *one = list;
                }
                Ok(())
            }
            None => Ok(()),
        }
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
        let window = fields.window(now);
        let message = InitiationMessage {
            business_id,
            representatives: fields.representatives(),
            desired_contact_time: fields.time("desired_contact_time", now),
            contact_window: None,
            expires_at: fields.end(now),
            retry: None,
            asked: fields.contact(window),
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
            once: Vec::new(),
            direct: None,
            need: None,
            click_to_dial: None,
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

/// A representative's word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionMessage {
    /// What they want.
    pub wish: Wish,
    /// For so long without another word.
    pub lease: Duration,
}

/// How long a lease is where nothing is said.
const LEASE_SECONDS: u64 = 90;

impl RawMessage {
    /// `{state, lease_seconds}`: the lease may be left out.
    pub fn session(self) -> Result<SessionMessage, Problem> {
        let mut fields = Fields { left: self.fields, errors: Vec::new(), malformed: false };
        let text = fields.required("state").and_then(|json| fields.string("/state", json));
        let wish = text.and_then(|text| {
            let wish = Wish::parse(&text);
            if wish.is_none() {
                fields.malformed("/state", "available, break, wrap_up or logged_off");
            }
            wish
        });
        let seconds = match fields.optional("lease_seconds") {
            None => LEASE_SECONDS,
            Some(Json::Number(number)) => match number.as_u64().filter(|seconds| (1..=86_400).contains(seconds)) {
                Some(seconds) => seconds,
                None => {
                    fields.impossible("/lease_seconds", "1 to 86400");
                    LEASE_SECONDS
                }
            },
            Some(other) => {
                fields.malformed("/lease_seconds", format!("must be a number, not {}", other.kind()));
                LEASE_SECONDS
            }
        };
        fields.finish()?;
        let wish = wish.ok_or_else(|| Problem::malformed("state is needed"))?;
        Ok(SessionMessage { wish, lease: Duration::from_secs(seconds) })
    }
}

/// A call request (Fig. 9) whose fields were judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestMessage {
    /// 904; absent: no business can have this name.
    pub business: Option<BusinessId>,
    /// 908
    pub customer: Endpoint,
    /// 906
    pub web_page: Option<WebPage>,
    /// 910
    pub representative_information: Option<String>,
    /// What the business signed for its page.
    pub page_token: Option<String>,
    /// A challenge and the nonce found for it.
    pub work: Option<(String, String)>,
    desired_contact_time: Option<Wall>,
    window: Option<WindowWish>,
    expires_at: Option<Wall>,
    note: Option<String>,
}

impl RequestMessage {
    /// As the engine takes it; its representatives are named there.
    pub fn into_message(self, business: BusinessId, direct: DirectRequest) -> InitiationMessage {
        InitiationMessage {
            desired_contact_time: self.desired_contact_time,
            expires_at: self.expires_at,
            asked: self.window.map(|window| Box::new(ContactWish { window: Some(window), retry: None })),
            web_page: self.web_page,
            note: self.note,
            direct: Some(Box::new(direct)),
            ..InitiationMessage::new(business, self.customer, Vec::new())
        }
    }
}

impl RawMessage {
    /// Judges a call request; there is no password in it.
    pub fn request(self, now: Wall) -> Result<RequestMessage, Problem> {
        let mut fields = Fields { left: self.fields, errors: Vec::new(), malformed: false };
        if self.sender.password.is_some() {
            fields.malformed("/password", "unknown field");
        }
        if self.sender.business.is_none() {
            fields.malformed("/business_id", "required");
        }
        let customer = fields.required("customer").and_then(|json| fields.endpoint("/customer", json));
        let request = RequestMessage {
            business: self.sender.business.and_then(|text| text.parse().ok()),
            web_page: fields.web_page(),
            representative_information: fields.text("representative_information", MAX_INFORMATION_CHARS, Lines::One),
            page_token: fields.text("page_token", MAX_TOKEN_CHARS, Lines::One),
            work: fields.work(),
            desired_contact_time: fields.time("desired_contact_time", now),
            window: fields.window(now),
            expires_at: fields.end(now),
            note: fields.text("note", MAX_NOTE_CHARS, Lines::Many),
            // Only reached with a customer: without one there is an error below.
            customer: customer.unwrap_or(Endpoint::Ip(std::net::Ipv4Addr::UNSPECIFIED.into(), None)),
        };
        fields.finish().map(|()| request)
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
        let page = self.left.remove("web_page");
        let mut page = self.object("/web_page", page)?;
        let viewed = match page.remove("viewed").filter(|json| *json != Json::Null) {
            None => Vec::new(),
            Some(Json::List(pages)) if pages.len() <= MAX_VIEWED => {
                let numbered = pages.into_iter().enumerate();
                numbered.filter_map(|(n, page)| self.viewed(&format!("/web_page/viewed/{n}"), page)).collect()
            }
            Some(_) => {
                self.malformed("/web_page/viewed", format!("a list of at most {MAX_VIEWED} pages"));
                Vec::new()
            }
        };
        let ViewedPage { url, title } = self.page("/web_page", page)?;
        Some(WebPage { url, title, viewed })
    }

    fn viewed(&mut self, pointer: &str, json: Json) -> Option<ViewedPage> {
        let page = self.object(pointer, Some(json))?;
        self.page(pointer, page)
    }

    fn object(&mut self, pointer: &str, json: Option<Json>) -> Option<BTreeMap<String, Json>> {
        match json.filter(|json| *json != Json::Null)? {
            Json::Object(members) => Some(members),
            other => {
                self.malformed(pointer, format!("must be an object, not {}", other.kind()));
                None
            }
        }
    }

    /// `{url, title}`
    fn page(&mut self, pointer: &str, mut page: BTreeMap<String, Json>) -> Option<ViewedPage> {
        let url = page.remove("url").filter(|json| *json != Json::Null);
        let title = page.remove("title").filter(|json| *json != Json::Null);
        let title = title.and_then(|json| self.bounded(&format!("{pointer}/title"), json, MAX_TITLE_CHARS, Lines::One));
        for name in page.into_keys() {
            self.malformed(format!("{pointer}/{}", escape(&name)), "unknown field");
        }
        let pointer = format!("{pointer}/url");
        let Some(url) = url else {
            self.malformed(pointer, "required");
            return None;
        };
        let url = self.bounded(&pointer, url, MAX_URL_CHARS, Lines::One)?;
        let after_scheme = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        if after_scheme.is_none_or(str::is_empty) || url.contains(char::is_whitespace) {
            self.malformed(pointer, "not an http or https address");
            return None;
        }
        Some(ViewedPage { url, title })
    }

    /// `{challenge, nonce}`: both required.
    fn work(&mut self) -> Option<(String, String)> {
        let work = self.left.remove("work");
        let mut work = self.object("/work", work)?;
        let mut part = |fields: &mut Fields, name: &str| {
            let pointer = format!("/work/{name}");
            match work.remove(name) {
                Some(json) => fields.bounded(&pointer, json, MAX_WORK_CHARS, Lines::One),
                None => {
                    fields.malformed(pointer, "required");
                    None
                }
            }
        };
        let (challenge, nonce) = (part(self, "challenge"), part(self, "nonce"));
        for name in work.into_keys() {
            self.malformed(format!("/work/{}", escape(&name)), "unknown field");
        }
        challenge.zip(nonce)
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
