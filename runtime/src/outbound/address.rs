//! Which addresses a recording may be fetched from: those of the public Internet, and no others.
//!
//! A push names the URL, so whoever can push could otherwise have the archiver read what only it can reach: a metadata
//! service, a database's port, a neighbour in the VPC. Sources:
//! <https://www.iana.org/assignments/iana-ipv4-special-registry>,
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Why an address is not fetched from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `0.0.0.0/8`, `::`: "this network", which reaches the machine itself.
    Unspecified,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// RFC 1918, and IPv6's unique local and site-local addresses (`fd00:ec2::254` is EC2's metadata service).
    Private,
    /// `169.254.0.0/16`, `fe80::/10`: the metadata services of most clouds are here.
    LinkLocal,
    /// `100.64.0.0/10`, shared by carriers; Alibaba's metadata service, `100.100.100.200`, is in it.
    CarrierGrade,
    /// `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// Written in documents and benchmarks, never routed.
    Documentation,
    /// A tunnel or translator whose far end the address does not tell reliably.
    Translation,
    /// Set aside by IANA for a protocol, for the future, or outside of what is handed out.
    Reserved,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::CarrierGrade => "carrier-grade",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Documentation => "documentation",
            Self::Translation => "translation",
            Self::Reserved => "reserved",
        })
    }
}

/// Tells why this address may not be fetched from; `None` if it is public.
pub fn refusal(address: IpAddr) -> Option<Refusal> {
    match address {
        IpAddr::V4(address) => refusal_v4(address),
        IpAddr::V6(address) => refusal_v6(address),
    }
}

/// The first network that holds the address decides.
const REFUSED_V4: [(Ipv4Net, Refusal); 18] = [
    (v4([0, 0, 0, 0], 8), Refusal::Unspecified),
    (v4([10, 0, 0, 0], 8), Refusal::Private),
    (v4([100, 64, 0, 0], 10), Refusal::CarrierGrade),
    (v4([127, 0, 0, 0], 8), Refusal::Loopback),
    (v4([169, 254, 0, 0], 16), Refusal::LinkLocal),
    (v4([172, 16, 0, 0], 12), Refusal::Private),
    (v4([192, 0, 0, 0], 24), Refusal::Reserved),
    (v4([192, 0, 2, 0], 24), Refusal::Documentation),
    (v4([192, 31, 196, 0], 24), Refusal::Reserved),    // AS112
    (v4([192, 52, 193, 0], 24), Refusal::Translation), // AMT
    (v4([192, 88, 99, 0], 24), Refusal::Translation),  // 6to4 relays
    (v4([192, 168, 0, 0], 16), Refusal::Private),
    (v4([198, 18, 0, 0], 15), Refusal::Documentation), // benchmarks
    (v4([198, 51, 100, 0], 24), Refusal::Documentation),
    (v4([203, 0, 113, 0], 24), Refusal::Documentation),
    (v4([224, 0, 0, 0], 4), Refusal::Multicast),
    (v4([255, 255, 255, 255], 32), Refusal::Broadcast),
    (v4([240, 0, 0, 0], 4), Refusal::Reserved),
];

/// The first network that holds the address decides.
const REFUSED_V6: [(Ipv6Net, Refusal); 14] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), Refusal::Unspecified),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), Refusal::Loopback),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), Refusal::Translation), // IPv4-compatible, long abandoned
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), Refusal::Translation), // NAT64 of one's own network
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), Refusal::Translation), // Teredo
    (v6([0x2001, 0x10, 0, 0, 0, 0, 0, 0], 28), Refusal::Reserved), // ORCHID
    (v6([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28), Refusal::Reserved), // ORCHIDv2
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), Refusal::Documentation),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), Refusal::Reserved), // the rest of what IETF protocols have
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), Refusal::Documentation),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), Refusal::Private),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), Refusal::LinkLocal),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), Refusal::Private), // site-local, long abandoned
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), Refusal::Multicast),
];

/// All that is handed out of IPv6. Whatever lies outside (discard `100::/64`, SRv6 `5f00::/16`, …) is refused without
/// being named.
const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

const IPV4_MAPPED: Ipv6Net = v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96);
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);

fn refusal_v4(address: Ipv4Addr) -> Option<Refusal> {
    REFUSED_V4.iter().find(|(network, _)| network.contains(&address)).map(|(_, refusal)| *refusal)
}

fn refusal_v6(address: Ipv6Addr) -> Option<Refusal> {
    if let Some(inner) = embedded_v4(address) {
        return refusal_v4(inner);
    }
    REFUSED_V6
        .iter()
        .find(|(network, _)| network.contains(&address))
        .map(|(_, refusal)| *refusal)
        .or_else(|| (!GLOBAL_UNICAST.contains(&address)).then_some(Refusal::Reserved))
}

/// Gives the IPv4 address that a packet to this address ends up at, where the address itself says so. A subnet without
/// IPv4 reaches all of IPv4 through NAT64, so these can't be refused outright.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    if IPV4_MAPPED.contains(&address) || NAT64.contains(&address) {
        Some(Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]))
    } else if SIX_TO_FOUR.contains(&address) {
        Some(Ipv4Addr::new(octets[2], octets[3], octets[4], octets[5]))
    } else {
        None
    }
}

