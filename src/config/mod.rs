//! The configuration file, typed; every error has its line and a mend. Owns the shapes and the defaults; refuses to act on
//! them (that is the daemon's).

mod admin;
mod contact;
mod direct;
mod encryption;
mod error;
mod hep;
mod limits;
mod lists;
mod load;
mod reader;
mod recording;
mod sections;
mod sip;
mod staffing;
mod stir;
pub mod storefront;
mod switch;
mod tariffs;
#[cfg(test)]
mod tests;
pub mod texts;
mod traces;
mod trunk;
mod webhooks;

pub use encryption::EncryptionConfig;
pub use error::{ConfigError, ConfigErrors, Place};
pub use load::{load, notes, parse, parse_with};
pub use recording::RecordingSecret;
pub use stir::StirConfig;
pub use texts::Texts;
pub use traces::TracesConfig;
pub use webhooks::WebhooksConfig;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use crate::model::{
    BusinessId, ClientCertificate, Codecs, Direct, Gates, Guard, Language, Limits, MachineTimes, Network, RatePlan,
    Recording, SipTransport, Staffing, SwitchAddress, Tariff, TariffName, Trunk, Voice, Webhook,
    business::PasswordHash,
};

/// The whole file (contract.md). Every key has a default but `switch`.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[http]`
    pub http: HttpConfig,
    /// `[admin]`
    pub admin: AdminConfig,
    /// `[sip]`
    pub sip: SipConfig,
    /// `[stir]`; absent: calls are not signed.
    pub stir: Option<StirConfig>,
    /// `[encryption]`: of messages.
    pub encryption: EncryptionConfig,
    /// `[media]`
    pub media: MediaConfig,
    /// `[recording]`
    pub recording: RecordingConfig,
    /// `[store]`
    pub store: StoreConfig,
    /// `[call]`
    pub call: CallConfig,
    /// `[prompt]`
    pub prompt: PromptConfig,
    /// `[speech]`
    pub speech: SpeechConfig,
    /// `[log]`
    pub log: LogConfig,
    /// `[hep]`; absent: nothing is captured.
    pub hep: Option<HepConfig>,
    /// `[traces]`; absent: no call is traced.
    pub traces: Option<TracesConfig>,
    /// `[webhooks]`
    pub webhooks: WebhooksConfig,
    /// `[[switch]]`
    pub switches: Vec<SwitchConfig>,
    /// `[[tariff]]`: without contradictions.
    pub tariffs: Vec<RatePlan>,
    /// `[[business]]`: seeds of the store.
    pub businesses: Vec<BusinessSeed>,
}

/// `[http]`
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Absent: plain HTTP, refused off loopback unless `insecure`.
    pub tls: Option<TlsConfig>,
    /// Plain HTTP off loopback is wanted.
    pub insecure: bool,
    /// Proxies whose `X-Forwarded-For` is believed; none: where a request comes from is who is connected.
    pub trusted_proxies: Vec<IpNet>,
}

/// `[http] tls`
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// PEM chain.
    pub certificate: PathBuf,
    /// PEM key.
    pub key: PathBuf,
    /// Clients must show a certificate of this authority, where `clients_optional` does not say that they only may.
    pub client_ca: Option<PathBuf>,
    /// Who shows no certificate is let in too; whether that is enough is the account's to say.
    pub clients_optional: bool,
}

/// `[admin]`
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// /metrics /healthz /readyz, and /admin/v1 for operators.
    pub listen: SocketAddr,
    /// Absent: plain HTTP, refused off loopback unless `insecure`.
    pub tls: Option<TlsConfig>,
    /// Plain HTTP off loopback is wanted.
    pub insecure: bool,
    /// Entries of the audit trail are forgotten after so many days.
    pub audit_days: u32,
    /// Who may see and change accounts.
    pub operators: Vec<OperatorConfig>,
}

/// `[[admin.operator]]`
#[derive(Clone, Debug)]
pub struct OperatorConfig {
    /// Its name in the audit trail.
    pub name: String,
    /// From `password_hash`, or made of `password_file`'s contents.
    pub password: SeedPassword,
    /// What it may do.
    pub role: OperatorRole,
}

/// What an operator may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum OperatorRole {
    /// See everything but secrets.
    Read,
    /// Change it too.
    Write,
}

impl OperatorRole {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            OperatorRole::Read => "read",
            OperatorRole::Write => "write",
        }
    }
}

