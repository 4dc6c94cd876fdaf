//! The configuration file: named mirrors, and changes under load that lose and double nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use nix::sys::signal::Signal;
use shadow_tests::client::Connection;
use shadow_tests::fault::{Fault, FaultServer};
use shadow_tests::metrics::{Metrics, ask};
use shadow_tests::{AccessLog, Agent, Ledger, Netns, Nginx, Report, Stage, load, stage, until};

use crate::cluster::{Cluster, labelled};

/// Pause between two requests of a connection under continuous load.
const PACE: Duration = Duration::from_millis(1);

/// Production, two shadows and the agent in one namespace.
struct Host<'a> {
    stage: &'a Stage,
    netns: Netns,
    production: Nginx,
    port: u16,
    shadows: [Nginx; 2],
    shadow_ports: [u16; 2],
    config: PathBuf,
}

impl<'a> Host<'a> {
    fn new(stage: &'a Stage) -> Self {
        let netns = Netns::new();
        let port = netns.free_port();
        let shadow_ports = [netns.free_port(), netns.free_port()];
        Self {
            stage,
            production: Nginx::start(stage, &netns, "production", port),
            port,
            shadows: shadow_ports.map(|port| Nginx::start(stage, &netns, "shadow", port)),
            shadow_ports,
            config: stage.path(&format!("shadow-{}.toml", stage.number())),
            netns,
        }
    }

    fn at(port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, port).into()
    }

    /// A mirror of production to one of the shadows.
    fn mirror_to(&self, shadow: usize) -> String {
        format!(
            "[mirror.web]\ninput-raw = ':{}'\noutput-http = 'http://127.0.0.1:{}'\n",
            self.port, self.shadow_ports[shadow]
        )
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.config, text).expect("the configuration file");
    }

    fn agent(&self, more: &[&str]) -> Agent {
        let config = self.config.to_str().expect("a path in UTF-8");
        Agent::start(self.stage, &self.netns, &[&["--config", config], more].concat())
    }

    /// Ends everything in the order that loses nothing.
    fn finish(self, agent: Agent) -> (AccessLog, [AccessLog; 2], Ledger) {
        let production = self.production.finish();
        let ledger = agent.stop();
        ledger.assert_closed();
        (production, self.shadows.map(Nginx::finish), ledger)
    }
}

/// Puts a file in the place of another at once, as editors and `mv` do.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).expect("the new file");
    std::fs::rename(&new, path).expect("the file replaced");
}

/// Waits until the file was taken so often since the start.
fn taken(agent: &Agent, times: usize) {
    until("the file is in force", || {
        agent.stderr().matches("configuration file applied").count() == times
    });
}

/// Keeps some connections busy while `work` is done, and some requests longer; how many requests there were.
fn under_load(netns: &Netns, to: SocketAddr, work: impl FnOnce(&dyn Fn())) -> u64 {
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (stop, sent) = (&stop, &sent);
            scope.spawn(move || {
                let mut connection = Connection::open(netns, to);
                for number in 0.. {
                    if stop.load(Relaxed) {
                        return;
                    }
                    let id = format!("{client}-{number}");
                    assert_eq!(
                        connection.get(&format!("/load/{client}/{number}"), &id).status,
                        200
                    );
                    sent.fetch_add(1, Relaxed);
                    std::thread::sleep(PACE);
                }
            });
        }
        let some_more = || {
            let now = sent.load(Relaxed);
            until("some more requests are answered", || {
                sent.load(Relaxed) >= now + 100
            });
        };
        some_more();
        work(&some_more);
        some_more();
        stop.store(true, Relaxed);
    });
    sent.load(Relaxed)
}

fn joined(logs: [AccessLog; 2]) -> AccessLog {
    AccessLog(logs.into_iter().flat_map(|log| log.0).collect())
}

fn names(ledger: &Ledger) -> Vec<String> {
    let outputs = ledger.0["outputs"].as_array().expect("outputs");
    let name = |output: &serde_json::Value| output["output"].as_str().expect("a name").to_owned();
    outputs.iter().map(name).collect()
}

