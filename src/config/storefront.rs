//! The configuration of the business's Web server (`callbridge storefront`), a file of its own: listener, store, the company's name, its
//! calling equipments and its representatives. Owns what these keys mean; refuses to read secrets and to act on anything.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::de::DeTable;
use url::Host;

use super::lists::{self, Seen};
use super::load::{finish, list, open, read_text, tell_syntax};
use super::reader::{At, Reader, Section};
use super::sections::{self, loopback};
use super::{ConfigErrors, HttpConfig, LogConfig, SeedPassword};
use crate::model::staffing::MAX_CUSTOMERS;
use crate::model::{BusinessId, CivilDate, Endpoint, Hours, Level, Skill, Span, Staffing, Strategy, WebhookUrl, Zone};

const URL: &str = "write url = \"https://calls.example\": scheme, host and port of its API";
const BUSINESS: &str = "write business = \"abc\", as the carrier knows you";
const SECRET: &str = "write password_file = \"equipment.password\", its first line the password";
const ID: &str = "write id = \"rita\": 1 to 64 letters, digits, . _ -";
const REPRESENTATIVE: &str = "write password_file = \"rita.password\", or password_hash = \"$argon2id$…\"";
const ADDRESS: &str = "write address = \"+16465550101\", a sip: URI or an IP address";
const SKILLS: &str =
    "write skills = [\"cruise\"] or [\"cruise=9\"]: letters, digits, + . _ -, and a level from 1 to 10";
const HOURS: &str = "write hours = [\"mon-fri 09:00-17:30\", \"sat 10:00-14:00\"]";
const CLOSED: &str = "write closed = [\"2026-12-25\"]";
const STRATEGY: &str = "write longest_idle, fewest_calls, skill_best, round_robin or priority";
const NAME: &str = "write name = \"ABC\"";

/// The whole file.
#[derive(Clone, Debug)]
pub struct StorefrontConfig {
    /// `[http]`: where pages are served.
    pub http: HttpConfig,
    /// `[store] file`: customers, orders, representatives, call requests.
    pub store: PathBuf,
    /// `[company]`
    pub company: CompanyConfig,
    /// `[calls]`
    pub calls: CallsConfig,
    /// How calls are distributed: `[calls]`, `[desk]` and the company's hours. Its representatives are the store's.
    pub rules: Staffing,
    /// `[desk] lease_seconds`: a representative whose browser is not heard of for so long is logged off.
    pub lease: Duration,
    /// `[webhook] secret_file`; absent: no events are taken, calls are followed by streams alone.
    pub webhook_secret: Option<PathBuf>,
    /// `[log]`
    pub log: LogConfig,
    /// `[[equipment]]`, at least one.
    pub equipment: Vec<EquipmentConfig>,
    /// `[[representative]]`: seeds of the store.
    pub representatives: Vec<RepresentativeSeed>,
    /// `[wallboard] promised_seconds`: who talks with somebody within so long was served in time.
    pub promised: Duration,
    /// `[[supervisor]]`: seeds of the store.
    pub supervisors: Vec<SupervisorSeed>,
}

/// `[company]`
#[derive(Clone, Debug)]
pub struct CompanyConfig {
    /// On the pages and in the message to the customer.
    pub name: String,
    /// The zone of times that are typed on its pages without a script.
    pub zone: TimeZone,
    /// Where browsers get the button's script; absent: at the first equipment.
    pub widget: Option<WebhookUrl>,
}

/// `[calls]`: what strangers may ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallsConfig {
    /// To one number an hour.
    pub per_number: u32,
    /// From one source address an hour.
    pub per_source: u32,
    /// Requests that wait, for their time or for a representative.
    pub waiting: u32,
}

/// `[[equipment]]`: one calling equipment that takes our initiation messages.
#[derive(Clone, Debug)]
pub struct EquipmentConfig {
    /// Its name in logs and in the store.
    pub name: String,
    /// Its API.
    pub url: WebhookUrl,
    /// Who we are there (804).
    pub business: BusinessId,
    /// The file whose first line is the password (806).
    pub password_file: PathBuf,
    /// The cheapest one that works is asked first.
    pub cost: u32,
    /// PEM file of the authorities to trust; absent: the system's.
    pub ca: Option<PathBuf>,
}

/// `[[representative]]`: put into the store where the store has none of this identifier.
#[derive(Clone, Debug)]
pub struct RepresentativeSeed {
    /// What is typed at the log-on.
    pub id: BusinessId,
    /// As customers' orders name them.
    pub name: String,
    /// 334 or 336: what rings, until the representative says otherwise.
    pub address: Endpoint,
    /// What the representative knows more of than others.
    pub skills: Vec<String>,
    /// Of the desk.
    pub password: SeedPassword,
}

