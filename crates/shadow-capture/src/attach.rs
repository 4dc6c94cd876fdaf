//! Attaching to interfaces and to the cgroup root, and letting go again.
//!
//! Links are file descriptors: when the process dies, however it dies, the kernel detaches. Kernels before 6.6
//! have no such links for interfaces; there a filter outlives a killed agent, leads nowhere, and is removed by the next one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use aya::Ebpf;
use aya::programs::cgroup_skb::CgroupSkbLink;
use aya::programs::links::LinkOrder;
use aya::programs::tc::{SchedClassifierLink, TcAttachOptions};
use aya::programs::{CgroupAttachMode, CgroupSkbAttachType, ProgramError, SchedClassifier, TcAttachType};
use aya::util::KernelVersion;
use nix::net::if_::{if_indextoname, if_nametoindex};
use shadow_common::Side;
use tracing::{debug, warn};

use super::cgroup::cgroup2_root;
use super::clsact::{Clsact, Filter};
use super::error::CaptureError;
use super::instance::{self, Instance};
use super::leftovers::{remove_if_unused, remove_leftovers};
use super::load::{
    CLASSIFIERS, SOCKET_PROGRAMS, classifier, kernel_is_at_least, missing, random, socket_program,
};
use super::plan::Attachment;
use super::trampoline::Trampolines;

/// Filters of clsact run in the order of their priority. Where a filter of another kind has the first, the next are tried.
const PRIORITIES: std::ops::RangeInclusive<u16> = 1..=8;

/// How `tc` programs are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcHook {
    /// tcx links, at the head of the chain (Linux 6.6).
    Tcx,
    /// Filters of a clsact queueing discipline.
    Clsact,
}

impl TcHook {
    /// Looks up what this kernel has.
    pub fn of_this_kernel() -> Self {
        if kernel_is_at_least(KernelVersion::new(6, 6, 0)) {
            TcHook::Tcx
        } else {
            TcHook::Clsact
        }
    }
}

/// The `tc` programs, and what they are attached to. Dropping it detaches them.
pub struct Classifiers {
    ebpf: Ebpf,
    /// All that filters need; none with tcx.
    filters: Option<Filters>,
    attached: BTreeMap<Attachment, Attached>,
}

struct Filters {
    instance: Instance,
    trampolines: Trampolines,
}

enum Attached {
    Tcx(#[expect(dead_code, reason = "detaches when it is dropped")] SchedClassifierLink),
    Filter(Filter),
}

/// Why a program is not attached: the kernel's error, by how it was tried.
#[derive(Debug)]
enum Refused {
    Link(ProgramError),
    Clsact(io::Error),
    Filter(io::Error),
    /// The change of its name is on its way to us, and it is attached to then.
    Renamed,
}

impl Classifiers {
    /// Loads the four programs.
    pub fn load(mut ebpf: Ebpf, hook: TcHook) -> Result<Self, CaptureError> {
        for name in CLASSIFIERS {
            classifier(&mut ebpf, name)?;
        }
        let filters = match hook {
            TcHook::Tcx => None,
            TcHook::Clsact => Some(Filters::new(&ebpf)?),
        };
        Ok(Self {
            ebpf,
            filters,
            attached: BTreeMap::new(),
        })
    }

    /// Whether exactly these are attached already.
    pub fn are_attached_to(&self, wanted: &BTreeMap<Attachment, String>) -> bool {
        self.attached.keys().eq(wanted.keys())
    }

    /// Whether it is attached anywhere.
    pub fn are_attached(&self) -> bool {
        !self.attached.is_empty()
    }

    /// Attaches to what is new in `wanted`. It does all it can and gives the first failure; that an interface has
    /// gone meanwhile is none.
    pub fn attach(&mut self, wanted: &BTreeMap<Attachment, String>) -> Result<(), CaptureError> {
        if self.filters.is_some()
            && let Err(error) = remove_leftovers()
        {
            warn!(%error, "cannot remove programs that killed agents left on interfaces");
        }
        let mut first_failure = Ok(());
        // What is sent before what is received: of a server here whose request is seen, the answer is seen as well.
        for attachment in wanted.keys().rev() {
            if self.attached.contains_key(attachment) {
                continue;
            }
            // The index is the interface; its name may be another one by now.
            let Some(interface) = name_of(attachment.index) else {
                debug!(
                    index = attachment.index,
                    "the interface disappeared before attaching"
                );
                continue;
            };
            match self.attach_one(attachment, &interface) {
                Ok(attached) => {
                    debug!(%interface, side = ?attachment.side, "attached");
                    self.attached.insert(*attachment, attached);
                }
                Err(refused) => match explain(refused, attachment, &interface, is_there(attachment.index)) {
                    None => debug!(%interface, "the interface disappeared or was renamed while attaching"),
                    Some(error) if first_failure.is_ok() => first_failure = Err(error),
                    Some(error) => debug!(%interface, %error, "not attached"),
                },
            }
        }
        first_failure
    }

