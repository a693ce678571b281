//! Where keys may be fetched from: not everywhere that a name can lead to.
//!
//! A name that somebody else controls, in a discovery document or in the DNS, would
//! otherwise make the server ask hosts that only it can reach (server-side request
//! forgery). Addresses are looked at after names are resolved, and those that were
//! looked at are connected to, so that a name cannot mean two things.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

/// Whether keys may be fetched from private addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrivateAddresses {
    /// Only from the very address, or from loopback, that the operator wrote.
    #[default]
    Deny,
    /// Of this machine and of private networks as well. Link-local ones, where clouds
    /// hand out the credentials of machines, are refused all the same.
    Allow,
}

/// The addresses that one issuer's keys may be fetched from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reach {
    private: bool,
    loopback: bool,
    written: Option<IpAddr>,
}

impl Reach {
    /// From public addresses, from private ones as `private` says, and from the host
    /// that the operator wrote where that is an address and no name.
    pub(super) fn new(private: PrivateAddresses, written: &Url) -> Self {
        let allowed = private == PrivateAddresses::Allow;
        let (loopback, written) = match written.host() {
            Some(Host::Domain("localhost")) => (true, None),
            Some(Host::Ipv4(address)) => (address.is_loopback(), Some(address.into())),
            Some(Host::Ipv6(address)) => (address.is_loopback(), Some(address.into())),
            Some(Host::Domain(_)) | None => (false, None),
        };
        Self { private: allowed, loopback: allowed || loopback, written }
    }

    /// Whether that address may be connected to.
    pub(super) fn permits(self, address: IpAddr) -> bool {
        let permitted = match Class::of(address) {
            Class::Public => true,
            Class::Loopback => self.loopback,
            Class::Private => self.private,
            Class::Special => false,
        };
        permitted || self.written == Some(address)
    }

    /// Whether the host of that URL, if it is an address, may be connected to. Names are
    /// looked at when they are resolved.
    pub(super) fn permits_host(self, url: &Url) -> bool {
        match url.host() {
            Some(Host::Ipv4(address)) => self.permits(address.into()),
            Some(Host::Ipv6(address)) => self.permits(address.into()),
            Some(Host::Domain(_)) => true,
            None => false,
        }
    }
}

/// Whom an address belongs to (the special-purpose registries of RFC 6890).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Public,
    Loopback,
    /// Of a network that its owner numbers.
    Private,
    /// Of no single host, or of one that only the neighbours reach.
    Special,
}

impl Class {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            [127, ..] => Self::Loopback,
            [10, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            // Shared by carriers and clouds (RFC 6598); for test beds (RFC 2544).
            | [100, 64..=127, ..]
            | [198, 18..=19, ..] => Self::Private,
            [0 | 224.., ..]
            | [169, 254, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [198, 51, 100, _]
            | [203, 0, 113, _] => Self::Special,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        if let Some(inner) = address.to_ipv4_mapped() {
            return Self::of_v4(inner);
        }
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            // Unique local (RFC 4193).
            [0xfc00..=0xfdff, ..] => Self::Private,
            // Behind these is an IPv4 address (RFC 6052).
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
                Self::of_v4(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)))
            }
            // Protocols' own, documentation, and 6to4, behind which is any address.
            [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => {
                Self::Special
            }
            // All that was ever given out for use in the open (RFC 4291).
            [0x2000..=0x3fff, ..] => Self::Public,
            _ => Self::Special,
        }
    }
}

/// A name resolves to nothing that keys may be fetched from.
#[derive(Debug, thiserror::Error)]
#[error("no address of this name may be connected to")]
pub(super) struct OutOfReach;

/// Resolves names as the system does, and gives only what is within reach.
#[derive(Debug)]
pub(super) struct BoundedResolver(pub(super) Reach);

