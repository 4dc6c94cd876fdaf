//! Whose answers live capture is bound to see, by where it stands.

use std::sync::Arc;

use aya::util::KernelVersion;
use shadow_tcp::Expected;

use super::interfaces;
use super::load::kernel_is_at_least;
use super::settings::{CaptureSettings, Engine, LiveInput, LiveScope, VlanScope};

/// Whose answers are seen where the kernel captures so, before any was. Of what passes a single interface that is not
/// known: answers may leave by another one.
pub fn expected_answers(inputs: &[LiveInput], settings: &CaptureSettings) -> Expected {
    if settings.engine == Some(Engine::Cgroup) {
        // Before, such a program is not run for what a server answers to a SYN: it belongs to no whole socket yet.
        return if kernel_is_at_least(KernelVersion::new(6, 6, 0)) {
            Expected::Everybody
        } else {
            Expected::Nobody
        };
    }
    let everywhere = settings.ignored_interfaces.is_empty() && settings.vlans == VlanScope::Any;
    let by_interface = |input: &LiveInput| matches!(input.scope, LiveScope::Interfaces(_));
    if !everywhere || inputs.iter().any(by_interface) {
        return Expected::Nobody;
    }
    let addresses = interfaces::list()
        .unwrap_or_default()
        .into_iter()
        .flat_map(|interface| interface.addresses);
    Expected::Of(Arc::new(
        addresses.map(|address| address.to_canonical()).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(scope: LiveScope) -> LiveInput {
        LiveInput {
            scope,
            ports: vec![80],
        }
    }

    #[test]
    fn sockets_see_everybodys_answers_and_a_single_interface_nobodys() {
        let sockets = CaptureSettings {
            engine: Some(Engine::Cgroup),
            ..CaptureSettings::default()
        };
        let expected = |inputs: &[LiveInput], settings: &CaptureSettings| {
            format!("{:?}", expected_answers(inputs, settings))
                .split('(')
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        assert_eq!(expected(&[live(LiveScope::Any)], &sockets), "Everybody");
        let interfaces = CaptureSettings::default();
        assert_eq!(expected(&[live(LiveScope::Any)], &interfaces), "Of");
        let one = live(LiveScope::Interfaces("eth0".to_owned()));
        assert_eq!(expected(&[live(LiveScope::Any), one], &interfaces), "Nobody");
        let ignoring = CaptureSettings {
            ignored_interfaces: vec!["eth1".to_owned()],
            ..CaptureSettings::default()
        };
        assert_eq!(expected(&[live(LiveScope::Any)], &ignoring), "Nobody");
    }
}
