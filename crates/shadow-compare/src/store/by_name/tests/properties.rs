//! Properties of hiding, for any message: no planted value survives, and what differs still does.

use proptest::prelude::*;
use shadow_mirror::MessageId;
use shadow_mirror::rules::{OF_RECORDINGS, Redaction};

use super::*;
use crate::store::Hidden;
use crate::tests::question;
use crate::{Answer, Compared, Difference, Pair, RuleId, Rules, Secrets, compare};

const PLANTED: &str = "Pl4nted Value\\/9";

/// A body that holds `value` under a name that says so, in one of many ways; and its type.
fn planting() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let json = |value: &str| serde_json::to_string(value).unwrap();
    let name = prop_oneof![
        Just("token"),
        Just("accessToken"),
        Just("user_password"),
        Just("X-API-Key"),
        Just("SESSION")
    ];
    (name, 0..18_usize, ".{0,12}", any::<prop::sample::Index>()).prop_map(move |(name, way, noise, cut)| {
        let (quoted, noise) = (json(PLANTED), json(&noise));
        let escaped: Vec<_> = name.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        let escaped = escaped.concat();
        let encoded = PLANTED.replace(' ', "%20");
        let (media, text) = match way {
            0 => ("application/json", format!("{{\"{name}\":{quoted}}}")),
            1 => (
                "application/json",
                format!("{{\"a\":[{noise},{{\"{name}\" :\n{quoted} }}],\"b\":{noise}}}"),
            ),
            2 => (
                "text/plain",
                format!("[{noise},{{\"{escaped}\":[[{quoted}],{{\"x\":{quoted}}}]}}]"),
            ),
            3 => (
                "application/json",
                format!("{{\"{noise:.1}\"{noise} '{name}':{quoted}"),
            ),
            4 => ("application/json", format!("{{\"{name}\":'{PLANTED}'}}")),
            5 => (
                "application/x-www-form-urlencoded",
                format!("a=b&{name}={encoded}&c=d"),
            ),
            6 => ("text/html", format!("<input\nvalue={quoted}\nname={name}>")),
            7 => ("application/xml", format!("<a><{name}>\n{PLANTED}</{name}></a>")),
            8 => ("text/event-stream", format!("data: {{\"{name}\":{quoted}}}\n\n")),
            9 => (
                "multipart/form-data; boundary=x",
                format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{PLANTED}\r\n--x--"),
            ),
            10 => (
                "application/json",
                json(&format!("{{\"{name}\":{quoted}}}")).clone(),
            ),
            11 => (
                "application/json",
                format!("{{\"q\":{}}}", json(&format!("https://a/?{name}={encoded}"))),
            ),
            12 => (
                "application/x-ndjson",
                format!("{{\"a\":1}}\n{{\"{name}\":{quoted}}}\n"),
            ),
            13 => (
                "application/json",
                format!("[{{\"name\":\"{name}\",\"a\":{noise},\"value\":{quoted}}}]"),
            ),
            14 => (
                "application/json",
                format!("{{\"Value\":{{\"b\":[{quoted}]}},\"KEY\":\"{escaped}\"}}"),
            ),
            15 => (
                "application/json",
                format!(
                    "{{\"q\":{}}}",
                    json(&format!("https://{}@a/", encoded.replace("\\/", "%2F")))
                ),
            ),
            16 => ("application/json", format!("{{\"Authorization\":{quoted}}}")),
            _ => ("application/octet-stream", format!("\0{name}\0{PLANTED}\0")),
        };
        let mut bytes = text.into_bytes();
        if way > 16 {
            bytes.push(0xff);
        }
        // Some are cut off; where the name comes last it must be there.
        if ![6, 14, 15].contains(&way) && cut.index(3) == 0 {
            bytes.truncate(bytes.len() - cut.index(bytes.len().min(8)));
        }
        (media, bytes)
    })
}