#[test]
fn named_mirrors_get_what_their_own_inputs_capture() {
    let stage = stage!("root", "agent", "nginx");
    for engine in ["tc", "cgroup"] {
        let host = Host::new(&stage);
        let api_port = host.netns.free_port();
        let api = Nginx::start(&stage, &host.netns, "api", api_port);
        let [first, second] = host.shadow_ports.map(|port| format!("http://127.0.0.1:{port}"));
        host.write(&format!(
            "input-raw-engine = '{engine}'\n{}[mirror.api]\ninput-raw = '127.0.0.1:{api_port}'\noutput-http = '{second}'\n",
            host.mirror_to(0)
        ));
        let agent = host.agent(&[]);
        assert_eq!(load::keep_alive(&host.netns, Host::at(host.port), 4, 25), 100);
        assert_eq!(load::keep_alive(&host.netns, Host::at(api_port), 3, 20), 60);
        let api = api.finish();
        let (web, [to_first, to_second], ledger) = host.finish(agent);
        web.assert_same_requests(&to_first);
        api.assert_same_requests(&to_second);
        assert_eq!(
            names(&ledger),
            [format!("web: {first}"), format!("api: {second}")]
        );
        assert_eq!(
            (ledger.delivered(0), ledger.of(0, "seen")),
            (100, 100),
            "{ledger}"
        );
        assert_eq!((ledger.delivered(1), ledger.of(1, "seen")), (60, 60), "{ledger}");
    }
}

#[test]
fn two_mirrors_of_one_port_both_get_its_requests() {
    let stage = stage!("root", "agent", "nginx");
    let host = Host::new(&stage);
    let [first, second] = host.shadow_ports;
    host.write(&format!(
        "input-raw = ':{}'\n[mirror.a]\noutput-http = '127.0.0.1:{first}'\n[mirror.b]\noutput-http = '127.0.0.1:{second}'\n",
        host.port
    ));
    let agent = host.agent(&[]);
    assert_eq!(load::keep_alive(&host.netns, Host::at(host.port), 4, 25), 100);
    let (production, shadows, ledger) = host.finish(agent);
    ledger.assert_all_delivered(100);
    for shadow in &shadows {
        production.assert_same_requests(shadow);
    }
}

#[test]
fn a_change_under_load_loses_and_doubles_nothing_however_it_comes() {
    let stage = stage!("root", "agent", "nginx");
    for engine in ["tc", "cgroup"] {
        let mut host = Host::new(&stage);
        // As kubelet mounts a ConfigMap: the file is a link into a folder that is a link.
        let folder = stage.path(&format!("mount-{engine}"));
        for version in ["1", "2"] {
            std::fs::create_dir_all(folder.join(version)).expect("a version's folder");
        }
        let text = |shadow| format!("input-raw-engine = '{engine}'\n{}", host.mirror_to(shadow));
        let (to_first, to_second) = (text(0), text(1));
        std::fs::write(folder.join("1/shadow.toml"), &to_first).expect("a file");
        symlink("1", folder.join("..data")).expect("a link");
        host.config = folder.join("shadow.toml");
        symlink("..data/shadow.toml", &host.config).expect("a link");
        let agent = host.agent(&[]);
        let requests = under_load(&host.netns, Host::at(host.port), |some_more| {
            std::fs::write(folder.join("1/shadow.toml"), &to_second).expect("the file written");
            agent.signal(Signal::SIGHUP);
            taken(&agent, 1);
            some_more();
            std::fs::write(folder.join("2/shadow.toml"), &to_first).expect("a file");
            symlink("2", folder.join("..data_tmp")).expect("a link");
            std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("the link swapped");
            taken(&agent, 2);
            some_more();
            replace(&host.config, &to_second);
            taken(&agent, 3);
        });
        let (production, shadows, ledger) = host.finish(agent);
        assert_eq!(production.len() as u64, requests);
        assert!(shadows.iter().all(|shadow| shadow.len() > 100), "{ledger}");
        production.assert_same_requests(&joined(shadows));
        // Each has one line, however often it was in force.
        assert_eq!(ledger.outputs(), 2, "{ledger}");
        for output in 0..2 {
            assert_eq!(ledger.all_dropped(output), 0, "{ledger}");
        }
    }
}

