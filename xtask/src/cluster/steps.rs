//! The steps, in their order.

use anyhow::{Result, anyhow, ensure};
use serde_json::Value;

use super::scene::{AGENTS, DEMO, HTTPBIN, NGINX, Scene};

/// One step.
pub struct Step {
    /// The behaviour that it shows.
    pub name: &'static str,
    /// Does it.
    pub run: fn(&Scene) -> Result<()>,
}

/// GoReplay's arguments, and what becomes of pods, agents and rights.
pub const GOREPLAY: &[Step] = &[
    Step {
        name: "the demo and the agents come up",
        run: come_up,
    },
    Step {
        name: "each request through the Service is copied once",
        run: |scene| scene.assert_mirrored(&NGINX, 50, false),
    },
    Step {
        name: "a pod that is deleted and made anew is followed",
        run: recreate,
    },
    Step {
        name: "a deployment that grows and shrinks is followed",
        run: scale,
    },
    Step {
        name: "agents that are restarted go on",
        run: restart,
    },
    Step {
        name: "agents that may not read the API capture nothing, and begin when they may",
        run: forbid,
    },
];

/// Routes. The agents follow nothing else from here on.
pub const ROUTES: &[Step] = &[
    Step {
        name: "the route is accepted",
        run: follow_routes,
    },
    Step {
        name: "each request is copied once, for the client's Host with -shadow",
        run: mirror_by_route,
    },
    Step {
        name: "a percentage takes effect",
        run: sample,
    },
    Step {
        name: "a route that is whole again mirrors everything",
        run: |scene| {
            change_route(
                scene,
                r#"[{"op":"remove","path":"/spec/rules/0/filters/0/requestMirror/percent"}]"#,
            )?;
            scene.assert_mirrored(&HTTPBIN, 50, true)
        },
    },
];

fn come_up(scene: &Scene) -> Result<()> {
    scene.kubectl.run(&["apply", "-k", scene.demo()])?;
    for deployment in ["nginx", "httpd", "httpbin-v1", "httpbin-v2"] {
        scene.rolled_out(deployment)?;
    }
    scene.start_client()?;
    scene.kubectl.run(&["apply", "-k", &scene.folders.goreplay])?;
    scene.agents_ready()?;
    scene.watched(NGINX.production)
}

fn recreate(scene: &Scene) -> Result<()> {
    scene.kubectl.run(&[
        "delete",
        "pods",
        "--namespace",
        DEMO,
        "--selector",
        NGINX.production,
        "--wait",
    ])?;
    scene.rolled_out("nginx")?;
    scene.watched(NGINX.production)?;
    scene.assert_mirrored(&NGINX, 50, false)
}

fn scale(scene: &Scene) -> Result<()> {
    for replicas in ["--replicas=3", "--replicas=1"] {
        scene
            .kubectl
            .run(&["scale", "--namespace", DEMO, "deployment/nginx", replicas])?;
        scene.rolled_out("nginx")?;
        scene.none_ends(NGINX.production)?;
        scene.watched(NGINX.production)?;
        scene.assert_mirrored(&NGINX, 60, true)?;
    }
    Ok(())
}

fn restart(scene: &Scene) -> Result<()> {
    scene.kubectl.run(&[
        "rollout",
        "restart",
        "--namespace",
        AGENTS,
        "daemonset/shadow-agent",
    ])?;
    scene.agents_ready()?;
    scene.watched(NGINX.production)?;
    scene.assert_mirrored(&NGINX, 50, false)
}

/// As far away as the API can be made from outside. A watch that is under way is not cut when a right goes, so the
/// agents start anew; that what was known stays while the API is away is shown by the tests with an API server of their
/// own.
fn forbid(scene: &Scene) -> Result<()> {
    let kubectl = &scene.kubectl;
    kubectl.run(&["delete", "clusterrolebinding", "shadow-agent"])?;
    scene.delete_agents()?;
    kubectl.until("the agents to say that they may not", || {
        let agents = scene.agents()?;
        for agent in &agents {
            let log = kubectl.read(&["logs", "--namespace", AGENTS, agent])?;
            if !log.contains("forbidden") {
                return Ok(Err(format!("{agent} does not say so")));
            }
        }
        Ok(if agents.is_empty() {
            Err("no agent is running".to_owned())
        } else {
            Ok(())
        })
    })?;
    let batch = scene.send(&NGINX, 20, false)?;
    kubectl.until("production's log", || {
        Ok(batch.served(&scene.logged(&batch, NGINX.production)?))
    })?;
    kubectl.settle();
    let copies = scene.logged(&batch, NGINX.shadow)?.count();
    ensure!(
        copies == 0,
        "{copies} requests were copied by agents that know of no pod"
    );
    println!("nothing was copied");
    kubectl.run(&["apply", "-k", &scene.folders.goreplay])?;
    scene.watched(NGINX.production)?;
    scene.agents_ready()?;
    scene.assert_mirrored(&NGINX, 50, false)
}

