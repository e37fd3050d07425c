//! Direct call requests (Fig. 9): what a business's account says of them, and what is kept with a call that came so. Owns these
//! shapes and their text forms: Web origins, page keys, service centres, marks. Refuses to judge a request (`access` does) and to
//! choose a representative (`acd` does).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::Endpoint;
use crate::clock::Wall;

/// Most origins of one business.
pub const MAX_ORIGINS: usize = 32;
/// Most page keys of one business: the one in use, the next one, and some that pages still have.
pub const MAX_PAGE_KEYS: usize = 8;
/// Most representatives and service centres that pages of one business may name.
pub const MAX_CENTRES: usize = 256;
/// Most addresses of one of them, to be hunted.
pub const MAX_ADDRESSES: usize = 16;
/// Most skills of one of them.
pub const MAX_SKILLS: usize = 32;
/// Longest life that a page token may be given, in seconds: a day.
pub const MAX_PAGE_TOKEN_SECONDS: u32 = 86_400;
/// Most leading zero bits that a browser is asked to find: beyond it a phone takes minutes.
pub const MAX_WORK_BITS: u8 = 28;

/// How a business takes call requests from its customers' browsers. Closed until it names an origin.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Direct {
    /// The Web origins of its pages; none: it takes no direct requests.
    pub allowed_origins: Vec<WebOrigin>,
    /// Every request needs a token that the business signed for its page.
    pub page_token_required: bool,
    /// What page tokens are signed with; all of them are taken, the first is the newest.
    pub page_keys: Vec<PageKey>,
    /// The longest life of a page token, in seconds.
    pub page_token_seconds: u32,
    /// How many calls one page token may start.
    pub page_token_uses: u32,
    /// Leading zero bits of SHA-256 that a browser has to find for each request; 0: none.
    pub work_bits: u8,
    /// Direct calls to one customer's number an hour.
    pub max_per_number: u32,
    /// Direct calls from one source address an hour.
    pub max_per_source: u32,
    /// Direct calls of this business an hour.
    pub max_per_hour: u32,
    /// Whom `representative_information` 910 may name.
    pub centres: Vec<Centre>,
    /// Who is meant where nobody is named; absent: the first.
    pub default_centre: Option<String>,
}

impl Default for Direct {
    fn default() -> Direct {
        Direct {
            allowed_origins: Vec::new(),
            page_token_required: false,
            page_keys: Vec::new(),
            page_token_seconds: 3600,
            page_token_uses: 1,
            work_bits: 0,
            max_per_number: 3,
            max_per_source: 20,
            max_per_hour: 300,
            centres: Vec::new(),
            default_centre: None,
        }
    }
}

impl Direct {
    /// Whether it takes direct requests at all.
    pub fn is_open(&self) -> bool {
        !self.allowed_origins.is_empty()
    }

    /// Whether pages of this origin may ask.
    pub fn allows(&self, origin: &str) -> bool {
        self.allowed_origins.iter().any(|allowed| allowed.as_str() == origin)
    }

    /// What is wrong with the account as a whole.
    pub fn problem(&self) -> Option<String> {
        let centre = |id: &String| !self.centres.iter().any(|centre| centre.id == *id);
        if let Some(id) = self.default_centre.as_ref().filter(|id| centre(id)) {
            return Some(format!("the default centre {id:?} is none of its centres"));
        }
        let ids = self.centres.iter().map(|centre| centre.id.as_str());
        if let Some(id) = twice(ids) {
            return Some(format!("two centres are called {id:?}"));
        }
        if let Some(id) = twice(self.page_keys.iter().map(|key| key.id.as_str())) {
            return Some(format!("two page keys are called {id:?}"));
        }
        if self.page_token_required && self.page_keys.is_empty() {
            return Some("page tokens are required, and there is no page key to sign one".to_owned());
        }
        let bounds = [
            (self.allowed_origins.len(), MAX_ORIGINS, "origins"),
            (self.page_keys.len(), MAX_PAGE_KEYS, "page keys"),
            (self.centres.len(), MAX_CENTRES, "centres"),
        ];
        let beyond = bounds.into_iter().find(|(count, most, _)| count > most);
        beyond.map(|(_, most, what)| format!("at most {most} {what}"))
    }
}

fn twice<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = std::collections::BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

/// The origin of a Web page (RFC 6454), as browsers write it: scheme and host in small letters, the port unless it is the
/// scheme's own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(transparent)]
pub struct WebOrigin(String);

/// Why a text is no origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an origin: scheme, host and perhaps a port, such as https://shop.example, without a path or a *")]
pub struct NoOrigin;

impl WebOrigin {
    /// As browsers write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The origin of the page at this address.
    pub fn of_url(url: &str) -> Option<WebOrigin> {
        let authority = url.find("://")? + 3;
        let end = url.get(authority..)?.find(['/', '?', '#']).map_or(url.len(), |at| authority + at);
        url.get(..end)?.parse().ok()
    }
}

