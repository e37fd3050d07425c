//! The keys of `[[switch]]` that say how a switch wants SIP spoken. Owns their meaning, their bounds, and that no password is
//! shown; refuses what they do on the wire.

use std::path::Path;
use std::time::Duration;

use super::reader::{At, Reader, Section};
use super::sections;
use crate::model::header_name::may_be_set;
use crate::model::trunk::{Credentials, DtmfForm, IdentityForm, Registration, SessionTimer};
use crate::model::{Codecs, Endpoint, SrtpUse, Suites, Trunk};

/// What a template of `headers` may hold.
const PLACEHOLDERS: [&str; 5] = ["{call_id}", "{attempt}", "{business_id}", "{reference}", "{company}"];
const TEMPLATE: &str = "write printable text; {call_id}, {attempt}, {business_id}, {reference} and {company} are replaced, no other braces";
const HEADER: &str = "name a field that callbridge does not write itself, such as X-Account";
/// More fields, and a UDP INVITE would no longer fit its datagram.
const MAX_HEADERS: usize = 16;
const MAX_TEMPLATE: usize = 256;
/// A password file is one line.
const MAX_PASSWORD_FILE: u64 = 4096;

pub(super) fn trunk(reader: &mut Reader, section: &mut Section<'_>, codecs: Codecs) -> Trunk {
    let d = Trunk::default();
    let credentials = credentials(reader, section);
    let registration = registration(reader, section);
    let reliable = section.flag(reader, "reliable_provisionals");
    let session = session(reader, section);
    let mend = "write identity = \"none\" or identity = \"p-asserted-identity\"";
    let identity = section.read(reader, "identity", mend, |text| match text {
        "none" => Ok(IdentityForm::None),
        "p-asserted-identity" => Ok(IdentityForm::PAsserted),
        _ => Err("no form of identity"),
    });
    let privacy = section.flag(reader, "privacy");
    let sign = section.flag(reader, "sign");
    let dtmf =
        section.read(
            reader,
            "dtmf",
            "write dtmf = \"rfc4733\", dtmf = \"info\" or dtmf = \"inband\"",
            |text| match text {
                "rfc4733" => Ok(DtmfForm::Rfc4733),
                "info" => Ok(DtmfForm::Info),
                "inband" => Ok(DtmfForm::InBand),
                _ => Err("no way to send digits"),
            },
        );
    let mend = "write srtp = \"off\", srtp = \"optional\" or srtp = \"required\"";
    let srtp = section.read(reader, "srtp", mend, |text| match text {
        "off" => Ok(SrtpUse::Off),
        "optional" => Ok(SrtpUse::Optional),
        "required" => Ok(SrtpUse::Required),
        _ => Err("no use of SRTP"),
    });
    Trunk {
        credentials,
        registration,
        reliable_provisionals: reliable.unwrap_or(d.reliable_provisionals),
        session,
        identity: identity.map_or(d.identity, |at| at.value),
        privacy: privacy.unwrap_or(d.privacy),
        sign: sign.unwrap_or(d.sign),
        dtmf: dtmf.map_or(d.dtmf, |at| at.value),
        codecs: sections::codecs(reader, section).unwrap_or(codecs),
        srtp: srtp.map_or(d.srtp, |at| at.value),
        srtp_suites: suites(reader, section).unwrap_or(d.srtp_suites),
        headers: headers(reader, section),
        allow_headers: allow_headers(reader, section),
        max_redirects: section.integer(reader, "max_redirects", 0..=10).unwrap_or(d.max_redirects),
    }
}

fn suites(reader: &mut Reader, section: &mut Section<'_>) -> Option<Suites> {
    let mend = "write srtp_suites in order of preference, such as [\"AEAD_AES_128_GCM\", \"AES_CM_128_HMAC_SHA1_80\"]";
    let texts = section.texts(reader, "srtp_suites", mend)?;
    match Suites::of_names(texts.iter().map(|at| at.value.as_str())) {
        Ok(suites) => Some(suites),
        Err(error) => {
            let place = texts.first().map_or_else(|| section.place(reader), |at| at.place.clone());
            reader.error(&place, &section.key("srtp_suites"), error, mend);
            None
        }
    }
}

fn credentials(reader: &mut Reader, section: &mut Section<'_>) -> Option<Credentials> {
    let plain = |text: &str| {
        let good = !text.is_empty() && text.len() <= 256 && !text.chars().any(|c| c.is_control() || c == '"');
        if good { Ok(text.to_owned()) } else { Err("empty, too long, or with quotes or control characters") }
    };
    let username = section.read(reader, "username", "write the name that the switch knows us by", plain);
    let realm = section.read(reader, "realm", "write the realm of the switch's challenges, or leave it out", plain);
    // Not `read`: its errors would show the value.
    let written = section.text(reader, "password", "write a password in quotes, or name a password_file");
    let file = section.path(reader, "password_file");
    let (here, key) = (section.place(reader), section.key("password"));
    if let (Some(_), Some(file)) = (&written, &file) {
        reader.error(&file.place, &key, "given together with password_file", "keep one of them");
    }
    let given = written.is_some() || file.is_some();
    let password = match (written, file) {
        (Some(At { place, value }), _) => usable(reader, &place, &key, value),
        (None, Some(At { place, value })) => match first_line(&value) {
            Ok(line) => usable(reader, &place, &section.key("password_file"), line),
            Err(problem) => {
                let problem = format!("{}: {problem}", value.display());
                let mend = "write the password into the first line of that file";
                reader.error(&place, &section.key("password_file"), problem, mend);
                None
            }
        },
        (None, None) => None,
    };
    match (&username, given) {
        (Some(at), false) => {
            reader.error(&at.place, &key, "missing beside username", "write password_file = \"ssp-62.password\"");
        }
        (None, true) if !section.has("username") => {
            let mend = "write the name that the switch knows us by";
            reader.error(&here, &section.key("username"), "missing beside the password", mend);
        }
        (None, false) if realm.is_some() => {
            let mend = "write username and a password, or leave realm out";
            reader.error(&here, &section.key("username"), "missing beside realm", mend);
        }
        _ => {}
    }
    Some(Credentials { username: username?.value, password: password?, realm: realm.map(|at| at.value) })
}

