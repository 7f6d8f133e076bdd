use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::testing::{Given, at, batch, given_in_time, outbox, records_of, sent, watermark};

type Merged = Keyed<char, Vec<i64>>;

/// What has been put out: key, numbers, time.
fn collect(out: &mut Outbox) -> Vec<(char, Vec<i64>, Timestamp)> {
    let records = records_of::<Merged>(out, 0).0.into_iter();
    let all = records.map(|record| (record.value.key, record.value.value, record.time));
    all.collect()
}

fn record(key: char, value: i64, time: i64) -> AnyBatch {
    batch([(key, vec![value], time)])
}

proptest! {
    #[test]
    fn what_goes_on_is_all_that_came_in_time_and_in_order(
        all in given_in_time(40), flushed in proptest::collection::vec(any::<bool>(), 40),
    ) {
        let merge = |held: &mut Vec<i64>, next: Vec<i64>| held.extend(next);
        let (mut operator, mut out) = (Conflate::<char, Vec<i64>, _>::new(merge), outbox::<Merged>());
        let (mut came, mut left) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, Vec<_>>::new());
        let mut passed = Timestamp::MIN;
        for (given, flushed) in all.iter().zip(flushed) {
            match *given {
                Given::Record { key, value, time } => {
                    came.entry(key).or_default().push((value, at(time)));
                    operator.on_batch(0, &mut record(key, value, time), &mut out).unwrap();
                }
                Given::Watermark(time) => {
                    operator.on_watermark(watermark(time), &mut out).unwrap();
                    prop_assert!(operator.held.iter().all(|held| held.state.0 >= at(time)));
                }
                Given::ProcessingTime(_) => {}
            }
            if flushed {
                operator.on_flush(&mut out).unwrap();
                prop_assert_eq!(operator.held.len(), 0);
            }
            for (key, numbers, time) in collect(&mut out) {
                prop_assert!(time >= passed, "late: {time} behind {passed}");
                let left: &mut Vec<i64> = left.entry(key).or_default();
                let merged = &came[&key][left.len()..][..numbers.len()];
                prop_assert_eq!(merged.iter().map(|(_, time)| *time).max(), Some(time));
                left.extend(numbers);
            }
            if let Given::Watermark(time) = *given {
                passed = at(time);
            }
        }
        operator.on_end(&mut out).unwrap();
        for (key, numbers, _) in collect(&mut out) {
            left.entry(key).or_default().extend(numbers);
        }
        for (key, came) in came {
            let came: Vec<_> = came.into_iter().map(|(value, _)| value).collect();
            prop_assert_eq!(Some(&came), left.get(&key));
        }
    }
}

/// 4 KiB: seven fill a batch, and some hundred the outbox.
type Large = [u64; 512];

type OfLarge = Conflate<i64, Large, fn(&mut Large, Large)>;

fn merge(held: &mut Large, next: Large) {
    held[0] += next[0];
}

fn keys(keys: std::ops::Range<i64>) -> AnyBatch {
    batch(keys.map(|key| (key, [1u64; 512], key)))
}

#[test]
fn it_stops_at_a_full_outbox_and_goes_on() {
    type Step_ = fn(&mut Conflate<i64, Large, fn(&mut Large, Large)>, &mut Outbox) -> Result<Step>;
    let all: [(Step_, usize); 3] = [
        (|conflate, out| conflate.on_flush(out), 0),
        (|conflate, out| conflate.on_end(out), 0),
        (
            |conflate, out| conflate.on_watermark(watermark(600), out),
            400,
        ),
    ];
    for (step, stay) in all {
        let mut out = outbox::<Keyed<i64, Large>>();
        let mut conflate = OfLarge::new(merge);
        conflate.on_batch(0, &mut keys(0..1_000), &mut out).unwrap();
        assert_eq!(sent(&mut out), (0, 0));
        let (mut left, mut steps) = (0, 0);
        loop {
            let more = step(&mut conflate, &mut out).unwrap();
            let (records, batches) = sent(&mut out);
            assert!(batches <= 17, "{batches} batches in one step");
            (left, steps) = (left + records, steps + 1);
            if more == Step::Done {
                break;
            }
        }
        assert_eq!((left, conflate.held.len()), (1_000 - stay, stay));
        assert!(steps > 4, "all of it in {steps} steps");
    }
}

#[test]
fn no_more_is_held_than_the_bound_though_the_outbox_is_full() {
    let mut out = outbox::<Keyed<i64, Large>>();
    let mut conflate = OfLarge::new(merge);
    let mut left = 0;
    for n in 0..30 {
        let mut batch = keys(n * 1_000..(n + 1) * 1_000);
        conflate.on_batch(0, &mut batch, &mut out).unwrap();
        let (records, _) = sent(&mut out);
        // What came in, and what fills the outbox.
        assert!(records <= 1_500, "{records} in one call");
        assert!(conflate.held.len() < KEYS, "{}", conflate.held.len());
        left += records;
    }
    assert_eq!(left + conflate.held.len(), 30_000);
}

#[test]
fn what_is_held_is_bounded_by_keys_and_by_records() {
    let merge = |held: &mut Vec<i64>, next: Vec<i64>| held.extend(next);
    let (mut operator, mut out) = (
        Conflate::<char, Vec<i64>, _>::new(merge),
        outbox::<Merged>(),
    );
    for key in ('\u{4e00}'..).take(KEYS) {
        operator
            .on_batch(0, &mut record(key, 1, 1), &mut out)
            .unwrap();
    }
    assert_eq!((operator.held.len(), collect(&mut out).len()), (0, KEYS));
    for _ in 0..RECORDS {
        operator
            .on_batch(0, &mut record('a', 1, i64::MAX), &mut out)
            .unwrap();
    }
    let left = collect(&mut out);
    assert_eq!(
        (operator.held.len(), left.len(), left[0].1.len()),
        (0, 1, RECORDS)
    );
}