/// `[sip]`
#[derive(Clone, Debug)]
pub struct SipConfig {
    /// Where it listens; never empty. The first of a transport and family is what our messages name.
    pub listen: Vec<(SipTransport, SocketAddr)>,
    /// Our certificate, for `tls:` addresses and for switches that ask for one.
    pub tls: Option<TlsConfig>,
    /// The authorities that sign the switches' certificates; absent: the system's.
    pub ca: Option<PathBuf>,
    /// The name server that is asked where switches are; absent: the system's.
    pub resolver: Option<SocketAddr>,
    /// TCP and TLS connections at once, both ways.
    pub max_connections: u32,
    /// Of them, with one address.
    pub max_connections_per_source: u32,
    /// A connection on which nothing is said for so long is closed.
    pub idle_seconds: u32,
    /// A connection of ours that is quiet for so long is asked whether it lives; 0: never.
    pub keepalive_seconds: u32,
    /// Requests outside of dialogs that one source may make each second.
    pub max_strays_per_second: u32,
}

/// `[media]`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MediaConfig {
    /// Put into SDP, and bound.
    pub address: IpAddr,
    /// First and last port: in pairs, even for RTP and the next for RTCP.
    pub ports: (u16, u16),
    /// Media threads.
    pub threads: usize,
    /// From tick to tick of a media thread.
    pub tick: Tick,
    /// What a leg is offered, in order of preference, where its switch says nothing else.
    pub codecs: Codecs,
    /// How datagrams get in and out.
    pub io: MediaIo,
    /// New calls are refused while a media thread uses so much of a core, in percent.
    pub full_percent: u8,
    /// A side of a talk of which nothing comes for so long is told.
    pub quiet_seconds: u16,
    /// An opinion score below this is bad, in hundredths.
    pub bad_mos: u16,
    /// A leg whose score is bad for so long is told.
    pub bad_seconds: u16,
}

/// `[media] tick_ms`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tick {
    /// 1 ms while a thread has time, 5 ms while it is busy: when nothing is said.
    Adaptive,
    /// Always so many milliseconds: 1, 2, 4, 5 or 10.
    Fixed(u16),
}

/// `[media] io`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MediaIo {
    /// One socket where the machine allows, else the portable way.
    Auto,
    /// A socket for each port.
    Portable,
    /// One socket for all ports, or no start.
    OneSocket,
}

/// `[recording]`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordingConfig {
    /// Where talks are recorded to; beside the store, when nothing is said.
    pub folder: PathBuf,
    /// Recordings are encrypted with it.
    pub key: Option<RecordingSecret>,
    /// They are removed after so many days; never, when nothing is said.
    pub keep_days: Option<u32>,
    /// Both parties hear `[prompt] consent_text` before they talk, where their business does not say otherwise.
    pub consent: bool,
}

/// `[store]`
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The SQLite file, from `sqlite:PATH`. Its folder also keeps rendered prompts and uploaded recordings.
    pub path: PathBuf,
    /// Ladders are forgotten after so many days.
    pub ladder_days: u32,
}

/// `[call]`, all in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallConfig {
    /// The customer's phone rings at most so long.
    pub customer_ring_seconds: u32,
    /// Each representative's.
    pub representative_ring_seconds: u32,
    /// From the customer's answer to a representative's.
    pub max_hold_seconds: u32,
    /// From the bridge to the end.
    pub max_call_seconds: u32,
    /// A bridged call ends when one side that may send is silent (no RTP at all) for so long.
    pub silence_seconds: u32,
    /// A call whose desired contact time passed by more than this (the daemon was down) expires.
    pub late_seconds: u32,
    /// How far in the future a desired contact time may be.
    pub max_ahead_seconds: u32,
    /// After SIGTERM, live calls may go on so long.
    pub drain_seconds: u32,
    /// Live calls of all businesses together.
    pub max_calls: u32,
    /// Whoever is asked to press 1 has so long.
    pub gate_seconds: u32,
    /// How a person and a machine are told apart.
    pub machine: MachineTimes,
    /// The end of a machine's greeting is waited for so long.
    pub machine_greeting_seconds: u32,
}

impl Default for CallConfig {
    fn default() -> CallConfig {
        CallConfig {
            customer_ring_seconds: 45,
            representative_ring_seconds: 25,
            max_hold_seconds: 120,
            max_call_seconds: 7200,
            silence_seconds: 60,
            late_seconds: 3600,
            max_ahead_seconds: 366 * 86_400,
            drain_seconds: 30,
            max_calls: 2500,
            gate_seconds: 20,
            machine: MachineTimes::default(),
            machine_greeting_seconds: 60,
        }
    }
}

/// `[prompt]`
#[derive(Clone, Debug)]
pub struct PromptConfig {
    /// What is spoken where neither the message nor the business says otherwise, and what the files and shipped recordings are in.
    pub language: Language,
    /// Its texts.
    pub texts: Texts,
    /// Those of other languages.
    pub others: BTreeMap<Language, Texts>,
    /// A customer who holds is told so this often; 0: never.
    pub hold_repeat_seconds: u32,
    /// A WAV for the whole message, whatever the company.
    pub file: Option<PathBuf>,
    /// A WAV for the second message.
    pub unavailable_file: Option<PathBuf>,
    /// A WAV of hold music.
    pub hold_music: Option<PathBuf>,
}