/// A message with that body in some framing and coding.
fn planted() -> impl Strategy<Value = (Bytes, Bytes)> {
    (planting(), any::<bool>(), any::<bool>()).prop_map(|((media, body), gzip, chunked)| {
        let mut fields =
            format!("Content-Type: {media}\r\nX-Session-Token: {PLANTED}\r\nReferer: /?sid={PLANTED}\r\n");
        let encoded = PLANTED.replace(' ', "%20").replace('\\', "");
        let user = encoded.replace('/', "%2F");
        fields.extend(["Refresh: 0; url=//", &user, "@b/;session=", &encoded, "\r\n"]);
        let mut body = body;
        if gzip {
            body = Compression::Gzip.encode(body);
            fields += "Content-Encoding: gzip\r\n";
        }
        if chunked {
            body = [
                format!("{:x}\r\n", body.len()).as_bytes(),
                &body,
                format!("\r\n0\r\nX-Token: {PLANTED}\r\n\r\n")
                    .replace('\\', "")
                    .as_bytes(),
            ]
            .concat();
            fields += "Transfer-Encoding: chunked\r\n";
        } else {
            fields.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
        }
        let head = format!(
            "POST /a?x=1&api_key={} HTTP/1.1\r\n{fields}\r\n",
            PLANTED.replace(' ', "+")
        );
        (head.replace('\\', "").into(), body.into())
    })
}

/// Two answers of one type to be compared, with values from a few, so that some are equal.
fn answers() -> impl Strategy<Value = (Answer, Answer)> {
    (0..8_usize).prop_flat_map(|way| (answer(way), answer(way)))
}

fn answer(way: usize) -> impl Strategy<Value = Answer> {
    let scalar = prop_oneof![
        Just("1"),
        Just("1.0"),
        Just("2"),
        Just("\"1\""),
        Just("\"a\""),
        Just("\"\\u0061\""),
        Just("null"),
        Just("true"),
        Just("\"\""),
        Just("\"2026-11-24T10:00:00Z\""),
        Just("\"2026-11-24T10:00:01Z\""),
        Just("1700000000"),
        Just("1700000001"),
        Just("[1,\"a\"]"),
        Just("{\"x\":1}"),
        Just("\"/?code=a&b=1\""),
        Just("\"token: a\""),
    ];
    let name = prop_oneof![
        Just("a"),
        Just("token"),
        Just("session_expires_at"),
        Just("b"),
        Just("secret")
    ];
    let members = prop::collection::vec((name, scalar), 0..5);
    let text = prop_oneof![Just("a"), Just("b"), Just("my token is a"), Just(" "), Just("")];
    let texts = prop::collection::vec(text, 0..4);
    let body = (members, texts, any::<bool>()).prop_map(move |(members, texts, cut)| match way {
        0..=1 => {
            let members: Vec<_> = members
                .iter()
                .map(|(name, value)| format!("\"{name}\":{value}"))
                .collect();
            let text = format!("{{\"in\":{{{}}}}}", members.join(", "));
            let end = text.len() - usize::from(way == 1 && cut);
            ("application/json", text.as_bytes()[..end].to_vec())
        }
        2 => {
            let pairs: Vec<_> = members
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            (
                "application/x-www-form-urlencoded",
                pairs.join("&").replace(' ', "+").into_bytes(),
            )
        }
        3 => ("text/plain", texts.join("\n").into_bytes()),
        4 => (
            "application/xml",
            ["<p>", &texts.join("</p>\n<p>"), "</p>\n"].concat().into_bytes(),
        ),
        5 => (
            "application/xml",
            ["<a><p>", &texts.join("</p>\n<p>"), "</p>\n</a>"]
                .concat()
                .into_bytes(),
        ),
        6 => (
            "text/html",
            [
                "<main><p class=price>",
                &texts.join("</p>\n<p title='"),
                "'></p>\n",
            ]
            .concat()
            .into_bytes(),
        ),
        _ => (
            "application/octet-stream",
            [b"\xff", texts.join("\0").as_bytes()].concat(),
        ),
    });
    let header = prop_oneof![
        Just(""),
        Just("X-Token: a\r\n"),
        Just("X-Token: b\r\n"),
        Just("Location: /?code=a\r\n"),
        Just("Location: /?code=b\r\n"),
        Just("X-Session-At: 2026-11-24T10:00:00Z\r\n"),
        Just("X-Session-At: 2026-11-24T10:00:01Z\r\n"),
    ];
    (body, header, any::<bool>()).prop_map(|((media, body), header, gzip)| {
        let (body, coding) = if gzip {
            (Compression::Gzip.encode(body), "Content-Encoding: gzip\r\n")
        } else {
            (body, "")
        };
        Answer {
            head: format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {media}\r\n{header}{coding}Content-Length: {}\r\n\r\n",
                body.len()
            )
            .into(),
            body: body.into(),
            times: None,
        }
    })
}

