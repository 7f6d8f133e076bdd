//! Kafka sources and sinks, driven by hand: on librdkafka's mock cluster, or on the broker at `KAFKA_BOOTSTRAP`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod errors;
mod flow;
mod group;
mod sink;
mod source;
mod support;
