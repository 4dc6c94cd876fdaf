//! `shadow-agent doctor`: what this machine can do, and what to do about what it cannot.

mod facts;
mod tls;

use std::fmt::Write;

pub use facts::{Facts, Kernel, Loaded};
pub use tls::Tls;

/// First kernel that takes rings of any size in an array of maps.
const LEAST_KERNEL: Kernel = Kernel(5, 10);
/// First kernel with tcx; before, clsact is used.
const TCX_KERNEL: Kernel = Kernel(6, 6);
/// First kernel that charges BPF memory to cgroups rather than to `RLIMIT_MEMLOCK`.
const NO_MEMLOCK_KERNEL: Kernel = Kernel(5, 11);
/// First kernel that lets those change an open map who have no capability.
const OPEN_MAPS_KERNEL: Kernel = Kernel(5, 19);
/// Column of the findings.
const COLUMN: usize = 25;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// As it should be.
    Good,
    /// Something is missing that live capture can do without.
    Note,
    /// Live capture cannot work.
    Bad,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    what: &'static str,
    verdict: Verdict,
    detail: String,
    remedy: &'static str,
}

/// The report on a machine, and whether live capture will work on it.
pub fn report(facts: &Facts) -> (String, bool) {
    let findings = examine(facts);
    let works = findings.iter().all(|finding| finding.verdict != Verdict::Bad);
    let mut text = String::new();
    for Finding {
        what,
        verdict,
        detail,
        remedy,
    } in findings
    {
        let mark = match verdict {
            Verdict::Good => "ok",
            Verdict::Note => "note",
            Verdict::Bad => "FAIL",
        };
        let _ = writeln!(text, "  {mark:<6}{what:<17}{detail}");
        if verdict != Verdict::Good {
            let _ = writeln!(text, "{:COLUMN$}-> {remedy}", "");
        }
    }
    text.push_str(if works {
        "\nLive capture works on this machine.\n"
    } else {
        "\nLive capture does not work on this machine as it is; capture files can be read.\n"
    });
    (text, works)
}

fn examine(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![kernel(facts), capabilities(facts), ring(facts)];
    findings.extend(programs(facts));
    findings.extend(memlock(facts));
    findings.extend(modules(facts));
    findings.extend(leftovers(facts));
    findings.push(cgroup(facts));
    findings.push(if facts.jit {
        good("BPF compiler", "on".to_owned())
    } else {
        Finding {
            what: "BPF compiler",
            verdict: Verdict::Note,
            detail: "off: kernel programs are interpreted, which is several times slower".to_owned(),
            remedy: "sysctl net.core.bpf_jit_enable=1",
        }
    });
    findings.push(if facts.btf {
        good("BTF", "/sys/kernel/btf/vmlinux".to_owned())
    } else {
        Finding {
            what: "BTF",
            verdict: Verdict::Note,
            detail: "the kernel has no type information; shadow-agent does not need it".to_owned(),
            remedy: "nothing to do; kernels built with CONFIG_DEBUG_INFO_BTF=y have it",
        }
    });
    findings.push(interfaces(facts));
    findings
}

fn cgroup(facts: &Facts) -> Finding {
    let note = |detail, remedy| Finding {
        what: "cgroup v2",
        verdict: Verdict::Note,
        detail,
        remedy,
    };
    match &facts.cgroup_v2 {
        Some(root) if root.is_machine_root => {
            let pods = match facts.pods {
                0 => String::new(),
                1 => ", the cgroup of a pod is below it".to_owned(),
                pods => format!(", the cgroups of {pods} pods are below it"),
            };
            good("cgroup v2", format!("mounted at {}{pods}", root.path.display()))
        }
        Some(root) => note(
            format!(
                "{} shows only a part of it: other pods are not visible",
                root.path.display()
            ),
            "in a container, mount the host's /sys/fs/cgroup (hostPath), as deploy/kubernetes does",
        ),
        None => note(
            "not mounted: --input-raw-engine cgroup and k8s:// do not work".to_owned(),
            "mount -t cgroup2 none /sys/fs/cgroup, or use --input-raw-engine tc",
        ),
    }
}

