//! The Kafka source and sink alone, beside bare loops over librdkafka: messages per second and CPU per message.
//!
//! Needs a real broker: `tests/kafka/broker run cargo bench -p millstream-connectors --features kafka --bench kafka`.
//! Rounds are interleaved and the median is told; the CPU is that of this process, the broker's not counted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::CString;
use std::ptr;
use std::time::{Duration, Instant};

use millstream_connectors::Kafka;
use millstream_connectors::kafka::Start;
use millstream_engine::batch::{Batch, Record};
use millstream_engine::runtime::{self, block_on};
use millstream_engine::sink::{Sink, SinkSetup, SinkWriter};
use millstream_engine::source::{Intake, Source, SourceReader, SourceSetup};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::bindings as native;
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const MESSAGES: usize = 2_000_000;
const SIZE: usize = 100;
const PARTITIONS: i32 = 2;
const ROUNDS: usize = 5;

fn main() {
    let Ok(bootstrap) = std::env::var("KAFKA_BOOTSTRAP") else {
        println!("no KAFKA_BOOTSTRAP: nothing to measure against");
        return;
    };
    let topic = |round: usize, who: &str| {
        let name = format!("bench-{}-{who}-{round}", std::process::id());
        let admin: AdminClient<DefaultClientContext> = config(&bootstrap).create().unwrap();
        let topic = NewTopic::new(&name, PARTITIONS, TopicReplication::Fixed(1));
        block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap();
        name
    };
    let mut produced = [Vec::new(), Vec::new()];
    let mut consumed = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        let bare = topic(round, "bare");
        produced[0].push(measured(|| bare_producer(&bootstrap, &bare)));
        let ours = topic(round, "ours");
        produced[1].push(measured(|| our_sink(&bootstrap, &ours)));
        consumed[0].push(measured(|| bare_consumer(&bootstrap, &ours)));
        consumed[1].push(measured(|| our_source(&bootstrap, &ours, false)));
        consumed[2].push(measured(|| our_source(&bootstrap, &ours, true)));
    }
    let [bare, ours] = produced;
    told("produce, bare BaseProducer loop", bare);
    told("produce, KafkaSink", ours);
    let [bare, lengths, bytes] = consumed;
    told("consume, bare batch-queue loop", bare);
    told("consume, KafkaSource, lengths, group", lengths);
    told("consume, KafkaSource, owned bytes, group", bytes);
}

/// Seconds and CPU seconds.
fn measured(work: impl FnOnce() -> Duration) -> (f64, f64) {
    let cpu = cpu();
    let took = work();
    (took.as_secs_f64(), self::cpu() - cpu)
}

fn told(what: &str, rounds: Vec<(f64, f64)>) {
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let seconds = median(rounds.iter().map(|round| round.0).collect());
    let cpu = median(rounds.iter().map(|round| round.1).collect());
    let messages = MESSAGES as f64;
    println!(
        "{what:42} {:6.2} M/s {:7.3} us CPU per message",
        messages / seconds / 1e6,
        cpu / messages * 1e6
    );
}

/// CPU seconds of this process so far, from `/proc` (in ticks of 10 ms).
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<f64> = behind_name
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0.0))
        .collect();
    (fields.get(11).unwrap_or(&0.0) + fields.get(12).unwrap_or(&0.0)) / 100.0
}

fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

fn bare_producer(bootstrap: &str, topic: &str) -> Duration {
    let producer: BaseProducer = config(bootstrap)
        .set("enable.idempotence", "true")
        .set("linger.ms", linger())
        .set("queue.buffering.max.kbytes", "32768")
        .create()
        .unwrap();
    let payload = [b'x'; SIZE];
    let start = Instant::now();
    for sent in 0..MESSAGES {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).payload(&payload);
        while let Err((_, full)) = producer.send(record) {
            record = full;
            producer.poll(Duration::from_millis(1));
        }
        if sent % 512 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    start.elapsed()
}

fn linger() -> String {
    std::env::var("LINGER").unwrap_or_else(|_| "0".into())
}

fn our_sink(bootstrap: &str, topic: &str) -> Duration {
    block_on(async {
        let sink = Kafka::to(topic)
            .with_bootstrap(bootstrap)
            .with_setting("linger.ms", linger())
            .bytes();
        let mut writer = sink.open(SinkSetup::new("out", 1)).await.unwrap().remove(0);
        let payload = vec![b'x'; SIZE];
        let (mut bad, mut sent) = (Vec::new(), 0);
        let start = Instant::now();
        let time = runtime::wall();
        while sent < MESSAGES {
            let mut batch = Batch::new(runtime::now());
            let count = 500.min(MESSAGES - sent);
            batch.records.extend((0..count).map(|_| Record {
                time,
                value: payload.clone(),
            }));
            sent += count;
            writer.write(&mut batch, &mut bad).await.unwrap();
        }
        writer.flush(&mut bad).await.unwrap();
        assert!(bad.is_empty());
        start.elapsed()
    })
}

fn our_source(bootstrap: &str, topic: &str, owned: bool) -> Duration {
    let source = Kafka::topic(topic)
        .with_bootstrap(bootstrap)
        .with_group(format!("{topic}-{owned}"))
        .starting_at(Start::Earliest);
    match owned {
        true => drain(source.bytes()),
        false => drain(source.messages(|message| Ok(message.payload().map_or(0, <[u8]>::len)))),
    }
}

/// From the first message on: joining the group is not counted.
fn drain<S: Source>(source: S) -> Duration {
    block_on(async {
        let mut reader = source
            .open(SourceSetup::first("in", 1))
            .await
            .unwrap()
            .remove(0);
        let mut intake = Intake::new();
        let (mut count, mut start) = (0, None);
        while count < MESSAGES {
            reader.read(&mut intake).await.unwrap();
            count += intake.take_values().len();
            if count > 0 && start.is_none() {
                start = Some(Instant::now());
            }
        }
        let took = start.map_or(Duration::ZERO, |start| start.elapsed());
        reader.close().await.unwrap();
        took
    })
}

fn bare_consumer(bootstrap: &str, topic: &str) -> Duration {
    let consumer: BaseConsumer = config(bootstrap)
        .set("group.id", "bare")
        .set("fetch.queue.backoff.ms", "5")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut count, mut bytes, mut start) = (0, 0, None);
    // SAFETY: as librdkafka's manual has it; the queue is destroyed before its consumer.
    unsafe {
        let client = consumer.client().native_ptr();
        let queue = native::rd_kafka_queue_new(client);
        let name = CString::new(topic).unwrap();
        for partition in 0..PARTITIONS {
            let from = native::rd_kafka_queue_get_partition(client, name.as_ptr(), partition);
            native::rd_kafka_queue_forward(from, queue);
            native::rd_kafka_queue_destroy(from);
        }
        let mut room = vec![ptr::null_mut(); 512];
        while count < MESSAGES {
            let read =
                native::rd_kafka_consume_batch_queue(queue, 5, room.as_mut_ptr(), room.len());
            for message in &room[..read as usize] {
                bytes += (**message).len;
                native::rd_kafka_message_destroy(*message);
            }
            count += read as usize;
            if count > 0 && start.is_none() {
                start = Some(Instant::now());
            }
        }
        native::rd_kafka_queue_destroy(queue);
    }
    assert_eq!(bytes, MESSAGES * SIZE);
    start.map_or(Duration::ZERO, |start| start.elapsed())
}
