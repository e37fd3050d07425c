//! What the engine is told at start: bounds and switches. Owns no file format (that is `config`'s).

use std::time::Duration;

use crate::call::CallLimits;
use crate::routing::Switch;
use crate::sip::api::Locals;

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
    /// The switches.
    pub switches: Vec<Switch>,
}