fn good(what: &'static str, detail: String) -> Finding {
    Finding {
        what,
        verdict: Verdict::Good,
        detail,
        remedy: "",
    }
}

fn kernel(facts: &Facts) -> Finding {
    let release = &facts.release;
    let (verdict, detail) = match facts.kernel {
        Some(kernel) if kernel >= TCX_KERNEL => (Verdict::Good, format!("{release}, attaches by tcx")),
        Some(kernel) if kernel >= LEAST_KERNEL => (
            Verdict::Good,
            format!("{release}, attaches by clsact (tcx comes with 6.6)"),
        ),
        Some(_) => (Verdict::Bad, format!("{release}, but 5.10 or later is needed")),
        None => (Verdict::Note, format!("cannot parse the version '{release}'")),
    };
    Finding {
        what: "kernel",
        verdict,
        detail,
        remedy: "boot a kernel of version 5.10 or later (rings in an array of maps)",
    }
}

fn capabilities(facts: &Facts) -> Finding {
    if facts.missing_capabilities.is_empty() {
        let kept = if facts.kernel.is_some_and(|kernel| kernel < OPEN_MAPS_KERNEL) {
            "dropped once capturing, except CAP_BPF, which maps need before 5.19"
        } else {
            "dropped once capturing"
        };
        return good(
            "capabilities",
            format!("CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON ({kept})"),
        );
    }
    Finding {
        what: "capabilities",
        verdict: Verdict::Bad,
        detail: format!("missing: {}", facts.missing_capabilities.join(", ")),
        remedy: "run as root (sudo shadow-agent ...), or once: \
                 sudo setcap cap_bpf,cap_net_admin,cap_perfmon=ep shadow-agent",
    }
}

/// The programs of both hooks. Without the capabilities for them there is nothing more to say.
fn programs(facts: &Facts) -> Vec<Finding> {
    if !facts.missing_capabilities.is_empty() {
        return Vec::new();
    }
    let hook = |what, loaded: &Result<Loaded, String>, verdict, remedy| match loaded {
        Ok(Loaded { shards, ring_bytes }) => {
            let rings = if *shards == 1 { "ring" } else { "rings" };
            good(
                what,
                format!("load, with {shards} {rings} of {} MiB", ring_bytes >> 20),
            )
        }
        Err(error) => Finding {
            what,
            verdict,
            detail: error.clone(),
            remedy,
        },
    };
    vec![
        hook(
            "tc programs",
            &facts.tc,
            Verdict::Bad,
            if limit_is_to_blame(facts) {
                RAISE
            } else {
                "please report this with all of this output"
            },
        ),
        hook(
            "cgroup programs",
            &facts.cgroup,
            Verdict::Note,
            "--input-raw-engine cgroup and k8s:// do not work; use --input-raw-engine tc",
        ),
    ]
}

fn ring(facts: &Facts) -> Finding {
    let error = match &facts.ring {
        Ok(bytes) => return good("ring buffer", format!("{} MiB can be created", bytes >> 20)),
        Err(error) => error,
    };
    let remedy = if !facts.missing_capabilities.is_empty() {
        "give the process the capabilities above"
    } else if limit_is_to_blame(facts) {
        RAISE
    } else {
        "in a container, allow bpf(2) in its seccomp profile and enough memory in its cgroup"
    };
    Finding {
        what: "ring buffer",
        verdict: Verdict::Bad,
        detail: format!("cannot be created: {error}"),
        remedy,
    }
}

fn modules(facts: &Facts) -> Option<Finding> {
    let detail = match facts.missing_modules.as_slice() {
        [] => return None,
        missing => format!("neither loaded nor installed: {}", missing.join(", ")),
    };
    Some(Finding {
        what: "kernel modules",
        verdict: Verdict::Note,
        detail,
        remedy: "needed to attach to interfaces: install the kernel's modules and modprobe them (in a \
            container, on the host), or use --input-raw-engine cgroup",
    })
}

