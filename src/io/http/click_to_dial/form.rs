//! The request of Click to Dial, read: its properties with their types and bounds, nothing else beside them. Owns what is 400 (not what the
//! interface describes) and what is 422 (a number that cannot be); refuses to judge whether the call is allowed, and where its sink lies.

use std::collections::BTreeMap;

use axum::http::StatusCode;

use super::answer::Refused;
use crate::clock::Wall;
use crate::io::http::json::{self, Json};
use crate::model::click_to_dial::{SinkCredential, SinkToken};
use crate::model::{BusinessId, ClickToDial, Endpoint, InitiationMessage, Sink};

/// Characters of `sink`, and of `tokenUri`.
pub const MAX_SINK_CHARS: usize = 2048;

type Fields = BTreeMap<String, Json>;

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Asked {
    caller: Endpoint,
    callee: Endpoint,
    /// Where events go.
    pub sink: Option<Sink>,
    /// The talk is to be recorded.
    pub recording: bool,
}

impl Asked {
    /// Reads a body. What has another form is told before any number is judged.
    pub fn read(body: &[u8], now: Wall) -> Result<Asked, Refused> {
        let json = json::parse(body).map_err(|error| Refused::malformed(error.to_string()))?;
        let mut fields = object(json, "the body", &["caller", "callee", "sink", "sinkCredential", "recordingEnabled"])?;
        let caller = party(&mut fields, "caller")?;
        let callee = party(&mut fields, "callee")?;
        let credential = fields.remove("sinkCredential").map(|json| credential(json, now)).transpose()?;
        let sink = match (fields.remove("sink"), credential) {
            (Some(json), credential) => Some(sink(json, credential)?),
            (None, Some(_)) => return Err(Refused::malformed("sinkCredential: there is no sink to show it to")),
            (None, None) => None,
        };
        let recording = match fields.remove("recordingEnabled") {
            None => false,
            Some(Json::Bool(wanted)) => wanted,
            Some(other) => return Err(mistyped("recordingEnabled", "a boolean", &other)),
        };
        let (caller, callee) = (number("caller", &caller)?, number("callee", &callee)?);
        if caller == callee {
            let what = "caller and callee cannot be the same number";
            return Err(Refused::of(StatusCode::UNPROCESSABLE_ENTITY, "SAME_CALLER_CALLEE", what));
        }
        Ok(Asked { caller, callee, sink, recording })
    }

    /// As the engine takes it: the caller is our customer, who is called first; the callee our representative.
    pub fn into_message(self, business: BusinessId, record: bool) -> InitiationMessage {
        InitiationMessage {
            record,
            click_to_dial: Some(Box::new(ClickToDial { sink: self.sink })),
            ..InitiationMessage::new(business, self.caller, vec![self.callee])
        }
    }
}

fn mistyped(at: &str, wanted: &str, got: &Json) -> Refused {
    Refused::malformed(format!("{at}: must be {wanted}, not {}", got.kind()))
}

fn object(json: Json, at: &str, names: &[&str]) -> Result<Fields, Refused> {
    let Json::Object(fields) = json else { return Err(mistyped(at, "an object", &json)) };
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(fields),
        Some(unknown) => {
            // A stranger's text: shown back, it is short and without control characters.
            let unknown: String = unknown.chars().filter(|c| !c.is_control()).take(64).collect();
            Err(Refused::malformed(format!("{at}: there is no property {unknown:?}")))
        }
    }
}

fn required(fields: &mut Fields, name: &str, at: &str) -> Result<Json, Refused> {
    fields.remove(name).ok_or_else(|| Refused::malformed(format!("{at}: required")))
}

fn text(json: Json, at: &str, most: usize) -> Result<String, Refused> {
    match json {
        Json::Text(text) if text.chars().count() <= most => Ok(text),
        Json::Text(_) => Err(Refused::malformed(format!("{at}: longer than {most} characters"))),
        other => Err(mistyped(at, "a string", &other)),
    }
}

