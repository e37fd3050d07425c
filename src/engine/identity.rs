//! Who an INVITE says is calling, and the header fields that are a switch's or a call's own: From, P-Asserted-Identity
//! (RFC 3325), Privacy (RFC 3323), templates, User-to-User. Owns the choice of the caller id and how well it is known; refuses
//! messages' syntax and signatures.

use std::net::SocketAddr;

use super::{LegMedia, Stir};
use crate::clock::Wall;
use crate::model::trunk::{Attestation, IdentityForm};
use crate::model::{Business, Endpoint, InitiationMessage, LegId, Trunk};
use crate::routing;
use crate::sip::wire::passport::{self, Claims};

/// Longest value of a header field made of a template, in characters.
const MAX_VALUE: usize = 512;
/// Longest display name, in characters.
const MAX_NAME: usize = 80;
/// Whom a withheld identity shows (RFC 3323 §4.1.1.3).
const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";

/// What is known when a leg is dialled.
pub(super) struct Asking<'a> {
    /// The leg.
    pub leg: LegId,
    /// What was asked for.
    pub message: &'a InitiationMessage,
    /// By whom.
    pub business: &'a Business,
    /// How the switch wants it.
    pub trunk: &'a Trunk,
    /// The number that the switch is shown by default: E.164.
    pub switch_caller_id: Option<&'a str>,
    /// Our own address towards the switch.
    pub own: SocketAddr,
    /// How well a switch's own number is known (`[stir] default_attestation`).
    pub default_attestation: Attestation,
}

/// What an INVITE says about its caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Caller {
    /// From: a URI.
    pub from: String,
    /// Its display name.
    pub from_name: Option<String>,
    /// Header fields: identity, privacy, templates, the call's own.
    pub headers: Vec<(String, String)>,
    /// The number to be vouched for, in E.164, where the caller is one and this switch may know it.
    pub number: Option<String>,
    /// How well it is known.
    pub attestation: Attestation,
}

/// Makes all of it. The caller id is the one that the message asks for, if it is (still) one of the business's verified
/// numbers; else the business's first; else the switch's; else ourselves, who have no number.
pub(super) fn caller(asking: &Asking<'_>) -> Caller {
    let Asking { message, business, trunk, own, .. } = *asking;
    let verified = message.caller_id.as_ref().filter(|id| business.caller_ids.contains(id));
    let ours = asking.switch_caller_id.and_then(|number| Endpoint::parse(number).ok());
    let (shown, attestation) = match (verified.or(business.caller_ids.first()), ours) {
        (Some(verified), _) => (Some(verified.clone()), Attestation::Full),
        (None, Some(number)) => (Some(number), asking.default_attestation),
        (None, None) => (None, Attestation::Gateway),
    };
    let uri =
        shown.as_ref().map_or_else(|| format!("sip:callbridge@{own}"), |shown| routing::uri(shown, &own.to_string()));
    let number = match shown {
        Some(Endpoint::Number(number)) => Some(number.e164),
        Some(Endpoint::Sip(_) | Endpoint::Ip(..)) | None => None,
    };
    let withheld = trunk.privacy || message.withhold_caller_id;
    // A PASSporT spells the number: a withheld one goes only to a switch that is trusted with it anyhow.
    let number = number.filter(|_| !withheld || trunk.identity == IdentityForm::PAsserted);
    let name = plain(&business.name, MAX_NAME).filter(|name| !name.is_empty());
    let mut headers = Vec::new();
    if trunk.identity == IdentityForm::PAsserted {
        let shown = name.as_deref().map(|name| format!("{} ", quoted(name))).unwrap_or_default();
        headers.push(("P-Asserted-Identity".to_owned(), format!("{shown}<{uri}>")));
    }
    if withheld {
        headers.push(("Privacy".to_owned(), "id".to_owned()));
    }
    headers.extend(own_fields(asking));
    let (from, from_name) = match withheld {
        true => (ANONYMOUS.to_owned(), Some("Anonymous".to_owned())),
        false => (uri, name),
    };
    Caller { from, from_name, headers, number, attestation }
}

/// The number of a destination.
pub(super) fn number_of(endpoint: &Endpoint) -> Option<String> {
    match endpoint {
        Endpoint::Number(number) => Some(number.e164.clone()),
        Endpoint::Sip(_) | Endpoint::Ip(..) => None,
    }
}