fn leftovers(facts: &Facts) -> Option<Finding> {
    (!facts.leftovers.is_empty()).then(|| Finding {
        what: "killed agents",
        verdict: Verdict::Note,
        detail: format!(
            "have left filters without effect on {}",
            facts.leftovers.join(", ")
        ),
        remedy: "shadow-agent detach removes them, and so does the next agent",
    })
}

/// Whether the kernel counts BPF memory against the limit on locked memory.
fn counts_locked_memory(facts: &Facts) -> bool {
    facts.kernel.is_some_and(|kernel| kernel < NO_MEMLOCK_KERNEL)
}

/// Whether a ring was refused where there is a limit that it counts against.
fn limit_is_to_blame(facts: &Facts) -> bool {
    facts.ring.is_err() && counts_locked_memory(facts) && facts.memlock.is_some()
}

/// The way out then.
const RAISE: &str = "raise the limit on locked memory below: this kernel counts rings against it";

/// Only kernels before 5.11 have an opinion on locked memory here.
fn memlock(facts: &Facts) -> Option<Finding> {
    if !counts_locked_memory(facts) {
        return None;
    }
    Some(match facts.memlock {
        None => good("locked memory", "unlimited".to_owned()),
        Some(bytes) => Finding {
            what: "locked memory",
            verdict: if facts.ring.is_ok() {
                Verdict::Note
            } else {
                Verdict::Bad
            },
            detail: format!("limited to {bytes} bytes, and this kernel counts rings against it"),
            remedy: "ulimit -l unlimited as root, LimitMEMLOCK=infinity in the systemd unit, --ulimit memlock=-1 for a \
                     container; or run with CAP_SYS_RESOURCE",
        },
    })
}

