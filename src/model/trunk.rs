//! How one switch wants SIP spoken: all of `[[switch]]` that is not routing. Owns the shapes and their defaults; what they mean
//! on the wire is `sip`'s.

use std::fmt;
use std::time::Duration;

use super::{Codecs, SrtpUse, Suites};

/// The manners of a trunk. Cheap to share: one per switch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trunk {
    /// For its digest challenges (401, 407); without them a challenge is a refusal.
    pub credentials: Option<Credentials>,
    /// It wants to be registered with.
    pub registration: Option<Registration>,
    /// `Supported: 100rel` (RFC 3262).
    pub reliable_provisionals: bool,
    /// RFC 4028; absent: no timer is asked for (the peer's is honoured all the same).
    pub session: Option<SessionTimer>,
    /// How the caller's identity is asserted.
    pub identity: IdentityForm,
    /// The caller is not shown: From is anonymous, `Privacy: id` (RFC 3323, RFC 3325).
    pub privacy: bool,
    /// INVITEs carry a signed PASSporT (RFC 8224), where `[stir]` has a key.
    pub sign: bool,
    /// How digits are sent.
    pub dtmf: DtmfForm,
    /// Codecs that it is offered.
    pub codecs: Codecs,
    /// Whether its media is encrypted.
    pub srtp: SrtpUse,
    /// What its media is encrypted with: offered in this order, and nothing else is taken.
    pub srtp_suites: Suites,
    /// Header fields of every INVITE: name and template (`{call_id}`, `{attempt}`, `{business_id}`, `{reference}`, `{company}`).
    pub headers: Vec<(String, String)>,
    /// Names that an initiation message may set.
    pub allow_headers: Vec<String>,
    /// 3xx answers followed per leg.
    pub max_redirects: u8,
}

impl Trunk {
    /// Whether an initiation message may set this field towards the switch.
    pub fn allows_header(&self, name: &str) -> bool {
        self.allow_headers.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
    }
}

impl Default for Trunk {
    fn default() -> Trunk {
        Trunk {
            credentials: None,
            registration: None,
            reliable_provisionals: true,
            session: Some(SessionTimer::default()),
            identity: IdentityForm::None,
            privacy: false,
            sign: false,
            dtmf: DtmfForm::default(),
            codecs: Codecs::DEFAULT,
            srtp: SrtpUse::Off,
            srtp_suites: Suites::DEFAULT,
            headers: Vec::new(),
            allow_headers: Vec::new(),
            max_redirects: 3,
        }
    }
}

/// A user name and its password; the password never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `username`.
    pub username: String,
    /// In clear: digest needs it.
    pub password: String,
    /// Only this realm is answered; absent: any.
    pub realm: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

/// What is registered (RFC 3261 §10).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// The address of record, a SIP URI.
    pub aor: String,
    /// Asked for; the registrar may shorten it.
    pub expires: Duration,
}

/// RFC 4028.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionTimer {
    /// Session-Expires we ask for.
    pub expires: Duration,
    /// The shortest we accept (at least 90 s by the RFC).
    pub min_se: Duration,
}

impl Default for SessionTimer {
    fn default() -> SessionTimer {
        SessionTimer { expires: Duration::from_secs(1800), min_se: Duration::from_secs(90) }
    }
}

/// How the caller's identity is asserted to a switch that trusts us.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IdentityForm {
    /// In From only.
    #[default]
    None,
    /// P-Asserted-Identity (RFC 3325).
    PAsserted,
}

/// How digits are sent to a switch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DtmfForm {
    /// telephone-event (RFC 4733) where the peer agreed to it, else INFO.
    #[default]
    Rfc4733,
    /// INFO with `application/dtmf-relay`.
    Info,
    /// Tones in the sound: it understands nothing else.
    InBand,
}

/// How well the caller's right to the number shown is known (RFC 8588 §4, ATIS-1000074).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attestation {
    /// A: the caller is our customer and the number is verified to be theirs.
    Full,
    /// B: the caller is our customer; the right to the number is not verified.
    Partial,
    /// C: the call came to us and that is all we know.
    Gateway,
}

impl Attestation {
    /// Every one.
    pub const ALL: [Attestation; 3] = [Attestation::Full, Attestation::Partial, Attestation::Gateway];

    /// `A`, `B` or `C`.
    pub fn as_str(self) -> &'static str {
        match self {
            Attestation::Full => "A",
            Attestation::Partial => "B",
            Attestation::Gateway => "C",
        }
    }
}