#[test]
fn a_mirror_that_stays_notices_nothing_of_one_that_comes_and_goes() {
    let stage = stage!("root", "agent", "nginx");
    let host = Host::new(&stage);
    let api_port = host.netns.free_port();
    let api = Nginx::start(&stage, &host.netns, "api", api_port);
    let web = host.mirror_to(0);
    let both = format!(
        "[mirror.api]\ninput-raw = ':{api_port}'\noutput-http = 'http://127.0.0.1:{}'\n{web}",
        host.shadow_ports[1]
    );
    host.write(&web);
    let agent = host.agent(&[]);
    let mut to_api = 0;
    under_load(&host.netns, Host::at(host.port), |_| {
        host.write(&both);
        agent.signal(Signal::SIGHUP);
        taken(&agent, 1);
        to_api = load::keep_alive(&host.netns, Host::at(api_port), 4, 25);
        agent.wait_for_ledger("the other mirror has delivered", |ledger| {
            ledger.delivered(1) == to_api
        });
        host.write(&web);
        agent.signal(Signal::SIGHUP);
        taken(&agent, 2);
        load::keep_alive(&host.netns, Host::at(api_port), 1, 10);
    });
    let api = api.finish();
    assert_eq!(api.len() as u64, to_api + 10);
    let (production, [first, second], ledger) = host.finish(agent);
    production.assert_same_requests(&first);
    assert_eq!(second.len() as u64, to_api);
    assert_eq!((ledger.outputs(), ledger.delivered(1)), (2, to_api), "{ledger}");
    // One connection for each of production's, and none opened anew by the changes.
    assert!(first.connections() <= 4, "{}", first.connections());
}

#[test]
fn what_cannot_be_taken_changes_nothing_and_is_told() {
    let stage = stage!("root", "agent", "nginx");
    let host = Host::new(&stage);
    let listen = Host::at(host.netns.free_port());
    let good = format!("http-listen = '{listen}'\n{}", host.mirror_to(0));
    host.write(&good);
    let agent = host.agent(&[]);
    agent.wait_for_line("serving HTTP");
    let readyz = || ask(&host.netns, listen, "GET", "/readyz");
    assert!(readyz().1.contains("config: ok\n"), "{:?}", readyz());
    for (bad, words) in [
        ("output-http = 'http://me:s3cret@x", "this is not TOML"),
        (
            "[mirror.web]\ninput-raw = ':80'\noutput-htp = 'x'\n",
            "is it output-http?",
        ),
        (
            &*format!("max-memory = '1mb'\nmax-body = '1kb'\n{good}"),
            "max-memory",
        ),
    ] {
        host.write(bad);
        agent.signal(Signal::SIGHUP);
        until("the file is not taken", || readyz().1.contains(words));
        let (status, body) = readyz();
        assert_eq!(status, 503);
        assert!(
            !body.contains("s3cret") && !agent.stderr().contains("s3cret"),
            "{body}"
        );
        let metrics = Metrics::scrape(&host.netns, listen);
        let ready = metrics.sum("shadow_agent_ready", &[("condition", "config")]);
        assert!(ready.abs() < f64::EPSILON, "{ready}");
        assert_eq!(load::keep_alive(&host.netns, Host::at(host.port), 2, 10), 20);
    }
    assert!(
        readyz().1.contains("max-body, max-memory cannot"),
        "every key is named: {:?}",
        readyz()
    );
    assert!(!agent.stderr().contains("configuration file applied"));
    // A missing file is as bad as any other.
    std::fs::remove_file(&host.config).expect("the file removed");
    until("the file is missed", || readyz().1.contains("cannot read it"));
    host.write(&good);
    until("the file is mended", || readyz().1.contains("config: ok\n"));
    assert!(
        !agent.stderr().contains("configuration file applied"),
        "it never was another"
    );
    let (production, [first, _], ledger) = host.finish(agent);
    ledger.assert_all_delivered(60);
    production.assert_same_requests(&first);
}

