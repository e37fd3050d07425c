//! What a message deserves before any transaction looks at it: by RFC 3261 §8.2, §18, §20 and, for hard cases, RFC 4475 and
//! RFC 5118. Owns the verdicts that follow from the message alone; refuses those that need state or a policy (405, 481, 501).

use super::fields::{FieldError, NameAddr, Via};
use super::grammar::is_token;
use super::message::{Fault, Message};
use super::method::Method;
use super::name::Name;
use super::uri::{Scheme, Uri};

/// Option tags a request may require of us (RFC 3261 §8.2.2.3). `100rel` binds only who sends provisional responses, and we
/// send none that would need it.
pub const SUPPORTED_EXTENSIONS: &[&str] = &["100rel", "timer"];

/// The largest message we take whole; longer requests get a 513.
const MAX_ACCEPTED: usize = 32_768;

/// What to do with a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Go on.
    Ok,
    /// Answer the request with this, statelessly; `headers` must be in the answer.
    Refuse { status: u16, reason: &'static str, headers: Vec<(Name, String)> },
    /// Say nothing: a response, an ACK, or a request that no answer can reach.
    Drop,
}

/// Judges with [`SUPPORTED_EXTENSIONS`].
pub fn judge(message: &Message) -> Verdict {
    judge_supporting(message, SUPPORTED_EXTENSIONS)
}

/// Judges a message of a peer that may `Require` the given option tags.
pub fn judge_supporting(message: &Message, extensions: &[&str]) -> Verdict {
    let Some(method) = message.method() else {
        return if response_is_sound(message) { Verdict::Ok } else { Verdict::Drop };
    };
    match refusal(message, method, extensions) {
        None => Verdict::Ok,
        Some(_) if *method == Method::Ack || message.header(Name::Via).is_none() => Verdict::Drop,
        Some(refusal) => refusal,
    }
}

/// A response is ours only with one Via (RFC 3261 §8.1.3.3), a whole body (§18.3) and all that matching needs. What else is
/// wrong with it (its Contact, say) is for the stack to tell the leg: a dropped 2xx would leave a phone off-hook.
fn response_is_sound(message: &Message) -> bool {
    matches!(message.fault(), None | Some(Fault::HeaderLine))
        && [Name::From, Name::To, Name::CallId, Name::CSeq].iter().all(|name| message.lines(*name).count() == 1)
        && message.headers(Name::Via).count() == 1
        && message.top_via().is_ok()
        && message.cseq().is_ok()
        && message.from().is_ok()
        && message.to().is_ok()
        && message.call_id().is_some()
}

fn refusal(message: &Message, method: &Method, extensions: &[&str]) -> Option<Verdict> {
    if message.fault() == Some(Fault::Version) {
        return Some(refuse(505, "Version Not Supported"));
    }
    let scheme = Uri::parse(message.request_uri().unwrap_or_default()).map(|uri| uri.scheme);
    let bad = message.fault().map(fault_reason).or_else(|| {
        repeated(message)
            .or_else(|| scheme.is_err().then_some("Bad Request-URI"))
            .or_else(|| bad_field(message))
            .or_else(|| mismatch(message, method))
    });
    if let Some(reason) = bad {
        return Some(refuse(400, reason));
    }
    if message.as_bytes().len() > MAX_ACCEPTED {
        return Some(refuse(513, "Message Too Large"));
    }
    if let Ok(Scheme::Other(_)) = scheme {
        return Some(refuse(416, "Unsupported URI Scheme"));
    }
    bad_extension(message, method, extensions).or_else(|| bad_media(message, method))
}

fn refuse(status: u16, reason: &'static str) -> Verdict {
    Verdict::Refuse { status, reason, headers: Vec::new() }
}

fn fault_reason(fault: Fault) -> &'static str {
    match fault {
        Fault::Version => "Bad Version",
        Fault::RequestLine => "Bad Request-Line",
        Fault::RequestUri => "Bad Request-URI",
        Fault::HeaderLine => "Bad Header Line",
        Fault::Incomplete => "Incomplete Header",
        Fault::ContentLength => "Bad Content-Length",
    }
}

