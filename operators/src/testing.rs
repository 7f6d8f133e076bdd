//! What the tests of this crate share.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use millstream_engine::batch::{AnyBatch, Batch, Record};
use millstream_engine::harness::{Harness, Item, Script, saved};
use millstream_engine::key::Keyed;
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{Outbox, PortMaker, Sealed};
use millstream_engine::runtime::Instant;
use millstream_engine::state::StateReader;
use millstream_engine::time::{Timestamp, Watermark};
use proptest::prelude::*;

use crate::keyed::Key;
use crate::late::LATE;
use crate::{WindowAssigner, WindowResult};

/// Reads `key=value`.
pub(crate) fn entry(text: &str) -> (String, i64) {
    let (key, value) = text.split_once('=').unwrap();
    (key.to_owned(), value.parse().unwrap())
}

/// Shows `key=value`.
pub(crate) fn show<V: Display>(keyed: &Keyed<String, V>) -> String {
    format!("{}={}", keyed.key, keyed.value)
}

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub(crate) fn micros(n: i64) -> Duration {
    Duration::from_micros(n.unsigned_abs())
}

/// A batch of keyed records: key, value, time.
pub(crate) fn batch<K: Key, V: Send + 'static>(
    records: impl IntoIterator<Item = (K, V, i64)>,
) -> AnyBatch {
    let mut batch = Batch::new(Instant::from_nanos(0));
    let records = records.into_iter().map(|(key, value, time)| Record {
        time: at(time),
        value: Keyed::new(key, value),
    });
    batch.records.extend(records);
    AnyBatch::new(batch)
}

pub(crate) fn watermark(time: i64) -> Watermark {
    Watermark {
        time: at(time),
        arrival: Instant::from_nanos(0),
    }
}

/// An outbox with one port of `U`s.
pub(crate) fn outbox<U: Send + 'static>() -> Outbox {
    Outbox::new(vec![PortMaker::moving::<U>().make_single()])
}

/// An outbox with a port of `U`s, and one of late records.
pub(crate) fn outbox_with_late<U: Send + 'static, T: Send + 'static>() -> Outbox {
    Outbox::new(vec![
        PortMaker::moving::<U>().make_single(),
        PortMaker::moving::<T>().make_single(),
    ])
}

/// The batches that are in the outbox at a port.
pub(crate) fn batches(out: &mut Outbox, port: usize) -> Vec<Sealed> {
    let mut sealed = Vec::new();
    let port = &mut out.ports_mut()[port];
    port.seal_all();
    port.take_sealed(&mut sealed);
    sealed
}

/// The records that are in the outbox at a port, and how many batches that is.
pub(crate) fn records_of<T: Send + 'static>(
    out: &mut Outbox,
    port: usize,
) -> (Vec<Record<T>>, usize) {
    let (mut all, mut records) = (batches(out, port), Vec::new());
    for sealed in &mut all {
        records.append(&mut sealed.batch.of::<T>().unwrap().records);
    }
    (records, all.len())
}

/// The results that are in the outbox, and how many batches that is.
pub(crate) fn collect<U: Send + 'static>(out: &mut Outbox) -> (Vec<U>, usize) {
    let (records, batches) = records_of::<U>(out, 0);
    let values = records.into_iter().map(|record| record.value);
    (values.collect(), batches)
}

/// The late records that are in the outbox, with their times.
pub(crate) fn collect_late<T: Send + 'static>(out: &mut Outbox) -> Vec<(T, Timestamp)> {
    let (records, _) = records_of::<T>(out, LATE);
    let late = records.into_iter();
    late.map(|record| (record.value, record.time)).collect()
}

/// How many results are in the outbox, and how many batches that is; they are gone then.
pub(crate) fn sent(out: &mut Outbox) -> (usize, usize) {
    let all = batches(out, 0);
    (all.iter().map(|sealed| sealed.batch.len()).sum(), all.len())
}

/// What the operator says at a watermark, a few at a time; between two steps it is saved and made anew.
pub(crate) fn in_steps<U, O>(
    mut operator: O,
    out: &mut Outbox,
    time: i64,
    make: impl Fn() -> O,
) -> (Vec<U>, usize, O)
where
    U: Send + 'static,
    O: Operator,
{
    let (mut all, mut steps) = (Vec::new(), 0);
    loop {
        let step = operator.on_watermark(watermark(time), out).unwrap();
        let (values, batches) = collect::<U>(out);
        assert!(batches <= 17, "it went on when its outbox was full");
        all.extend(values);
        steps += 1;
        if step == Step::Done {
            return (all, steps, operator);
        }
        let mut state = saved(128, |state| operator.snapshot(state)).unwrap();
        state.frontier = Some(at(time));
        operator = make();
        operator
            .restore(&StateReader::new(&state, 128, 0, 1))
            .unwrap();
    }
}

/// What comes, one thing after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Given {
    Record { key: char, value: i64, time: i64 },
    Watermark(i64),
    ProcessingTime(i64),
}

