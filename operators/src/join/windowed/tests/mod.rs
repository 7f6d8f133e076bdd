//! Window joins and co-groups against naive models, and what can be told by example.

mod steps;

use std::collections::BTreeSet;
use std::time::Duration;

use millstream_engine::harness::Harness;
use proptest::prelude::*;

use super::*;
use crate::join::cogroup::Grouped;
use crate::join::pairing::{FullOuter, Inner, LeftOuter, RightOuter};
use crate::join::testing::{
    Came, batch, came, collect_late, given_and_late, outbox_with_late, show_late, shown,
};
use crate::stream::{Either, OneOf3};
use crate::testing::{Given, at, collect, entry, given_within, outbox, script, show, watermark};
use crate::{Session, Sliding, Tumbling};

type Both = (Vec<i64>, Vec<i64>);
type All = (Vec<i64>, Vec<i64>, Vec<i64>);

fn tens() -> Tumbling {
    Tumbling::of(Duration::from_micros(10))
}

fn sliding(size: u64, slide: u64) -> Sliding {
    Sliding::of(Duration::from_micros(size), Duration::from_micros(slide))
}

fn harness<W, P>(windows: W, pairing: P) -> Harness
where
    W: WindowAssigner,
    P: Pairing<String, i64, i64, Out = String>,
{
    let make = Pairs(pairing);
    Harness::new(move |_| Windowed::<W, String, Both, _>::new(windows.clone(), make.clone(), true))
        .with_keyed_input(entry)
        .with_keyed_input(entry)
        .with_output(show::<String>)
        .with_output(show_late)
        .telling_waits()
}

#[test]
fn every_pair_of_a_key_and_window_is_given_at_its_end() {
    let inner = Inner(|key: &String, left: &i64, right: &i64| format!("{key}{left}{right}"));
    harness(tens(), inner)
        .check(
            &[
                "a=1@1 a=2@5 b=3@5 ^10 a=4@19 ^25 |",
                "a=5@9 c=6@5 a=7@3 ^12 a=8@12 |",
            ],
            &["a=a15@9 a=a17@9 a=a25@9 a=a27@9 a=a48@19 |", "|"],
        )
        .unwrap();
}

#[test]
fn records_alone_are_given_by_outer_joins() {
    let inputs = ["a=1@1 b=3@5 ^10 a=4@19 ^25 |", "a=5@9 c=6@5 ^12 a=8@12 |"];
    let inner = "a=1,5@9 a=4,8@19";
    let left = LeftOuter(|k: &String, l: &i64, r: Option<&i64>| shown(k, Some(l), r));
    let right = RightOuter(|k: &String, l: Option<&i64>, r: &i64| shown(k, l, Some(r)));
    harness(tens(), left)
        .check(&inputs, &[&format!("{inner} b=3,-@9 |"), "|"])
        .unwrap();
    harness(tens(), right)
        .check(&inputs, &[&format!("{inner} c=-,6@9 |"), "|"])
        .unwrap();
    let full = FullOuter(shown);
    harness(tens(), full)
        .check(&inputs, &[&format!("{inner} b=3,-@9 c=-,6@9 |"), "|"])
        .unwrap();
}

#[test]
fn a_pair_is_given_in_every_window_it_shares() {
    let inner = Inner(|key: &String, left: &i64, right: &i64| shown(key, Some(left), Some(right)));
    harness(sliding(10, 5), inner)
        .check(
            &["a=1@7 ^10 |", "a=2@8 a=3@12 |"],
            &["a=1,2@9 a=1,2@14 a=1,3@14 |", "|"],
        )
        .unwrap();
}

/// The windows of an assigner around these times.
fn windows_of(windows: &impl WindowAssigner) -> BTreeSet<Window> {
    let mut all = BTreeSet::new();
    for time in -100..100 {
        windows.assign(Timestamp::from_micros(time), &mut |window| {
            all.insert(window);
        });
    }
    all
}

/// Values of an input under a key in a window, of those that came before it was closed.
fn values(came: &[Came], input: usize, key: char, window: Window) -> Vec<i64> {
    let is_in = |record: &&Came| {
        window.contains(at(record.time))
            && at(record.watermark) < window.end
            && (record.input, record.key) == (input, key)
    };
    came.iter()
        .filter(is_in)
        .map(|record| record.value)
        .collect()
}

/// Those that came when all their windows were closed.
fn late(windows: &impl WindowAssigner, came: &[Came]) -> Vec<Came> {
    let is_late = |record: &&Came| {
        let mut ends = Vec::new();
        windows.assign(at(record.time), &mut |window| ends.push(window.end));
        ends.into_iter()
            .max()
            .is_some_and(|last| last <= at(record.watermark))
    };
    came.iter().filter(is_late).copied().collect()
}

