use std::time::Duration;

use millstream_engine::batch::{Batch, Record};
use millstream_engine::harness::Harness;
use millstream_engine::runtime::Instant;
use proptest::prelude::*;

use super::*;
use crate::testing::{Given, at, entry, given_in_time, script, show};

fn tens() -> Tumbling {
    Tumbling::of(Duration::from_micros(10))
}

fn harness() -> Harness {
    Harness::new(|_| WindowJoin {
        open: OpenWindows::<String, Sides<i64, i64>>::new(tens()),
        f: |key: &String, left: &i64, right: &i64| format!("{key}{left}{right}"),
    })
    .with_keyed_input(entry)
    .with_keyed_input(entry)
    .with_output(show::<String>)
}

#[test]
fn every_pair_of_a_key_and_window_is_given_at_its_end() {
    harness()
        .check(
            &[
                "a=1@1 a=2@5 b=3@5 ^10 a=4@19 ^25 |",
                "a=5@9 c=6@5 a=7@3 ^12 a=8@12 |",
            ],
            &["a=a15@9 a=a17@9 a=a25@9 a=a27@9 a=a48@19 |"],
        )
        .unwrap();
}

fn naive(left: &[Given], right: &[Given]) -> String {
    let mut results = String::new();
    for first in left {
        for second in right {
            if let Given::Record {
                key,
                value: l,
                time,
            } = *first
                && let Given::Record {
                    key: other,
                    value: r,
                    time: its,
                } = *second
                && (key, time.div_euclid(10)) == (other, its.div_euclid(10))
            {
                results += &format!("{key}={key}{l}{r}@{} ", time.div_euclid(10) * 10 + 9);
            }
        }
    }
    results + "|"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_join_equals_the_naive_one_in_every_mode_and_order(
        left in given_in_time(10), right in given_in_time(10),
    ) {
        let expected = naive(&left, &right);
        harness().check(&[&script(&left), &script(&right)], &[&expected]).unwrap();
    }
}

type Pair = Keyed<u8, (u32, u32)>;

fn batch(values: impl Iterator<Item = u32>, time: i64) -> AnyBatch {
    let mut batch = Batch::new(Instant::from_nanos(0));
    batch.records = values
        .map(|n| Record {
            time: at(time),
            value: Keyed::new(0u8, n),
        })
        .collect();
    AnyBatch::new(batch)
}

#[test]
fn late_records_are_counted_and_a_large_product_leaves_in_steps() {
    let mut operator = WindowJoin {
        open: OpenWindows::<u8, Sides<u32, u32>>::new(tens()),
        f: |_: &u8, left: &u32, right: &u32| (*left, *right),
    };
    let mut out = Outbox::new(vec![PortMaker::moving::<Pair>().make_single()]);
    operator
        .on_batch(0, &mut batch(0..200, 1), &mut out)
        .unwrap();
    operator
        .on_batch(1, &mut batch(0..300, 2), &mut out)
        .unwrap();
    let watermark = Watermark {
        time: at(10),
        arrival: Instant::from_nanos(0),
    };
    let mut pairs = Vec::new();
    loop {
        let step = operator.on_watermark(watermark, &mut out).unwrap();
        let mut sealed = Vec::new();
        for port in out.ports_mut() {
            port.seal_all();
            port.take_sealed(&mut sealed);
        }
        assert!(sealed.len() <= 17);
        for mut sealed in sealed {
            pairs.extend(
                sealed
                    .batch
                    .of::<Pair>()
                    .unwrap()
                    .records
                    .iter()
                    .map(|r| r.value.value),
            );
        }
        if step == Step::Done {
            break;
        }
    }
    assert!(
        pairs
            .into_iter()
            .eq((0..200).flat_map(|l| (0..300).map(move |r| (l, r))))
    );
    operator.on_batch(1, &mut batch(0..7, 9), &mut out).unwrap();
    operator
        .on_batch(0, &mut batch(0..1, 10), &mut out)
        .unwrap();
    assert_eq!(out.take_late(), 7);
}
