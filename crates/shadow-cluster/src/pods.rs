//! Which pods of this node an input means, and at which ports: a pure function of what is known of the cluster.
//!
//! Biased towards capturing nothing: what is not known for certain to be meant is not captured.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;

use super::objects::{Pod, TargetPort, Workload, service_ports, service_selector};
use super::reflector::ObjectKey;
use super::selector::LabelSelector;
use super::settings::{PodPort, PodSelector, Pods, WorkloadKind};

/// Everything that is known of the cluster.
pub struct World<'a> {
    /// The pods of this node.
    pub pods: &'a BTreeMap<ObjectKey, Arc<Pod>>,
    /// The objects of the input's kind that have the input's name; those between them and their pods.
    pub named: &'a BTreeMap<ObjectKey, Arc<Workload>>,
    /// Replica sets of deployments, jobs of cron jobs.
    pub between: &'a BTreeMap<ObjectKey, Arc<Workload>>,
    /// Services.
    pub services: &'a BTreeMap<ObjectKey, Arc<Service>>,
}

/// A pod and the ports at which it is watched.
pub type PodPorts<'a> = (&'a Arc<Pod>, BTreeSet<u16>);

/// The result of an input.
#[derive(Debug)]
pub struct Selected<'a> {
    /// The pods, each with one port at least.
    pub pods: Vec<PodPorts<'a>>,
    /// Why there are none, or not all that one would expect.
    pub why: Option<Why>,
}

/// Why an input means no pod here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The object it names is not in the cluster, or cannot be followed to its pods.
    Missing(String),
    /// No pod on this node matches: nothing is wrong with that.
    NoneHere,
    /// Pods match, but have no such port.
    NoPort(String),
}

/// The pods that `input` means.
pub fn select<'a>(input: &PodSelector, world: &World<'a>) -> Selected<'a> {
    match &input.pods {
        Pods::Labels(text) => match LabelSelector::parse(text) {
            Ok(selector) => with_ports(input, filtered(input, world, |pod| selector.matches(&pod.labels))),
            Err(error) => nothing(Why::Missing(error)),
        },
        Pods::Fields(text) => match super::selector::FieldSelector::parse(text) {
            Ok(selector) => with_ports(
                input,
                filtered(input, world, |pod| selector.matches(|name| pod.field(name))),
            ),
            Err(error) => nothing(Why::Missing(error)),
        },
        Pods::Named {
            kind: WorkloadKind::Pod,
            name,
        } => with_ports(input, filtered(input, world, |pod| pod.name == *name)),
        Pods::Named {
            kind: WorkloadKind::Service,
            name,
        } => of_services(input, name, world),
        Pods::Named { kind, name } => of_workloads(input, *kind, name, world),
    }
}

fn nothing<'a>(why: Why) -> Selected<'a> {
    Selected {
        pods: Vec::new(),
        why: Some(why),
    }
}

fn missing(input: &PodSelector, kind: WorkloadKind, name: &str) -> Why {
    let place = match &input.namespace {
        Some(namespace) => format!("in the namespace {namespace}"),
        None => "in any namespace".to_owned(),
    };
    Why::Missing(format!("there is no {} named {name} {place}", kind.word()))
}

fn in_namespace(input: &PodSelector, namespace: &str) -> bool {
    input
        .namespace
        .as_deref()
        .is_none_or(|wanted| wanted == namespace)
}

fn filtered<'a>(input: &PodSelector, world: &World<'a>, wanted: impl Fn(&Pod) -> bool) -> Vec<&'a Arc<Pod>> {
    world
        .pods
        .values()
        .filter(|pod| !pod.has_ended() && in_namespace(input, &pod.namespace) && wanted(pod))
        .collect()
}

fn of_workloads<'a>(input: &PodSelector, kind: WorkloadKind, name: &str, world: &World<'a>) -> Selected<'a> {
    let workloads: Vec<_> = world
        .named
        .iter()
        .filter(|((namespace, its_name), _)| its_name == name && in_namespace(input, namespace))
        .collect();
    if workloads.is_empty() {
        return nothing(missing(input, kind, name));
    }
    let mut pods = Vec::new();
    for ((namespace, _), workload) in workloads {
        // Those that control pods: the workload itself, or what it controls in turn.
        let controllers: BTreeSet<&str> = if kind.has_objects_between() {
            let between = world.between.iter();
            between
                .filter(|((its_namespace, _), object)| {
                    its_namespace == namespace
                        && object
                            .controller
                            .as_ref()
                            .is_some_and(|owner| owner.uid == workload.uid)
                })
                .map(|(_, object)| object.uid.as_str())
                .collect()
        } else {
            [workload.uid.as_str()].into()
        };
        let mine = |pod: &Pod| {
            pod.namespace == *namespace
                && pod.controller.as_ref().is_some_and(|owner| controllers.contains(owner.uid.as_str()))
                // A pod that was taken out of the selection, to look at it, serves nobody.
                && workload.selector.as_ref().is_none_or(|selector| selector.matches(&pod.labels))
        };
        pods.extend(filtered(input, world, mine));
    }
    with_ports(input, pods)
}

