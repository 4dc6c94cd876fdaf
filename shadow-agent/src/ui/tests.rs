//! The screen, literally.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui_core::backend::TestBackend;
use ratatui_core::style::{Color, Modifier};
use ratatui_core::terminal::Terminal;

use super::draw::draw;
use super::look::{Look, fit};
use super::model::{Action, Model};
use super::*;
use crate::compare::document::{DifferenceRow, Noise, NoiseBy};
use crate::compare::example::document;
use crate::compare::live::LiveDocument;
use crate::latency::LatencyHistogram;
use crate::mirror::ledger::{DropReason, OutputCounts};
use crate::output::OutputStatus;
use crate::status::OutputStats;

fn moment(at: Instant, delivered: u64, paused: bool) -> Moment {
    let histogram = LatencyHistogram::default();
    for _ in 0..delivered {
        histogram.record(Duration::from_micros(1140));
    }
    let output = OutputStats {
        name: "http://staging:80".to_owned(),
        http: true,
        counts: OutputCounts {
            delivered,
            sampled_out: 3,
            dropped: [(DropReason::Timeout, 12)].into(),
            in_flight: 8,
            ..OutputCounts::default()
        },
        status: OutputStatus {
            latency: Some(histogram.counts()),
            ..OutputStatus::default()
        },
        ..OutputStats::default()
    };
    Moment {
        at,
        stats: RunStats {
            seen: delivered + 20,
            capture_lost: 0,
            outputs: vec![output],
        },
        paused,
        progress: None,
    }
}

/// A run at 2,000 requests a second, and a comparison.
fn model() -> Model {
    let mut model = Model::new(Look { colour: true });
    let start = Instant::now();
    model.tell(moment(start, 1_000, false));
    model.tell(moment(start + Duration::from_secs(1), 3_000, false));
    model.show(published(document()));
    model
}

fn published(document: crate::compare::document::Document) -> Arc<crate::compare::live::Published> {
    let live = LiveDocument::default();
    live.publish(document);
    live.watch().newest().unwrap()
}

fn screen_of(model: &mut Model, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(model, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height).map(|y| row(y).trim_end().to_owned()).collect()
}

fn screen(model: &mut Model) -> Vec<String> {
    screen_of(model, 80, 24)
}

fn press(model: &mut Model, code: KeyCode) -> Action {
    model.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn write(model: &mut Model, text: &str) {
    for character in text.chars() {
        press(model, KeyCode::Char(character));
    }
}

#[test]
fn the_least_screen_has_all_that_matters() {
    assert_eq!(
        screen(&mut model()),
        [
            "shadow-agent   NO-GO   seen 2,000/s (3,020)",
            "── Outputs ─────────────────────────────────────────────────────────────────────",
            "http://staging:80  delivered 2,000/s (3,000)  in flight 8",
            "  dropped 12 (timeout 12)  sampled out 3  p50 1.2 ms p99 1.2 ms",
            "── Comparison ──────────────────────────────────────────────────────────────────",
            "http://staging:80  compared 9,900 of 10,000 (99.20%)  failed 20  not compared 7…",
            "agreement 98.99% (98.80% to 99.20%), raw 94.95%  new 5xx 30 (0.30%)  other stat…",
            "production p50 2.0 ms  p95 4.0 ms  p99 9.0 ms",
            "shadow     p50 2.5 ms  p95 5.0 ms  p99 12.0 ms  p99 x1.33 (1.20 to 1.50)",
            "status     200→200 9,870  200→500 30",
            "NO-GO 30 of 9,900 answers are new 5xx: 0.30% (0.21% to 0.43%), and 0.1% may be",
            "── [Differences 3]  Causes 2   Endpoints 2   Log 0  ────────────────────────────",
            "    pairs    share kind       endpoint           path                   values",
            "       70    1.01% value      GET /items/{id}    $.items[*].price       9.99 → …",
            "       30    1.00% status     POST /cart         status                 200 → 5…",
            "      400    5.80% value      GET /items/{id}    $.timestamp            noise b…",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "q end  p pause  r reset  tab pane  enter example  / filter  ? help",
        ]
    );
}

#[test]
fn a_wide_screen_has_the_values_too() {
    let rows = screen_of(&mut model(), 140, 40);
    let row = rows.iter().find(|row| row.contains("$.items[*].price")).unwrap();
    assert!(row.ends_with("9.99 → 10.99"), "{row}");
}

#[test]
fn a_screen_that_is_too_small_says_so_and_keys_work() {
    let mut model = model();
    let rows = screen_of(&mut model, 60, 10);
    assert_eq!(
        rows[0],
        "The terminal is 60 by 10: at least 80 by 24 is needed. Press"
    );
    assert_eq!(press(&mut model, KeyCode::Char('q')), Action::Quit);
}

#[test]
fn before_anything_is_known_it_says_that() {
    let mut model = Model::new(Look { colour: true });
    let rows = screen(&mut model);
    assert_eq!(rows[0], "shadow-agent");
    assert_eq!(rows[2], "no data yet");
    assert_eq!(rows[4], "no comparison: add --output-http URL --compare");
    // A rate needs two moments.
    model.tell(moment(Instant::now(), 1_000, false));
    assert_eq!(screen(&mut model)[0], "shadow-agent  seen -/s (1,020)");
}

#[test]
fn the_word_is_told_by_colour_unless_no_color_is_set() {
    for (colour, expected) in [(true, Color::Red), (false, Color::Reset)] {
        let mut model = model();
        model.look = Look { colour };
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| draw(&mut model, frame)).unwrap();
        let cell = &terminal.backend().buffer()[(15, 0)];
        assert_eq!((cell.symbol(), cell.fg), ("N", expected));
        assert!(cell.modifier.contains(Modifier::REVERSED));
        let all = terminal.backend().buffer().content().iter();
        assert_eq!(all.clone().any(|cell| cell.fg != Color::Reset), colour);
    }
}

