//! Mirrors that the settings ask for: the mirrors of the run itself, beside those of routes, and whose business each
//! input is.

use std::net::IpAddr;

use crate::kubernetes::Desired;
use crate::mirror::plan::{AddressScope, PlannedMirror, Selection};
use crate::mirror::{Admission, Limiter, Split};
use crate::output::MirrorSpec;
use crate::settings::{
    ClusterSettings, LiveInput, LiveScope, MirrorSettings, PodSelector, RawInput, Settings,
};

/// The mirrors of the settings.
#[derive(Clone, Debug, Default)]
pub(super) struct MirrorSpecs {
    /// One for each output of each mirror, in their order.
    pub mirrors: Vec<MirrorSpec>,
    /// Inputs that are captured at addresses.
    pub live: Vec<LiveInput>,
    /// Inputs that are pods.
    pub pods: Vec<PodSelector>,
    /// Limits of these, in their order.
    pub pod_limits: Vec<Option<Limiter>>,
    settings: Vec<MirrorSettings>,
    cluster: Option<ClusterSettings>,
}

impl MirrorSpecs {
    pub fn of(settings: &Settings) -> Self {
        let mut wanted = Self {
            settings: settings.mirrors.clone(),
            cluster: settings.kubernetes.clone(),
            ..Self::default()
        };
        for mirror in &settings.mirrors {
            wanted.mirrors.extend(outputs_of(mirror));
        }
        for (mirror, input) in settings
            .mirrors
            .iter()
            .flat_map(|one| one.inputs.iter().map(move |input| (one, input)))
        {
            match input {
                RawInput::Live { .. } => wanted.live.extend(input.live()),
                RawInput::Kubernetes(pods) => {
                    wanted.pods.push(pods.clone());
                    wanted.pod_limits.push(mirror.limits.of(input).map(Limiter::new));
                }
                RawInput::File { .. } => {}
            }
        }
        wanted
    }

    /// The mirrors of the cluster's routes, in their order.
    pub fn of_routes(&self, desired: &Desired) -> Vec<MirrorSpec> {
        let mirrors = |cluster: &ClusterSettings| {
            let mirrors = desired.mirrors.iter();
            mirrors.map(|mirror| cluster.wanted(mirror)).collect()
        };
        self.cluster.as_ref().map(mirrors).unwrap_or_default()
    }

    /// Which requests captured at addresses are whose business. `planned` are [`Self::mirrors`] with their slots.
    pub fn addresses(&self, planned: &[PlannedMirror]) -> Vec<AddressScope> {
        match self.with_slots(planned).collect::<Vec<_>>().as_slice() {
            // Whatever is captured, at interfaces and in files too.
            [(_, slots)] => vec![AddressScope {
                slots: slots.clone(),
                ..AddressScope::default()
            }],
            _ => self.live_scopes(planned),
        }
    }

    /// Scopes of inputs at addresses, for requests that are captured at a pod's socket.
    pub fn live_scopes(&self, planned: &[PlannedMirror]) -> Vec<AddressScope> {
        let mut scopes = Vec::new();
        for (mirror, slots) in self.with_slots(planned) {
            for input in &mirror.inputs {
                if let RawInput::Live { scope, ports } = input {
                    scopes.push(AddressScope {
                        addresses: addresses(scope),
                        ports: ports.clone(),
                        slots: slots.clone(),
                    });
                }
            }
        }
        scopes
    }

    /// The inputs at addresses with their limits, where any of them has one.
    pub fn admissions(&self, planned: &[PlannedMirror]) -> Vec<Admission> {
        let mut admissions = Vec::new();
        for (mirror, slots) in self.with_slots(planned) {
            for input in &mirror.inputs {
                if let RawInput::Live { scope, ports } = input {
                    admissions.push(Admission {
                        scope: AddressScope {
                            addresses: addresses(scope),
                            ports: ports.clone(),
                            slots: slots.clone(),
                        },
                        limiter: mirror.limits.of(input).map(Limiter::new),
                    });
                }
            }
        }
        if admissions.iter().all(|admission| admission.limiter.is_none()) {
            admissions.clear();
        }
        admissions
    }

    /// Mirrors whose outputs divide requests among them.
    pub fn splits(&self, planned: &[PlannedMirror]) -> Vec<Split> {
        self.with_slots(planned)
            .filter(|(_, slots)| slots.len() > 1)
            .filter_map(|(mirror, slots)| mirror.split.map(|by| Split { slots, by }))
            .collect()
    }

    /// The slots of each of [`Self::pods`].
    pub fn slots_of_pods(&self, planned: &[PlannedMirror]) -> Vec<Vec<usize>> {
        let mut of_pods = Vec::with_capacity(self.pods.len());
        for (mirror, slots) in self.with_slots(planned) {
            let is_pods = |input: &&RawInput| matches!(input, RawInput::Kubernetes(_));
            let inputs = mirror.inputs.iter().filter(is_pods);
            of_pods.extend(inputs.map(|_| slots.clone()));
        }
        of_pods
    }

