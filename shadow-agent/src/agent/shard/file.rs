//! Reading capture files: they end, and unlike production they can wait.

use super::context::{SOURCE_PAUSE, ShardContext, TICK};
use crate::capture::PcapFiles;
use crate::mirror::ledger::DropReason;
use crate::time::Timestamp;

/// Segments taken from a file before replay gets a turn.
const SEGMENTS_PER_TURN: usize = 256;
/// Turns between two reports.
const TURNS_PER_REPORT: u32 = 16;

/// Reads `file` until it ends or the run does. Time is the capture's.
pub(super) async fn read_file(mut file: PcapFiles, context: &mut ShardContext) -> anyhow::Result<()> {
    let mut now = Timestamp::default();
    let read = read_all(&mut file, context, &mut now).await;
    context.close_all(now);
    context.report().file = Some(file.counters());
    read
}

async fn read_all(
    file: &mut PcapFiles,
    context: &mut ShardContext,
    now: &mut Timestamp,
) -> anyhow::Result<()> {
    let mut turn: u32 = 0;
    let mut looked = Timestamp::default();
    while context.is_running() {
        context.follow_plan(*now);
        let more = take_turn(file, context, now)?;
        context.table.tick(&mut context.shard, *now);
        if context.waiting_for_secrets() > 0 && (context.secrets_came() || looked.after(TICK) <= *now) {
            looked = *now;
            context.look_for_secrets(*now);
        }
        context.operation.heart.beat();
        turn = turn.wrapping_add(1);
        if turn.is_multiple_of(TURNS_PER_REPORT) {
            context.publish();
        }
        if !more {
            break;
        }
        tokio::task::yield_now().await;
        // A pause holds up the file where it is; connections of it go on afterwards.
        while context.is_held_up() {
            tokio::time::sleep(SOURCE_PAUSE).await;
            context.operation.heart.beat();
            if context.is_paused() {
                context.abort_all(DropReason::Paused);
            }
            context.follow_plan(*now);
            if !context.is_running() {
                break;
            }
        }
    }
    Ok(())
}

/// Takes the segments of one turn; whether there are more.
fn take_turn(file: &mut PcapFiles, context: &mut ShardContext, now: &mut Timestamp) -> anyhow::Result<bool> {
    for _ in 0..SEGMENTS_PER_TURN {
        let Some(segment) = file.next_segment()? else {
            return Ok(false);
        };
        *now = (*now).max(segment.time);
        context.table.push(&mut context.shard, &segment);
    }
    Ok(true)
}
