//! The phone as a switch that wants to know who calls: digest challenges (RFC 3261 §22, RFC 7616, RFC 8760) and its judgement
//! of the answer, by its own computation. Owns nonces; refuses to know which call is meant.

use std::collections::BTreeMap;
use std::fmt::Write;

use md5::Md5;
use rand::Rng;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};

use super::Desk;
use super::call::Call;
use super::manners::{Challenge, ChallengeFlaw, Hash};
use super::message::{Message, Start};
use super::story::Fault;

/// What a call has been asked.
#[derive(Default)]
pub(super) struct Guard {
    asked: bool,
    told_stale: bool,
    refused: u32,
}

/// More answers than this to hopeless challenges, and the peer does not know when to stop.
const MOST_TRIES: u32 = 6;
/// Nonces that are remembered.
const MOST_NONCES: usize = 500;

/// The nonces that a phone gave out. They are of the whole switch: a caller may use one for all its requests (RFC 7616 §3.6).
#[derive(Default)]
pub(super) struct Nonces(BTreeMap<String, (Challenge, BTreeMap<u32, String>)>);

/// What the credentials of one request are worth.
pub(super) struct Worth {
    /// One of them is right.
    pub right: bool,
    /// There are some.
    pub any: bool,
    /// What is wrong with the others.
    pub wrong: Vec<String>,
}

impl Nonces {
    /// The lines of a challenge with a fresh nonce.
    pub fn ask(&mut self, rng: &mut StdRng, challenge: &Challenge, stale: bool) -> String {
        let nonce = format!("{:032x}", rng.random::<u128>());
        let lines = lines(challenge, &nonce, stale);
        if self.0.len() >= MOST_NONCES {
            self.0.clear();
        }
        self.0.insert(nonce, (challenge.clone(), BTreeMap::new()));
        lines
    }

    /// Judges whatever credentials a request carries.
    pub fn judge(&mut self, message: &Message<'_>) -> Worth {
        let mut worth = Worth { right: false, any: false, wrong: Vec::new() };
        for (name, as_server) in [("Authorization", true), ("Proxy-Authorization", false)] {
            for value in message.all(name) {
                worth.any = true;
                match self.check(as_server, value, message) {
                    Ok(()) => worth.right = true,
                    Err(why) => worth.wrong.push(why),
                }
            }
        }
        worth
    }

    /// One answer, against an own computation.
    fn check(&mut self, as_server: bool, value: &str, message: &Message<'_>) -> Result<(), String> {
        let fields = Fields::read(value).ok_or("not Digest credentials")?;
        let nonce = fields.get("nonce").unwrap_or_default();
        let (challenge, seen) = self.0.get_mut(nonce).ok_or("credentials that answer no challenge of this switch")?;
        let want = |name: &str, wanted: &str| match fields.get(name) {
            Some(found) if found == wanted => Ok(()),
            found => Err(format!("{name} is {found:?}, wanted was {wanted:?}")),
        };
        let Start::Request { method, uri } = message.start else { return Err("not a request".to_owned()) };
        if challenge.as_server != as_server {
            return Err("credentials in the wrong header".to_owned());
        }
        want("realm", &challenge.realm)?;
        want("username", &challenge.username)?;
        want("uri", uri)?;
        want("opaque", OPAQUE)?;
        let algorithm = challenge.algorithm;
        if algorithm == Hash::Sha256 || fields.get("algorithm").is_some() {
            want("algorithm", algorithm.word())?;
        }
        let secret = algorithm.of(&format!("{}:{}:{}", challenge.username, challenge.realm, challenge.password));
        let what = algorithm.of(&format!("{method}:{uri}"));
        if !challenge.qop {
            if fields.get("qop").is_some() || fields.get("nc").is_some() {
                return Err("qop or nc where none was offered".to_owned());
            }
            return want("response", &algorithm.of(&format!("{secret}:{nonce}:{what}")));
        }
        want("qop", "auth")?;
        let said = fields.get("nc").unwrap_or_default();
        let number = u32::from_str_radix(said, 16).map_err(|_| format!("nc {said:?}"))?;
        // A repetition of the same request has the same number; overtaken ones come late.
        let branch = message.branch().unwrap_or_default();
        if said.len() != 8 || number == 0 || seen.get(&number).is_some_and(|used| used != branch) {
            return Err(format!("nc {said:?} was used by another request"));
        }
        let cnonce = fields.get("cnonce").filter(|c| c.len() >= 8).ok_or("no fit cnonce")?;
        want("response", &algorithm.of(&format!("{secret}:{nonce}:{said}:{cnonce}:auth:{what}")))?;
        seen.insert(number, branch.to_owned());
        Ok(())
    }
}

