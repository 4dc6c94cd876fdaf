//! The resources the server knows, and how each of them differs from the others.

/// One resource, in all versions it is served in.
pub(super) struct Resource {
    /// API group; the core group is empty.
    pub group: &'static str,
    /// Versions, the preferred one first. The objects are the same in all of them.
    pub versions: &'static [&'static str],
    /// Name in paths; unique in this table.
    pub plural: &'static str,
    /// Name in manifests.
    pub kind: &'static str,
    /// Short names, as users of `kubectl` type them.
    pub short: &'static [&'static str],
    /// Whether its objects stand in namespaces.
    pub namespaced: bool,
    /// Whether it has a `/status`, so that a write to one leaves the other alone.
    pub status: bool,
    /// Whether `metadata.generation` counts the changes of what is wanted.
    pub generation: bool,
    /// Field labels beyond `metadata.name` and `metadata.namespace`, each with its place in the object.
    pub fields: &'static [(&'static str, &'static str)],
}

/// The one group here that comes from `CustomResourceDefinition`s.
const GATEWAY_API: &str = "gateway.networking.k8s.io";

const BUILT_IN: Resource = Resource {
    group: "",
    versions: &["v1"],
    plural: "",
    kind: "",
    short: &[],
    namespaced: true,
    status: true,
    generation: true,
    fields: &[],
};

const CUSTOM: Resource = Resource {
    group: GATEWAY_API,
    versions: &["v1", "v1beta1"],
    ..BUILT_IN
};

static RESOURCES: &[Resource] = &[
    Resource {
        plural: "pods",
        kind: "Pod",
        short: &["po"],
        generation: false,
        fields: &[
            ("spec.nodeName", "/spec/nodeName"),
            ("spec.restartPolicy", "/spec/restartPolicy"),
            ("spec.serviceAccountName", "/spec/serviceAccountName"),
            ("status.phase", "/status/phase"),
            ("status.podIP", "/status/podIP"),
        ],
        ..BUILT_IN
    },
    Resource {
        plural: "services",
        kind: "Service",
        short: &["svc"],
        generation: false,
        ..BUILT_IN
    },
    Resource {
        plural: "namespaces",
        kind: "Namespace",
        short: &["ns"],
        namespaced: false,
        generation: false,
        fields: &[("status.phase", "/status/phase")],
        ..BUILT_IN
    },
    Resource {
        group: "apps",
        plural: "deployments",
        kind: "Deployment",
        short: &["deploy"],
        ..BUILT_IN
    },
    Resource {
        group: "apps",
        plural: "replicasets",
        kind: "ReplicaSet",
        short: &["rs"],
        ..BUILT_IN
    },
    Resource {
        group: "apps",
        plural: "statefulsets",
        kind: "StatefulSet",
        short: &["sts"],
        ..BUILT_IN
    },
    Resource {
        group: "apps",
        plural: "daemonsets",
        kind: "DaemonSet",
        short: &["ds"],
        ..BUILT_IN
    },
    Resource {
        group: "batch",
        plural: "jobs",
        kind: "Job",
        ..BUILT_IN
    },
    Resource {
        group: "batch",
        plural: "cronjobs",
        kind: "CronJob",
        short: &["cj"],
        ..BUILT_IN
    },
    Resource {
        group: "discovery.k8s.io",
        plural: "endpointslices",
        kind: "EndpointSlice",
        status: false,
        ..BUILT_IN
    },
    Resource {
        group: "coordination.k8s.io",
        plural: "leases",
        kind: "Lease",
        status: false,
        generation: false,
        ..BUILT_IN
    },
    Resource {
        plural: "gateways",
        kind: "Gateway",
        short: &["gtw"],
        ..CUSTOM
    },
    Resource {
        plural: "httproutes",
        kind: "HTTPRoute",
        ..CUSTOM
    },
    Resource {
        plural: "grpcroutes",
        kind: "GRPCRoute",
        versions: &["v1"],
        ..CUSTOM
    },
    Resource {
        plural: "referencegrants",
        kind: "ReferenceGrant",
        short: &["refgrant"],
        status: false,
        ..CUSTOM
    },
];

impl Resource {
    /// All of them.
    pub(super) fn all() -> &'static [Resource] {
        RESOURCES
    }

    /// The one at a place in the API.
    pub(super) fn at(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
        let here =
            |one: &&Resource| one.group == group && one.plural == plural && one.versions.contains(&version);
        RESOURCES.iter().find(here)
    }

    /// The one a manifest is of.
    pub(super) fn of_kind(api_version: &str, kind: &str) -> Option<&'static Resource> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let here =
            |one: &&Resource| one.group == group && one.kind == kind && one.versions.contains(&version);
        RESOURCES.iter().find(here)
    }

    /// The one a test names.
    pub(super) fn named(plural: &str) -> &'static Resource {
        RESOURCES
            .iter()
            .find(|one| one.plural == plural)
            .unwrap_or_else(|| panic!("the test's API server has no resource {plural:?}"))
    }

    /// Whether it comes from a `CustomResourceDefinition`.
    pub(super) fn is_custom(&self) -> bool {
        self.group == GATEWAY_API
    }

    /// Whether an update may leave out the `resourceVersion`.
    pub(super) fn takes_unconditional_updates(&self) -> bool {
        !self.is_custom() && self.plural != "leases"
    }

    /// `apiVersion` of its objects in one of its versions.
    pub(super) fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() {
            version.to_owned()
        } else {
            format!("{}/{version}", self.group)
        }
    }

    /// Its name as errors have it: `leases.coordination.k8s.io`.
    pub(super) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }
}
