//! Reading: everything, from where it was said, and no further than there is room.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream_connectors::codec::CodecError;
use millstream_connectors::kafka::{Kafka, Otherwise, Start};
use millstream_engine::runtime::{block_on, sleep, timeout};
use millstream_engine::source::{PartitionNews, SourceReader, SourceSetup};
use millstream_engine::time::Timestamp;

use crate::support::{Broker, Driven, LONG, sorted, unique};

#[test]
fn many_partitions_and_two_readers_give_everything_once() {
    let broker = Broker::any();
    let topic = broker.topic(8);
    let all = broker.fill(&topic, 8, 1_500);
    for group in [None, Some(unique("group"))] {
        let mut source = broker.numbers(&topic);
        if let Some(group) = group {
            source = source.with_group(group);
        }
        block_on(async {
            let mut driven = Driven::open(source, 2).await.unwrap();
            assert_eq!(driven.readers.len(), 2);
            driven.read(all.len()).await.unwrap();
            assert_eq!(sorted(&driven.values), all);
            driven.close().await;
        });
    }
}

#[test]
fn each_partition_keeps_its_order() {
    let broker = Broker::any();
    let topic = broker.topic(3);
    let all = broker.fill(&topic, 3, 2_000);
    block_on(async {
        let mut driven = Driven::open(broker.numbers(&topic), 1).await.unwrap();
        driven.read(all.len()).await.unwrap();
        for partition in 0..3 {
            let is_in = |value: &&u64| *value / 1_000_000 == partition;
            assert!(driven.values.iter().filter(is_in).is_sorted());
        }
    });
}

#[test]
fn it_starts_where_it_is_told() {
    let broker = Broker::any();
    let topic = broker.topic(2);
    broker.write(&topic, 0, 0..10);
    let starting_at = |start| broker.numbers(&topic).starting_at(start);
    let first = |source, count| {
        block_on(async {
            let mut driven = Driven::open(source, 1).await.unwrap();
            broker.write(&topic, 1, [100]);
            driven.read(count).await.unwrap();
            driven.close().await;
            sorted(&driven.values)
        })
    };
    assert_eq!(first(starting_at(Start::Latest), 1), [100]);
    let earliest: Vec<u64> = (0..10).chain([100, 100]).collect();
    assert_eq!(first(starting_at(Start::Earliest), 12), earliest);
    let offsets = vec![(topic.clone(), 0, 8), (topic.clone(), 1, 2)];
    assert_eq!(first(starting_at(Start::Offsets(offsets)), 3), [8, 9, 100]);
    let latest = Start::Committed(Otherwise::Latest);
    assert_eq!(first(starting_at(latest), 1), [100]);
    // The mock cluster looks up no timestamps.
    if broker.mock.is_none() {
        let from = Timestamp::from_millis(1_000_007);
        assert_eq!(
            first(starting_at(Start::Timestamp(from)), 4),
            [7, 8, 9, 100]
        );
    }
}

#[test]
fn saved_positions_win_over_committed_ones() {
    let broker = Broker::any();
    let topic = broker.topic(2);
    let all = broker.fill(&topic, 2, 100);
    let group = unique("group");
    let source = broker.numbers(&topic).with_group(&group);
    block_on(async {
        let mut first = Driven::open(source.clone(), 1).await.unwrap();
        first
            .until(|driven| !driven.values.is_empty())
            .await
            .unwrap();
        let (saved, seen) = (first.positions(), first.values.clone());
        first.read(all.len()).await.unwrap();
        first.commit(&first.positions());
        first.close().await;

        // Everything is committed, but only `saved` was restored: with another parallelism, even.
        let setup = SourceSetup::first("numbers", 2).resumed(saved);
        let mut second = Driven::open_with(source, setup).await.unwrap();
        second.read(all.len() - seen.len()).await.unwrap();
        let both: Vec<u64> = seen.into_iter().chain(second.values.clone()).collect();
        assert_eq!(sorted(&both), all);
        second.close().await;
    });
}

#[test]
fn until_end_ends() {
    let broker = Broker::any();
    let topic = broker.topic(4);
    let all = broker.fill(&topic, 3, 700); // the fourth is empty
    let source = broker
        .numbers(&topic)
        .with_group(unique("group"))
        .until_end();
    block_on(async {
        let mut driven = Driven::open(source, 3).await.unwrap();
        // Behind the end: not part of it.
        broker.write(&topic, 0, [7, 7, 7]);
        driven.until(|driven| driven.ended).await.unwrap();
        assert_eq!(sorted(&driven.values), all);
    });
}