#[test]
fn a_pane_scrolls_and_keeps_the_chosen_row_in_sight() {
    let mut document = document();
    let row = document.comparisons[0].differences[0].clone();
    document.comparisons[0].differences = (0..100)
        .map(|number| crate::compare::document::DifferenceRow {
            path: format!("$.n{number:02}"),
            ..row.clone()
        })
        .collect();
    let mut model = model();
    model.show(published(document));
    let paths = |model: &mut Model| -> (String, String) {
        let rows = screen(model);
        let path = |row: &str| row.split("$.").nth(1).unwrap()[..3].to_owned();
        (path(&rows[13]), path(&rows[22]))
    };
    let own = |first: &str, last: &str| (first.to_owned(), last.to_owned());
    assert_eq!(paths(&mut model), own("n00", "n09"));
    for (key, expected) in [
        (KeyCode::Down, own("n00", "n09")),
        (KeyCode::PageDown, own("n02", "n11")),
        (KeyCode::End, own("n90", "n99")),
        (KeyCode::Up, own("n90", "n99")),
        (KeyCode::PageUp, own("n88", "n97")),
        (KeyCode::Home, own("n00", "n09")),
        (KeyCode::Up, own("n00", "n09")),
    ] {
        press(&mut model, key);
        assert_eq!(paths(&mut model), expected, "{key:?}");
    }
}

#[test]
fn tab_goes_round_the_panes() {
    let mut model = model();
    let tabs = |model: &mut Model| screen(model)[11].clone();
    press(&mut model, KeyCode::Tab);
    assert!(tabs(&mut model).starts_with("──  Differences 3  [Causes 2]"));
    assert_eq!(
        screen(&mut model)[13..15],
        [
            "       30 status  status 500 in place of 200 in 30 of 3,000 responses of POST /…",
            "       70 value   $.items[*].price is different in 70 of 6,900 responses of GET…",
        ]
    );
    press(&mut model, KeyCode::Tab);
    assert!(tabs(&mut model).starts_with("──  Differences 3   Causes 2  [Endpoints 2]"));
    // The one that most speaks against stands first.
    assert_eq!(
        screen(&mut model)[14],
        "    6,900       10  98.99%        0          9.0 ms   12.0 ms  GET /items/{id}"
    );
    press(&mut model, KeyCode::Tab);
    assert!(tabs(&mut model).contains("[Log 0]"));
    press(&mut model, KeyCode::Tab);
    assert!(tabs(&mut model).contains("[Differences 3]"));
    press(&mut model, KeyCode::BackTab);
    assert!(tabs(&mut model).contains("[Log 0]"));
}

