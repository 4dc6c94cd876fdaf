//! Responses: the same events whole and cut, no response with a hole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_agent::budget::MemoryBudget;
use shadow_agent::http::{RequestKind, ResponseStream};
use shadow_agent::tcp::{Close, Start};
use shadow_agent_fuzz::{Input, LIMITS, Log, Piece};

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::new(data) else { return };
    let start = if input.choices & 1 == 0 {
        Start::Syn
    } else {
        Start::MidStream
    };
    let close = if input.choices & 2 == 0 {
        Close::Finished
    } else {
        Close::Reset
    };
    let kinds = [RequestKind::Other, RequestKind::Head, RequestKind::Connect];
    let budget = MemoryBudget::new(1 << 20);

    let run = |pieces: &mut dyn Iterator<Item = Piece<'_>>, with_losses: bool| {
        let mut log = Log::default();
        let mut stream = ResponseStream::new(LIMITS, start);
        for shift in [2, 4, 6] {
            if let Some(kind) = kinds.get(usize::from(input.choices >> shift & 3)) {
                assert!(stream.expect(*kind));
            }
        }
        let (mut pushed, mut runs) = (0, vec![Vec::new()]);
        for piece in pieces {
            if with_losses && piece.lost {
                stream.gap(piece.bytes.len() as u64, &mut |event| log.response(event));
                runs.push(Vec::new());
            } else {
                pushed += piece.bytes.len() as u64;
                stream.push(piece.chunk(), &budget, &mut |event| log.response(event));
                runs.last_mut().unwrap().extend_from_slice(piece.bytes);
            }
        }
        stream.end(close, &mut |event| log.response(event));
        assert_eq!(budget.used(), 0);
        log.check_order();
        assert!(log.bytes(&runs.concat()).is_none_or(|bytes| bytes == pushed));
        log.check_no_holes(&runs);
        log
    };

    let cut = run(&mut input.pieces(), false);
    if !input.stream.is_empty() && start == Start::Syn {
        let whole = Piece {
            bytes: input.stream,
            lost: false,
            acknowledgment: 1,
        };
        let whole = run(&mut [whole].into_iter(), false);
        if !whole.lost_place() && !cut.lost_place() {
            assert_eq!(cut, whole);
        }
    }
    run(&mut input.pieces(), true);
});