fn with_ports<'a>(input: &PodSelector, pods: Vec<&'a Arc<Pod>>) -> Selected<'a> {
    if pods.is_empty() {
        return nothing(Why::NoneHere);
    }
    let mut without = None;
    let mut selected = Vec::new();
    for pod in pods {
        let mut ports = BTreeSet::new();
        for port in &input.ports {
            match port {
                PodPort::Number(port) => {
                    ports.insert(*port);
                }
                PodPort::Name(name) => match pod.ports.get(name) {
                    Some(port) => {
                        ports.insert(*port);
                    }
                    None => {
                        without = Some(format!(
                            "pod {}/{} has no TCP port named {name}",
                            pod.namespace, pod.name
                        ));
                    }
                },
            }
        }
        if !ports.is_empty() {
            selected.push((pod, ports));
        }
    }
    Selected {
        pods: selected,
        why: without.map(Why::NoPort),
    }
}

fn of_services<'a>(input: &PodSelector, name: &str, world: &World<'a>) -> Selected<'a> {
    let mut all = Selected {
        pods: Vec::new(),
        why: Some(missing(input, WorkloadKind::Service, name)),
    };
    for ((namespace, its_name), service) in world.services {
        if its_name != name || !in_namespace(input, namespace) {
            continue;
        }
        let one = match targets_of(input, namespace, name, service) {
            Ok(targets) => behind_service(namespace, name, service, &targets, world),
            Err(why) => nothing(why),
        };
        all.pods.extend(one.pods);
        all.why = match (all.why, one.why) {
            // What is wrong in one namespace is said whatever is well in others; that there are no pods is not.
            (_, Some(why @ Why::NoPort(_))) | (Some(why @ Why::NoPort(_)), _) => Some(why),
            (_, why) => why,
        };
    }
    if !all.pods.is_empty() && !matches!(all.why, Some(Why::NoPort(_))) {
        all.why = None;
    }
    all
}

/// Where the ports that an input names lead, behind one Service.
fn targets_of(
    input: &PodSelector,
    namespace: &str,
    name: &str,
    service: &Service,
) -> Result<Vec<TargetPort>, Why> {
    let ports = service_ports(service);
    let target = |wanted: &PodPort| {
        let found = ports.iter().find(|port| match wanted {
            PodPort::Number(number) => port.port == *number,
            PodPort::Name(name) => port.name.as_ref() == Some(name),
        });
        found.map(|port| port.target.clone()).ok_or_else(|| {
            let there: Vec<_> = ports.iter().map(|port| port.port.to_string()).collect();
            Why::NoPort(format!(
                "service {namespace}/{name} has no TCP port {wanted}; it has {}",
                there.join(", ")
            ))
        })
    };
    input.ports.iter().map(target).collect()
}

/// The pods behind a Service, at the ports that `targets` are in each.
pub fn behind_service<'a>(
    namespace: &str,
    name: &str,
    service: &Service,
    targets: &[TargetPort],
    world: &World<'a>,
) -> Selected<'a> {
    let Some(selector) = service_selector(service) else {
        return nothing(Why::Missing(format!(
            "service {namespace}/{name} has no selector, so its pods are unknown"
        )));
    };
    let mut pods = Vec::new();
    let mut why = Some(Why::NoneHere);
    for pod in world.pods.values() {
        if pod.namespace != namespace || pod.has_ended() || !selector.matches(&pod.labels) {
            continue;
        }
        let ports: BTreeSet<u16> = targets.iter().filter_map(|target| target.in_pod(pod)).collect();
        if ports.is_empty() {
            why = Some(Why::NoPort(format!(
                "pod {namespace}/{} has none of the target ports of service {name}",
                pod.name
            )));
        } else {
            pods.push((pod, ports));
        }
    }
    if !pods.is_empty() {
        why = None;
    }
    Selected { pods, why }
}

#[cfg(test)]
#[path = "pods_tests.rs"]
mod tests;
