//! Calls of gRPC that last, by Python's grpcio: the shadow gets them while production serves them.

use std::net::SocketAddr;

use shadow_tests::{Agent, GrpcShop, GrpcStack, Ledger, Netns, Report, Stage, stage, until};

/// Production and a shadow, with an agent between that compares.
struct Scene {
    production: GrpcShop,
    shadow: GrpcShop,
    agent: Agent,
    report: std::path::PathBuf,
}

impl Scene {
    fn new(stage: &Stage, more: &[&str]) -> Self {
        let [production, shadow] = GrpcShop::both(stage, [GrpcStack::Grpcio162, GrpcStack::Grpcio185], false);
        let report = stage.path("report.json");
        let input = production.address.to_string();
        let output = format!("http://{}", shadow.address);
        let common = [
            "--input-raw",
            &input,
            "--output-http",
            &output,
            "--compare",
            "--report",
        ];
        let file = report.to_string_lossy();
        let arguments = [&common[..], &[&*file], more].concat();
        let agent = Agent::start(stage, &Netns::host(), &arguments);
        Self {
            production,
            shadow,
            agent,
            report: report.clone(),
        }
    }

    /// Waits until the shadow has noted this of a call that lasts.
    fn await_at_shadow(&self, what: &str) {
        until(&format!("the shadow has {what:?}"), || {
            self.shadow.talked().iter().any(|(noted, _)| noted == what)
        });
    }

    /// Ends the run once `calls` have an outcome.
    fn finish(self, calls: u64) -> (Ledger, Report) {
        self.agent.wait_for_ledger("every call has an end", |ledger| {
            ledger.seen() >= calls && ledger.of(0, "in_flight") == 0
        });
        let (_, ledger) = self.agent.stop_to_judge();
        ledger.assert_closed();
        assert_eq!(ledger.seen(), calls, "{ledger}");
        (ledger, Report::read(&self.report))
    }
}

#[test]
fn a_chat_reaches_the_shadow_while_it_lasts_and_is_compared() {
    let stage = stage!("root", "agent", "python3", "pip3");
    let descriptors = GrpcShop::descriptors();
    let descriptors = descriptors.to_string_lossy();
    let scene = Scene::new(&stage, &["--grpc-descriptors", &descriptors]);
    let mut chat = scene.production.talk("Chat");
    chat.say("first");
    assert_eq!(chat.hear(), "first");
    scene.await_at_shadow("first");
    // It outlasts others.
    let calls = scene.production.call(GrpcStack::Grpcio185, 1);
    scene.agent.wait_for_ledger("the others have ended", |ledger| {
        ledger.delivered(0) == calls && ledger.of(0, "in_flight") == 1
    });
    for message in ["second", "third"] {
        chat.say(message);
        assert_eq!(chat.hear(), message);
    }
    scene.await_at_shadow("third");
    let spacing = |shop: &GrpcShop| {
        let talked = shop.talked();
        let when = |what: &str| talked.iter().find(|(noted, _)| noted == what).expect(what).1;
        when("second") - when("first")
    };
    let (there, here) = (spacing(&scene.production), spacing(&scene.shadow));
    assert!(
        (there - here).abs() < 1.0 && here > 0.0,
        "{there} s in production, {here} s at the shadow"
    );
    chat.end();
    let (ledger, report) = scene.finish(calls + 1);
    assert_eq!(ledger.delivered(0), calls + 1, "{ledger}");
    assert_eq!((report.compared(0), report.agreeing(0)), (7, 7), "{report}");
}

#[test]
fn a_chat_beyond_the_bound_is_mirrored_up_to_there_and_counted() {
    let stage = stage!("root", "agent", "python3", "pip3");
    // Two of its messages and their answers, and not a third.
    let scene = Scene::new(&stage, &["--grpc-max-stream", "600"]);
    let [first, second, third] = ["1", "2", "3"].map(|digit| digit.repeat(200));
    let mut chat = scene.production.talk("Chat");
    for message in [&first, &second] {
        chat.say(message);
        assert_eq!(chat.hear(), *message);
        scene.await_at_shadow(message);
    }
    chat.say(&third);
    assert_eq!(chat.hear(), third);
    scene
        .agent
        .wait_for_ledger("the shadow's stream has ended", |ledger| {
            ledger.dropped(0, "grpc_stream_limit") == 1
        });
    chat.say("fourth");
    assert_eq!(chat.hear(), "fourth", "production is not touched");
    chat.end();
    let talked: Vec<String> = scene.shadow.talked().into_iter().map(|(what, _)| what).collect();
    assert_eq!(talked, [first, second]);
    let (ledger, report) = scene.finish(1);
    assert_eq!(ledger.dropped(0, "grpc_stream_limit"), 1, "{ledger}");
    assert_eq!(report.compared(0), 0, "{report}");
}

#[test]
fn a_watch_ends_at_the_shadow_when_its_client_leaves() {
    let stage = stage!("root", "agent", "python3", "pip3");
    let scene = Scene::new(&stage, &["--output-http-timeout", "1s"]);
    let mut watch = scene.production.talk("Watch");
    assert_eq!(watch.hear(), "forever");
    until("the shadow has the call", || !scene.shadow.served().is_empty());
    // More than the time of an exchange: an answer every 50 ms.
    for _ in 0..40 {
        assert_eq!(watch.hear(), "forever");
    }
    assert_eq!(scene.agent.ledger_now().of(0, "in_flight"), 1);
    watch.end();
    scene.await_at_shadow("over");
    let (ledger, report) = scene.finish(1);
    assert_eq!(ledger.dropped(0, "grpc_stream_left"), 1, "{ledger}");
    assert_eq!(report.compared(0), 1, "{report}");
    assert_differs_in_its_time(&report);
}

