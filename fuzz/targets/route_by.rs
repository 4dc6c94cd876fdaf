//! A request of any bytes, told from others of its URL by whatever way is given, and by its operation of GraphQL: the name of its endpoint
//! is short and printable, and the same for a request that was kept.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_agent::compare::RouteBy;
use shadow_agent::compare::routes::Routes;

/// The line that stands between the ways and a request.
const BETWEEN: &[u8] = b"\n====\n";

fuzz_target!(|data: &[u8]| {
    let at = data.windows(BETWEEN.len()).position(|window| window == BETWEEN);
    let (ways, request) = match at {
        Some(at) => (&data[..at], &data[at + BETWEEN.len()..]),
        None => (&b""[..], data),
    };
    let mut route_by = RouteBy::default();
    for way in ways.split(|byte| *byte == b'\n').filter_map(|way| std::str::from_utf8(way).ok()) {
        let _ = route_by.add(way);
    }
    let end = request.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = request.split_at(end.map_or(0, |end| end + 4));
    // Any text is asked for as a document, too.
    let document = [b"POST /g HTTP/1.1\r\nContent-Type: application/graphql\r\n\r\n", head].concat();
    for (head, body) in [(head, body), (&document[..document.len() - head.len()], head)] {
        let Some(selected) = route_by.read(head, body) else { continue };
        let again = route_by.read_again(Some(&selected), head, b"");
        assert_eq!(again.as_ref(), Some(&selected));
        let mut routes = Routes::new(Vec::new(), 3);
        let of = routes.endpoint(b"GET", b"/t");
        let id = routes.select(of, Some(&selected), None);
        let name = routes.name(id);
        assert!(name.starts_with("GET /t (") && name.ends_with(')'), "{name}");
        assert!(name.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{name:?}");
    }
});
