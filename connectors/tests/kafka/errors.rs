//! What goes wrong says so, within a bound, and gives no secret away.

use std::time::Duration;

use millstream_connectors::kafka::{Kafka, Message, Otherwise, Start};
use millstream_engine::ErrorKind;
use millstream_engine::runtime::{self, block_on};
use millstream_engine::sink::{Sink, SinkSetup};
use millstream_engine::source::{Position, Source, SourceSetup};
use rdkafka::types::RDKafkaRespErr;

use crate::support::{Broker, Driven, LONG, unique};

fn nobody() -> &'static str {
    "127.0.0.1:9" // "discard": nothing listens there
}

#[test]
fn an_unknown_topic_is_an_error_of_the_set_up() {
    let broker = Broker::any();
    let missing = unique("missing");
    if let Some(mock) = &broker.mock {
        // The mock cluster makes every topic it is asked for.
        let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        mock.topic_error(&missing, unknown).unwrap();
    }
    let source = broker.numbers(&missing);
    let error = block_on(source.open(SourceSetup::first("in", 1)))
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains(&missing), "{error}");
    let sink = Kafka::to(&missing)
        .with_bootstrap(&broker.bootstrap)
        .text::<u64>();
    let error = block_on(sink.open(SinkSetup::new("out", 1))).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
}

#[test]
fn a_broker_that_is_not_there_is_given_up() {
    let patience = Duration::from_millis(300);
    let start = runtime::now();
    let source = Kafka::topic("t")
        .with_bootstrap(nobody())
        .with_patience(patience)
        .text();
    let error = block_on(source.open(SourceSetup::first("in", 1)))
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
    assert!(error.to_string().contains(nobody()), "{error}");
    let sink = Kafka::to("t")
        .with_bootstrap(nobody())
        .with_patience(patience)
        .text::<u64>();
    let error = block_on(sink.open(SinkSetup::new("out", 1))).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
    assert!(runtime::now() - start < Duration::from_secs(10));
}

#[test]
fn no_secret_is_printed() {
    let canary = "canary-7c1f";
    let keys = [
        "sasl.password",
        "ssl.key.pem",
        "ssl.key.password",
        "sasl.oauthbearer.client.secret",
        "debug",
        "no.such.setting",
        "fetch.wait.max.ms",
    ];
    for key in keys {
        let source = Kafka::topic("t")
            .with_bootstrap(nobody())
            .with_setting("security.protocol", "sasl_plaintext")
            .with_setting(key, canary)
            .with_patience(Duration::from_millis(100))
            .text();
        assert!(!format!("{source:?}").contains(canary));
        let error = block_on(source.open(SourceSetup::first("in", 1)))
            .err()
            .unwrap();
        assert!(!format!("{error} {error:?}").contains(canary), "{error}");
        let sink = Kafka::to("t")
            .with_bootstrap(nobody())
            .with_setting(key, canary)
            .with_patience(Duration::from_millis(100))
            .text::<u64>();
        assert!(!format!("{sink:?}").contains(canary));
        let error = block_on(sink.open(SinkSetup::new("out", 1))).err().unwrap();
        assert!(!format!("{error} {error:?}").contains(canary), "{error}");
    }
}

#[test]
fn a_simulated_flow_has_no_kafka() {
    let opened = runtime::simulate(1, async {
        let source = Kafka::topic("t").with_bootstrap(nobody()).text();
        source
            .open(SourceSetup::first("in", 1))
            .await
            .err()
            .unwrap()
    });
    assert_eq!(opened.unwrap().kind(), ErrorKind::Config);
}

#[test]
fn a_position_that_is_gone_is_no_silent_jump() {
    let broker = Broker::any();
    let topic = broker.topic(1);
    broker.fill(&topic, 1, 10);
    let position = Position {
        split: format!("{topic}-0"),
        state: b"4000".to_vec(),
    };
    let setup = SourceSetup::first("in", 1).resumed(vec![position]);
    block_on(async {
        let mut driven = Driven::open_with(broker.numbers(&topic), setup)
            .await
            .unwrap();
        let error = driven.read(1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::State, "{error}");
        let text = error.to_string();
        assert!(
            text.contains("offset 4000") && text.contains("ends at 10"),
            "{text}"
        );
    });
}

#[test]
fn a_group_without_offsets_can_be_refused() {
    let broker = Broker::any();
    let topic = broker.topic(1);
    let source = broker
        .numbers(&topic)
        .with_group(unique("group"))
        .starting_at(Start::Committed(Otherwise::Fail));
    block_on(async {
        let mut driven = Driven::open(source, 1).await.unwrap();
        let error = driven.read(1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    });
}

#[test]
fn a_decoder_that_panics_fails_the_flow() {
    let broker = Broker::any();
    let topic = broker.topic(1);
    broker.fill(&topic, 1, 10);
    let explode = |message: &Message<'_>| match message.offset() {
        5 => panic!("five"),
        offset => Ok(offset),
    };
    for group in [false, true] {
        let mut source = Kafka::topic(&topic)
            .with_bootstrap(&broker.bootstrap)
            .messages(explode);
        if group {
            source = source.with_group(unique("group"));
        }
        block_on(async {
            let mut driven = Driven::open(source, 1).await.unwrap();
            let error = driven.read(10).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::User, "{error}");
            assert!(error.to_string().contains("five"), "{error}");
            driven.close().await; // and the thread has let go
        });
    }
}

#[test]
fn what_may_not_be_read_fails_the_flow() {
    let broker = Broker::mock();
    let topic = broker.topic(1);
    broker.fill(&topic, 1, 10);
    block_on(async {
        let mut driven = Driven::open(broker.numbers(&topic), 1).await.unwrap();
        let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        let mock = broker.mock.as_ref().unwrap();
        mock.request_errors(rdkafka::types::RDKafkaApiKey::Fetch, &[denied; 20]);
        let error = driven.read(usize::MAX).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    });
}

#[test]
fn an_error_that_passes_costs_no_record() {
    let broker = Broker::mock();
    let topic = broker.topic(1);
    broker.write(&topic, 0, 0..10);
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (go, may_go) = std::sync::mpsc::channel::<()>();
    // Moved into the closure as a whole, which must be `Clone`.
    let may_go = std::sync::Arc::new(std::sync::Mutex::new(may_go));
    let source = Kafka::topic(&topic)
        .with_bootstrap(&broker.bootstrap)
        .messages(move |message| {
            if message.offset() == 0 {
                begun.send(()).unwrap();
                may_go.lock().unwrap().recv().unwrap();
            }
            Ok(message.offset())
        });
    block_on(async {
        let mut driven = Driven::open(source, 1).await.unwrap();
        has_begun.recv_timeout(LONG).unwrap();
        // While the thread decodes its first record, an error comes, and records behind it: one fetch has both.
        let late = RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT;
        let mock = broker.mock.as_ref().unwrap();
        mock.request_errors(rdkafka::types::RDKafkaApiKey::Fetch, &[late]);
        std::thread::sleep(Duration::from_millis(300));
        broker.write(&topic, 0, 10..20);
        std::thread::sleep(Duration::from_millis(300));
        go.send(()).unwrap();
        broker.write(&topic, 0, 20..30);
        driven
            .until(|driven| driven.values.contains(&29))
            .await
            .unwrap();
        assert_eq!(driven.values, (0..30).collect::<Vec<i64>>());
    });
}