/// Q.850 "temporary failure": what a call ends with that may not go unsigned.
pub(super) const UNSIGNED: u8 = 41;

/// The call may not go unsigned and could not be signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unsigned;

/// The fields of an INVITE: the caller's, and where the switch wants calls signed, Date and Identity.
pub(super) fn headers(
    stir: Option<&Stir>,
    leg: LegId,
    media: &LegMedia,
    at: Wall,
) -> Result<Vec<(String, String)>, Unsigned> {
    let mut headers = media.caller.headers.clone();
    if let Some(stir) = stir.filter(|_| media.trunk.sign) {
        headers.extend(sign(stir, leg, media.called.as_deref(), &media.caller, at)?);
    }
    Ok(headers)
}

/// Only numbers are vouched for: a caller or a called party that is none gives no fields, and is no failure. A PASSporT for
/// a SIP URI would attest nothing that RFC 8588 defines.
fn sign(
    stir: &Stir,
    leg: LegId,
    called: Option<&str>,
    caller: &Caller,
    at: Wall,
) -> Result<Vec<(String, String)>, Unsigned> {
    let (Some(destination), Some(origin)) = (called, caller.number.as_deref()) else { return Ok(Vec::new()) };
    let claims = Claims { attestation: caller.attestation, destination, origin, at, call: leg.call };
    match (passport::date(at), claims.identity(&*stir.signer)) {
        (Some(date), Some(identity)) => Ok(vec![("Date".to_owned(), date), ("Identity".to_owned(), identity)]),
        _ if stir.required => Err(Unsigned),
        _ => Ok(Vec::new()),
    }
}

/// How well a switch's own number is known.
pub(super) fn attestation_of_switches(stir: Option<&Stir>) -> Attestation {
    stir.map_or(Attestation::Gateway, |stir| stir.default_attestation)
}

/// The switch's templates, and what the message brings where the switch allows it; the message's word goes before a template.
fn own_fields(asking: &Asking<'_>) -> Vec<(String, String)> {
    let Asking { message, trunk, .. } = *asking;
    let allowed = || message.headers.iter().filter(|(name, _)| trunk.allows_header(name));
    let replaced = |name: &str| allowed().any(|(other, _)| other.eq_ignore_ascii_case(name));
    let templates = trunk.headers.iter().filter(|(name, _)| !replaced(name));
    let filled = templates.map(|(name, template)| (name, fill(template, asking)));
    let brought = allowed().map(|(name, value)| (name, value.clone()));
    let printable = filled.chain(brought).filter_map(|(name, value)| Some((name.clone(), plain(&value, MAX_VALUE)?)));
    printable.filter(|(_, value)| !value.is_empty()).collect()
}