impl Resolve for BoundedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            // Port 0 is replaced by the URL's.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            // Plain http is allowed to this name because nobody is in between.
            let here = name.as_str() == "localhost";
            let found = found.filter(|address| !here || address.ip().is_loopback());
            within(reach, found).map_err(Into::into)
        })
    }
}

fn within(reach: Reach, found: impl Iterator<Item = SocketAddr>) -> Result<Addrs, OutOfReach> {
    let permitted: Vec<_> = found.filter(|address| reach.permits(address.ip())).collect();
    if permitted.is_empty() { Err(OutOfReach) } else { Ok(Box::new(permitted.into_iter())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(private: PrivateAddresses, written: &str) -> Reach {
        let url = Url::parse(&format!("https://{written}/keys")).unwrap();
        Reach::new(private, &url)
    }

    fn permitted<'a>(reach: Reach, addresses: &[&'a str]) -> Vec<&'a str> {
        let permits = |address: &&&str| reach.permits(address.parse().unwrap());
        addresses.iter().filter(permits).copied().collect()
    }

    const PUBLIC: [&str; 8] = [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.169.0.1",
        "2606:4700::1111",
        "64:ff9b::808:808",
    ];
    const LOOPBACK: [&str; 4] = ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"];
    const PRIVATE: [&str; 9] = [
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "198.18.0.1",
        "fd00::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
    ];
    const SPECIAL: [&str; 16] = [
        "0.0.0.0",
        "169.254.169.254",
        "192.0.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2001::1",
        "100::1",
        "::ffff:169.254.169.254",
        "64:ff9b:1::a00:1",
    ];

    #[test]
    fn a_name_leads_to_public_addresses_and_private_ones_where_that_is_allowed() {
        let all = [&PUBLIC[..], &LOOPBACK, &PRIVATE, &SPECIAL].concat();
        assert_eq!(permitted(reach(PrivateAddresses::Deny, "idp.example"), &all), PUBLIC);
        let allowed = [&PUBLIC[..], &LOOPBACK, &PRIVATE].concat();
        assert_eq!(permitted(reach(PrivateAddresses::Allow, "idp.example"), &all), allowed);
    }

    #[test]
    fn an_address_that_was_written_is_allowed_and_no_other() {
        let all = [&LOOPBACK[..], &PRIVATE, &SPECIAL].concat();
        let deny = |written| permitted(reach(PrivateAddresses::Deny, written), &all);
        assert_eq!(deny("10.0.0.1"), ["10.0.0.1"]);
        assert_eq!(deny("[fd00::1]"), ["fd00::1"]);
        assert_eq!(deny("169.254.169.254"), ["169.254.169.254"]);
        for this_machine in ["localhost", "127.0.0.1", "[::1]"] {
            assert_eq!(deny(this_machine), LOOPBACK, "{this_machine}");
        }
        assert!(deny("localhost.example").is_empty());
    }

    #[test]
    fn of_a_name_with_several_addresses_those_within_reach_are_left() {
        let reach = reach(PrivateAddresses::Deny, "idp.example");
        let found = |addresses: &[&str]| {
            let addresses: Vec<SocketAddr> =
                addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
            within(reach, addresses.into_iter())
                .map(|left| left.map(|a| a.ip()).collect::<Vec<_>>())
        };
        let left = found(&["10.0.0.1", "1.1.1.1", "169.254.169.254"]).unwrap();
        assert_eq!(left, ["1.1.1.1".parse::<IpAddr>().unwrap()]);
        assert!(found(&["10.0.0.1", "::1"]).is_err());
        assert!(found(&[]).is_err());
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_this_machine_is_out_of_reach() {
        let resolver = BoundedResolver(reach(PrivateAddresses::Deny, "idp.example"));
        let refused = resolver.resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(refused.downcast_ref::<OutOfReach>().is_some(), "{refused}");
        let resolver = BoundedResolver(reach(PrivateAddresses::Deny, "localhost"));
        assert!(resolver.resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
