//! From what the cluster asks for to the plan that shards follow and the pods that the kernel watches.

use std::collections::{BTreeSet, HashMap};

use super::images::Images;
use crate::capture::PodTarget;
use crate::kubernetes::{Concern, Desired};
use crate::mirror::Limiter;
use crate::mirror::plan::{PlannedMirror, PodScope};

/// Slots of the mirrors, as pods refer to them.
pub(super) struct Slots<'a> {
    /// Of the run's own mirrors, by input.
    pub of_inputs: Vec<Vec<usize>>,
    /// Of the mirrors of routes, by their keys.
    pub of_routes: HashMap<&'a str, usize>,
}

impl<'a> Slots<'a> {
    /// `planned` are the mirrors of `desired`, in its order.
    pub fn new(of_inputs: Vec<Vec<usize>>, desired: &'a Desired, planned: &[PlannedMirror]) -> Self {
        let of_routes = desired
            .mirrors
            .iter()
            .zip(planned)
            .map(|(mirror, planned)| (mirror.key.as_str(), planned.slot))
            .collect();
        Self { of_inputs, of_routes }
    }

    fn of_routes(&self, keys: &BTreeSet<String>) -> BTreeSet<usize> {
        let slots = keys.iter().filter_map(|key| self.of_routes.get(key.as_str()));
        slots.copied().collect()
    }

    fn of(&self, concern: &Concern) -> Vec<usize> {
        let mut slots = self.of_routes(&concern.routes);
        let of_inputs = concern
            .inputs
            .iter()
            .filter_map(|input| self.of_inputs.get(*input));
        slots.extend(of_inputs.flatten());
        slots.into_iter().collect()
    }
}

/// The scopes of the plan, by cgroup and port.
pub(super) fn scopes(
    desired: &Desired,
    slots: &Slots<'_>,
    limits: &[Option<Limiter>],
) -> HashMap<(u64, u16), PodScope> {
    let mut scopes = HashMap::new();
    for pod in &desired.pods {
        for (port, concern) in &pod.ports {
            let scope = PodScope {
                pod: pod.identity.clone(),
                slots: slots.of(concern),
                limit: limit(concern, limits),
                shadow_of: slots.of_routes(&concern.shadow_of).into_iter().collect(),
            };
            scopes.insert((pod.cgroup.id, *port), scope);
        }
    }
    scopes
}

/// The images of the pods whose requests an output gets, and of those that it sends to, by slot.
pub(super) fn images(desired: &Desired, slots: &Slots<'_>) -> HashMap<usize, Images> {
    let mut images: HashMap<usize, Images> = HashMap::new();
    for pod in &desired.pods {
        for (port, concern) in &pod.ports {
            let Some(image) = pod.images.get(port) else {
                continue;
            };
            let shadow_of = slots.of_routes(&concern.shadow_of);
            for slot in slots.of(concern) {
                let images = images.entry(slot).or_default();
                if shadow_of.contains(&slot) {
                    images.add_shadow(image);
                } else {
                    images.add_production(image);
                }
            }
        }
    }
    images
}

/// The limit of a pod's port: none where a route or an input without a limit has to do with it, else that of the first of its
/// inputs.
fn limit(concern: &Concern, limits: &[Option<Limiter>]) -> Option<Limiter> {
    let of = |input: &usize| limits.get(*input).cloned().flatten();
    let mut all = concern.inputs.iter().map(of);
    let first = all.next()??;
    (concern.routes.is_empty() && all.all(|limit| limit.is_some())).then_some(first)
}

/// Targets for the kernel to watch.
pub(super) fn targets(desired: &Desired) -> Vec<PodTarget> {
    let target = |pod: &crate::kubernetes::DesiredPod| PodTarget {
        cgroup: pod.cgroup,
        ports: pod.ports.keys().copied().collect(),
    };
    desired.pods.iter().map(target).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::capture::PodCgroup;
    use crate::kubernetes::{DesiredMirror, DesiredPod};
    use crate::mirror::plan::{PodIdentity, Selection};
    use crate::mirror::{Endpoints, HostHeader};

    #[test]
    fn a_port_is_the_business_of_its_own_inputs_and_routes() {
        let pod = |id, port, inputs: &[usize], routes: &[&str]| DesiredPod {
            identity: Arc::new(PodIdentity::default()),
            cgroup: PodCgroup { id, levels: 8 },
            images: [(port, format!("shop:v{id}"))].into(),
            ports: [(
                port,
                Concern {
                    inputs: inputs.iter().copied().collect(),
                    routes: routes.iter().map(|key| (*key).to_owned()).collect(),
                    shadow_of: routes.iter().skip(1).map(|key| (*key).to_owned()).collect(),
                },
            )]
            .into(),
        };
        let mirror = |key: &str| DesiredMirror {
            key: key.to_owned(),
            name: key.to_owned(),
            selection: Selection::Everything,
            host: "shadow".to_owned(),
            port: 80,
            http2: false,
            endpoints: Endpoints::default(),
            host_header: HostHeader::Original,
            edits: None,
        };
        let desired = Desired {
            pods: vec![
                pod(7, 80, &[1], &["b"]),
                pod(9, 80, &[0, 1], &[]),
                pod(8, 81, &[], &["a", "unknown", "b"]),
            ],
            mirrors: vec![mirror("a"), mirror("b")],
            ..Desired::default()
        };
        let planned = [4, 5].map(|slot| PlannedMirror {
            slot,
            selection: Selection::Everything,
            rules: None,
            limit: None,
        });
        let slots = Slots::new(vec![vec![2], vec![0, 1]], &desired, &planned);
        let scopes = scopes(&desired, &slots, &[]);
        assert_eq!(scopes[&(7, 80)].slots, [0, 1, 5]);
        assert_eq!(scopes[&(9, 80)].slots, [0, 1, 2]);
        assert_eq!(scopes[&(8, 81)].slots, [4, 5]);
        assert_eq!(scopes[&(8, 81)].shadow_of, [5]);
        let names = |slot| {
            let names = images(&desired, &slots)[&slot].names();
            (names.production, names.shadow)
        };
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(names(0), (name("shop:v7, shop:v9"), None));
        assert_eq!(names(5), (name("shop:v7"), name("shop:v8")));
        assert_eq!(targets(&desired).len(), 3);
    }
}
