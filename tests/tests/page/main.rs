//! The report's page in a real browser: Debian's chromium, driven by playwright-core, looked over by axe-core.
//!
//! `browser.mjs` holds what is done in the browser: a check for each test here, which gives it pages and expects it to find
//! nothing wrong. With `SHADOW_AGENT_PAGES=FOLDER` the pages and pictures of them are left there for people to look at.

mod documents;
mod running;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use shadow_agent::report::page;
use shadow_tests::{Stage, stage};

/// The packages that drive the browser and look for barriers to people.
const PACKAGES: [&str; 2] = ["playwright-core@1.65.1", "axe-core@4.14.1"];

/// Writes a file that a test hands over.
fn hand_over(stage: &Stage, name: &str, text: &str) -> PathBuf {
    let path = stage.path(name);
    std::fs::write(&path, text).expect("a file");
    path
}

/// Writes a page where the browser reads it.
fn write(stage: &Stage, name: &str, page: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("SHADOW_AGENT_PAGES") {
        std::fs::write(Path::new(&folder).join(name), page).expect("the page to look at");
    }
    hand_over(stage, name, page)
}

/// Has the browser do `check` with pages, or what else it is to know, and expects that it finds nothing wrong.
fn check(stage: &Stage, check: &str, given: &[impl AsRef<OsStr>]) {
    // Beside the folders of the tests: installed once.
    let modules = stage.path("../npm-of-pages");
    let installed = Command::new("npm")
        .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
        .arg(&modules)
        .args(PACKAGES)
        .status()
        .expect("npm");
    assert!(installed.success(), "npm cannot install {PACKAGES:?}");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/browser.mjs");
    let output = Command::new("node")
        .arg(script)
        .arg(&modules)
        .arg(shadow_tests::program("chromium").expect("chromium"))
        .arg(check)
        .args(given)
        .output()
        .expect("node");
    assert!(
        output.status.success(),
        "{check}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_page_fits_a_phone_and_a_desk_in_light_and_dark() {
    let stage = stage!("node", "npm", "chromium");
    let (a, b) = (documents::ordinary(), documents::later());
    let pages = [
        write(&stage, "one.html", &page::render(&a)),
        write(&stage, "several.html", &page::render(&documents::several())),
        write(&stage, "two.html", &page::render_two(&a, &b)),
    ];
    check(&stage, "looks", &pages);
}

#[test]
fn no_attack_in_traffic_becomes_markup_or_runs() {
    let stage = stage!("node", "npm", "chromium");
    let hostile = documents::hostile();
    let pages = [
        write(&stage, "hostile.html", &page::render(&hostile)),
        write(&stage, "hostile-two.html", &page::render_two(&hostile, &hostile)),
    ];
    check(&stage, "attacks", &pages);
}

#[test]
fn everything_is_done_by_keyboard() {
    let stage = stage!("node", "npm", "chromium");
    let page = write(&stage, "one.html", &page::render(&documents::ordinary()));
    check(&stage, "keyboard", &[page]);
}

#[test]
fn a_screen_reader_finds_its_way() {
    let stage = stage!("node", "npm", "chromium");
    let document = documents::ordinary();
    let pages = [
        write(&stage, "one.html", &page::render(&document)),
        write(&stage, "several.html", &page::render(&documents::several())),
        write(
            &stage,
            "two.html",
            &page::render_two(&document, &documents::later()),
        ),
    ];
    check(&stage, "accessible", &pages);
}

#[test]
fn ten_thousand_differences_are_shown_and_sorted_at_once() {
    let stage = stage!("node", "npm", "chromium");
    let large = write(&stage, "large.html", &page::render(&documents::large()));
    check(&stage, "large", &[large]);
}

#[test]
fn a_run_is_followed_live_and_takes_orders_with_a_token() {
    let stage = stage!("node", "npm", "chromium");
    let json = |document| serde_json::to_string(document).expect("JSON");
    let mut later = documents::later();
    later.made_at_ms -= 86_400_000;
    let files = [
        hand_over(&stage, "live.html", &page::live()),
        hand_over(&stage, "policy", &page::content_security_policy(true)),
        hand_over(&stage, "first.json", &json(&documents::ordinary())),
        hand_over(&stage, "second.json", &json(&later)),
    ];
    check(&stage, "live", &files);
}

#[test]
fn lines_are_set_beside_each_other_in_their_order_and_in_bounded_time() {
    let stage = stage!("node", "npm", "chromium");
    let script = "../shadow-agent/src/report/page/script/diff.js";
    check(
        &stage,
        "lines",
        &[Path::new(env!("CARGO_MANIFEST_DIR")).join(script)],
    );
}

#[test]
fn the_word_and_why_read_without_script() {
    let stage = stage!("node", "npm", "chromium");
    let page = write(&stage, "one.html", &page::render(&documents::ordinary()));
    check(&stage, "without_script", &[page]);
}
