use std::collections::{BTreeMap, BTreeSet};

use millstream_engine::harness::{Harness, Script};
use millstream_engine::time::Timestamp;
use proptest::prelude::*;

use crate::late::LateRecords;
use crate::process::operator::Processing;
use crate::process::{Process, Timer, Turn};
use crate::testing::{Given, at, entry, given_with_clocks, script, show};

pub(crate) fn harness<P: Process<String, i64>>(process: P) -> Harness
where
    P::Out: std::fmt::Display,
{
    harness_with(process, LateRecords::Taken)
}

pub(crate) fn harness_with<P: Process<String, i64>>(process: P, late: LateRecords) -> Harness
where
    P::Out: std::fmt::Display,
{
    Harness::new(move |replica| Processing::new(process.clone(), &replica.vertex, late))
        .telling_waits()
        .with_keyed_input(entry)
        .with_output(show::<P::Out>)
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
                Given::Record {
                    key,
                    value: op,
                    time,
                } => {
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
                        self.turn(key, event, stamp, (self.passed(), now + 1));
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
    fn timers_equal_the_naive_ones_in_every_mode(all in given_with_clocks(30)) {
        let expected = Naive::default().run(&all);
        harness(Reacting).check(&[&script(&all)], &[&expected]).unwrap();
    }
}

#[test]
fn the_text_of_the_naive_model_is_a_script() {
    let all = [
        Given::Record {
            key: 'a',
            value: 1,
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