#[test]
fn a_check_tells_settings_or_their_faults_without_privileges() {
    let stage = stage!("root", "agent", "setpriv");
    let netns = Netns::new();
    let path = stage.path("shadow.toml");
    let config = path.to_str().expect("a path in UTF-8");
    let check = |text: &str| {
        std::fs::write(&path, text).expect("the configuration file");
        let arguments = [
            "--bounding-set=-all",
            Agent::path(),
            "--config",
            config,
            "--check-config",
        ];
        netns.output("setpriv", &arguments)
    };
    let good = check("[mirror.web]\ninput-raw = ':80'\noutput-http = 'http://me:s3cret@127.0.0.1:81'\n");
    assert_eq!(good.status.code(), Some(0), "{}", good.stderr);
    assert!(
        good.stdout
            .starts_with("mirror web\n  from any address, port 80\n  to   http://127.0.0.1:81 ")
    );
    assert!(
        !good.stdout.contains("s3cret") && good.stderr.is_empty(),
        "{}",
        good.stderr
    );
    let bad = check("[mirror.web]\ninput-raw = ':80'\noutput-http-timeout = 'soon'\n");
    assert_eq!(bad.status.code(), Some(2));
    let place = format!("error: {config}:3: [mirror.web]: output-http-timeout 'soon': ");
    assert!(
        bad.stderr.starts_with(&place) && bad.stderr.contains("help: "),
        "{}",
        bad.stderr
    );
    assert!(bad.stdout.is_empty());
}

#[test]
fn mirrors_of_pods_change_under_load_without_a_gap() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let cluster = Cluster::new(&stage);
    let shadows = ["shadow-a", "shadow-b"].map(|name| cluster.serve(labelled("shop", name, name, 80)));
    let web = cluster.serve(labelled("shop", "web", "web", 80));
    let api = cluster.serve(labelled("shop", "api", "api", 80));
    let mirror = |name: &str, shadow: usize| {
        format!(
            "[mirror.{name}]\ninput-raw = 'k8s://shop/labelSelector/app={name}:80'\noutput-http = 'http://{}'\n",
            shadows[shadow].v4()
        )
    };
    let path = stage.path("shadow.toml");
    std::fs::write(&path, mirror("web", 0)).expect("the configuration file");
    let agent = cluster.agent(1, &["--config", path.to_str().expect("a path in UTF-8")]);
    let mut to_api = 0;
    let requests = under_load(cluster.node.netns(), web.v4(), |_| {
        std::fs::write(&path, mirror("api", 1) + &mirror("web", 0)).expect("the configuration file");
        agent.signal(Signal::SIGHUP);
        taken(&agent, 1);
        to_api = cluster.load(api.v4(), 4, 25);
    });
    let production = web.nginx.finish();
    let api = api.nginx.finish();
    let ledger = agent.stop();
    ledger.assert_closed();
    assert_eq!(
        (ledger.delivered(0), ledger.delivered(1)),
        (requests, to_api),
        "{ledger}"
    );
    let [first, second] = shadows.map(|shadow| shadow.nginx.finish());
    production.assert_same_requests(&first);
    api.assert_same_requests(&second);
}

#[test]
fn a_cluster_that_does_not_answer_keeps_what_was_before() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let cluster = Cluster::new(&stage);
    let shadow = cluster.serve(labelled("shop", "shadow", "shadow", 80));
    let web = cluster.serve(labelled("shop", "web", "web", 80));
    let api = cluster.serve(labelled("shop", "api", "api", 80));
    let listen = Host::at(cluster.node.netns().free_port());
    let text = |apps: &str| {
        format!(
            "http-listen = '{listen}'\n[mirror.one]\noutput-http = 'http://{}'\n\
             input-raw = 'k8s://shop/labelSelector/app in ({apps}):80'\n",
            shadow.v4()
        )
    };
    let path = stage.path("shadow.toml");
    std::fs::write(&path, text("web")).expect("the configuration file");
    let agent = cluster.agent(1, &["--config", path.to_str().expect("a path in UTF-8")]);
    let readyz = || ask(cluster.node.netns(), listen, "GET", "/readyz").1;
    assert!(readyz().contains("config: ok\n"), "{}", readyz());
    cluster.api.away();
    std::fs::write(&path, text("web, api")).expect("the configuration file");
    agent.signal(Signal::SIGHUP);
    until("the file waits", || {
        readyz().contains("config: waiting for the Kubernetes API")
    });
    assert_eq!(cluster.load(web.v4(), 2, 10), 20);
    assert_eq!(cluster.load(api.v4(), 2, 10), 20);
    agent.wait_for_ledger("the one from before is mirrored", |ledger| {
        ledger.delivered(0) == 20
    });
    cluster.api.back();
    taken(&agent, 1);
    assert!(readyz().contains("config: ok\n"), "{}", readyz());
    assert_eq!(cluster.load(api.v4(), 2, 10), 20);
    agent.stop().assert_all_delivered(40);
}

