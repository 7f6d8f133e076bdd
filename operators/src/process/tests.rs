use std::collections::{BTreeMap, BTreeSet};

use millstream_engine::batch::{AnyBatch, Batch, Record};
use millstream_engine::harness::{Harness, Script, saved};
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::Outbox;
use millstream_engine::runtime::Instant;
use millstream_engine::state::StateReader;
use millstream_engine::time::{Timestamp, Watermark};
use proptest::prelude::*;

use super::*;
use crate::testing::{at, entry, show};

pub(super) fn harness<P: Process<String, i64>>(process: P) -> Harness
where
    P::Out: std::fmt::Display,
{
    Harness::new(move |replica| Processing::new(process.clone(), &replica.vertex))
        .with_keyed_input(entry)
        .with_output(show::<P::Out>)
}

/// What comes, one thing after the other.
#[derive(Clone, Copy, Debug)]
pub(super) enum Given {
    Record { key: char, op: i64, time: i64 },
    Watermark(i64),
    ProcessingTime(i64),
}

/// Records of three keys, in any order and late as well, while both clocks rise.
pub(super) fn given(most: usize) -> impl Strategy<Value = Vec<Given>> {
    let record = (proptest::char::range('a', 'c'), 0..10i64, -60..60i64)
        .prop_map(|(key, op, time)| Given::Record { key, op, time });
    let step = prop_oneof![
        6 => record,
        2 => (-60..60i64).prop_map(Given::Watermark),
        1 => (0..40i64).prop_map(Given::ProcessingTime),
    ];
    proptest::collection::vec(step, 0..most).prop_map(|mut all| {
        let (mut watermark, mut now) = (i64::MIN, i64::MIN);
        all.retain(|given| {
            let (clock, time) = match given {
                Given::Record { .. } => return true,
                Given::Watermark(time) => (&mut watermark, *time),
                Given::ProcessingTime(time) => (&mut now, *time),
            };
            let rises = time > *clock;
            *clock = time.max(*clock);
            rises
        });
        all
    })
}

pub(super) fn script(all: &[Given]) -> String {
    let text = |given: &Given| match given {
        Given::Record { key, op, time } => format!("{key}={op}@{time} "),
        Given::Watermark(time) => format!("^{time} "),
        Given::ProcessingTime(time) => format!("~{time} "),
    };
    all.iter().map(text).collect::<String>() + "|"
}

/// What a call is about.
#[derive(Clone, Copy)]
enum Event {
    Record(i64),
    Timer(Timer),
    End,
}

enum Act {
    Emit(String),
    Set(Timer),
    Cancel(Timer),
}

type Count = Option<u64>;

/// A process that does a bit of everything, apart from what runs it: `time` and `now` are what its turn says.
fn react(event: Event, count: &mut Count, time: i64, now: i64) -> Vec<Act> {
    use Act::{Cancel, Emit, Set};
    let event_timer = |time| Timer::EventTime(at(time));
    let processing_timer = |time| Timer::ProcessingTime(at(time));
    let n = count.unwrap_or(0);
    match event {
        Event::Record(op) => {
            *count = (op != 0).then_some(n + 1);
            let mut acts = match op {
                1 => vec![Set(event_timer(time + 5))],
                2 => vec![Set(event_timer(time + 30))],
                3 => vec![Set(event_timer(time - 20))],
                4 => vec![Cancel(event_timer(time + 5))],
                5 => vec![Set(processing_timer(now + 3))],
                6 => vec![Set(processing_timer(now - 2))],
                7 => vec![Cancel(processing_timer(now + 3))],
                8 => vec![Set(processing_timer(now + 20)), Set(event_timer(time + 30))],
                _ => vec![],
            };
            acts.push(Emit(format!("record:{n}")));
            acts
        }
        Event::Timer(Timer::EventTime(timer)) => {
            let micros = timer.as_micros();
            let mut acts = vec![Emit(format!("event:{micros}:{n}"))];
            if micros % 3 == 0 && n < 12 {
                *count = Some(n + 3);
                acts.extend([Set(event_timer(micros + 4)), Set(event_timer(micros - 50))]);
                acts.push(Cancel(event_timer(micros + 5)));
            }
            acts
        }
        Event::Timer(Timer::ProcessingTime(timer)) => {
            let micros = timer.as_micros();
            let mut acts = vec![Emit(format!("processing:{micros}:{n}"))];
            if micros % 2 == 0 && n < 12 {
                *count = Some(n + 5);
                acts.extend([
                    Set(processing_timer(micros + 1)),
                    Set(event_timer(time + 2)),
                ]);
            }
            acts
        }
        Event::End => vec![Emit(format!("end:{n}"))],
    }
}

#[derive(Clone)]
struct Reacting;

impl Reacting {
    fn act(event: Event, count: &mut Count, turn: &mut Turn<'_, String, String>) {
        let (time, now) = (turn.time().as_micros(), turn.processing_time().as_micros());
        for act in react(event, count, time, now) {
            match act {
                Act::Emit(text) => turn.emit(text),
                Act::Set(timer) => turn.set_timer(timer),
                Act::Cancel(timer) => _ = turn.cancel_timer(timer),
            }
        }
    }
}

impl Process<String, i64> for Reacting {
    type State = Count;
    type Out = String;

    fn on_record(&self, op: i64, count: &mut Count, turn: &mut Turn<'_, String, String>) {
        Reacting::act(Event::Record(op), count, turn);
    }

    fn on_timer(&self, timer: Timer, count: &mut Count, turn: &mut Turn<'_, String, String>) {
        Reacting::act(Event::Timer(timer), count, turn);
    }

