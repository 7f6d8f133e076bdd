//! Writing: all that Kafka carries, back-pressure, refusals, failures.

use std::time::Duration;

use millstream_connectors::codec::{Json, Text};
use millstream_connectors::kafka::sink::{KafkaWriter, Values};
use millstream_connectors::kafka::{Header, Kafka, KafkaRecord};
use millstream_engine::ErrorKind;
use millstream_engine::batch::{Batch, Record};
use millstream_engine::runtime::{self, block_on, timeout};
use millstream_engine::sink::{Sink, SinkSetup, SinkWriter};
use millstream_engine::time::Timestamp;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::support::{Broker, Driven, LONG, sorted};

fn batch<T>(values: impl IntoIterator<Item = T>) -> Batch<T> {
    let mut batch = Batch::new(runtime::now());
    let time = Timestamp::from_millis(1_500);
    batch
        .records
        .extend(values.into_iter().map(|value| Record { time, value }));
    batch
}

async fn numbers(
    broker: &Broker,
    topic: &str,
    settings: &[(&str, &str)],
) -> KafkaWriter<Values<Text<u64>>> {
    let mut sink = Kafka::to(topic)
        .with_bootstrap(&broker.bootstrap)
        .text::<u64>();
    for (key, value) in settings {
        sink = sink.with_setting(*key, *value);
    }
    sink.open(SinkSetup::new("out", 1)).await.unwrap().remove(0)
}

#[test]
fn keys_headers_timestamps_and_tombstones_come_back() {
    let broker = Broker::any();
    let topic = broker.topic(1);
    let records = vec![
        KafkaRecord::new("a".to_owned(), 1_u64)
            .with_header("h", "x")
            .with_header("h", "y"),
        KafkaRecord::new("b".to_owned(), 2).with_timestamp(Timestamp::from_millis(77_000)),
        KafkaRecord::tombstone("a".to_owned()),
    ];
    block_on(async {
        let sink = Kafka::to(&topic)
            .with_bootstrap(&broker.bootstrap)
            .records(Text::<String>::new(), Json::<u64>::new());
        let mut writer = sink.open(SinkSetup::new("out", 1)).await.unwrap().remove(0);
        let mut bad = Vec::new();
        writer
            .write(&mut batch(records.clone()), &mut bad)
            .await
            .unwrap();
        writer.close(&mut bad).await.unwrap();

        let source = Kafka::topic(&topic)
            .with_bootstrap(&broker.bootstrap)
            .records(Text::new(), Json::<u64>::new());
        let mut driven = Driven::open(source, 1).await.unwrap();
        driven.read(3).await.unwrap();
        for (offset, (wrote, read)) in records.iter().zip(&driven.values).enumerate() {
            assert_eq!((&wrote.key, &wrote.value), (&read.key, &read.value));
            assert_eq!(wrote.headers, read.headers);
            // Without one of its own, a record carries its event time.
            let time = wrote.timestamp.unwrap_or(Timestamp::from_millis(1_500));
            assert_eq!(read.timestamp, Some(time));
            let origin = read.origin.as_ref().unwrap();
            assert_eq!(
                (&*origin.topic, origin.partition, origin.offset),
                (&*topic, 0, offset as i64)
            );
        }
    });
}

#[test]
fn equal_keys_go_where_java_sends_them() {
    let broker = Broker::any();
    let topic = broker.topic(4);
    // From the tests of Kafka's own `Utils.murmur2`, without the sign, modulo 4.
    let keys = [
        ("21", 973_932_308_u32),
        ("foobar", 790_332_482),
        ("a-little-bit-long-string", 985_981_536),
    ];
    let partition = |hash: u32| (hash.wrapping_neg() & 0x7fff_ffff) % 4;
    block_on(async {
        let sink = Kafka::to(&topic)
            .with_bootstrap(&broker.bootstrap)
            .text::<String>()
            .keyed_by(|key| key.clone())
            .with_headers(|_| {
                vec![Header {
                    name: "empty".into(),
                    value: None,
                }]
            })
            .with_timestamp(|_| Timestamp::from_millis(9_000));
        let mut writer = sink.open(SinkSetup::new("out", 1)).await.unwrap().remove(0);
        let mut bad = Vec::new();
        let values = keys.map(|(key, _)| key.to_owned());
        writer.write(&mut batch(values), &mut bad).await.unwrap();
        writer.flush(&mut bad).await.unwrap();
        let source = Kafka::topic(&topic).with_bootstrap(&broker.bootstrap);
        let source = source.records(Text::new(), Text::new());
        let mut driven = Driven::open(source, 1).await.unwrap();
        driven.read(keys.len()).await.unwrap();
        for record in driven.values {
            let key = record.key.unwrap();
            let hash = keys.iter().find(|(other, _)| *other == key).unwrap().1;
            assert_eq!(
                record.origin.unwrap().partition as u32,
                partition(hash),
                "{key}"
            );
            assert_eq!(
                record.headers,
                [Header {
                    name: "empty".into(),
                    value: None
                }]
            );
            assert_eq!(record.timestamp, Some(Timestamp::from_millis(9_000)));
        }
    });
}

