//! Digest access authentication as the side that is challenged (RFC 3261 §22, RFC 7616, RFC 8760): reads challenges, chooses
//! the strongest it knows, computes the answer. Owns the syntax of both fields and nothing of who answers when. Hashes come
//! from crates; randomness and counters are handed in. Never prints a secret.

use std::fmt::Write;

use md5::Digest;

use super::grammar::{is_token, quoted_len, trim};

/// Longest challenge that is read, in bytes.
const MAX_CHALLENGE: usize = 4096;
/// Longest realm, nonce or opaque that is kept.
const MAX_VALUE: usize = 1024;
/// Challenges of one response that are looked at.
const MAX_CHALLENGES: usize = 16;
/// Realms of one response that are answered (RFC 3261 §22.3: a forked request may be challenged by several proxies).
pub const MAX_REALMS: usize = 4;

/// Why a challenge is not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChallengeError {
    #[error("a 401 or 407 without a challenge")]
    Missing,
    #[error("a scheme other than Digest")]
    Scheme,
    #[error("a malformed challenge")]
    Syntax,
    #[error("a challenge without {0}")]
    Lacks(&'static str),
    #[error("an algorithm we do not know")]
    Algorithm,
    #[error("a quality of protection we do not know")]
    Protection,
    #[error("a challenge longer than is read")]
    TooLong,
    #[error("a realm we have no credentials for")]
    Realm,
}

/// The hash functions of RFC 7616 §6.1, weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Hash {
    Md5,
    Sha512_256,
    Sha256,
}

/// `algorithm`, ordered by what we would rather use: SHA-256 is the one that RFC 8760 §2.1 makes mandatory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Algorithm {
    hash: Hash,
    /// The `-sess` form: the key is bound to the nonce and the client's first cnonce.
    session: bool,
}

impl Algorithm {
    fn parse(token: &str) -> Option<Algorithm> {
        let folded = token.to_ascii_uppercase();
        let (name, session) = folded.strip_suffix("-SESS").map_or((folded.as_str(), false), |name| (name, true));
        let hash = match name {
            "MD5" => Hash::Md5,
            "SHA-256" => Hash::Sha256,
            "SHA-512-256" => Hash::Sha512_256,
            _ => return None,
        };
        Some(Algorithm { hash, session })
    }

