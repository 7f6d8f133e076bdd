//! Consumer groups: what is committed, and what happens when partitions move.

use std::collections::BTreeMap;

use millstream_connectors::kafka::source::Extract;
use millstream_connectors::kafka::{KafkaSource, Rebalancing};
use millstream_engine::runtime::{block_on, timeout};
use millstream_engine::source::{Position, SourceReader};

use crate::support::{Broker, Driven, LONG, sorted, unique};

/// Reads half, lets `commit` see every state in between, and stops. Then the next member of the group comes:
/// says what it did not get of what is not `safe`.
fn missed<E: Extract<Out = u64>>(
    broker: &Broker,
    source: impl Fn(&str) -> KafkaSource<E>,
    mut commit: impl FnMut(&mut Driven<u64>),
    safe: impl Fn(&Driven<u64>) -> Vec<u64>,
) -> Vec<u64> {
    let topic = broker.topic(2);
    let all = broker.fill(&topic, 2, 3_000);
    let source = source(&topic).with_group(unique("group"));
    block_on(async {
        let mut first = Driven::open(source.clone(), 1).await.unwrap();
        while first.values.len() < all.len() / 2 {
            first.step().await.unwrap();
            commit(&mut first);
        }
        let safe = safe(&first);
        first.close().await;

        // The last of each partition: with them the second has all that it will ever get.
        let last = [3_000, 1_003_000];
        broker.write(&topic, 0, [last[0]]);
        broker.write(&topic, 1, [last[1]]);
        let mut second = Driven::open(source, 1).await.unwrap();
        let is_all = |driven: &Driven<u64>| last.iter().all(|value| driven.values.contains(value));
        second.until(is_all).await.unwrap();
        second.close().await;
        let came = |value: &u64| safe.contains(value) || second.values.contains(value);
        all.into_iter().filter(|value| !came(value)).collect()
    })
}

/// What `positions` cover, given what was read.
fn covered(positions: &[Position], values: &[u64]) -> Vec<u64> {
    let offsets: BTreeMap<String, u64> = positions
        .iter()
        .map(|position| {
            let partition = position.split.rsplit_once('-').unwrap().1.to_owned();
            (
                partition,
                String::from_utf8(position.state.clone())
                    .unwrap()
                    .parse()
                    .unwrap(),
            )
        })
        .collect();
    let is_in = |value: &&u64| {
        let next = offsets.get(&(*value / 1_000_000).to_string());
        next.is_some_and(|next| *value % 1_000_000 < *next)
    };
    values.iter().filter(is_in).copied().collect()
}

#[test]
fn only_what_was_said_is_committed() {
    let broker = Broker::any();
    let source = |topic: &str| broker.numbers(topic);

    // The sinks have what there was after the second batch.
    let said = std::cell::RefCell::new(Vec::new());
    let mut steps = 0;
    let commit = |driven: &mut Driven<u64>| {
        steps += 1;
        if steps == 5 {
            *said.borrow_mut() = driven.positions();
            driven.commit(&said.borrow());
        }
    };
    let safe = |driven: &Driven<u64>| covered(&said.borrow(), &driven.values);
    assert_eq!(missed(&broker, source, commit, safe), Vec::<u64>::new());

    // The control: a source that commits what it has read, while the sinks still have nothing of it.
    let on_read = |driven: &mut Driven<u64>| driven.commit(&driven.positions());
    let lost = missed(&broker, source, on_read, |_| Vec::new());
    assert!(
        !lost.is_empty(),
        "the check finds nothing, so it proves nothing"
    );
}

#[test]
fn a_second_member_takes_over_without_loss_or_repetition() {
    let broker = Broker::any();
    for rebalance in [
        Rebalancing::Cooperative,
        Rebalancing::Eager,
        Rebalancing::Broker,
    ] {
        if broker.mock.is_some() && rebalance == Rebalancing::Broker {
            continue; // the mock cluster knows no KIP-848
        }
        let topic = broker.topic(4);
        let mut all = broker.fill(&topic, 4, 500);
        let source = broker
            .numbers(&topic)
            .with_group(unique("group"))
            .with_rebalance(rebalance);
        block_on(async {
            let mut driven = Driven::open(source.clone(), 1).await.unwrap();
            driven.read(all.len()).await.unwrap();
            let first = driven.positions();
            assert_eq!(first.len(), 4, "{first:?}");
            driven.commit(&first);

            let second = Driven::open(source, 1).await.unwrap();
            driven.readers.extend(second.readers);
            // Until both have two, with an epoch per step: a barrier behind what was read.
            let shared = |driven: &Driven<u64>| {
                driven
                    .readers
                    .iter()
                    .all(|(reader, _)| reader.positions().len() == 2)
            };
            while !shared(&driven) {
                timeout(LONG, driven.step())
                    .await
                    .expect("both have two")
                    .unwrap();
                let positions = driven.positions();
                driven.commit(&positions);
            }
            for partition in 0..4 {
                let values = partition * 1_000_000 + 500..partition * 1_000_000 + 600;
                broker.write(&topic, partition as i32, values.clone());
                all.extend(values);
            }
            driven.read(all.len()).await.unwrap();
            assert_eq!(sorted(&driven.values), sorted(&all), "{rebalance:?}");
            driven.close().await;
        });
    }
}

#[test]
fn news_of_an_earlier_assignment_moves_no_group() {
    let broker = Broker::any();
    let topic = broker.topic(1);
    broker.fill(&topic, 1, 100);
    let group = unique("group");
    let source = broker.numbers(&topic).with_group(&group);
    let at = |offset: u64| {
        vec![Position {
            split: format!("{topic}-0"),
            state: offset.to_string().into_bytes(),
        }]
    };
    block_on(async {
        let mut first = Driven::open(source.clone(), 1).await.unwrap();
        first.read(100).await.unwrap();
        first.commit(&at(60));
        first.close().await;
        assert_eq!(broker.committed(&topic, &group, 1), [60]);

        let mut second = Driven::open(source, 1).await.unwrap();
        second.read(40).await.unwrap();
        // Before where it began, and behind what it has read.
        second.commit(&at(50));
        second.commit(&at(4_000));
        second.close().await; // commits what is to be committed
        assert_eq!(broker.committed(&topic, &group, 1), [60]);
    });
}
