use std::collections::BTreeMap;
use std::time::Duration;

use millstream_engine::harness::Harness;
use proptest::prelude::*;

use super::*;
use crate::testing::{
    Given, at, batch, collect, collect_late, entry, given_in_time, outbox, outbox_with_late,
    script, show, watermark,
};

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
            both: Processing::new(
                Latest::new(life, shown),
                &replica.vertex,
                LateRecords::Counted,
            ),
        })
        .with_keyed_input(entry)
        .with_keyed_input(entry)
        .with_output(show::<String>);
        let inputs = [script(&left), script(&right)];
        harness.check(&[&inputs[0], &inputs[1]], &[&naive(&left, &right, ttl)]).unwrap();
    }
}

fn sums(ttl: Ttl) -> ZipLatest<char, i64, i64, impl Process<char, Either<i64, i64>, Out = i64>> {
    let latest = Latest::new(ttl, |_: &char, left: &i64, right: &i64| left + right);
    ZipLatest {
        both: Processing::new(latest, &"zip".into(), LateRecords::Given),
    }
}

#[test]
fn what_lives_by_processing_time_has_a_timer() {
    let mut zip = sums(Ttl::processing_time(Duration::from_secs(1)));
    let mut out = outbox::<Keyed<char, i64>>();
    zip.on_batch(1, &mut batch([('a', 1i64, 1)]), &mut out)
        .unwrap();
    assert_eq!(zip.next_timer(), None);
    zip.on_watermark(watermark(2), &mut out).unwrap();
    assert!(zip.next_timer().is_some());
}

#[test]
fn late_records_of_both_sides_are_given_and_meet_nobody() {
    type Late = Keyed<char, Either<i64, i64>>;
    let (mut zip, mut out) = (
        sums(Ttl::default()),
        outbox_with_late::<Keyed<char, i64>, Late>(),
    );
    zip.on_watermark(watermark(10), &mut out).unwrap();
    zip.on_batch(0, &mut batch([('a', 1i64, 9), ('a', 2, 10)]), &mut out)
        .unwrap();
    zip.on_batch(1, &mut batch([('a', 30i64, 11), ('b', 40, -1)]), &mut out)
        .unwrap();
    assert_eq!(out.take_late(), 2);
    let late = [
        (Keyed::new('a', Either::Left(1)), at(9)),
        (Keyed::new('b', Either::Right(40)), at(-1)),
    ];
    assert_eq!(collect_late::<Late>(&mut out), late);
    zip.on_end(&mut out).unwrap();
    let (zipped, _) = collect::<Keyed<char, i64>>(&mut out);
    assert_eq!(zipped, [Keyed::new('a', 32)]);
}