    /// Each mirror with the slots of its outputs, ascending.
    fn with_slots<'a>(
        &'a self,
        mut planned: &'a [PlannedMirror],
    ) -> impl Iterator<Item = (&'a MirrorSettings, Vec<usize>)> {
        self.settings.iter().map(move |mirror| {
            let (own, rest) = planned.split_at(mirror.outputs.len().min(planned.len()));
            planned = rest;
            let mut slots: Vec<usize> = own.iter().map(|mirror| mirror.slot).collect();
            slots.sort_unstable();
            (mirror, slots)
        })
    }
}

/// The outputs of a mirror: each takes every request of its inputs.
fn outputs_of(mirror: &MirrorSettings) -> Vec<MirrorSpec> {
    let mut wanted: Vec<MirrorSpec> = Vec::with_capacity(mirror.outputs.len());
    for (index, output) in mirror.outputs.iter().enumerate() {
        let name = mirror
            .name
            .as_ref()
            .map(|name| format!("{name}: {}", output.name()));
        // The same one by its name, wherever it stands among the others; the n-th of those with the same name.
        let prefix = format!("{} {} ", mirror.name.as_deref().unwrap_or(""), output.name());
        let nth = wanted.iter().filter(|one| one.key.starts_with(&prefix)).count();
        wanted.push(MirrorSpec {
            key: format!("{prefix}{nth}"),
            name,
            selection: Selection::Everything,
            rules: mirror.rules.of(output).cloned(),
            limit: mirror.limits.outputs.get(&index).copied().map(Limiter::new),
            output: output.clone(),
        });
    }
    wanted
}

/// The addresses of a scope; none for any.
fn addresses(scope: &LiveScope) -> Vec<IpAddr> {
    match scope {
        LiveScope::Addresses(addresses) => addresses.iter().map(IpAddr::to_canonical).collect(),
        LiveScope::Any | LiveScope::Interfaces(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::high;
    use crate::cli::low::Arguments;
    use crate::cli::machine::TestMachine;
    use clap::Parser;

    fn mirror(name: &str, flags: &[&str]) -> MirrorSettings {
        let arguments =
            Arguments::try_parse_from([&["shadow-agent", "--k8s-node=n"], flags].concat()).unwrap();
        let mut mirror = high::resolve(&arguments, &TestMachine)
            .unwrap()
            .settings
            .mirrors
            .remove(0);
        mirror.name = Some(name.to_owned());
        mirror
    }

    fn wanted(mirrors: Vec<MirrorSettings>) -> MirrorSpecs {
        let arguments =
            Arguments::try_parse_from(["shadow-agent", "--input-raw=:1", "--output-null"]).unwrap();
        let mut settings = high::resolve(&arguments, &TestMachine).unwrap().settings;
        settings.mirrors = mirrors;
        MirrorSpecs::of(&settings)
    }

    fn planned(slots: &[usize]) -> Vec<PlannedMirror> {
        let planned = |slot: &usize| PlannedMirror {
            slot: *slot,
            selection: Selection::Everything,
            rules: None,
            limit: None,
        };
        slots.iter().map(planned).collect()
    }

    #[test]
    fn each_input_is_the_business_of_the_outputs_of_its_own_mirror() {
        let wanted = wanted(vec![
            mirror(
                "a",
                &[
                    "--input-raw=:80",
                    "--input-raw=k8s://pod/x:80",
                    "--output-http=s:1",
                    "--output-null",
                ],
            ),
            mirror("b", &["--input-raw=10.0.0.5:80,81", "--output-http=s:1"]),
            mirror("c", &["--input-raw=k8s://pod/y:80", "--output-http=s:1"]),
        ]);
        let names: Vec<_> = wanted
            .mirrors
            .iter()
            .filter_map(|one| one.name.as_deref())
            .collect();
        assert_eq!(
            names,
            ["a: http://s:1", "a: null", "b: http://s:1", "c: http://s:1"]
        );
        let planned = planned(&[7, 3, 4, 5]);
        let [any, one] = wanted.addresses(&planned).try_into().unwrap();
        assert_eq!(
            (any.addresses, any.ports, any.slots),
            (vec![], vec![80], vec![3, 7])
        );
        assert_eq!(one.addresses, ["10.0.0.5".parse::<IpAddr>().unwrap()]);
        assert_eq!((one.ports, one.slots), (vec![80, 81], vec![4]));
        assert_eq!(wanted.slots_of_pods(&planned), [vec![3, 7], vec![5]]);
    }

    #[test]
    fn a_single_mirror_takes_whatever_is_captured() {
        let wanted = wanted(vec![mirror("a", &["--input-raw=eth0:80", "--output-null"])]);
        let [everything] = wanted.addresses(&planned(&[2])).try_into().unwrap();
        assert!(everything.addresses.is_empty() && everything.ports.is_empty());
        assert_eq!(everything.slots, [2]);
    }

    #[test]
    fn the_same_output_twice_has_two_keys() {
        let keys = |flags: &[&str]| -> Vec<String> {
            let wanted = wanted(vec![mirror("a", &[&["--input-raw=:80"], flags].concat())]);
            wanted.mirrors.into_iter().map(|one| one.key).collect()
        };
        let both = keys(&["--output-http=x", "--output-http=y", "--output-http=y"]);
        assert_eq!(both, ["a http://x 0", "a http://y 0", "a http://y 1"]);
        assert_eq!(keys(&["--output-http=y"]), ["a http://y 0"]);
    }
}
