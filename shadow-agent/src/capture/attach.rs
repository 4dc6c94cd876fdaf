//! Attaching to interfaces and to the cgroup root, and letting go again.
//!
//! Links are file descriptors: when the process dies, however it dies, the kernel detaches. Kernels before 6.6
//! have no such links for `tc`; there a filter outlives a killed agent, and the next one removes it by name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use aya::Ebpf;
use aya::programs::cgroup_skb::CgroupSkbLink;
use aya::programs::links::LinkOrder;
use aya::programs::tc::{
    NlOptions, SchedClassifierLink, TcAttachOptions, TcError, qdisc_add_clsact, qdisc_detach_program,
};
use aya::programs::{CgroupAttachMode, CgroupSkbAttachType, ProgramError, SchedClassifier, TcAttachType};
use aya::util::KernelVersion;
use shadow_common::Side;
use tracing::debug;

use super::cgroup::cgroup2_root;
use super::error::CaptureError;
use super::load::{CLASSIFIERS, SOCKET_PROGRAMS, classifier, kernel_is_at_least, socket_program};
use super::plan::Attachment;

/// Filters of clsact run in the order of their priority; before others, where that is free.
const FIRST_PRIORITY: u16 = 1;

/// How `tc` programs are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcHook {
    /// tcx links, at the head of the chain (Linux 6.6).
    Tcx,
    /// Filters of a clsact queueing discipline.
    Clsact,
}

impl TcHook {
    /// What this kernel has.
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
    hook: TcHook,
    attached: BTreeMap<Attachment, SchedClassifierLink>,
}

impl Classifiers {
    /// Loads the four programs.
    pub fn load(mut ebpf: Ebpf, hook: TcHook) -> Result<Self, CaptureError> {
        for name in CLASSIFIERS {
            classifier(&mut ebpf, name)?;
        }
        Ok(Self {
            ebpf,
            hook,
            attached: BTreeMap::new(),
        })
    }

    /// Whether exactly these are attached already.
    pub fn are_attached_to(&self, wanted: &BTreeMap<Attachment, String>) -> bool {
        self.attached.keys().eq(wanted.keys())
    }

    /// Attaches to what is new in `wanted`. It does all it can and gives the first failure; that an interface has
    /// gone meanwhile is none.
    pub fn attach(&mut self, wanted: &BTreeMap<Attachment, String>) -> Result<(), CaptureError> {
        let mut first_failure = Ok(());
        for (attachment, interface) in wanted {
            if self.attached.contains_key(attachment) {
                continue;
            }
            match self.attach_one(attachment, interface) {
                // Programs are attached by name, which another interface may have got meanwhile.
                Ok(_) if nix::net::if_::if_nametoindex(interface.as_str()) != Ok(attachment.index) => {
                    debug!(%interface, "interface has another name now");
                }
                Ok(link) => {
                    debug!(%interface, side = ?attachment.side, "attached");
                    self.attached.insert(*attachment, link);
                }
                Err((_, error)) if is_gone(&error) => {
                    debug!(%interface, "interface went before it could be attached to");
                }
                Err((program, source)) if first_failure.is_ok() => {
                    first_failure = Err(CaptureError::Attach {
                        program,
                        place: format!("{interface} ({})", side_name(attachment.side)),
                        source,
                    });
                }
                Err((_, error)) => debug!(%interface, %error, "not attached"),
            }
        }
        first_failure
    }

    /// Lets go of what is not in `wanted`.
    pub fn detach_others(&mut self, wanted: &BTreeMap<Attachment, String>) {
        self.attached
            .retain(|attachment, _| wanted.contains_key(attachment));
    }

    fn attach_one(
        &mut self,
        attachment: &Attachment,
        interface: &str,
    ) -> Result<SchedClassifierLink, (&'static str, ProgramError)> {
        let name = program_name(attachment);
        let program: &mut SchedClassifier = self
            .ebpf
            .program_mut(name)
            .ok_or((name, ProgramError::NotLoaded))?
            .try_into()
            .map_err(|error| (name, error))?;
        let side = tc_side(attachment.side);
        let link = match self.hook {
            TcHook::Tcx => {
                let order = TcAttachOptions::TcxOrder(LinkOrder::first());
                program.attach_with_options(interface, side, order)
            }
            TcHook::Clsact => {
                clear_clsact(interface, side, name).map_err(|error| (name, error.into()))?;
                let first = |priority| {
                    TcAttachOptions::Netlink(NlOptions {
                        priority,
                        ..NlOptions::default()
                    })
                };
                program
                    .attach_with_options(interface, side, first(FIRST_PRIORITY))
                    // Another kind of filter has that priority.
                    .or_else(|_| program.attach_with_options(interface, side, first(0)))
            }
        };
        link.and_then(|id| program.take_link(id))
            .map_err(|error| (name, error))
    }
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

fn program_name(attachment: &Attachment) -> &'static str {
    CLASSIFIERS[usize::from(!attachment.ethernet) * 2 + attachment.side as usize]
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

/// Makes sure of the clsact qdisc, and removes what an agent that was killed left behind.
fn clear_clsact(interface: &str, side: TcAttachType, program: &str) -> Result<(), TcError> {
    if let Err(error) = qdisc_add_clsact(interface)
        && !has_errno(&error, libc::EEXIST)
    {
        return Err(error);
    }
    match qdisc_detach_program(interface, side, program) {
        Err(TcError::IoError(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Whether the interface is not there any more.
fn is_gone(error: &ProgramError) -> bool {
    [libc::ENODEV, libc::ENXIO, libc::ENOENT]
        .into_iter()
        .any(|errno| has_errno(error, errno))
}

/// Whether an error or one of its causes is this system error.
fn has_errno(error: &(dyn std::error::Error + 'static), errno: i32) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.raw_os_error() == Some(errno))
}
