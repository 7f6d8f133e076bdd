//! Several records of a key in one: `batch`, `sample_latest`, `conflate`.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream::connectors::{from_channel, into_channel};
use millstream::prelude::*;
use millstream::runtime::{self, simulate};

use crate::seeds::{EverySeed, every_seed};

/// Records that come ten seconds of processing time apart.
const RECORDS: u64 = 10;
const KEYS: u64 = 2;
/// What is gathered goes on between two records: the schedule does not matter.
const WITHIN: Duration = seconds(35);

fn key(n: u64) -> u64 {
    n * n / 7 % KEYS
}

/// A key's batch, its latest, or what it was merged to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Batch(u64, Vec<u64>),
    Latest(u64, u64),
    Merged(u64, Vec<u64>),
}

fn gathered() -> EverySeed<Told> {
    every_seed(|flow, out| {
        let numbers = Generator::new(|n, _| n).with_rate(0.1).with_count(RECORDS);
        let numbers = flow
            .source("numbers", numbers)
            .event_time(|n| Timestamp::from_secs(*n as i64), Lateness::none())
            .key_by(|n| key(*n));
        let batches = numbers.clone().batch("batches", 3, WITHIN).entries();
        let latest = numbers.clone().sample_latest("latest", WITHIN).entries();
        let merged = numbers.map(|_, n| vec![n]).key_by(|n| key(n[0]));
        let merged = merged.conflate("merged", |held, next| held.extend(next));
        batches
            .map(|(key, batch)| Told::Batch(key, batch))
            .union(latest.map(|(key, n)| Told::Latest(key, n)))
            .union(merged.entries().map(|(key, all)| Told::Merged(key, all)))
            .sink("out", out);
    })
}

/// The groups of each key: of at most `most`, within so long of the first.
fn naive(most: usize) -> Vec<(u64, Vec<u64>)> {
    let mut groups = Vec::new();
    for key_ in 0..KEYS {
        let mut group: Vec<u64> = Vec::new();
        for n in (0..RECORDS).filter(|n| key(*n) == key_) {
            let is_over = |first: &u64| seconds(10 * (n - first)) > WITHIN;
            if group.len() == most || group.first().is_some_and(is_over) {
                groups.push((key_, std::mem::take(&mut group)));
            }
            group.push(n);
        }
        groups.push((key_, group));
    }
    groups.sort();
    groups
}

#[test]
fn what_goes_on_between_two_records_is_the_same_whatever_the_schedule() {
    let batches = naive(3);
    assert!(batches.iter().any(|(_, batch)| batch.len() < 3));
    let mut expected: Vec<_> = batches
        .into_iter()
        .map(|(key, batch)| Told::Batch(key, batch))
        .collect();
    let latest = naive(usize::MAX).into_iter();
    expected.extend(latest.filter_map(|(key, group)| Some(Told::Latest(key, *group.last()?))));
    // There is time for each to pass at once.
    expected.extend((0..RECORDS).map(|n| Told::Merged(key(n), vec![n])));
    gathered().without_a_stop().gives(expected);
}

/// Behind a stop records come at other times, and so others come together. What of it is saved is neither lost nor put
/// out twice.
#[test]
fn what_is_gathered_goes_on_behind_a_stop() {
    let flow = gathered().lasting(seconds(99)).always_stopped();
    flow.under(100).holds(|told, _| {
        for key_ in 0..KEYS {
            let mut came = (0..RECORDS).filter(|n| key(*n) == key_);
            let (mut batched, mut latest, mut merged) =
                (Vec::<u64>::new(), vec![], Vec::<u64>::new());
            for told in &told {
                match told {
                    Told::Batch(its, batch) if *its == key_ => {
                        assert!(batch.len() <= 3);
                        batched.extend(batch);
                    }
                    Told::Latest(its, n) if *its == key_ => latest.push(*n),
                    Told::Merged(its, all) if *its == key_ => merged.extend(all),
                    _ => {}
                }
            }
            assert!(batched.into_iter().eq(came.clone()));
            assert!(merged.into_iter().eq(came.clone()));
            assert!(latest.is_sorted_by(|a, b| a < b), "{latest:?}");
            assert_eq!(latest.last().copied(), came.next_back());
        }
    });
}