/// A watch begins at the shadow once it is known to last, a second later, and its answers say when they were made.
fn assert_differs_in_its_time(report: &Report) {
    for (endpoint, place, _) in report.differences(0) {
        assert_eq!(
            (&*endpoint, &*place),
            ("shop.Catalog/Watch", "$[*].10.1"),
            "{report}"
        );
    }
}

#[test]
fn streams_whose_client_is_killed_were_left_and_not_lost() {
    let stage = stage!("root", "agent", "python3", "pip3");
    let scene = Scene::new(&stage, &[]);
    let mut watch = scene.production.talk("Watch");
    for _ in 0..30 {
        assert_eq!(watch.hear(), "forever");
    }
    let mut chat = scene.production.talk("Chat");
    chat.say("first");
    assert_eq!(chat.hear(), "first");
    scene.await_at_shadow("first");
    drop((watch, chat));
    scene.await_at_shadow("over");
    let (ledger, report) = scene.finish(2);
    assert_eq!(ledger.dropped(0, "grpc_stream_left"), 2, "{ledger}");
    report.assert_accounts_for(0, &ledger);
    assert_eq!(report.compared(0), 2, "as far as both had answered: {report}");
    assert_differs_in_its_time(&report);
}

/// What was said in the chats that a service has served.
fn said(shop: &GrpcShop) -> Vec<String> {
    shop.talked().into_iter().map(|(what, _)| what).collect()
}

#[test]
fn beside_recordings_and_relays_a_chat_is_live_at_the_shadow() {
    let stage = stage!("root", "agent", "python3", "pip3");
    let host = Netns::host();
    let free = || SocketAddr::from(([127, 0, 0, 1], host.free_port()));
    let (recorded, relayed) = (stage.path("chat.gor"), stage.path("relayed.gor"));
    let [recorded_name, relayed_name] = [&recorded, &relayed].map(|path| path.display().to_string());
    let relay = free().to_string();
    let second = Agent::spawn(
        &stage,
        &host,
        &[
            "--input-tcp",
            &relay,
            "--output-file",
            &relayed_name,
            "--output-file-append",
        ],
    );
    second.wait_for_line("listening for other agents");
    let scene = Scene::new(
        &stage,
        &[
            "--input-raw-track-response",
            "--output-file-append",
            "--output-file",
            &recorded_name,
            "--output-tcp",
            &relay,
            "--output-tcp-sticky",
            "--output-stdout",
        ],
    );
    let mut chat = scene.production.talk("Chat");
    for message in ["first", "second", "third"] {
        chat.say(message);
        assert_eq!(chat.hear(), message);
        scene.await_at_shadow(message);
    }
    let now = scene.agent.ledger_now();
    assert_eq!(now.outputs(), 4, "{now}");
    for output in 0..now.outputs() {
        assert_eq!(now.of(output, "in_flight"), 1, "{now}");
    }
    chat.end();
    let stdout = scene.agent.stdout().to_owned();
    second.wait_for_ledger("the call has come", |ledger| ledger.seen() == 1);
    let (ledger, report) = scene.finish(1);
    ledger.assert_all_delivered(1);
    assert_eq!((report.compared(0), report.agreeing(0)), (1, 1), "{report}");
    second.stop().assert_all_delivered(1);
    for path in [&recorded, &relayed, &stdout] {
        let text = String::from_utf8_lossy(&std::fs::read(path).expect("a recording")).into_owned();
        assert_eq!(
            text.matches("POST /shop.Catalog/Chat HTTP/2.0").count(),
            1,
            "{text}"
        );
        assert_eq!(
            text.matches("HTTP/2.0 200").count(),
            1,
            "its answer is there: {text}"
        );
    }
    for name in [&recorded_name, &relayed_name] {
        let again = GrpcShop::start(&stage, &host, GrpcStack::Grpcio185, free());
        let url = format!("http://{}", again.address);
        let ledger = Agent::spawn(&stage, &host, &["--input-file", name, "--output-http", &url]).finish();
        ledger.assert_all_delivered(1);
        assert_eq!(said(&again), ["first", "second", "third"]);
    }
}

#[test]
fn a_chat_too_large_to_be_recorded_is_live_at_the_shadow() {
    let stage = stage!("root", "agent", "python3", "pip3");
    let [production, shadow] = GrpcShop::both(&stage, [GrpcStack::Grpcio185, GrpcStack::Grpcio162], false);
    let (input, output) = (
        production.address.to_string(),
        format!("http://{}", shadow.address),
    );
    let file = stage.path("chat.gor").display().to_string();
    // Two of its messages, and not a third. Production's answers are not read: they would be too large, too.
    let agent = Agent::start(
        &stage,
        &Netns::host(),
        &[
            "--input-raw",
            &input,
            "--output-http",
            &output,
            "--max-body",
            "600",
            "--output-file",
            &file,
        ],
    );
    let messages = ["1", "2", "3"].map(|digit| digit.repeat(200));
    let mut chat = production.talk("Chat");
    for message in &messages {
        chat.say(message);
        assert_eq!(chat.hear(), *message);
        until("the shadow has it", || said(&shadow).contains(message));
    }
    let ledger = agent.wait_for_ledger("it is given up", |ledger| {
        ledger.dropped(1, "body_too_large") == 1
    });
    assert_eq!(ledger.of(0, "in_flight"), 1, "{ledger}");
    chat.end();
    assert_eq!(said(&shadow), messages);
    agent.wait_for_ledger("the shadow has answered", |ledger| ledger.of(0, "in_flight") == 0);
    let ledger = agent.stop();
    assert_eq!((ledger.delivered(0), ledger.delivered(1)), (1, 0), "{ledger}");
}
