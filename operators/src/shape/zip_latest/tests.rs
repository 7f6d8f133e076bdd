use std::collections::BTreeMap;
use std::time::Duration;

use millstream_engine::batch::Batch;
use millstream_engine::harness::Harness;
use millstream_engine::runtime::Instant;
use proptest::prelude::*;

use super::*;
use crate::testing::{Given, at, entry, given_in_time, script, show};

/// All records of both sides sorted, one after the other; what is `ttl` older is not seen.
fn naive(left: &[Given], right: &[Given], ttl: i64) -> String {
    let mut all = Vec::new();
    for (side, given) in [left, right].into_iter().enumerate() {
        for given in given {
            if let Given::Record { key, value, time } = *given {
                all.push((time, side, key, value));
            }
        }
    }
    all.sort_by_key(|(time, side, ..)| (*time, *side));
    let (mut latest, mut out) = (BTreeMap::<char, [Option<_>; 2]>::new(), String::new());
    for (time, side, key, value) in all {
        let latest = latest.entry(key).or_default();
        latest[side] = Some((value, time));
        if let [Some((left, a)), Some((right, b))] = *latest
            && a.min(b) + ttl > time
        {
            out += &format!("{key}={left},{right}@{time} ");
        }
    }
    out + "|"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_latest_of_both_whichever_comes_first(
        left in given_in_time(10), right in given_in_time(10), ttl in 1..60i64,
    ) {
        let shown = |_: &String, left: &i64, right: &i64| format!("{left},{right}");
        let life = Ttl::event_time(Duration::from_micros(ttl as u64));
        let harness = Harness::new(move |replica| ZipLatest::<String, i64, i64, _> {
            both: Processing::new(Latest::new(life, shown), &replica.vertex),
        })
        .with_keyed_input(entry)
        .with_keyed_input(entry)
        .with_output(show::<String>);
        let inputs = [script(&left), script(&right)];
        harness.check(&[&inputs[0], &inputs[1]], &[&naive(&left, &right, ttl)]).unwrap();
    }
}

#[test]
fn what_lives_by_processing_time_has_a_timer() {
    let life = Ttl::processing_time(Duration::from_secs(1));
    let latest = Latest::new(life, |_: &char, left: &i64, right: &i64| left + right);
    let mut zip = ZipLatest::<char, i64, i64, _> {
        both: Processing::new(latest, &"zip".into()),
    };
    let port = PortMaker::moving::<Keyed<char, i64>>();
    let mut out = Outbox::new(vec![port.make_single()]);
    let (time, arrival) = (at(1), Instant::from_nanos(0));
    let mut batch = Batch::new(arrival);
    let value = Keyed::new('a', 1i64);
    batch.records.push(Record { time, value });
    zip.on_batch(1, &mut AnyBatch::new(batch), &mut out)
        .unwrap();
    assert_eq!(zip.next_timer(), None);
    let time = at(2);
    zip.on_watermark(Watermark { time, arrival }, &mut out)
        .unwrap();
    assert!(zip.next_timer().is_some());
}
