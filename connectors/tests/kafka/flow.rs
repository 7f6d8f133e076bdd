//! Whole flows.

use std::process::Command;
use std::time::Duration;

use millstream::connectors::memory::{Collect, into_channel};
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

#[test]
fn offsets_are_never_ahead_of_a_slow_sink() {
    let broker = Broker::any();
    let topic = broker.topic(3);
    let all = broker.fill(&topic, 3, 4_000).len();
    let group = unique("group");
    let source = broker.numbers(&topic).with_group(&group);
    // What is in the channel was handed over; and it takes only as many as the test takes out.
    let (sink, taken) = flume::bounded(100);
    let flow = Flow::new("slow", move |flow| {
        flow.source("numbers", source.clone())
            .rebalance()
            .map(|number| number)
            .sink("slow", into_channel(sink.clone()));
    })
    .with_parallelism(2)
    // So that barriers come between the records, and not behind them all.
    .with_channel_batches(1)
    .with_commit_interval(Duration::from_millis(20));
    block_on(async {
        let execution = started(&flow).await;
        let mut had = 0;
        while had < all {
            for _ in 0..600 {
                let next = timeout(LONG, taken.recv_async()).await;
                had += usize::from(next.expect("the next record").is_ok());
            }
            sleep(Duration::from_millis(100)).await;
            let committed: i64 = broker.committed(&topic, &group, 3).iter().sum();
            assert!(
                committed as usize <= had + taken.len(),
                "{committed} of {had}"
            );
        }
        execution.stop();
        execution.join().await.unwrap();
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
