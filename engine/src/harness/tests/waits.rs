//! Processing time, and what is told of what waits.

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