/// `[[supervisor]]`: put into the store where the store has none of this identifier.
#[derive(Clone, Debug)]
pub struct SupervisorSeed {
    /// What is typed at the log-on.
    pub id: BusinessId,
    /// Name.
    pub name: String,
    /// What rings to listen, whisper or join, until the supervisor says otherwise.
    pub address: Endpoint,
    /// Of the wallboard.
    pub password: SeedPassword,
}

/// Reads the file at `path`.
pub fn load(path: &Path) -> Result<StorefrontConfig, ConfigErrors> {
    let (text, name) = read_text(path, "config.storefront.example.toml")?;
    parse(&text, &name, path.parent().unwrap_or(Path::new("")))
}

/// Reads a text that is called `name` in errors; relative paths begin at `folder`.
pub fn parse(text: &str, name: &str, folder: &Path) -> Result<StorefrontConfig, ConfigErrors> {
    let mut reader = Reader::new(text, name, folder, Default::default());
    let (tree, syntax) = DeTable::parse_recoverable(text);
    tell_syntax(&mut reader, &syntax);
    let mut root = Section::root(tree.get_ref(), reader.whole_file());
    let r = &mut reader;
    let config = {
        let root = &mut root;
        let (company, hours) = open(r, root, "company", company);
        let (calls, rules) = open(r, root, "calls", calls);
        let (lease, rests) = open(r, root, "desk", desk);
        let [wrap_up_seconds, set_aside_seconds] = rests;
        let rules = Staffing { hours, wrap_up_seconds, set_aside_seconds, ..rules };
        StorefrontConfig {
            http: open(r, root, "http", http),
            store: open(r, root, "store", store),
            company,
            calls,
            rules,
            lease,
            webhook_secret: open(r, root, "webhook", webhook),
            log: open(r, root, "log", sections::log),
            equipment: list(r, root, "equipment", equipments),
            representatives: list(r, root, "representative", representatives),
            promised: open(r, root, "wallboard", wallboard),
            supervisors: list(r, root, "supervisor", supervisors),
        }
    };
    if !root.has("equipment") {
        let mend = "add [[equipment]] with url, business and password_file";
        let place = r.whole_file();
        r.error(&place, "equipment", "no calling equipment is configured, so nobody could be called", mend);
    }
    root.finish(r);
    finish(reader, syntax.is_empty(), config)
}

fn http(reader: &mut Reader, section: Section<'_>) -> HttpConfig {
    let said = section.has("listen");
    let http = sections::http(reader, section);
    // The daemon of the same machine has 8080.
    HttpConfig { listen: if said { http.listen } else { loopback(8070) }, ..http }
}

fn store(reader: &mut Reader, mut section: Section<'_>) -> PathBuf {
    let file = section.path(reader, "file");
    section.finish(reader);
    file.map_or_else(|| reader.path("storefront.db"), |at| at.value)
}

fn company(reader: &mut Reader, mut section: Section<'_>) -> (CompanyConfig, Option<Hours>) {
    let (here, key) = (section.place(reader), section.key("name"));
    let name = section.read(reader, "name", NAME, words);
    if !section.has("name") {
        reader.error(&here, &key, "missing", NAME);
    }
    let mend = "write zone = \"America/New_York\", a name of the IANA time zones";
    let zone = section.read(reader, "zone", mend, str::parse::<Zone>);
    let zone = zone.map(|at| at.value).unwrap_or_default();
    let mend = "write widget = \"https://calls.example/widget.js\"";
    let widget = section.read(reader, "widget", mend, |text| text.parse::<WebhookUrl>());
    let week: Vec<Span> = each(reader, &mut section, "hours", HOURS);
    let closed: Vec<CivilDate> = each(reader, &mut section, "closed", CLOSED);
    section.finish(reader);
    let clock = TimeZone::get(zone.as_str()).unwrap_or(TimeZone::UTC);
    let company = CompanyConfig {
        name: name.map(|at| at.value).unwrap_or_default(),
        zone: clock,
        widget: widget.map(|at| at.value),
    };
    let always = week.is_empty() && closed.is_empty();
    (company, (!always).then_some(Hours { zone, week, closed }))
}

/// A list of texts that each mean something.
fn each<T: FromStr<Err: Display>>(
    reader: &mut Reader,
    section: &mut Section<'_>,
    key: &'static str,
    mend: &str,
) -> Vec<T> {
    let mut all = Vec::new();
    for At { place, value } in section.texts(reader, key, mend).unwrap_or_default() {
        match value.parse() {
            Ok(one) => all.push(one),
            Err(error) => reader.error(&place, &section.key(key), format!("{value:?} is {error}"), mend),
        }
    }
    all
}

fn words(text: &str) -> Result<String, &'static str> {
    match text.trim() {
        "" => Err("no name"),
        name if name.chars().count() > 80 => Err("longer than 80 characters"),
        name if name.chars().any(char::is_control) => Err("a name with control characters"),
        name => Ok(name.to_owned()),
    }
}