/// Places and kinds of what differs, and whether a rule takes it away. Of text no more than that it differs: which words of a line
/// do is hidden with them.
fn told(compared: &Compared) -> Vec<String> {
    let place = |one: &Difference, rule: Option<&RuleId>| match &*one.path {
        path if path.starts_with("text") => "text".to_owned(),
        path => format!("{path} {:?} {rule:?}", one.kind),
    };
    let counts = compared.differences.iter().map(|one| place(one, None));
    let by_rule = compared.by_rule.iter().map(|(one, rule)| place(one, Some(rule)));
    let mut all: Vec<String> = counts.chain(by_rule).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn pair(production: Answer, shadow: Answer) -> Pair {
    Pair {
        id: MessageId::given(b"a").unwrap(),
        at: 0,
        request_head: Bytes::from_static(b"GET /a HTTP/1.1\r\n\r\n"),
        request_body: Bytes::new(),
        production,
        shadow,
        control: None,
        repeat: None,
        raced: false,
    }
}

fn of_run() -> Hidden {
    let names = OF_RECORDINGS.map(str::to_owned);
    Hidden::new(
        &Redaction::new(names, Vec::new(), 1 << 20, key()).unwrap(),
        Secrets::Hidden,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_value_with_such_a_name_survives((head, body) in planted()) {
        let message = ByName::new(&key()).message(&head, &body, None, false).unwrap();
        let all = [&message.head[..], &message.body].concat();
        let shown = String::from_utf8_lossy(&all).replace('\0', "");
        prop_assert!(!shown.contains("Pl4nted"), "{}", shown);
        prop_assert!(head_fields(&message.head).is_some());
        // Once more changes nothing but what is hidden as a whole.
        let again = ByName::new(&key()).message(&message.head, &message.body, None, false).unwrap();
        prop_assert!(message.as_a_whole || (again.head, again.body) == (message.head, message.body));
    }

    #[test]
    fn whatever_stands_before_it_no_value_survives(
        before in "([\\[\\]{}\":,a0 \\\\?=&<>'\n]|token|\\PC){0,24}",
        named in prop_oneof![
            Just("\"token\":\"Pl4nted\"}"), Just("<password>Pl4nted</password>"), Just("\napi_key: Pl4nted\n"),
            Just("{\"a\":\"?session=Pl4nted\"}"), Just("\"\\u0074oken\":[\"Pl4nted"),
        ],
        media in "(application/json|text/html|application/octet-stream)(; charset=latin1)?",
    ) {
        let head = Bytes::from(format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\n\r\n"));
        let message = ByName::new(&key()).message(&head, &[before, named.to_owned()].concat().into(), None, false).unwrap();
        let body = String::from_utf8_lossy(&message.body);
        // Escapes mean something in JSON alone.
        let is_named = !named.contains("\\u") || media.contains("json");
        prop_assert!(!(is_named && body.contains("Pl4nted")), "{}", body);
    }

    #[test]
    fn what_differs_differs_where_it_did_and_nothing_else((a, b) in answers()) {
        let rules = Rules::default();
        let before = compare(&question("GET /a"), &a, &b, &rules);
        let kept = of_run().redacted(&pair(a, b)).unwrap().pair;
        let after = compare(&question("GET /a"), &kept.production, &kept.shadow, &rules);
        prop_assert_eq!(told(&after), told(&before), "{:?}", kept);
    }

    #[test]
    fn messages_without_such_names_stay_as_they_are(
        body in "[a-bA-B0-9{}\\[\\]\":,.\\\\ \n<>=;%+-]{0,60}",
        media in "application/json|text/html|application/x-www-form-urlencoded|",
    ) {
        let head = Bytes::from(format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\n\r\n"));
        let body = Bytes::from(body);
        let message = ByName::new(&key()).message(&head, &body, None, false).unwrap();
        prop_assert_eq!((message.head, message.body, message.as_a_whole), (head, body, false));
    }

    #[test]
    fn no_bytes_are_too_strange(
        fields in "((Content-Type: (application/json|text/xml; charset=(utf-16|latin1))|Content-Encoding: (gzip|x)|Transfer-Encoding: (chunked|x))\r\n){0,3}",
        body in prop::collection::vec(any::<u8>(), 0..100),
        tail in "(token|\\{|\"|:|=|&|\\\\u|\\PC){0,20}",
        suspect: bool,
    ) {
        let head = Bytes::from(format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
        for body in [[&body[..], tail.as_bytes()].concat(), tail.into_bytes()] {
            let message = ByName::new(&key()).message(&head, &body.into(), None, suspect).unwrap();
            prop_assert!(head_fields(&message.head).is_some());
        }
    }
}
