use millstream_engine::harness::Harness;
use millstream_engine::key::Keyed;
use millstream_engine::operator::Operator;
use proptest::prelude::*;

use super::*;
use crate::join::testing::{
    Came, batch, came, collect_late, given_and_late, outbox_with_late, show_late, shown,
};
use crate::testing::{at, collect, entry, given_within, in_steps, outbox, script, show, watermark};

/// The operator, which gives its late records.
fn as_of_join<K: Key, L: State, R: State, P: Pairing<K, L, R>>(
    as_of: AsOf,
    pairing: P,
) -> KeyedJoin<K, L, R, Versioned<P>> {
    KeyedJoin::new(Versioned { as_of, pairing }, true)
}

fn harness(as_of: AsOf) -> Harness {
    let left = LeftOuter(|key: &String, l: &i64, r: Option<&i64>| shown(key, Some(l), r));
    Harness::new(move |_| as_of_join::<String, i64, i64, _>(as_of, left.clone()))
        .with_keyed_input(entry)
        .with_keyed_input(entry)
        .with_output(show::<String>)
        .with_output(show_late)
        .telling_waits()
}

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

#[test]
fn a_record_meets_the_version_of_its_time() {
    harness(AsOf::caught_up())
        .check(
            &[
                "a=1@3 a=2@5 a=3@7 b=4@9 ^20 a=5@40 |",
                "a=10@5 a=20@8 ^6 a=30@6 b=40@10 ^15 |",
            ],
            &["a=1,-@3 a=2,10@5 a=3,30@7 b=4,-@9 a=5,20@40 |", "|"],
        )
        .unwrap();
    harness(AsOf::caught_up().with_ttl(micros(2)))
        .check(
            &["a=1@5 a=2@7 a=3@8 |", "a=10@5 |"],
            &["a=1,10@5 a=2,10@7 a=3,-@8 |", "|"],
        )
        .unwrap();
}

#[test]
fn an_inner_join_leaves_out_what_has_no_version() {
    let inner = Inner(|key: &String, l: &i64, r: &i64| shown(key, Some(l), Some(r)));
    Harness::new(move |_| as_of_join::<String, i64, i64, _>(AsOf::caught_up(), inner.clone()))
        .with_keyed_input(entry)
        .with_keyed_input(entry)
        .with_output(show::<String>)
        .check(&["a=1@3 a=2@5 |", "a=7@4 |"], &["a=2,7@5 |"])
        .unwrap();
}

/// The version with the highest time that is not later, the last to come of several: of those that came before the
/// watermark had passed the record. Late are records the watermark has passed, and versions that another one has followed
/// by then, or that have run out.
fn naive(came: &[Came], ttl: Option<i64>) -> (Vec<String>, u64) {
    let (mut results, mut late) = (String::new(), Vec::new());
    let runs_out = |version: &Came, at: i64| ttl.is_some_and(|ttl| version.time + ttl < at);
    let of =
        |input: usize, key: char| move |other: &&Came| (other.input, other.key) == (input, key);
    for (place, record) in came.iter().enumerate() {
        let Came {
            input,
            key,
            value,
            time,
            watermark,
        } = *record;
        let versions = came.iter().filter(of(1, key));
        let mut before = came[..place].iter().filter(of(1, key));
        let is_late = match input {
            0 => time < watermark,
            _ => {
                runs_out(record, watermark)
                    || before.any(|other| time < other.time && other.time <= watermark)
            }
        };
        if is_late {
            late.push(*record);
        } else if input == 0 {
            let holding =
                versions.filter(|version| version.time <= time && version.watermark <= time);
            let latest = holding.max_by_key(|version| version.time);
            let latest = latest.filter(|version| !runs_out(version, time));
            let pair = shown(
                &String::new(),
                Some(&value),
                latest.map(|version| &version.value),
            );
            results += &record.shows(pair, time);
        }
    }
    given_and_late(results, &late)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn caught_up_joins_equal_the_naive_ones_in_every_mode_and_order(
        left in given_within(11, 9), right in given_within(13, 9), ttl in prop::option::of(0..15i64),
    ) {
        let as_of = match ttl {
            Some(ttl) => AsOf::caught_up().with_ttl(micros(ttl as u64)),
            None => AsOf::caught_up(),
        };
        let model = |told: &[_]| naive(&came(told), ttl);
        harness(as_of).check_against(&[&script(&left), &script(&right)], model).unwrap();
    }
}

type Row = Keyed<u32, (u32, Option<u32>)>;

type Numbers<P> = KeyedJoin<u32, u32, u32, Versioned<P>>;