#[test]
fn nobody_reads_and_little_is_decoded_and_the_member_stays() {
    let broker = Broker::any();
    let topic = broker.topic(1);
    broker.fill(&topic, 1, 20_000);
    let decoded = Arc::new(AtomicUsize::new(0));
    let counted = decoded.clone();
    let source = Kafka::topic(&topic)
        .with_bootstrap(&broker.bootstrap)
        .with_group(unique("group"))
        // Were it not polled all the time, it would be out of the group in four seconds.
        .with_setting("max.poll.interval.ms", "4000")
        .with_setting("session.timeout.ms", "4000")
        .with_setting("heartbeat.interval.ms", "200")
        .messages(move |message| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(message.offset())
        });
    block_on(async {
        let mut driven = Driven::open(source, 1).await.unwrap();
        driven.read(1).await.unwrap();
        sleep(Duration::from_millis(5_000)).await;
        let most = 512 * 10;
        let count = decoded.load(Ordering::Relaxed);
        assert!(
            (512..=most).contains(&count),
            "{count} were decoded and not read"
        );
        // No offset comes twice, as it would after a rebalance.
        driven.read(20_000).await.unwrap();
        assert_eq!(driven.values, (0..20_000).collect::<Vec<i64>>());
        driven.close().await;
    });
}

#[test]
fn what_cannot_be_decoded_is_told_and_reading_goes_on() {
    let broker = Broker::any();
    let topic = broker.topic(1);
    broker.fill(&topic, 1, 10);
    let source = Kafka::topic(&topic)
        .with_bootstrap(&broker.bootstrap)
        .messages(|message| match message.offset() {
            3 => Err(CodecError::new("three")),
            offset => Ok(offset),
        });
    block_on(async {
        let mut driven = Driven::open(source, 1).await.unwrap();
        driven.read(9).await.unwrap();
        let bad = driven.readers[0].1.take_bad();
        assert_eq!(bad.len(), 1);
        assert_eq!(
            bad[0].to_string(),
            format!("bad record in {topic}-0, offset 3: three")
        );
        assert_eq!(bad[0].payload, b"3");
    });
}

#[test]
fn a_partition_that_has_ended_holds_back_no_time() {
    let broker = Broker::any();
    let topic = broker.topic(3);
    broker.write(&topic, 0, 0..10);
    broker.write(&topic, 1, 1_000_000..1_003_000); // the third is empty
    let source = broker.numbers(&topic).until_end();
    block_on(async {
        let mut driven = Driven::open(source, 1).await.unwrap();
        let (mut known, mut ended) = (Vec::new(), Vec::new());
        while !driven.ended {
            driven.step().await.unwrap();
            let Some((reader, intake)) = driven.readers.first_mut() else {
                break;
            };
            for news in intake.take_news() {
                match news {
                    PartitionNews::Assigned(id, name) => known.push((id, name)),
                    PartitionNews::Revoked(id) => {
                        assert_eq!(known.len(), 3, "all are known before the first has ended");
                        let (_, name) = known.iter().find(|(known, _)| *known == id).unwrap();
                        let number = name.rsplit_once('-').unwrap().1.parse::<u64>().unwrap();
                        let is_of = |value: &&u64| *value / 1_000_000 == number;
                        let count = driven.values.iter().filter(is_of).count();
                        assert_eq!(Some(&count), [10, 3_000, 0].get(number as usize));
                        ended.push(number);
                    }
                    other => panic!("{other:?}"),
                }
            }
            // Their positions still belong to the snapshot.
            assert_eq!(reader.positions().len(), known.len());
        }
        ended.sort_unstable();
        assert_eq!(ended, [0, 1, 2]);
    });
}

#[test]
fn large_records_come_in_small_batches() {
    let broker = Broker::any();
    let topic = broker.topic(1);
    let payload = "x".repeat(300_000);
    broker.write_text(&topic, 0, std::iter::repeat_n(payload, 12));
    let source = Kafka::topic(&topic)
        .with_bootstrap(&broker.bootstrap)
        .messages(move |message| {
            // Slow enough for a fetch to find many.
            std::thread::sleep(Duration::from_millis(2));
            Ok(message.payload().map_or(0, <[u8]>::len))
        });
    block_on(async {
        let mut driven = Driven::open(source, 1).await.unwrap();
        let mut seen = 0;
        while seen < 12 {
            let step = timeout(LONG, driven.step()).await;
            step.expect("the next batch").unwrap();
            let came = driven.values.len() - seen;
            assert!(came <= 4, "{came} records of 300 kB in one batch");
            seen += came;
        }
        assert_eq!(driven.values, [300_000; 12]);
    });
}
