//! The settings of a client: ours by default, the user's on top, secrets never shown.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use millstream_engine::{Error, Result};
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

/// Where the brokers are and how to talk to them.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) bootstrap: Option<String>,
    pub(super) given: BTreeMap<String, String>,
    /// How long to wait for a broker when the flow starts.
    pub(super) patience: Duration,
}

/// What a user must not change, and what to do instead.
const REFUSED: [(&str, &str); 12] = [
    ("bootstrap.servers", "use `with_bootstrap`"),
    ("metadata.broker.list", "use `with_bootstrap`"),
    ("group.id", "use `with_group`"),
    ("group.instance.id", "use `with_static_member`"),
    ("group.protocol", "use `with_rebalance`"),
    ("partition.assignment.strategy", "use `with_rebalance`"),
    ("auto.offset.reset", "use `starting_at`"),
    (
        "enable.auto.commit",
        "offsets are committed when the sinks have what they cover, never by the clock",
    ),
    (
        "enable.auto.offset.store",
        "offsets are committed when the sinks have what they cover, never when they are read",
    ),
    ("enable.partition.eof", "use `until_end`"),
    (
        "transactional.id",
        "transactions are not supported: the guarantee is at-least-once",
    ),
    (
        "delivery.report.only.error",
        "without delivery reports nobody knows when a record is safe",
    ),
];

impl Settings {
    pub(super) fn new() -> Self {
        Settings {
            bootstrap: None,
            given: BTreeMap::new(),
            patience: Duration::from_secs(10),
        }
    }

    /// A client's configuration: `ours`, and the user's over it.
    pub(super) fn config(&self, vertex: &str, ours: &[(&str, &str)]) -> Result<ClientConfig> {
        let bootstrap = self.bootstrap.as_deref().filter(|hosts| !hosts.is_empty());
        let bootstrap = bootstrap
            .ok_or_else(|| Error::config("which Kafka? Say `with_bootstrap(\"host:9092\")`"))?;
        for (key, why) in REFUSED {
            if self.given.contains_key(key) {
                return Err(Error::config(format!("setting `{key}` is not open: {why}")));
            }
        }
        if let Some("0" | "1") = self.given.get("acks").map(String::as_str) {
            return Err(Error::config(
                "setting `acks` below `all` would lose acknowledged records with the first broker",
            ));
        }
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Info);
        config.set("client.id", format!("millstream-{vertex}"));
        config.set("bootstrap.servers", bootstrap);
        for (key, value) in ours {
            config.set(*key, *value);
        }
        for (key, value) in &self.given {
            config.set(key, value);
        }
        Ok(config)
    }

    /// The text with every secret in it replaced.
    pub(super) fn scrub(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (key, value) in &self.given {
            if is_secret(key) && !value.is_empty() {
                text = text.replace(value, "***");
            }
        }
        text
    }

    /// Passes what librdkafka logs on to `tracing`, without secrets.
    pub(super) fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        let text = self.scrub(text);
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(facility, "librdkafka: {text}"),
            _ => tracing::debug!(facility, "librdkafka: {text}"),
        }
    }
}

fn is_secret(key: &str) -> bool {
    let words = [
        "password",
        "secret",
        "token",
        "pem",
        "jaas",
        "username",
        "oauthbearer",
    ];
    words.iter().any(|word| key.contains(word))
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given: Vec<&String> = self.given.keys().collect();
        f.debug_struct("Settings")
            .field("bootstrap", &self.bootstrap)
            // The names alone: nobody can tell which of librdkafka's values will be secret next year.
            .field("given", &given)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_the_contract_is_refused() {
        for (key, _) in REFUSED {
            let mut settings = Settings::new();
            settings.bootstrap = Some("localhost:1".into());
            settings.given.insert(key.into(), "canary".into());
            let refused = settings.config("v", &[]).unwrap_err().to_string();
            assert!(
                refused.contains(key) && !refused.contains("canary"),
                "{refused}"
            );
        }
        assert!(Settings::new().config("v", &[]).is_err());
    }

    #[test]
    fn the_users_settings_come_last() {
        let mut settings = Settings::new();
        settings.bootstrap = Some("localhost:1".into());
        settings
            .given
            .insert("fetch.wait.max.ms".into(), "77".into());
        let config = settings
            .config("v", &[("fetch.wait.max.ms", "10")])
            .unwrap();
        assert_eq!(config.get("fetch.wait.max.ms"), Some("77"));
    }
}