/// Fields that may stand only once (RFC 4475 §3.3.8).
fn repeated(message: &Message) -> Option<&'static str> {
    let once = [
        (Name::From, "Repeated From"),
        (Name::To, "Repeated To"),
        (Name::CallId, "Repeated Call-ID"),
        (Name::CSeq, "Repeated CSeq"),
        (Name::MaxForwards, "Repeated Max-Forwards"),
        (Name::ContentType, "Repeated Content-Type"),
    ];
    let mut seen = [0u8; 6];
    for (name, _, _) in message.all_headers() {
        if let Some(at) = once.iter().position(|(known, _)| *known == name) {
            seen[at] = seen[at].saturating_add(1);
        }
    }
    once.iter().zip(seen).find(|(_, count)| *count > 1).map(|((_, reason), _)| *reason)
}

fn bad_field(message: &Message) -> Option<&'static str> {
    let reason = |field: Result<(), FieldError>, missing, bad| match field {
        Ok(()) => None,
        Err(FieldError::Missing) => Some(missing),
        Err(_) => Some(bad),
    };
    reason(message.top_via().map(drop), "Missing Via", "Bad Via")
        .or_else(|| reason(message.from().map(drop), "Missing From", "Bad From"))
        .or_else(|| reason(message.to().map(drop), "Missing To", "Bad To"))
        .or_else(|| reason(message.cseq().map(drop), "Missing CSeq", "Bad CSeq"))
        .or_else(|| call_id(message))
        .or_else(|| match message.max_forwards() {
            Ok(_) | Err(FieldError::Missing) => None,
            Err(_) => Some("Bad Max-Forwards"),
        })
        .or_else(|| (!message.headers(Name::Via).skip(1).all(|via| Via::parse(via).is_ok())).then_some("Bad Via"))
        .or_else(|| (!well_formed_addresses(message)).then_some("Bad Contact or Route"))
}

fn call_id(message: &Message) -> Option<&'static str> {
    match message.header(Name::CallId) {
        None | Some([]) => Some("Missing Call-ID"),
        Some(value) if value.iter().all(u8::is_ascii_graphic) => None,
        Some(_) => Some("Bad Call-ID"),
    }
}

/// Contact, Route and Record-Route name dialog targets: a broken one cannot be used later.
fn well_formed_addresses(message: &Message) -> bool {
    let contacts = message.headers(Name::Contact).all(|value| value == b"*" || NameAddr::parse(value).is_ok());
    contacts
        && [Name::Route, Name::RecordRoute]
            .iter()
            .all(|name| message.headers(*name).all(|value| NameAddr::parse(value).is_ok()))
}

/// CSeq must name the request's method (RFC 4475 §3.1.2.17). An unknown method is left to the stack's 501, which the RFC
/// prefers (§3.1.2.18).
fn mismatch(message: &Message, method: &Method) -> Option<&'static str> {
    let differs = !method.is_unknown() && message.cseq_method().is_some_and(|named| named != *method);
    differs.then_some("CSeq Method Mismatch")
}

/// Require (RFC 3261 §8.2.2.3): ignored in CANCEL; an ACK is never refused aloud.
fn bad_extension(message: &Message, method: &Method, extensions: &[&str]) -> Option<Verdict> {
    if matches!(method, Method::Ack | Method::Cancel) {
        return None;
    }
    let unknown: Vec<&str> = message
        .require()
        .filter(|tag| is_token(tag.as_bytes()) && !extensions.iter().any(|known| known.eq_ignore_ascii_case(tag)))
        .collect();
    if unknown.is_empty() {
        return None;
    }
    let headers = vec![(Name::Unsupported, unknown.join(", "))];
    Some(Verdict::Refuse { status: 420, reason: "Bad Extension", headers })
}

