//! Hiding by name in `--compare-store`, over messages of any bytes: no secret that is planted behind them survives, what is made
//! is a message again, and can be hidden once more.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use shadow_agent::compare::store::Hidden;
use shadow_agent::compare::{Answer, Pair, Secrets};
use shadow_agent::http::head_fields;
use shadow_agent::mirror::MessageId;
use shadow_agent::mirror::rules::{Redaction, RedactionKey};

const SECRET: &[u8] = b"Pl4ntedS3cret";

fn has_secret(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|part| part == SECRET)
}

fn answer(head: &[u8], body: &[u8]) -> Answer {
    Answer {
        head: Bytes::copy_from_slice(head),
        body: Bytes::copy_from_slice(body),
        times: None,
    }
}

fn hidden() -> Option<Hidden> {
    let key = RedactionKey::new(b"0123456789abcdef").ok()?;
    let redaction = Redaction::new([], Vec::new(), 1 << 20, key).ok()?;
    Some(Hidden::new(&redaction, Secrets::Hidden))
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let (Some(hidden), Some(id)) = (hidden(), MessageId::given(b"a")) else {
        return;
    };
    if has_secret(data) {
        return;
    }
    // A message of any bytes, and one whose body ends in a secret with its name.
    let end = data.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = data.split_at(end.map_or(0, |at| at + 4));
    let named: &[u8] = match choice % 6 {
        0 => b"\"token\":\"Pl4ntedS3cret\"}",
        1 => b"<password>Pl4ntedS3cret</password>",
        2 => b"\napi_key: Pl4ntedS3cret\n",
        3 => b"<a href=\"https://Pl4ntedS3cret@b/\">",
        4 => b"{\"value\":\"Pl4ntedS3cret\",\"name\":\"token\"}",
        _ => b"{\"a\":\"?session=Pl4ntedS3cret\"}",
    };
    let media: &[u8] = match choice / 6 % 3 {
        0 => b"application/json",
        1 => b"text/html",
        _ => b"application/octet-stream; charset=latin1",
    };
    let planted_head = [b"HTTP/1.1 200 OK\r\nContent-Type: ", media, b"\r\n\r\n"].concat();
    let planted = answer(&planted_head, &[data, named].concat());
    let harmless = answer(b"HTTP/1.1 200 OK\r\n\r\n", data);
    let any = if head_fields(head).is_some() {
        answer(head, body)
    } else {
        harmless.clone()
    };
    let pair = Pair {
        id,
        at: 0,
        request_head: Bytes::from_static(
            b"GET http://a:Pl4ntedS3cret@b/?token=Pl4ntedS3cret HTTP/1.1\r\nX-Token: Pl4ntedS3cret\r\n\
              Refresh: 0; url=//Pl4ntedS3cret@b/;session=Pl4ntedS3cret\r\n\r\n",
        ),
        request_body: Bytes::copy_from_slice(data),
        production: any,
        shadow: planted,
        control: Some(harmless),
        repeat: None,
        raced: false,
    };
    let Ok(once) = hidden.redacted(&pair) else { return };
    let once = once.pair;
    for part in [
        &once.request_head,
        &once.request_body,
        &once.shadow.head,
        &once.shadow.body,
    ] {
        assert!(!has_secret(part), "{}", String::from_utf8_lossy(part));
    }
    assert!(head_fields(&once.production.head).is_some() && head_fields(&once.request_head).is_some());
    assert!(hidden.redacted(&once).is_ok());
});
