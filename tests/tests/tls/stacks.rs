//! Every stack that can be read, by both versions, kept alive, with a handshake each and resumed, several at once: each request
//! is delivered.

use shadow_tests::tls::Stack;
use shadow_tests::{Stage, stage};

use crate::scene::Scene;

/// Mirrors all that a mixed load sends.
fn mirrored(scene: Scene<'_>, engine: &str) {
    let agent = scene.mirror(&["--input-raw-engine", engine]);
    let sent = scene.mixed();
    scene.finish(agent).assert_mirrored(sent);
}

/// On `lo`, where the clients use the same library, and across namespaces, where the agent is in production's.
fn on_lo_and_across(stage: &Stage, stack: Stack) {
    mirrored(Scene::on_lo(stage, stack), "tc");
    mirrored(Scene::across(stage, stack), "cgroup");
}

#[test]
fn nginx_is_mirrored_by_either_engine_on_lo_and_across_namespaces() {
    let stage = stage!("root", "agent", "nginx", "curl", "openssl");
    for engine in ["tc", "cgroup"] {
        mirrored(Scene::on_lo(&stage, Stack::Nginx), engine);
        mirrored(Scene::across(&stage, Stack::Nginx), engine);
    }
}

#[test]
fn apache_is_mirrored() {
    let stage = stage!("root", "agent", "nginx", "apache2", "curl", "openssl");
    on_lo_and_across(&stage, Stack::Apache);
}

#[test]
fn haproxy_is_mirrored() {
    let stage = stage!("root", "agent", "nginx", "haproxy", "curl", "openssl");
    on_lo_and_across(&stage, Stack::Haproxy);
}

#[test]
fn uvicorn_is_mirrored() {
    let stage = stage!("root", "agent", "nginx", "python3", "pip3", "curl", "openssl");
    on_lo_and_across(&stage, Stack::Uvicorn);
}

#[test]
fn node_is_mirrored() {
    let stage = stage!("root", "agent", "nginx", "node", "curl", "openssl");
    on_lo_and_across(&stage, Stack::Node);
}

#[test]
fn go_is_mirrored() {
    let stage = stage!("root", "agent", "nginx", "python3", "pip3", "curl", "openssl");
    on_lo_and_across(&stage, Stack::Go);
}

#[test]
fn a_stripped_go_is_mirrored() {
    let stage = stage!("root", "agent", "nginx", "python3", "pip3", "curl", "openssl");
    on_lo_and_across(&stage, Stack::GoStripped);
}

#[test]
fn deno_on_a_stripped_aws_lc_is_mirrored() {
    let stage = stage!("root", "agent", "nginx", "python3", "pip3", "curl", "openssl");
    on_lo_and_across(&stage, Stack::Deno);
}

#[test]
fn envoy_is_mirrored() {
    let stage = stage!("root", "agent", "nginx", "python3", "pip3", "curl", "openssl");
    on_lo_and_across(&stage, Stack::Envoy);
}
