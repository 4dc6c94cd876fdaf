//! Starting and ending: what is refused, what is given up, what is left behind.

use aya::programs::{SchedClassifier, TcAttachType};
use shadow_capture::{CaptureError, CaptureSettings, Engine, LiveCapture, LiveInput, LiveScope};
use shadow_core::privileges;

use crate::start;
use crate::support::*;

#[test]
fn capabilities_are_given_up_and_everything_but_attaching_goes_on() {
    if !is_root("capabilities_are_given_up") {
        return;
    }
    let host = Namespace::new();
    host.spawn(|| {
        let inputs = [live(LiveScope::Any, 21095)];
        let mut capture = LiveCapture::start(&inputs, &settings(Engine::Tc)).unwrap();
        privileges::give_up(LiveCapture::needs()).unwrap();
        for set in [
            caps::CapSet::Effective,
            caps::CapSet::Permitted,
            caps::CapSet::Inheritable,
            caps::CapSet::Ambient,
            caps::CapSet::Bounding,
        ] {
            assert_eq!(
                caps::read(None, set).unwrap(),
                caps::CapsHashSet::new(),
                "{set:?}"
            );
        }
        let own = capture.own_connections();
        let entry = own.register("127.0.0.1:40000".parse().unwrap()).unwrap();
        drop(entry);
        assert!(capture.counters().read().unwrap().balanced());
        // Targets change without a capability; attaching is done by the thread that keeps some.
        capture.watch(&[live(interfaces("lo"), 21096)]).unwrap();
        let error = LiveCapture::start(&inputs, &settings(Engine::Tc))
            .map(drop)
            .unwrap_err();
        assert!(
            matches!(&error, CaptureError::MissingCapabilities { missing }
                if *missing == ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]),
            "{error}"
        );
    })
    .join()
    .unwrap();
}

fn programs_on(namespace: &Namespace, interface: &'static str) -> usize {
    namespace.run(move || {
        [TcAttachType::Ingress, TcAttachType::Egress]
            .into_iter()
            .map(|side| SchedClassifier::query_tcx(interface, side).unwrap().1.len())
            .sum()
    })
}

#[test]
fn nothing_stays_attached() {
    if !is_root("nothing_stays_attached") {
        return;
    }
    let (host, other) = (Namespace::new(), Namespace::new());
    host.veth("veth-n", "10.77.7.1/24", &other, "veth-o", "10.77.7.2/24");
    let settings = CaptureSettings {
        responses: true,
        ..settings(Engine::Tc)
    };
    let capture = start(&host, vec![live(LiveScope::Any, 21097)], settings);
    assert_eq!((programs_on(&host, "lo"), programs_on(&host, "veth-n")), (1, 2));
    drop(capture);
    assert_eq!((programs_on(&host, "lo"), programs_on(&host, "veth-n")), (0, 0));
}

fn refused(namespace: &Namespace, inputs: Vec<LiveInput>, settings: CaptureSettings) -> CaptureError {
    namespace
        .spawn(move || LiveCapture::start(&inputs, &settings).map(drop))
        .join()
        .unwrap()
        .unwrap_err()
}

#[test]
fn what_cannot_be_is_refused_with_the_way_out() {
    if !is_root("what_cannot_be_is_refused") {
        return;
    }
    let host = Namespace::new();
    let any = || vec![live(LiveScope::Any, 80)];
    let tc = || settings(Engine::Tc);

    let error = refused(&host, vec![live(interfaces("eth7"), 80)], tc()).to_string();
    assert!(
        error.contains("no interface is named eth7; there are: lo"),
        "{error}"
    );

    let error = refused(
        &host,
        vec![live(interfaces("eth*"), 80)],
        settings(Engine::Cgroup),
    )
    .to_string();
    assert!(
        error.contains("eth*") && error.contains("--input-raw-engine"),
        "{error}"
    );

    let ring = CaptureSettings {
        ring_bytes: 100_000,
        ..tc()
    };
    let error = refused(&host, any(), ring).to_string();
    assert!(error.contains("100000") && error.contains("131072"), "{error}");

    let shards = CaptureSettings { shards: 3, ..tc() };
    let error = refused(&host, any(), shards).to_string();
    assert!(error.contains("3 capture shards"), "{error}");

    assert!(matches!(refused(&host, Vec::new(), tc()), CaptureError::NoInput));

    let ports = LiveInput {
        scope: LiveScope::Any,
        ports: (1..20_000).collect(),
    };
    let error = refused(&host, vec![ports], tc());
    assert!(matches!(error, CaptureError::TooManyTargets { .. }), "{error}");
}

#[test]
fn a_pause_detaches_and_a_resume_attaches_the_latest_targets() {
    if !is_root("a_pause_leaves_nothing_attached") {
        return;
    }
    let (host, other) = (Namespace::new(), Namespace::new());
    host.veth("veth-p", "10.77.8.1/24", &other, "veth-q", "10.77.8.2/24");
    let mut capture = start(&host, vec![live(interfaces("lo"), 21099)], settings(Engine::Tc));
    let attached = || ["lo", "veth-p"].map(|interface| programs_on(&host, interface) > 0);
    assert_eq!(attached(), [true, false]);
    // Twice is once.
    for _ in 0..2 {
        capture.pause().unwrap();
        assert_eq!(attached(), [false, false]);
    }
    capture.watch(&[live(interfaces("veth-p"), 21099)]).unwrap();
    assert_eq!(attached(), [false, false]);
    for _ in 0..2 {
        capture.resume().unwrap();
        // Connections of this host to the interface's own address go over lo.
        assert_eq!(attached(), [true, true]);
    }
    drop(capture);
    assert_eq!(attached(), [false, false]);
}