fn usable(reader: &mut Reader, place: &super::Place, key: &str, password: String) -> Option<String> {
    let good = !password.is_empty() && password.len() <= 256 && !password.chars().any(char::is_control);
    if !good {
        let problem = "empty, longer than 256 bytes, or with control characters";
        reader.error(place, key, problem, "write the password that the switch's operator gave");
    }
    good.then_some(password)
}

pub(super) fn first_line(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_PASSWORD_FILE {
        return Err("longer than 4096 bytes".to_owned());
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn registration(reader: &mut Reader, section: &mut Section<'_>) -> Option<Registration> {
    let mend = "write the address of record, such as \"sip:callbridge@example.com\"";
    let aor = section.read(reader, "register", mend, |text| match Endpoint::parse(text) {
        Ok(Endpoint::Sip(sip)) if sip.uri.contains('@') && !sip.uri.contains([';', '?', '<', '>', '"']) => Ok(sip.uri),
        Ok(_) => Err("no sip: URI with a user, without parameters".to_owned()),
        Err(error) => Err(error.to_string()),
    });
    let seconds: Option<At<u32>> = section.located_integer(reader, "register_seconds", 10..=86_400);
    if let (None, Some(at)) = (&aor, &seconds)
        && !section.has("register")
    {
        reader.error(&at.place, &section.key("register"), "missing beside register_seconds", mend);
    }
    let expires = Duration::from_secs(u64::from(seconds.map_or(3600, |at| at.value)));
    Some(Registration { aor: aor?.value, expires })
}

fn session(reader: &mut Reader, section: &mut Section<'_>) -> Option<SessionTimer> {
    let d = SessionTimer::default();
    let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
    let expires: Option<At<u32>> = section.located_integer(reader, "session_expires_seconds", 0..=86_400);
    let min_se: Option<u32> = section.integer(reader, "min_se_seconds", 90..=86_400);
    let (place, expires) = match expires {
        Some(at) => (at.place, at.value),
        None => (section.place(reader), seconds(d.expires)),
    };
    let min_se = min_se.unwrap_or(seconds(d.min_se));
    if expires == 0 {
        return None;
    }
    if expires < min_se {
        let problem = format!("{expires} is less than min_se_seconds, {min_se}");
        let mend = format!("write at least {min_se} (RFC 4028 wants 90 or more), or 0 for no session timer");
        reader.error(&place, &section.key("session_expires_seconds"), problem, mend);
    }
    let seconds = |s: u32| Duration::from_secs(u64::from(s));
    Some(SessionTimer { expires: seconds(expires), min_se: seconds(min_se) })
}

fn headers(reader: &mut Reader, section: &mut Section<'_>) -> Vec<(String, String)> {
    let pairs = section.pairs(reader, "headers", "write headers = { X-Account = \"{business_id}\" }");
    let key = section.key("headers");
    if let Some((name, _)) = pairs.get(MAX_HEADERS) {
        reader.error(&name.place, &key, format!("more than {MAX_HEADERS} fields"), "keep the ones that are needed");
    }
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, template) in pairs {
        let twice = headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name.value));
        if !may_be_set(&name.value) || twice {
            let why = if twice { "named twice" } else { "not a field that may be set here" };
            reader.error(&name.place, &key, format!("{:?} is {why}", name.value), HEADER);
        } else if let Err(problem) = check_template(&template.value) {
            reader.error(&template.place, &key, format!("{:?} {problem}", template.value), TEMPLATE);
        }
        headers.push((name.value, template.value));
    }
    headers
}

fn check_template(template: &str) -> Result<(), &'static str> {
    if template.trim().is_empty() || template.len() > MAX_TEMPLATE {
        return Err("is empty or longer than 256 bytes");
    }
    if template.chars().any(char::is_control) {
        return Err("has control characters");
    }
    let rest = PLACEHOLDERS.iter().fold(template.to_owned(), |text, known| text.replace(known, ""));
    if rest.contains(['{', '}']) { Err("has an unknown placeholder") } else { Ok(()) }
}

fn allow_headers(reader: &mut Reader, section: &mut Section<'_>) -> Vec<String> {
    let texts = section.texts(reader, "allow_headers", "write names, such as [\"X-Campaign\"]").unwrap_or_default();
    let key = section.key("allow_headers");
    for At { place, value } in texts.iter().filter(|at| !may_be_set(&at.value)) {
        reader.error(place, &key, format!("{value:?} is not a field that may be set here"), HEADER);
    }
    if let Some(at) = texts.get(MAX_HEADERS) {
        reader.error(&at.place, &key, format!("more than {MAX_HEADERS} names"), "keep the ones that are needed");
    }
    texts.into_iter().map(|at| at.value).collect()
}
