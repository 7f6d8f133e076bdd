use std::collections::BTreeMap;
use std::time::Duration;

use millstream_engine::harness::saved;
use millstream_engine::operator::Operator;
use millstream_engine::outbox::Outbox;
use millstream_engine::state::StateReader;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;
use crate::process::tests::{UnderTest, harness, under_test};
use crate::process::{Process, Timer, Turn};
use crate::testing::{Given, at, batch, given_with_clocks, micros, script, watermark};

/// How long each part lives.
const VALUE: i64 = 15;
const READ: i64 = 9;
const LIST: i64 = 7;
const MAP: i64 = 12;

#[derive(Default, Serialize, Deserialize)]
struct Parts {
    value: ValueState<i64>,
    read: ValueState<i64>,
    list: ListState<i64>,
    map: MapState<i64, i64>,
    /// Goes by for ever; kept while it is not 0.
    plain: u64,
}

crate::key_state!(Parts {
    value,
    read,
    list,
    map,
    plain,
});

/// Writes what a record says to, and tells what it sees.
#[derive(Clone)]
struct Looking;

impl Looking {
    fn look(parts: &mut Parts, turn: &mut Turn<'_, String, String>) {
        let value = parts.value.get(turn).copied();
        let read = parts.read.get(turn).copied();
        let list: Vec<i64> = parts.list.iter(turn).copied().collect();
        let map: Vec<(i64, i64)> = parts.map.iter(turn).map(|(k, v)| (*k, *v)).collect();
        turn.emit(shown(value, read, &list, &map));
    }
}

fn shown(value: Option<i64>, read: Option<i64>, list: &[i64], map: &[(i64, i64)]) -> String {
    format!("{value:?}/{read:?}/{list:?}/{map:?}").replace(' ', "")
}

impl Process<String, i64> for Looking {
    type State = Parts;
    type Out = String;

    fn state(&self) -> Parts {
        Parts {
            value: ValueState::with_ttl(Ttl::event_time(micros(VALUE))),
            read: ValueState::with_ttl(Ttl::processing_time(micros(READ)).refreshed_on_read()),
            list: ListState::with_ttl(Ttl::event_time(micros(LIST))),
            map: MapState::with_ttl(Ttl::event_time(micros(MAP)).refreshed_on_read()),
            plain: 0,
        }
    }

    fn on_record(&self, op: i64, parts: &mut Parts, turn: &mut Turn<'_, String, String>) {
        match op {
            0 | 1 => parts.value.set(op, turn),
            2 => parts.read.set(op, turn),
            3 | 4 => parts.list.push(op, turn),
            5 | 6 => parts.map.insert(op % 2, turn.time().as_micros(), turn),
            7 => _ = parts.map.remove(&1, turn),
            8 => turn.set_timer(Timer::EventTime(turn.time() + micros(10))),
            _ => parts.list.clear(),
        }
        Looking::look(parts, turn);
    }

    fn on_timer(&self, _: Timer, parts: &mut Parts, turn: &mut Turn<'_, String, String>) {
        Looking::look(parts, turn);
    }
}

/// Everything with the time it expires at, never dropped.
#[derive(Default)]
struct Kept {
    value: Option<(i64, i64)>,
    read: Option<(i64, i64)>,
    list: Vec<(i64, i64)>,
    map: BTreeMap<i64, (i64, i64)>,
}

impl Kept {
    fn write(&mut self, op: i64, time: i64, event: i64, processing: i64) {
        let later = |old: Option<i64>, new: i64| old.map_or(new, |old| old.max(new));
        match op {
            0 | 1 => {
                let expiry = later(self.value.map(|(_, e)| e), event + VALUE);
                self.value = Some((op, expiry));
            }
            2 => self.read = Some((op, processing + READ)),
            3 | 4 => self.list.push((op, event + LIST)),
            5 | 6 => {
                let before = self.map.get(&(op % 2)).map(|(_, e)| *e);
                self.map.insert(op % 2, (time, later(before, event + MAP)));
            }
            7 => _ = self.map.remove(&1),
            8 => {}
            _ => self.list.clear(),
        }
    }