const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    let [a, b, c, d] = octets;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_pass() {
        use Refusal::*;
        // Both ends of every refused network, and its neighbours.
        for (address, expected) in [
            ("0.0.0.0", Some(Unspecified)),
            ("0.255.255.255", Some(Unspecified)),
            ("1.0.0.0", None),
            ("9.255.255.255", None),
            ("10.0.0.0", Some(Private)),
            ("10.255.255.255", Some(Private)),
            ("11.0.0.0", None),
            ("100.63.255.255", None),
            ("100.64.0.0", Some(CarrierGrade)),
            ("100.100.100.200", Some(CarrierGrade)),
            ("100.127.255.255", Some(CarrierGrade)),
            ("100.128.0.0", None),
            ("126.255.255.255", None),
            ("127.0.0.1", Some(Loopback)),
            ("127.255.255.255", Some(Loopback)),
            ("128.0.0.0", None),
            ("169.253.255.255", None),
            ("169.254.0.0", Some(LinkLocal)),
            ("169.254.169.254", Some(LinkLocal)),
            ("169.254.170.2", Some(LinkLocal)),
            ("169.255.0.0", None),
            ("172.15.255.255", None),
            ("172.16.0.0", Some(Private)),
            ("172.31.255.255", Some(Private)),
            ("172.32.0.0", None),
            ("192.0.0.0", Some(Reserved)),
            ("192.0.0.255", Some(Reserved)),
            ("192.0.1.0", None),
            ("192.0.2.0", Some(Documentation)),
            ("192.0.3.0", None),
            ("192.31.196.1", Some(Reserved)),
            ("192.52.193.1", Some(Translation)),
            ("192.88.98.255", None),
            ("192.88.99.1", Some(Translation)),
            ("192.167.255.255", None),
            ("192.168.0.0", Some(Private)),
            ("192.168.255.255", Some(Private)),
            ("192.169.0.0", None),
            ("198.17.255.255", None),
            ("198.18.0.0", Some(Documentation)),
            ("198.19.255.255", Some(Documentation)),
            ("198.20.0.0", None),
            ("198.51.100.7", Some(Documentation)),
            ("203.0.113.7", Some(Documentation)),
            ("203.0.114.0", None),
            ("223.255.255.255", None),
            ("224.0.0.0", Some(Multicast)),
            ("239.255.255.255", Some(Multicast)),
            ("240.0.0.0", Some(Reserved)),
            ("255.255.255.254", Some(Reserved)),
            ("255.255.255.255", Some(Broadcast)),
            ("118.31.219.1", None),
            ("::", Some(Unspecified)),
            ("::1", Some(Loopback)),
            ("::2", Some(Translation)),
            ("::8.8.8.8", Some(Translation)),
            ("::127.0.0.1", Some(Translation)),
            ("::ffff:127.0.0.1", Some(Loopback)),
            ("::ffff:10.0.0.1", Some(Private)),
            ("::ffff:169.254.169.254", Some(LinkLocal)),
            ("::ffff:8.8.8.8", None),
            ("::ffff:0:8.8.8.8", Some(Reserved)),
            ("64:ff9b::127.0.0.1", Some(Loopback)),
            ("64:ff9b::169.254.169.254", Some(LinkLocal)),
            ("64:ff9b::192.168.0.1", Some(Private)),
            ("64:ff9b::8.8.8.8", None),
            ("64:ff9b:0:0:0:1:808:808", Some(Reserved)),
            ("64:ff9b:1::8.8.8.8", Some(Translation)),
            ("64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Some(Translation)),
            ("100::1", Some(Reserved)),
            ("1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some(Reserved)),
            ("2000::1", None),
            ("2001::1", Some(Translation)),
            ("2001:0:ffff::1", Some(Translation)),
            ("2001:1::1", Some(Reserved)),
            ("2001:2::1", Some(Reserved)),
            ("2001:10::1", Some(Reserved)),
            ("2001:1f:ffff::1", Some(Reserved)),
            ("2001:20::1", Some(Reserved)),
            ("2001:1ff:ffff::1", Some(Reserved)),
            ("2001:200::1", None),
            ("2001:db7::1", None),
            ("2001:db8::1", Some(Documentation)),
            ("2001:db9::1", None),
            ("2002:7f00:1::1", Some(Loopback)),
            ("2002:a00:1::1", Some(Private)),
            ("2002:a9fe:a9fe::1", Some(LinkLocal)),
            ("2002:808:808::1", None),
            ("2003::1", None),
            ("240b:4000::1", None),
            ("3ffe::1", None),
            ("3fff::1", Some(Documentation)),
            ("3fff:fff:ffff::1", Some(Documentation)),
            ("3fff:1000::1", None),
            ("4000::1", Some(Reserved)),
            ("5f00::1", Some(Reserved)),
            ("fbff::1", Some(Reserved)),
            ("fc00::1", Some(Private)),
            ("fd00:ec2::254", Some(Private)),
            ("fdff::1", Some(Private)),
            ("fe00::1", Some(Reserved)),
            ("fe80::1", Some(LinkLocal)),
            ("febf::1", Some(LinkLocal)),
            ("fec0::1", Some(Private)),
            ("feff::1", Some(Private)),
            ("ff00::", Some(Multicast)),
            ("ff02::1", Some(Multicast)),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some(Multicast)),
        ] {
            assert_eq!(refusal(address.parse().unwrap()), expected, "{address}");
        }
    }

    proptest::proptest! {
        /// The standard library's own judgement, where it is stable, never finds a forbidden address among the public.
        #[test]
        fn agrees_with_the_standard_library(bits: u32) {
            let address = Ipv4Addr::from(bits);
            let forbidden = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_broadcast() || address.is_documentation()
                || address.is_unspecified();
            proptest::prop_assert!(!forbidden || refusal(address.into()).is_some());
            proptest::prop_assert_eq!(refusal(address.to_ipv6_mapped().into()), refusal(address.into()));
        }
    }
}
