//! Whether an address may be connected to for a stranger: public ones, and what the operator allows. Owns the list of what is not
//! public (the IANA registries of special-purpose addresses, RFC 6890 and its successors); refuses names: they are looked up before.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// True for an address in one of these networks. A mapped IPv4 address is that IPv4 address.
pub fn is_allowed(address: IpAddr, allow: &[IpNet]) -> bool {
    let address = address.to_canonical();
    allow.iter().any(|network| network.contains(&address))
}

/// True for an address of the public Internet. What is not known to be that is not.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        // This network, private, loopback, link-local with the metadata services of clouds, multicast and what is reserved.
        [0 | 10 | 127, ..] | [169, 254, ..] | [192, 168, ..] | [224..=255, ..] => true,
        [172, second, ..] => (16..32).contains(&second),
        // Carrier-grade NAT (RFC 6598), and a metadata service in it.
        [100, second, ..] => (64..128).contains(&second),
        // Protocol assignments, documentation, the former 6to4 relays, benchmarks.
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        _ => false,
    };
    !special
}

/// Only 2000::/3 is given out; loopback, link-local, unique local, site-local, multicast and NAT64 lie outside.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let special = match address.segments() {
        // Teredo, ORCHID and other protocol assignments; documentation.
        [0x2001, second, ..] => second < 0x0200 || second == 0x0db8,
        // 6to4: an IPv4 address in disguise. Documentation again. Formerly 6bone.
        [0x2002 | 0x3ffe, ..] => true,
        [0x3fff, second, ..] => second < 0x1000,
        _ => false,
    };
    address.segments().first().is_some_and(|first| first & 0xe000 == 0x2000) && !special
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn nothing_of_a_private_network_is_public_in_whatever_form() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.7",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "3ffe::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "5f00::1",
        ] {
            assert!(!is_public(address(text)), "{text}");
        }
    }

    #[test]
    fn the_public_internet_is() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.1.1",
            "198.17.0.1",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00::1",
        ] {
            assert!(is_public(address(text)), "{text}");
        }
    }

    #[test]
    fn an_allowed_network_is_meant_in_every_form_of_its_addresses() {
        let allow: Vec<IpNet> = ["127.0.0.0/8", "fd00::/8"].map(|text| text.parse().unwrap()).into();
        for text in ["127.0.0.1", "::ffff:127.0.0.1", "fd12::1"] {
            assert!(is_allowed(address(text), &allow), "{text}");
        }
        for text in ["128.0.0.1", "::1", "fe80::1", "10.0.0.1"] {
            assert!(!is_allowed(address(text), &allow), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_ipv4_address_is_judged_alike_when_it_is_mapped(bits in any::<u32>()) {
            let plain = Ipv4Addr::from(bits);
            prop_assert_eq!(is_public(plain.into()), is_public(plain.to_ipv6_mapped().into()));
            prop_assert!(!(is_public(plain.into()) && (plain.is_private() || plain.is_loopback() || plain.is_link_local())));
        }
    }
}