fn follow_routes(scene: &Scene) -> Result<()> {
    scene.kubectl.run(&["apply", "-k", &scene.folders.routes])?;
    scene.agents_ready()?;
    scene.watched(HTTPBIN.production)?;
    accepted(scene)
}

/// Waits until the status says of the route as it is that it is in force.
fn accepted(scene: &Scene) -> Result<()> {
    scene.kubectl.until("the route's status", || {
        let route = scene
            .kubectl
            .json(&["get", "httproute", "--namespace", DEMO, "httpbin"])?;
        Ok(is_in_force(&route))
    })?;
    // Another agent than the one that writes may see the change a moment later.
    scene.kubectl.settle();
    Ok(())
}

fn is_in_force(route: &Value) -> Result<(), String> {
    let parents = route["status"]["parents"].as_array();
    let ours = parents
        .into_iter()
        .flatten()
        .find(|parent| parent["controllerName"] == "shadow-agent.io/mirror")
        .ok_or("it has no entry of ours")?;
    for kind in ["Accepted", "ResolvedRefs"] {
        let conditions = ours["conditions"].as_array();
        let condition = conditions
            .into_iter()
            .flatten()
            .find(|condition| condition["type"] == kind)
            .ok_or_else(|| format!("it has no {kind}"))?;
        if condition["observedGeneration"] != route["metadata"]["generation"] {
            return Err(format!("{kind} is of another generation"));
        }
        if condition["status"] != "True" {
            return Err(format!(
                "{kind} is {}: {} ({})",
                condition["status"], condition["reason"], condition["message"]
            ));
        }
    }
    Ok(())
}

fn change_route(scene: &Scene, patch: &str) -> Result<()> {
    scene.kubectl.run(&[
        "patch",
        "httproute",
        "--namespace",
        DEMO,
        "httpbin",
        "--type=json",
        "--patch",
        patch,
    ])?;
    accepted(scene)
}

fn mirror_by_route(scene: &Scene) -> Result<()> {
    scene.assert_mirrored(&HTTPBIN, 50, true)?;
    let batch = scene.send(&HTTPBIN, 20, false)?;
    scene.kubectl.until("the shadow's log", || {
        Ok(batch.copied(&scene.logged(&batch, HTTPBIN.shadow)?))
    })?;
    scene.logged(&batch, HTTPBIN.production)?.has_host("cluster-1")?;
    scene.logged(&batch, HTTPBIN.shadow)?.has_host("cluster-1-shadow")
}

/// The criterion of Gateway API's own conformance test: 500 requests, within three standard deviations.
fn sample(scene: &Scene) -> Result<()> {
    change_route(
        scene,
        r#"[{"op":"add","path":"/spec/rules/0/filters/0/requestMirror/percent","value":50}]"#,
    )?;
    let route = scene
        .kubectl
        .json(&["get", "httproute", "--namespace", DEMO, "httpbin"])?;
    ensure!(
        route["spec"]["rules"][0]["filters"][0]["requestMirror"]["percent"] == 50,
        "this Gateway API has no percent: install a newer one (1.3 or later)"
    );
    let batch = scene.send(&HTTPBIN, 500, true)?;
    let production = scene.kubectl.until("production's log", || {
        let logged = scene.logged(&batch, HTTPBIN.production)?;
        Ok(batch.served(&logged).map(|()| logged))
    })?;
    scene.kubectl.settle();
    let copied = scene.logged(&batch, HTTPBIN.shadow)?;
    copied.is_part_of(&production)?;
    // 3 * sqrt(500 * 0.5 * 0.5)
    let within = 217..=283;
    if !within.contains(&copied.count()) {
        return Err(anyhow!(
            "{} of 500 requests were copied, not {within:?}",
            copied.count()
        ));
    }
    println!("{} of 500 requests were copied, each once", copied.count());
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::is_in_force;

    fn route(controller: &str, generation: u64, resolved: &str) -> serde_json::Value {
        let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "observedGeneration": generation, "reason": "R", "message": "M"});
        json!({
            "metadata": {"generation": 2},
            "status": {"parents": [
                {"controllerName": "other", "conditions": []},
                {"controllerName": controller, "conditions": [
                    condition("Accepted", "True"), condition("ResolvedRefs", resolved),
                ]},
            ]},
        })
    }

    #[test]
    fn a_route_is_in_force_when_our_entry_says_so_of_this_generation() {
        const OURS: &str = "shadow-agent.io/mirror";
        assert_eq!(is_in_force(&route(OURS, 2, "True")), Ok(()));
        assert_eq!(
            is_in_force(&route(OURS, 1, "True")),
            Err("Accepted is of another generation".to_owned())
        );
        assert_eq!(
            is_in_force(&route(OURS, 2, "False")),
            Err("ResolvedRefs is \"False\": \"R\" (\"M\")".to_owned())
        );
        assert_eq!(
            is_in_force(&route("theirs", 2, "True")),
            Err("it has no entry of ours".to_owned())
        );
        assert!(is_in_force(&json!({})).is_err());
    }
}
