//! The harness must find what is wrong.

use super::*;
use crate::batch::AnyBatch;
use crate::operator::Step;
use crate::outbox::Outbox;
use crate::state::StateReader;
use crate::time::{Frontier, Timestamp, Watermark};

mod late;
mod waits;

/// Counts what came before each record, and can be wrong in many ways.
#[derive(Default)]
struct Counter {
    count: u64,
    wrong: Wrong,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Wrong {
    #[default]
    Not,
    LeavesRecords,
    ForgetsState,
    CountsBatches,
    Overflows,
    IsEarly,
    Differs,
    ForgetsTimer,
}

impl Operator for Counter {
    fn on_batch(&mut self, _: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let port = out.port::<u64>(0)?;
        let records = &mut batch.of::<u64>()?.records;
        if self.wrong == Wrong::CountsBatches {
            self.count += 1;
        }
        let keep = usize::from(self.wrong == Wrong::LeavesRecords);
        for record in records.drain(keep..) {
            self.count += u64::from(self.wrong != Wrong::CountsBatches);
            let back = if self.wrong == Wrong::IsEarly { 3 } else { 0 };
            let chance = u64::from(self.wrong == Wrong::Differs) * turn();
            let time = Timestamp::from_micros(record.time.as_micros() - back);
            port.push(self.count + chance, time);
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        if self.wrong == Wrong::Overflows {
            for n in 0..100_000 {
                out.port::<u64>(0)?.push(n, watermark.time);
            }
        }
        Ok(Step::Done)
    }

    fn next_timer(&self) -> Option<Timestamp> {
        (self.wrong == Wrong::ForgetsTimer).then_some(Timestamp::from_micros(3))
    }

    fn frontier(&self, input: Frontier) -> Frontier {
        input
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        if self.wrong == Wrong::ForgetsState {
            return Ok(());
        }
        state.put_piece("count", &self.count)
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        for piece in state.pieces::<u64>() {
            self.count += piece?.1;
        }
        Ok(())
    }
}

fn turn() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static TURN: AtomicU64 = AtomicU64::new(0);
    TURN.fetch_add(1, Ordering::Relaxed)
}

fn harness(wrong: Wrong) -> Harness {
    Harness::new(move |_| Counter { count: 0, wrong })
        .with_input(|text| text.parse::<u64>().unwrap())
        .with_output(|count: &u64| count.to_string())
        .in_order()
}

const INPUT: &str = "5@1 5@2 ^3 5@4 5@5 ^5 5@9 |";

fn complaint(wrong: Wrong) -> String {
    harness(wrong).outcome(&[INPUT]).unwrap_err().to_string()
}

#[test]
fn a_right_operator_passes_and_expectations_are_compared() {
    let harness = harness(Wrong::Not);
    harness
        .check(&[INPUT], &["1@1 2@2 ^3 3@4 4@5 ^5 5@9 |"])
        .unwrap();
    harness.check(&[INPUT], &["1@1 2@2 3@4 4@5 5@9 |"]).unwrap();
    for wrong in [
        "1@1 2@2 3@4 4@5 5@9",
        "2@2 1@1 3@4 4@5 5@9 |",
        "1@1 ^3 2@2 3@4 4@5 ^5 5@9 |",
    ] {
        assert!(harness.check(&[INPUT], &[wrong]).is_err(), "{wrong}");
    }
    assert!(harness.check(&[INPUT], &[]).is_err());
    assert!(harness.check(&[INPUT, INPUT], &[""]).is_err());
}

#[test]
fn it_finds_what_depends_on_batches_and_on_snapshots() {
    assert!(complaint(Wrong::CountsBatches).contains("one batch of all"));
    assert!(complaint(Wrong::ForgetsState).contains("a snapshot after"));
}

#[test]
fn it_holds_operators_to_their_contract() {
    assert!(complaint(Wrong::LeavesRecords).contains("sentence 9"));
    assert!(complaint(Wrong::Differs).contains("sentence 11"));
    assert!(complaint(Wrong::Overflows).contains("sentence 12"));
    let timer = harness(Wrong::ForgetsTimer);
    assert!(timer.outcome(&["5@1 ~2 |"]).is_ok());
    let complaint_of_timer = timer.outcome(&["5@1 ~3 |"]).unwrap_err().to_string();
    assert!(complaint_of_timer.contains("sentence 13"));
    assert!(complaint(Wrong::IsEarly).contains("is earlier than the watermark"));
}

/// Gives the last record of the other input along with each record: that depends on the order.
#[derive(Default)]
struct Other([u64; 2]);

impl Operator for Other {
    fn on_batch(&mut self, input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        for record in batch.of::<u64>()?.records.drain(..) {
            self.0[input] = record.value;
            out.port::<u64>(0)?.push(self.0[1 - input], record.time);
        }
        Ok(())
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        state.put_piece("last", &self.0)
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        state
            .pieces()
            .try_for_each(|piece| piece.map(|(_, last)| self.0 = last))
    }
}

#[test]
fn it_finds_what_depends_on_the_order_of_inputs() {
    let read = |text: &str| text.parse::<u64>().unwrap();
    let harness = Harness::new(|_| Other::default())
        .with_input(read)
        .with_input(read)
        .with_output(|n: &u64| n.to_string());
    // By turns it looks right.
    let complaint = harness
        .outcome(&["1@1 2@2 |", "0@1 0@2 |"])
        .unwrap_err()
        .to_string();
    assert!(complaint.contains("inputs in the order"), "{complaint}");
}

/// Puts its records out when it must, or nearly.
#[derive(Default)]
struct KeepsBack {
    kept: Vec<(u64, Timestamp)>,
    at: PutOut,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum PutOut {
    #[default]
    AtFlush,
    AtRelease,
    TooLate,
}

impl KeepsBack {
    fn put_out(&mut self, out: &mut Outbox) -> Result<Step> {
        for (value, time) in self.kept.drain(..) {
            out.port::<u64>(0)?.push(value, time);
        }
        Ok(Step::Done)
    }
}

impl Operator for KeepsBack {
    fn on_batch(&mut self, _: usize, batch: &mut AnyBatch, _: &mut Outbox) -> Result<()> {
        let records = batch.of::<u64>()?.records.drain(..);
        self.kept
            .extend(records.map(|record| (record.value, record.time)));
        Ok(())
    }
    fn on_watermark(&mut self, _: Watermark, out: &mut Outbox) -> Result<Step> {
        self.put_out(out)
    }
    fn on_flush(&mut self, out: &mut Outbox) -> Result<Step> {
        match self.at {
            PutOut::AtFlush => self.put_out(out),
            PutOut::AtRelease | PutOut::TooLate => Ok(Step::Done),
        }
    }
    fn on_release(&mut self, out: &mut Outbox) -> Result<Step> {
        match self.at {
            PutOut::AtRelease => self.put_out(out),
            PutOut::AtFlush | PutOut::TooLate => self.on_flush(out),
        }
    }
    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        self.put_out(out)
    }
}

#[test]
fn what_is_kept_back_must_be_put_out_before_a_snapshot() {
    let harness = |at| {
        let new = move |_: &Replica| KeepsBack {
            kept: Vec::new(),
            at,
        };
        Harness::new(new)
            .with_input(|text| text.parse::<u64>().unwrap())
            .with_output(|n: &u64| n.to_string())
            .in_order()
    };
    let expected = "5@1 5@2 ^3 5@4 5@5 ^5 5@9 |";
    harness(PutOut::AtFlush)
        .check(&[INPUT], &[expected])
        .unwrap();
    harness(PutOut::AtRelease)
        .check(&[INPUT], &[expected])
        .unwrap();
    let complaint = harness(PutOut::TooLate)
        .outcome(&[INPUT])
        .unwrap_err()
        .to_string();
    assert!(complaint.contains("a snapshot after"), "{complaint}");
}
