//! What events are sent with, out of the configuration: trusted authorities, a name server, networks, bounds. Owns that translation.

use std::time::Duration;

use super::send::Means;
use crate::config::Config;
use crate::io::resolver;
use crate::io::tls::{ClientTls, TlsError};

/// The authorities that `[webhooks] ca` names cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("[webhooks] ca: {0}")]
pub struct MeansError(#[from] TlsError);

impl Means {
    /// What the configuration says. Without a file of authorities on this system, nothing is sent over TLS; without a name server,
    /// only to addresses. Both are said in the log.
    pub fn load(config: &Config) -> Result<Means, MeansError> {
        let webhooks = &config.webhooks;
        let tls = match ClientTls::load(webhooks.ca.as_deref(), None) {
            Ok(tls) => Some(tls),
            Err(error) if webhooks.ca.is_some() => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "no event can be sent to an https webhook");
                None
            }
        };
        let dns = match resolver::for_names(webhooks.resolver.or(config.sip.resolver)) {
            Ok(dns) => Some(dns),
            Err(error) => {
                tracing::warn!(%error, "no name server is known: webhooks with a name cannot be found");
                None
            }
        };
        let patience = Duration::from_secs(webhooks.timeout_seconds.into());
        Ok(Means { allow: webhooks.allow.clone(), insecure: webhooks.insecure, tls, dns, patience })
    }
}