#[test]
fn a_full_queue_makes_the_writer_wait_and_loses_nothing() {
    let broker = Broker::any();
    let topic = broker.topic(2);
    block_on(async {
        let settings = [("queue.buffering.max.messages", "10")];
        let mut writer = numbers(&broker, &topic, &settings).await;
        let mut bad = Vec::new();
        writer.write(&mut batch(0..2_000), &mut bad).await.unwrap();
        writer.flush(&mut bad).await.unwrap();
        assert!(bad.is_empty());
        let mut driven = Driven::open(broker.numbers(&topic).until_end(), 1)
            .await
            .unwrap();
        driven.until(|driven| driven.ended).await.unwrap();
        assert_eq!(sorted(&driven.values), (0..2_000).collect::<Vec<u64>>());
    });
}

#[test]
fn flush_waits_for_the_broker() {
    let broker = Broker::mock();
    let topic = broker.topic(1);
    let mock = broker.mock.as_ref().unwrap();
    block_on(async {
        let mut writer = numbers(&broker, &topic, &[]).await;
        mock.broker_down(1).unwrap();
        let mut bad = Vec::new();
        writer.write(&mut batch(0..5), &mut bad).await.unwrap();
        let early = timeout(Duration::from_millis(300), writer.flush(&mut bad)).await;
        assert!(early.is_none(), "flushed to a broker that is down");
        mock.broker_up(1).unwrap();
        timeout(LONG, writer.flush(&mut bad))
            .await
            .unwrap()
            .unwrap();
    });
}

#[test]
fn what_is_too_large_is_a_bad_record_and_the_rest_is_written() {
    let broker = Broker::any();
    let topic = broker.topic(1);
    block_on(async {
        let sink = Kafka::to(&topic)
            .with_bootstrap(&broker.bootstrap)
            .text::<String>();
        let mut writer = sink.open(SinkSetup::new("out", 1)).await.unwrap().remove(0);
        let mut bad = Vec::new();
        let values = ["1".to_owned(), "9".repeat(2_000_000), "2".to_owned()];
        writer.write(&mut batch(values), &mut bad).await.unwrap();
        writer.flush(&mut bad).await.unwrap();
        assert_eq!(bad.len(), 1);
        assert_eq!(bad[0].origin, topic);
        assert_eq!(bad[0].position, "record of 1970-01-01T00:00:01.5Z");
        assert_eq!(
            bad[0].payload.len(),
            2_000_000,
            "all of it, for the dead letter"
        );
        let mut driven = Driven::open(broker.numbers(&topic).until_end(), 1)
            .await
            .unwrap();
        driven.until(|driven| driven.ended).await.unwrap();
        assert_eq!(driven.values, [1, 2]);
    });
}

#[test]
fn what_the_broker_refuses_is_a_bad_record() {
    let broker = Broker::mock();
    let topic = broker.topic(1);
    let mock = broker.mock.as_ref().unwrap();
    block_on(async {
        let mut writer = numbers(&broker, &topic, &[("enable.idempotence", "false")]).await;
        let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP;
        mock.request_errors(RDKafkaApiKey::Produce, &[refused]);
        let mut bad = Vec::new();
        writer.write(&mut batch([5]), &mut bad).await.unwrap();
        writer.flush(&mut bad).await.unwrap();
        assert_eq!(bad.len(), 1);
        assert_eq!(
            (&*bad[0].origin, &*bad[0].payload),
            (&*topic, b"5".as_slice())
        );
        assert_eq!(bad[0].position, "partition 0");
    });
}

#[test]
fn a_delivery_that_fails_fails_the_flow() {
    let broker = Broker::mock();
    let topic = broker.topic(1);
    let mock = broker.mock.as_ref().unwrap();
    block_on(async {
        let mut writer = numbers(&broker, &topic, &[]).await;
        let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        mock.request_errors(RDKafkaApiKey::Produce, &[denied]);
        let mut bad = Vec::new();
        writer.write(&mut batch([5]), &mut bad).await.unwrap();
        let error = writer.flush(&mut bad).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains(&topic), "{error}");
    });
}