/// One pass: what a value brings is never a placeholder again.
fn fill(template: &str, asking: &Asking<'_>) -> String {
    let Asking { leg, message, business, .. } = *asking;
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        match name {
            "call_id" => out.push_str(&leg.call.to_string()),
            "attempt" => out.push_str(&leg.attempt.to_string()),
            "business_id" => out.push_str(message.business_id.as_str()),
            "reference" => out.push_str(message.reference.as_deref().unwrap_or_default()),
            "company" => out.push_str(message.company_name.as_deref().unwrap_or(&business.name)),
            // The configuration lets no other through.
            _ => {}
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Without control characters, trimmed and bounded; `None` when a line end stood in it: such a value was an attack.
fn plain(text: &str, most: usize) -> Option<String> {
    if text.contains(['\r', '\n']) {
        return None;
    }
    let kept: String = text.chars().filter(|c| !c.is_control()).take(most).collect();
    Some(kept.trim().to_owned())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CallId;
    use crate::model::business::PasswordHash;

    fn business(numbers: &[&str]) -> Business {
        Business {
            caller_ids: numbers.iter().map(|n| Endpoint::parse(n).unwrap()).collect(),
            ..Business::new("abc".parse().unwrap(), "ABC \"Shoes\"", PasswordHash(String::new()))
        }
    }

    fn message() -> InitiationMessage {
        InitiationMessage {
            reference: Some("order {company} 7".into()),
            headers: vec![("X-Order".into(), "321".into()), ("User-to-User".into(), "56a3;encoding=hex".into())],
            ..InitiationMessage::new("abc".parse().unwrap(), Endpoint::parse("+12125550100").unwrap(), vec![])
        }
    }

    fn ask(message: &InitiationMessage, business: &Business, trunk: &Trunk, switch: Option<&str>) -> Caller {
        let leg = LegId { call: CallId::new(Wall(0), [7; 10]), attempt: 1 };
        let own = "192.0.2.100:5060".parse().unwrap();
        let default_attestation = Attestation::Partial;
        caller(&Asking { leg, message, business, trunk, switch_caller_id: switch, own, default_attestation })
    }

    #[test]
    fn the_caller_id_is_the_message_s_then_the_business_s_then_the_switch_s_then_ours() {
        let two = business(&["+12125550111", "+12125550122"]);
        let mut message = message();
        let of = |message: &InitiationMessage, business: &Business, switch| {
            let caller = ask(message, business, &Trunk::default(), switch);
            (caller.from, caller.number, caller.attestation)
        };
        let from = |n: &str| (format!("sip:{n}@192.0.2.100:5060;user=phone"), Some(n.to_owned()));
        let with = |(from, number): (String, Option<String>), attestation| (from, number, attestation);
        assert_eq!(of(&message, &two, Some("+12125550133")), with(from("+12125550111"), Attestation::Full));
        message.caller_id = Some(two.caller_ids[1].clone());
        assert_eq!(of(&message, &two, None), with(from("+12125550122"), Attestation::Full));
        // The number was taken from the business while the call waited for its time.
        let one = business(&["+12125550111"]);
        assert_eq!(of(&message, &one, None), with(from("+12125550111"), Attestation::Full));
        let none = business(&[]);
        assert_eq!(of(&message, &none, Some("+12125550133")), with(from("+12125550133"), Attestation::Partial));
        let ours = ("sip:callbridge@192.0.2.100:5060".to_owned(), None, Attestation::Gateway);
        assert_eq!(of(&message, &none, None), ours);
    }

    #[test]
    fn a_withheld_caller_is_anonymous_to_the_phone_and_known_to_the_trusted_switch() {
        let trunk = Trunk { identity: IdentityForm::PAsserted, privacy: true, ..Trunk::default() };
        let business = business(&["+12125550111"]);
        let caller = ask(&message(), &business, &trunk, None);
        assert_eq!((caller.from.as_str(), caller.from_name.as_deref()), (ANONYMOUS, Some("Anonymous")));
        let asserted = "\"ABC \\\"Shoes\\\"\" <sip:+12125550111@192.0.2.100:5060;user=phone>";
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(caller.headers, [pair("P-Asserted-Identity", asserted), pair("Privacy", "id")]);
        assert_eq!(caller.number.as_deref(), Some("+12125550111"), "a trusted switch may be vouched to");
        let asked = InitiationMessage { withhold_caller_id: true, ..message() };
        let caller = ask(&asked, &business, &Trunk::default(), None);
        assert_eq!((caller.from.as_str(), &caller.headers[..]), (ANONYMOUS, &[pair("Privacy", "id")][..]));
        assert_eq!(caller.number, None, "no PASSporT may tell the number to a switch that is not trusted with it");
    }

    #[test]
    fn header_fields_are_filled_from_templates_and_from_the_message_where_the_switch_allows_them() {
        let trunk = Trunk {
            headers: vec![
                ("X-Account".into(), "{business_id}/{attempt};ref={reference}".into()),
                ("X-Order".into(), "from the template".into()),
                ("X-Company".into(), "{company}".into()),
                ("X-Empty".into(), "{unknown} ".into()),
            ],
            allow_headers: vec!["x-order".into(), "User-to-User".into()],
            ..Trunk::default()
        };
        let mut message = message();
        let caller = ask(&message, &business(&[]), &trunk, None);
        let shown: Vec<_> = caller.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let expected = [
            "X-Account: abc/1;ref=order {company} 7",
            "X-Company: ABC \"Shoes\"",
            "X-Order: 321",
            "User-to-User: 56a3;encoding=hex",
        ];
        assert_eq!(shown, expected);
        assert_eq!(ask(&message, &business(&[]), &Trunk::default(), None).headers, []);
        message.reference = Some("x\r\nRoute: <sip:evil>".into());
        message.company_name = Some("a\u{7}b".into());
        let caller = ask(&message, &business(&[]), &trunk, None);
        assert!(!caller.headers.iter().any(|(_, value)| value.contains("Route")), "{:?}", caller.headers);
        assert_eq!(caller.headers[0], ("X-Company".to_owned(), "ab".to_owned()));
    }
}