fn party(fields: &mut Fields, name: &str) -> Result<String, Refused> {
    let mut party = object(required(fields, name, name)?, name, &["number"])?;
    let at = format!("{name}.number");
    match required(&mut party, "number", &at)? {
        Json::Text(number) => Ok(number),
        other => Err(mistyped(&at, "a string", &other)),
    }
}

/// `^\+[1-9][0-9]{4,14}$`, and a number of some country.
fn number(name: &str, text: &str) -> Result<Endpoint, Refused> {
    let refused = |what: String| {
        let what = format!("{name}.number: {what}");
        Refused::of(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_PHONE_NUMBER", what)
    };
    let digits = text.strip_prefix('+').unwrap_or_default();
    let form =
        (5..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    if !form {
        return Err(refused("not + and 5 to 15 digits of an E.164 number".to_owned()));
    }
    Endpoint::parse(text).map_err(|error| refused(error.to_string()))
}

fn sink(json: Json, credential: Option<SinkCredential>) -> Result<Sink, Refused> {
    let text = text(json, "sink", MAX_SINK_CHARS)?;
    let url = text.parse().map_err(|error| Refused::malformed(format!("sink: {error}")))?;
    Ok(Sink { url, credential })
}

fn credential(json: Json, now: Wall) -> Result<SinkCredential, Refused> {
    const AT: &str = "sinkCredential";
    let names = ["credentialType", "accessToken", "accessTokenExpiresUtc", "accessTokenType"];
    if let Json::Object(fields) = &json
        && let Some(Json::Text(kind)) = fields.get("credentialType")
        && kind != "ACCESSTOKEN"
    {
        return Err(Refused::malformed("sinkCredential.credentialType: only ACCESSTOKEN is taken"));
    }
    let mut fields = object(json, AT, &names)?;
    let mut take = |name: &str, most: usize| {
        let at = format!("{AT}.{name}");
        text(required(&mut fields, name, &at)?, &at, most)
    };
    let _accesstoken = take("credentialType", 64)?;
    let token = SinkToken::try_from(take("accessToken", crate::model::click_to_dial::MAX_TOKEN_CHARS)?)
        .map_err(|error| Refused::malformed(format!("{AT}.accessToken: {error}")))?;
    if take("accessTokenType", 64)? != "bearer" {
        return Err(Refused::malformed("sinkCredential.accessTokenType: must be bearer"));
    }
    let expires = take("accessTokenExpiresUtc", 64)?;
    let expires_at = Wall::parse(&expires).ok_or_else(|| {
        Refused::malformed("sinkCredential.accessTokenExpiresUtc: not an RFC 3339 time such as 2026-11-24T14:30:00Z")
    })?;
    if expires_at <= now {
        return Err(Refused::malformed("sinkCredential.accessTokenExpiresUtc: this token has expired"));
    }
    Ok(SinkCredential { token, expires_at })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const NOW: Wall = Wall(1_795_521_600_000);

    fn good() -> Value {
        json!({
            "caller": { "number": "+12125550100" }, "callee": { "number": "+12125550101" },
            "sink": "https://endpoint.example.com/sink",
            "sinkCredential": { "credentialType": "ACCESSTOKEN", "accessToken": "ya29.A0AR", "accessTokenType": "bearer",
                "accessTokenExpiresUtc": "2099-01-01T00:00:00Z" },
            "recordingEnabled": true
        })
    }

    /// With another value at a JSON pointer.
    fn with(pointer: &str, value: Value) -> Value {
        let mut message = good();
        match message.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => {
                let (parent, name) = pointer.rsplit_once('/').unwrap();
                message.pointer_mut(parent).unwrap()[name] = value;
            }
        }
        message
    }

    fn without(pointer: &str) -> Value {
        let mut message = good();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        message.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
        message
    }

    fn read(message: &Value) -> Result<Asked, Refused> {
        Asked::read(message.to_string().as_bytes(), NOW)
    }

    #[test]
    fn a_whole_request_is_read_and_the_least_one_too() {
        let asked = read(&good()).unwrap();
        assert!(asked.recording);
        let credential = asked.sink.clone().unwrap().credential.unwrap();
        assert_eq!(credential.token.expose(), "ya29.A0AR");
        let message = asked.into_message("abc".parse().unwrap(), true);
        assert_eq!(message.customer.to_string(), "+12125550100");
        assert_eq!(message.representatives[0].to_string(), "+12125550101");
        let least = json!({ "caller": { "number": "+12125550100" }, "callee": { "number": "+442079460000" } });
        let asked = read(&least).unwrap();
        assert!(asked.sink.is_none() && !asked.recording);
    }

    #[test]
    fn what_is_missing_unknown_or_of_another_type_is_400() {
        let messages = [
            json!([]),
            without("/caller"),
            without("/callee/number"),
            with("/colour", json!("red")),
            with("/caller/name", json!("Anna")),
            with("/caller", json!("+12125550100")),
            with("/callee/number", json!(12_125_550_101u64)),
            with("/callee/number", json!(null)),
            with("/recordingEnabled", json!("yes")),
            with("/recordingEnabled", json!(null)),
            with("/sink", json!(null)),
            with("/sink", json!("not a url")),
            with("/sink", json!("ftp://endpoint.example.com/")),
            with("/sink", json!("https://me:secret@endpoint.example.com/")),
            with("/sink", json!(format!("https://endpoint.example.com/{}", "a".repeat(MAX_SINK_CHARS)))),
            without("/sink"),
            with("/sinkCredential/colour", json!("red")),
            with("/sinkCredential/credentialType", json!("PLAIN")),
            json!({ "caller": good()["caller"], "callee": good()["callee"], "sink": good()["sink"],
                "sinkCredential": { "credentialType": "PRIVATE_KEY_JWT", "clientId": "abc" } }),
            without("/sinkCredential/credentialType"),
            without("/sinkCredential/accessToken"),
            without("/sinkCredential/accessTokenType"),
            without("/sinkCredential/accessTokenExpiresUtc"),
            with("/sinkCredential/accessToken", json!("two words")),
            with("/sinkCredential/accessToken", json!("a\r\nX-Injected: 1")),
            with("/sinkCredential/accessToken", json!("a".repeat(4097))),
            with("/sinkCredential/accessTokenType", json!("mac")),
            with("/sinkCredential/accessTokenExpiresUtc", json!("tomorrow")),
            with("/sinkCredential/accessTokenExpiresUtc", json!("2026-01-01T00:00:00Z")),
        ];
        for message in messages {
            let refused = read(&message).unwrap_err();
            assert_eq!((refused.status(), refused.code()), (400, "INVALID_ARGUMENT"), "{message}");
        }
        assert_eq!(Asked::read(b"{", NOW).unwrap_err().status(), 400);
    }

    #[test]
    fn a_number_that_cannot_be_is_422() {
        for bad in [
            "",
            "12125550100",
            "+0125550100",
            "+1212",
            "+1212555010012345",
            "+1212555o100",
            "+12125550100 ",
            "+999123456789",
        ] {
            for party in ["/caller/number", "/callee/number"] {
                let refused = read(&with(party, json!(bad))).unwrap_err();
                assert_eq!((refused.status(), refused.code()), (422, "INVALID_PHONE_NUMBER"), "{bad}");
            }
        }
        let refused = read(&with("/callee/number", json!("+12125550100"))).unwrap_err();
        assert_eq!((refused.status(), refused.code()), (422, "SAME_CALLER_CALLEE"));
    }

    #[test]
    fn no_refusal_shows_a_token() {
        for broken in [with("/sinkCredential/accessToken", json!("s3cret token")), with("/sinkCredential/x", json!(1))]
        {
            assert!(!format!("{:?}", read(&broken).unwrap_err()).contains("s3cret"));
        }
        assert!(!format!("{:?}", read(&good()).unwrap()).contains("ya29"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Asked::read(&bytes, NOW);
        }

        #[test]
        fn whatever_number_is_taken_has_the_form_of_the_interface(text in "\\+?[0-9]{3,17}") {
            let message = with("/caller/number", json!(text));
            if let Ok(asked) = read(&message) {
                prop_assert_eq!(asked.caller.to_string(), text);
            }
        }
    }
}