    /// Lets go of what is not in `wanted`.
    pub fn detach_others(&mut self, wanted: &BTreeMap<Attachment, String>) {
        let (stay, go) = std::mem::take(&mut self.attached)
            .into_iter()
            .partition(|(attachment, _)| wanted.contains_key(attachment));
        self.attached = stay;
        detach(go);
    }

    fn attach_one(&mut self, attachment: &Attachment, interface: &str) -> Result<Attached, Refused> {
        let at = program_index(attachment);
        if let Some(filters) = &self.filters {
            return filters.attach(at, attachment).map(Attached::Filter);
        }
        let program: &mut SchedClassifier = self
            .ebpf
            .program_mut(CLASSIFIERS[at])
            .ok_or(Refused::Link(ProgramError::NotLoaded))?
            .try_into()
            .map_err(Refused::Link)?;
        let order = TcAttachOptions::TcxOrder(LinkOrder::first());
        let link = program
            .attach_with_options(interface, tc_side(attachment.side), order)
            .and_then(|id| program.take_link(id))
            .map_err(Refused::Link)?;
        // Links are made by name, which another interface may have got meanwhile.
        if if_nametoindex(interface) == Ok(attachment.index) {
            Ok(Attached::Tcx(link))
        } else {
            Err(Refused::Renamed)
        }
    }
}

impl Drop for Classifiers {
    fn drop(&mut self) {
        detach(std::mem::take(&mut self.attached));
    }
}

impl Filters {
    fn new(ebpf: &Ebpf) -> Result<Self, CaptureError> {
        let programs = CLASSIFIERS
            .into_iter()
            .map(|name| {
                let program = ebpf.program(name).ok_or_else(|| missing(name))?;
                program
                    .fd()
                    .map_err(|error| CaptureError::Load { source: error.into() })
            })
            .collect::<Result<Vec<_>, _>>()?;
        // Half of it is enough for a port.
        let mut draws = random()?;
        let instance = Instance::new(|| {
            draws = draws.rotate_left(32).wrapping_add(1);
            draws as u32
        })
        .map_err(|source| CaptureError::Interfaces {
            call: "bind(AF_NETLINK)",
            source,
        })?;
        Ok(Self {
            instance,
            trampolines: Trampolines::new(&programs)?,
        })
    }

    fn attach(&self, at: usize, attachment: &Attachment) -> Result<Filter, Refused> {
        let index = attachment.index;
        let mut clsact = Clsact::new().map_err(Refused::Clsact)?;
        let mut made = clsact.add(index).map_err(Refused::Clsact)?;
        if !made {
            // Another agent's, or our own for the other side: whoever is the last takes it away.
            let there = clsact.filters(index).map_err(Refused::Filter)?;
            made = there
                .iter()
                .any(|filter| instance::is_an_agents(filter) && instance::made_clsact(filter));
        }
        let mut filter = Filter {
            index,
            side: attachment.side,
            priority: 0,
            handle: self.instance.handle(made),
            name: CLASSIFIERS[at].to_owned(),
        };
        let program = self
            .trampolines
            .to(at)
            .ok_or_else(|| Refused::Filter(io::ErrorKind::NotFound.into()))?;
        let mut first_failure = None;
        for priority in PRIORITIES {
            filter.priority = priority;
            match clsact.add_filter(&filter, program) {
                Ok(()) => return Ok(filter),
                Err(error) => first_failure = first_failure.or(Some(error)),
            }
        }
        if made && let Err(error) = remove_if_unused(&mut clsact, index) {
            debug!(index, %error, "cannot remove clsact");
        }
        Err(Refused::Filter(
            first_failure.unwrap_or_else(|| io::ErrorKind::NotFound.into()),
        ))
    }
}

/// Links close by themselves. Filters are removed by a request, which needs `CAP_NET_ADMIN`.
fn detach(attached: BTreeMap<Attachment, Attached>) {
    for attached in attached.into_values() {
        let Attached::Filter(filter) = attached else {
            continue;
        };
        let removed = Clsact::new().and_then(|mut clsact| {
            clsact.remove_filter(&filter)?;
            if instance::made_clsact(&filter) {
                remove_if_unused(&mut clsact, filter.index)?;
            }
            Ok(())
        });
        if let Err(error) = removed {
            // Most often the interface has gone, and its filters with it.
            debug!(index = filter.index, %error, "not detached");
        }
    }
}

/// Loads the two socket programs.
pub fn load_socket_programs(ebpf: &mut Ebpf) -> Result<(), CaptureError> {
    for name in SOCKET_PROGRAMS {
        socket_program(ebpf, name)?;
    }
    Ok(())
}

/// Attaches the socket programs to the cgroup v2 root: they see every socket of the machine.
pub fn attach_to_sockets(ebpf: &mut Ebpf) -> Result<Vec<CgroupSkbLink>, CaptureError> {
    let root = cgroup2_root()?;
    let path = root.path.display().to_string();
    let cgroup = File::open(&root.path).map_err(|source| CaptureError::CgroupRoot {
        path: path.clone(),
        source,
    })?;
    let sides = [CgroupSkbAttachType::Ingress, CgroupSkbAttachType::Egress];
    let mut links = Vec::new();
    for (name, side) in SOCKET_PROGRAMS.into_iter().zip(sides) {
        let program = socket_program(ebpf, name)?;
        let link = program
            // A link always lets other programs (systemd's firewall) stay and run too, as BPF_F_ALLOW_MULTI does for
            // programs attached without one; for a link the kernel refuses that flag.
            .attach(&cgroup, side, CgroupAttachMode::Single)
            .and_then(|id| program.take_link(id))
            .map_err(|source| CaptureError::Attach {
                program: name,
                place: path.clone(),
                source,
            })?;
        links.push(link);
    }
    Ok(links)
}

fn program_index(attachment: &Attachment) -> usize {
    usize::from(!attachment.ethernet) * 2 + attachment.side as usize
}

fn tc_side(side: Side) -> TcAttachType {
    match side {
        Side::Ingress => TcAttachType::Ingress,
        Side::Egress => TcAttachType::Egress,
    }
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Ingress => "ingress",
        Side::Egress => "egress",
    }
}