/// Records of three keys around the epoch, in any order, between watermarks that rise.
pub(crate) fn given(most: usize) -> impl Strategy<Value = Vec<Given>> {
    between_watermarks(most, 60, 5)
}

/// The same with times at most so far from the epoch, and more watermarks: with few of them, a record often has the time
/// of a watermark.
pub(crate) fn given_within(most: usize, furthest: i64) -> impl Strategy<Value = Vec<Given>> {
    between_watermarks(most, furthest, 3)
}

fn between_watermarks(
    most: usize,
    furthest: i64,
    records: u32,
) -> impl Strategy<Value = Vec<Given>> {
    let times = -furthest..furthest;
    let record = (proptest::char::range('a', 'c'), 0..9i64, times.clone())
        .prop_map(|(key, value, time)| Given::Record { key, value, time });
    let watermark = times.prop_map(Given::Watermark);
    proptest::collection::vec(prop_oneof![records => record, 1 => watermark], 0..most)
        .prop_map(rising)
}

/// The same without late records.
pub(crate) fn given_in_time(most: usize) -> impl Strategy<Value = Vec<Given>> {
    given(most).prop_map(|mut all| {
        let mut watermark = i64::MIN;
        for given in &mut all {
            match given {
                Given::Record { time, .. } => *time = watermark.max(*time),
                Given::Watermark(time) => watermark = *time,
                Given::ProcessingTime(_) => {}
            }
        }
        all
    })
}

/// Records of three keys, in any order and late as well, while both clocks rise.
pub(crate) fn given_with_clocks(most: usize) -> impl Strategy<Value = Vec<Given>> {
    let record = (proptest::char::range('a', 'c'), 0..10i64, -60..60i64)
        .prop_map(|(key, value, time)| Given::Record { key, value, time });
    let step = prop_oneof![
        6 => record,
        2 => (-60..60i64).prop_map(Given::Watermark),
        1 => (0..40i64).prop_map(Given::ProcessingTime),
    ];
    proptest::collection::vec(step, 0..most).prop_map(rising)
}

/// Without the steps of a clock that would set it back.
fn rising(mut all: Vec<Given>) -> Vec<Given> {
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
}

/// What was given, as text, with the end.
pub(crate) fn script(given: &[Given]) -> String {
    let mut items: Vec<_> = given
        .iter()
        .map(|given| match *given {
            Given::Record { key, value, time } => Item::Record(format!("{key}={value}"), at(time)),
            Given::Watermark(time) => Item::Watermark(at(time)),
            Given::ProcessingTime(time) => Item::ProcessingTime(at(time)),
        })
        .collect();
    items.push(Item::End);
    Script { items }.to_string()
}

/// A harness of windows that speak once: it reads `key=value`, and shows `key:start..:value` and the late records.
pub(crate) fn of_windows<V: Send + 'static>(
    harness: Harness,
    show_value: fn(&V) -> String,
) -> Harness {
    let harness = harness.with_keyed_input(entry);
    let harness = harness.with_output(move |result: &Keyed<String, WindowResult<String, V>>| {
        let WindowResult {
            key, window, value, ..
        } = &result.value;
        assert_eq!(key, &result.key);
        format!("{key}:{}..:{}", window.start.as_micros(), show_value(value))
    });
    harness.with_output(show::<i64>)
}

/// How many there are, and their sum.
pub(crate) fn count_and_sum(values: &[i64]) -> String {
    format!("{}:{}", values.len(), values.iter().sum::<i64>())
}

/// The highest.
pub(crate) fn highest(values: &[i64]) -> String {
    values.iter().max().map_or(String::new(), i64::to_string)
}

/// Windows that speak once, naively: all values of every one that holds some, and the late records.
pub(crate) fn naive_windows(
    all: &[Given],
    windows: impl WindowAssigner,
    show: fn(&[i64]) -> String,
) -> (String, String) {
    let mut open: BTreeMap<(Timestamp, Timestamp, char), Vec<i64>> = BTreeMap::new();
    let (mut results, mut late) = (String::new(), String::new());
    let mut watermark = Timestamp::MIN;
    let mut close = |open: &mut BTreeMap<_, Vec<i64>>, watermark: Timestamp| {
        open.retain(|(end, start, key): &(Timestamp, Timestamp, char), values| {
            if *end <= watermark {
                let (start, last) = (start.as_micros(), end.as_micros() - 1);
                results += &format!("{key}:{start}..:{}@{last} ", show(values));
            }
            *end > watermark
        });
    };
    for given in all {
        match *given {
            Given::Record { key, value, time } => {
                let (mut any, mut taken) = (false, false);
                windows.assign(at(time), &mut |window| {
                    any = true;
                    if window.end > watermark {
                        taken = true;
                        open.entry((window.end, window.start, key))
                            .or_default()
                            .push(value);
                    }
                });
                if any && !taken {
                    late += &format!("{key}={value}@{time} ");
                }
            }
            Given::Watermark(time) => {
                watermark = at(time);
                close(&mut open, watermark);
            }
            Given::ProcessingTime(_) => {}
        }
    }
    close(&mut open, Timestamp::MAX);
    (results + "|", late + "|")
}