impl FromStr for WebOrigin {
    type Err = NoOrigin;
    fn from_str(text: &str) -> Result<WebOrigin, NoOrigin> {
        let text = text.trim().to_ascii_lowercase();
        let (scheme, rest) = text.split_once("://").ok_or(NoOrigin)?;
        let own_port = match scheme {
            "https" => 443,
            "http" => 80,
            _ => return Err(NoOrigin),
        };
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']').ok_or(NoOrigin)?;
                let address: std::net::Ipv6Addr = address.parse().map_err(|_| NoOrigin)?;
                (format!("[{address}]"), after)
            }
            None => {
                let at = rest.find(':').unwrap_or(rest.len());
                (rest[..at].to_owned(), &rest[at..])
            }
        };
        let label = |label: &str| {
            let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            (1..=63).contains(&label.len()) && label.bytes().all(good)
        };
        if host.len() > 253 || !(host.starts_with('[') || host.split('.').all(label)) {
            return Err(NoOrigin);
        }
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            None => return Err(NoOrigin),
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits),
            Some(_) => return Err(NoOrigin),
        };
        let port = port.map(|digits| digits.parse::<u16>().map_err(|_| NoOrigin)).transpose()?;
        match port.filter(|port| *port != own_port) {
            Some(0) => Err(NoOrigin),
            Some(port) => Ok(WebOrigin(format!("{scheme}://{host}:{port}"))),
            None => Ok(WebOrigin(format!("{scheme}://{host}"))),
        }
    }
}

impl<'de> Deserialize<'de> for WebOrigin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WebOrigin, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The page that an address names, without what a link may hang on it: what page tokens are made for.
pub fn page_of(url: &str) -> &str {
    url.find(['?', '#']).map_or(url, |at| &url[..at])
}

/// A secret that a business signs its pages with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageKey {
    /// Its name in tokens.
    pub id: String,
    /// The secret; its bytes as they are written are the key.
    pub secret: String,
}

impl fmt::Debug for PageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageKey({}, …)", self.id)
    }
}

impl PageKey {
    /// A key of this name: 1 to 16 of `A-Z a-z 0-9 _ -`; the secret has 32 to 128 visible ASCII characters.
    pub fn new(id: &str, secret: &str) -> Result<PageKey, &'static str> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if !(1..=16).contains(&id.len()) || !id.bytes().all(plain) {
            return Err("the name of a page key is 1 to 16 of A-Z a-z 0-9 _ -");
        }
        if !(32..=128).contains(&secret.len()) || !secret.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("the secret of a page key is 32 to 128 visible ASCII characters");
        }
        Ok(PageKey { id: id.to_owned(), secret: secret.to_owned() })
    }
}

/// A representative or a service centre that a page may name (910), by its identifier or by what it knows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Centre {
    /// Its identifier; a number such as +18005550100 may be one.
    pub id: String,
    /// Where it is reached, in hunt order. Never empty.
    pub addresses: Vec<Endpoint>,
    /// What it knows.
    #[serde(default)]
    pub skills: Vec<String>,
}

impl Centre {
    /// Reads `ADDRESS[,ADDRESS…][#SKILL[,SKILL…]]`.
    pub fn parse(id: &str, text: &str) -> Result<Centre, String> {
        let (addresses, skills) = text.split_once('#').unwrap_or((text, ""));
        let id = word(id).ok_or_else(|| format!("{id:?} is not 1 to 64 of A-Z a-z 0-9 + . _ -"))?;
        let mut read = Vec::new();
        for address in addresses.split(',') {
            let endpoint = Endpoint::parse(address).map_err(|error| format!("{address:?} is {error}"))?;
            read.push(endpoint);
        }
        let skills = skills.split(',').map(str::trim).filter(|skill| !skill.is_empty());
        let skills: Vec<String> = skills
            .map(|skill| word(skill).ok_or_else(|| format!("{skill:?} is not 1 to 64 of A-Z a-z 0-9 + . _ -")))
            .collect::<Result<_, String>>()?;
        if read.len() > MAX_ADDRESSES || skills.len() > MAX_SKILLS {
            return Err(format!("more than {MAX_ADDRESSES} addresses or {MAX_SKILLS} skills"));
        }
        Ok(Centre { id, addresses: read, skills })
    }
}

/// A word of `representative_information`.
fn word(text: &str) -> Option<String> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'_' | b'-');
    let text = text.trim();
    ((1..=64).contains(&text.len()) && text.bytes().all(good)).then(|| text.to_owned())
}

/// Something that is counted or remembered, as a digest: what is kept says nothing about whom.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mark(pub u128);

