//! Records that are cut, untrue or of any bytes.

use proptest::prelude::*;

use super::*;

fn read(bytes: &[u8]) -> (Vec<String>, Option<Broken>) {
    let mut reader = RecordReader::new(bytes);
    let mut records = Vec::new();
    loop {
        match reader.next_record() {
            Ok(Some(kept)) => records.push(shown(&kept)),
            Ok(None) => return (records, None),
            Err(why) => return (records, Some(why)),
        }
    }
}

#[test]
fn records_cut_anywhere_lose_at_most_the_last() {
    let mut whole = Vec::new();
    let mut ends = vec![0];
    for id in ["a", "b", "c"] {
        write(&kept(id), &mut whole);
        ends.push(whole.len());
    }
    for length in 0..=whole.len() {
        let (records, why) = read(&whole[..length]);
        let complete = ends.iter().filter(|end| **end <= length).count() - 1;
        assert_eq!(records.len(), complete, "{length}");
        assert_eq!(why.is_none(), ends.contains(&length), "{length}");
        assert!(matches!(why, None | Some(Broken::Cut)), "{length} {why:?}");
    }
}

#[test]
fn a_store_cut_anywhere_loses_only_its_last_record() {
    let folder = Folder::new("cut");
    drop(folder.writer(1 << 30));
    let member = |ids: [&str; 2]| {
        let mut records = Vec::new();
        for id in ids {
            write(&kept(id), &mut records);
        }
        shadow_record::recording::Compression::Gzip.encode(records)
    };
    let first = member(["a", "b"]);
    let file = [first.clone(), member(["c", "d"])].concat();
    let all: Vec<String> = ["a", "b", "c", "d"].map(|id| shown(&kept(id))).into();
    for length in first.len()..=file.len() {
        std::fs::write(folder.0.join("pairs-00000001.gz"), &file[..length]).unwrap();
        std::fs::write(folder.0.join("pairs-00000002.gz"), &first).unwrap();
        let (records, damage) = folder.read();
        let of_first = records.len() - 2;
        assert!((2..=4).contains(&of_first), "{length}");
        assert_eq!(records[..of_first], all[..of_first], "{length}");
        assert_eq!(records[of_first..], all[..2], "the next segment is read");
        let whole = length == first.len() || length == file.len();
        assert_eq!(damage.segments, u64::from(!whole), "{length}");
    }
}

#[test]
fn lengths_that_are_not_true_end_the_reading_and_take_no_memory() {
    for (line, why) in [
        (
            "{\"kind\":\"not_compared\",\"of\":0,\"at\":7,\"reason\":\"copy\",\"request\":{\"head\":99999999999,\"body\":0}}\n",
            "it is too large",
        ),
        (
            "{\"kind\":\"not_compared\",\"of\":0,\"at\":7,\"reason\":\"copy\",\"request\":{\"head\":18446744073709551615,\"body\":9}}\n",
            "it is too large",
        ),
        (
            "{\"kind\":\"not_compared\",\"of\":0,\"at\":7,\"reason\":\"copy\",\"request\":{\"head\":2,\"body\":0}}\nabc\n",
            "its lengths are not true",
        ),
        (
            "{\"kind\":\"not_compared\",\"of\":0,\"at\":7,\"reason\":\"x\",\"request\":{\"head\":0,\"body\":0}}\n\n",
            "its reason is not known",
        ),
        ("{\"kind\":\"other\"}\n", "its line is not known"),
        ("{\"kind\":\"pair\",\"of\":0}\n", "its line is not known"),
        ("\n", "its line is not known"),
        (&"x".repeat(70_000), "its line is too long"),
    ] {
        let (records, broken) = read(line.as_bytes());
        assert!(records.is_empty());
        assert!(
            matches!(broken, Some(Broken::NoRecord(is)) if is == why),
            "{line:.80} {broken:?}"
        );
    }
}

fn bytes() -> impl Strategy<Value = Bytes> {
    let piece = prop_oneof![
        Just(b"{\"kind\":\"not_compared\",\"of\":0,\"at\":7,\"reason\":\"copy\",\"request\":{\"head\":0,\"body\":0}}\n\n".to_vec()),
        Just(b"\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat().into())
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let times = prop::option::of((any::<u64>(), any::<u64>()).prop_map(|(first, last)| Times {
        first: Duration::from_nanos(first),
        last: Duration::from_nanos(last),
    }));
    (bytes(), bytes(), times).prop_map(|(head, body, times)| Answer { head, body, times })
}

fn any_kept() -> impl Strategy<Value = Kept> {
    let pair = (
        ("[!-~]{1,128}", any::<u64>(), any::<u16>(), any::<[bool; 2]>()),
        (bytes(), bytes()),
        any_answer(),
        any_answer(),
        prop::option::of(any_answer()),
        prop::option::of(any_answer()),
        prop::collection::vec("\\PC{0,40}", 0..4),
    )
        .prop_map(
            |((id, at, of, [whole, raced]), request, production, shadow, control, repeat, places)| {
                Kept::Pair(Box::new(KeptPair {
                    of,
                    whole,
                    pair: Pair {
                        id: MessageId::given(id.as_bytes()).unwrap(),
                        at,
                        request_head: request.0,
                        request_body: request.1,
                        production,
                        shadow,
                        control,
                        repeat,
                        raced,
                    },
                    mapped: MappedPlaces {
                        shadow: places,
                        control: Vec::new(),
                    },
                    selected: None,
                }))
            },
        );
    let unpaired = (any::<u16>(), any::<u64>(), bytes()).prop_map(|(of, at, line)| Kept::Unpaired {
        of,
        unpaired: Unpaired {
            request_line: line[..].into(),
            selected: None,
            at,
            why: NotCompared::ProductionGap,
        },
    });
    prop_oneof![3 => pair, 1 => unpaired]
}

proptest! {
    #[test]
    fn any_records_written_and_read_back_are_equal(all in prop::collection::vec(any_kept(), 0..6), cut in any::<prop::sample::Index>()) {
        let mut written = Vec::new();
        let mut ends = Vec::new();
        for kept in &all {
            write(kept, &mut written);
            ends.push(written.len());
        }
        let expected: Vec<String> = all.iter().map(shown).collect();
        let (records, why) = read(&written);
        prop_assert!(why.is_none(), "{:?}", why);
        prop_assert_eq!(&records, &expected);
        let length = cut.index(written.len() + 1);
        let whole = ends.iter().filter(|end| **end <= length).count();
        prop_assert_eq!(&read(&written[..length]).0[..], &expected[..whole]);
    }

    #[test]
    fn any_bytes_are_read_or_refused(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let (records, why) = read(&noise);
        prop_assert!(records.is_empty() && (why.is_some() || noise.is_empty()));
    }
}
