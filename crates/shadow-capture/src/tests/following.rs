//! The thread that follows interfaces, when the kernel fails it and when interfaces change. Needs root.

use aya::programs::{SchedClassifier, TcAttachType};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

use super::super::attach::{Classifiers, TcHook};
use super::super::follow::{Follower, Following};
use super::super::load::load;
use super::super::netlink::Changes;
use super::super::plan::on_interfaces;
use super::super::targets::{TargetMaps, Targets};
use super::kernel::settings;
use crate::{LiveInput, LiveScope};

/// Runs a test in a network namespace of its own, as root.
fn in_a_namespace(test: &str, f: impl FnOnce() + Send + 'static) {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED {test}: needs root");
        return;
    }
    std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        ip("link set lo up");
        f();
    })
    .join()
    .unwrap();
}

fn ip(arguments: &str) {
    let status = std::process::Command::new("ip")
        .args(arguments.split_whitespace())
        .status()
        .unwrap();
    assert!(status.success(), "ip {arguments}");
}

fn any(port: u16) -> Vec<LiveInput> {
    vec![LiveInput {
        scope: LiveScope::Any,
        ports: vec![port],
    }]
}

fn following() -> Following {
    let mut ebpf = load(&settings()).unwrap();
    let targets = Targets::new(TargetMaps::take(&mut ebpf).unwrap());
    Following {
        classifiers: Classifiers::load(ebpf, TcHook::of_this_kernel()).unwrap(),
        targets,
        inputs: any(80),
        ignored: Vec::new(),
        filter: None,
    }
}

/// How many programs are on the receiving side of an interface.
fn programs_on(interface: &str) -> usize {
    SchedClassifier::query_tcx(interface, TcAttachType::Ingress)
        .unwrap()
        .1
        .len()
}

#[test]
fn what_is_attached_stays_when_changes_can_no_longer_be_waited_for() {
    in_a_namespace("what_is_attached_stays", || {
        let mut following = following();
        following.start().unwrap();
        let follower =
            Follower::start_with(following, Changes::new().unwrap(), |_, _| Err(Errno::ENOMEM)).unwrap();
        // An answer comes only from a thread that lives on.
        follower.watch(any(81)).unwrap();
        follower.watch(any(82)).unwrap();
        assert_eq!(programs_on("lo"), 1);
        drop(follower);
        assert_eq!(programs_on("lo"), 0);
    });
}

#[test]
fn the_new_is_attached_before_the_old_is_let_go_of() {
    in_a_namespace("the_new_is_attached_before_the_old", || {
        ip("link add a0 type veth peer name b0");
        ip("link set a0 up");
        ip("link set b0 up");
        let mut following = following();
        let plan = |pattern: &str| {
            let input = LiveInput {
                scope: LiveScope::Interfaces(pattern.to_owned()),
                ports: vec![80],
            };
            on_interfaces(&[input], &super::super::interfaces::list().unwrap())
        };
        let (old, new) = (plan("a0"), plan("b0"));
        following.classifiers.attach(&old.attachments).unwrap();
        following.classifiers.attach(&new.attachments).unwrap();
        assert_eq!((programs_on("a0"), programs_on("b0")), (1, 1));
        following.classifiers.detach_others(&new.attachments);
        assert_eq!((programs_on("a0"), programs_on("b0")), (0, 1));
        // Another name is no other place.
        ip("link set b0 down");
        ip("link set b0 name c0");
        ip("link set c0 up");
        assert!(following.classifiers.are_attached_to(&plan("c0").attachments));
        assert_eq!(programs_on("c0"), 1);
    });
}
