//! The clsact queueing discipline and its filters: how programs are attached to interfaces before Linux 6.6 (tcx).
//!
//! What goes over rtnetlink(7) and nothing more. Layouts: `linux/rtnetlink.h` (`struct tcmsg`),
//! `linux/pkt_sched.h`, `linux/pkt_cls.h` (`TCA_BPF_*`).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use shadow_common::Side;

use super::netlink::{Requests, attributes, push_attribute, u32_at};

/// Bytes of `struct tcmsg`: family, interface, handle, parent, info.
const HEAD: usize = 20;

/// The queueing discipline's own handle, where it stands, and the parents of filters of its two sides.
const CLSACT: u32 = 0xffff_0000;
const AT_CLSACT: u32 = 0xffff_fff1;
const AT_INGRESS: u32 = 0xffff_fff2;
const AT_EGRESS: u32 = 0xffff_fff3;

/// `ETH_P_ALL`, in network byte order.
const ALL_PROTOCOLS: u16 = 3_u16.to_be();

const TCA_BPF_FD: u16 = 6;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_FLAGS: u16 = 8;
/// Lets what the program returns be what happens to the packet.
const TCA_BPF_FLAG_ACT_DIRECT: u32 = 1;

const CREATE: u16 = (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;

/// A filter of ours or of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Index of the interface.
    pub index: u32,
    /// The side.
    pub side: Side,
    /// Lower ones run first.
    pub priority: u16,
    /// Tells it from others of that priority; 0 for what they have in common.
    pub handle: u32,
    /// The name it was given, where it is a program.
    pub name: String,
}

/// A conversation with the kernel. Changes need `CAP_NET_ADMIN` when this is made and when they are asked for.
pub struct Clsact(Requests);

impl Clsact {
    /// Opens the socket.
    pub fn new() -> io::Result<Self> {
        Requests::new().map(Self)
    }

    /// Indices of the interfaces that have clsact.
    pub fn interfaces(&mut self) -> io::Result<Vec<u32>> {
        let mut found = Vec::new();
        self.0.dump(libc::RTM_GETQDISC, &head(0, 0, 0, 0), |kind, body| {
            let is_clsact =
                attributes(body, HEAD).any(|(kind, value)| kind == libc::TCA_KIND && text(value) == "clsact");
            if kind == libc::RTM_NEWQDISC && is_clsact {
                found.extend(u32_at(body, 4));
            }
        })?;
        Ok(found)
    }

    /// Gives an interface clsact; whether it had none.
    pub fn add(&mut self, index: u32) -> io::Result<bool> {
        let mut body = head(index, CLSACT, AT_CLSACT, 0);
        push_attribute(&mut body, libc::TCA_KIND, b"clsact\0");
        match self.0.change(libc::RTM_NEWQDISC, CREATE, &body) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes it from an interface, with all filters.
    pub fn remove(&mut self, index: u32) -> io::Result<()> {
        self.0
            .change(libc::RTM_DELQDISC, 0, &head(index, CLSACT, AT_CLSACT, 0))
    }

    /// All filters of an interface, of both sides.
    pub fn filters(&mut self, index: u32) -> io::Result<Vec<Filter>> {
        let mut found = Vec::new();
        for side in [Side::Ingress, Side::Egress] {
            self.0.dump(
                libc::RTM_GETTFILTER,
                &head(index, 0, parent(side), 0),
                |kind, body| {
                    if kind == libc::RTM_NEWTFILTER {
                        found.extend(filter(index, side, body));
                    }
                },
            )?;
        }
        Ok(found)
    }

    /// Attaches a program.
    pub fn add_filter(&mut self, filter: &Filter, program: BorrowedFd<'_>) -> io::Result<()> {
        let mut options = Vec::new();
        push_attribute(&mut options, TCA_BPF_FD, &program.as_raw_fd().to_ne_bytes());
        push_attribute(
            &mut options,
            TCA_BPF_NAME,
            &[filter.name.as_bytes(), b"\0"].concat(),
        );
        push_attribute(
            &mut options,
            TCA_BPF_FLAGS,
            &TCA_BPF_FLAG_ACT_DIRECT.to_ne_bytes(),
        );
        let mut body = filter_head(filter);
        push_attribute(&mut body, libc::TCA_KIND, b"bpf\0");
        push_attribute(&mut body, libc::TCA_OPTIONS, &options);
        self.0.change(libc::RTM_NEWTFILTER, CREATE, &body)
    }

    /// Removes exactly this one.
    pub fn remove_filter(&mut self, filter: &Filter) -> io::Result<()> {
        let mut body = filter_head(filter);
        push_attribute(&mut body, libc::TCA_KIND, b"bpf\0");
        self.0.change(libc::RTM_DELTFILTER, 0, &body)
    }
}

fn parent(side: Side) -> u32 {
    match side {
        Side::Ingress => AT_INGRESS,
        Side::Egress => AT_EGRESS,
    }
}

fn filter_head(filter: &Filter) -> Vec<u8> {
    let info = u32::from(filter.priority) << 16 | u32::from(ALL_PROTOCOLS);
    head(filter.index, filter.handle, parent(filter.side), info)
}

/// A `struct tcmsg`.
fn head(index: u32, handle: u32, parent: u32, info: u32) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    for field in [index, handle, parent, info] {
        bytes.extend_from_slice(&field.to_ne_bytes());
    }
    bytes
}

/// An `RTM_NEWTFILTER` body.
fn filter(index: u32, side: Side, body: &[u8]) -> Option<Filter> {
    let name = attributes(body, HEAD)
        .filter(|(kind, _)| *kind == libc::TCA_OPTIONS)
        .flat_map(|(_, options)| attributes(options, 0))
        .find(|(kind, _)| *kind == TCA_BPF_NAME)
        .map(|(_, name)| text(name));
    Some(Filter {
        index,
        side,
        priority: (u32_at(body, 16)? >> 16) as u16,
        handle: u32_at(body, 8)?,
        name: name.unwrap_or_default(),
    })
}

/// A string without the zero at its end.
fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_off_the_kernels_answer() {
        let mut options = Vec::new();
        push_attribute(&mut options, TCA_BPF_FLAGS, &[1, 0, 0, 0]);
        push_attribute(&mut options, TCA_BPF_NAME, b"shadow_l2_in\0");
        let mut body = head(7, 0x4123_4567, AT_INGRESS, 5 << 16 | u32::from(ALL_PROTOCOLS));
        push_attribute(&mut body, libc::TCA_KIND, b"bpf\0");
        push_attribute(&mut body, libc::TCA_OPTIONS, &options);
        let expected = Filter {
            index: 7,
            side: Side::Ingress,
            priority: 5,
            handle: 0x4123_4567,
            name: "shadow_l2_in".to_owned(),
        };
        assert_eq!(filter(7, Side::Ingress, &body), Some(expected));
    }

    #[test]
    fn a_filter_of_another_kind_has_no_name_and_a_cut_off_one_is_none() {
        let mut body = head(7, 1, AT_EGRESS, 1 << 16);
        push_attribute(&mut body, libc::TCA_KIND, b"u32\0");
        assert_eq!(filter(7, Side::Egress, &body).unwrap().name, "");
        for length in 0..HEAD {
            assert_eq!(filter(7, Side::Egress, &body[..length]), None, "{length}");
        }
    }

    #[test]
    fn interfaces_are_asked_for_without_a_capability() {
        assert!(Clsact::new().unwrap().interfaces().is_ok());
    }
}
