//! The executable that the other tests run: cargo builds it for this test, of the same crates and with the same features as
//! all others, so that nothing is built twice.

use std::process::Command;

#[test]
fn it_says_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_shadow-agent"))
        .arg("--version")
        .output()
        .expect("it starts");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        concat!("shadow-agent ", env!("CARGO_PKG_VERSION"), "\n")
    );
    assert!(output.status.success());
}