/// `cruise`, or `cruise=9` with how well.
fn is_skill(text: &str) -> bool {
    let (word, level) = text.split_once('=').unwrap_or((text, "5"));
    word.parse::<Skill>().is_ok() && level.parse().ok().is_some_and(|level| Level::new(level).is_ok())
}

fn calls(reader: &mut Reader, mut section: Section<'_>) -> (CallsConfig, Staffing) {
    let rules = Staffing::default();
    let mut get = |key, most, default| section.integer(reader, key, 1..=most).unwrap_or(default);
    let calls = CallsConfig {
        per_number: get("max_per_number", 1000, 3),
        per_source: get("max_per_source", 100_000, 20),
        waiting: get("max_waiting", 20_000, 500),
    };
    let max_wait_seconds = get("max_wait_seconds", 86_400, rules.max_wait_seconds);
    let late = section.integer(reader, "late_per_mille", 0..=500).unwrap_or(rules.late_per_mille);
    let overflow = section.read(reader, "overflow", ADDRESS, Endpoint::parse).map(|at| at.value);
    let strategy = section.read(reader, "strategy", STRATEGY, |text| {
        Strategy::deserialize(text.into_deserializer()).map_err(|_: serde::de::value::Error| "no strategy")
    });
    let strategy = strategy.map(|at| at.value).unwrap_or_default();
    section.finish(reader);
    let max_customers = calls.waiting.min(MAX_CUSTOMERS);
    let rules = Staffing { max_wait_seconds, late_per_mille: late, overflow, strategy, max_customers, ..rules };
    (calls, rules)
}

fn desk(reader: &mut Reader, mut section: Section<'_>) -> (Duration, [u32; 2]) {
    let mut get = |key, bounds, default: u32| section.integer(reader, key, bounds).unwrap_or(default);
    let seconds = get("lease_seconds", 3..=600, 45);
    let rests = [get("wrap_up_seconds", 1..=3600, 30), get("set_aside_seconds", 1..=86_400, 120)];
    section.finish(reader);
    (Duration::from_secs(seconds.into()), rests)
}

fn webhook(reader: &mut Reader, mut section: Section<'_>) -> Option<PathBuf> {
    let file = section.path(reader, "secret_file");
    section.finish(reader);
    file.map(|at| at.value)
}

fn equipments(reader: &mut Reader, sections: Vec<Section<'_>>) -> Vec<EquipmentConfig> {
    let mut seen = Seen::default();
    sections.into_iter().filter_map(|section| equipment(reader, section, &mut seen)).collect()
}

fn equipment(reader: &mut Reader, mut section: Section<'_>, seen: &mut Seen) -> Option<EquipmentConfig> {
    let here = section.place(reader);
    let name = section.read(reader, "name", NAME, words);
    let url = section.read(reader, "url", URL, |text| match text.parse::<WebhookUrl>() {
        Ok(url) if url.target() == "/" => Ok(url),
        Ok(_) => Err("an address with a path".to_owned()),
        Err(error) => Err(error.to_string()),
    });
    let business = section.read(reader, "business", BUSINESS, |text| {
        text.parse::<BusinessId>().map_err(|_| "not a business identifier (1 to 64 letters, digits, . _ -)")
    });
    let password_file = section.path(reader, "password_file");
    let cost = section.integer(reader, "cost", 0..=1_000_000).unwrap_or(1);
    let ca = section.path(reader, "ca").map(|at| at.value);
    let insecure = section.flag(reader, "insecure").unwrap_or(false);
    for (key, mend) in [("url", URL), ("business", BUSINESS), ("password_file", SECRET)] {
        if !section.has(key) {
            reader.error(&here, &section.key(key), "missing", mend);
        }
    }
    if let Some(At { place, value }) = &url
        && !value.is_secure()
        && !insecure
        && !is_loopback(value)
    {
        let mend = "write https://, or say insecure = true";
        reader.error(place, &section.key("url"), "the password would travel in clear", mend);
    }
    let (name_key, url_key) = (section.key("name"), section.key("url"));
    section.finish(reader);
    let (url, business, password_file) = (url?, business?, password_file?);
    let name = match name {
        Some(at) => {
            seen.check(reader, &name_key, &at);
            at.value
        }
        None => {
            let authority = At { place: url.place.clone(), value: url.value.authority() };
            seen.check(reader, &url_key, &authority);
            authority.value
        }
    };
    let (url, business, password_file) = (url.value, business.value, password_file.value);
    Some(EquipmentConfig { name, url, business, password_file, cost, ca })
}

