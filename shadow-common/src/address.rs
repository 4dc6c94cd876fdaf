//! Addresses as both sides write them, and the hash that places a connection.

/// An IPv6 address, or an IPv4-mapped one (RFC 4291 section 2.5.5.2), as it stands in a packet: network byte
/// order, kept as two words so that the kernel programs do not copy it byte by byte.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(pub [u64; 2]);

impl Address {
    /// The unspecified address, `::`. As a target it stands for any address.
    pub const ANY: Address = Address([0; 2]);

    /// The IPv4-mapped form of an IPv4 address, given as it stands in a packet.
    #[inline(always)]
    pub const fn from_v4(network_order: u32) -> Self {
        // ::ffff:a.b.c.d: the last eight bytes in network order, read as one word.
        let low = 0x0000_ffff_0000_0000 | u32::from_be(network_order) as u64;
        Self([0, low.to_be()])
    }

    /// Whether this is `::1` or in 127.0.0.0/8: the same address means another host in each network namespace.
    #[inline(always)]
    pub const fn is_loopback(&self) -> bool {
        let [high, low] = [u64::from_be(self.0[0]), u64::from_be(self.0[1])];
        high == 0 && (low == 1 || low >> 24 == 0x00ff_ff7f)
    }

    /// From the sixteen bytes of an address in network order.
    pub const fn from_octets(o: [u8; 16]) -> Self {
        Self([
            u64::from_ne_bytes([o[0], o[1], o[2], o[3], o[4], o[5], o[6], o[7]]),
            u64::from_ne_bytes([o[8], o[9], o[10], o[11], o[12], o[13], o[14], o[15]]),
        ])
    }

    /// The sixteen bytes in network order.
    pub fn octets(self) -> [u8; 16] {
        let mut octets = [0; 16];
        for (bytes, word) in octets.chunks_exact_mut(8).zip(self.0) {
            bytes.copy_from_slice(&word.to_ne_bytes());
        }
        octets
    }
}

/// A keyed hash of a connection, the same for both of its directions. Its low bits choose the ring, its high
/// 32 bits are compared with the sampling threshold.
///
/// Not cryptographic: `seed` is random for each run, so that clients cannot aim at one ring.
#[inline(always)]
pub fn connection_hash(
    seed: u64,
    client: &Address,
    client_port: u16,
    server: &Address,
    server_port: u16,
) -> u64 {
    let ports = u64::from(client_port) << 16 | u64::from(server_port);
    let mut hash = seed;
    hash = mix(hash, client.0[0]);
    hash = mix(hash, client.0[1]);
    hash = mix(hash, server.0[0]);
    hash = mix(hash, server.0[1]);
    hash = mix(hash, ports);
    mix(hash, 0)
}

/// One round: multiply by an odd constant (the golden ratio of 2^64) and fold the high half down.
#[inline(always)]
const fn mix(hash: u64, word: u64) -> u64 {
    let hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_is_mapped_in_network_order() {
        let address = Address::from_v4(u32::from_ne_bytes([10, 1, 2, 3]));
        assert_eq!(
            address.octets(),
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3]
        );
        assert_eq!(Address::from_octets(address.octets()), address);
    }

    #[test]
    fn loopback_is_one_and_all_of_127() {
        let v4 = |octets| Address::from_v4(u32::from_ne_bytes(octets));
        let mut one = [0; 16];
        one[15] = 1;
        assert!(Address::from_octets(one).is_loopback());
        assert!(v4([127, 0, 0, 1]).is_loopback() && v4([127, 255, 255, 255]).is_loopback());
        assert!(!v4([126, 0, 0, 1]).is_loopback() && !v4([128, 0, 0, 1]).is_loopback());
        one[0] = 0xfe;
        assert!(!Address::from_octets(one).is_loopback() && !Address::ANY.is_loopback());
    }

    #[test]
    fn successive_ports_spread_over_rings_and_sampling() {
        let client = Address::from_v4(u32::from_ne_bytes([10, 0, 0, 1]));
        let server = Address::from_v4(u32::from_ne_bytes([10, 0, 0, 2]));
        let mut rings = [0_u32; 4];
        let mut sampled = 0;
        for port in 30_000..40_000 {
            let hash = connection_hash(7, &client, port, &server, 80);
            rings[(hash & 3) as usize] += 1;
            sampled += u32::from(hash >> 32 < 1 << 28);
        }
        assert!(
            rings.iter().all(|count| (2_250..2_750).contains(count)),
            "{rings:?}"
        );
        assert!(
            (525..725).contains(&sampled),
            "a sixteenth of 10,000 is 625, not {sampled}"
        );
    }
}
