//! The agent as the `DaemonSet` runs it: in a pod with its own network and cgroup namespaces, uid 0 with three
//! capabilities, a read-only mount of the host's cgroups, and an API behind TLS that the service account speaks to.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;
use shadow_tests::api_server::ApiServer;
use shadow_tests::{Agent, Netns, Nginx, NginxSetup, Node, Place, Pod, PodSetup, Stage, cgroup, load, stage};

use crate::cluster::{NODE, labelled, watching};

/// Where the API is, as a pod is told.
const API_PORT: u16 = 6443;

/// A container as a runtime makes it: programs started in it see its own cgroup as the root.
struct Contained<'a> {
    pod: &'a Pod,
    script: String,
}

impl<'a> Contained<'a> {
    fn new(stage: &Stage, pod: &'a Pod) -> Self {
        let script = format!(
            r#"set -e
            mount -t tmpfs tmpfs /run
            mkdir -p /run/host /run/own /run/secrets/kubernetes.io/serviceaccount
            cp {folder}/ca.crt {folder}/token {folder}/namespace /run/secrets/kubernetes.io/serviceaccount/
            mount --bind {cgroups} /run/host
            mount -o remount,ro,bind /run/host
            umount {cgroups}
            mount -t cgroup2 none /run/own
            exec setpriv --bounding-set=-all,+bpf,+net_admin,+perfmon --no-new-privs -- "$0" "$@""#,
            folder = stage.path("account").display(),
            cgroups = cgroup::root().expect("cgroup v2").display(),
        );
        Self { pod, script }
    }
}

impl Place for Contained<'_> {
    fn command(&self, program: &str) -> Command {
        let mut command = self.pod.app().command("unshare");
        command.args(["--mount", "--cgroup", "sh", "-c", &self.script, program]);
        command
    }

    fn netns(&self) -> &Netns {
        self.pod.netns()
    }
}

/// Makes the files of a service account, and the server's key and certificate.
fn credentials(stage: &Stage) -> PathBuf {
    let folder = stage.path("account");
    std::fs::create_dir_all(&folder).expect("the account's folder");
    std::fs::write(folder.join("token"), shadow_tests::api_server::TOKEN).expect("the token");
    std::fs::write(folder.join("namespace"), "shadow-agent").expect("the namespace");
    std::fs::write(folder.join("san"), "subjectAltName=IP:127.0.0.1\n").expect("the name");
    let script = "set -e
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=ca -days 2
        openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=kubernetes
        openssl x509 -req -in request.pem -CA ca.crt -CAkey ca.key -CAcreateserial -out cert.pem -days 2 -extfile san";
    let made = Command::new("sh")
        .args(["-c", script])
        .current_dir(&folder)
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder
}

/// The API behind TLS, as every cluster has it.
fn behind_tls(stage: &Stage, api: &ApiServer, netns: &Netns) -> Nginx {
    let folder = credentials(stage);
    let folder = folder.display();
    let setup = NginxSetup {
        server: format!(
            "listen {API_PORT} ssl; ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
            location /api {{
                proxy_pass http://{}; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_buffering off;
            }}",
            api.address()
        ),
        ..NginxSetup::default()
    };
    Nginx::start_with(stage, netns, "api", &[netns.free_port()], &setup)
}

#[test]
fn in_a_pod_it_captures_its_node_with_three_capabilities() {
    let stage = stage!(
        "root", "agent", "nginx", "openssl", "unshare", "setpriv", "ip", "nsenter"
    );
    let node = Node::new(NODE);
    let own = node.start(PodSetup::new("shadow-agent", "shadow-agent-x", 9400));
    let api = ApiServer::start_in(own.netns());
    let proxy = behind_tls(&stage, &api, own.netns());
    let mut pods = ["web-0", "shadow-0"].map(|name| {
        let app = name.trim_end_matches("-0");
        let pod = node.start(labelled("shop", name, app, 80));
        let nginx = Nginx::start(&stage, pod.app(), name, 80);
        api.apply(pod.object());
        Some((pod, nginx))
    });
    api.apply(json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"namespace": "shop", "name": "unused"},
    }));
    let [Some((web, production)), Some((shadow, copies))] = pods.each_mut().map(Option::take) else {
        unreachable!();
    };
    let output = format!("http://{}", shadow.v4());
    let agent = Agent::spawn_with(
        &stage,
        &Contained::new(&stage, &own),
        &[
            "--input-raw",
            "k8s://shop/labelSelector/app=web:80",
            "--output-http",
            &output,
        ],
        &[
            ("NODE_NAME", NODE),
            ("KUBERNETES_SERVICE_HOST", "127.0.0.1"),
            ("KUBERNETES_SERVICE_PORT", &API_PORT.to_string()),
            ("KUBECONFIG", "/proc/nonexistent"),
        ],
    );
    watching(&agent, 1);
    for capabilities in ["CapPrm", "CapEff", "CapBnd"] {
        let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).expect("its status");
        let line = status
            .lines()
            .find(|line| line.starts_with(capabilities))
            .expect(capabilities);
        let value = line.split_whitespace().next_back().expect("a value");
        let value = u64::from_str_radix(value, 16).expect("hexadecimal");
        // Emptying the bounding set needs CAP_SETPCAP; with no_new_privs it means nothing.
        let allowed = if capabilities == "CapBnd" {
            0xc0_0000_1000
        } else {
            0
        };
        assert_eq!(value & !allowed, 0, "{line}");
    }
    let to = std::net::SocketAddr::new(web.v4().into(), 80);
    assert_eq!(load::keep_alive(node.netns(), to, 4, 25), 100);
    assert_eq!(load::keep_alive(own.netns(), to, 1, 10), 10);
    agent.stop().assert_all_delivered(110);
    production.finish().assert_same_requests(&copies.finish());
    drop(proxy);
}
