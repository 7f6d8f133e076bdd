use std::time::Duration;

use millstream_engine::harness::saved;
use millstream_engine::key::Keyed;
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::Outbox;
use millstream_engine::state::StateReader;

use super::harness;
use crate::late::LateRecords;
use crate::process::operator::Processing;
use crate::process::{Process, Timer, Turn};
use crate::testing::{at, batch, outbox, sent, watermark};

/// Asks for timers, and says when they go off.
#[derive(Clone)]
struct Alarm(Duration);

impl Process<String, i64> for Alarm {
    type State = u64;
    type Out = i64;

    fn on_record(&self, after: i64, _: &mut u64, turn: &mut Turn<'_, String, i64>) {
        turn.set_timer(Timer::EventTime(at(turn.time().as_micros() + after)));
    }

    fn on_timer(&self, timer: Timer, _: &mut u64, turn: &mut Turn<'_, String, i64>) {
        turn.emit(timer.time().as_micros());
    }

    fn timer_resolution(&self) -> Duration {
        self.0
    }
}

#[test]
fn timers_of_one_time_are_one_and_go_off_in_order() {
    harness(Alarm(Duration::from_micros(1)))
        .in_order()
        .check(
            &["a=5@1 a=4@2 a=1@2 a=9@-9 ^2 a=1@1 ^5 ^6 a=40@7 |"],
            &["a=0@0 ^2 a=2@2 a=3@3 ^5 a=6@6 ^6 a=47@47 |"],
        )
        .unwrap();
}

#[test]
fn a_coarse_resolution_makes_fewer_timers() {
    harness(Alarm(Duration::from_micros(10)))
        .check(
            &["a=5@1 a=4@2 a=7@2 a=0@10 b=1@10 ^9 ^10 ^12 a=1@1 ^19 ^20 |"],
            &["^9 a=10@10 ^10 ^12 ^19 a=20@20 b=20@20 ^20 |"],
        )
        .unwrap();
}

/// Sets the next timer for ever.
#[derive(Clone)]
struct Endless {
    after: i64,
    minds_the_end: bool,
}

impl Process<String, i64> for Endless {
    type State = u64;
    type Out = String;

    fn on_record(&self, _: i64, _: &mut u64, turn: &mut Turn<'_, String, String>) {
        turn.set_timer(Timer::EventTime(turn.time()));
    }

    fn on_timer(&self, timer: Timer, _: &mut u64, turn: &mut Turn<'_, String, String>) {
        if !(self.minds_the_end && turn.has_ended()) {
            turn.set_timer(Timer::EventTime(at(timer.time().as_micros() + self.after)));
        }
        if self.minds_the_end {
            turn.emit("tick".to_owned());
        }
    }
}

#[test]
fn every_tick_a_watermark_jumps_over_is_given() {
    let process = Endless {
        after: 10,
        minds_the_end: true,
    };
    harness(process)
        .in_order()
        .check(
            &["a=0@5 ^7 ^38 |"],
            &["a=tick@5 ^7 a=tick@15 a=tick@25 a=tick@35 ^38 a=tick@45 |"],
        )
        .unwrap();
}

#[test]
fn timers_that_never_end_are_an_error_at_the_end() {
    let process = Endless {
        after: 10,
        minds_the_end: false,
    };
    let error = harness(process)
        .outcome(&["a=0@5 |"])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`under-test` go on setting timers"),
        "{error}"
    );
}

pub(in crate::process) type UnderTest<P> = Processing<String, i64, P>;

pub(in crate::process) fn under_test<P: Process<String, i64>>(
    process: P,
) -> (UnderTest<P>, Outbox) {
    let processing = Processing::new(process, &"under-test".into(), LateRecords::Taken);
    (processing, outbox::<Keyed<String, P::Out>>())
}

#[test]
fn timers_that_set_each_other_for_one_moment_for_ever_are_an_error() {
    let process = Endless {
        after: 0,
        minds_the_end: false,
    };
    let (mut operator, mut out) = under_test(process);
    operator
        .on_batch(0, &mut batch([("a".to_owned(), 0i64, 0)]), &mut out)
        .unwrap();
    let mut steps = std::iter::repeat_with(|| operator.on_watermark(watermark(5), &mut out));
    let error = steps.by_ref().take(100).find_map(Result::err).unwrap();
    let error = error.to_string();
    assert!(error.contains("setting timers for that moment"), "{error}");
}