    fn on_end(&self, count: &mut Count, turn: &mut Turn<'_, String, String>) {
        assert!(turn.has_ended());
        Reacting::act(Event::End, count, turn);
    }
}

/// All timers in a set, and the first of it looked up each time.
#[derive(Default)]
struct Naive {
    counts: BTreeMap<char, Count>,
    event: BTreeSet<(i64, char)>,
    processing: BTreeSet<(i64, char)>,
    watermark: Option<i64>,
    now: i64,
    out: String,
}

impl Naive {
    fn turn(&mut self, key: char, event: Event, time: i64, first: (i64, i64)) {
        for act in react(event, self.counts.entry(key).or_default(), time, self.now) {
            let tick = |timer: Timer| timer.time().as_micros();
            match act {
                Act::Emit(text) => self.out += &format!("{key}={text}@{time} "),
                Act::Set(timer @ Timer::EventTime(_)) => {
                    self.event.insert((tick(timer).max(first.0), key));
                }
                Act::Set(timer) => {
                    self.processing.insert((tick(timer).max(first.1), key));
                }
                Act::Cancel(timer @ Timer::EventTime(_)) => {
                    self.event.remove(&(tick(timer), key));
                }
                Act::Cancel(timer) => _ = self.processing.remove(&(tick(timer), key)),
            }
        }
    }

    fn passed(&self) -> i64 {
        self.watermark.unwrap_or(i64::MIN)
    }

    fn event_timers(&mut self, until: i64) {
        while let Some((time, key)) = self.event.first().copied()
            && time <= until
        {
            self.event.pop_first();
            let event = Event::Timer(Timer::EventTime(at(time)));
            self.turn(key, event, time, (time, self.now));
        }
    }

    fn run(mut self, all: &[Given]) -> String {
        for given in all {
            match *given {
                Given::Record { key, op, time } => {
                    let first = (self.passed(), self.now);
                    self.turn(key, Event::Record(op), time, first);
                }
                Given::Watermark(watermark) => {
                    self.event_timers(watermark);
                    self.watermark = Some(watermark);
                    self.out += &format!("^{watermark} ");
                }
                Given::ProcessingTime(now) => {
                    self.now = now;
                    while let Some((time, key)) = self.processing.first().copied()
                        && time <= now
                    {
                        self.processing.pop_first();
                        let event = Event::Timer(Timer::ProcessingTime(at(time)));
                        let stamp = self.watermark.unwrap_or(now);
                        self.turn(key, event, stamp, (self.passed(), time));
                    }
                }
            }
        }
        self.event_timers(i64::MAX);
        let left: Vec<char> = self
            .counts
            .iter()
            .filter(|(_, n)| n.is_some())
            .map(|(key, _)| *key)
            .collect();
        for key in left {
            self.turn(key, Event::End, self.watermark.unwrap_or(self.now), (0, 0));
        }
        self.out + "|"
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn timers_equal_the_naive_ones_in_every_mode(all in given(30)) {
        let expected = Naive::default().run(&all);
        harness(Reacting).check(&[&script(&all)], &[&expected]).unwrap();
    }
}

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

pub(super) type UnderTest<P> = Processing<String, i64, P>;

pub(super) fn under_test<P: Process<String, i64>>(process: P) -> (UnderTest<P>, Outbox) {
    let out = Outbox::new(vec![
        PortMaker::moving::<Keyed<String, P::Out>>().make_single(),
    ]);
    (Processing::new(process, &"under-test".into()), out)
}

pub(super) fn batch(records: impl Iterator<Item = (String, i64, i64)>) -> AnyBatch {
    let mut batch = Batch::new(Instant::from_nanos(0));
    batch.records = records
        .map(|(key, value, time)| Record {
            time: at(time),
            value: Keyed::new(key, value),
        })
        .collect();
    AnyBatch::new(batch)
}

pub(super) fn watermark(time: i64) -> Watermark {
    Watermark {
        time: at(time),
        arrival: Instant::from_nanos(0),
    }
}

#[test]
fn timers_that_set_each_other_for_ever_let_the_task_go_on() {
    let process = Endless {
        after: 0,
        minds_the_end: false,
    };
    let (mut operator, mut out) = under_test(process);
    operator
        .on_batch(
            0,
            &mut batch([("a".to_owned(), 0, 0)].into_iter()),
            &mut out,
        )
        .unwrap();
    for _ in 0..3 {
        assert_eq!(
            operator.on_watermark(watermark(5), &mut out).unwrap(),
            Step::More
        );
    }
}

/// Takes what is in the outbox; says how many records of how many batches.
fn sent(out: &mut Outbox) -> (usize, usize) {
    let mut sealed = Vec::new();
    for port in out.ports_mut() {
        port.seal_all();
        port.take_sealed(&mut sealed);
    }
    (
        sealed.iter().map(|sealed| sealed.batch.len()).sum(),
        sealed.len(),
    )
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

#[test]
fn the_text_of_the_naive_model_is_a_script() {
    let all = [
        Given::Record {
            key: 'a',
            op: 1,
            time: -3,
        },
        Given::Watermark(1),
        Given::ProcessingTime(2),
    ];
    assert_eq!(script(&all), "a=1@-3 ^1 ~2 |");
    let text = Naive::default().run(&all);
    assert!(
        text.parse::<Script>().is_ok() && text.contains("a=event:2:1@2"),
        "{text}"
    );
    assert_eq!(Timestamp::EPOCH, at(0));
}