#[test]
fn a_filter_leaves_rows_with_the_text_in_them() {
    let mut model = model();
    write(&mut model, "/CART");
    assert!(
        screen(&mut model)[23].starts_with("/CART_"),
        "{:?}",
        screen(&mut model)
    );
    assert!(screen(&mut model)[11].contains("[Differences 1]  Causes 1   Endpoints 1 "));
    press(&mut model, KeyCode::Enter);
    // Keys are orders again.
    assert_eq!(press(&mut model, KeyCode::Char('r')), Action::Reset);
    press(&mut model, KeyCode::Esc);
    assert!(screen(&mut model)[11].contains("[Differences 3]"));
    write(&mut model, "/q\u{8}");
    assert_eq!(model.filter, "q\u{fffd}");
    assert_eq!(
        model.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)),
        Action::Quit
    );
}

#[test]
fn enter_opens_an_example_with_both_answers_side_by_side() {
    let mut model = model();
    press(&mut model, KeyCode::Enter);
    let rows = screen(&mut model);
    assert_eq!(
        rows[1..18],
        [
            "── GET /items/{id} 65a5b7f0a1b2c3d4 ────────────────────────────────────────────",
            "GET /items/7 HTTP/1.1",
            "host: shop",
            "authorization: [redacted]",
            "── Differences ─────────────────────────────────────────────────────────────────",
            "$.items[*].price value: 9.99 → 10.99",
            "── production 2.1 ms                    shadow 2.6 ms ──────────────────────────",
            "HTTP/1.1 200 OK                        │ HTTP/1.1 200 OK",
            "content-type: application/json         │ content-type: application/json",
            "                                       │",
            "{                                      │ {",
            "  \"items\": [                           │   \"items\": [",
            "    {                                  │     {",
            "      \"price\": 9.99                    ≠       \"price\": 10.99",
            "    }                                  │     }",
            "  ]                                    │   ]",
            "}                                      │ }",
        ]
    );
    press(&mut model, KeyCode::Enter);
    assert!(screen(&mut model)[11].contains("[Differences 3]"));
    // None is kept of the second.
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Enter);
    assert_eq!(screen(&mut model)[23], "no example was kept");
}

#[test]
fn enter_opens_a_cause_with_its_places_and_a_rule() {
    let mut model = model();
    press(&mut model, KeyCode::Tab);
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Enter);
    let rows = screen(&mut model);
    assert_eq!(
        rows[1..9],
        [
            "── value ───────────────────────────────────────────────────────────────────────",
            "$.items[*].price is different in 70 of 6,900 responses of GET /items/{id}: 9.99",
            "-> 10.99",
            "── Where ───────────────────────────────────────────────────────────────────────",
            "       70 GET /items/{id} $.items[*].price value: 9.99 → 10.99",
            "── Rule for --compare-rules ────────────────────────────────────────────────────",
            "[[ignore]]",
            "path = \"GET /items/{id} $.items[*].price\"",
        ]
    );
    press(&mut model, KeyCode::Enter);
    assert!(screen(&mut model)[11].contains("[Causes 2]"));
}

#[test]
fn an_example_tells_what_counts_and_passes_over_order() {
    let mut model = model();
    let mut document = document();
    let comparison = &mut document.comparisons[0];
    let row = comparison.differences[0].clone();
    let difference = |path: &str| crate::compare::Difference {
        path: path.to_owned(),
        kind: row.kind,
        production: Some("1".to_owned()),
        shadow: Some("2".to_owned()),
    };
    for (path, by) in [
        ("header.x-node", NoiseBy::LikeControl),
        ("$.nonce", NoiseBy::Rule),
    ] {
        comparison.examples[0].differences.push(difference(path));
        comparison.differences.push(DifferenceRow {
            path: path.to_owned(),
            noise: Some(Noise {
                by,
                why: String::new(),
                reference: None,
            }),
            ..row.clone()
        });
    }
    let example = &mut comparison.examples[0];
    example.production.head = "HTTP/1.1 200 OK\nX-Node: 1\nVary: Origin\nAllow: POST, GET\n".to_owned();
    example.shadow.head = "HTTP/1.1 200 OK\nvary: Origin\nX-Node: 2\nAllow: POST, GET\n".to_owned();
    let text =
        |price: &str, nonce: &str| Some(format!("{{\n  \"price\": {price},\n  \"nonce\": {nonce}\n}}"));
    example.production.body.text = text("9.99", "1");
    example.shadow.body.text = text("10.99", "2");
    model.show(published(document));
    press(&mut model, KeyCode::Enter);
    let rows = screen(&mut model);
    assert_eq!(
        rows[5..18],
        [
            "── Differences ─────────────────────────────────────────────────────────────────",
            "$.items[*].price value: 9.99 → 10.99",
            "(excused) header.x-node value: 1 → 2",
            "(noise) $.nonce value: 1 → 2",
            "── production 2.1 ms                    shadow 2.6 ms ──────────────────────────",
            "HTTP/1.1 200 OK                        │ HTTP/1.1 200 OK",
            "X-Node: 1                              ~ vary: Origin",
            "Vary: Origin                           ~ X-Node: 2",
            "Allow: POST, GET                       │ Allow: POST, GET",
            "                                       │",
            "{                                      │ {",
            "  \"price\": 9.99,                       ≠   \"price\": 10.99,",
            "  \"nonce\": 1                           ~   \"nonce\": 2",
        ]
    );
}