fn name_of(index: u32) -> Option<String> {
    if_indextoname(index)
        .ok()
        .map(|name| name.to_string_lossy().into_owned())
}

fn is_there(index: u32) -> bool {
    name_of(index).is_some()
}

/// Explains what a refusal means. Nothing, where the interface has gone, and that is so only when its index has: the
/// kernel gives `ENOENT` for what it has no module for, too.
fn explain(
    refused: Refused,
    attachment: &Attachment,
    interface: &str,
    is_there: bool,
) -> Option<CaptureError> {
    if !is_there {
        return None;
    }
    let place = format!("{interface} ({})", side_name(attachment.side));
    let program = CLASSIFIERS[program_index(attachment)];
    let unknown = |error: &io::Error| error.raw_os_error() == Some(libc::ENOENT);
    Some(match refused {
        Refused::Renamed => return None,
        Refused::Clsact(error) if unknown(&error) => CaptureError::NoModule {
            place,
            module: "sch_ingress",
            option: "CONFIG_NET_SCH_INGRESS",
        },
        Refused::Filter(error) if unknown(&error) => CaptureError::NoModule {
            place,
            module: "cls_bpf",
            option: "CONFIG_NET_CLS_BPF",
        },
        Refused::Clsact(source) | Refused::Filter(source) => CaptureError::Filter {
            program,
            place,
            source,
        },
        Refused::Link(source) => CaptureError::Attach {
            program,
            place,
            source,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LO: Attachment = Attachment {
        index: 1,
        ethernet: true,
        side: Side::Ingress,
    };

    fn told(refused: Refused, is_there: bool) -> Option<String> {
        explain(refused, &LO, "lo", is_there).map(|error| error.to_string())
    }

    fn errno(errno: i32) -> io::Error {
        io::Error::from_raw_os_error(errno)
    }

    #[test]
    fn a_missing_module_is_not_taken_for_a_vanished_interface() {
        for (refused, module) in [
            (Refused::Clsact(errno(libc::ENOENT)), "modprobe sch_ingress"),
            (Refused::Filter(errno(libc::ENOENT)), "modprobe cls_bpf"),
        ] {
            let error = told(refused, true).unwrap();
            assert!(
                error.contains(module) && error.contains("lo (ingress)"),
                "{error}"
            );
        }
    }

    #[test]
    fn every_other_refusal_is_an_error_while_the_interface_is_there() {
        for number in [libc::ENODEV, libc::ENXIO, libc::EINVAL, libc::EPERM] {
            let error = told(Refused::Filter(errno(number)), true).unwrap();
            assert!(error.contains("cannot attach shadow_l2_in to lo"), "{error}");
            assert!(told(Refused::Clsact(errno(number)), true).is_some());
        }
        assert!(told(Refused::Link(ProgramError::NotLoaded), true).is_some());
    }

    #[test]
    fn what_an_interface_that_is_gone_refuses_is_no_error() {
        for number in [libc::ENOENT, libc::ENODEV, libc::EINVAL] {
            assert_eq!(told(Refused::Clsact(errno(number)), false), None);
            assert_eq!(told(Refused::Filter(errno(number)), false), None);
        }
        assert_eq!(told(Refused::Link(ProgramError::NotLoaded), false), None);
    }
}
