use millstream_engine::harness::Harness;
use proptest::prelude::*;

use super::*;
use crate::shape::paced;
use crate::testing::{Given, at, given_with_clocks, script};

/// One record in so long.
const MICROS: i64 = 5;

/// As there are tokens: a fifth of one comes with every microsecond.
fn naive(all: &[Given], burst: i64) -> String {
    let most = burst * MICROS;
    let (mut tokens, mut filled_at) = (most, 0);
    paced::tests::naive(all, |_, now| {
        tokens = (tokens + now - filled_at).min(most);
        filled_at = now;
        let passes = tokens >= MICROS;
        tokens -= if passes { MICROS } else { 0 };
        passes
    })
}

fn harness(burst: u32) -> Harness {
    let rate = RateLimit::new(1, Duration::from_micros(MICROS as u64)).with_burst(burst);
    paced::tests::harness(move || Throttle {
        bucket: rate.bucket(0, 1),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn records_go_on_as_there_are_tokens(all in given_with_clocks(30), burst in 1..5u32) {
        harness(burst).check(&[&script(&all)], &[&naive(&all, burst.into())]).unwrap();
    }
}

#[test]
fn what_waits_goes_on_evenly_and_holds_the_watermark() {
    let input = "a@1 b@2 ^2 c@3 ~4 ~5 ~9 ~10 d@4 ~12 ^4 ~15 |";
    let output = "a@1 b@2 ^2 c@3 d@4 ^4 |";
    harness(1).check(&[input], &[output]).unwrap();
}

#[test]
fn behind_a_restart_under_an_earlier_clock_the_next_waits_for_one_interval() {
    let rate = RateLimit::new(1, Duration::from_micros(MICROS as u64));
    for burst in 1..4 {
        let bucket = rate.with_burst(burst).bucket(0, 1);
        let mut gate = Throttle { bucket };
        gate.restore(3_600_000_000_000);
        gate.go_on(at(100));
        for n in 1..4 {
            assert_eq!(gate.opens(at(0)), at(100 + n * MICROS));
            gate.passed(gate.opens(at(0)));
        }
    }
}
