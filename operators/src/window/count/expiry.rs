//! Which keys expire when.

use std::collections::BTreeMap;

use millstream_engine::key::KeyHash;
use millstream_engine::time::Timestamp;

/// Keys by the moment at which to look whether they have expired. Each is in it once; it is not moved with each of its
/// records, but when that moment comes.
pub(super) struct ExpiryQueue<K>(BTreeMap<(Timestamp, KeyHash), Vec<K>>);

impl<K: Eq> ExpiryQueue<K> {
    pub(super) fn new() -> Self {
        ExpiryQueue(BTreeMap::new())
    }

    pub(super) fn push(&mut self, at: Timestamp, hash: KeyHash, key: K) {
        self.0.entry((at, hash)).or_default().push(key);
    }

    /// Takes a key out that is in it at this moment.
    pub(super) fn remove(&mut self, at: Timestamp, hash: KeyHash, key: &K) {
        if let Some(keys) = self.0.get_mut(&(at, hash)) {
            keys.retain(|other| other != key);
            if keys.is_empty() {
                self.0.remove(&(at, hash));
            }
        }
    }

    /// The first moment.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.0.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes out a key of the first moment, if `is_due` says that it has come.
    pub(super) fn pop(&mut self, is_due: impl Fn(Timestamp) -> bool) -> Option<(KeyHash, K)> {
        let mut first = self.0.first_entry()?;
        let (at, hash) = *first.key();
        if !is_due(at) {
            return None;
        }
        let key = first.get_mut().pop();
        if first.get().is_empty() {
            first.remove();
        }
        Some((hash, key?))
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