fn is_loopback(url: &WebhookUrl) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn wallboard(reader: &mut Reader, mut section: Section<'_>) -> Duration {
    let seconds = section.integer::<u32>(reader, "promised_seconds", 1..=3600).unwrap_or(60);
    section.finish(reader);
    Duration::from_secs(seconds.into())
}

fn supervisors(reader: &mut Reader, sections: Vec<Section<'_>>) -> Vec<SupervisorSeed> {
    let mut seen = Seen::default();
    let seed = |section| person(reader, section, &mut seen, false);
    let people: Vec<RepresentativeSeed> = sections.into_iter().filter_map(seed).collect();
    let plain = |RepresentativeSeed { id, name, address, password, .. }| SupervisorSeed { id, name, address, password };
    people.into_iter().map(plain).collect()
}

fn representatives(reader: &mut Reader, sections: Vec<Section<'_>>) -> Vec<RepresentativeSeed> {
    let mut seen = Seen::default();
    sections.into_iter().filter_map(|section| person(reader, section, &mut seen, true)).collect()
}

/// A representative; without skills, a supervisor.
fn person(reader: &mut Reader, mut section: Section<'_>, seen: &mut Seen, skilled: bool) -> Option<RepresentativeSeed> {
    let here = section.place(reader);
    // The form of a business's identifier, for no better reason than that it is a good one.
    let id = section.read(reader, "id", ID, |text| text.parse::<BusinessId>().map_err(|_| "no identifier"));
    let name = section.read(reader, "name", NAME, words);
    let address = section.read(reader, "address", ADDRESS, Endpoint::parse);
    let mut skills = Vec::new();
    let texts = if skilled { section.texts(reader, "skills", SKILLS) } else { None };
    for At { place, value } in texts.unwrap_or_default() {
        match words(&value) {
            Ok(text) if is_skill(&text) => skills.push(text),
            _ => reader.error(&place, &section.key("skills"), format!("{value:?} is no skill"), SKILLS),
        }
    }
    let password = lists::password(reader, &mut section, REPRESENTATIVE);
    for (key, mend) in [("id", ID), ("name", NAME), ("address", ADDRESS)] {
        if !section.has(key) {
            reader.error(&here, &section.key(key), "missing", mend);
        }
    }
    let key = section.key("id");
    section.finish(reader);
    let id = id?;
    seen.check(reader, &key, &At { place: id.place.clone(), value: id.value.to_string() });
    let (name, address) = (name?.value, address?.value);
    Some(RepresentativeSeed { id: id.value, name, address, skills, password: password? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "[company]\nname = \"ABC\"\n[[equipment]]\nurl = \"http://127.0.0.1:8080\"\nbusiness = \"abc\"\n\
        password_file = \"abc.password\"\n";

    fn read(text: &str) -> Result<StorefrontConfig, String> {
        parse(text, "s.toml", Path::new("/srv")).map_err(|errors| errors.to_string())
    }

    #[test]
    fn the_smallest_file_has_every_default() {
        let config = read(SMALL).unwrap();
        assert_eq!((config.company.name.as_str(), config.http.listen.port()), ("ABC", 8070));
        assert_eq!((config.store.as_path(), config.lease), (Path::new("/srv/storefront.db"), Duration::from_secs(45)));
        let equipment = &config.equipment[0];
        assert_eq!((equipment.name.as_str(), equipment.cost), ("127.0.0.1:8080", 1));
        assert_eq!(equipment.password_file, Path::new("/srv/abc.password"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_the_mend() {
        let text = "[company]\nnmae = \"ABC\"\n[[equipment]]\nurl = \"http://calls.example\"\nbusiness = \"a:b\"\n\
            [[representative]]\nid = \"rita\"\nname = \"Rita\"\naddress = \"nobody\"\npassword_file = \"r\"\n";
        let told = read(text).unwrap_err();
        for part in [
            "s.toml:2: company.nmae: unknown key\n    mend: did you mean name?",
            "s.toml:4: equipment[1].url: the password would travel in clear",
            "s.toml:5: equipment[1].business",
            "s.toml:3: equipment[1].password_file: missing",
            "s.toml:9: representative[1].address",
        ] {
            assert!(told.contains(part), "{part} in\n{told}");
        }
    }

    #[test]
    fn the_shipped_example_is_good_and_its_comments_name_the_defaults() {
        let shipped = include_str!("../../config.storefront.example.toml");
        let config = read(shipped).unwrap();
        assert_eq!((config.calls, config.lease), (read(SMALL).unwrap().calls, Duration::from_secs(45)));
        assert_eq!((config.calls.per_number, config.calls.per_source, config.calls.waiting), (3, 20, 500));
        assert_eq!(config.representatives[0].skills, ["cruise"]);
    }

    #[test]
    fn without_an_equipment_there_is_no_storefront() {
        assert!(read("[company]\nname = \"ABC\"\n").unwrap_err().contains("no calling equipment"));
    }
}