impl Call {
    /// The refusal of an INVITE that does not prove who sent it: status and lines. None: let it in.
    pub(super) fn challenged(&mut self, desk: &mut Desk<'_>, message: &Message<'_>) -> Option<(u16, String)> {
        let worth = self.judge_credentials(desk, message);
        let challenge = self.behaviour.challenge.clone()?;
        let stale = match challenge.flaw {
            _ if !worth.right => false,
            Some(ChallengeFlaw::AlwaysStale) => true,
            Some(_) => false,
            None if challenge.stale && !self.guard.told_stale => true,
            None => return None,
        };
        if std::mem::replace(&mut self.guard.asked, true) && !worth.any {
            self.story.blame(desk.now, Fault::Credentials, "a challenge was not answered");
        }
        self.guard.told_stale |= stale;
        self.guard.refused += 1;
        if self.guard.refused > MOST_TRIES {
            self.story.blame(desk.now, Fault::Credentials, "it goes on and on though it is never let in");
        }
        let lines = desk.nonces.ask(desk.rng, &challenge, stale);
        Some((if challenge.as_server { 401 } else { 407 }, lines))
    }

    /// Credentials that nobody asked for, or that are wrong, in any request.
    pub(super) fn judge_credentials(&mut self, desk: &mut Desk<'_>, message: &Message<'_>) -> Worth {
        let worth = desk.nonces.judge(message);
        for why in &worth.wrong {
            self.story.blame(desk.now, Fault::Credentials, why.clone());
        }
        worth
    }
}

/// What an answer must repeat.
const OPAQUE: &str = "b3BhcXVl";

impl Hash {
    fn word(self) -> &'static str {
        match self {
            Hash::Md5 => "MD5",
            Hash::Sha256 => "SHA-256",
        }
    }

    fn of(self, text: &str) -> String {
        let mut out = String::new();
        let bytes = match self {
            Hash::Md5 => Md5::digest(text).to_vec(),
            Hash::Sha256 => Sha256::digest(text).to_vec(),
        };
        for byte in bytes {
            let _ = write!(out, "{byte:02x}");
        }
        out
    }
}

/// The lines of a challenge.
fn lines(challenge: &Challenge, nonce: &str, stale: bool) -> String {
    let name = if challenge.as_server { "WWW-Authenticate" } else { "Proxy-Authenticate" };
    let realm = &challenge.realm;
    let mut out = String::new();
    if challenge.strangers_first {
        let _ = write!(out, "{name}: Bearer realm=\"{realm}\", scope=\"sip\"\r\n");
        let _ = write!(out, "{name}: Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm=SHA-9000\r\n");
    }
    match challenge.flaw {
        Some(ChallengeFlaw::Missing) => return out,
        Some(ChallengeFlaw::Malformed) => {
            let _ = write!(out, "{name}: Digest realm=\"{realm}, nonce\r\n");
            return out;
        }
        _ => {}
    }
    let _ = write!(
        out,
        "{name}: Digest realm=\"{realm}\", nonce=\"{nonce}\", opaque=\"{OPAQUE}\", algorithm={}",
        challenge.algorithm.word()
    );
    if challenge.qop {
        out.push_str(", qop=\"auth,auth-int\"");
    }
    if stale {
        out.push_str(", stale=true");
    }
    out.push_str("\r\n");
    out
}

/// `name=value` pairs, quoted or not.
struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    fn read(value: &'a str) -> Option<Fields<'a>> {
        let (scheme, mut rest) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("Digest").then_some(())?;
        let mut fields = Vec::new();
        while !rest.trim().is_empty() {
            let (name, tail) = rest.split_once('=')?;
            let (found, after) = match tail.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => tail.split_at(tail.find(',').unwrap_or(tail.len())),
            };
            fields.push((name.trim(), found.trim()));
            rest = after.trim_start().strip_prefix(',').unwrap_or(after.trim_start()).trim_start();
        }
        Some(Fields(fields))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| *v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 §3.9.1.
    #[test]
    fn both_hashes_give_the_responses_of_the_rfc() {
        let response = |hash: Hash| {
            let secret = hash.of("Mufasa:http-auth@example.org:Circle of Life");
            let what = hash.of("GET:/dir/index.html");
            let (nonce, cnonce) =
                ("7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");
            hash.of(&format!("{secret}:{nonce}:00000001:{cnonce}:auth:{what}"))
        };
        assert_eq!(response(Hash::Md5), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(response(Hash::Sha256), "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
    }

    #[test]
    fn credentials_are_read_quoted_or_not() {
        let fields = Fields::read("Digest username=\"a, b\", nc=00000001,qop=auth , response=\"x\"").unwrap();
        assert_eq!(fields.get("username"), Some("a, b"));
        assert_eq!(
            (fields.get("nc"), fields.get("QOP"), fields.get("response")),
            (Some("00000001"), Some("auth"), Some("x"))
        );
        assert!(Fields::read("Basic abc").is_none());
    }
}