#[test]
fn what_an_output_holds_when_it_is_taken_out_is_still_sent() {
    let stage = stage!("root", "agent", "nginx");
    let host = Host::new(&stage);
    let slow = FaultServer::start(
        &host.netns,
        Ipv4Addr::LOCALHOST.into(),
        Fault::Slow(Duration::from_millis(50)),
    );
    host.write(&format!(
        "[mirror.web]\ninput-raw = ':{}'\noutput-http = '{}'\noutput-http-pipeline = 1\n",
        host.port, slow.address
    ));
    let agent = host.agent(&[]);
    // Ten a connection, one after another: half a second of work.
    assert_eq!(load::keep_alive(&host.netns, Host::at(host.port), 4, 10), 40);
    let held = agent.wait_for_ledger("all are seen", |ledger| ledger.seen() == 40);
    assert!(held.of(0, "in_flight") > 0, "{held}");
    host.write(&host.mirror_to(0));
    agent.signal(Signal::SIGHUP);
    taken(&agent, 1);
    assert_eq!(load::keep_alive(&host.netns, Host::at(host.port), 2, 10), 20);
    // What is in force comes first.
    let held = format!("web: http://{}", slow.address);
    let ledger = agent.wait_for_ledger("what was held is delivered", |ledger| ledger.delivered(1) == 40);
    assert_eq!(names(&ledger)[1], held);
    let (_, [first, _], ledger) = host.finish(agent);
    assert_eq!((first.len(), ledger.delivered(0)), (20, 20), "{ledger}");
    assert_eq!((ledger.all_dropped(0), ledger.all_dropped(1)), (0, 0), "{ledger}");
}

#[test]
fn an_output_that_comes_and_goes_keeps_its_comparison() {
    let stage = stage!("root", "agent", "nginx");
    let host = Host::new(&stage);
    let report = stage.path("report.json");
    let idle = format!(
        "[mirror.idle]\ninput-raw = ':{}'\noutput-http = 'http://127.0.0.1:{}'\n",
        host.netns.free_port(),
        host.netns.free_port()
    );
    let text = |shadow| format!("compare = true\ncompare-repeat = 0\n{}", host.mirror_to(shadow));
    host.write(&format!("{}{idle}", text(0)));
    let agent = host.agent(&["--report", report.to_str().expect("a path in UTF-8")]);
    let mut requests = [0; 2];
    for (times, shadow) in [0, 1, 0].into_iter().enumerate() {
        if times > 0 {
            host.write(&text(shadow));
            agent.signal(Signal::SIGHUP);
            taken(&agent, times);
        }
        requests[shadow] += load::keep_alive(&host.netns, Host::at(host.port), 4, 25);
        let all: u64 = requests.iter().sum();
        agent.wait_for_ledger("all is delivered", |ledger| {
            (0..ledger.outputs())
                .map(|output| ledger.delivered(output))
                .sum::<u64>()
                == all
        });
    }
    let production = host.production.finish();
    // Too little for a word.
    let ledger = agent.stop_with(3);
    ledger.assert_closed();
    let logs = host.shadows.map(Nginx::finish);
    production.assert_same_requests(&joined(logs));
    let report = Report::read(&report);
    assert_eq!(report.comparisons(), 2, "{report}");
    for (shadow, ended) in [(0, false), (1, true)] {
        let comparison = &report.0["comparisons"][shadow];
        let name = format!("http://127.0.0.1:{}", host.shadow_ports[shadow]);
        assert_eq!(comparison["shadow"].as_str(), Some(name.as_str()), "{report}");
        assert_eq!(report.compared(shadow), requests[shadow], "{report}");
        assert_eq!(comparison["coverage"]["seen"], requests[shadow], "{report}");
        assert_eq!(comparison["ended_ms"].is_u64(), ended, "{report}");
    }
}