    fn look(&mut self, event: i64, processing: i64) -> String {
        let read = self.read.filter(|(_, expiry)| *expiry > processing);
        self.read = read.map(|(value, _)| (value, processing + READ));
        let value = self.value.filter(|(_, expiry)| *expiry > event);
        let list = self.list.iter().filter(|(_, expiry)| *expiry > event);
        let mut map = Vec::new();
        for (entry, (value, expiry)) in &mut self.map {
            if *expiry > event {
                *expiry = (*expiry).max(event + MAP);
                map.push((*entry, *value));
            }
        }
        let list: Vec<i64> = list.map(|(value, _)| *value).collect();
        shown(value.map(|(v, _)| v), read.map(|(v, _)| v), &list, &map)
    }
}

fn naive(all: &[Given]) -> String {
    let (mut keys, mut timers, mut out) =
        (BTreeMap::<char, Kept>::new(), Vec::new(), String::new());
    let (mut passed, mut now) = (i64::MIN, 0);
    let go_off = |timers: &mut Vec<(i64, char)>, keys: &mut BTreeMap<char, Kept>, until, now| {
        timers.sort_unstable();
        timers.dedup();
        let due = timers.partition_point(|(time, _)| *time <= until);
        let gone_off: Vec<_> = timers.drain(..due).collect();
        let tell = |(time, key): (i64, char)| {
            let seen = keys.entry(key).or_default().look(time, now);
            format!("{key}={seen}@{time} ")
        };
        gone_off.into_iter().map(tell).collect::<String>()
    };
    for given in all {
        match *given {
            Given::Record {
                key,
                value: op,
                time,
            } => {
                let kept = keys.entry(key).or_default();
                let event = time.max(passed);
                kept.write(op, time, event, now);
                if op == 8 {
                    timers.push(((time + 10).max(passed), key));
                }
                out += &format!("{key}={}@{time} ", kept.look(event, now));
            }
            Given::Watermark(watermark) => {
                out += &go_off(&mut timers, &mut keys, watermark, now);
                out += &format!("^{watermark} ");
                passed = watermark;
            }
            Given::ProcessingTime(time) => now = time,
        }
    }
    out + &go_off(&mut timers, &mut keys, i64::MAX, now) + "|"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_has_expired_is_not_seen_in_any_mode(all in given_with_clocks(30)) {
        harness(Looking).check(&[&script(&all)], &[&naive(&all)]).unwrap();
    }

    #[test]
    fn what_has_expired_is_dropped_and_the_key_forgotten(all in given_with_clocks(60)) {
        let (mut operator, mut out) = under_test(Looking);
        for given in &all {
            match *given {
                Given::Record { key, value: op, time } => {
                    let record = (key.to_string(), op, time);
                    operator.on_batch(0, &mut batch([record]), &mut out).unwrap();
                }
                Given::Watermark(time) => _ = operator.on_watermark(watermark(time), &mut out).unwrap(),
                Given::ProcessingTime(_) => {}
            }
            let keys = operator.keys.iter().count();
            prop_assert!(operator.wheels.iter().all(|wheel| wheel.len() <= keys));
        }
        let last = 60 + VALUE.max(MAP).max(LIST) + 10;
        operator.on_watermark(watermark(last), &mut out).unwrap();
        prop_assert_eq!(operator.wheels[0].len(), 0);
        for (_, entry) in operator.keys.iter() {
            let next = entry.state.state.next_expiry();
            prop_assert!(next.event_time.is_none() && next.processing_time.is_some());
        }
    }
}

/// Remembers each value for a while.
#[derive(Clone)]
struct Many;

