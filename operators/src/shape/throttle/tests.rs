use std::collections::VecDeque;

use millstream_engine::harness::Harness;
use proptest::prelude::*;

use super::*;
use crate::pipe::Identity;
use crate::process::tests::{Given, given, script};
use crate::shape::paced::Paced;

/// One record in so long.
const MICROS: i64 = 5;

/// What came, in order, as there are tokens: a fifth of one comes with every microsecond.
fn naive(all: &[Given], burst: i64) -> String {
    let (mut waiting, mut now, mut out) = (VecDeque::new(), 0, String::new());
    let mut tokens = burst * MICROS;
    let mut leave = |waiting: &mut VecDeque<Given>, tokens: &mut i64| {
        let mut passed = None;
        while let Some(given) = waiting.front() {
            match *given {
                Given::Watermark(time) => passed = Some(time),
                _ if *tokens < MICROS => break,
                Given::Record { key, op, time } => {
                    *tokens -= MICROS;
                    out += &format!("{key}={op}@{time} ");
                }
                Given::ProcessingTime(_) => {}
            }
            waiting.pop_front();
        }
        if let Some(passed) = passed {
            out += &format!("^{passed} ");
        }
    };
    for given in all {
        match *given {
            Given::ProcessingTime(time) => {
                tokens = (tokens + time - now).min(burst * MICROS);
                now = time;
            }
            given => waiting.push_back(given),
        }
        leave(&mut waiting, &mut tokens);
    }
    leave(&mut waiting, &mut { i64::MAX });
    out + "|"
}

fn harness(burst: u32) -> Harness {
    let rate = RateLimit::new(1, Duration::from_micros(MICROS as u64)).with_burst(burst);
    Harness::new(move |replica| {
        let bucket = rate.bucket(0, 1);
        // More room than in a flow: a script goes on whether there is room or not.
        Paced::new(
            Identity::<String>::new(),
            Throttle { bucket },
            usize::MAX,
            replica,
        )
    })
    .with_input(str::to_owned)
    .with_output(String::clone)
    .in_order()
    .telling_waits()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn records_go_on_as_there_are_tokens(all in given(30), burst in 1..5u32) {
        harness(burst).check(&[&script(&all)], &[&naive(&all, burst.into())]).unwrap();
    }
}

#[test]
fn what_waits_goes_on_evenly_and_holds_the_watermark() {
    let input = "a@1 b@2 ^2 c@3 ~4 ~5 ~9 ~10 d@4 ~12 ^4 ~15 |";
    let output = "a@1 b@2 ^2 c@3 d@4 ^4 |";
    harness(1).check(&[input], &[output]).unwrap();
}
