//! Who sends a request, before anybody is verified: its headers, the connection it came over, and the certificate that was shown there. Owns the
//! extractor; refuses to judge any of it.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use ipnet::IpNet;
use ring::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;

use super::source::{Peer, source};
use crate::io::tls::certificate_shows;
use crate::model::ClientCertificate;

/// The certificate that a client showed and that was verified, put into each request by the server.
#[derive(Clone, Debug)]
pub struct Shown(pub Arc<CertificateDer<'static>>);

impl Shown {
    /// Whether an account's description means this one.
    pub fn is(&self, wanted: &ClientCertificate) -> bool {
        match wanted {
            ClientCertificate::Fingerprint(bytes) => digest(&SHA256, &self.0).as_ref() == bytes,
            ClientCertificate::Name(name) => certificate_shows(&self.0, name),
        }
    }
}

/// See the module. Where headers are wanted, it is these.
#[derive(Clone, Debug, Default)]
pub struct Sender {
    headers: HeaderMap,
    peer: Option<Peer>,
    /// Its verified certificate.
    pub certificate: Option<Shown>,
}

impl Sender {
    /// The address that it comes from, over proxies that are believed.
    pub fn source(&self, proxies: &[IpNet]) -> IpAddr {
        let peer = self.peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        source(peer, &self.headers, proxies)
    }
}

impl Deref for Sender {
    type Target = HeaderMap;
    fn deref(&self) -> &HeaderMap {
        &self.headers
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Sender {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Sender, Infallible> {
        let certificate = parts.extensions.get::<Shown>().cloned();
        Ok(Sender { headers: parts.headers.clone(), peer: parts.extensions.get::<Peer>().copied(), certificate })
    }
}
