//! The latest value of each key.

use millstream_engine::key::KeyHash;
use millstream_engine::operator::Step;
use millstream_engine::time::Timestamp;
use millstream_engine::{Error, Result};

use super::BroadcastTable;
use crate::join::due_keys::DueKeys;
use crate::keyed::{AT_ONCE, Key};

/// A table of a bounded number of keys, each forgotten when it was not updated for long.
pub(super) struct Table<K, V> {
    rows: DueKeys<K, Option<Row<V>>>,
    most_keys: usize,
    ttl: Option<i64>,
}

pub(super) struct Row<V> {
    value: V,
    /// The last moment of processing time it is here.
    last: Timestamp,
}

/// How many buckets of deadlines the time to live is cut into.
const BUCKETS: i64 = 64;

impl<K: Key, V> Table<K, V> {
    pub(super) fn new(settings: BroadcastTable) -> Self {
        Table {
            rows: DueKeys::new(settings.ttl.unwrap_or(0) / BUCKETS),
            most_keys: settings.most_keys,
            ttl: settings.ttl,
        }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<&V> {
        let number = self.rows.find(KeyHash::of(key), key)?;
        let (_, _, row) = self.rows.get_mut(number)?;
        Some(&row.as_ref()?.value)
    }

    /// Sets what is under a key, or takes it out.
    pub(super) fn update(&mut self, key: K, value: Option<V>, now: Timestamp) -> Result<()> {
        let Some(value) = value else {
            if let Some(number) = self.rows.find(KeyHash::of(&key), &key) {
                self.rows.remove(number);
            }
            return Ok(());
        };
        let last = match self.ttl {
            Some(ttl) => Timestamp::from_micros(now.as_micros().saturating_add(ttl)),
            None => Timestamp::MAX,
        };
        self.set(key, value, last)
    }

    pub(super) fn set(&mut self, key: K, value: V, last: Timestamp) -> Result<()> {
        let number = self.rows.place(KeyHash::of(&key), key);
        if let Some((_, _, row)) = self.rows.get_mut(number) {
            *row = Some(Row { value, last });
        }
        if self.ttl.is_some() {
            self.rows.due_behind(number, last);
        }
        if self.rows.len() > self.most_keys {
            return Err(Error::user(format!(
                "its table has more than {} keys: allow for more by `BroadcastTable::up_to`, or have keys \
                 forgotten by `with_ttl`",
                self.most_keys
            )));
        }
        Ok(())
    }

    /// When there may be something to forget.
    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        let earliest = self.rows.earliest()?;
        Some(Timestamp::from_micros(
            earliest.as_micros().saturating_add(1),
        ))
    }

    /// Forgets what was not updated for long, of so many keys; says whether there may be more.
    pub(super) fn forget(&mut self, now: Timestamp) -> Step {
        for _ in 0..AT_ONCE {
            let Some(number) = self.rows.next_due(Some(now)) else {
                return Step::Done;
            };
            let row = self
                .rows
                .get_mut(number)
                .and_then(|(_, _, row)| row.as_ref());
            match row.map(|row| row.last) {
                // Updated since it was put down for this turn.
                Some(last) if last >= now => self.rows.due_behind(number, last),
                _ => self.rows.remove(number),
            }
        }
        Step::More
    }

    /// What is under each key, and until when.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V, Timestamp)> {
        let rows = self.rows.iter();
        let rows = rows.filter_map(|(_, key, row)| Some((key, row.as_ref()?)));
        rows.map(|(key, row)| (key, &row.value, row.last))
    }
}