/// Where records come as fast as the clock is looked at, what is sampled depends on the schedule. Its law does not: of
/// each key a part of what came, in order, the last of all among them, and no two of a key within the time.
#[test]
fn the_law_of_the_latest_sample() {
    let every = millis(7);
    let flow: EverySeed<(u64, u64, u64)> = every_seed(move |flow, out| {
        let numbers = Generator::new(|n, _| n).with_rate(900).with_tick(millis(0));
        flow.source("numbers", numbers.with_count(20))
            .key_by(|n| n % KEYS)
            .sample_latest("now-and-then", every)
            .entries()
            .map(|(key, n)| (key, n, runtime::now().as_nanos() / 1_000))
            .sink("out", out);
    });
    flow.without_a_stop().holds(|sampled, _| {
        for key in 0..KEYS {
            let of_key: Vec<_> = sampled.iter().filter(|row| row.0 == key).collect();
            assert!(of_key.iter().all(|row| row.1 % KEYS == key));
            assert!(of_key.is_sorted_by(|a, b| a.1 < b.1), "{of_key:?}");
            let last = (0..20).rfind(|n| n % KEYS == key);
            assert_eq!(of_key.last().map(|row| row.1), last);
            // At the end what is left goes on at once; a moment for what the task was busy with.
            let of_key = &of_key[..of_key.len() - 1];
            for pair in of_key.windows(2) {
                let apart = pair[1].2 - pair[0].2;
                assert!(apart + 1_000 >= every.as_micros() as u64, "{apart} µs");
            }
        }
        let count = sampled.len();
        assert!((3..18).contains(&count), "{count}");
    });
}

/// How much is merged depends on the schedule; that nothing is lost, doubled or put out of order does not.
#[test]
fn the_law_of_conflate() {
    let flow: EverySeed<(u64, Vec<u64>)> = every_seed(|flow, out| {
        flow.source("numbers", from_iter(0..40_u64))
            .event_time(|n| Timestamp::from_secs(*n as i64), Lateness::none())
            .rebalance()
            .map(|n| vec![n])
            .key_by(|n| n[0] % KEYS)
            .conflate("merged", |held: &mut Vec<u64>, next| held.extend(next))
            .entries()
            .sink("out", out);
    });
    let mut lengths = BTreeMap::<usize, u32>::new();
    flow.without_a_stop().holds(|rows, run| {
        *lengths.entry(rows.len()).or_default() += 1;
        assert_eq!(run.late(), 0);
        for key in 0..KEYS {
            let rows = rows.iter().filter(|(its, _)| *its == key);
            let mut all: Vec<u64> = rows.flat_map(|(_, merged)| merged).copied().collect();
            // Through several replicas they come in no one order.
            if run.replicas > 1 {
                all.sort_unstable();
            }
            assert!(all.into_iter().eq((key..40).step_by(KEYS as usize)));
        }
    });
    assert!(lengths.len() > 1 || lengths.contains_key(&2), "{lengths:?}");
}

/// A batch that is open at a stop is saved: neither put out early nor begun anew; its time runs on.
#[test]
fn an_open_batch_goes_on_behind_a_stop() {
    let make = |asked: flume::Receiver<u64>, answer: flume::Sender<Vec<u64>>| {
        Flow::new("open", move |flow| {
            flow.source("asked", from_channel(asked.clone()))
                .batch("batches", 3, minutes(1))
                .sink("out", into_channel(answer.clone()));
        })
        .with_parallelism(2)
    };
    let ((ask, asked), (answer, answered)) = (flume::bounded(10), flume::bounded(10));
    simulate(1, async move {
        let flow = make(asked, answer);
        let running = flow.start().await.unwrap();
        for n in 1..=2 {
            ask.send_async(n).await.unwrap();
        }
        runtime::sleep(seconds(40)).await;
        let (snapshot, _) = running.stop_with_snapshot().await.unwrap();
        assert!(answered.is_empty());
        let running = flow.clone().from_snapshot(snapshot).start().await.unwrap();
        runtime::sleep(seconds(19)).await;
        assert!(answered.is_empty());
        runtime::sleep(seconds(2)).await;
        assert_eq!(answered.try_recv(), Ok(vec![1, 2]));
        ask.send_async(3).await.unwrap();
        runtime::sleep(seconds(1)).await;
        assert!(answered.is_empty());
        // At the end what is left goes on at once.
        running.stop();
        running.join().await.unwrap();
        assert_eq!(answered.try_recv(), Ok(vec![3]));
    })
    .unwrap();
}
