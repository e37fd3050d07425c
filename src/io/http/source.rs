//! Where a request comes from: who is connected, or whom a trusted proxy says it speaks for. Owns the reading of `X-Forwarded-For`;
//! refuses to believe it from anybody else.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};
use ipnet::{IpNet, Ipv6Net};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// More proxies stand in no row.
const MAX_HOPS: usize = 16;

/// Who is connected, put into each request by the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer(pub SocketAddr);

/// The address that a request comes from: the right-most one that is no proxy of ours. What stands left of it anybody may have
/// written.
pub fn source(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let ours = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut nearest = peer.to_canonical();
    if !ours(nearest) {
        return nearest;
    }
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let hops = lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
    for hop in hops.take(MAX_HOPS) {
        // What a proxy of ours wrote and we cannot read is the proxy's own affair.
        let Some(address) = address(hop.trim()) else { return nearest };
        nearest = address;
        if !ours(nearest) {
            break;
        }
    }
    nearest
}

/// `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::7`, `[2001:db8::7]:4711`
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let plain = bare.parse::<IpAddr>().ok();
    plain.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip())).map(|address| address.to_canonical())
}

/// What one subscriber has: an IPv4 address, or the /64 of an IPv6 address.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Net::new_assert(v6, 64).network().into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        headers
    }

    fn from(peer: &str, lines: &[&str]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "2001:db8:ffff::/48".parse().unwrap()];
        source(peer.parse().unwrap(), &headers(lines), &trusted).to_string()
    }

    #[test]
    fn a_stranger_is_who_is_connected_whatever_it_writes() {
        assert_eq!(from("192.0.2.7", &["198.51.100.1"]), "192.0.2.7");
        assert_eq!(from("::ffff:192.0.2.7", &[]), "192.0.2.7");
    }

    #[test]
    fn behind_proxies_it_is_the_right_most_that_is_none_of_ours() {
        assert_eq!(from("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(from("10.0.0.1", &["203.0.113.9, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(from("10.0.0.1", &["203.0.113.9", "198.51.100.1:4711", "10.0.0.2"]), "198.51.100.1");
        assert_eq!(from("2001:db8:ffff::1", &["[2001:db8::7]:4711"]), "2001:db8::7");
        assert_eq!(from("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(from("10.0.0.1", &["10.0.0.3,10.0.0.2"]), "10.0.0.3", "a customer of the own network");
    }

    #[test]
    fn what_cannot_be_read_is_the_proxys_own() {
        assert_eq!(from("10.0.0.1", &["198.51.100.1, unknown"]), "10.0.0.1");
        assert_eq!(from("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(from("10.0.0.1", &[&vec!["10.0.0.2"; 40].join(",")]), "10.0.0.2");
    }

    #[test]
    fn a_subscriber_of_ipv6_has_a_whole_64() {
        let subscriber = |text: &str| subscriber(text.parse().unwrap()).to_string();
        assert_eq!(subscriber("2001:db8:0:1:2:3:4:5"), "2001:db8:0:1::");
        assert_eq!(subscriber("192.0.2.7"), "192.0.2.7");
    }

    proptest! {
        #[test]
        fn whatever_is_written_before_our_proxys_hop_changes_nothing(junk in "[0-9a-f.:, ]{0,60}") {
            prop_assert_eq!(from("10.0.0.1", &[&format!("{junk},198.51.100.1")]), "198.51.100.1");
        }
    }
}