    /// As registered.
    pub fn as_str(self) -> &'static str {
        match (self.hash, self.session) {
            (Hash::Md5, false) => "MD5",
            (Hash::Md5, true) => "MD5-sess",
            (Hash::Sha256, false) => "SHA-256",
            (Hash::Sha256, true) => "SHA-256-sess",
            (Hash::Sha512_256, false) => "SHA-512-256",
            (Hash::Sha512_256, true) => "SHA-512-256-sess",
        }
    }

    /// Lower-case hex of the hash of these parts, joined by colons.
    fn of(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self.hash {
            Hash::Md5 => hex(md5::Md5::digest(text.as_bytes()).as_slice()),
            Hash::Sha256 => hex(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref()),
            Hash::Sha512_256 => hex(ring::digest::digest(&ring::digest::SHA512_256, text.as_bytes()).as_ref()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

/// One challenge that can be answered. Its values are kept as they stood between the quotes, escapes included: so they are
/// hashed (`unq` of RFC 7616 §3.4.1 takes the quotes away and nothing else) and so they are given back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Challenge {
    /// The protection space.
    pub realm: Box<str>,
    /// The server's nonce.
    pub nonce: Box<str>,
    /// Given back as it is.
    pub opaque: Option<Box<str>>,
    /// The last answer was right but its nonce is too old: try again with this one.
    pub stale: bool,
    /// Which hash.
    pub algorithm: Algorithm,
    /// The challenge named it, so the answer does.
    names_algorithm: bool,
    /// `qop=auth`; false is the form of RFC 2069.
    protected: bool,
    /// The user name goes hashed (RFC 7616 §3.4.4).
    userhash: bool,
}

impl Challenge {
    /// Reads the value of one WWW-Authenticate or Proxy-Authenticate field.
    ///
    /// # Errors
    /// [`ChallengeError`]: what we cannot answer.
    pub fn parse(value: &[u8]) -> Result<Challenge, ChallengeError> {
        if value.len() > MAX_CHALLENGE {
            return Err(ChallengeError::TooLong);
        }
        let text = std::str::from_utf8(trim(value)).map_err(|_| ChallengeError::Syntax)?;
        let (scheme, params) = text.split_once([' ', '\t']).ok_or(ChallengeError::Scheme)?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Err(ChallengeError::Scheme);
        }
        let mut read = Read::default();
        for param in Parameters(params) {
            let (name, value) = param?;
            read.take(name, value)?;
        }
        read.finish()
    }

    /// The strongest challenge of each realm, in the order of the realms, from the fields of one 401 or 407. RFC 8760 §2.4
    /// lets local policy go before the order of the fields.
    ///
    /// # Errors
    /// When none can be answered: why the last one could not. `realm`: the only one that we have credentials for.
    pub fn choose<'a>(
        fields: impl Iterator<Item = &'a [u8]>,
        realm: Option<&str>,
    ) -> Result<Vec<Challenge>, ChallengeError> {
        let mut chosen: Vec<Challenge> = Vec::new();
        let mut error = ChallengeError::Missing;
        for field in fields.take(MAX_CHALLENGES) {
            let room = chosen.len() < MAX_REALMS;
            match Challenge::parse(field) {
                Ok(challenge) if realm.is_some_and(|realm| *realm != *challenge.realm) => error = ChallengeError::Realm,
                Ok(challenge) => match chosen.iter_mut().find(|other| other.realm == challenge.realm) {
                    Some(other) if challenge.algorithm > other.algorithm => *other = challenge,
                    Some(_) => {}
                    None if room => chosen.push(challenge),
                    None => {}
                },
                Err(why) => error = why,
            }
        }
        if chosen.is_empty() { Err(error) } else { Ok(chosen) }
    }

    /// The value of the Authorization or Proxy-Authorization that answers it.
    pub fn answer(&self, asked: &Asked<'_>) -> String {
        let Asked { username, password, method, uri, cnonce, count } = *asked;
        let algorithm = self.algorithm;
        let mut secret = algorithm.of(&[username, &self.realm, password]);
        if algorithm.session {
            secret = algorithm.of(&[&secret, &self.nonce, cnonce]);
        }
        let request = algorithm.of(&[method, uri]);
        let count = format!("{count:08x}");
        let response = match self.protected {
            true => algorithm.of(&[&secret, &self.nonce, &count, cnonce, "auth", &request]),
            false => algorithm.of(&[&secret, &self.nonce, &request]),
        };
        let shown = match self.userhash {
            true => algorithm.of(&[username, &self.realm]),
            false => username.replace('\\', "\\\\").replace('"', "\\\""),
        };
        let mut text = format!(
            "Digest username=\"{shown}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{response}\"",
            self.realm, self.nonce
        );
        let mut put = |name: &str, value: &str| {
            let _written = write!(text, ", {name}={value}");
        };
        if self.names_algorithm {
            put("algorithm", algorithm.as_str());
        }
        if self.protected || algorithm.session {
            put("cnonce", &format!("\"{cnonce}\""));
        }
        if let Some(opaque) = &self.opaque {
            put("opaque", &format!("\"{opaque}\""));
        }
        if self.protected {
            put("qop", "auth");
            put("nc", &count);
        }
        if self.userhash {
            put("userhash", "true");
        }
        text
    }
}

/// What an answer is computed of, besides the challenge. It has no `Debug`: it holds a password.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Whose credentials.
    pub username: &'a str,
    /// In clear.
    pub password: &'a str,
    /// Of the request.
    pub method: &'a str,
    /// The Request-URI as it is sent.
    pub uri: &'a str,
    /// Ours, unpredictable; the same as long as the nonce is used.
    pub cnonce: &'a str,
    /// How many requests were sent with this nonce, this one included: 1 for the first.
    pub count: u32,
}

