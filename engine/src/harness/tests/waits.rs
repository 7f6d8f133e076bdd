//! Processing time, and what is told of what waits.

use std::task::{Context, Poll};
use std::time::Duration;

use super::*;
use crate::why::{Explanation, Until, Wait};

/// Says every 10 us of processing time how many records came meanwhile.
#[derive(Default)]
struct Meter {
    count: u64,
    timer: Option<Timestamp>,
    explains: Explains,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Explains {
    #[default]
    Nothing,
    Timer,
    WhatIsOver,
}

impl Operator for Meter {
    fn on_batch(&mut self, _: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        self.count += batch.of::<u64>()?.records.drain(..).len() as u64;
        self.timer
            .get_or_insert(out.processing_time() + Duration::from_micros(10));
        Ok(())
    }

    fn next_timer(&self) -> Option<Timestamp> {
        self.timer
    }

    fn explain(&self, why: &mut Explanation) {
        let until = match self.explains {
            Explains::Nothing => None,
            Explains::Timer => self.timer,
            Explains::WhatIsOver => Some(Timestamp::from_micros(7)),
        };
        if let Some(time) = until {
            why.waits(Wait::new("the count", Until::ProcessingTime(time)));
        }
    }

    fn on_timer(&mut self, out: &mut Outbox) -> Result<Step> {
        self.timer = None;
        let (count, now) = (std::mem::take(&mut self.count), out.processing_time());
        out.port::<u64>(0)?.push(count, now);
        Ok(Step::Done)
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        state.put_piece("meter", &(self.count, self.timer))
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        state.pieces().try_for_each(|piece| {
            piece.map(|(_, (count, timer))| (self.count, self.timer) = (count, timer))
        })
    }
}

fn meter(explains: Explains) -> Harness {
    let meter = move |_: &Replica| Meter {
        explains,
        ..Meter::default()
    };
    Harness::new(meter)
        .with_input(|text| text.parse::<u64>().unwrap())
        .with_output(|count: &u64| count.to_string())
}

const TICKING: &str = "1 2 3 ~5 4 ~12 5 ~30 ~99 6 |";

#[test]
fn processing_time_goes_by_the_script() {
    meter(Explains::Nothing)
        .check(&[TICKING], &["4@12 1@30 |"])
        .unwrap();
}

#[test]
fn what_waits_is_told_while_it_does() {
    meter(Explains::Timer)
        .telling_waits()
        .outcome(&[TICKING])
        .unwrap();
    let silent = meter(Explains::Nothing).telling_waits();
    let complaint = silent.outcome(&[TICKING]).unwrap_err().to_string();
    assert!(complaint.contains("did not tell"), "{complaint}");
    let wrong = meter(Explains::WhatIsOver).outcome(&[TICKING]);
    let complaint = wrong.unwrap_err().to_string();
    assert!(
        complaint.contains("waits for 1970-01-01T00:00:00.000007Z, though"),
        "{complaint}"
    );
}

/// Puts its records out when its second input has ended, or when it is polled.
#[derive(Default)]
struct Waits {
    kept: Vec<(u64, Timestamp)>,
    polled: bool,
    until: Option<Until>,
}

impl Waits {
    fn put_out(&mut self, out: &mut Outbox) -> Result<()> {
        for (value, time) in self.kept.drain(..) {
            out.port::<u64>(0)?.push(value, time);
        }
        Ok(())
    }
}

impl Operator for Waits {
    fn on_batch(&mut self, _: usize, batch: &mut AnyBatch, _: &mut Outbox) -> Result<()> {
        let records = batch.of::<u64>()?.records.drain(..);
        self.kept
            .extend(records.map(|record| (record.value, record.time)));
        Ok(())
    }

    fn on_input_end(&mut self, input: usize, out: &mut Outbox) -> Result<Step> {
        if input == 1 {
            self.put_out(out)?;
        }
        Ok(Step::Done)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        self.put_out(out)?;
        Ok(Step::Done)
    }

    fn poll(&mut self, _: &mut Context<'_>, out: &mut Outbox) -> Poll<Result<()>> {
        if self.polled {
            self.put_out(out)?;
        }
        Poll::Ready(Ok(()))
    }

    fn explain(&self, why: &mut Explanation) {
        if let Some(until) = &self.until
            && !(self.kept.is_empty() && self.polled)
        {
            why.waits(Wait::new("the record", until.clone()));
        }
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        state.put_piece("kept", &self.kept)
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        for piece in state.pieces::<Vec<(u64, Timestamp)>>() {
            self.kept.extend(piece?.1);
        }
        Ok(())
    }
}

fn waits(polled: bool, until: Option<Until>) -> Result<Outcome, Mismatch> {
    let new = move |_: &Replica| Waits {
        polled,
        until: until.clone(),
        ..Waits::default()
    };
    let read = |text: &str| text.parse::<u64>().unwrap();
    Harness::new(new)
        .with_input(read)
        .with_input(read)
        .with_output(|n: &u64| n.to_string())
        .telling_waits()
        .outcome(&["1@1 2@2 |", "|"])
}

#[test]
fn what_waits_for_an_answer_or_an_end_is_told_too() {
    let complaint = |polled, until| waits(polled, until).unwrap_err().to_string();
    let (input, from) = (1, Vec::new());
    let end = Until::InputEnd { input, from };
    assert!(waits(true, Some(Until::Answer)).is_ok());
    let silent = complaint(true, None);
    assert!(silent.contains("speaks with an answer"), "{silent}");
    let silent = complaint(false, None);
    assert!(
        silent.contains("at the end of input 1, and did not"),
        "{silent}"
    );
    // Both go on telling when nothing waits any more.
    let wrong = complaint(false, Some(end));
    assert!(
        wrong.contains("the end of input 1, which has come"),
        "{wrong}"
    );
    let wrong = complaint(false, Some(Until::Answer));
    assert!(wrong.contains("though nothing is in flight"), "{wrong}");
}
