//! Server reflection against a server that answers from the shop's set of descriptors, and against ones that lie.

use super::*;

/// The shop's set, with what it imports.
const SHOP: &[u8] = include_bytes!("tests/shop.desc");

fn message(parts: &[(u32, &[u8])]) -> Vec<u8> {
    let mut message = Vec::new();
    for (number, bytes) in parts {
        put_bytes(*number, bytes, &mut message);
    }
    message
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend_from_slice(message);
    framed
}

/// The answer that has this field.
fn answer(number: u32, value: &[u8]) -> Vec<u8> {
    framed(&message(&[(1, b"host"), (2, b"\x3a\x01*"), (number, value)]))
}

/// Lists services of these names.
fn services(names: &[&str]) -> Vec<u8> {
    let all = names.iter().map(|name| message(&[(1, name.as_bytes())]));
    let list: Vec<u8> = all.flat_map(|service| message(&[(1, &service)])).collect();
    answer(6, &list)
}

fn error(code: u8, text: &str) -> Vec<u8> {
    let mut error = vec![0x08, code];
    put_bytes(2, text.as_bytes(), &mut error);
    answer(7, &error)
}

/// The files of the shop's set, by their names.
fn shop() -> BTreeMap<String, Vec<u8>> {
    let files = members(SHOP).unwrap().into_iter();
    let named = files.map(|(_, file)| {
        let name = members(file).unwrap()[0].1;
        (text(name).unwrap(), file.to_vec())
    });
    named.collect()
}

/// The number and text of a question.
fn asked(question: &[u8]) -> (u32, String) {
    let (number, name) = members(&question[5..]).unwrap()[0];
    (number, text(name).unwrap())
}

/// Asks a server that gives each file alone, and its answers in pieces of this size. Gives the questions too.
fn reflected(piece: usize, names: &[&str]) -> (Reflection, Vec<(u32, String)>) {
    let files = shop();
    let (mut reflection, mut questions) = (Reflection::new(), Vec::new());
    while let Some(question) = reflection.question() {
        let (number, name) = asked(&question);
        let answer = match number {
            7 => services(names),
            4 if name == "shop.Catalog" => answer(4, &message(&[(1, &files["shop.proto"])])),
            3 if files.contains_key(&name) => answer(4, &message(&[(1, &files[&name])])),
            _ => error(5, "not found"),
        };
        questions.push((number, name));
        for piece in answer.chunks(piece) {
            assert!(reflection.is_waiting());
            reflection.receive(piece).unwrap();
        }
        assert!(!reflection.is_waiting());
    }
    (reflection, questions)
}

#[test]
fn a_service_and_what_its_file_imports_are_asked_for_once() {
    for piece in [1, 7, usize::MAX] {
        let (reflection, questions) = reflected(piece, &["shop.Catalog", "shop.Catalog", "lost.Service"]);
        let questions: Vec<_> = questions
            .iter()
            .map(|(number, name)| (*number, name.as_str()))
            .collect();
        assert_eq!(
            questions,
            [
                (7, "*"),
                (4, "shop.Catalog"),
                (4, "lost.Service"),
                (3, "google/protobuf/any.proto"),
                (3, "google/protobuf/duration.proto"),
                (3, "google/protobuf/timestamp.proto"),
            ]
        );
        assert_eq!(reflection.lacking(), 1);
        let descriptors = reflection.descriptors().unwrap();
        assert_eq!(descriptors.methods(), 4);
        assert!(descriptors.method(b"/shop.Catalog/Chat").is_some());
    }
}

#[test]
fn a_server_without_services_has_no_descriptors() {
    let (reflection, questions) = reflected(1, &[]);
    assert_eq!(questions.len(), 1);
    assert!(matches!(
        reflection.descriptors(),
        Err(ReflectionError::Bad(BadDescriptors::NoService))
    ));
}

fn failure(bytes: &[u8]) -> ReflectionError {
    let mut reflection = Reflection::new();
    reflection.question().unwrap();
    reflection.receive(bytes).unwrap_err()
}

#[test]
fn an_error_instead_of_the_services_is_told() {
    let told = failure(&error(7, "not for you")).to_string();
    assert_eq!(told, "it lists no services: error 7, \"not for you\"");
}

#[test]
fn what_is_no_answer_of_reflection_is_told() {
    for bytes in [
        &framed(b"")[..],
        &framed(b"\x07"),
        b"\x01\0\0\0\0",
        &answer(4, b""),
        // A name that is no text.
        &answer(6, b"\x0a\x03\x0a\x01\xff"),
    ] {
        assert!(matches!(failure(bytes), ReflectionError::Invalid), "{bytes:?}");
    }
    // One more than was asked for.
    assert!(matches!(
        failure(&services(&["a.B"]).repeat(2)),
        ReflectionError::Invalid
    ));
}

#[test]
fn answers_without_end_are_given_up() {
    assert!(matches!(
        failure(b"\0\xff\xff\xff\xff"),
        ReflectionError::TooLarge
    ));
    let mut reflection = Reflection::new();
    reflection.question().unwrap();
    reflection
        .receive(&[&[0, 2, 0, 0, 0], &[0; 1000][..]].concat())
        .unwrap();
    let piece = vec![0; 1 << 20];
    let given_up = (0..32).find_map(|_| reflection.receive(&piece).err());
    assert!(
        matches!(given_up, Some(ReflectionError::TooLarge)),
        "{given_up:?}"
    );
}

#[test]
fn no_more_services_are_asked_for_than_the_bound() {
    let names: Vec<String> = (0..3000).map(|at| format!("a.S{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (reflection, questions) = reflected(usize::MAX, &names);
    assert_eq!((questions.len(), reflection.lacking()), (1001, 1000));
}