#[test]
fn keys_are_explained() {
    let mut model = model();
    press(&mut model, KeyCode::Char('?'));
    let rows = screen(&mut model);
    assert!(rows.contains(&"  q, ctrl-c          quit: requests in flight may finish".to_owned()));
    press(&mut model, KeyCode::Esc);
    assert!(screen(&mut model)[11].contains("[Differences 3]"));
}

#[test]
fn a_pause_is_said_and_the_key_goes_on() {
    let mut model = model();
    assert_eq!(press(&mut model, KeyCode::Char('p')), Action::Pause);
    model.tell(moment(Instant::now() + Duration::from_secs(2), 3_000, true));
    let rows = screen(&mut model);
    assert!(
        rows[0].starts_with("shadow-agent   NO-GO   PAUSED"),
        "{}",
        rows[0]
    );
    assert!(rows[23].contains("p resume"));
    assert_eq!(press(&mut model, KeyCode::Char('p')), Action::Resume);
}

#[test]
fn hostile_text_orders_nothing() {
    let mut document = document();
    let comparison = &mut document.comparisons[0];
    comparison.shadow = "\x1b]0;owned\x07".to_owned();
    comparison.verdict.why = vec!["\x1b[2J\u{202e}".to_owned()];
    for row in &mut comparison.differences {
        row.endpoint = "GET /\x1b[31m\r\n".to_owned();
        row.path = "\u{9b}31m\u{200b}".to_owned();
        row.production = Some("\x07".repeat(100_000));
    }
    comparison.examples[0].request_head = "GET /\x1b[6n HTTP/1.1\n\x08\x08".to_owned();
    comparison.examples[0].production.body.text = Some("\x1bP\x1b\\".to_owned());
    let mut model = model();
    model.show(published(document));
    let bad = |row: &String| row.chars().any(|c| c.is_control() || c == '\u{202e}');
    assert!(!screen(&mut model).iter().any(bad));
    press(&mut model, KeyCode::Enter);
    let rows = screen(&mut model);
    assert!(!rows.iter().any(bad));
    assert_eq!(rows[2], "GET /\u{fffd}[6n HTTP/1.1");
}

#[test]
fn what_has_no_room_is_cut_at_a_column() {
    assert_eq!(fit("12345", 5), "12345");
    assert_eq!(fit("123456", 5), "1234…");
    assert_eq!(fit("日本日本", 5), "日本…");
    assert_eq!(fit("", 0), "");
}

#[test]
fn a_key_for_the_run_is_passed_on_and_its_answer_is_said() {
    let (orders, mut inbox) = mpsc::channel(1);
    let live = LiveDocument::default();
    let mut desk = Desk {
        live: Some(live.clone()),
        orders,
        answer: None,
    };
    assert_eq!(desk.act(Action::Pause), None);
    assert_eq!(desk.heard(), None);
    let Ok(Order::Pause(answer)) = inbox.try_recv() else {
        panic!("no order came");
    };
    answer.send(Ok(())).unwrap();
    assert_eq!(desk.heard().unwrap(), "paused: nothing is captured or sent");
    assert_eq!(desk.heard(), None);
    assert_eq!(desk.act(Action::Reset).unwrap(), "the comparison was restarted");
    assert!(live.take_orders().reset);
    drop(inbox);
    assert_eq!(desk.act(Action::Resume).unwrap(), "the agent does not respond");
}
