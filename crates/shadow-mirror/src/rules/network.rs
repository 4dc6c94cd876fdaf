//! Networks that clients are told by: `10.0.0.0/8`, `2001:db8::/32`, or one address.

use std::net::IpAddr;

use super::Invalid;

/// The addresses that share a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// Bits of the prefix.
    length: u32,
}

impl Network {
    /// Reads CIDR notation, or an address, which is a network of its own. An IPv4 address that is mapped into IPv6 is the
    /// IPv4 address.
    ///
    /// # Errors
    ///
    /// Where the text is neither.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid("not an address or a network in CIDR notation".to_owned());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let address = match length {
            // A prefix counts the bits of the address as it is written.
            Some(_) => address,
            None => address.to_canonical(),
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => most,
            Some(length) if length.bytes().all(|byte| byte.is_ascii_digit()) => length
                .parse()
                .ok()
                .filter(|length| *length <= most)
                .ok_or_else(invalid)?,
            Some(_) => return Err(invalid()),
        };
        Ok(Self { address, length })
    }

    /// Whether `address` is in it. One family is never in the other.
    pub fn has(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => same(
                network.to_bits().into(),
                address.to_bits().into(),
                32 - self.length,
            ),
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same(network.to_bits(), address.to_bits(), 128 - self.length)
            }
            _ => false,
        }
    }
}

/// Whether two addresses differ in their last bits at most.
fn same(one: u128, other: u128, last: u32) -> bool {
    (one ^ other).checked_shr(last).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(network: &str, address: &str) -> bool {
        Network::new(network).unwrap().has(address.parse().unwrap())
    }

    #[test]
    fn a_network_has_the_addresses_with_its_prefix() {
        assert!(has("10.0.0.0/8", "10.255.0.1") && !has("10.0.0.0/8", "11.0.0.1"));
        assert!(has("192.0.2.129/25", "192.0.2.255") && !has("192.0.2.129/25", "192.0.2.1"));
        assert!(has("0.0.0.0/0", "203.0.113.7") && has("::/0", "2001:db8::1"));
        assert!(has("2001:db8::/32", "2001:db8:1::1") && !has("2001:db8::/32", "2001:db9::1"));
    }

    #[test]
    fn an_address_is_a_network_of_its_own_in_its_family_alone() {
        assert!(has("127.0.0.1", "127.0.0.1") && !has("127.0.0.1", "127.0.0.2"));
        assert!(has("::1", "::1") && !has("::1", "::2"));
        assert!(has("::ffff:10.0.0.1", "10.0.0.1") && has("10.0.0.1", "::ffff:10.0.0.1"));
        assert!(!has("0.0.0.0/0", "::1") && !has("::/0", "10.0.0.1"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0/8",
            "localhost",
            "/8",
        ] {
            assert!(Network::new(text).is_err(), "{text}");
        }
    }
}
