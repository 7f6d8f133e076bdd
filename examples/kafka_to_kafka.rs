//! From Kafka to Kafka: of all payments, the large ones, keyed by account. At least once: the offsets of what was
//! read are committed only when the broker has acknowledged what was made of it.
//!
//! ```text
//! export KAFKA_BOOTSTRAP=localhost:9092
//! kafka-topics.sh --bootstrap-server $KAFKA_BOOTSTRAP --create --topic payments
//! kafka-topics.sh --bootstrap-server $KAFKA_BOOTSTRAP --create --topic large-payments
//! cargo run --example kafka_to_kafka
//! ```
//!
//! In a second terminal, and in a third:
//!
//! ```text
//! echo '{"account":"a-17","cents":250000}' | kafka-console-producer.sh --bootstrap-server $KAFKA_BOOTSTRAP --topic payments
//! kafka-console-consumer.sh --bootstrap-server $KAFKA_BOOTSTRAP --topic large-payments --from-beginning
//! ```
//!
//! Start it twice, and the two share the partitions. Ctrl-C ends it gracefully.

use millstream::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Payment {
    account: String,
    cents: u64,
}

fn main() -> millstream::Result<()> {
    let brokers = std::env::var("KAFKA_BOOTSTRAP").unwrap_or("localhost:9092".to_owned());
    let flow = Flow::new("large-payments", move |flow| {
        let payments = Kafka::topic("payments")
            .with_bootstrap(&brokers)
            .with_group("large-payments")
            .json::<Payment>();
        let large = Kafka::to("large-payments")
            .with_bootstrap(&brokers)
            .json()
            .keyed_by(|payment: &Payment| payment.account.clone());
        flow.source("payments", payments)
            .filter(|payment| payment.cents >= 100_000)
            .sink("large", large);
    });
    println!("Reading payments; Ctrl-C ends it.");
    let report = flow.run_blocking()?;
    println!("\n{report}\n{}", report.latency());
    Ok(())
}