/// A challenge half read.
#[derive(Default)]
struct Read<'a> {
    realm: Option<&'a str>,
    nonce: Option<&'a str>,
    opaque: Option<&'a str>,
    stale: Option<&'a str>,
    algorithm: Option<&'a str>,
    qop: Option<&'a str>,
    userhash: Option<&'a str>,
}

impl<'a> Read<'a> {
    fn take(&mut self, name: &str, value: &'a str) -> Result<(), ChallengeError> {
        let place = match name.to_ascii_lowercase().as_str() {
            "realm" => &mut self.realm,
            "nonce" => &mut self.nonce,
            "opaque" => &mut self.opaque,
            "stale" => &mut self.stale,
            "algorithm" => &mut self.algorithm,
            "qop" => &mut self.qop,
            "userhash" => &mut self.userhash,
            _ => return Ok(()),
        };
        match place.replace(value) {
            // Two nonces are one too many to guess from.
            Some(_) => Err(ChallengeError::Syntax),
            None if value.len() > MAX_VALUE => Err(ChallengeError::TooLong),
            // It is given back in a field of ours.
            None if value.bytes().any(|byte| byte.is_ascii_control()) => Err(ChallengeError::Syntax),
            None => Ok(()),
        }
    }

    fn finish(self) -> Result<Challenge, ChallengeError> {
        let realm = self.realm.ok_or(ChallengeError::Lacks("realm"))?;
        let nonce = self.nonce.filter(|nonce| !nonce.is_empty()).ok_or(ChallengeError::Lacks("nonce"))?;
        let algorithm = Algorithm::parse(self.algorithm.unwrap_or("MD5")).ok_or(ChallengeError::Algorithm)?;
        let offers = |qop: &str| qop.split(',').any(|one| one.trim().eq_ignore_ascii_case("auth"));
        let protected = match self.qop.map(str::trim) {
            None | Some("") => false,
            Some(qop) if offers(qop) => true,
            Some(_) => return Err(ChallengeError::Protection),
        };
        let yes = |flag: Option<&str>| flag.is_some_and(|flag| flag.eq_ignore_ascii_case("true"));
        Ok(Challenge {
            realm: realm.into(),
            nonce: nonce.into(),
            opaque: self.opaque.map(Into::into),
            stale: yes(self.stale),
            algorithm,
            names_algorithm: self.algorithm.is_some(),
            protected,
            userhash: yes(self.userhash),
        })
    }
}

/// `name=value` pairs of a comma list; the quotes are taken away and nothing else.
struct Parameters<'a>(&'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = Result<(&'a str, &'a str), ChallengeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let blank = |c: char| matches!(c, ' ' | '\t' | ',');
        let rest = self.0.trim_start_matches(blank);
        if rest.is_empty() {
            return None;
        }
        let read = parameter(rest);
        // After an error nothing more is read.
        self.0 = read.map_or("", |(_, _, after)| after);
        Some(read.map(|(name, value, _)| (name, value)).ok_or(ChallengeError::Syntax))
    }
}

/// Name, value and what follows the comma.
fn parameter(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.split_once('=')?;
    let (name, rest) = (name.trim(), rest.trim_start());
    let (value, after) = match rest.starts_with('"') {
        true => {
            let (quoted, after) = rest.split_at_checked(quoted_len(rest.as_bytes())?)?;
            (quoted.get(1..quoted.len().checked_sub(1)?)?, after)
        }
        false => {
            let (value, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
            // It may be given back between quotes.
            (Some(value.trim_end()).filter(|value| !value.contains(['"', '\\']))?, after)
        }
    };
    let after = after.trim_start();
    let ends = after.is_empty() || after.starts_with(',');
    (is_token(name.as_bytes()) && ends).then_some((name, value, after))
}

#[cfg(test)]
mod tests;