/// Session descriptions are SDP, unencoded; an INVITE must accept SDP in the answer (RFC 4475 §3.3.6, §3.3.15).
fn bad_media(message: &Message, method: &Method) -> Option<Verdict> {
    let carries_session = matches!(method, Method::Invite | Method::Update | Method::Prack | Method::Ack);
    if !carries_session {
        return None;
    }
    let optional = message.header_str(Name::ContentDisposition).is_some_and(|value| {
        value.split(';').any(|part| part.replace(' ', "").eq_ignore_ascii_case("handling=optional"))
    });
    if !message.body().is_empty() && !optional {
        let unsupported = |headers| Verdict::Refuse { status: 415, reason: "Unsupported Media Type", headers };
        match message.content_type() {
            None => return Some(refuse(400, "Missing Content-Type")),
            Some(media) if media.eq_ignore_ascii_case("application/sdp") => {}
            Some(_) => return Some(unsupported(vec![(Name::Accept, "application/sdp".to_string())])),
        }
        if !message.headers(Name::ContentEncoding).all(|coding| coding.eq_ignore_ascii_case(b"identity")) {
            return Some(unsupported(vec![(Name::AcceptEncoding, "identity".to_string())]));
        }
    }
    let takes_sdp = |range: &[u8]| {
        let media = range.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        [b"application/sdp".as_slice(), b"application/*", b"*/*"].iter().any(|known| media.eq_ignore_ascii_case(known))
    };
    let refuses_sdp = *method == Method::Invite
        && message.header(Name::Accept).is_some()
        && !message.headers(Name::Accept).any(takes_sdp);
    refuses_sdp.then(|| refuse(406, "Not Acceptable"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(start: &str, more: &str, body: &str) -> Verdict {
        let method = start.split(' ').next().filter(|word| !word.contains('/')).unwrap_or("INVITE");
        let text = format!(
            "{start}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: x\r\n\
             CSeq: 1 {method}\r\n{more}\r\n{body}"
        );
        judge(&Message::parse(text.as_bytes()).unwrap())
    }

    fn status(verdict: Verdict) -> Option<u16> {
        match verdict {
            Verdict::Refuse { status, .. } => Some(status),
            Verdict::Ok | Verdict::Drop => None,
        }
    }

    #[test]
    fn an_ack_is_never_answered_whatever_is_wrong_with_it() {
        assert_eq!(verdict("ACK sip:a@h SIP/2.0", "Content-Length: 7\r\n", ""), Verdict::Drop);
        assert_eq!(verdict("ACK sip:a@h SIP/2.0", "Require: x\r\n", ""), Verdict::Ok);
        assert_eq!(verdict("CANCEL sip:a@h SIP/2.0", "Require: x\r\n", ""), Verdict::Ok);
        assert_eq!(status(verdict("BYE sip:a@h SIP/2.0", "Require: x\r\n", "")), Some(420));
    }

    #[test]
    fn a_response_with_a_broken_contact_still_reaches_its_leg() {
        assert_eq!(verdict("SIP/2.0 200 OK", "Contact: <sip:\r\nbroken line\r\n", ""), Verdict::Ok);
        assert_eq!(verdict("SIP/2.0 200 OK", "Content-Length: 7\r\n", "abc"), Verdict::Drop);
        assert_eq!(verdict("SIP/2.0 200 OK", "v: SIP/2.0/UDP h;branch=z9hG4bK2\r\n", ""), Verdict::Drop);
        assert_eq!(verdict("SIP/2.0 200 OK", "CSeq: 2 BYE\r\n", ""), Verdict::Drop);
    }

    #[test]
    fn a_session_description_is_plain_sdp_or_optional() {
        let invite = "INVITE sip:a@h SIP/2.0";
        assert_eq!(verdict(invite, "c: application/SDP;x=y\r\n", "v=0"), Verdict::Ok);
        assert_eq!(status(verdict(invite, "c: application/sdp\r\nContent-Encoding: gzip\r\n", "v=0")), Some(415));
        assert_eq!(status(verdict(invite, "c: text/plain\r\n", "v=0")), Some(415));
        let optional = "c: text/plain\r\nContent-Disposition: icon; handling = optional\r\n";
        assert_eq!(verdict(invite, optional, "v=0"), Verdict::Ok);
        assert_eq!(status(verdict(invite, "", "v=0")), Some(400));
        assert_eq!(verdict("INFO sip:a@h SIP/2.0", "c: application/dtmf-relay\r\n", "Signal=5"), Verdict::Ok);
        assert_eq!(verdict(invite, "Accept: application/*;q=0.5, text/plain\r\n", ""), Verdict::Ok);
    }

    #[test]
    fn a_request_too_long_for_us_gets_a_513() {
        let long = format!("Subject: {}\r\n", "x".repeat(40_000));
        assert_eq!(status(verdict("OPTIONS sip:a@h SIP/2.0", &long, "")), Some(513));
    }
}
