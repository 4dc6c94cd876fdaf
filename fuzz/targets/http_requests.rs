//! Requests: the same events whole and cut, no request with a hole, every byte accounted for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_agent::budget::MemoryBudget;
use shadow_agent::http::RequestStream;
use shadow_agent::tcp::{Close, Start};
use shadow_agent_fuzz::{Input, LIMITS, Log, Piece};

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::new(data) else { return };
    let start = if input.choices & 1 == 0 {
        Start::Syn
    } else {
        Start::MidStream
    };
    let memory = if input.choices & 2 == 0 { 1 << 20 } else { 1000 };
    let close = if input.choices & 4 == 0 {
        Close::Finished
    } else {
        Close::Reset
    };
    let budget = MemoryBudget::new(memory);

    let run = |pieces: &mut dyn Iterator<Item = Piece<'_>>, with_losses: bool| {
        let mut log = Log::default();
        let mut stream = RequestStream::new(LIMITS, start);
        let (mut pushed, mut runs) = (0, vec![Vec::new()]);
        for piece in pieces {
            if with_losses && piece.lost {
                stream.gap(piece.bytes.len() as u64, &mut |event| log.request(event));
                runs.push(Vec::new());
            } else {
                pushed += piece.bytes.len() as u64;
                stream.push(piece.chunk(), &budget, &mut |event| log.request(event));
                runs.last_mut().unwrap().extend_from_slice(piece.bytes);
            }
            assert!(budget.used() <= memory);
        }
        stream.end(close, &mut |event| log.request(event));
        assert_eq!(budget.used(), 0);
        log.check_order();
        assert!(log.bytes(&runs.concat()).is_none_or(|bytes| bytes == pushed));
        log.check_no_holes(&runs);
        log
    };

    let cut = run(&mut input.pieces(), false);
    if !input.stream.is_empty() && memory > 1000 && start == Start::Syn {
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
