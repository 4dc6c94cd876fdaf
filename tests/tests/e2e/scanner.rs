//! The verdict while somebody asks production for whatever may be there.

use shadow_tests::client::Connection;
use shadow_tests::{Agent, Netns, Nginx, NginxSetup, Report, stage};

/// A server whose checkout answers so, and that has no programs.
fn server(checkout: &str) -> NginxSetup {
    NginxSetup {
        server: format!("location = /checkout {{ return {checkout}; }} location ~ \\.php$ {{ return 404; }}"),
        ..NginxSetup::default()
    }
}

/// Letters, as digits would be an id by their looks.
fn program(number: u32) -> String {
    let letter = |part: u32| char::from(b'a' + u8::try_from(part % 26).expect("a letter"));
    format!("/{}{}min.php", letter(number / 26), letter(number))
}

#[test]
fn sixty_requests_of_a_scanner_do_not_turn_no_go_into_go() {
    let stage = stage!("root", "agent", "nginx");
    let host = Netns::host();
    for (scanned, expected) in [
        (0, &["GET /home", "GET /checkout"][..]),
        (60, &["GET /home", "GET (not served)", "GET /checkout"]),
    ] {
        let (port, shadow_port) = (host.free_port(), host.free_port());
        let production = Nginx::start_with(&stage, &host, "production", &[port], &server("200 paid"));
        let shadow = Nginx::start_with(&stage, &host, "shadow", &[shadow_port], &server("500"));
        let report = stage.path(&format!("report-{scanned}.json"));
        let (input, output) = (format!(":{port}"), format!("http://127.0.0.1:{shadow_port}"));
        let mut arguments = vec!["--input-raw", &input, "--output-http", &output];
        arguments.extend(["--compare", "--compare-repeat", "0", "--report"]);
        arguments.push(report.to_str().expect("a path in UTF-8"));
        // Each endpoint is judged by itself: the eight are too few to be seen among all.
        for rule in ["compared off", "new_5xx off", "agreement off", "p99_ratio off"] {
            arguments.extend(["--fail-on", rule]);
        }
        let agent = Agent::start(&stage, &host, &arguments);
        let mut connection = Connection::open(&host, ([127, 0, 0, 1], port).into());
        let mut requests = 0;
        let mut get = |uri: &str, status: u16| {
            requests += 1;
            assert_eq!(connection.get(uri, &requests.to_string()).status, status, "{uri}");
        };
        for number in 0..scanned {
            get(&program(number), 404);
        }
        for _ in 0..1000 {
            get("/home", 200);
        }
        for _ in 0..8 {
            get("/checkout", 200);
        }
        drop(connection);
        let production = production.finish();
        let ledger = agent.stop_with(1);
        ledger.assert_all_delivered(1008 + u64::from(scanned));
        production.assert_same_requests(&shadow.finish());
        let report = Report::read(&report);
        report.assert_accounts_for(0, &ledger);
        assert_eq!(report.verdict(), "NO-GO", "{report}");
        let comparison = &report.0["comparisons"][0];
        let endpoints = comparison["endpoints"].as_array().expect("endpoints");
        let names: Vec<&str> = endpoints
            .iter()
            .filter_map(|endpoint| endpoint["name"].as_str())
            .collect();
        assert_eq!(names, expected, "{report}");
        assert_eq!(
            comparison["verdict"]["why"][0],
            "Endpoints with new 5xx: GET /checkout (100%). Rule: endpoint_new_5xx > 1%.",
            "{report}"
        );
    }
}
