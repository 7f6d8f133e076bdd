//! Which partitions a topic has: the first question to a broker, asked when the flow starts.

use std::time::Duration;

use millstream_engine::{Error, Result, runtime};
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::error::{error, is_passing, kind_of};
use super::settings::Settings;

/// A topic that was just made may not be known to every broker yet.
const UNKNOWN: Duration = Duration::from_secs(2);
/// How long to wait before asking again.
const AGAIN: Duration = Duration::from_millis(100);

/// How many partitions `topic` has. Blocks.
///
/// # Errors
/// The topic does not exist, or no broker answered in time.
pub(super) fn partitions<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    settings: &Settings,
) -> Result<i32> {
    let start = runtime::now();
    loop {
        let passed = runtime::now() - start;
        let code = match ask(client, topic, settings.patience.saturating_sub(passed)) {
            Ok(count) if count > 0 => {
                return i32::try_from(count).map_err(|_| {
                    Error::internal(format!("topic `{topic}` has {count} partitions"))
                });
            }
            Ok(_) => Code::UnknownTopicOrPartition,
            Err(cause) => match cause.rdkafka_error_code() {
                Some(code) => code,
                None => return Err(error(settings, "asking for the topic", &cause)),
            },
        };
        let unknown = matches!(code, Code::UnknownTopicOrPartition | Code::UnknownTopic);
        let patience = match () {
            () if unknown => UNKNOWN.min(settings.patience),
            () if is_passing(code) => settings.patience,
            () => Duration::ZERO,
        };
        if runtime::now() - start + AGAIN >= patience {
            let hosts = settings.bootstrap.as_deref().unwrap_or_default();
            return Err(if is_passing(code) {
                Error::connection(format!(
                    "no answer from Kafka at {hosts} within {patience:?} about topic `{topic}`: {code}"
                ))
            } else {
                Error::new(kind_of(code), format!("topic `{topic}` at {hosts}: {code}"))
            });
        }
        std::thread::sleep(AGAIN);
    }
}

fn ask<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    patience: Duration,
) -> Result<usize, KafkaError> {
    let metadata = client.fetch_metadata(Some(topic), patience.max(AGAIN))?;
    match metadata.topics().first() {
        Some(topic) => match topic.error() {
            Some(cause) => Err(KafkaError::MetadataFetch(cause.into())),
            None => Ok(topic.partitions().len()),
        },
        None => Ok(0),
    }
}
