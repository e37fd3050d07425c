//! What stands between a stranger's browser and the calls: which Web origins are known, the keys of challenges and followers'
//! tokens, whose forwarding is believed. Owns these and the CORS answers; refuses to decide about one request (`requests` does).

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use ipnet::IpNet;
use rand::TryRngCore;
use rand::rngs::OsRng;
use ring::hmac;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::app::App;
use super::quota;
use super::source::{Peer, source, subscriber};
use crate::access::direct::mark;
use crate::access::follow;
use crate::access::work;
use crate::clock::Wall;
use crate::model::direct::{Mark, Ticket};
use crate::model::{BusinessId, CallId, Directory};

/// A browser need not ask again for so long.
const MAX_AGE: Duration = Duration::from_secs(600);

/// See the module.
pub struct Door {
    follow: hmac::Key,
    work: hmac::Key,
    proxies: Vec<IpNet>,
    origins: ArcSwapOption<(Arc<Directory>, BTreeSet<String>)>,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("proxies", &self.proxies).finish_non_exhaustive()
    }
}

/// The system gives no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random bytes for challenges: {0}")]
pub struct NoRandomness(String);

fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).map_err(|error| NoRandomness(error.to_string()))?;
    Ok(bytes)
}

impl Door {
    /// Tokens of followers outlive the daemon with the store's `secret`; challenges do not.
    pub fn new(secret: &[u8; 32], proxies: Vec<IpNet>) -> Result<Door, NoRandomness> {
        let work: [u8; 32] = random()?;
        Ok(Door {
            follow: hmac::Key::new(hmac::HMAC_SHA256, secret),
            work: hmac::Key::new(hmac::HMAC_SHA256, &work),
            proxies,
            origins: ArcSwapOption::empty(),
        })
    }

    /// Whether any business allows this origin. Which one is nobody's business: what is readable in a browser is what `curl` shows.
    pub fn knows(&self, directory: &Arc<Directory>, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        if let Some(known) = &*self.origins.load()
            && Arc::ptr_eq(&known.0, directory)
        {
            return known.1.contains(origin);
        }
        let open = directory.businesses.values().filter(|business| business.enabled);
        let origins = open.flat_map(|business| &business.direct.allowed_origins);
        let origins: BTreeSet<String> = origins.map(|origin| origin.as_str().to_owned()).collect();
        let known = origins.contains(origin);
        self.origins.store(Some(Arc::new((Arc::clone(directory), origins))));
        known
    }

    /// Whose forwarding is believed.
    pub fn proxies(&self) -> &[IpNet] {
        &self.proxies
    }

    /// By what a request's source is counted at this business.
    pub fn source_mark(&self, peer: Option<Peer>, headers: &HeaderMap, business: &BusinessId) -> Mark {
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        let address = subscriber(source(peer, headers, &self.proxies)).to_string();
        mark("source", &[business.as_str().as_bytes(), address.as_bytes()])
    }

    /// A fresh challenge.
    pub fn challenge(&self, business: &BusinessId, bits: u8, now: Wall) -> Result<String, NoRandomness> {
        Ok(work::challenge(&self.work, business, bits, now, random()?))
    }

    /// The verdict over work that was shown.
    pub fn judge_work(
        &self,
        business: &BusinessId,
        bits: u8,
        (challenge, nonce): (&str, &str),
        now: Wall,
    ) -> Result<Ticket, work::WorkFault> {
        work::judge(&self.work, business, bits, challenge, nonce, now)
    }

    /// The token with which this call is followed.
    pub fn follow_token(&self, call: CallId, business: &BusinessId, until: Wall) -> String {
        follow::make(&self.follow, call, business, until)
    }

    /// Whose call it is, for who has its token.
    pub fn follower(&self, call: CallId, token: &str, now: Wall) -> Option<BusinessId> {
        follow::judge(&self.follow, call, token, now)
    }
}

/// Cross-origin answers of one path: for known origins, without credentials, with these methods and headers and no others.
pub(super) fn cors(app: &Arc<App>, methods: &[Method], headers: &[HeaderName]) -> CorsLayer {
    let app = Arc::clone(app);
    let known = move |origin: &HeaderValue, _: &_| app.door.knows(&app.directory.load_full(), origin);
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(known))
        .allow_methods(methods.to_vec())
        .allow_headers(headers.to_vec())
        .expose_headers([header::LOCATION, header::RETRY_AFTER, quota::RATE_LIMIT, quota::RATE_LIMIT_POLICY])
        .max_age(MAX_AGE)
}