impl Process<String, i64> for Many {
    type State = MapState<i64, ()>;
    type Out = String;

    fn state(&self) -> Self::State {
        MapState::with_ttl(Ttl::event_time(micros(10)))
    }

    fn on_record(&self, n: i64, seen: &mut Self::State, turn: &mut Turn<'_, String, String>) {
        seen.insert(n, (), turn);
    }
}

fn watermarks_until_done(operator: &mut UnderTest<Many>, time: i64, out: &mut Outbox) {
    use millstream_engine::operator::Step;
    while operator.on_watermark(watermark(time), out).unwrap() == Step::More {}
}

#[test]
fn a_map_is_emptied_bit_by_bit_and_no_timer_is_left() {
    let (mut operator, mut out) = under_test(Many);
    let records = (0..50_000).map(|n| ("a".to_owned(), n, n % 100));
    operator.on_batch(0, &mut batch(records), &mut out).unwrap();
    assert_eq!(operator.wheels[0].len(), 1);
    let entries = |operator: &UnderTest<Many>| {
        let all = operator.keys.iter().map(|(_, entry)| &entry.state.state);
        all.map(|map| map.len()).sum::<usize>()
    };
    watermarks_until_done(&mut operator, 59, &mut out);
    assert_eq!(entries(&operator), 25_000);
    let state = saved(128, |state| operator.snapshot(state)).unwrap();
    (operator, _) = under_test(Many);
    operator
        .restore(&StateReader::new(&state, 128, 0, 1))
        .unwrap();
    assert_eq!((entries(&operator), operator.wheels[0].len()), (25_000, 1));
    watermarks_until_done(&mut operator, 109, &mut out);
    assert_eq!(operator.keys.iter().count(), 0);
    assert_eq!(operator.wheels[0].len(), 0);
}

#[test]
fn how_long_something_lives_is_told_in_words() {
    assert_eq!(format!("{:?}", Ttl::default()), "for ever");
    assert_eq!(
        format!("{:?}", Ttl::processing_time(Duration::from_secs(1))),
        "1s of processing time"
    );
    assert_eq!(
        format!("{:?}", Ttl::event_time(Duration::ZERO)),
        "1µs of event time"
    );
    let clocks = Clocks {
        event_time: at(5),
        processing_time: at(7),
    };
    let (event, processing) = (
        Ttl::event_time(micros(10)),
        Ttl::processing_time(micros(10)),
    );
    assert_eq!(
        (event.expiry(&clocks), processing.expiry(&clocks)),
        (at(15), at(17))
    );
    assert!(event.is_live(at(6), &clocks) && !processing.is_live(at(7), &clocks));
    let most = Ttl::event_time(Duration::MAX).expiry(&clocks);
    assert!(most > at(i64::MAX / 8));
}

/// Says later, by the wall clock, what it heard.
#[derive(Clone)]
struct Later;

impl Process<String, i64> for Later {
    type State = ValueState<i64>;
    type Out = i64;

    fn state(&self) -> Self::State {
        ValueState::with_ttl(Ttl::event_time(micros(10)))
    }

    fn on_record(&self, n: i64, heard: &mut Self::State, turn: &mut Turn<'_, String, i64>) {
        heard.set(n, turn);
        turn.set_timer(Timer::ProcessingTime(
            turn.processing_time() + micros(1_000),
        ));
    }

    fn on_timer(&self, _: Timer, heard: &mut Self::State, turn: &mut Turn<'_, String, i64>) {
        turn.emit(heard.get(turn).copied().unwrap_or(-1));
    }
}

#[test]
fn the_wall_clock_does_not_let_expire_what_lives_by_event_time() {
    harness(Later)
        .check(
            &["a=1@5 ~1000 a=2@6 ^15 ~2000 a=3@16 ^26 ~3000 |"],
            &["a=1@1000 ^15 a=2@15 ^26 a=-1@26 |"],
        )
        .unwrap();
}
