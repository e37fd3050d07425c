//! What the engine is told at start: bounds and switches. Owns no file format (that is `config`'s).

use std::sync::Arc;
use std::time::Duration;

use crate::billing::Plans;
use crate::call::CallLimits;
use crate::model::trunk::Attestation;
use crate::routing::Switch;
use crate::sip::api::Locals;
use crate::sip::wire::passport::Signer;

/// The engine's configuration.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Our SIP addresses, put into Via and Contact.
    pub sip: Locals,
    /// `User-Agent` and `Server`.
    pub user_agent: String,
    /// Bounds of time of one call.
    pub limits: CallLimits,
    /// A call that could not be placed so long after its time expires.
    pub late: Duration,
    /// How far away a desired contact time may be.
    pub max_ahead: Duration,
    /// Live calls of all businesses together.
    pub max_calls: usize,
    /// Requests outside of dialogs that one source may make each second; above, silence.
    pub strays_per_second: u32,
    /// Those whose talk is recorded are told so first, where their business does not say otherwise.
    pub consent: bool,
    /// The carrier's tariffs. A placed call keeps the one that it began with.
    pub tariffs: Arc<Plans>,
    /// The switches.
    pub switches: Vec<Switch>,
    /// How callers are vouched for; `None`: no INVITE carries an Identity.
    pub stir: Option<Stir>,
}

/// STIR/SHAKEN (RFC 8224, RFC 8588).
#[derive(Clone, Debug)]
pub struct Stir {
    /// Has the key.
    pub signer: Arc<dyn Signer>,
    /// Of a switch's own number, which nobody verified.
    pub default_attestation: Attestation,
    /// A call that a signature is due for and cannot be had fails; else it goes unsigned.
    pub required: bool,
}
