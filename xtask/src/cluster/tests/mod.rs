//! The order of the steps and the reading of what comes back, against a script in the place of `kubectl`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use super::*;

/// A cluster that is none.
struct Fake(PathBuf);

impl Fake {
    /// One that behaves as these files beside the script make it.
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = std::env::temp_dir().join(format!("shadow-agent-cluster-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let script = folder.join("kubectl");
        std::fs::write(&script, include_str!("kubectl.sh")).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        Self(folder)
    }

    fn run(&self) -> Result<()> {
        let pace = Pace {
            poll: Duration::from_millis(20),
            patience: Duration::from_millis(300),
            settle: Duration::ZERO,
        };
        let kubectl = Kubectl::new(self.0.join("kubectl"), pace);
        run_with(
            kubectl,
            "registry.example/shadow-agent:9",
            &self.0.join("folders"),
        )
    }

    /// The calls that changed the cluster: the first words of each call, with the last part of paths.
    fn changes(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.0.join("calls")).unwrap();
        let changes = calls
            .lines()
            .filter(|call| !call.ends_with("?probe"))
            .filter(|call| {
                ["apply", "delete", "scale", "patch", "rollout restart", "exec"]
                    .iter()
                    .any(|verb| call.starts_with(verb))
            });
        changes
            .map(|call| {
                let words = call
                    .split(' ')
                    .filter(|word| !word.starts_with("--") && *word != "goreplay" && *word != "shadow-agent");
                let words = words.map(|word| word.rsplit_once('/').map_or(word, |(_, last)| last));
                words.take(3).collect::<Vec<_>>().join(" ")
            })
            .collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const CLEAN_UP: [&str; 2] = ["delete -k routes", "delete -k demo"];

#[test]
fn every_step_is_done_in_its_order_and_all_is_deleted() {
    let fake = Fake::new("whole", &[]);
    fake.run().unwrap();
    let expected = [
        // It comes up.
        "apply -k demo",
        "apply -",
        "apply -k goreplay",
        "exec client curl",
        // A pod is made anew.
        "delete pods app=nginx",
        "exec client curl",
        // It grows and shrinks.
        "scale nginx",
        "exec client curl",
        "scale nginx",
        "exec client curl",
        // The agents start again.
        "rollout restart shadow-agent",
        "exec client curl",
        // They may not.
        "delete clusterrolebinding",
        "delete pods name=shadow-agent",
        "exec client curl",
        "apply -k goreplay",
        "exec client curl",
        // Routes.
        "apply -k routes",
        "exec client curl",
        "exec client curl",
        "patch httproute httpbin",
        "exec client curl",
        "patch httproute httpbin",
        "exec client curl",
    ];
    assert_eq!(fake.changes(), [&expected[..], &CLEAN_UP].concat());
}

#[test]
fn requests_are_sent_once_the_service_answers() {
    let fake = Fake::new("refuses", &[("refuses", "3")]);
    fake.run().unwrap();
    let calls = std::fs::read_to_string(fake.0.join("calls")).unwrap();
    let sent: Vec<_> = calls
        .lines()
        .filter_map(|call| call.rsplit_once("http://").filter(|_| call.starts_with("exec ")))
        .map(|(_, url)| url.split_once("id=").map_or(url, |(url, _)| url))
        .take(6)
        .collect();
    let probe = "nginx.goreplay.svc/[1-10]?probe";
    assert_eq!(sent, [probe, probe, probe, probe, "nginx.goreplay.svc/?", probe]);
}

#[test]
fn a_service_that_never_answers_fails_the_step() {
    let fake = Fake::new("silent", &[("refuses", "1000")]);
    let error = format!("{:#}", fake.run().unwrap_err());
    assert!(
        error.contains("waited 300ms for the Service to answer: ") && error.ends_with("Connection refused"),
        "{error}"
    );
    assert!(fake.changes().ends_with(&CLEAN_UP.map(str::to_owned)));
}

/// Only with a kubectl of today: `cargo xtask test` names one.
#[test]
fn every_call_is_one_that_kubectl_understands() {
    let Some(kubectl) = std::env::var_os("SHADOW_AGENT_KUBECTL") else {
        return;
    };
    let fake = Fake::new("understood", &[]);
    fake.run().unwrap();
    // Nobody listens there: what is understood gets as far as that.
    let config = fake.0.join("config");
    std::fs::write(
        &config,
        r#"{"apiVersion": "v1", "kind": "Config", "current-context": "nobody",
            "clusters": [{"name": "nobody", "cluster": {"server": "http://127.0.0.1:9"}}],
            "contexts": [{"name": "nobody", "context": {"cluster": "nobody", "user": ""}}]}"#,
    )
    .unwrap();
    let calls = std::fs::read_to_string(fake.0.join("calls")).unwrap();
    let calls: std::collections::BTreeSet<_> = calls.lines().collect();
    assert!(calls.len() > 30, "{calls:?}");
    for call in calls {
        let output = std::process::Command::new(&kubectl)
            .args(call.split(' '))
            .env("KUBECONFIG", &config)
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let refused = ["connection refused", "was refused", "no objects passed"];
        assert!(
            refused.iter().any(|word| said.contains(word)),
            "kubectl {call}: {said}"
        );
    }
}

#[test]
fn a_request_that_is_not_copied_fails_the_step_and_all_is_deleted() {
    let fake = Fake::new("lossy", &[("lossy", "")]);
    let error = format!("{:#}", fake.run().unwrap_err());
    assert!(
        error.starts_with(
            "step 'each request through the Service is copied once': waited 300ms for the shadow's log: "
        ) && error.ends_with("the shadow has 49 of 50 once, and 0 several times"),
        "{error}"
    );
    assert_eq!(fake.changes()[4..], CLEAN_UP);
}

#[test]
fn what_cannot_be_deleted_is_said_and_the_rest_is_deleted() {
    let fake = Fake::new("stuck", &[("fail", "delete -k .*routes ")]);
    let error = format!("{:#}", fake.run().unwrap_err());
    assert!(
        error.starts_with("not all could be deleted: ") && error.ends_with("made to fail"),
        "{error}"
    );
    assert!(fake.changes().ends_with(&CLEAN_UP.map(str::to_owned)));
}

#[test]
fn a_cluster_where_the_names_are_taken_is_left_alone() {
    let fake = Fake::new("taken", &[("taken", "")]);
    let error = fake.run().unwrap_err().to_string();
    assert!(
        error.starts_with("the cluster has a namespace goreplay already"),
        "{error}"
    );
    assert_eq!(fake.changes(), [""; 0]);
}

#[test]
fn without_the_gateway_apis_kinds_the_steps_on_routes_are_skipped() {
    let fake = Fake::new("no-routes", &[("no-routes", "")]);
    fake.run().unwrap();
    let changes = fake.changes();
    assert_eq!(changes[0], "apply -k demo-without-routes");
    assert!(!changes.iter().any(|change| change.starts_with("patch")));
    assert_eq!(
        changes[changes.len() - 2..],
        ["delete -k routes", "delete -k demo-without-routes"]
    );
}
