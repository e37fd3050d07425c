//! Where a business's requests may come from, and with which certificate: what its account says of it. Owns the text forms of both;
//! refuses to look at a connection (`io` does).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// Most networks of one business.
pub const MAX_SOURCES: usize = 64;
/// Most certificates of one business: the one in use, the next one, and those of its machines.
pub const MAX_CERTIFICATES: usize = 16;

/// An address or a network, such as `192.0.2.7` or `2001:db8::/48`. What stands behind the prefix is cut.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ToSchema)]
#[schema(value_type = String, example = "192.0.2.0/24")]
pub struct Network(IpNet);

/// Why a text is no network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no address and no network, such as 192.0.2.0/24 or 2001:db8::7")]
pub struct NoNetwork;

impl Network {
    /// Whether this address is one of it. An IPv4 address that is written as an IPv6 one is that IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = NoNetwork;
    fn from_str(text: &str) -> Result<Network, NoNetwork> {
        let text = text.trim();
        let single = || text.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical()));
        text.parse::<IpNet>().ok().or_else(single).map(|network| Network(network.trunc())).ok_or(NoNetwork)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Network, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// By what a client's certificate is known. The certificate itself was verified against `[http] tls.client_ca` before.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ClientCertificate {
    /// The SHA-256 of the whole certificate: `sha256:` and 64 hexadecimal digits.
    Fingerprint([u8; 32]),
    /// A DNS name among its alternative names: `dns:calls.example.com`.
    Name(String),
}

/// Why a text is no such description.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("neither sha256: with 64 hexadecimal digits nor dns: with a host name")]
pub struct NoClientCertificate;

impl FromStr for ClientCertificate {
    type Err = NoClientCertificate;
    fn from_str(text: &str) -> Result<ClientCertificate, NoClientCertificate> {
        let (kind, rest) = text.trim().split_once(':').ok_or(NoClientCertificate)?;
        match kind {
            "sha256" => {
                // As openssl writes it, with colons.
                let digits: String = rest.chars().filter(|c| *c != ':').collect();
                let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                let mut bytes = [0; 32];
                if digits.len() != 64 {
                    return Err(NoClientCertificate);
                }
                for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
                    let &[high, low] = pair else { return Err(NoClientCertificate) };
                    let high = digit(high).ok_or(NoClientCertificate)?;
                    *byte = high << 4 | digit(low).ok_or(NoClientCertificate)?;
                }
                Ok(ClientCertificate::Fingerprint(bytes))
            }
            "dns" => {
                let name = rest.to_ascii_lowercase();
                let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
                let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(good);
                let host = name.len() <= 253 && name.split('.').all(label);
                if host { Ok(ClientCertificate::Name(name)) } else { Err(NoClientCertificate) }
            }
            _ => Err(NoClientCertificate),
        }
    }
}

impl fmt::Display for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientCertificate::Fingerprint(bytes) => {
                f.write_str("sha256:")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            ClientCertificate::Name(name) => write!(f, "dns:{name}"),
        }
    }
}

impl Serialize for ClientCertificate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClientCertificate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ClientCertificate, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_network_is_an_address_or_a_prefix_and_takes_both_forms_of_ipv4() {
        let network: Network = "192.0.2.77/24".parse().unwrap();
        assert_eq!(network.to_string(), "192.0.2.0/24");
        assert!(
            network.contains("192.0.2.1".parse().unwrap()) && network.contains("::ffff:192.0.2.1".parse().unwrap())
        );
        assert!(!network.contains("192.0.3.1".parse().unwrap()) && !network.contains("::1".parse().unwrap()));
        assert_eq!("2001:db8::7".parse::<Network>().unwrap().to_string(), "2001:db8::7/128");
        for bad in ["", "*", "192.0.2", "192.0.2.0/33", "localhost"] {
            assert_eq!(bad.parse::<Network>(), Err(NoNetwork), "{bad}");
        }
    }

    #[test]
    fn a_certificate_is_known_by_its_fingerprint_or_a_name() {
        let colons = format!("sha256:{}", vec!["AB"; 32].join(":"));
        assert_eq!(colons.parse(), Ok(ClientCertificate::Fingerprint([0xab; 32])));
        assert_eq!("dns:Calls.Example.com".parse(), Ok(ClientCertificate::Name("calls.example.com".into())));
        for bad in ["", "abc", "sha1:00", "sha256:00", "dns:", "dns:*.example.com", "dns:a b", "dns:a..b"] {
            assert_eq!(bad.parse::<ClientCertificate>(), Err(NoClientCertificate), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_as_it_is_read(text in "(sha256:[0-9a-f]{64}|dns:[a-z0-9.-]{0,20}|[ -~]{0,20})") {
            if let Ok(read) = text.parse::<ClientCertificate>() {
                prop_assert_eq!(read.to_string().parse::<ClientCertificate>(), Ok(read));
            }
            if let Ok(read) = text.parse::<Network>() {
                prop_assert_eq!(read.to_string().parse::<Network>(), Ok(read));
            }
        }
    }
}