/// Every pair of every window and key; `outer` says which side's lonely records count.
fn naive(windows: &impl WindowAssigner, came: &[Came], outer: (bool, bool)) -> (Vec<String>, u64) {
    let mut results = String::new();
    for window in windows_of(windows) {
        for key in 'a'..='c' {
            let [left, right] = [0, 1].map(|input| values(came, input, key, window));
            let mut give = |l: Option<&i64>, r: Option<&i64>| {
                let shown = shown(&key.to_string(), l, r);
                results += &format!("{key}={shown}@{} ", window.last().as_micros());
            };
            left.iter()
                .for_each(|l| right.iter().for_each(|r| give(Some(l), Some(r))));
            if outer.0 && right.is_empty() {
                left.iter().for_each(|l| give(Some(l), None));
            }
            if outer.1 && left.is_empty() {
                right.iter().for_each(|r| give(None, Some(r)));
            }
        }
    }
    given_and_late(results, &late(windows, came))
}

/// A join that keeps, of these sides, what has no partner.
fn joining<W: WindowAssigner>(windows: W, outer: (bool, bool)) -> Harness {
    match outer {
        (false, false) => harness(
            windows,
            Inner(|k: &String, l: &i64, r: &i64| shown(k, Some(l), Some(r))),
        ),
        (true, false) => harness(
            windows,
            LeftOuter(|k: &String, l: &i64, r: Option<&i64>| shown(k, Some(l), r)),
        ),
        (false, true) => harness(
            windows,
            RightOuter(|k: &String, l: Option<&i64>, r: &i64| shown(k, l, Some(r))),
        ),
        (true, true) => harness(windows, FullOuter(shown)),
    }
}

