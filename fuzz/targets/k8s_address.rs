//! `k8s://` addresses: no text makes the parser panic, and what it accepts has only names that the API could have.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_agent::cli::k8s_address::{SCHEME, parse};
use shadow_agent::settings::{PodPort, PodSelector, Pods};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let text = if text.starts_with(SCHEME) {
        text.to_owned()
    } else {
        [SCHEME, text].concat()
    };
    match parse(&text) {
        Ok(selector) => check(&selector, &text),
        Err(problem) => assert!(!problem.problem.is_empty() && !problem.help.is_empty()),
    }
});

fn check(selector: &PodSelector, text: &str) {
    assert_eq!(selector.typed, text);
    assert!((1..=64).contains(&selector.ports.len()));
    for (index, port) in selector.ports.iter().enumerate() {
        assert!(!selector.ports[..index].contains(port), "a port twice");
        match port {
            PodPort::Number(number) => assert_ne!(*number, 0),
            PodPort::Name(name) => assert!((1..=15).contains(&name.len()) && is_name(name)),
        }
    }
    if let Some(namespace) = &selector.namespace {
        assert!(namespace.len() <= 63 && is_name(namespace));
    }
    let place = match &selector.pods {
        Pods::Named { kind, name } => {
            assert!(name.len() <= 253 && is_name(name));
            format!("{}/{name}", kind.word())
        }
        Pods::Labels(selector) => format!("labelSelector/{selector}"),
        Pods::Fields(selector) => format!("fieldSelector/{selector}"),
    };
    // Written out in full, it means the same.
    let namespace = selector.namespace.iter().map(|name| format!("{name}/"));
    let namespace: String = namespace.collect();
    let ports: Vec<_> = selector.ports.iter().map(ToString::to_string).collect();
    let full = format!("{SCHEME}{namespace}{place}:{}", ports.join(","));
    let again = parse(&full).unwrap_or_else(|problem| panic!("{full}: {}", problem.problem));
    assert_eq!(
        (&again.namespace, &again.pods, &again.ports),
        (&selector.namespace, &selector.pods, &selector.ports),
        "{full}"
    );
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}
