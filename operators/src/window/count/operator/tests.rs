use std::collections::BTreeMap;

use millstream_engine::harness::{Harness, saved};
use proptest::prelude::*;

use super::*;
use crate::testing::{Given, at, batch, entry, given, outbox, records_of, script, sent, watermark};
use crate::window::WindowResult;
use crate::{count, sum};

fn harness(size: u64, slide: u64) -> Harness {
    harness_with(size, slide, Ttl::default())
}

fn harness_with(size: u64, slide: u64, ttl: Ttl) -> Harness {
    Harness::new(move |_| {
        let aggregate = (count(), sum(|value: &i64| *value));
        CountWindows::<String, i64, _>::new(Counts { size, slide }, ttl, aggregate)
    })
    .with_keyed_input(entry)
    .with_output(|result: &Keyed<String, WindowResult<String, (u64, i64)>>| {
        let WindowResult {
            key,
            window,
            pane,
            value: (count, sum),
        } = &result.value;
        assert_eq!((pane.number, pane.retracts), (0, false));
        let (start, end) = (window.start.as_micros(), window.end.as_micros());
        format!("{key}:{start}..{end}:{:?}:{count}:{sum}", pane.timing)
    })
}

#[test]
fn a_window_speaks_with_its_last_record_and_at_the_end_with_what_it_has() {
    harness(2, 2)
        .check(
            &["a=1@5 b=2@9 a=4@3 ^7 a=8@8 ^20 |"],
            &["a:3..6:OnTime:2:5@5 ^7 ^20 b:9..10:Early:1:2@20 a:8..9:Early:1:8@20 |"],
        )
        .unwrap();
}

#[test]
fn a_key_that_is_not_heard_of_for_long_is_forgotten() {
    let ten = std::time::Duration::from_micros(10);
    let by_event_time = harness_with(3, 2, Ttl::event_time(ten));
    by_event_time
        .check(
            // What b had is given when its next record comes, what a had when the watermark does.
            &["a=1@0 a=2@9 b=4@2 b=5@12 ^18 ^19 a=7@20 a=8@21 a=9@22 ^40 |"],
            &[
                "b:2..3:Early:1:4@2 ^18 a:0..10:Early:2:3@19 ^19 a:20..23:OnTime:3:24@22 \
               b:12..13:Early:1:5@40 a:22..23:Early:1:9@40 ^40 |",
            ],
        )
        .unwrap();
    let by_the_clock = harness_with(2, 2, Ttl::processing_time(ten));
    by_the_clock
        .check(
            &["~100 a=1@0 ~105 b=2@0 ~109 c=3@0 c=4@0 ~110 b=5@0 ~130 a=6@0 |"],
            &["c:0..1:OnTime:2:7@0 a:0..1:Early:1:1@0 b:0..1:OnTime:2:7@0 a:0..1:Early:1:6@0 |"],
        )
        .unwrap();
}

/// Where its input is idle at the barrier, the engine does not say how far time had come.
#[test]
fn behind_a_restart_it_knows_how_far_time_had_come() {
    type Counted = Keyed<char, WindowResult<char, u64>>;
    let (counts, ttl) = (
        Counts { size: 2, slide: 2 },
        Ttl::event_time(std::time::Duration::from_micros(30)),
    );
    let make = || CountWindows::<char, i64, _>::new(counts, ttl, count());
    let (mut windows, mut out) = (make(), outbox::<Counted>());
    windows.on_watermark(watermark(20), &mut out).unwrap();
    let state = saved(8, |state| windows.snapshot(state)).unwrap();
    assert_eq!(state.frontier, None);
    let mut windows = make();
    windows.restore(&StateReader::new(&state, 8, 0, 1)).unwrap();
    let mut behind = batch([('a', 1i64, 5)]);
    windows.on_batch(0, &mut behind, &mut out).unwrap();
    let state = saved(8, |state| windows.snapshot(state)).unwrap();
    windows.on_end(&mut out).unwrap();
    let (early, _) = records_of::<Counted>(&mut out, 0);
    assert_eq!(early[0].time, at(20), "not behind the watermark");
    // Its life began at the watermark.
    let mut windows = make();
    windows.restore(&StateReader::new(&state, 8, 0, 1)).unwrap();
    for (time, expired) in [(49, 0), (50, 1)] {
        windows.on_watermark(watermark(time), &mut out).unwrap();
        assert_eq!(sent(&mut out).0, expired, "at {time}");
    }
}

/// The records of each key, cut every `slide`.
fn naive(all: &[Given], size: usize, slide: usize) -> String {
    let mut of_key: BTreeMap<char, Vec<(i64, i64)>> = BTreeMap::new();
    let (mut results, mut watermark) = (String::new(), i64::MIN);
    let text = |key: char, records: &[(i64, i64)], watermark: i64| {
        let (full, times) = (records.len() == size, || {
            records.iter().map(|(_, time)| *time)
        });
        let (start, last) = (times().min().unwrap(), times().max().unwrap());
        let (timing, at) = match full {
            true => (Timing::OnTime, last),
            false => (Timing::Early, last.max(watermark)),
        };
        let sum: i64 = records.iter().map(|(value, _)| value).sum();
        format!(
            "{key}:{start}..{}:{timing:?}:{}:{sum}@{at} ",
            last + 1,
            records.len()
        )
    };
    for given in all {
        match *given {
            Given::Record { key, value, time } => {
                let records = of_key.entry(key).or_default();
                records.push((value, time));
                if records.len() >= size && (records.len() - size).is_multiple_of(slide) {
                    results += &text(key, &records[records.len() - size..], watermark);
                }
            }
            Given::Watermark(time) => {
                watermark = time;
                results += &format!("^{time} ");
            }
            Given::ProcessingTime(_) => {}
        }
    }
    for (key, records) in of_key {
        for start in (0..records.len()).step_by(slide) {
            if records.len() - start < size {
                results += &text(key, &records[start..], watermark);
            }
        }
    }
    results + "|"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_never_expires_is_as_without_a_ttl(all in given(24), size in 1..6usize, slide in 1..8usize) {
        let ttl = Ttl::event_time(std::time::Duration::from_secs(1));
        harness_with(size as u64, slide as u64, ttl)
            .check(&[&script(&all)], &[&naive(&all, size, slide)])
            .unwrap();
    }

    #[test]
    fn they_equal_the_naive_ones_in_every_mode(
        all in given(32), size in 1..8usize, slide in 1..10usize,
    ) {
        harness(size as u64, slide as u64)
            .check(&[&script(&all)], &[&naive(&all, size, slide)])
            .unwrap();
    }
}