fn numbers(as_of: AsOf) -> Numbers<impl Pairing<u32, u32, u32, Out = (u32, Option<u32>)>> {
    let left = LeftOuter(|_: &u32, l: &u32, r: Option<&u32>| (*l, r.copied()));
    as_of_join(as_of, left)
}

fn versions_in<P: Pairing<u32, u32, u32>>(operator: &Numbers<P>) -> usize {
    operator.kept().map(|(versions, _)| versions.len()).sum()
}

#[test]
fn at_once_means_from_what_has_come_so_far() {
    let (mut operator, mut out) = (numbers(AsOf::immediate()), outbox::<Row>());
    operator
        .on_batch(0, &mut batch([(1, 1, 10)]), &mut out)
        .unwrap();
    operator
        .on_batch(1, &mut batch([(1, 7, 5), (1, 8, 12)]), &mut out)
        .unwrap();
    operator
        .on_batch(
            0,
            &mut batch([(1, 2, 10), (1, 3, 13), (2, 4, 13)]),
            &mut out,
        )
        .unwrap();
    let (rows, _) = collect::<Row>(&mut out);
    let rows: Vec<_> = rows.iter().map(|row| row.value).collect();
    assert_eq!(rows, [(1, None), (2, Some(7)), (3, Some(8)), (4, None)]);
}

#[test]
fn late_is_a_record_behind_the_watermark_and_a_version_that_none_can_meet() {
    let ttl = micros(10);
    let mut operator = numbers(AsOf::caught_up().with_ttl(ttl));
    let mut out = outbox_with_late::<Row, Keyed<u32, Either<u32, u32>>>();
    operator.on_watermark(watermark(20), &mut out).unwrap();
    // That of 9 has run out; that of 12 is followed by one that came before it, that of 16 is not.
    let versions = [(1, 5, 9), (1, 6, 15), (1, 7, 12), (1, 8, 16)];
    operator
        .on_batch(1, &mut batch(versions), &mut out)
        .unwrap();
    operator
        .on_batch(0, &mut batch([(1, 1, 19), (1, 2, 20)]), &mut out)
        .unwrap();
    assert_eq!(out.take_late(), 3);
    let late = collect_late::<Keyed<u32, Either<u32, u32>>>(&mut out);
    let expected = [
        (Either::Right(5), 9),
        (Either::Right(7), 12),
        (Either::Left(1), 19),
    ];
    assert_eq!(
        late,
        expected.map(|(late, time)| (Keyed::new(1, late), at(time)))
    );
    operator.on_watermark(watermark(21), &mut out).unwrap();
    let (rows, _) = collect::<Row>(&mut out);
    assert_eq!(
        rows.iter().map(|row| row.value).collect::<Vec<_>>(),
        [(2, Some(8))]
    );
}

#[test]
fn many_answers_leave_in_steps_and_a_snapshot_between_loses_none() {
    let new = || numbers(AsOf::caught_up());
    let (mut operator, mut out) = (new(), outbox::<Row>());
    operator
        .on_batch(
            1,
            &mut batch((0..10).map(|n| (1, n, i64::from(n) * 10))),
            &mut out,
        )
        .unwrap();
    let asked = (0..30_000u32).map(|n| (1, n, i64::from(n % 100)));
    operator.on_batch(0, &mut batch(asked), &mut out).unwrap();
    let (rows, steps, _) = in_steps::<Row, _>(operator, &mut out, 1_000, new);
    let mut rows: Vec<_> = rows.into_iter().map(|row| row.value).collect();
    rows.sort_unstable();
    assert!(steps > 1);
    assert!(
        rows.into_iter()
            .eq((0..30_000).map(|n| (n, Some(n % 100 / 10))))
    );
}

#[test]
fn the_table_keeps_one_version_of_a_key_and_none_that_ran_out() {
    for (ttl, most, at_last) in [(None, 510, 500), (Some(micros(50)), 40, 0)] {
        let as_of = match ttl {
            Some(ttl) => AsOf::caught_up().with_ttl(ttl),
            None => AsOf::caught_up(),
        };
        let (mut operator, mut out) = (numbers(as_of), outbox::<Row>());
        for round in 0..1_000u32 {
            let time = i64::from(round) * 10;
            // Each key has versions in four rounds, and then no more.
            let versions = (0..2).map(|n| (round / 4 * 2 + n, round, time));
            operator
                .on_batch(1, &mut batch(versions), &mut out)
                .unwrap();
            operator.on_watermark(watermark(time), &mut out).unwrap();
            let versions = versions_in(&operator);
            assert!(versions <= most, "{versions} versions");
        }
        operator.on_watermark(watermark(100_000), &mut out).unwrap();
        assert_eq!(versions_in(&operator), at_last);
    }
}