fn check<W: WindowAssigner>(
    windows: W,
    outer: (bool, bool),
    left: &[Given],
    right: &[Given],
) -> Result<(), TestCaseError> {
    let model = |told: &[_]| naive(&windows, &came(told), outer);
    joining(windows.clone(), outer)
        .check_against(&[&script(left), &script(right)], model)
        .map_err(|mismatch| TestCaseError::fail(mismatch.to_string()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn window_joins_equal_the_naive_ones_in_every_mode_and_order(
        left in given_within(10, 9), right in given_within(10, 9),
        outer in any::<(bool, bool)>(), size in 1..12u64, slide in prop::option::of(1..8u64),
    ) {
        match slide {
            Some(slide) => check(sliding(size, slide), outer, &left, &right)?,
            None => check(Tumbling::of(Duration::from_micros(size)), outer, &left, &right)?,
        }
    }
}

/// A session of a key: from when until when, and what both inputs brought.
type Told = (i64, i64, [Vec<i64>; 2]);

/// The sessions of a key, one after the other; and the records that were late for them.
fn naive_sessions(gap: i64, came: &[Came], key: char) -> (Vec<Told>, Vec<Came>) {
    let (mut all, mut late): (Vec<Told>, _) = (Vec::new(), Vec::new());
    for record in came.iter().filter(|record| record.key == key) {
        let (start, end) = (record.time, record.time + gap);
        let meets = |told: &mut Told| told.0 < end && start < told.1 && record.watermark < told.1;
        let met: Vec<_> = all.extract_if(.., meets).collect();
        if met.is_empty() && end <= record.watermark {
            late.push(*record);
            continue;
        }
        let mut told = (start, end, [Vec::new(), Vec::new()]);
        told.2[record.input].push(record.value);
        for (start, end, [left, right]) in met {
            (told.0, told.1) = (told.0.min(start), told.1.max(end));
            told.2[0].extend(left);
            told.2[1].extend(right);
        }
        all.push(told);
    }
    (all, late)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn joins_of_sessions_equal_the_naive_ones_in_every_mode_and_order(
        left in given_within(10, 9), right in given_within(10, 9), outer in any::<(bool, bool)>(), gap in 1..40i64,
    ) {
        let model = |told: &[_]| {
            let (came, mut results, mut late) = (came(told), String::new(), Vec::new());
            for key in 'a'..='c' {
                let (sessions, missed) = naive_sessions(gap, &came, key);
                late.extend(missed);
                for (_, end, [left, right]) in sessions {
                    let window = |l: Option<&i64>, r: Option<&i64>| {
                        let shown = shown(&key.to_string(), l, r);
                        format!("{key}={shown}@{} ", end - 1)
                    };
                    let pairs = left.iter().flat_map(|l| right.iter().map(move |r| (l, r)));
                    results.extend(pairs.map(|(l, r)| window(Some(l), Some(r))));
                    if outer.0 && right.is_empty() {
                        results.extend(left.iter().map(|l| window(Some(l), None)));
                    }
                    if outer.1 && left.is_empty() {
                        results.extend(right.iter().map(|r| window(None, Some(r))));
                    }
                }
            }
            given_and_late(results, &late)
        };
        let windows = Session::gap(Duration::from_micros(gap as u64));
        joining(windows, outer)
            .check_against(&[&script(&left), &script(&right)], model)
            .map_err(|mismatch| TestCaseError::fail(mismatch.to_string()))?;
    }
}

#[test]
fn a_session_of_two_streams_lasts_as_long_as_one_of_them_goes_on() {
    let inner = Inner(|key: &String, left: &i64, right: &i64| shown(key, Some(left), Some(right)));
    harness(Session::gap(Duration::from_micros(10)), inner)
        .check(
            &["a=1@0 a=2@16 a=3@40 ^60 |", "a=4@8 a=5@24 ^60 |"],
            &["a=1,4@33 a=1,5@33 a=2,4@33 a=2,5@33 |", "|"],
        )
        .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn cogroups_equal_the_naive_ones_in_every_mode_and_order(
        a in given_within(6, 9), b in given_within(6, 9), c in given_within(6, 9),
        size in 1..12u64, slide in 1..8u64,
    ) {
        let windows = sliding(size, slide);
        let text = |mut all: [Vec<i64>; 3]| {
            // Between slices the order is that of time.
            all.iter_mut().for_each(|values| values.sort_unstable());
            format!("{all:?}").replace(' ', "")
        };
        let harness = Harness::new(move |_| {
            let f = move |_: &String, _: Window, all: &[&All]| {
                let (a, b) = (Group::of(all, |s| &s.0), Group::of(all, |s| &s.1));
                let c = Group::of(all, |s| &s.2);
                assert_eq!(a.len(), a.iter().count());
                text([a.iter(), b.iter(), c.iter()].map(|values| values.copied().collect()))
            };
            Windowed::<Sliding, String, All, _>::new(windows, Grouped(f), true)
        });
        let harness = harness
            .with_keyed_input(entry)
            .with_keyed_input(entry)
            .with_keyed_input(entry)
            .with_output(show::<String>)
            .telling_waits()
            .with_output(|late: &Keyed<String, OneOf3<i64, i64, i64>>| {
                let (input, value) = match late.value {
                    OneOf3::First(value) => (0, value),
                    OneOf3::Second(value) => (1, value),
                    OneOf3::Third(value) => (2, value),
                };
                format!("{}={input}:{value}", late.key)
            });
        let model = |told: &[_]| {
            let (came, mut results) = (came(told), String::new());
            for window in windows_of(&windows) {
                for key in 'a'..='c' {
                    let all = [0, 1, 2].map(|input| values(&came, input, key, window));
                    if all.iter().any(|values| !values.is_empty()) {
                        results += &format!("{key}={}@{} ", text(all), window.last().as_micros());
                    }
                }
            }
            given_and_late(results, &late(&windows, &came))
        };
        let inputs = [script(&a), script(&b), script(&c)];
        harness.check_against(&inputs.each_ref().map(String::as_str), model).unwrap();
    }
}

type Pair = Keyed<u32, (u32, u32)>;
type Late = Keyed<u32, Either<u32, u32>>;
type Numbers = (Vec<u32>, Vec<u32>);

fn numbers<W: WindowAssigner>(windows: W) -> impl Operator {
    let inner = Inner(|_: &u32, left: &u32, right: &u32| (*left, *right));
    Windowed::<W, u32, Numbers, _>::new(windows, Pairs(inner), true)
}

#[test]
fn late_is_what_comes_when_all_its_windows_are_closed() {
    let mut operator = numbers(sliding(10, 5));
    let mut out = outbox_with_late::<Pair, Late>();
    operator
        .on_batch(0, &mut batch([(1, 7, 8)]), &mut out)
        .unwrap();
    operator.on_watermark(watermark(10), &mut out).unwrap();
    // The window from 0 is closed, that from 5 is not.
    operator
        .on_batch(1, &mut batch([(1, 2, 4), (1, 3, 6)]), &mut out)
        .unwrap();
    assert_eq!(out.take_late(), 1);
    let late = collect_late::<Late>(&mut out);
    assert_eq!(late, [(Keyed::new(1, Either::Right(2)), at(4))]);
    operator
        .on_batch(0, &mut batch([(1, 9, 11)]), &mut out)
        .unwrap();
    operator.on_watermark(watermark(15), &mut out).unwrap();
    let (mut pairs, _) = collect::<Pair>(&mut out);
    pairs.sort_by_key(|pair| pair.value);
    assert_eq!(
        pairs.iter().map(|pair| pair.value).collect::<Vec<_>>(),
        [(7, 3), (9, 3)]
    );
}

#[test]
fn in_a_gap_between_windows_nothing_is_late() {
    let mut operator = numbers(sliding(5, 10));
    let mut out = outbox_with_late::<Pair, Late>();
    operator.on_watermark(watermark(30), &mut out).unwrap();
    operator
        .on_batch(0, &mut batch([(1, 1, 7), (1, 2, 3)]), &mut out)
        .unwrap();
    assert_eq!(out.take_late(), 1, "that at 3 alone");
}