/// Sets a timer for now whenever it is called, of the domain at hand; so many times.
#[derive(Clone)]
struct Again {
    domain: fn(&Turn<'_, String, u64>) -> Timer,
    times: u64,
}

impl Process<String, i64> for Again {
    type State = u64;
    type Out = u64;

    fn on_record(&self, _: i64, _: &mut u64, turn: &mut Turn<'_, String, u64>) {
        turn.set_timer((self.domain)(turn));
    }

    fn on_timer(&self, _: Timer, so_far: &mut u64, turn: &mut Turn<'_, String, u64>) {
        *so_far += 1;
        if *so_far < self.times {
            turn.set_timer((self.domain)(turn));
        } else {
            turn.emit(std::mem::take(so_far));
        }
    }
}

#[test]
fn a_timer_may_set_the_next_for_its_own_moment_many_times() {
    let process = Again {
        domain: |turn| Timer::EventTime(turn.time()),
        times: 2_000,
    };
    harness(process)
        .check(&["a=0@5 b=0@5 ^7 |"], &["a=2000@5 b=2000@5 ^7 |"])
        .unwrap();
}

#[test]
fn a_timer_set_for_now_by_another_waits_for_the_next_round() {
    let process = Again {
        domain: |turn| Timer::ProcessingTime(turn.processing_time()),
        times: 3,
    };
    harness(process)
        .check(&["a=0@0 ~1 ~2 ~3 ~4 |"], &["a=3@3 |"])
        .unwrap();
}

#[test]
fn a_round_of_timers_ends_though_the_clock_goes_on_and_all_are_set_anew() {
    const KEYS: i64 = 10_000;
    let process = Again {
        domain: |turn| Timer::ProcessingTime(turn.processing_time()),
        times: u64::MAX,
    };
    let (mut operator, mut out) = under_test(process);
    let records = (0..KEYS).map(|n| (n.to_string(), 0i64, 0));
    operator.on_batch(0, &mut batch(records), &mut out).unwrap();
    let mut now = operator.next_timer().unwrap().as_micros();
    for _ in 0..3 {
        let began = now;
        while operator.tick(at(now), &mut out).unwrap() == Step::More {
            now += 1;
            assert!(now < began + 5, "the round has no end");
        }
        assert!(operator.next_timer() > Some(at(began)));
        now += 1;
    }
    let calls = operator.keys.iter().map(|(_, entry)| entry.state.state);
    assert_eq!(calls.sum::<u64>(), 3 * KEYS as u64);
}

#[test]
fn many_timers_go_off_in_steps_and_a_snapshot_between_loses_none() {
    const KEYS: i64 = 100_000;
    let exact = Alarm(Duration::from_micros(1));
    let (mut operator, mut out) = under_test(exact.clone());
    for first in (0..KEYS).step_by(1_000) {
        let records = (first..first + 1_000).map(|n| (n.to_string(), n % 500, 0));
        operator.on_batch(0, &mut batch(records), &mut out).unwrap();
    }
    assert_eq!(operator.keys.iter().count(), KEYS as usize);
    let (mut gone_off, mut steps) = (0, 0);
    loop {
        let step = operator.on_watermark(watermark(249), &mut out).unwrap();
        let (records, batches) = sent(&mut out);
        assert!(batches <= 17);
        gone_off += records;
        steps += 1;
        if step == Step::Done {
            break;
        }
        if steps == 3 {
            let state = saved(128, |state| operator.snapshot(state)).unwrap();
            (operator, _) = under_test(exact.clone());
            operator
                .restore(&StateReader::new(&state, 128, 0, 1))
                .unwrap();
        }
    }
    assert_eq!(gone_off, KEYS as usize / 2);
    assert_eq!(
        operator.keys.iter().count(),
        KEYS as usize / 2,
        "keys without state and timers are forgotten"
    );
    while operator.on_end(&mut out).unwrap() == Step::More {
        gone_off += sent(&mut out).0;
    }
    gone_off += sent(&mut out).0;
    assert_eq!((gone_off, operator.keys.iter().count()), (KEYS as usize, 0));
}