impl PromptConfig {
    /// The texts for a call in this language, and whether they are the usual ones: those of the language, else of its language
    /// without the region, else the usual ones.
    pub fn of(&self, language: Option<Language>) -> (&Texts, bool) {
        let Some(language) = language.filter(|language| *language != self.language) else { return (&self.texts, true) };
        let wide = language.without_region();
        let own = self.others.get(&language);
        let own = own.or_else(|| if wide == self.language { None } else { self.others.get(&wide) });
        own.map_or((&self.texts, true), |texts| (texts, false))
    }
}

/// `[speech]`
#[derive(Clone, Debug)]
pub struct SpeechConfig {
    /// Program and arguments; `{text}` and `{output}` (a WAV file) are replaced. `None`: flite, else espeak-ng, where installed.
    /// Empty: none, recordings are used.
    pub command: Option<Vec<String>>,
    /// Seconds before it is killed.
    pub timeout_seconds: u32,
}

/// `[log]`
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// `text` or `json`.
    pub json: bool,
    /// A tracing filter, such as `info`.
    pub filter: String,
    /// Numbers are logged in clear.
    pub numbers: bool,
}

/// `[hep]`: SIP messages are copied to a Homer collector.
#[derive(Clone, PartialEq, Eq)]
pub struct HepConfig {
    /// Where it listens.
    pub collector: SocketAddr,
    /// Over TCP; else UDP.
    pub reliable: bool,
    /// What it calls us.
    pub capture_id: u32,
    /// What it knows us by.
    pub password: Option<String>,
}

impl fmt::Debug for HepConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HepConfig").field("collector", &self.collector).finish_non_exhaustive()
    }
}

/// `[[switch]]`
#[derive(Clone, Debug)]
pub struct SwitchConfig {
    /// Its name in records.
    pub name: String,
    /// Where it is.
    pub address: SwitchAddress,
    /// The name that its certificate must show, instead of the address's host.
    pub tls_name: Option<String>,
    /// E.164 prefixes it serves; empty = any.
    pub prefixes: Vec<String>,
    /// Share among switches with one prefix; 0 = only when no other serves it.
    pub weight: u32,
    /// Hosts of SIP and IP endpoints that may be dialled through it; empty = none.
    pub allow: Vec<String>,
    /// Source addresses besides its own that SIP is accepted from.
    pub sources: Vec<IpAddr>,
    /// The number shown where the business names none.
    pub caller_id: Option<String>,
    /// Legs at once; absent: no bound but `call.max_calls`.
    pub max_channels: Option<u32>,
    /// New legs a second; absent: no bound.
    pub max_calls_per_second: Option<u32>,
    /// In maintenance: takes no new calls, live ones go on.
    pub drain: bool,
    /// Without any response to an INVITE for so long, the next switch is tried, where there is one.
    pub answer_seconds: u32,
    /// With nothing but 100 Trying for so long, the next switch is tried, where there is one.
    pub trying_seconds: u32,
    /// OPTIONS is sent this often; 0 = never.
    pub options_seconds: u32,
    /// How it wants SIP spoken.
    pub trunk: Trunk,
}

/// `[[business]]`
#[derive(Clone, Debug)]
pub struct BusinessSeed {
    /// Identifier.
    pub id: BusinessId,
    /// Name.
    pub name: String,
    /// From `password_hash`, or made of `password_file`'s contents.
    pub password: SeedPassword,
    /// Bounds.
    pub limits: Limits,
    /// Prices, where it has no tariff of the carrier's.
    pub tariff: Tariff,
    /// The carrier's tariff that it pays by: one of the file's.
    pub tariff_name: Option<TariffName>,
    /// Where its requests may come from.
    pub sources: Vec<Network>,
    /// With which certificates.
    pub certificates: Vec<ClientCertificate>,
    /// Verified numbers.
    pub caller_ids: Vec<crate::model::Endpoint>,
    /// Whether its talks are recorded.
    pub recording: Recording,
    /// What its parties are asked before they talk.
    pub gates: Gates,
    /// How it is spoken for.
    pub voice: Voice,
    /// Its representatives, and how its calls are distributed among them.
    pub staffing: Staffing,
    /// How it takes direct call requests.
    pub direct: Direct,
    /// Where its events are told.
    pub webhook: Option<Webhook>,
    /// Where and when it may call.
    pub guard: Guard,
    /// How long its calls are wanted, and how often they are tried.
    pub contact: crate::model::Contact,
}

/// Where a seed's password comes from.
#[derive(Clone, Debug)]
pub enum SeedPassword {
    /// An Argon2id PHC string.
    Hash(PasswordHash),
    /// A file whose first line is the password; hashed when the store is seeded.
    File(PathBuf),
}
