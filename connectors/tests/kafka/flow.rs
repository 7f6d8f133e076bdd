//! Whole flows.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use millstream::connectors::memory::{Collect, for_each};
use millstream::prelude::{Execution, Flow};
use millstream::runtime::{block_on, sleep, timeout};
use millstream_connectors::kafka::{Kafka, KafkaSource};

use crate::support::{Broker, Driven, LONG, sorted, unique};

/// From `topic`, through a flow, to `collect`.
fn collecting(source: &KafkaSource, collect: &Collect<u64>) -> Flow {
    let (source, collect) = (source.clone(), collect.clone());
    Flow::new("collecting", move |flow| {
        flow.source("numbers", source.clone().json::<u64>())
            .rebalance()
            .map(|number| number)
            .sink("numbers-out", collect.sink());
    })
    .with_parallelism(2)
    .with_commit_interval(Duration::from_millis(20))
}

/// Waits until so many are in `collect`.
async fn fills(collect: &Collect<u64>, count: usize) {
    let filled = async {
        while collect.len() < count {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let filled = timeout(LONG, filled).await;
    assert!(filled.is_some(), "only {} came", collect.len());
}

async fn started(flow: &Flow) -> Execution {
    flow.start().await.unwrap()
}

#[test]
fn from_many_partitions_to_a_topic() {
    let broker = Broker::any();
    let (from, to) = (broker.topic(6), broker.topic(3));
    let all = broker.fill(&from, 6, 1_000);
    let bootstrap = broker.bootstrap.clone();
    let target = to.clone();
    let flow = Flow::new("mirror", move |flow| {
        let source = Kafka::topic(&from).with_bootstrap(&bootstrap).until_end();
        let sink = Kafka::to(&target).with_bootstrap(&bootstrap).json::<u64>();
        flow.source("from", source.json::<u64>())
            .filter(|number| number % 2 == 0)
            .sink("to", sink.keyed_by(u64::to_string));
    });
    flow.with_parallelism(2).run_blocking().unwrap();
    block_on(async {
        let mut driven = Driven::open(broker.numbers(&to).until_end(), 1)
            .await
            .unwrap();
        driven.until(|driven| driven.ended).await.unwrap();
        let even: Vec<u64> = all.into_iter().filter(|number| number % 2 == 0).collect();
        assert_eq!(sorted(&driven.values), even);
    });
}

#[test]
fn a_flow_that_was_stopped_goes_on_where_it_was() {
    let broker = Broker::any();
    let topic = broker.topic(2);
    let mut all = broker.fill(&topic, 2, 1_000);
    let source = broker
        .quick(Kafka::topic(&topic))
        .with_bootstrap(&broker.bootstrap)
        .with_group(unique("g"));
    let collect = Collect::new();
    block_on(async {
        let first = started(&collecting(&source, &collect)).await;
        fills(&collect, all.len()).await;
        first.stop();
        first.join().await.unwrap();
        for partition in 0..2 {
            let more = partition * 1_000_000 + 1_000..partition * 1_000_000 + 1_100;
            broker.write(&topic, partition as i32, more.clone());
            all.extend(more);
        }
        let second = started(&collecting(&source, &collect)).await;
        fills(&collect, all.len()).await;
        second.stop();
        second.join().await.unwrap();
    });
    // Neither lost nor, as it was stopped in good order, repeated.
    let values = sorted(&collect.take());
    let repeated = values.len() - all.len();
    assert!(values == sorted(&all), "{repeated} values were repeated");
}

/// Looks again and again at what the group has committed, then at what `had` says the sink has had: how often the
/// offsets were ahead, and how many different states of them there were.
async fn watched(
    execution: &Execution,
    committed: impl Fn() -> i64,
    had: impl Fn() -> i64,
    all: i64,
) -> (usize, usize) {
    let (mut ahead, mut states) = (0, std::collections::BTreeSet::new());
    loop {
        let offsets = committed();
        ahead += usize::from(offsets > had());
        states.insert(offsets);
        if offsets >= all {
            execution.stop();
            return (ahead, states.len());
        }
        sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn offsets_are_never_ahead_of_a_slow_sink() {
    let broker = Broker::any();
    let topic = broker.topic(3);
    let all = broker.fill(&topic, 3, 2_500).len() as i64;
    let group = unique("group");
    let source = broker.numbers(&topic).with_group(&group);
    let (begun, written) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let (counts, has) = (begun.clone(), written.clone());
    let flow = Flow::new("slow", move |flow| {
        let (counts, has) = (counts.clone(), has.clone());
        flow.source("numbers", source.clone())
            .inspect(move |_| _ = counts.fetch_add(1, Ordering::SeqCst))
            .rebalance()
            .map(|number| number)
            .sink(
                "slow",
                for_each(move |_: u64| {
                    if has.load(Ordering::SeqCst) % 10 == 0 {
                        // Not to be done in a sink; but a disk might.
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    has.fetch_add(1, Ordering::SeqCst);
                }),
            );
    })
    .with_parallelism(2)
    .with_commit_interval(Duration::from_millis(20));
    block_on(async {
        let execution = started(&flow).await;
        let committed = || broker.committed(&topic, &group, 3).iter().sum();
        let had = || written.load(Ordering::SeqCst);
        let watching = timeout(2 * LONG, watched(&execution, committed, had, all)).await;
        let (ahead, states) = watching.expect("all is committed in the end");
        assert_eq!(ahead, 0, "offsets were committed of what the sink had not");
        assert!(
            states > 3,
            "the offsets moved {states} times: that shows nothing"
        );
        execution.join().await.unwrap();
        assert_eq!(begun.load(Ordering::SeqCst), all);
    });
}

#[test]
fn partitions_move_between_two_running_flows_and_nothing_is_lost() {
    let broker = Broker::any();
    let topic = broker.topic(4);
    let mut all = broker.fill(&topic, 4, 500);
    let group = unique("group");
    let source = broker
        .quick(Kafka::topic(&topic))
        .with_bootstrap(&broker.bootstrap)
        .with_group(&group);
    let (first, second) = (Collect::new(), Collect::new());
    let both = |count: usize| first.len() + second.len() >= count;
    block_on(async {
        let one = started(&collecting(&source, &first)).await;
        fills(&first, all.len()).await;
        let two = started(&collecting(&source, &second)).await;
        // Until the second has been given partitions, and records of them.
        let mut next = 500;
        while second.is_empty() {
            for partition in 0..4 {
                let number = partition * 1_000_000 + next;
                broker.write(&topic, partition as i32, [number]);
                all.push(number);
            }
            next += 1;
            assert!(next < 1_500, "the second flow gets nothing");
            sleep(Duration::from_millis(30)).await;
        }
        let filled = async {
            while !both(all.len()) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(timeout(LONG, filled).await.is_some());
        for execution in [one, two] {
            execution.stop();
            execution.join().await.unwrap();
        }
    });
    let mut came = sorted(&[first.take(), second.take()].concat());
    came.dedup();
    all.sort_unstable();
    assert_eq!(came, all);
}

#[test]
fn the_broker_is_killed_and_comes_back() {
    // Only where a test may do that: see `tests/kafka/broker run`.
    let (Ok(bootstrap), Ok(restart)) = (
        std::env::var("KAFKA_BOOTSTRAP"),
        std::env::var("KAFKA_RESTART"),
    ) else {
        return;
    };
    let broker = Broker::alone(bootstrap.clone());
    let (from, to) = (broker.topic(3), broker.topic(2));
    let mut all = broker.fill(&from, 3, 20_000);
    let (source, target) = (from.clone(), to.clone());
    let group = unique("group");
    let flow = Flow::new("mirror", move |flow| {
        let source = Kafka::topic(&source)
            .with_bootstrap(&bootstrap)
            .with_group(&group);
        let sink = Kafka::to(&target).with_bootstrap(&bootstrap).json::<u64>();
        flow.source("from", source.json::<u64>()).sink("to", sink);
    })
    .with_commit_interval(Duration::from_millis(50));
    block_on(async {
        let execution = started(&flow).await;
        let mut driven = Driven::open(broker.numbers(&to), 1).await.unwrap();
        driven.read(1_000).await.unwrap();
        let mut words = restart.split(' ');
        let mut command = Command::new(words.next().unwrap());
        assert!(command.args(words).status().unwrap().success());
        for partition in 0..3 {
            let more = partition * 1_000_000 + 20_000..partition * 1_000_000 + 21_000;
            broker.write(&from, partition as i32, more.clone());
            all.extend(more);
        }
        let all = sorted(&all);
        let distinct = |driven: &Driven<u64>| {
            let mut distinct = sorted(&driven.values);
            distinct.dedup();
            distinct
        };
        while driven.values.len() < all.len() || distinct(&driven) != all {
            let step = timeout(2 * LONG, driven.step()).await;
            step.expect("it goes on").unwrap();
        }
        execution.stop();
        execution.join().await.unwrap();
    });
}