impl Serialize for Mark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Mark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Mark, D::Error> {
        let text = String::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map(Mark).map_err(serde::de::Error::custom)
    }
}

/// Something that may be used a bounded number of times until then.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ticket {
    /// Which.
    pub mark: Mark,
    /// Afterwards it is worth nothing anyway.
    pub until: Wall,
}

/// What a direct call request is counted by: durable with its call, so that a restart opens no door again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RequestMarks {
    /// The customer's number 908.
    pub number: Mark,
    /// Where the request came from, at this business.
    pub source: Mark,
    /// The business 904.
    pub business: Mark,
    /// The page token that it used.
    pub page_token: Option<Ticket>,
    /// The work that it showed. Challenges do not outlive the daemon, so neither need this.
    #[serde(skip)]
    pub work: Option<Ticket>,
}

/// What is kept with a call that a customer's browser asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DirectRequest {
    /// 910, as the page said it.
    pub representative_information: Option<String>,
    /// What it is counted by.
    pub marks: RequestMarks,
}

/// How a call came to the equipment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallSource {
    /// By an initiation message of its business (Fig. 8).
    #[default]
    Message,
    /// By a customer's browser (Fig. 9).
    DirectRequest,
    /// By its business, through Click to Dial (CAMARA).
    ClickToDial,
}

impl CallSource {
    /// As it stands in records.
    pub fn as_str(self) -> &'static str {
        match self {
            CallSource::Message => "message",
            CallSource::DirectRequest => "direct_request",
            CallSource::ClickToDial => "click_to_dial",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_form_and_no_path_or_star() {
        for (given, written) in [
            ("https://shop.example", "https://shop.example"),
            ("HTTPS://Shop.Example:443", "https://shop.example"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("https://[2001:DB8:0::7]:8443", "https://[2001:db8::7]:8443"),
        ] {
            assert_eq!(given.parse::<WebOrigin>().map(|origin| origin.0), Ok(written.to_owned()), "{given}");
        }
        for bad in [
            "",
            "null",
            "*",
            "https://",
            "https://*.shop.example",
            "https://shop.example/",
            "https://u@shop.example",
            "ftp://shop.example",
            "https://shop.example:0",
            "https://shop.example:99999",
            "https://shop..example",
            "https://[::1",
        ] {
            assert_eq!(bad.parse::<WebOrigin>(), Err(NoOrigin), "{bad}");
        }
    }

    #[test]
    fn the_origin_of_a_page_is_its_own_and_never_what_it_says_before_an_at_sign() {
        let of = |url| WebOrigin::of_url(url).map(|origin| origin.0);
        assert_eq!(of("https://Shop.example/cruises?x=1#y"), Some("https://shop.example".to_owned()));
        assert_eq!(of("https://shop.example?x=https://evil.example/"), Some("https://shop.example".to_owned()));
        assert_eq!(of("https://shop.example@evil.example/"), None);
        assert_eq!(of("https://shop.example\\@evil.example/"), None);
        assert_eq!(page_of("https://shop.example/a?b#c"), "https://shop.example/a");
        assert_eq!(page_of("https://shop.example/a#c?b"), "https://shop.example/a");
    }

    #[test]
    fn a_centre_has_addresses_and_skills() {
        let cruise = Centre::parse("cruise", "+12125550101, sip:anna@pbx.example#sea,cruise").unwrap();
        assert_eq!((cruise.addresses.len(), cruise.skills.len()), (2, 2));
        assert!(Centre::parse("+18005550100", "+12125550101").unwrap().skills.is_empty());
        for (id, text) in [("a b", "+12125550101"), ("a", ""), ("a", "12"), ("a", "+12125550101#sea side")] {
            assert!(Centre::parse(id, text).is_err(), "{id} {text}");
        }
    }

    #[test]
    fn a_page_key_never_shows_its_secret() {
        let key = PageKey::new("k1", &"s".repeat(32)).unwrap();
        assert_eq!(format!("{key:?}"), "PageKey(k1, …)");
        assert!(PageKey::new("k.1", &"s".repeat(32)).is_err());
        assert!(PageKey::new("k1", "short").is_err());
    }

    #[test]
    fn an_account_that_contradicts_itself_is_told() {
        let centres = vec![Centre::parse("a", "+12125550101").unwrap()];
        let good = Direct { centres: centres.clone(), default_centre: Some("a".to_owned()), ..Direct::default() };
        assert_eq!(good.problem(), None);
        assert!(Direct { default_centre: Some("b".to_owned()), ..good.clone() }.problem().is_some());
        assert!(Direct { page_token_required: true, ..Direct::default() }.problem().is_some());
        assert!(Direct { centres: [centres.clone(), centres].concat(), ..Direct::default() }.problem().is_some());
        assert!(!good.is_open());
    }
}
