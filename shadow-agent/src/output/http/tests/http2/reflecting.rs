//! Server reflection: what is asked of a shadow, and what becomes of what it answers.

use super::*;
use crate::grpc::REFLECTION_PATHS;
use crate::output::http::reflecting::attempts;
use crate::output::http::upstream::Upstream;

const SHOP: &[u8] = include_bytes!("../../../../../../crates/shadow-grpc/src/tests/shop.desc");

/// A message of gRPC with these fields of bytes, all shorter than 16 KiB.
fn message(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut message = Vec::new();
    for (number, bytes) in fields {
        message.push(number << 3 | 2);
        let length = u16::try_from(bytes.len()).unwrap();
        message.extend([(length & 0x7f) as u8 | 0x80, (length >> 7) as u8]);
        message.extend_from_slice(bytes);
    }
    message
}

fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, message].concat().into()
}

/// The one service of the shop.
fn services() -> Bytes {
    framed(&message(&[(
        6,
        &message(&[(1, &message(&[(1, b"shop.Catalog")]))]),
    )]))
}

/// All files of the shop, as the answer for any symbol has them: a set and such an answer have the same form.
fn files() -> Bytes {
    framed(&message(&[(4, SHOP)]))
}

/// A shadow that has reflection at `path` alone, and answers its questions so, one after the other. Then it says nothing.
async fn shadow(path: &'static str, answers: Vec<Bytes>) -> (u16, Rc<RefCell<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heads: Rc<RefCell<Vec<String>>> = Rc::default();
    let log = Rc::clone(&heads);
    spawn_local(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut server = Builder::new().handshake(stream).await.unwrap();
        while let Some(Ok((request, mut respond))) = server.accept().await {
            let fields = pairs(request.headers()).join(", ");
            log.borrow_mut()
                .push(format!("{} {} {fields}", request.method(), request.uri().path()));
            let head = Response::builder().header("content-type", "application/grpc");
            if request.uri().path() != path {
                let head = head.header("grpc-status", "12").body(()).unwrap();
                respond.send_response(head, true).unwrap();
                continue;
            }
            let answers = answers.clone();
            spawn_local(async move {
                let mut body = request.into_body();
                let mut stream = None;
                for answer in answers {
                    body.data().await.unwrap().unwrap();
                    let stream = stream.get_or_insert_with(|| {
                        let head = Response::builder().header("content-type", "application/grpc");
                        respond.send_response(head.body(()).unwrap(), false).unwrap()
                    });
                    stream.send_data(answer, false).unwrap();
                }
                // Until the client has gone.
                let _ = body.data().await;
                std::future::pending::<()>().await;
            });
        }
    });
    (port, heads)
}

async fn asked(port: u16) -> Result<usize, String> {
    let mut settings = crate::output::http::copy::tests::settings();
    settings.host = "127.0.0.1".to_owned();
    settings.port = port;
    settings.marker = Some("X-Shadow-Request".to_owned());
    let upstream = Upstream::new(settings, OwnConnections::default()).unwrap();
    let told = attempts(&upstream).await;
    told.map(|(descriptors, _)| descriptors.methods())
        .map_err(|error| error.to_string())
}

#[test]
fn a_shadow_is_asked_by_the_newer_name_of_reflection_first() {
    on_a_shard(async {
        let (port, heads) = shadow(REFLECTION_PATHS[1], vec![services(), files()]).await;
        assert_eq!(asked(port).await, Ok(4));
        let fields = "content-type: application/grpc, te: trailers, x-shadow-request: 1";
        assert_eq!(
            *heads.borrow(),
            REFLECTION_PATHS.map(|path| format!("POST {path} {fields}"))
        );
    });
}

#[test]
fn a_shadow_without_reflection_is_told() {
    on_a_shard(async {
        let (port, heads) = shadow("/none", Vec::new()).await;
        assert_eq!(asked(port).await, Err("it has no server reflection".to_owned()));
        assert_eq!(heads.borrow().len(), 2);
    });
}

#[test]
fn a_shadow_that_answers_with_anything_else_is_told() {
    on_a_shard(async {
        let (port, _) = shadow(REFLECTION_PATHS[0], vec![Bytes::from_static(b"\0\0\0\0\x01\x07")]).await;
        let told = asked(port).await.unwrap_err();
        assert_eq!(told, "it answered with something else than reflection's messages");
    });
}

#[test]
fn a_shadow_of_http_1_alone_is_told() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let told = asked(shadow.port).await.unwrap_err();
        assert!(told.starts_with("it has no HTTP/2: "), "{told}");
    });
}
