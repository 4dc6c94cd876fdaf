//! `cargo xtask test --cluster`: the end-to-end set on a real cluster, the one that `KUBECONFIG` names.
//!
//! Brings up the demo and the agent, sends requests through the Services from a pod made for it, and compares the access
//! logs of production and shadow by an id in each request, while pods come and go, rights are taken away and routes
//! change ([`steps`]). Says each thing it does, and removes all of it at the end, also when a step fails.
//!
//! It has met one cluster, a single node of Kubernetes 1.36, and waits since then for Services to answer. Its tests are
//! against a script in the place of `kubectl` (`tests`), which shows the order of the steps and the reading of what comes
//! back, and its calls against a `kubectl` without a cluster, which shows that they are understood; not what a cluster
//! makes of them.

mod kubectl;
mod kustomization;
mod requests;
mod scene;
mod steps;
#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::{Result, bail, ensure};

use self::kubectl::{Kubectl, Pace};
use self::kustomization::Folders;
use self::scene::{AGENTS, DEMO, Scene};
use self::steps::{GOREPLAY, ROUTES, Step};
use crate::setup;

/// Objects outside of our two namespaces that are ours to make and to delete.
const OURS: [(&str, &str); 6] = [
    ("namespace", DEMO),
    ("namespace", AGENTS),
    ("clusterrole", "shadow-agent"),
    ("clusterrole", "shadow-agent-routes"),
    ("clusterrolebinding", "shadow-agent"),
    ("clusterrolebinding", "shadow-agent-routes"),
];

/// Runs the set with the agent of `image`, a reference such as `registry.example/shadow-agent:0.1.0`.
pub fn run(image: &str) -> Result<()> {
    ensure!(
        std::env::var_os("KUBECONFIG").is_some(),
        "KUBECONFIG is not set: name the kubeconfig of the cluster to test on. It must be one where the namespaces \
         {DEMO} and {AGENTS} may be made and deleted"
    );
    let Some(program) = crate::kubectl::provide(true) else {
        bail!("there is no kubectl to drive the cluster with");
    };
    let kubectl = Kubectl::new(program, Pace::default());
    run_with(kubectl, image, &setup::target().join("cluster-test"))
}

/// The same with this `kubectl`, and kustomizations written into `folder`.
fn run_with(kubectl: Kubectl, image: &str, folder: &Path) -> Result<()> {
    kubectl.run(&["version"])?;
    refuse_what_is_there(&kubectl)?;
    let folders = Folders::write(folder, image)?;
    println!(
        "Should this be interrupted:\n  kubectl delete --ignore-not-found -k {}\n  kubectl delete --ignore-not-found -k {}",
        folders.routes, folders.demo_without_routes
    );
    let with_routes = kubectl.exists("customresourcedefinition", "httproutes.gateway.networking.k8s.io")?;
    let scene = Scene::new(kubectl, folders, with_routes);
    let result = follow(&scene, with_routes);
    if let Err(error) = &result {
        println!("\nFAILED: {error:#}\nWhat the cluster looked like:");
        scene.show_all();
    }
    println!("\n== clean up");
    let cleaned = scene.clean_up();
    let (passed, skipped) = result?;
    cleaned?;
    println!("{passed} steps passed, {skipped} skipped, and nothing is left in the cluster");
    Ok(())
}

/// Everything that is found is deleted at the end: what somebody else made must not be.
fn refuse_what_is_there(kubectl: &Kubectl) -> Result<()> {
    for (kind, name) in OURS {
        ensure!(
            !kubectl.exists(kind, name)?,
            "the cluster has a {kind} {name} already, and it would be deleted in the end: take another cluster, or \
             remove it first (docs/kubernetes.md, Remove it without a trace)"
        );
    }
    Ok(())
}

/// The steps that passed and those that were skipped.
fn follow(scene: &Scene, with_routes: bool) -> Result<(usize, usize)> {
    let all = |steps: &[Step]| -> Result<usize> {
        for step in steps {
            println!("\n== {}", step.name);
            (step.run)(scene).map_err(|error| error.context(format!("step '{}'", step.name)))?;
        }
        Ok(steps.len())
    };
    let mut passed = all(GOREPLAY)?;
    if with_routes {
        passed += all(ROUTES)?;
        return Ok((passed, 0));
    }
    println!(
        "\nSKIPPED: the steps on routes, because the cluster has no HTTPRoutes (the Gateway API's CRDs)"
    );
    Ok((passed, ROUTES.len()))
}