fn interfaces(facts: &Facts) -> Finding {
    if facts.interfaces.is_empty() {
        return Finding {
            what: "interfaces",
            verdict: Verdict::Note,
            detail: "cannot list them".to_owned(),
            remedy: "mount sysfs: mount -t sysfs none /sys",
        };
    }
    good("interfaces", facts.interfaces.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::CgroupRoot;

    const LOADED: Loaded = Loaded {
        shards: 4,
        ring_bytes: 8 << 20,
    };

    fn healthy() -> Facts {
        Facts {
            release: "6.18.4".to_owned(),
            kernel: Some(Kernel(6, 18)),
            missing_capabilities: Vec::new(),
            ring: Ok(8 << 20),
            tc: Ok(LOADED),
            cgroup: Ok(LOADED),
            memlock: Some(65_536),
            missing_modules: Vec::new(),
            leftovers: Vec::new(),
            cgroup_v2: Some(CgroupRoot {
                path: "/sys/fs/cgroup".into(),
                is_machine_root: true,
            }),
            pods: 0,
            jit: true,
            btf: true,
            interfaces: vec!["eth0".to_owned(), "lo".to_owned()],
        }
    }

    #[test]
    fn a_machine_that_can_do_everything_says_so() {
        let expected = "  ok    kernel           6.18.4, attaches by tcx
  ok    capabilities     CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON (dropped once capturing)
  ok    ring buffer      8 MiB can be created
  ok    tc programs      load, with 4 rings of 8 MiB
  ok    cgroup programs  load, with 4 rings of 8 MiB
  ok    cgroup v2        mounted at /sys/fs/cgroup
  ok    BPF compiler     on
  ok    BTF              /sys/kernel/btf/vmlinux
  ok    interfaces       eth0, lo

Live capture works on this machine.
";
        assert_eq!(report(&healthy()), (expected.to_owned(), true));
    }

    #[test]
    fn a_container_is_told_what_it_sees_of_the_nodes_pods() {
        let (text, _) = report(&Facts {
            pods: 12,
            ..healthy()
        });
        assert!(
            text.contains("mounted at /sys/fs/cgroup, the cgroups of 12 pods are below it\n"),
            "{text}"
        );
        let (text, works) = report(&Facts {
            cgroup_v2: Some(CgroupRoot {
                path: "/sys/fs/cgroup".into(),
                is_machine_root: false,
            }),
            ..healthy()
        });
        assert!(works);
        assert!(
            text.contains(
                "note  cgroup v2        /sys/fs/cgroup shows only a part of it: other pods are not visible\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn missing_capabilities_are_named_with_the_way_out() {
        let facts = Facts {
            missing_capabilities: vec!["CAP_BPF", "CAP_PERFMON"],
            ring: Err("Operation not permitted (os error 1)".to_owned()),
            ..healthy()
        };
        let (text, works) = report(&facts);
        assert!(!works);
        assert!(
            text.contains("FAIL  capabilities     missing: CAP_BPF, CAP_PERFMON\n"),
            "{text}"
        );
        assert!(text.contains("-> run as root (sudo shadow-agent ...)"), "{text}");
        assert!(
            text.contains("FAIL  ring buffer      cannot be created: Operation not permitted"),
            "{text}"
        );
    }

    #[test]
    fn programs_that_the_kernel_refuses_are_shown_with_what_it_said() {
        let refused = "the kernel refused the program shadow_sock_in: Argument list too long (os error 7)";
        let (text, works) = report(&Facts {
            cgroup: Err(refused.to_owned()),
            ..healthy()
        });
        assert!(works);
        assert!(
            text.contains(&format!("  note  cgroup programs  {refused}\n")),
            "{text}"
        );
        let (text, works) = report(&Facts {
            tc: Err(refused.to_owned()),
            ..healthy()
        });
        assert!(!works);
        assert!(
            text.contains(&format!("  FAIL  tc programs      {refused}\n")),
            "{text}"
        );
    }

    #[test]
    fn an_old_kernel_cannot_and_one_before_tcx_can() {
        let with = |release: &str, kernel| {
            report(&Facts {
                release: release.to_owned(),
                kernel: Some(kernel),
                ..healthy()
            })
        };
        assert!(!with("5.4.0", Kernel(5, 4)).1);
        let (text, works) = with("5.15.0", Kernel(5, 15));
        assert!(works);
        assert!(text.contains("5.15.0, attaches by clsact"), "{text}");
        assert!(!text.contains("locked memory"), "{text}");
        assert!(
            with("5.10.0", Kernel(5, 10))
                .0
                .contains("note  locked memory    limited to 65536 bytes")
        );
    }

    #[test]
    fn the_limit_on_locked_memory_is_blamed_and_no_profile() {
        let (text, works) = report(&Facts {
            release: "5.10.0-46-amd64".to_owned(),
            kernel: Some(Kernel(5, 10)),
            ring: Err("Operation not permitted (os error 1)".to_owned()),
            tc: Err("rings of 8388608 bytes in all do not fit".to_owned()),
            ..healthy()
        });
        assert!(!works);
        assert!(!text.contains("please report"), "{text}");
        assert!(
            text.contains("FAIL  locked memory    limited to 65536 bytes"),
            "{text}"
        );
        assert!(
            text.contains("-> raise the limit on locked memory below"),
            "{text}"
        );
        assert!(!text.contains("seccomp"), "{text}");
        assert!(
            text.contains("except CAP_BPF, which maps need before 5.19"),
            "{text}"
        );
    }

    #[test]
    fn what_killed_agents_left_and_missing_modules_are_notes() {
        let (text, works) = report(&Facts {
            missing_modules: vec!["sch_ingress"],
            leftovers: vec!["eth0".to_owned(), "lo".to_owned()],
            ..healthy()
        });
        assert!(works);
        assert!(
            text.contains("note  kernel modules   neither loaded nor installed: sch_ingress\n"),
            "{text}"
        );
        assert!(
            text.contains("note  killed agents    have left filters without effect on eth0, lo\n"),
            "{text}"
        );
        assert!(text.contains("-> shadow-agent detach removes them"), "{text}");
    }

    #[test]
    fn what_live_capture_can_do_without_is_a_note() {
        let (text, works) = report(&Facts {
            cgroup_v2: None,
            jit: false,
            btf: false,
            interfaces: Vec::new(),
            ..healthy()
        });
        assert!(works);
        assert_eq!(text.matches("  note  ").count(), 4, "{text}");
    }
}
